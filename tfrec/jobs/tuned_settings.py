"""Converts tuned settings between a study and a `TrainingConfig`, and writes the best ones to a file."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfrec.ingest.typed_toml import read_toml
from tfrec.models.retrieval import LOSSES
from tfrec.publish import check_file, write_text
from tfrec.training.config import TrainingConfig, with_present_names
from tfrec.training.settings_file import config_from

_KIND = "tuned settings"


@dataclasses.dataclass(frozen=True)
class SearchRange:
    """Range that a setting is searched in: `choices`, or from `low` to `high`."""

    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    is_whole: bool = False
    choices: tuple[str | int, ...] = ()


GROUPS: Mapping[str, Mapping[str, SearchRange]] = {
    "ranking": {
        "ranking_rate": SearchRange(5e-4, 8e-3, is_log=True),
        "ranking.dropout": SearchRange(0.0, 0.3),
        "ranking.cross_layers": SearchRange(0, 3, is_whole=True),
        "ranking.hidden": SearchRange(choices=("64", "128 64", "256 128")),
        "ranking.probability_weight": SearchRange(0.1, 3.0, is_log=True),
        "ranking_batch": SearchRange(choices=(32, 64, 128)),
    },
    "features": {
        "features.l2": SearchRange(5.0, 500.0, is_log=True),
        "features.half_life_days": SearchRange(15.0, 365.0, is_log=True),
        "features.dropout": SearchRange(0.05, 0.5),
    },
    "retrieval": {
        "retrieval.loss": SearchRange(choices=LOSSES),
        "retrieval_rate": SearchRange(5e-4, 8e-3, is_log=True),
        "retrieval.embedding_dim": SearchRange(choices=(32, 64, 128)),
        "retrieval.temperature": SearchRange(0.03, 0.2, is_log=True),
        "retrieval.id_dropout": SearchRange(0.0, 0.4),
        "retrieval.dropout": SearchRange(0.0, 0.4),
    },
}
"""Settings that are tuned, cheap ones first: of the ranker, of the tables, of the towers."""


def settings_of(params: Mapping[str, Any], ranges: Mapping[str, SearchRange]) -> dict[str, Any]:
    """Values as the config has them: widths are a list, though a study knows them as text."""
    return {
        name: [int(width) for width in value.split()] if isinstance(value, str) and name.endswith("hidden") else value
        for name, value in params.items()
        if name in ranges
    }


def configured(config: TrainingConfig, settings: Mapping[str, Any]) -> TrainingConfig:
    """Returns the config with these settings, dotted name → value."""
    table: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    for name, value in settings.items():
        place = table
        *parts, last = name.split(".")
        for part in parts:
            place = place[part]
        place[last] = value
    return config_from(table, where="the tuned ranges")


def values_of(config: TrainingConfig, ranges: Mapping[str, SearchRange]) -> dict[str, Any]:
    """Returns the config's own values, clipped to the ranges, for the first trial."""
    values: dict[str, Any] = {}
    for name, search_range in ranges.items():
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part)
        value = " ".join(map(str, value)) if isinstance(value, tuple) else value
        if not search_range.choices:
            values[name] = min(max(value, search_range.low), search_range.high)
        elif value in search_range.choices:
            values[name] = value
    return values


def check_best(file: Path) -> None:
    """Refuses to replace a foreign file by the best settings.

    Raises:
        SourceError: it is one.
    """
    check_file(file, _KIND, force=_is_of_earlier_release(file))


def write_best(file: Path, params: Mapping[str, Any], ranges: Mapping[str, SearchRange]) -> None:
    """Writes the ranges as TOML, tables last."""
    text = toml_text(settings_of(params, ranges))
    write_text(file, text + "\n", _KIND, force=_is_of_earlier_release(file))


def toml_text(settings: Mapping[str, Any]) -> str:
    """Returns settings, dotted name → value, as TOML without a line end, tables last."""
    tables: dict[str, list[str]] = {"": []}
    for name, value in settings.items():
        table, _, last = name.rpartition(".")
        tables.setdefault(table, []).append(f"{last} = {json.dumps(value)}")
    blocks = ["\n".join(([f"[{table}]"] if table else []) + lines) for table, lines in tables.items() if lines]
    return "\n\n".join(blocks)


def _is_of_earlier_release(file: Path) -> bool:
    """Returns whether a file without a mark holds tuned settings and nothing else."""
    sections = {name.split(".")[0] for group in GROUPS.values() for name in group}
    try:
        text, table = read_toml(file)
        return "#" not in text and with_present_names(table).keys() <= sections
    except (OSError, ValueError):
        return False
