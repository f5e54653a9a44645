"""Describes a segment in words: how it differs from all users, and what readers must know."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tfrec.analysis.wording import ENGLISH, Wording

WORDS = {  # feature → (word for low, word for high, sentence about its median)
    "recency_days": ("recent", "lapsed", "last order {own:,.0f} days ago (all: {all:,.0f})"),
    "num_orders": ("rare", "frequent", "{own:,.0f} orders (all: {all:,.0f})"),
    "value_per_order": ("small-order", "big-order", "{own:,.0f} spent an order (all: {all:,.0f})"),
    "items_per_order": ("narrow", "broad", "{own:,.0f} items an order (all: {all:,.0f})"),
    "repeat_share": ("exploring", "faithful", "{own:.0%} of the lines bought before (all: {all:.0%})"),
    "value": ("low-value", "high-value", "{own:,.0f} spent in all (all: {all:,.0f})"),
    "tenure_days": ("new", "long-standing", "known for {own:,.0f} days (all: {all:,.0f})"),
    "num_views": ("decided", "browsing", "{own:,.0f} views (all: {all:,.0f})"),
}
"""What each feature of behaviour is called."""


@dataclasses.dataclass(frozen=True)
class Note:
    """A remark on how segments were found.

    Attributes:
        text: text with `{name}` for each value.
        values: name → value.
    """

    text: str
    values: Mapping[str, Any]

    def said(self, say: Wording = ENGLISH) -> str:
        """Returns the remark in words."""
        return say(self.text, **self.values)


def describe_segment(row: pd.Series, usual: pd.DataFrame, say: Wording = ENGLISH) -> str:
    """Returns size, value, the three medians that differ most from everybody's, and the taste.

    Args:
        row: row of a segment's profile.
        usual: `median` and `spread` of each figure of behaviour over all users.
        say: wording of the fixed text.
    """
    spread = usual["spread"].where(usual["spread"] > 0, 1.0)
    distance = ((row[usual.index] - usual["median"]) / spread).abs()
    figures = [
        say(WORDS[str(feature)][2], own=row[feature], all=usual["median"][feature])
        for feature in pd.to_numeric(distance).dropna().nlargest(3).index
    ]
    size = {"users": row["num_users"], "share": row["share"], "value": row["value_share"]}
    parts = [say("{users:,} users ({share:.0%}) with {value:.0%} of the value", **size)]
    if figures:
        parts.append(say("typically {figures}", figures=say.listed(figures)))
    if row["taste"]:
        parts.append(say("buys more {things}", things=say.listed(map(say.taste, row["taste"]))))
    return say("{sentence}.", sentence=say("; ").join(parts))
