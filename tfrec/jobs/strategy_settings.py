"""Reads settings of the strategies that are tried: a grid or a TOML file → checked settings, signature by signature.

A setting names what a request may name, so that one funnel answers for all of them; each has a place in
`StrategyConfig`, by which it is published.
"""

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, nearest_hint
from tfrec.strategy.config import StrategyConfig

Value: TypeAlias = float | int | str
Setting: TypeAlias = Mapping[str, Value]
"""Name → value, such as `{"diversity": 0.1}`; empty = as in service."""

OWN: Mapping[str, tuple[str, ...]] = {
    "recommend": ("diversity",),
    "cross_sell": ("diversity", "outside_cart_level"),
    "complete_cart": ("diversity", "outside_cart_level"),
    "upsell": ("diversity", "min_price_ratio", "max_price_ratio", "objective"),
}
"""Signature → the settings that it takes."""

USUAL_GRID = "diversity=0,0.1,0.3 outside_cart_level=0,9 max_price_ratio=1.5,2.5,4 objective=purchase,revenue,margin"
IN_SERVICE: Setting = MappingProxyType({})

_KINDS: Mapping[str, type] = {
    "diversity": float,
    "outside_cart_level": int,
    "min_price_ratio": float,
    "max_price_ratio": float,
    "objective": str,
}
_MOST = 500
_WITHOUT = ("diversity", "outside_cart_level")  # a request that sends 0 takes the default; -1 is "without"
_EXAMPLE = "diversity=0,.1,.3 max_price_ratio=1.5,2.5 objective=purchase,margin"


def read_grid(text: str) -> list[Setting]:
    """Returns the settings of a grid, all combinations of its values; or those of a TOML file, as it lists them.

    Args:
        text: `diversity=0,.1,.3 objective=purchase,margin`, or the name of a `.toml` file of `[[settings]]`.

    Raises:
        ConfigError: a name is unknown, a value of another type, a name comes twice, or there are too many.
    """
    if text.strip().endswith(".toml"):
        return _read_file(Path(text.strip()))
    values: dict[str, list[Value]] = {}
    for part in text.split():
        name, equals, listed = part.partition("=")
        if not equals or not listed.strip(","):
            raise ConfigError(f"A grid is written NAME=VALUE,VALUE NAME=VALUE, such as {_EXAMPLE!r}; got {part!r}.")
        if name in values:
            raise ConfigError(f"A grid names each setting once; {name!r} comes twice. Write {name}=VALUE,VALUE.")
        values[name] = [_value(name, value, where="the grid") for value in listed.split(",") if value]
    if not values:
        raise ConfigError(f"The grid is empty. Write it as {_EXAMPLE!r}.")
    number = math.prod(map(len, values.values()))
    if number > _MOST:
        raise ConfigError(f"A grid has at most {_MOST} settings; got {number:,}. Leave values out.")
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def settings_of(signature: str, settings: Sequence[Setting], strategy: StrategyConfig) -> list[Setting]:
    """Returns what is tried of a signature: as in service first, then each different setting of those it takes.

    Raises:
        ConfigError: a value is out of its range, or a price band has no room.
    """
    found: dict[StrategyConfig, Setting] = {strategy: IN_SERVICE}
    for setting in settings:
        own = {name: value for name, value in setting.items() if name in OWN[signature]}
        found.setdefault(configured(strategy, signature, own), own)
    return list(found.values())


def configured(strategy: StrategyConfig, signature: str, setting: Setting) -> StrategyConfig:
    """Returns the settings of the strategies with those of one signature replaced.

    Raises:
        ConfigError: a value is out of its range.
    """
    try:
        own = dataclasses.replace(getattr(strategy, signature), **setting)
    except ConfigError as error:
        raise ConfigError(f"{signature} with {describe(setting)}: {error}") from error
    return dataclasses.replace(strategy, **{signature: own})


def with_setting(queries: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Returns the queries with the inputs by which a request asks for the setting."""
    kinds = {float: np.float32, int: np.int32, str: object}
    columns = {
        name: np.full(len(queries), -1 if name in _WITHOUT and not value else value, kinds[_KINDS[name]])
        for name, value in setting.items()
    }
    return queries.assign(**columns)


def describe(setting: Setting) -> str:
    """Returns a setting in words: `diversity 0.1, objective margin`."""
    if not setting:
        return "as in service"
    texts = (f"{value:g}" if isinstance(value, float) else str(value) for value in setting.values())
    return ", ".join(f"{name} {text}" for name, text in zip(setting, texts, strict=True))


def _read_file(path: Path) -> list[Setting]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no file of settings {path}. Write [[settings]] into it, or give a grid.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}. Correct the file.") from error
    listed = table.pop("settings", None)
    if table or not isinstance(listed, list) or not all(isinstance(one, dict) and one for one in listed) or not listed:
        raise ConfigError(
            f"{path} must hold [[settings]] alone, each with lines such as diversity = 0.1; "
            f"it holds {', '.join(sorted(table)) or 'none'}."
        )
    if len(listed) > _MOST:
        raise ConfigError(f"{path} may hold {_MOST} settings; it has {len(listed):,}. Leave some out.")
    return [
        {name: _value(name, value, where=f"{path} [[settings]] {number}") for name, value in one.items()}
        for number, one in enumerate(listed, start=1)
    ]


def _value(name: str, value: object, *, where: str) -> Value:
    """Returns a value of a setting, of its type.

    Raises:
        ConfigError: the name is unknown, or the value of another type.
    """
    if name not in _KINDS:
        raise ConfigError(f"{where}: there is no setting {name!r}.{nearest_hint(name, _KINDS)}")
    kind = _KINDS[name]
    converted: Value | None = None
    if kind is str:
        converted = value if isinstance(value, str) else None
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        converted = _number(value, is_whole=kind is int)
    if converted is None:
        words = {float: "a number", int: "a whole number", str: "a text"}
        raise ConfigError(f"{where}: {name} must be {words[kind]}; got {value!r}.")
    return converted


def _number(value: str | float, *, is_whole: bool) -> float | int | None:
    """Returns a number; None where it is none, is not finite, or should be whole and is not."""
    try:
        number = float(value)
    except ValueError:
        return None
    if is_whole:
        return int(number) if number.is_integer() else None
    return number if math.isfinite(number) else None
