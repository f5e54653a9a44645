"""Renders sections as one self-contained HTML page: light and dark, readable on a phone, no network, no script."""

import html
import math
from collections.abc import Sequence

from tfrec.evaluation.sections import Column, Section
from tfrec.statistics.estimates import Estimate

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d8dee6; --back: #fff; --base: #9fb0c3;
  --model: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #313a46; --back: #12161c;
  --base: #5c6f84; --model: #35c48d; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 0 auto;
  max-width: 72rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: .3rem; }
p, caption, dd { color: var(--soft); } caption { text-align: left; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 3.5rem; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--back);
  white-space: normal; min-width: 8rem; }
td small { display: block; color: var(--soft); } tr.model td { font-weight: 600; }
td.best { color: var(--model); } dl { font-size: .85rem; } dt { font-weight: 600; } dd { margin: 0 0 .3rem; }
.charts { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
figure { margin: 0; max-width: 32rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 14px; }
.bar { fill: var(--base); } .model .bar { fill: var(--model); } .whisker { stroke: var(--ink); stroke-width: 1.5; }
"""


def page(title: str, subtitle: str, sections: Sequence[Section], findings: Sequence[str] = ()) -> str:
    """Returns the page: for each section a table, a bar chart a headline, the comparisons, what the columns mean.

    Findings, sentences on what no table holds, stand on top.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(subtitle)}</p>"]
    parts += [f"<p><strong>{html.escape(finding)}</strong></p>" for finding in findings]
    for section in sections:
        columns = [column for column in section.columns if any(row.cells[column.name].n for row in section.rows)]
        parts += [f"<h2>{html.escape(section.title)}</h2>", f"<p>{html.escape(section.note)}</p>"]
        parts += [_table(section, [column for column in columns if not column.is_beside]), _duels(section)]
        drawn = [column for column in columns if column.is_headline and not column.is_beside]
        parts.append(f'<div class="charts">{"".join(_chart(section, c) for c in drawn)}</div>')
        beside = [column for column in columns if column.is_beside]
        parts += [f"<h3>{html.escape(section.beside)}</h3>", _table(section, beside)] if beside else []
        meanings = (f"<dt>{html.escape(column.name)}</dt><dd>{html.escape(column.meaning)}</dd>" for column in columns)
        parts.append(f"<details><summary>What the columns mean</summary><dl>{''.join(meanings)}</dl></details>")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{"".join(parts)}\n</body></html>\n'


def _table(section: Section, columns: Sequence[Column]) -> str:
    best = {
        column.name: max(
            (row.cells[column.name].value for row in section.rows if not math.isnan(row.cells[column.name].value)),
            default=math.nan,
        )
        for column in columns
        if not column.is_beside
    }
    heads = "".join(f'<th scope="col">{html.escape(column.name)}</th>' for column in columns)
    rows = []
    for row in section.rows:
        cells = "".join(
            f"<td{' class=best' if row.cells[column.name].value == best.get(column.name) else ''}>"
            f"{_cell(row.cells[column.name])}</td>"
            for column in columns
        )
        kind = "" if row.is_baseline else ' class="model"'
        rows.append(f"<tr{kind}><td>{html.escape(row.method)}</td>{cells}</tr>")
    caption = (
        "<caption>Below each figure its 95 % interval; the best of a column is coloured.</caption>" if best else ""
    )
    body = f'<thead><tr><th scope="col">method</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody>'
    return f'<div class="scroll"><table>{caption}{body}</table></div>'


def _duels(section: Section) -> str:
    lines = [
        f"<li>{html.escape(duel.method)} against {html.escape(duel.baseline)} on "
        f"{html.escape(duel.column)}: {html.escape(str(duel.comparison))}</li>"
        for duel in section.duels
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _chart(section: Section, column: Column) -> str:
    """Draws horizontal bars under their names, with the interval as a whisker, in units of the view box."""
    rows = [row for row in section.rows if row.cells[column.name].n]
    reach = max(_high(row.cells[column.name]) for row in rows) or 1.0
    scale = 400 / reach
    bars = []
    for at, row in enumerate(rows):
        cell, y = row.cells[column.name], 38 * at
        kind = "" if row.is_baseline else ' class="model"'
        whisker = ""
        if not math.isnan(cell.low):
            whisker = (
                f'<line class="whisker" x1="{cell.low * scale:.1f}" x2="{cell.high * scale:.1f}" '
                f'y1="{y + 25}" y2="{y + 25}"/>'
            )
        bars.append(
            f'<g{kind}><text x="0" y="{y + 13}">{html.escape(row.method)}</text>'
            f'<rect class="bar" x="0" y="{y + 18}" width="{max(cell.value, 0) * scale:.1f}" height="14"/>{whisker}'
            f'<text x="{6 + _high(cell) * scale:.1f}" y="{y + 30}">{cell.value:.3f}</text></g>'
        )
    label = html.escape(f"{column.name} of each method")
    svg = f'<svg viewBox="0 0 460 {38 * len(rows)}" role="img" aria-label="{label}">{"".join(bars)}</svg>'
    return f"<figure><h3>{html.escape(column.name)}</h3><p>{html.escape(column.meaning)}</p>{svg}</figure>"


def _high(cell: Estimate) -> float:
    return cell.value if math.isnan(cell.high) else cell.high


def _cell(cell: Estimate) -> str:
    if not cell.n or math.isnan(cell.value):
        return "–"
    interval = "" if math.isnan(cell.low) else f"<small>{cell.low:.3f}–{cell.high:.3f}</small>"
    return f"{cell.value:.3f}{interval}"
