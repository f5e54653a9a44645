"""Reads the training configuration from a TOML file and `name=value` settings."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfrec.errors import ConfigError, RecipeError
from tfrec.ingest.typed_toml import read_toml, typed
from tfrec.training import TrainingConfig
from tfrec.training.config import with_present_names


def read_config(
    path: Path | None = None, settings: Sequence[str] = (), *, under: dict[str, Any] | None = None
) -> TrainingConfig:
    """Returns the training configuration: the defaults, overridden by `under`, the file and the settings in turn.

    Args:
        path: TOML with the fields of `TrainingConfig`, and its parts as tables `[retrieval]`, `[ranking]`,
            `[features]`, `[sources]`, `[strategy.upsell]` and its neighbours, `[warm]`; None = the defaults.
        settings: `name=value` each, parts separated by a dot: `retrieval.embedding_dim=32`. Values are TOML's.
        under: plain nested values, such as the configuration of an older training.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is of another type or out of its range.
    """
    table = _read_toml(path) if path is not None else {}
    for setting in settings:
        _set(table, setting)
    table = _laid_over(with_present_names(under or {}), with_present_names(table))
    return config_from(table, where=str(path) if path is not None else "the settings")


def config_from(table: dict[str, Any], *, where: str = "the stored config") -> TrainingConfig:
    """Returns the training configuration of plain nested values, as TOML or JSON gives them.

    Raises:
        ConfigError: as `read_config`.
    """
    try:
        return typed(TrainingConfig, with_present_names(table), where=where)
    except RecipeError as error:  # raised by the reader that recipes share
        raise ConfigError(str(error)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)[1]
    except FileNotFoundError:
        raise ConfigError(f"There is no config {path}. Leave --config out to train with the defaults.") from None
    except RecipeError as error:  # raised by the reader that recipes share
        raise ConfigError(str(error)) from error


def _laid_over(under: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    inner = {
        name: _laid_over(under[name], value)
        for name, value in table.items()
        if isinstance(value, dict) and isinstance(under.get(name), dict)
    }
    return {**under, **table, **inner}


def _set(table: dict[str, Any], setting: str) -> None:
    """Puts `retrieval.embedding_dim=32` in its place."""
    name, equals, text = setting.partition("=")
    parts = name.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"A setting is written name=value, such as retrieval.embedding_dim=32; got {setting!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a word without quotes
    for part in parts[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{setting!r} names a part of {part!r}, which is no table. Leave out what follows it.")
        table = inner
    table[parts[-1]] = value
