"""Writes what `tfrec value` prints."""

import math
from typing import Any

import numpy as np

from tfrec.analysis.lifetime_value import LifetimeValue
from tfrec.report.words import Language
from tfrec.schema.text_columns import text_table

_GROUPS = 10
_REASONS = {
    "drops_out": "lifetime.reason_drops_out",
    "no_dropout": "lifetime.reason_no_dropout",
    "short_history": "lifetime.reason_short_history",
}
_DEPENDS = 0.2  # correlation of orders and mean value from which it is worth a word


def value_text(values: LifetimeValue, say: Language, *, currency: str, out: Any = None) -> str:
    """Returns what buyers are expected to spend, how the prediction fared before, and a table of tenths.

    Args:
        values: the prediction.
        say: language.
        currency: of the shop.
        out: path of the table of buyers, where there is one.
    """
    lines = [
        *value_sentences(values, say, currency=currency),
        "",
        text_table(tenth_heads(say), tenth_rows(values, say)),
    ]
    if out is not None:
        lines.append(say("lifetime.path", path=out))
    return "\n".join(lines)


def value_sentences(values: LifetimeValue, say: Language, *, currency: str) -> list[str]:
    """Returns the total, how it fared one horizon earlier, and what model predicts it."""
    figures = {
        "n": values.num_users,
        "total": values.total,
        "currency": currency,
        "days": values.horizon_days,
        "share": values.top_tenth_share,
    }
    if math.isfinite(values.total_low):
        total = say("lifetime.total_within_days_interval", low=values.total_low, high=values.total_high, **figures)
    else:
        total = say("lifetime.total_within_days", **figures)
    return [total, _checked(values, say), *model_sentences(values, say)]


def model_sentences(values: LifetimeValue, say: Language) -> list[str]:
    """Returns what model predicts, why, and what it leaves out."""
    sentences = [say(_REASONS[values.reason])]
    if values.model == "dropout" and abs(values.spend_correlation) >= _DEPENDS:
        direction = say("lifetime.more") if values.spend_correlation > 0 else say("lifetime.less")
        sentences.append(say("lifetime.spend_depends", direction=direction, correlation=values.spend_correlation))
    if values.users["age_days"].max() < 730:
        sentences.append(say("lifetime.no_season"))
    return sentences


def _checked(values: LifetimeValue, say: Language) -> str:
    holdout = values.holdout
    if holdout is None:
        return say("lifetime.not_checked")
    if not math.isfinite(holdout.error) or not math.isfinite(holdout.rank_correlation):
        return say("lifetime.checked_nothing_came", n=holdout.num, predicted=holdout.predicted)
    return say(
        "lifetime.checked", n=holdout.num, predicted=holdout.predicted, actual=holdout.actual, error=holdout.error,
        rho=holdout.rank_correlation, rfm=holdout.rfm_rank_correlation,
    )  # fmt: skip


def tenth_heads(say: Language) -> list[str]:
    """Returns the heads of the table of tenths."""
    return [
        say("lifetime.group"), say("heads.buyers"), say("lifetime.so_far_each"), say("lifetime.expected_each"),
        say("lifetime.expected_sum"), say("heads.share_all"),
    ]  # fmt: skip


def tenth_rows(values: LifetimeValue, say: Language) -> list[list[str]]:
    """Returns one row a tenth of the buyers, highest expected value first; fewer where there are under ten buyers."""
    rows = []
    for name, part in zip(tenth_names(values, say), tenths(values), strict=True):
        members = values.users.iloc[part]
        rows.append(
            [
                name, f"{len(members):,}", f"{members['value'].mean():,.2f}",
                f"{members['expected_value'].mean():,.2f}", f"{members['expected_value'].sum():,.0f}",
                f"{members['share'].sum():.1%}",
            ]
        )  # fmt: skip
    return rows


def tenths(values: LifetimeValue) -> list[np.ndarray]:
    """Returns `[n]` the places of each tenth's buyers, highest expected value first; fewer with under ten."""
    return np.array_split(np.arange(values.num_users), min(_GROUPS, values.num_users))


def tenth_names(values: LifetimeValue, say: Language) -> list[str]:
    """Returns what the tenths are called."""
    return [
        say("lifetime.tenth_highest") if number == 1 else say("lifetime.tenth", n=number)
        for number in range(1, len(tenths(values)) + 1)
    ]
