"""Writes what `tfrec associations` prints."""

from typing import Any

import pandas as pd

from tfrec.analysis.rules import Rules
from tfrec.report.words import Language
from tfrec.schema.text_columns import cut, text_table


def rules_text(mined: Rules, shown: pd.DataFrame, say: Language, *, top: int, out: Any = None) -> str:
    """Returns what was mined, the three strongest rules of the view in words, and a table of the rules shown.

    Args:
        mined: all rules.
        shown: the rules of a view: all, those into another category, or pairs that hold one way only.
        say: language.
        top: number of rules in the table.
        out: path of the table, where there is one.
    """
    titles = mined.titles.to_dict()
    rows = [
        [
            " + ".join(cut(titles.get(item) or item) for item in rule["antecedent"]),
            cut(titles.get(rule["consequent"]) or rule["consequent"]),
            f"{rule['count']:,}",
            f"{rule['support']:.2%}",
            f"{rule['confidence']:.0%} ({rule['confidence_low']:.0%}–{rule['confidence_high']:.0%})",
            f"{rule['lift']:.1f} ({rule['lift_low']:.1f}–{rule['lift_high']:.1f})",
        ]
        for rule in shown.head(top).to_dict("records")
    ]
    heads = [
        say("rules.who_buys"),
        say("rules.also_buys"),
        say("heads.orders"),
        say("rules.support"),
        say("rules.confidence_95"),
        say("rules.lift_95"),
    ]
    lines = [*_sentences(mined, shown, titles, say), "", text_table(heads, rows)]
    if out is not None:
        lines += ["", say("rules.rules_path", path=out, n=len(shown))]
    return "\n".join(lines)


def _sentences(mined: Rules, shown: pd.DataFrame, titles: dict[Any, str], say: Language) -> list[str]:
    lines = [
        say(
            "rules.rules_orders_tested_support_more",
            rules=len(mined.rules),
            orders=mined.num_orders,
            first=f"{mined.period[0]:%Y-%m-%d}",
            last=f"{mined.period[1]:%Y-%m-%d}",
            tested=mined.num_tested,
            support=mined.min_support,
            unstable=mined.num_unstable,
            redundant=mined.num_redundant,
            cross=len(mined.cross_category()),
        )
    ]
    if len(shown) < len(mined.rules):
        lines.append(say("rules.of_these_in_view", n=len(shown)))
    lines += [
        say(
            "rules.who_buys_also_buys_orders_95",
            antecedent=" + ".join(str(titles.get(item) or item) for item in rule.antecedent),
            consequent=str(titles.get(rule.consequent) or rule.consequent),
            confidence=rule.confidence,
            n=rule.antecedent_count,
            low=rule.confidence_low,
            high=rule.confidence_high,
            lift=rule.lift,
        )
        for rule in shown.head(3).itertuples()
    ]
    return lines
