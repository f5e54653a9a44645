"""Keeps the figures of a benchmark as `docs/benchmarks/NAME.json`, from which the pages are made (`pages.py`)."""

import argparse
import dataclasses
import datetime as dt
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "benchmarks"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A measured value.

    Attributes:
        value: mean over queries, and over trainings.
        low: lower end of its 95 % interval; None = not given.
        high: upper end.
        each: value of each training, where there are several.
    """

    value: float
    low: float | None = None
    high: float | None = None
    each: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Returns `.383 (.372–.394)`, without the interval where there is none."""
        if self.low is None or self.high is None:
            return _short(self.value)
        return f"{_short(self.value)} ({_short(self.low)}–{_short(self.high)})"


@dataclasses.dataclass(frozen=True)
class Compared:
    """A quality of the served funnel beside the strongest baseline on the same queries.

    Attributes:
        data: name of the data set.
        task: what was asked.
        metric: column of the report, such as `all HR@10`.
        ours: the served funnel.
        baseline: the strongest baseline.
        name: name of that baseline.
        n: number of queries.
        bar: value to be reached; None = not set.
    """

    data: str
    task: str
    metric: str
    ours: Figure
    baseline: Figure
    name: str
    n: int
    bar: float | None = None


@dataclasses.dataclass(frozen=True)
class Cost:
    """A time, a rate or another number without a baseline.

    Attributes:
        what: what was measured.
        figure: the value with its unit, ready to read.
    """

    what: str
    figure: str


@dataclasses.dataclass(frozen=True)
class Held:
    """A figure that is held to a bar of its own, not to a baseline.

    Attributes:
        what: what was measured.
        figure: the value.
        n: number of queries.
        bar: value to be reached; None = reported alone.
        is_most: the figure must not exceed the bar; else it must not be below it.
        note: what stands beside it, such as the baselines' values.
    """

    what: str
    figure: Figure
    n: int
    bar: float | None = None
    is_most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """`reached` or `missed`; empty without a bar."""
        if self.bar is None:
            return ""
        value = self.figure.value
        return "reached" if (value <= self.bar if self.is_most else value >= self.bar) else "missed"

    @property
    def bar_text(self) -> str:
        """The bar in words, such as `≥ .850`; empty without one."""
        return "" if self.bar is None else f"{'≤' if self.is_most else '≥'} {_short(self.bar)}"


@dataclasses.dataclass(frozen=True)
class Results:
    """What one benchmark measured.

    Attributes:
        command: prints the same figures.
        version: commit that was measured.
        date: ISO date of the run.
        cores: processors of the machine.
        compared: qualities beside baselines.
        costs: other numbers.
        held: figures held to bars of their own.
    """

    command: str
    version: str
    date: str
    cores: int
    compared: tuple[Compared, ...] = ()
    costs: tuple[Cost, ...] = ()
    held: tuple[Held, ...] = ()


def add_save(parser: argparse.ArgumentParser) -> None:
    """Adds `--save`, which writes the figures beside the pages."""
    parser.add_argument(
        "--save", action="store_true", help="write docs/benchmarks/NAME.json, from which pages are made"
    )


def save_results(
    name: str,
    command: str,
    *,
    compared: Sequence[Compared] = (),
    costs: Sequence[Cost] = (),
    held: Sequence[Held] = (),
) -> Path:
    """Writes the figures of one benchmark, by rename, and returns the file.

    Args:
        name: of the file, without its ending.
        command: what prints the same figures.
        compared: qualities beside baselines.
        costs: other numbers.
        held: figures held to bars of their own.
    """
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    results = Results(
        command=command,
        version=version.stdout.strip(),
        date=dt.datetime.now(tz=dt.UTC).date().isoformat(),
        cores=os.cpu_count() or 1,
        compared=tuple(compared),
        costs=tuple(costs),
        held=tuple(held),
    )
    path, unfinished = FOLDER / f"{name}.json", FOLDER / f".{name}.{os.getpid()}"
    unfinished.write_text(json.dumps(dataclasses.asdict(results), indent=1, ensure_ascii=False) + "\n")
    return unfinished.replace(path)


def read_results(folder: Path = FOLDER) -> dict[str, Results]:
    """Returns name → results of every benchmark that has been saved, by name."""
    return {path.stem: _results(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))}


def _results(found: dict[str, Any]) -> Results:
    compared = [
        Compared(**{**row, "ours": _figure(row["ours"]), "baseline": _figure(row["baseline"])})
        for row in found["compared"]
    ]
    costs = [Cost(**row) for row in found["costs"]]
    held = held_from_json(found.get("held", []))  # files of earlier runs have none
    return Results(**{**found, "compared": tuple(compared), "costs": tuple(costs), "held": held})


def held_from_json(found: Sequence[dict[str, Any]]) -> tuple[Held, ...]:
    """Returns the figures that `dataclasses.asdict` turned into plain values."""
    return tuple(Held(**{**row, "figure": _figure(row["figure"])}) for row in found)


def _figure(found: dict[str, Any]) -> Figure:
    return Figure(**{**found, "each": tuple(found["each"])})


def _short(value: float) -> str:
    """Returns three decimals without the leading zero, as tables of the field do."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
