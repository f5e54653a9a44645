"""Writes the section on association rules."""

from typing import Any

import pandas as pd

from tfrec.pages.blocks import Section, Table, with_interval
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.plots import rules_figure
from tfrec.report.words import Language
from tfrec.schema.item_names import shorten

_NUM = 15
_SIDE = 26
"""Letters of each name of a pair beside its bar."""


def rules_section(findings: Findings, say: Language) -> Section:
    """Returns what is bought together: strongest, across categories, one way only."""
    title, mined = say("rules.bought_together"), findings.rules
    if isinstance(mined, Absent):
        return Section("rules", title, (say("rules.no_orders_find_rules", reason=mined.reason),), is_absent=True)
    if not len(mined.rules):
        none = say(
            "rules.no_rule_holds_tested_orders",
            tested=mined.num_tested,
            orders=mined.num_orders,
            support=mined.min_support,
        )
        return Section("rules", title, (none,))
    pairs, directed, cross = mined.rules[mined.rules["size"] == 2], mined.directed(), mined.cross_category()
    first = (pairs if len(pairs) else mined.rules).iloc[0]
    sentences = [
        say(
            "rules.who_buys_also_buys_orders",
            antecedent=_names(first["antecedent"], findings),
            consequent=findings.title_of(first["consequent"]),
            confidence=first["confidence"],
            n=int(first["antecedent_count"]),
            low=first["confidence_low"],
            high=first["confidence_high"],
            lift=first["lift"],
        ),
        say(
            "rules.pairs_hold_one_way_only",
            directed=len(directed),
            cross=len(cross),
        ),
    ]
    figures = rules_figure(mined.rules, findings.title_of, say)
    tables = [_table(mined.rules.head(_NUM), findings, say, say("rules.strongest_rules_lower_end_their"))]
    for frame, caption in (
        (directed, say("rules.pairs_hold_one_way_only_confidence")),
        (cross, say("rules.rules_into_another_category")),
    ):
        if len(frame):
            tables.append(_table(frame.head(_NUM), findings, say, caption))
    footnotes = (
        say(
            "rules.rules_orders_support_tested_false",
            rules=len(mined.rules),
            orders=mined.num_orders,
            support=mined.min_support,
            tested=mined.num_tested,
            unstable=mined.num_unstable,
            redundant=mined.num_redundant,
        ),
    )
    return Section("rules", title, tuple(sentences), tuple(figures), tuple(tables), footnotes)


def _table(frame: pd.DataFrame, findings: Findings, say: Language, caption: str) -> Table:
    heads = (
        say("rules.who_buys"),
        say("rules.also_buys"),
        say("heads.orders"),
        say("rules.support"),
        say("rules.confidence"),
        say("rules.lift_head"),
    )
    rows = tuple(
        (
            _names(row.antecedent, findings),
            findings.title_of(row.consequent),
            f"{row.both:,} / {row.antecedent_count:,}",
            f"{row.support:.2%}",
            with_interval(row.confidence, row.confidence_low, row.confidence_high, "{:.0%}"),
            with_interval(row.lift, row.lift_low, row.lift_high, "{:.1f}"),
        )
        for row in _rows(frame)
    )
    return Table(heads, rows, caption)


def _rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.rename(columns={"count": "both"}).itertuples())


def _arrow(antecedent: str, consequent: str, findings: Findings) -> str:
    return " → ".join(shorten(findings.title_of(item), _SIDE) for item in (antecedent, consequent))


def _names(items: tuple[str, ...], findings: Findings) -> str:
    return " + ".join(findings.title_of(item) for item in items)
