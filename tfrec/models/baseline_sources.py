"""Retrieves the candidates of one baseline with its score, in place of `CandidateSources`.

The same interface for `tfrec.strategy.funnel`, without towers and without anything that was trained by gradients.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrec.baselines.fitted import Calibration, FittedBaseline
from tfrec.features.segments import UserSegments
from tfrec.features.vocabulary import Vocabularies, Vocabulary
from tfrec.models.attribute_tables import AttributeTables
from tfrec.models.baseline_scores import in_graph
from tfrec.models.graph_tables import AskedInGraph, SparseTable, products, table
from tfrec.models.organic import organic_probability
from tfrec.models.profiles import segment_of
from tfrec.models.query import Query, changed
from tfrec.models.rows import times_by_category, without_repeats
from tfrec.models.shared_graphs import GraphValue
from tfrec.models.size_of import size_of
from tfrec.models.sources.best_items import Score, strongest
from tfrec.models.sources.candidate_sources import Allows
from tfrec.models.sources.moment import PURCHASE
from tfrec.models.sources.shortlist import Shortlist, shortlist_of, whole_catalogue
from tfrec.models.user_history import UserHistory, no_purchases, purchases_of

_CANDIDATES = 200
"""At least so many: variety is sought among a hundred."""
_BEHIND = 1e-9
"""Largest value by which popularity orders what the formula leaves at 0: less than any score that says something."""


@dataclasses.dataclass(frozen=True)
class BaselineEvidence(GraphValue):
    """Scores of a baseline for each item of the catalogue.

    Attributes:
        shortlist: the catalogue.
        score: `[B, N + 1]` float32.
        has_no_scores: `[B]` bool: no item has a score (a guest without a cart), so that popularity alone ranks.
        own_count: `[B, N + 1]` float32: in how many orders the user had it.
        cart: `[B, m]` int32 items of the cart; 0 = none.
        eligible: `[B, N + 1]` bool: items that may be offered.
    """

    shortlist: Shortlist
    score: tf.Tensor
    has_no_scores: tf.Tensor
    own_count: tf.Tensor
    cart: tf.Tensor
    eligible: tf.Tensor


class BaselineSources:
    """The tables of a fitted baseline, and the functions that turn queries into candidates.

    Args:
        vocabularies: the shop's.
        users: the shop's users.
        fitted: the baseline.
        is_offered: `[N + 1]` bool: items that may be offered at all.
        view_type: event code of a view, or of the commonest event where the log has no views.
        segments: segments of the users.
    """

    def __init__(
        self,
        vocabularies: Vocabularies,
        users: Vocabulary,
        fitted: FittedBaseline,
        *,
        is_offered: np.ndarray,
        view_type: int,
        segments: UserSegments,
    ) -> None:
        self.num_rows = vocabularies.items.size
        self.num_segments = len(segments.names.tokens)
        self._segment = table(segments.of_user, "user_segment")
        self.view_type = view_type
        self.uses_context, self.uses_history = fitted.scores.uses_context, fitted.scores.uses_history
        catalogue = vocabularies.catalogue
        places = np.zeros(self.num_rows, np.int32)
        rows = vocabularies.items.encode(fitted.item_ids)
        places[rows] = np.arange(len(rows)) + 1
        self._scores = in_graph(fitted.scores)
        self._place = table(places, "place")  # of each item among those that the baseline knows, from 1
        self._user_row = table(_rows(users, fitted.user_ids), "user_row")
        self._buyer_row = table(_rows(users, fitted.buyer_ids), "buyer_row")
        self._purchases = SparseTable(fitted.purchases, "purchases")
        most = np.float32(fitted.popularity.max(initial=0) + 1)
        self._behind = table((_BEHIND * (fitted.popularity / most)).astype(np.float32), "behind")
        share = np.zeros(self.num_rows, np.float32)
        share[rows] = fitted.popularity / max(fitted.popularity.sum(), 1)
        share = np.clip(share, 1e-6, 0.99)
        self._prior = table(np.log(share / (1 - share)).astype(np.float32), "prior")
        lately = np.zeros(self.num_rows, np.float32)
        lately[rows] = fitted.lately
        self.lately = table(lately, "lately")
        partner = np.zeros((self.num_rows, fitted.pairs.neighbours.shape[1]), np.int32)
        orders = np.zeros(partner.shape, np.int32)
        partner[rows] = np.where(fitted.pairs.neighbours >= 0, rows[fitted.pairs.neighbours], 0)
        orders[rows] = fitted.pairs.weights.astype(np.int32)
        self._partner, self._pair_orders = table(partner, "partner"), table(orders, "pair_orders")
        self.content = table(catalogue.content, "content")
        self.price = table(catalogue.price, "price")
        self.profit = table(catalogue.profit, "profit")
        self.categories = table(catalogue.categories, "categories")
        self._num_top_categories = catalogue.num_top_categories
        self.groups = table(catalogue.group, "groups")
        self.fits = table(catalogue.fits.codes, "fits")
        self.fits_something = table(catalogue.fits.is_head, "fits_something")
        self.num_fits = catalogue.fits.num_codes
        self.attributes = AttributeTables(catalogue.attributes)
        self.largest_group = catalogue.largest_group
        self.is_offered = table(is_offered, "is_offered")
        self.has_margins = catalogue.has_margins
        self._orders_share = 1.0 / max(float(lately.sum()), 1.0)

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table that candidates may be read from."""
        tables = [value for value in vars(self).values() if isinstance(value, tf.Variable)]
        return [*tables, *self.attributes.variables, *self._scores.variables, *self._purchases.variables]

    def segment(self, query: Query) -> tf.Tensor:
        """Returns `[B]` int32 segments of the users; 0 = unknown."""
        return segment_of(query, tf.gather(self._segment, query.user))

    def informed(self, query: Query) -> Query:
        """Returns the query as one of users who bought nothing: a baseline looks their orders up itself."""
        return changed(query, bought=no_purchases(tf.size(query.user)))

    def organic(self, query: Query, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` float32: how likely each of `items [B, C]` is bought next without being offered.

        A baseline has no orders: it takes a user to have made as many as hold the item that is in most of them, and
        each order of the shop to have one item.
        """
        counts = self._own_count(query, whole_catalogue(self.num_rows))
        share = tf.gather(self.lately, items) * self._orders_share
        orders = tf.reduce_max(counts, axis=1, keepdims=True)
        return organic_probability(tf.gather(counts, items, batch_dims=1), orders, share)

    def interests(self, query: Query) -> tf.Tensor:
        """Returns `[B, P]` float32: times that the users bought of each top category; of the unknown, in column 0."""
        times = self._own_count(query, whole_catalogue(self.num_rows))
        top = tf.broadcast_to(self.categories[None, :, 0], tf.shape(times))
        return times_by_category(top, times, number=self._num_top_categories)

    def gather_evidence(
        self,
        query: Query,
        allows: Allows | None = None,
        *,
        at_least: tf.Tensor | int = 0,
        also: tf.Tensor | None = None,
    ) -> BaselineEvidence:
        """Returns the baseline's score of each item of the catalogue; what it does not know comes last.

        Args:
            query: the queries.
            allows: which items may be offered; None = all that the shop offers.
            at_least: candidates that will be wanted; every item has a score, however many that are.
            also: `[B, n]` items that will be wanted; likewise.
        """
        context = without_repeats(tf.concat([query.recent_item, query.cart], axis=1))
        place = tf.gather(self._place, context)
        size = size_of(context)
        num_places = self._behind.shape[0] + 1
        segment = tf.reshape(place + tf.range(size)[:, None] * num_places, [-1])
        marks = tf.math.unsorted_segment_max(tf.ones(tf.shape(segment)), segment, size * num_places)
        marks = tf.reshape(tf.maximum(marks, 0.0), [size, num_places])[:, 1:]
        entries = tf.concat([query.cart, query.recent_item], axis=1)  # the latest event is the last
        recent = tf.gather(self._place, entries) - 1
        score = self._scores(AskedInGraph(marks, _known_last(recent), tf.gather(self._user_row, query.user)))
        has_no_scores = tf.reduce_max(tf.pad(score, [[0, 0], [0, 1]]), axis=1) <= 0.0
        score = tf.where(tf.equal(score, 0.0), self._behind[None, :], score)
        lowest = tf.reduce_min(tf.pad(score, [[0, 0], [0, 1]]), axis=1, keepdims=True) - 1.0
        shortlist = whole_catalogue(self.num_rows)
        own_count = self._own_count(query, shortlist)
        eligible = self.is_offered[None, :] if allows is None else allows(shortlist, own_count > 0)
        return BaselineEvidence(
            shortlist=shortlist,
            has_no_scores=has_no_scores,
            score=tf.gather(tf.concat([lowest, score], axis=1), self._place, axis=1),
            own_count=own_count,
            cart=without_repeats(query.cart),
            eligible=tf.broadcast_to(eligible, tf.shape(own_count)),
        )

    def _own_count(self, query: Query, every: Shortlist) -> tf.Tensor:
        """Returns `[B, N + 1]` float32: in how many orders the users had each item."""
        counts = tf.pad(self._purchases.rows(tf.gather(self._buyer_row, query.user)), [[0, 0], [1, 0]])
        return _with_history(query.history, tf.gather(counts, self._place, axis=1), every)

    @property
    def popularity(self) -> tf.Tensor:
        """`[N + 1]` float32 times bought lately."""
        return self.lately.value()

    def best_of_catalogue(
        self, query: Query, allows: Allows, score: Score, wanted: tf.Tensor, *, is_popularity: bool = False
    ) -> tf.Tensor:
        """Returns `[B, m]` int32: of all items that may be offered, `wanted [B]` with the highest scores; 0 = none."""
        del is_popularity  # a baseline scores the whole catalogue for each request anyway
        every, eligible = tf.range(self.num_rows)[None, :], self.gather_evidence(query, allows).eligible
        return strongest(score(every), every, eligible & (every > 0), wanted)

    def best_of(self, query: Query, allows: Allows, score: Score, wanted: tf.Tensor, *, items: tf.Tensor) -> tf.Tensor:
        """Returns the same of `items [B, n]` alone."""
        shortlist = shortlist_of([items])
        eligible = tf.gather(self.gather_evidence(query, allows).eligible, shortlist.item, batch_dims=1)
        return strongest(score(shortlist.item), shortlist.item, eligible & (shortlist.item > 0), wanted)

    def nearest_by_index(self, anchor: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor | None:
        """Returns None: a baseline has no index."""

    def completes(self, chosen: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns zeros `[B, C]`: a baseline knows items, not which categories complete which."""
        return tf.zeros(tf.shape(items))

    def similarity(
        self,
        anchor: tf.Tensor,
        items: tf.Tensor,
        *,
        embedding_weight: float = 1.0,
        content_weight: float = 1.0,
    ) -> tf.Tensor:
        """Returns `[B, C]`: how similar `items [B, C]` are to the anchor `[B]`, by content alone."""
        del embedding_weight  # a baseline has no embeddings
        similar = products(self.content, anchor, items)
        return content_weight * tf.round(similar * 1e4) / 1e4  # items described alike tie, whatever the batch's size

    def candidates(
        self, evidence: BaselineEvidence, *, at_least: tf.Tensor | int = 0, also: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns `[B, C]` int32 candidates, the highest scores of eligible items; 0 = no candidate.

        Args:
            evidence: evidence of the queries.
            at_least: `[B]` or one number: candidates wanted of each row.
            also: `[B, n]` int32 items that are candidates whatever their score; None = none.
        """
        most = tf.maximum(tf.reduce_max(tf.concat([tf.reshape(at_least, [-1]), [0]], axis=0)), _CANDIDATES)
        score = evidence.score
        if also is not None:
            score = tf.where(evidence.shortlist.marks(also), float("inf"), score)
        score, item = tf.math.top_k(tf.where(evidence.eligible, score, -float("inf")), tf.minimum(most, self.num_rows))
        return tf.where(score > -float("inf"), item, 0)

    def features(self, query: Query, evidence: BaselineEvidence, candidates: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, 3]` of the candidates `[B, C]`: score, `has_no_scores`, prior log-odds.

        The prior is the share of the item among all purchases.
        """
        score = tf.gather(evidence.score, candidates, batch_dims=1)
        has_no_scores = tf.broadcast_to(tf.cast(evidence.has_no_scores, tf.float32)[:, None], tf.shape(score))
        return tf.stack([score, has_no_scores, tf.gather(self._prior, candidates)], axis=-1)

    def pair_counts(self, cart: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m, k]` in how many orders each of `cart [B, m]` was bought with each of `items [B, k]`."""
        partner, orders = tf.gather(self._partner, cart), tf.gather(self._pair_orders, cart)
        is_same = tf.equal(partner[:, :, None, :], items[:, None, :, None]) & (partner > 0)[:, :, None, :]
        return tf.reduce_sum(tf.where(is_same, orders[:, :, None, :], 0), axis=3)


class CalibratedScore:
    """Stands in for `RankingModel`: the score is the first feature itself, the probability its calibration.

    Where a query has no scores, the probability is the item's share of all purchases.

    Args:
        calibration: score → probability.
    """

    heads = ("purchase",)
    has_log_scores = False

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self.variables: list[tf.Variable] = []

    def __call__(self, features: tf.Tensor, training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores `[b, C]` and logits `[b, C, 1]` of features `[b, C, 3]`."""
        score, has_no_scores, prior = tf.unstack(features, axis=-1)
        signal = tf.math.log1p(tf.maximum(score, 0.0) / self._calibration.scale)
        calibrated = self._calibration.slope * signal + self._calibration.intercept
        return score, tf.where(has_no_scores > 0, prior, calibrated)[..., None]


def _with_history(history: UserHistory | None, own_count: tf.Tensor, shortlist: Shortlist) -> tf.Tensor:
    """Returns `[B, N + 1]` in how many orders the users had each item, by the events that a request brings of them."""
    if history is None:
        return own_count

    def counted() -> tf.Tensor:
        bought = purchases_of(history.with_type(PURCHASE), target_type=PURCHASE)
        times = shortlist.sums_at(shortlist.columns(bought.item), bought.facts[..., 0])
        return tf.where(history.is_known[:, None], times, own_count)

    return tf.cond(tf.reduce_any(history.is_known), counted, lambda: own_count)


def _known_last(recent: tf.Tensor) -> tf.Tensor:
    """Returns `[B, T]` with the row's known items moved to its end, in their order."""
    order = tf.argsort(tf.cast(recent >= 0, tf.int32), axis=1, stable=True)
    return tf.gather(recent, order, batch_dims=1)


def _rows(users: Vocabulary, user_ids: np.ndarray) -> np.ndarray:
    """Returns `[U + 1]` int32 row of each user in a baseline's tables; unknown users and guests get the last."""
    rows = np.full(users.size, len(user_ids), np.int32)
    at = users.encode(user_ids)
    rows[at[at > 0]] = np.flatnonzero(at > 0)
    return rows
