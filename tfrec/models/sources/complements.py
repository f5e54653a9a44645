"""What completes the cart: items of the leaf categories whose purchase the cart's own categories bring about."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfrec.models.graph_tables import table
from tfrec.models.query import Query
from tfrec.models.rows import latest
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column, Unscaled, of_the_best
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases

_MOST_CATEGORIES, _MOST_BEST = 8, 20  # categories that bring candidates, and bestsellers of each


class Complements:
    """Bestsellers of the categories that complete those of the cart, see `features.complements`.

    Its evidence: `by_category [B, C + 1]`, how strongly each leaf category completes the cart.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "complement": "share of the buyers of a category of the cart who take one of its category on that account",
        "complement_relative": "the same over that of the cart's strongest complement",
    }

    def __init__(self, moment: Moment) -> None:
        config, tables = moment.config, moment.feature_tables
        self._moment = moment
        self._leaf = moment.catalogue.leaf_category
        self._num_categories = len(tables.complement)
        best, is_best = _bestsellers(self._leaf, tables.popularity, moment.is_offered, self._num_categories)
        bought = np.log1p(tables.popularity[:, 2])
        self._best = table(best, "category_bestsellers")
        self._worth = table((is_best * (0.1 + bought)).astype(np.float32), "category_bestseller_worth")  # 0 = is none
        self._complement = table(tables.complement, "complement")
        self._strength = table(tables.complement_strength, "complement_strength")
        self.variables = [self._best, self._worth, self._complement, self._strength]
        self._most = config.recent_items

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the bestsellers of the categories that complete the newest items of the cart."""
        leaf = self._leaf_of(latest(query.cart, self._most))
        size = size_of(leaf)
        by_category = self._by_category(
            *(tf.reshape(tf.gather(part, leaf), [size, -1]) for part in (self._complement, self._strength))
        )
        strength, category = tf.math.top_k(by_category, min(_MOST_CATEGORIES, self._num_categories))
        category = tf.where(strength > 0, category, 0)
        values = {"by_category": by_category, "category": category, "category_strength": strength}
        if not self._moment.is_listed:
            return Entries(category[:, :0], values)
        return Entries(tf.reshape(tf.gather(self._best, category), [size, -1]), values)

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the strengths by category."""
        return entries.values

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns one list: the bestsellers of the strongest categories, by strength and popularity."""
        item = shortlist.item
        strongest = self._by_category(found["category"], found["category_strength"])
        leaf = self._leaf_of(item)
        strength = tf.gather(strongest, leaf[0], axis=1) if shortlist.is_catalogue else _at(strongest, leaf)
        return {"complements": strength * tf.gather(self._worth, item)}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns the strength, plain and relative."""
        strength = self._strength_of(found, candidates.item)
        strongest = tf.reduce_max(found["by_category"], axis=1, keepdims=True)
        return {"complement": strength, "complement_relative": tf.math.divide_no_nan(strength, strongest)}

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns the strength relative to the best, of bestsellers alone."""
        listed = tf.cast(tf.gather(self._worth, candidates.item) > 0, tf.float32)
        return [Unscaled(self._strength_of(found, candidates.item) * listed, of_the_best)]

    def completes(self, chosen: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]`: how strongly the category of each of `items [B, C]` completes that of `chosen [B]`."""
        leaf = self._leaf_of(chosen)
        return _strength_at(self._leaf_of(items), tf.gather(self._complement, leaf), tf.gather(self._strength, leaf))

    def _leaf_of(self, items: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._moment.categories, items)[..., -1]

    def _by_category(self, category: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C + 1]` the largest `strength [B, n]` beside each category of `category [B, n]`; 0 = none."""
        size = size_of(category)
        cells = category + tf.range(size)[:, None] * self._num_categories
        found = tf.math.unsorted_segment_max(
            tf.reshape(strength, [-1]), tf.reshape(cells, [-1]), size * self._num_categories
        )
        return tf.reshape(tf.maximum(found, 0.0), [size, self._num_categories])

    def _strength_of(self, found: Found, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m]` of `items [B, m]`."""
        return _at(found["by_category"], self._leaf_of(items))


def _at(by_category: tf.Tensor, leaf: tf.Tensor) -> tf.Tensor:
    """Returns `[B, m]` of values `[B, C + 1]` those of the categories `leaf [B, m]`."""
    return tf.gather(by_category, leaf, batch_dims=1)


def _strength_at(leaf: tf.Tensor, category: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Returns `[B, L]` of categories `leaf [B, L]` the strength that is beside it in a list `[B, n]`; 0 = none."""
    is_it = tf.equal(leaf[:, :, None], category[:, None, :]) & (category > 0)[:, None, :]
    return tf.reduce_max(tf.where(is_it, strength[:, None, :], 0.0), axis=2)


def _bestsellers(
    leaf: np.ndarray, popularity: np.ndarray, is_offered: np.ndarray, num_categories: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best of each leaf category by times bought in 84 days, then ever.

    Returns:
        `[C + 1, M]` int32, 0 behind the end, and `[N + 1]` float32: 1 where an item is one of them.
    """
    items = np.flatnonzero(is_offered & (leaf > 0))
    items = items[np.lexsort((items, -popularity[items, 3], -popularity[items, 2], leaf[items]))]
    place = np.arange(len(items)) - np.searchsorted(leaf[items], leaf[items])
    items, place = items[place < _MOST_BEST], place[place < _MOST_BEST]
    best, is_best = np.zeros((num_categories, _MOST_BEST), np.int32), np.zeros(len(leaf), np.float32)
    best[leaf[items], place] = items
    is_best[items] = 1.0
    return best, is_best
