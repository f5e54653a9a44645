"""Writes the section on the results of `tfrec evaluate`."""

from typing import Any

from tfrec.pages.blocks import Cell, Figure, Section, Table, with_interval
from tfrec.pages.charts import bar_chart
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def models_section(findings: Findings, say: Language) -> Section:
    """Returns the served models and strategies beside the baselines."""
    title, evaluation = say("models.recommendations_models_beside_simple_rules"), findings.evaluation
    if isinstance(evaluation, Absent):
        none = say("models.no_models_named_models_models")
        if evaluation.reason:
            none = say("models.models_have_no_evaluation_yet", reason=evaluation.reason)
        return Section("models", title, (none,), is_absent=True)
    sentences = [
        say(
            "models.test_all_items_ranked_nothing",
            day=evaluation.get("test_from", ""),
        )
    ]
    figures, tables = [], []
    for part in evaluation["sections"]:
        names = [
            column["name"]
            for column in part["columns"]
            if column["is_headline"] and any(row["cells"][column["name"]]["num_queries"] for row in part["rows"])
        ]
        if not names:
            continue
        sentences += [_duel(duel, say.name(part["title"]), say) for duel in part["duels"][:1]]
        tables.append(_table(part, names, say))
        figures.append(_figure(part, names[0], say))
    footnotes = tuple(str(text) for text in evaluation.get("findings") or ())
    return Section("models", title, tuple(sentences), tuple(figures), (), footnotes, proof_tables=tuple(tables))


def _duel(duel: dict[str, Any], task: str, say: Language) -> str:
    difference = duel["comparison"]["difference"]
    if difference["low"] is None:  # of one order
        return say(
            "models.against_strongest_simple_rule_too",
            task=task,
            method=duel["method"],
            baseline=duel["baseline"],
            column=duel["column"],
            value=difference["value"],
        )
    return say(
        "models.against_strongest_simple_rule_95",
        task=task,
        method=duel["method"],
        baseline=duel["baseline"],
        column=duel["column"],
        value=difference["value"],
        low=difference["low"],
        high=difference["high"],
        n=difference["num_queries"],
    )


def _table(part: dict[str, Any], names: list[str], say: Language) -> Table:
    rows = tuple((row["method"], *(_cell(row["cells"][name]) for name in names)) for row in part["rows"])
    most = max(row["cells"][name]["num_queries"] for row in part["rows"] for name in names)
    caption = say("models.n_cases_most_intervals_95", title=say.name(part["title"]), n=most)
    return Table((say("models.method"), *names), rows, caption)


def _figure(part: dict[str, Any], name: str, say: Language) -> Figure:
    cells = [(row, row["cells"][name]) for row in part["rows"] if row["cells"][name]["value"] is not None]
    svg = bar_chart(
        [row["method"] for row, _ in cells],
        [cell["value"] for _, cell in cells],
        lows=[_known(cell["low"]) for _, cell in cells],
        highs=[_known(cell["high"]) for _, cell in cells],
        label=name,
        form="{:.3f}",
        strong=[not row["is_baseline"] for row, _ in cells],
    )
    caption = say("models.strong_models_whiskers_95_intervals", n=cells[0][1]["num_queries"] if cells else 0)
    return Figure(svg, caption, say.name(part["title"]))


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _cell(cell: dict[str, Any]) -> Cell:
    if not cell["num_queries"] or cell["value"] is None:
        return "–"
    return with_interval(cell["value"], _known(cell["low"]), _known(cell["high"]), "{:.3f}")
