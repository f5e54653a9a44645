"""Computes what slates brought, held against what was bought afterwards, and how varied they were."""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.evaluation.sales import Sales
from tfrec.schema.slate import Slate
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.statistics.estimates import Estimate

MEASURES = {
    "acceptance": "share of the slates that hold something bought afterwards",
    "add_on_rate": "share of the sessions or orders in which an offered item was bought",
    "revenue": "price of the offered items that were bought, a session or order (upsell: beyond the page's item)",
    "margin": "what their sale earns, likewise",
    "order_value": "price of all that was bought, of the sessions or orders in which an offered item was",
    "expected_revenue": "what the model itself expects a slate to bring: probability times price, summed",
    "expected_margin": "probability times what the sale earns, likewise",
    "categories": "different leaf categories in a slate",
    "distance": "mean distance of content between two items of a slate, 1 less the cosine",
}
"""Measure → what it is."""


@dataclasses.dataclass(frozen=True)
class ItemWorth:
    """What is known of the items that slates are valued by.

    Attributes:
        item_ids: `[N]` the catalogue.
        price: `[N]`; 0 = unknown.
        profit: `[N]` what a sale earns.
        leaf: `[N]` code of the leaf category; 0 = unknown.
        content: `[N, c]` unit vectors of content.
    """

    item_ids: pd.Index
    price: np.ndarray  # [N]
    profit: np.ndarray  # [N]
    leaf: np.ndarray  # [N]
    content: np.ndarray  # [N, c]


@dataclasses.dataclass(frozen=True)
class SlateValues:
    """The measures of the slates of one setting, request by request.

    Attributes:
        values: `[B, M]` each of `MEASURES`; NaN where a request does not count: what is measured by session or order
            stands at the first request of each.
        clusters: `[B]` user, or session or order of a guest: intervals resample these.
        coverage: share of the items of the catalogue that stand in any slate.
    """

    values: np.ndarray  # [B, M]
    clusters: np.ndarray  # [B]
    coverage: float

    def estimates(self, *, level: float = 0.95) -> dict[str, Estimate]:
        """Returns the mean of each measure with its bootstrap interval."""
        return dict(zip(MEASURES, bootstrap_means(self.values, self.clusters, level=level), strict=True))

    def less(self, other: "SlateValues", *, level: float = 0.95, num_resamples: int = 1000) -> dict[str, Estimate]:
        """Returns how much higher each measure is than that of `other` on the same requests, paired.

        The order value is of other orders with each setting, so it is compared on those that count in both alone.
        """
        found = bootstrap_means(self.values - other.values, self.clusters, level=level, num_resamples=num_resamples)
        return dict(zip(MEASURES, found, strict=True))


def value_slates(sales: Sales, slate: Slate, worth: ItemWorth) -> SlateValues:
    """Returns the measures of slates that answer `sales`.

    An item bought counts once a session or order, however many of its slates held it. `upsell` brings what the item
    has beyond the one on the page.

    Args:
        sales: requests, and what was bought after each.
        slate: `[B, k]` answers with `probabilities` in `extras`.
        worth: prices, profits, categories and content.

    Raises:
        SchemaError: there is not one slate a request.
    """
    if len(slate) != len(sales):
        raise SchemaError(f"A slate is needed for each of the {len(sales)} requests; got {len(slate)}.")
    cases, num_items = sales.cases, len(worth.item_ids)
    shown = worth.item_ids.get_indexer(np.asarray(slate.item_ids, object).ravel()).reshape(slate.item_ids.shape)
    code = np.append(worth.item_ids.get_indexer(cases.item_ids), -1)
    truths, anchors = code[cases.truths], code[cases.anchors]
    is_hit = (truths >= 0) & np.stack([(shown == column[:, None]).any(axis=1) for column in truths.T], axis=1)
    price, profit = (np.append(column, 0.0).astype(np.float64) for column in (worth.price, worth.profit))
    base = anchors if sales.signature == "upsell" else np.full(len(sales), -1)
    probability = np.where(shown >= 0, slate.extras["probabilities"], 0.0)
    expected = [(probability * (table[shown] - table[base][:, None])).sum(axis=1) for table in (price, profit)]
    row, place = np.nonzero(is_hit)
    bought = pd.DataFrame({"row": row, "item": truths[row, place], "group": pd.factorize(cases.groups)[0][row]})
    bought = bought.drop_duplicates(["group", "item"])
    first = ~pd.Series(cases.groups).duplicated().to_numpy()
    group = pd.factorize(cases.groups)[0][first]
    gained = [table[bought["item"]] - table[base[bought["row"]]] for table in (price, profit)]
    revenue, margin, number = (
        np.bincount(bought["group"], weights=weights, minlength=len(group)) for weights in (*gained, None)
    )
    by_group = np.full((len(sales), 4), np.nan)
    order_value = np.where(number > 0, sales.order_values[first], np.nan)
    by_group[first] = np.stack([number > 0, revenue, margin, order_value], axis=1)
    users = np.asarray(cases.user_ids, object)
    return SlateValues(
        values=np.column_stack(
            [is_hit.any(axis=1), by_group, *expected, _num_categories(shown, worth), _distance(shown, worth)]
        ).astype(np.float64),
        clusters=np.where(users == "", "guest " + np.asarray(cases.groups, object).astype(str).astype(object), users),
        coverage=len(np.unique(shown[shown >= 0])) / max(num_items, 1),
    )


def _num_categories(shown: np.ndarray, worth: ItemWorth) -> np.ndarray:
    """Returns `[B]` how many different known leaf categories the items `[B, k]` are of; NaN without an item."""
    leaf = np.sort(np.where(shown >= 0, worth.leaf[shown], 0), axis=1)
    is_new = np.diff(leaf, axis=1, prepend=0) > 0
    return np.where((shown >= 0).any(axis=1), is_new.sum(axis=1), np.nan)


def _distance(shown: np.ndarray, worth: ItemWorth) -> np.ndarray:
    """Returns `[B]` the mean of 1 less the cosine over the pairs of the items `[B, k]`; NaN below two items.

    The sum of all products of unit vectors is the squared length of their sum.
    """
    inside = shown >= 0
    vectors = np.where(inside[..., None], worth.content[shown], 0.0)
    number = inside.sum(axis=1)
    own = (vectors**2).sum(axis=(1, 2))  # an item without content is a zero vector
    pairs = number * (number - 1)
    between = (vectors.sum(axis=1) ** 2).sum(axis=1) - own
    return np.where(pairs > 0, 1 - between / np.maximum(pairs, 1), np.nan)
