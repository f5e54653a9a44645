"""`Source`: what a candidate source is; `Moment`: the tables that sources share; values that they exchange."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.features.vocabulary import Catalogue
from tfrec.models.graph_tables import table
from tfrec.models.query import Query
from tfrec.models.rows import rows_of
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.towers import QueryTower


class Moment:
    """What was known at one moment: arrays, and the tables that several sources read.

    Attributes:
        catalogue: the items' attributes, `N + 1` rows.
        feature_tables: what the log had until then.
        encoded_items: `[N + 1, d]`, what the query tower reads.
        query_tower: query tower of the retrieval model.
        is_offered: `[N + 1]` bool: items that may be offered at all.
        cart_type: event code that stands for an item in the cart.
        is_listed: whether sources bring lists; else evidence has a column for each item of the catalogue.
        popularity: `[N + 1, 4]` times bought in the last 7, 28, 84 days, and ever.
        price: `[N + 1]` prices; 0 = unknown.
        categories: `[N + 1, depth]` index of the category path at each level; 0 = unknown.
        groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        feature_tables: FeatureTables,
        *,
        candidate_embeddings: np.ndarray,
        encoded_items: np.ndarray,
        query_tower: QueryTower,
        is_offered: np.ndarray,
        cart_type: int,
        is_listed: bool,
    ) -> None:
        self.catalogue, self.feature_tables = catalogue, feature_tables
        self.encoded_items, self.query_tower, self.cart_type = encoded_items, query_tower, cart_type
        self.is_offered, self.is_listed = is_offered, is_listed
        self.popularity = table(feature_tables.popularity, "popularity")
        self._embeddings = table(candidate_embeddings, "candidate_embeddings")
        self._content = table(catalogue.content, "content")
        self.price = table(catalogue.price, "price")
        self.categories = table(catalogue.categories, "categories")
        self.groups = table(catalogue.group, "groups")
        self._offered = table(is_offered, "is_offered")
        self._own_splits = table(feature_tables.own_splits, "own_splits")
        self._own_item = table(never_empty(feature_tables.own_item), "own_item")

    @property
    def num_rows(self) -> int:
        """Number of items, with padding."""
        return len(self.is_offered)

    # TensorFlow copies a variable whose rows are gathered whenever it is read whole, as these are: rows are gathered of
    # the tensor that was read.

    @property
    def embeddings(self) -> tf.Tensor:
        """`[N + 1, d]` candidate embeddings."""
        return self._embeddings.value()

    @property
    def content(self) -> tf.Tensor:
        """`[N + 1, c]` unit vectors of title, category, brand and facts."""
        return self._content.value()

    @property
    def offered(self) -> tf.Tensor:
        """`[N + 1]` bool: items that may be offered at all."""
        return self._offered.value()

    @property
    def variables(self) -> list[tf.Variable]:
        """The shared tables."""
        return [value for value in vars(self).values() if isinstance(value, tf.Variable)]

    def own_items(self, user: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, M]` items that the users bought, 0 behind the end, and the row of each in tables of the same.

        Rows count from 1; the tables have row 0 for what was never bought.
        """
        at, inside = rows_of(self._own_splits, user)
        return tf.where(inside, tf.gather(self._own_item, at), 0), tf.where(inside, at + 1, 0)

    def num_own(self, user: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` int32 numbers of items that the users bought."""
        return tf.gather(self._own_splits, user + 1) - tf.gather(self._own_splits, user)


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The best items of a source that ranks the whole catalogue, with some to spare.

    They stand for the whole catalogue while so many of them as are wanted may be offered.

    Attributes:
        item: `[B, m]` int32; 0 = no further item has a positive score.
        wanted: `[B]` int32.
    """

    item: tf.Tensor
    wanted: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Entries:
    """What a source looks up for a batch of queries before the columns of the evidence are known.

    Attributes:
        item: `[B, m]` int32 items of which it knows something, in any order, repeats allowed; 0 = none.
        values: what its `evidence` reads.
        rankings: of a source that ranks the whole catalogue.
    """

    item: tf.Tensor
    values: Mapping[str, tf.Tensor] = dataclasses.field(default_factory=dict)
    rankings: tuple[Ranking, ...] = ()


Found = Mapping[str, tf.Tensor]
"""A source's evidence: name → `[B, L, ...]`, or what else its features read."""


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Items that are ranked, and their columns in the evidence.

    Attributes:
        item: `[B, C]` int32; 0 = none.
        column: `[B, C]` int32; 0 where the evidence has none.
    """

    item: tf.Tensor
    column: tf.Tensor

    def at(self, values: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, ...]` of evidence `[B, L, ...]`."""
        return tf.gather(values, self.column, batch_dims=1)


class Source(Protocol):
    """One source of candidates, in one file: its tables, its lists, and the features of candidates that it knows of.

    A further one is a class like this, its entry in `registry.py`, and the lengths of its lists in `SourceConfig`.
    """

    FEATURES: ClassVar[Mapping[str, str]]
    """Name → meaning of each ranking feature."""

    variables: list[tf.Variable]
    """Its own tables and weights; those of `Moment` are shared."""

    def __init__(self, moment: Moment, config: SourceConfig) -> None: ...

    def entries(self, query: Query, *, at_least: tf.Tensor) -> Entries:
        """Returns what is looked up for the queries; `at_least [B]` candidates are wanted in all."""

    def evidence(self, entries: Entries, shortlist: Shortlist) -> Found:
        """Returns what the source knows of the items of the list."""

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns a score `[B, L]` for each list of candidates, by its name in `SourceConfig`; ≤ 0 = no candidate."""

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, tf.Tensor]:
        """Returns `[B, C]`, or what broadcasts to it, by the names of `FEATURES`."""

    def strength(self, found: Found, candidates: Candidates) -> tf.Tensor | None:
        """Returns `[B, C]` how strongly the source is for each item, about 1 at most; None = it brings none."""


def signed_root(values: tf.Tensor) -> tf.Tensor:
    """Returns square roots that keep their sign: large weights count less."""
    return tf.sign(values) * tf.sqrt(tf.abs(values))


def relative(values: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` values over the row's largest."""
    return values / tf.maximum(tf.reduce_max(values, axis=1, keepdims=True), 1e-3)


def of_the_best(values: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` values over the row's largest, of any size; 0 for a row without."""
    return values / tf.maximum(tf.reduce_max(tf.pad(values, [[0, 0], [0, 1]]), axis=1, keepdims=True), 1e-6)


def log_price(price: tf.Tensor) -> tf.Tensor:
    """Returns the natural logarithm of prices, of .01 where unknown."""
    return tf.math.log(tf.maximum(price, 0.01))


def never_empty(values: np.ndarray) -> np.ndarray:
    """Returns the column with one row at least: a lookup in an empty variable fails, even if masked."""
    return values if len(values) else np.zeros((1, *values.shape[1:]), values.dtype)


def rank(score: tf.Tensor, wanted: tf.Tensor, items: np.ndarray | None = None) -> Ranking:
    """Returns the best items by `score [B, M]`, positive ones alone.

    Args:
        score: of the items.
        wanted: `[B]` or one number of them.
        items: `[M]` int32 the items; None = the catalogue from padding on.
    """
    wanted = tf.broadcast_to(wanted, tf.shape(score)[:1])
    most = tf.reduce_max(tf.concat([wanted, [0]], axis=0))
    best, place = tf.math.top_k(score, tf.minimum(_SPARED * most + _SPARE, tf.shape(score)[1]))
    item = place if items is None else tf.gather(tf.constant(items, tf.int32), place)
    item = tf.where(best > 0, item, 0)
    # A list that is as long as all that can be ranked ends with "no further item".
    return Ranking(
        tf.cond(tf.shape(item)[1] < tf.shape(score)[1], lambda: item, lambda: tf.pad(item, [[0, 0], [0, 1]])), wanted
    )


_SPARED, _SPARE = 3, 50  # listed beyond what is wanted, for those that may not be offered
