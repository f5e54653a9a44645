"""`Source`: what a candidate source is, and the values that it exchanges."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import numpy as np
import tensorflow as tf

from tfrec.models.query import Query
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.user_history import Purchases


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The best items of a source that ranks the whole catalogue, with some to spare.

    They stand for the whole catalogue while so many of them as are wanted may be offered.

    Attributes:
        item: `[B, m]` int32; 0 = none.
        wanted: `[B]` int32.
        is_whole: `[B]` bool: no further item has a positive score.
        scores: scores of any items `[1 or B, m]` for the same queries, `[B, m]`; what is not positive is no candidate.
        longer: returns a longer list for the same queries; None = there is none but the catalogue.
    """

    item: tf.Tensor
    wanted: tf.Tensor
    is_whole: tf.Tensor
    scores: Callable[[tf.Tensor], tf.Tensor]
    longer: Callable[[], "Ranking"] | None = None


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

    def __init__(self, moment: Moment) -> None: ...

    @property
    def variables(self) -> list[tf.Variable]:
        """Its own tables and weights; those of `Moment` are shared."""

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns what is looked up for the queries; `at_least [B]` candidates are wanted in all.

        `bought` is what the users of the queries bought before.
        """

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns what the source knows of the items of the list; `columns [B, m]` are those of `entries.item`."""

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns a score `[B, L]` for each list of candidates, by its name in `SourceConfig`; ≤ 0 = no candidate."""

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns `[B, C]`, or what broadcasts to it, by the names of `FEATURES`."""

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns `[B, C]` each how strongly the source is for each item, about 1 at most, of which the largest counts.

        None at all = it brings no candidates.
        """


def rank(
    score: tf.Tensor,
    wanted: tf.Tensor | int,
    items: np.ndarray | tf.Tensor | None = None,
    *,
    scores: Callable[[tf.Tensor], tf.Tensor],
) -> Ranking:
    """Returns the best items by `score [B, M]`, positive ones alone.

    Args:
        score: of the items.
        wanted: `[B]` or one number of them.
        items: int32 the items, `[M]` or each row's own `[B, M]`; None = the catalogue from padding on.
        scores: see `Ranking`.
    """
    wanted = tf.broadcast_to(wanted, tf.shape(score)[:1])
    most = tf.reduce_max(tf.concat([wanted, [0]], axis=0))
    number = tf.minimum(with_spare(most), size_of(score, 1))
    best, item = tf.math.top_k(score, number)
    if items is not None:
        item = tf.gather(items, item, batch_dims=1) if len(items.shape) == 2 else tf.gather(items, item)
    is_whole = tf.reduce_any(best <= 0, axis=1) | tf.equal(number, size_of(score, 1))
    return Ranking(tf.where(best > 0, item, 0), wanted, is_whole, scores)


def with_spare(wanted: tf.Tensor | int) -> tf.Tensor | int:
    """Returns how many items are listed where so many are `wanted`: some may not be offered."""
    return _SPARED * wanted + _SPARE


_SPARED, _SPARE = 3, 50
