"""Writes the section on customer lifetime value."""

import numpy as np

from tfrec.analysis.lifetime_value import LifetimeValue
from tfrec.pages.blocks import Figure, Section, Table, with_interval
from tfrec.pages.charts import line_chart
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.plots import value_figure
from tfrec.report.terminal.lifetime import model_sentences, tenth_heads, tenth_rows, value_sentences
from tfrec.report.words import Language


def lifetime_section(findings: Findings, say: Language) -> Section:
    """Returns what buyers are expected to spend, who they are, and whether the prediction held before."""
    title, values, currency = say("lifetime.title"), findings.lifetime, findings.manifest.currency
    if isinstance(values, Absent):
        return Section("lifetime", title, (say("lifetime.absent", reason=values.reason),), is_absent=True)
    notes = model_sentences(values, say)
    sentences = [text for text in value_sentences(values, say, currency=currency) if text not in notes]
    tenths = Table(
        tuple(tenth_heads(say)),
        tuple(tuple(row) for row in tenth_rows(values, say)),
        say("lifetime.tenths", days=values.horizon_days, n=values.num_users, currency=currency),
    )
    return Section(
        "lifetime",
        title,
        tuple(sentences),
        (value_figure(values, say, currency=currency),),
        (tenths, _most_valuable(values, say, currency)),
        tuple(notes),
        proof_figures=tuple(_check(values, say, currency)),
    )


def _check(values: LifetimeValue, say: Language, currency: str) -> list[Figure]:
    if values.holdout is None or len(values.holdout.groups) < 2:
        return []
    groups = values.holdout.groups
    svg = line_chart(
        np.arange(1, len(groups) + 1),
        [(say("lifetime.actual"), list(groups["actual"])), (say("lifetime.predicted"), list(groups["predicted"]))],
        label=say("lifetime.check_label", currency=currency),
        x_label=say("lifetime.tenth_axis"),
        form="{:,.0f}",
        x_form="{:.0f}",
    )
    caption = say("lifetime.check_caption", n=values.holdout.num, currency=currency)
    return [Figure(svg, caption, say("lifetime.check_title"))]


def _most_valuable(values: LifetimeValue, say: Language, currency: str) -> Table:
    rows = tuple(
        (
            str(row.Index),
            with_interval(row.expected_value, row.low, row.high, "{:,.0f}"),
            f"{row.value:,.0f}",
            f"{row.num_orders:,}",
            f"{row.recency_days:.0f}",
        )
        for row in values.users.head(10).itertuples()
    )
    heads = (
        say("heads.user"), say("lifetime.expected_value"), say("lifetime.value_so_far"), say("heads.orders"),
        say("lifetime.last_order_days"),
    )  # fmt: skip
    return Table(heads, rows, say("lifetime.most_valuable", days=values.horizon_days, currency=currency))
