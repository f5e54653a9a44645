"""Renders the sections of an evaluation as one page: tables, charts of the headlines, and what the columns mean."""

import math
from collections.abc import Sequence

from tfrec.evaluation.sections import Column, Section
from tfrec.pages import blocks
from tfrec.pages.charts import bar_chart
from tfrec.pages.render import render_page
from tfrec.statistics.estimates import Estimate


def page(title: str, subtitle: str, sections: Sequence[Section], findings: Sequence[str] = ()) -> str:
    """Returns the page; findings, sentences on what no table holds, stand on top."""
    return render_page(
        title=title,
        subtitle=subtitle,
        sentences=findings,
        sections=[_section(section) for section in sections],
    )


def _section(section: Section) -> blocks.Section:
    columns = [column for column in section.columns if any(_count(row.cells[column.name]) for row in section.rows)]
    beside = [column for column in columns if column.is_beside]
    tables = [_table(section, [column for column in columns if not column.is_beside])]
    if beside:
        tables.append(_table(section, beside, title=section.beside))
    return blocks.Section(
        key=section.task,
        title=section.title,
        sentences=(section.note,),
        figures=tuple(_chart(section, column) for column in columns if column.is_headline and not column.is_beside),
        tables=tuple(tables),
        footnotes=tuple(
            f"{duel.method} against {duel.baseline} on {duel.column}: {duel.comparison}" for duel in section.duels
        ),
        terms=blocks.Terms("What the columns mean", tuple((column.name, column.meaning) for column in columns)),
    )


def _table(section: Section, columns: Sequence[Column], *, title: str = "") -> blocks.Table:
    best = set()
    for at, column in enumerate(columns, start=1):
        values = [row.cells[column.name].value for row in section.rows]
        most = max((value for value in values if not math.isnan(value)), default=math.nan)
        best |= {(row, at) for row, value in enumerate(values) if value == most and not column.is_beside}
    caption = "Below each figure its 95 % interval; the best of a column is coloured." if best else ""
    return blocks.Table(
        heads=("method", *(column.name for column in columns)),
        rows=tuple((row.method, *(_cell(row.cells[column.name]) for column in columns)) for row in section.rows),
        caption=caption,
        title=title,
        strong_rows=frozenset(at for at, row in enumerate(section.rows) if not row.is_baseline),
        best_cells=frozenset(best),
    )


def _chart(section: Section, column: Column) -> blocks.Figure:
    rows = [row for row in section.rows if _count(row.cells[column.name])]
    cells = [row.cells[column.name] for row in rows]
    svg = bar_chart(
        [row.method for row in rows],
        [cell.value for cell in cells],
        label=column.name,
        lows=[cell.low for cell in cells],
        highs=[cell.high for cell in cells],
        form="{:.3f}",
        strong=[not row.is_baseline for row in rows],
    )
    return blocks.Figure(svg, column.meaning, column.name)


def _cell(cell: Estimate) -> blocks.Cell:
    if not _count(cell) or math.isnan(cell.value):
        return "–"
    return blocks.with_interval(cell.value, cell.low, cell.high, "{:.3f}")


def _count(cell: Estimate) -> int:
    return cell.n
