"""Mines association rules that hold beyond chance and stay stable over time."""

import dataclasses
import logging
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from tfrec.analysis.behaviour import order_ids
from tfrec.analysis.itemsets import ItemsetLevel, TooManyItemsetsError, mine_itemsets
from tfrec.errors import ConfigError, SchemaError
from tfrec.schema.item_names import item_names
from tfrec.schema.tables import CATEGORY_SEPARATOR, Tables, category_levels
from tfrec.statistics.contingency import independence
from tfrec.statistics.proportions import wilson

MIN_IMPROVEMENT = 0.05
"""Least gain of confidence that a longer rule must bring, by default."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Rules:
    """Association rules, the highest lower end of lift first, so that a handful of orders does not come on top.

    Attributes:
        rules: one row a rule `antecedent → consequent`; columns:
            `antecedent` (tuple of ids), `consequent` (id), `size` (items in all), `count` (orders with all of them),
            `antecedent_count`, `consequent_count`, `support`, `confidence` with `confidence_low`, `confidence_high`
            (Wilson, 95 %), `lift` with `lift_low`, `lift_high` (log-normal, 95 %), `leverage`, `conviction`,
            `chi_squared`, `p_value`, `q_value` (Benjamini–Hochberg), `confidence_early`, `confidence_late`,
            `lift_early`, `lift_late`, `is_stable`.
        itemsets: one row a frequent itemset: `items` (tuple of ids), `size`, `count`, `support`.
        categories: top-level category of each id, for the cross-category view.
        titles: what to call an id.
        min_support: least share of orders that was asked of an itemset.
        num_orders: orders the shares refer to.
        num_marks: different (order, item) pairs.
        num_tested: rules that were tested before any filter; the multiple-testing control counts all of them.
        num_unstable: rules that passed all else, but did not hold in both halves of the period.
        num_redundant: rules that passed all else, but are hardly more certain than one with fewer antecedents.
        period: first and last order.
    """

    JSON_KEYS: ClassVar = (
        "min_support", "num_orders", "num_marks", "num_itemsets", "num_rules", "num_tested", "num_unstable",
        "num_redundant", "period", ("rules", "strongest"),
    )  # fmt: skip

    rules: pd.DataFrame
    itemsets: pd.DataFrame
    categories: pd.Series
    titles: pd.Series
    min_support: float
    num_orders: int
    num_marks: int
    num_tested: int
    num_unstable: int
    num_redundant: int
    period: tuple[pd.Timestamp, pd.Timestamp]

    @property
    def num_itemsets(self) -> int:
        """Number of frequent itemsets."""
        return len(self.itemsets)

    @property
    def num_rules(self) -> int:
        """Number of rules."""
        return len(self.rules)

    @property
    def strongest(self) -> pd.DataFrame:
        """The thousand strongest rules."""
        return self.rules.head(1000)

    def cross_category(self) -> pd.DataFrame:
        """Returns the rules whose consequent is of another top-level category than everything in the antecedent.

        Rules with an item of unknown category are left out.
        """
        of = self.categories.to_dict()
        wanted = [
            bool(of.get(consequent)) and all(of.get(item) and of[item] != of[consequent] for item in antecedent)
            for antecedent, consequent in zip(self.rules["antecedent"], self.rules["consequent"], strict=True)
        ]
        return self.rules[np.array(wanted, dtype=bool)]

    def directed(self, *, min_ratio: float = 2.0) -> pd.DataFrame:
        """Returns the rules of two items that hold one way only, with `reverse_confidence` and `ratio`.

        The reverse confidence is `count / consequent_count`. A memory card is in half of the orders with a camera,
        a camera in few of those with a memory card: offer the card to the camera's buyer, not the other way round.

        Args:
            min_ratio: how many times the confidence must exceed the reverse one; the lower end of the confidence's
                interval must exceed it too.
        """
        pairs = self.rules[self.rules["size"] == 2]
        reverse = pairs["count"] / pairs["consequent_count"]
        pairs = pairs.assign(reverse_confidence=reverse, ratio=pairs["confidence"] / reverse)
        return pairs[(pairs["ratio"] >= min_ratio) & (pairs["confidence_low"] > pairs["reverse_confidence"])]


def mine_rules(
    tables: Tables,
    *,
    min_support: float | None = None,
    min_confidence: float = 0.1,
    min_lift: float = 1.0,
    min_count: int = 5,
    max_size: int = 3,
    max_false_share: float | None = 0.05,
    only_stable: bool = True,
    min_improvement: float | None = MIN_IMPROVEMENT,
    level: int | None = None,
    max_itemsets: int = 500_000,
) -> Rules:
    """Returns the rules `antecedent → consequent` (one item) of the shop's orders.

    With A the antecedent, B the consequent, n orders:
    `support = n(A∪B)/n`, `confidence = n(A∪B)/n(A)`, `lift = confidence/(n(B)/n)`,
    `leverage = support − n(A)n(B)/n²`, `conviction = (1 − n(B)/n)/(1 − confidence)` (inf for a rule without exception).
    The p-value is that of χ² with one degree of freedom, or Fisher's exact one where an expected count is below five
    (Cochran 1954). It is controlled over *all* rules of the frequent itemsets (Benjamini & Hochberg 1995), not only
    over those that pass the other filters.

    A rule is stable when it holds in the first and in the second half of the orders: there its lift exceeds
    `min_lift`, and its confidence is not below `min_confidence` by more than chance (upper Wilson limit, 95 %).

    A rule of several antecedents is redundant when a part of them says as much: its confidence does not exceed that of
    each rule with fewer of them by `min_improvement` (Bayardo, Agrawal & Gunopulos 1999).

    An order is what shares an `order_id`; purchases without one are put together by session, else by user and day.

    Args:
        tables: the shop; purchases count, net of returns.
        min_support: least share of orders that hold all items of a rule; None = 0.001, doubled until there are at most
            `max_itemsets` frequent itemsets.
        min_confidence: least confidence.
        min_lift: least lift.
        min_count: least number of orders, whatever the share.
        max_size: most items of a rule, antecedent and consequent together, at least two.
        max_false_share: highest q-value, the share of false rules among those kept; None = no test.
        only_stable: keep only rules that hold in both halves of the period.
        min_improvement: least gain of confidence over each rule of the same consequent with fewer antecedents, in
            [0, 1]; None = keep redundant rules.
        level: rules between categories of this level (0 = top) in place of items.
        max_itemsets: bound of memory and time.

    Raises:
        ConfigError: a setting is out of range, or more than `max_itemsets` itemsets have the given `min_support`.
        SchemaError: there is no order with a known item.

    Sources: Agrawal & Srikant 1994; Brin et al. 1997 (conviction, χ²); Zaki 2000.
    """
    _check_settings(min_support, min_confidence, max_size, min_improvement)
    orders, items, names, period = _baskets(tables, level)
    num_orders = int(orders[-1]) + 1 if len(orders) else 0
    if not num_orders:
        raise SchemaError("Rules need purchases with items; `events` has none. Map purchases in the recipe.")
    halves = np.array([num_orders // 2, num_orders - num_orders // 2])
    support, levels = _frequent(
        orders,
        items,
        min_support,
        min_count,
        num_items=len(names),
        max_size=max_size,
        num_early=int(halves[0]),
        max_itemsets=max_itemsets,
    )
    candidates = _candidate_rules(levels)
    table = _measures(candidates, num_orders, halves)
    kept = (table["confidence"] >= min_confidence - 1e-12) & (table["lift"] >= min_lift - 1e-12)
    if max_false_share is not None:
        kept &= table["q_value"] <= max_false_share
    table["is_stable"] = _holds_in_both(candidates, table, min_confidence, min_lift)
    num_unstable = int((kept & ~table["is_stable"]).sum())
    if only_stable:
        kept &= table["is_stable"]
    is_redundant = np.zeros(len(table), dtype=bool)
    if min_improvement is not None:
        is_redundant = _redundant(levels, table["confidence"].to_numpy(), kept.to_numpy(), min_improvement)
    rules = _named(table[kept & ~is_redundant], candidates, names)
    items_frame = tables.items.set_index("item_id")
    logger.info("%d rules kept of %d tested from %d orders", len(rules), len(table), num_orders)
    return Rules(
        rules=rules,
        itemsets=_named_itemsets(levels, names, num_orders),
        categories=_top_categories(items_frame, names, level),
        titles=pd.Series(item_names(tables.items) if level is None else {}, dtype="str"),
        min_support=support,
        num_orders=num_orders,
        num_marks=len(orders),
        num_tested=len(table),
        num_unstable=num_unstable,
        num_redundant=int(is_redundant.sum()),
        period=period,
    )


def _frequent(
    orders: np.ndarray, items: np.ndarray, min_support: float | None, min_count: int, **settings: int
) -> tuple[float, list[ItemsetLevel]]:
    """Returns the itemsets, and the support: as asked for, or the first of 0.001, 0.002 … that is not too low."""
    num_orders = int(orders[-1]) + 1
    support = 0.001 if min_support is None else min_support
    while True:
        threshold = max(min_count, int(np.ceil(support * num_orders - 1e-9)))
        try:
            return support, mine_itemsets(orders, items, min_count=threshold, **settings)
        except TooManyItemsetsError:
            if min_support is not None or support >= 0.5:
                raise
            support *= 2


def _check_settings(
    min_support: float | None, min_confidence: float, max_size: int, min_improvement: float | None
) -> None:
    if min_support is not None and not 0 < min_support <= 1:
        raise ConfigError(f"`min_support` must be a share in (0, 1]; got {min_support}. Try 0.001.")
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"`min_confidence` must be a share in [0, 1]; got {min_confidence}. Try 0.1.")
    if max_size < 2:
        raise ConfigError(f"`max_size` must be at least 2, antecedent and consequent; got {max_size}.")
    if min_improvement is not None and not 0 <= min_improvement <= 1:
        raise ConfigError(f"`min_improvement` must be a difference in [0, 1]; got {min_improvement}. Try 0.05.")


def _baskets(
    tables: Tables, level: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[pd.Timestamp, pd.Timestamp]]:
    """Returns the different (order, item) pairs, orders numbered by time, the names of the items, and the period."""
    purchases = tables.net_purchases()
    purchases = purchases.loc[purchases["item_id"] != "", ["user_id", "item_id", "timestamp", "order_id", "session_id"]]
    if level is not None:
        paths = category_levels(tables.items["category"])
        if level not in paths.columns:
            raise ConfigError(f"`level` must be below {paths.shape[1]}, the depth of the categories; got {level}.")
        category = pd.Series(paths[level].to_numpy(), index=tables.items["item_id"])
        purchases = purchases.assign(item_id=purchases["item_id"].map(category).fillna(""))
        purchases = purchases[purchases["item_id"] != ""]
    baskets = order_ids(purchases, tables.calendar)
    if (baskets == "").any():
        purchases, baskets = purchases[baskets != ""], baskets[baskets != ""]
    # The events ascend in time, so that numbering by first appearance numbers the orders by time.
    orders = pd.factorize(baskets)[0].astype(np.int64)
    items, names = pd.factorize(purchases["item_id"])
    marks = np.unique(orders * max(len(names), 1) + items)
    times = tables.calendar.local(purchases["timestamp"])
    period = (times.iloc[0], times.iloc[-1]) if len(times) else (pd.NaT, pd.NaT)
    return marks // max(len(names), 1), marks % max(len(names), 1), np.asarray(names), period


@dataclasses.dataclass(frozen=True)
class _Candidates:
    """All rules of the frequent itemsets, size by size; counts are of all orders and of those in the first half."""

    members: list[np.ndarray]  # a size k: [n, k] item codes, the consequent last
    both: np.ndarray  # [n, 2]
    antecedent: np.ndarray  # [n, 2]
    consequent: np.ndarray  # [n, 2]


def _candidate_rules(levels: list[ItemsetLevel]) -> _Candidates:
    members: list[np.ndarray] = []
    parts: dict[str, list[np.ndarray]] = {"both": [], "antecedent": [], "consequent": []}
    for level in levels[1:]:
        size = level.items.shape[1]
        for consequent in range(size):
            antecedent = np.delete(level.items, consequent, axis=1)
            members.append(np.column_stack([antecedent, level.items[:, consequent]]))
            parts["both"].append(_pair(level))
            parts["antecedent"].append(_pair(levels[size - 2])[_rows(levels, antecedent)])
            parts["consequent"].append(_pair(levels[0])[_rows(levels, level.items[:, [consequent]])])
    empty = [np.zeros((0, 2), dtype=np.int64)]
    return _Candidates(members, **{name: np.concatenate(empty + arrays) for name, arrays in parts.items()})


def _redundant(
    levels: list[ItemsetLevel], confidence: np.ndarray, kept: np.ndarray, min_improvement: float
) -> np.ndarray:
    """Returns which kept rules gain less than `min_improvement` over a kept one with fewer antecedents.

    A rule without one of its antecedents is a candidate of the size below, decided before it: {a, b, c} → d is held
    against {b, c} → d, {a, c} → d, {a, b} → d, and the most certain of the rules below these.

    Args:
        levels: the frequent itemsets.
        confidence: `[n]` of the rules, in the order of `_candidate_rules`.
        kept: `[n]` whether a rule passed all else.
        min_improvement: least gain of confidence.
    """
    is_redundant = np.zeros(len(confidence), dtype=bool)
    best = np.full(len(confidence), -np.inf)  # highest confidence of a kept rule among a rule and its parts
    start = 0
    starts: dict[tuple[int, int], int] = {}  # (size, place of the consequent) → its first rule
    for level in levels[1:]:
        size = level.items.shape[1]
        for consequent in range(size):
            starts[size, consequent] = start
            rules = slice(start, start + len(level.items))
            of_parts = np.full(len(level.items), -np.inf)
            for dropped in range(size) if size > 2 else ():
                if dropped != consequent:
                    part = _rows(levels, np.delete(level.items, dropped, axis=1))
                    part += starts[size - 1, consequent - (dropped < consequent)]
                    of_parts = np.maximum(of_parts, best[part])
            is_redundant[rules] = kept[rules] & (confidence[rules] - of_parts < min_improvement - 1e-12)
            is_new = kept[rules] & ~is_redundant[rules]
            best[rules] = np.maximum(of_parts, np.where(is_new, confidence[rules], -np.inf))
            start = rules.stop
    return is_redundant


def _pair(level: ItemsetLevel) -> np.ndarray:
    return np.column_stack([level.counts, level.early])


def _rows(levels: list[ItemsetLevel], wanted: np.ndarray) -> np.ndarray:
    """Returns in which row of its level each itemset of `wanted` stands; every part of a frequent itemset is there."""
    span = int(levels[0].items.max()) + 1
    row_of = np.zeros(span, dtype=np.int64)
    row_of[levels[0].items[:, 0]] = np.arange(len(levels[0].items))
    rows = row_of[wanted[:, 0]]
    for size in range(2, wanted.shape[1] + 1):
        prefixes = _rows(levels, levels[size - 1].items[:, :-1])
        keys = prefixes * span + levels[size - 1].items[:, -1]
        order = np.argsort(keys)
        rows = order[np.searchsorted(keys, rows * span + wanted[:, size - 1], sorter=order)]
    return rows


def _measures(candidates: _Candidates, num_orders: int, halves: np.ndarray) -> pd.DataFrame:
    """Returns one row a candidate rule with all its measures."""
    both, before, after = candidates.both[:, 0], candidates.antecedent[:, 0], candidates.consequent[:, 0]
    share = after / num_orders
    confidence = both / before
    lift = confidence / share
    chi_squared, p_value = independence(both, before, after, num_orders)
    low, high = wilson(both, before)
    # Variance of log lift by the delta method, where all three counts are drawn.
    variance = 1 / both - 1 / before - 1 / after - 1 / num_orders + 2 * lift / num_orders
    spread = 1.96 * np.sqrt(np.maximum(variance, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_half = [_by_half(candidates, halves, half) for half in (0, 1)]
        conviction = np.where(confidence < 1, (1 - share) / (1 - confidence), np.inf)
    return pd.DataFrame(
        {
            "count": both,
            "antecedent_count": before,
            "consequent_count": after,
            "support": both / num_orders,
            "confidence": confidence,
            "confidence_low": low,
            "confidence_high": high,
            "lift": lift,
            "lift_low": lift * np.exp(-spread),
            "lift_high": lift * np.exp(spread),
            "leverage": both / num_orders - before * after / num_orders**2,
            "conviction": conviction,
            "chi_squared": chi_squared,
            "p_value": p_value,
            "q_value": stats.false_discovery_control(p_value) if len(p_value) else p_value,
            "confidence_early": by_half[0][0],
            "confidence_late": by_half[1][0],
            "lift_early": by_half[0][1],
            "lift_late": by_half[1][1],
        }
    )


def _by_half(candidates: _Candidates, halves: np.ndarray, half: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns confidence and lift within one half of the orders; NaN where the antecedent does not occur."""
    both, before, after = (
        _in_half(counts, half) for counts in (candidates.both, candidates.antecedent, candidates.consequent)
    )
    return both / before, both * halves[half] / (before * after)


def _in_half(counts: np.ndarray, half: int) -> np.ndarray:
    return counts[:, 1] if half == 0 else counts[:, 0] - counts[:, 1]


def _holds_in_both(candidates: _Candidates, table: pd.DataFrame, min_confidence: float, min_lift: float) -> np.ndarray:
    holds = np.ones(len(table), dtype=bool)
    for half, name in enumerate(("early", "late")):
        _, high = wilson(_in_half(candidates.both, half), _in_half(candidates.antecedent, half))
        holds &= (table[f"lift_{name}"].to_numpy() > min_lift) & (high >= min_confidence)
    return holds


def _named(table: pd.DataFrame, candidates: _Candidates, names: np.ndarray) -> pd.DataFrame:
    """Returns the kept rules with their ids in front, strongest first."""
    ends = np.cumsum([0] + [len(part) for part in candidates.members])
    kept = table.index.to_numpy()
    antecedents: list[tuple[str, ...]] = []
    consequents: list[str] = []
    for part, start, end in zip(candidates.members, ends[:-1], ends[1:], strict=True):
        inside = names[part[kept[(kept >= start) & (kept < end)] - start]]
        antecedents += [tuple(sorted(row)) for row in inside[:, :-1].tolist()]
        consequents += inside[:, -1].tolist()
    sizes = [len(antecedent) + 1 for antecedent in antecedents]
    front = pd.DataFrame({"antecedent": pd.Series(antecedents, dtype=object), "consequent": consequents, "size": sizes})
    whole = pd.concat([front, table.reset_index(drop=True)], axis=1)
    order = ["lift_low", "antecedent", "consequent"]
    return whole.sort_values(order, ascending=[False, True, True], ignore_index=True)


def _named_itemsets(levels: list[ItemsetLevel], names: np.ndarray, num_orders: int) -> pd.DataFrame:
    rows = [tuple(sorted(row)) for level in levels for row in names[level.items].tolist()]
    counts = np.concatenate([level.counts for level in levels])
    frame = pd.DataFrame({"items": pd.Series(rows, dtype=object), "size": [len(row) for row in rows]})
    return frame.assign(count=counts, support=counts / num_orders)


def _top_categories(items: pd.DataFrame, names: np.ndarray, level: int | None) -> pd.Series:
    category = items["category"] if level is None else pd.Series(names, index=names, dtype="str")
    return category.str.split(CATEGORY_SEPARATOR).str[0]
