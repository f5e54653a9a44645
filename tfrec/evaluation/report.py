"""Writes what an evaluation found, an `EvaluationReport`, as text, JSON and one page."""

import dataclasses
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfrec.evaluation.page import page
from tfrec.evaluation.sections import Section
from tfrec.publish import FolderKind, publishing
from tfrec.schema.json_values import to_json
from tfrec.statistics.estimates import Estimate

REPORT_FOLDER = FolderKind(
    "an evaluation report",
    mark="report.json",
    keys=frozenset({"shop", "test_from", "sections"}),
    files=("report.txt", "report.json", "report.html", ".of"),
)
_TEXT_WIDTH = 120


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """What each method reached on each task.

    Attributes:
        shop: name of the prepared shop.
        test_from: first moment of the test period, on the shop's clock.
        seeds: draws of the hidden items.
        sections: a table a task.
        findings: sentences on what no table holds, such as how much of a known truth was found.
    """

    shop: str
    test_from: str
    seeds: tuple[int, ...]
    sections: tuple[Section, ...]
    findings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns the whole report as text."""
        parts = [f"Evaluation of {self.shop}, test from {self.test_from}"]
        parts += [_section_text(section) for section in self.sections]
        parts += [textwrap.fill(finding, _TEXT_WIDTH) for finding in self.findings]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> str:
        """Returns the report for machines; absent figures are null."""
        return json.dumps(_plain(self), indent=2, ensure_ascii=False)

    def to_html(self) -> str:
        """Returns one self-contained page: light and dark, readable on a phone, no network."""
        title = f"Evaluation of {self.shop}"
        return page(title, f"Global temporal split; test from {self.test_from}.", self.sections, self.findings)


def write_report(
    report: EvaluationReport, out: Path, *, inputs: Sequence[Path] = (), beside: Mapping[str, str] | None = None
) -> Path:
    """Writes a folder of `report.json`, `report.html` and `report.txt`, in one step; returns the page's path.

    Args:
        report: report of `evaluate_models`.
        out: the folder.
        inputs: folders that were read, which `out` must not hold.
        beside: further files, name → text.

    Raises:
        SourceError: `out` holds any of `inputs`, or anything that no earlier evaluation wrote.
    """
    texts = {"report.txt": str(report), "report.json": report.to_json() + "\n", "report.html": report.to_html()}
    with publishing(out, REPORT_FOLDER, inputs=inputs) as work:
        for name, text in {**texts, **(beside or {})}.items():
            (work / name).write_text(text, encoding="utf-8")
    return out / "report.html"


def estimate_fields(estimate: Estimate) -> dict[str, float]:
    """Returns what reports and comparisons keep of an estimate: `value`, `low`, `high`, `num_queries`."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "num_queries": estimate.n}


def _section_text(section: Section) -> str:
    shown = [column for column in section.columns if _is_known(section, column.name)]
    parts = [section.title, textwrap.fill(section.note, _TEXT_WIDTH), ""]
    for columns in ([column for column in shown if column.is_beside == beside] for beside in (False, True)):
        if columns:
            parts += [_table_text(section, [column.name for column in columns]), ""]
    parts += [f"{duel.method} − {duel.baseline}, {duel.column}: {duel.comparison}" for duel in section.duels]
    left_out = [column.name for column in section.columns if column not in shown]
    if left_out:
        parts.append(f"No such cases here: {', '.join(left_out)}.")
    return "\n".join(parts).rstrip()


def _table_text(section: Section, names: Sequence[str]) -> str:
    split = [name.rsplit(" ", 1) if " " in name else ["", name] for name in names]  # two lines of heading
    heads = [["", *(first for first, _ in split)], ["method", *(second for _, second in split)]]
    lines = [[row.method, *(_cell(row.cells[name]) for name in names)] for row in section.rows]
    widths = [max(len(line[at]) for line in heads + lines) for at in range(len(names) + 1)]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(line, widths) for line in [*heads, rule, *lines])


def _is_known(section: Section, column: str) -> bool:
    return any(row.cells[column].n for row in section.rows)


def _cell(estimate: Estimate) -> str:
    if not estimate.n or math.isnan(estimate.value):
        return "–"
    value = f"{estimate.value:.3f}".replace("0.", ".", 1) if abs(estimate.value) < 1 else f"{estimate.value:.2f}"
    half = (estimate.high - estimate.low) / 2
    return value if math.isnan(half) else f"{value} ±{half:.3f}".replace("±0.", "±.")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()


def _plain(value: object) -> object:
    """Returns the report's values for JSON: estimates by `estimate_fields`, all others as plain values."""
    if isinstance(value, Estimate):
        return to_json(estimate_fields(value))
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return to_json(value)
