"""Chooses the set of a few items that brings a cart to a threshold (free shipping) at the highest expected margin.

A set is worth the margin that a shopper to whom it is offered is expected to pay by taking all of it: the product of
the items' probabilities times the sum of what their sales earn. Half a set brings the cart nowhere, and nothing is
known of two items beyond the probability of each, so a set is worth more than one item only where all of it is likely.
"""

import functools
import itertools
from collections.abc import Callable

import tensorflow as tf

from tfrec.models.rows import is_in
from tfrec.models.size_of import size_of
from tfrec.strategy.candidate_slate import CandidateSlate, as_wide, top
from tfrec.strategy.config import ThresholdConfig
from tfrec.strategy.merchandising import Merchandising, RulesInForce
from tfrec.strategy.sources import Sources
from tfrec.strategy.threshold import most_of, within_reach

_MOST = {2: 40, 3: 24, 4: 16}
"""Size of a set → of how many items it is chosen: 780, 2,024 and 1,820 sets are compared."""


class ThresholdSets:
    """Chooses sets of the candidates of a funnel.

    Args:
        sources: tables of the items.
        merchandising: the shop's rules.
        config: how much more than what is lacking, and how many items.
    """

    def __init__(self, sources: Sources, merchandising: Merchandising, config: ThresholdConfig) -> None:
        self._sources, self._merchandising, self._config = sources, merchandising, config

    def best(self, slate: CandidateSlate, rules: RulesInForce, *, gap: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n]` int32 items of the best set of several, see `best_set`; boosts raise their probabilities.

        Args:
            slate: `[B, C]` candidates that may be offered.
            rules: the rules in force.
            gap: `[B]` float32 amount that the cart lacks.
            k: `[B]` int32 items of the slate.
        """
        chance = CandidateSlate(item=slate.item, score=slate.probability, probability=slate.probability)
        chance = self._merchandising.boosted(chance, rules, is_amount=tf.ones_like(rules.selects))
        return best_set(
            CandidateSlate(item=slate.item, score=chance.score, probability=chance.score),
            gap=gap,
            k=k,
            price=self._sources.price,
            profit=self._sources.profit,
            apart=functools.partial(self._apart, rules),
            config=self._config,
        )

    def numbers(self, items: tf.Tensor, together: tf.Tensor, gap: tf.Tensor) -> tf.Tensor:
        """Returns `[B, k]` int32 number of the set of each of `items [B, k]`, see `number_sets`.

        Args:
            items: int32; 0 = no item.
            together: `[B, n]` int32 items of the set of several; 0 = none.
            gap: `[B]` float32 amount that the cart lacks.
        """
        near = within_reach(tf.gather(self._sources.price, items), gap=gap, config=self._config)
        return number_sets(items, together=together, is_near=near)

    def _apart(self, rules: RulesInForce, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m, m]` bool: which of `items [B, m]` are not offered as one set.

        Rules or variants forbid it, or one stands in for the other: they are of one leaf category.
        """
        leaf = tf.gather(self._sources.categories[:, -1], items)
        is_alike = tf.equal(leaf[:, :, None], leaf[:, None, :]) & (leaf > 0)[:, :, None]
        return is_alike | self._merchandising.apart(items, rules=rules, groups=self._sources.groups)


def best_set(
    slate: CandidateSlate,
    *,
    gap: tf.Tensor,
    k: tf.Tensor,
    price: tf.Tensor,
    profit: tf.Tensor,
    apart: Callable[[tf.Tensor], tf.Tensor],
    config: ThresholdConfig = ThresholdConfig(),
) -> tf.Tensor:
    """Returns `[B, n]` int32: the items of the set that is worth most, where it is worth more than any single item.

    Together they bring what the cart lacks, not much more, and none of them could be left out. Sets of two are chosen
    of the 40 items that are cheaper than the gap and have the highest expected margins, of three of 24, of four of 16;
    no other set of these is worth more. Of equal ones it is that of fewer items, then that of higher margins.

    Args:
        slate: candidates in any order; only their probabilities count.
        gap: `[B]` float32 amount that the cart lacks; 0 or less = none.
        k: `[B]` int32 most items of a set, beside `config.max_items`.
        price: `[N + 1]` float32; 0 = unknown, in no set.
        profit: `[N + 1]` float32, what a sale earns.
        apart: `[B, m]` int32 items → `[B, m, m]` bool: which of them must not stand in one set.
        config: how much more, and how many items.

    Returns:
        `n` is `config.max_items`; 0 behind the end of a row, and where no set is worth more than a single item.

    Examples:
        The cart lacks 10; both 1 and 2 are likely, item 3 reaches it alone and is not:

        >>> slate = CandidateSlate(
        ...     item=tf.constant([[1, 2, 3]]), score=tf.zeros([1, 3]), probability=tf.constant([[0.5, 0.4, 0.1]])
        ... )
        >>> price = tf.constant([0.0, 6.0, 5.0, 12.0])
        >>> anything = lambda items: tf.zeros([1, items.shape[1], items.shape[1]], tf.bool)
        >>> gap, k = tf.constant([10.0]), tf.constant([8])
        >>> best_set(slate, gap=gap, k=k, price=price, profit=price, apart=anything).numpy()
        array([[1, 2, 0]], dtype=int32)
    """
    cost, margin = tf.gather(price, slate.item), slate.probability * tf.gather(profit, slate.item)
    is_near = within_reach(cost, gap=gap, config=config) & (slate.item > 0)
    worth = tf.reduce_max(tf.pad(tf.where(is_near, margin, 0.0), [[0, 0], [0, 1]]), axis=1)  # of one item
    best = tf.zeros([size_of(gap), config.max_items], tf.int32)
    if config.max_items < 2:
        return best
    is_part = (slate.item > 0) & (cost > 0) & (cost < gap[:, None])
    parts = CandidateSlate(
        item=slate.item, score=tf.where(is_part, margin, -float("inf")), probability=slate.probability
    )
    most = max(_MOST[size] for size in range(2, config.max_items + 1))
    parts = as_wide(top(parts, k=tf.fill(tf.shape(gap), most)), most)
    cost, earned = tf.gather(price, parts.item), tf.gather(profit, parts.item)
    is_free = ~apart(parts.item) & (parts.item > 0)[:, :, None] & (parts.item > 0)[:, None, :]
    is_free = tf.reshape(is_free, [-1, most * most])
    highest = most_of(gap, config=config)
    for size in range(2, config.max_items + 1):
        places = list(zip(*itertools.combinations(range(_MOST[size]), size), strict=True))  # `size` of them, [S] each
        costs = [tf.gather(cost, place, axis=1) for place in places]
        total, least = tf.add_n(costs), functools.reduce(tf.minimum, costs)
        is_set = (total >= gap[:, None]) & (total - least < gap[:, None]) & (total <= highest[:, None])
        is_set &= (k >= size)[:, None]
        for left, right in itertools.combinations(places, 2):
            pair = [one * most + other for one, other in zip(left, right, strict=True)]
            is_set &= tf.gather(is_free, pair, axis=1)
        chance = functools.reduce(tf.multiply, [tf.gather(parts.probability, place, axis=1) for place in places])
        value = chance * tf.add_n([tf.gather(earned, place, axis=1) for place in places])
        value = tf.where(is_set, value, 0.0)
        number = tf.argmax(value, axis=1, output_type=tf.int32)
        its_worth = tf.gather(value, number, batch_dims=1)
        its_places = tf.gather(tf.constant(places), number, axis=1)  # [size, B]
        items = tf.gather(parts.item, tf.transpose(its_places), batch_dims=1)
        items = tf.pad(items, [[0, 0], [0, config.max_items - size]])
        best = tf.where((its_worth > worth)[:, None], items, best)
        worth = tf.maximum(worth, its_worth)
    return best


def number_sets(items: tf.Tensor, *, together: tf.Tensor, is_near: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` int32 number of the set that each item belongs to, from 1; 0 = of none.

    Number 1 is the set of several items, where there is one; each item that reaches the threshold alone has a number of
    its own.

    Args:
        items: `[B, C]` int32; 0 = no item.
        together: `[B, n]` int32 items of the set of several; 0 = none.
        is_near: `[B, C]` bool: the item alone brings what the cart lacks.

    Examples:
        >>> items, near = tf.constant([[7, 4, 9, 5]]), tf.constant([[False, False, True, True]])
        >>> number_sets(items, together=tf.constant([[4, 7, 0]]), is_near=near).numpy()
        array([[1, 1, 2, 3]], dtype=int32)
    """
    is_part = is_in(items, together) & (items > 0)
    is_alone = is_near & (items > 0) & ~is_part
    first = tf.cast(tf.reduce_any(is_part, axis=1, keepdims=True), tf.int32)
    return tf.where(is_part, 1, tf.where(is_alone, first + tf.cumsum(tf.cast(is_alone, tf.int32), axis=1), 0))
