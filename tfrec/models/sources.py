"""Retrieves candidates of several sources for queries, and computes the features that rank them.

One piece of TensorFlow code serves training and serving: the ranking model's examples are computed by the very
functions that the SavedModel runs, with the tables of an earlier moment (no training-serving skew by construction).
Scores over the catalogue are dense `[B, N + 1]` rows (column 0 is padding); they cost microseconds per 10,000 items,
less than merging lists.
"""

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import CHANNELS, OWN_FADES, FeatureTables
from tfrec.features.vocabulary import Vocabularies
from tfrec.models.evidence import EVIDENCE_SPEC, QUERY_SPEC, Evidence, Query
from tfrec.models.feature_names import FEATURES
from tfrec.models.friend_items import FriendItems
from tfrec.models.graph_tables import table
from tfrec.models.item_table import ItemTable, best_strength
from tfrec.models.popular_items import PopularItems
from tfrec.models.query_embedder import QueryEmbedder
from tfrec.models.rows import (
    count_items,
    is_among,
    latest,
    masked_mean,
    rows_of,
    scatter,
    without_repeats,
)
from tfrec.models.shared_graphs import shared_graph
from tfrec.models.source_config import SourceConfig
from tfrec.models.towers import QueryTower

_EASE, _RECENT, _DENOISED, _NEARBY, _SESSION, _TRANSITION, _SEQUENCE = range(len(CHANNELS))
_SESSION_DECAY = 0.8
_ANY_ORDER = 0.1  # weight of an own order that shares nothing with the cart
_ORDER_FADE = 0.99  # with each later order
_LOWEST = -1e9


class CandidateSources:
    """The tables of one moment, and the functions that turn queries into candidates and features.

    Args:
        vocabularies: the shop's.
        feature_tables: what was known at the moment.
        candidate_embeddings: `[N + 1, d]` of the retrieval model.
        encoded_items: `[N + 1, d]`, what the query tower reads.
        query_tower: query tower of the retrieval model.
        is_offered: `[N + 1]` bool: items that may be offered at all.
        cart_type: event code that stands for an item in the cart.
        view_type: event code of a view, or of the commonest event where the log has no views.
        config: settings.
    """

    evidence_spec = EVIDENCE_SPEC

    def __init__(
        self,
        vocabularies: Vocabularies,
        feature_tables: FeatureTables,
        *,
        candidate_embeddings: np.ndarray,
        encoded_items: np.ndarray,
        query_tower: QueryTower,
        is_offered: np.ndarray,
        cart_type: int,
        view_type: int,
        config: SourceConfig = SourceConfig(),
    ) -> None:
        self.config = config
        self.num_rows = vocabularies.items.size
        self.view_type = view_type
        catalogue = vocabularies.catalogue
        self.has_unsold = bool((is_offered & (feature_tables.popularity[:, -1] == 0))[1:].any())
        self.cart_table = ItemTable(
            feature_tables, channels=slice(_EASE, _NEARBY + 1), width=config.cart_neighbours, name="cart"
        )
        self.history_table = ItemTable(
            feature_tables, channels=slice(_EASE, _EASE + 1), width=config.history_neighbours, name="history"
        )
        self.session_table = ItemTable(
            feature_tables, channels=slice(_SESSION, _SEQUENCE + 1), width=config.session_neighbours, name="session"
        )
        self.popularity = table(feature_tables.popularity, "popularity")
        self.popular_items = PopularItems(feature_tables)
        self.friend_items = FriendItems(feature_tables)
        self._first_age = table(feature_tables.first_age, "first_age")
        self._last_age = table(feature_tables.last_age, "last_age")
        self._own_splits = table(feature_tables.own_splits, "own_splits")
        self._own_item = table(_never_empty(feature_tables.own_item), "own_item")
        columns = (feature_tables.own_count, feature_tables.own_age, *feature_tables.own_habit.T)
        own_columns = np.stack((*columns, feature_tables.own_interval, feature_tables.own_orders_ago), axis=1).astype(
            np.float32
        )
        self._own = table(np.pad(own_columns, [(1, 0), (0, 0)]), "own")  # row 0: never bought
        chances = feature_tables.own_habit * (1.0 - np.array(OWN_FADES))  # of an order of the user, by three memories
        score = (chances.sum(axis=1) + 1e-4 * feature_tables.own_count).astype(np.float32)
        self._own_score = table(np.pad(score, (1, 0)), "own_score")
        self._line_splits = table(feature_tables.line_splits, "line_splits")
        self._line_item = table(_never_empty(feature_tables.line_item), "line_item")
        self._line_order = table(_never_empty(feature_tables.line_order), "line_order")
        self._num_orders = table(feature_tables.num_orders, "num_orders")
        self.candidate_embeddings = table(candidate_embeddings, "candidate_embeddings")
        self._embedder = QueryEmbedder(feature_tables, encoded_items, query_tower, cart_type=cart_type)
        self.content = table(catalogue.content, "content")
        self.price = table(catalogue.price, "price")
        self.categories = table(catalogue.categories, "categories")
        self.groups = table(catalogue.group, "groups")
        self.largest_group = catalogue.largest_group
        self.is_offered = table(is_offered, "is_offered")
        self._gather = shared_graph(self._gather_evidence, QUERY_SPEC)
        self._embed = shared_graph(self._embedder, QUERY_SPEC)
        flags, places = tf.TensorSpec([None, None], tf.bool), tf.TensorSpec([None, None], tf.int32)
        self._choose = shared_graph(self._candidates, EVIDENCE_SPEC, flags, tf.TensorSpec([None], tf.int32))
        self._describe = shared_graph(self._features, QUERY_SPEC, EVIDENCE_SPEC, places)

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that candidates and features may read."""
        tables = [value for value in vars(self).values() if isinstance(value, tf.Variable)]
        item_tables = (self.cart_table, self.history_table, self.session_table)
        parts = (*item_tables, self.popular_items, self.friend_items, self._embedder)
        return [*tables, *(variable for part in parts for variable in part.variables)]

    # --- evidence -----------------------------------------------------------------------------------------------

    def gather_evidence(self, query: Query) -> Evidence:
        """Computes the scores of each source for each item of the catalogue."""
        return self._gather(query)

    def _gather_evidence(self, query: Query) -> Evidence:
        config = self.config
        cart = without_repeats(latest(query.cart, config.cart_items))
        cart_sum, cart_best = self.cart_table.contributions(cart)
        own_item, own_row = self.own_items(query.user)
        history_items = own_item[:, : config.history_items]
        history, history_best = self.history_table.contributions(history_items)
        num_history_items = tf.reduce_sum(tf.cast(history_items > 0, tf.float32), axis=1)
        return Evidence(
            cart=cart_sum,
            cart_best=cart_best,
            history=history[..., 0] / tf.sqrt(tf.maximum(num_history_items, 1.0))[:, None],
            history_best=history_best,
            visit=self._visit_evidence(query),
            own_row=self._scatter(own_item, own_row),
            own_orders=self._own_orders_like_the_cart(query.user, cart),
            friends=self.friend_items.scores(query.user),
            towers=tf.matmul(self.embed_query(query), self.candidate_embeddings, transpose_b=True),
            content=self._content_similarity(query),
            cart_entries=cart,
            history_entries=history_items,
            user=query.user,
        )

    def own_items(self, user: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, M]` items that the users bought, 0 behind the end, and the row of each, see `own_at`."""
        at, inside = rows_of(self._own_splits, user)
        return tf.where(inside, tf.gather(self._own_item, at), 0), tf.where(inside, at + 1, 0)

    def own_at(self, evidence: Evidence, items: tf.Tensor) -> list[tf.Tensor]:
        """Returns what is known of the user's purchases of `items [B, k]`, seven `[B, k]`, all 0 where never.

        Times; days since; times fading with each later order by `OWN_FADES`; mean days between; orders since.
        """
        return tf.unstack(tf.gather(self._own, tf.gather(evidence.own_row, items, batch_dims=1)), axis=-1)

    def is_own(self, evidence: Evidence) -> tf.Tensor:
        """Returns `[B, N + 1]` bool: the user bought the item before."""
        return evidence.own_row > 0

    def similarity(self, anchor: tf.Tensor, embedding_weight: float = 1.0, content_weight: float = 1.0) -> tf.Tensor:
        """Returns `[B, N + 1]`: each item's similarity to the anchor `[B]`, cosines of embedding and content."""
        embedded = tf.matmul(tf.gather(self.candidate_embeddings, anchor), self.candidate_embeddings, transpose_b=True)
        described = tf.matmul(tf.gather(self.content, anchor), self.content, transpose_b=True)
        return embedding_weight * embedded + content_weight * described

    def embed_query(self, query: Query) -> tf.Tensor:
        """Returns `[B, d]` query embeddings: the user's latest events, then the visit's, then the cart."""
        return self._embed(query)

    def _own_orders_like_the_cart(self, user: tf.Tensor, cart: tf.Tensor) -> tf.Tensor:
        """Returns `[B, N + 1]`: `Σ_o w_o [i in o] / Σ_o w_o` over the user's orders o; `w_o`: similarity and recency.

        `w_o = (_ANY_ORDER + |o ∩ cart| / sqrt(|o| |cart|)) · _ORDER_FADE ^ orders since`: nearest neighbours among
        the own orders.
        """
        at, inside = rows_of(self._line_splits, user)
        size = tf.shape(user)[0]
        item = tf.where(inside, tf.gather(self._line_item, at), 0)
        order = tf.where(inside, tf.gather(self._line_order, at), 0)
        is_in_cart = self._scatter(cart, tf.cast(cart > 0, tf.int32)) > 0
        shared = tf.cast(tf.gather(is_in_cart, item, batch_dims=1) & inside, tf.float32)
        num_orders = tf.reduce_max(tf.concat([tf.reshape(order, [-1]), [0]], axis=0)) + 1
        segment = tf.reshape(order + tf.range(size)[:, None] * num_orders, [-1])

        def by_order(lines: tf.Tensor) -> tf.Tensor:
            return tf.reshape(
                tf.math.unsorted_segment_sum(tf.reshape(lines, [-1]), segment, size * num_orders), [size, num_orders]
            )

        num_lines = by_order(tf.cast(inside, tf.float32))
        similarity = by_order(shared) / tf.sqrt(tf.maximum(num_lines * count_items(cart)[:, None], 1.0))
        weight = (_ANY_ORDER + similarity) * _ORDER_FADE ** tf.cast(tf.range(num_orders), tf.float32)
        weight *= tf.cast(num_lines > 0, tf.float32)
        weight /= tf.maximum(tf.reduce_sum(weight, axis=1, keepdims=True), 1e-6)
        line_weight = tf.where(inside, tf.gather(weight, order, batch_dims=1), 0.0)
        return self._scatter(item, line_weight)

    def _visit_evidence(self, query: Query) -> tf.Tensor:
        """Returns `[B, N + 1, 4]`, see `Evidence.visit`."""
        if self.session_table.is_empty:
            return tf.zeros([tf.shape(query.user)[0], 1, 4])
        items = latest(tf.concat([query.recent_item, query.cart], axis=1), self.config.recent_items)
        steps_ago = tf.cast(tf.range(tf.shape(items)[1])[::-1], tf.float32)
        fade = _SESSION_DECAY**steps_ago
        is_latest, is_before = (tf.cast(tf.equal(steps_ago, ago), tf.float32) for ago in (0.0, 1.0))
        columns = [_SESSION, _SEQUENCE, _TRANSITION, _TRANSITION]
        factors = tf.stack([fade, fade, is_latest, is_before], axis=1)
        return self.session_table.summed(items, factors, channels=[column - _SESSION for column in columns])

    def _content_similarity(self, query: Query) -> tf.Tensor:
        """Returns `[B, N + 1]` similarity of content to the mean of the cart, of the visit where the cart is empty."""
        mean = masked_mean(tf.gather(self.content, query.cart), query.cart > 0)
        visit = masked_mean(tf.gather(self.content, query.recent_item), query.recent_item > 0)
        has_cart = tf.reduce_any(query.cart > 0, axis=1, keepdims=True)
        similar = tf.matmul(tf.where(has_cart, mean, visit), self.content, transpose_b=True)
        # Items described alike tie; a matrix product's last bits, which differ with the batch's size, must not choose.
        return tf.round(similar * 1e4) / 1e4

    def _scatter(self, items: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Returns `[B, N + 1]` with `values [B, M]` at the columns `items [B, M]`."""
        return scatter(items, values, num_rows=self.num_rows)

    # --- candidates ---------------------------------------------------------------------------------------------

    def source_scores(self, evidence: Evidence) -> dict[str, tf.Tensor]:
        """Returns each source's score of each item, `[B, N + 1]`; what is not positive is no candidate."""
        scores = {
            "cart": evidence.cart[..., 0],
            "cart_recent": evidence.cart[..., 1],
            "cart_denoised": evidence.cart[..., 2],
            "history": evidence.history,
            "own": tf.gather(self._own_score, evidence.own_row),
            "own_orders": evidence.own_orders,
            "towers": evidence.towers + 2.0,  # cosines: always something to say
            "content": evidence.content,
            "popular": tf.broadcast_to(self.popular_items.score[None, :], tf.shape(evidence.history)),
        }
        if self.popular_items.has_segments:
            scores["popular_segment"] = self.popular_items.in_segment(evidence.user)
        if not self.friend_items.is_empty:
            scores["friends"] = evidence.friends
        if self.has_unsold:
            is_unsold = tf.equal(self.popularity[:, -1], 0.0)
            scores["unsold"] = tf.where(is_unsold[None, :], evidence.towers + 2.0, 0.0)
        if not self.session_table.is_empty:
            scores["session"] = tf.reduce_sum(evidence.visit, axis=-1)
        return scores

    def candidates(self, evidence: Evidence, eligible: tf.Tensor, *, at_least: tf.Tensor | int = 0) -> tf.Tensor:
        """Returns `[B, C]` int32 candidates of all sources, each once, ascending; 0 = no candidate.

        The towers rank every eligible item, so a row holds `at_least` candidates whenever as many are eligible.

        Args:
            evidence: evidence of the queries.
            eligible: `[B, N + 1]` bool; only these may become candidates.
            at_least: `[B]` or one number: candidates that the towers bring at least; each row's own, so that a query
                is answered in a batch as alone.
        """
        return self._choose(evidence, eligible, tf.broadcast_to(at_least, tf.shape(evidence.user)))

    def _candidates(self, evidence: Evidence, eligible: tf.Tensor, at_least: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]`, see `candidates`; traced once for all signatures."""
        lists = []
        for name, score in self.source_scores(evidence).items():
            most = tf.fill([tf.shape(score)[0]], getattr(self.config, name))
            if name == "towers":
                most = tf.maximum(most, at_least)
            k = tf.minimum(tf.reduce_max(tf.concat([most, [0]], axis=0)), self.num_rows)
            best, item = tf.math.top_k(tf.where(eligible, score, 0.0), k)
            lists.append(tf.where((best > 0) & (tf.range(k)[None, :] < most[:, None]), item, 0))
        merged = tf.sort(tf.concat(lists, axis=1), axis=1)
        repeats = tf.concat([tf.zeros_like(merged[:, :1], tf.bool), tf.equal(merged[:, 1:], merged[:, :-1])], axis=1)
        merged = tf.where(repeats, 0, merged)
        widest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(merged > 0, tf.int32), axis=1), [1]], axis=0))
        return tf.sort(merged, axis=1, direction="DESCENDING")[:, :widest]

    # --- features -----------------------------------------------------------------------------------------------

    def features(self, query: Query, evidence: Evidence, candidates: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, len(FEATURES)]` features of the candidates `[B, C]`, roughly of unit size."""
        return self._describe(query, evidence, candidates)

    def _features(self, query: Query, evidence: Evidence, candidates: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, F]`, see `features`; traced once for all signatures."""

        def at(scores: tf.Tensor) -> tf.Tensor:
            return tf.gather(scores, candidates, batch_dims=1)

        def relative(values: tf.Tensor) -> tf.Tensor:
            return values / tf.maximum(tf.reduce_max(values, axis=1, keepdims=True), 1e-3)

        def signed_root(values: tf.Tensor) -> tf.Tensor:
            return tf.sign(values) * tf.sqrt(tf.abs(values))

        cart_size = count_items(query.cart)[:, None]
        cart_weights = tf.gather(evidence.cart, candidates, batch_dims=1)  # [B, C, 4]
        ease, recent, denoised, nearby = tf.unstack(cart_weights, axis=-1)
        cart_best = best_strength(at(evidence.cart_best))
        history, towers = at(evidence.history), at(evidence.towers)
        seen_at = tf.zeros_like(candidates) if self.session_table.is_empty else candidates
        visit_weights = tf.gather(evidence.visit, seen_at, batch_dims=1)  # [B, C, 4]
        session, sequence, transition, before = tf.unstack(visit_weights, axis=-1)
        # Padding has the inner product 0, more than many an item: a row's highest must not depend on its padding.
        highest = tf.reduce_max(tf.where(candidates > 0, towers, _LOWEST), axis=1, keepdims=True)
        highest = tf.where(highest > _LOWEST, highest, 0.0)  # a row without any candidate
        own_count, own_age, fast_habit, habit, slow_habit, interval, orders_ago = self.own_at(evidence, candidates)
        own_orders = at(evidence.own_orders)
        friends = tf.zeros_like(own_orders) if self.friend_items.is_empty else at(evidence.friends)
        num_orders = tf.gather(self._num_orders, query.user)[:, None]
        most_habit, most_slow_habit = (
            (1.0 - fade ** tf.maximum(num_orders, 1.0)) / (1.0 - fade) for fade in OWN_FADES[1:]
        )
        own_splits = tf.gather(self._own_splits, query.user + 1) - tf.gather(self._own_splits, query.user)
        bought = tf.math.log1p(tf.gather(self.popularity, candidates))  # [B, C, 4]
        in_segment = tf.math.log1p(self.popular_items.in_segment_at(query.user, candidates))
        log_price = _log_price(tf.gather(self.price, candidates))
        visit = tf.concat([query.recent_item, query.cart], axis=1)
        same_leaf, same_top = self._same_category_shares(candidates, visit)
        visit_recency, visit_count = self._seen_in_visit(candidates, query.recent_item)
        columns = {
            "cart_ease": signed_root(ease),
            "cart_ease_mean": signed_root(ease / tf.sqrt(tf.maximum(cart_size, 1.0))),
            "cart_ease_relative": relative(ease),
            "cart_best": signed_root(cart_best),
            "cart_recent": signed_root(recent),
            "cart_recent_relative": relative(recent),
            "cart_denoised": signed_root(denoised / tf.sqrt(tf.maximum(cart_size, 1.0))),
            "cart_denoised_relative": relative(denoised),
            "cart_nearby": signed_root(nearby),
            "cart_nearby_relative": relative(nearby),
            "history": signed_root(history),
            "history_relative": relative(history),
            "session": signed_root(session),
            "session_relative": relative(session),
            "sequence": signed_root(sequence),
            "sequence_relative": relative(sequence),
            "transition": signed_root(transition),
            "transition_relative": relative(transition),
            "transition_before": signed_root(before),
            "towers": towers,
            "towers_relative": towers - highest,
            "content": at(evidence.content),
            "content_max": self._content_max(candidates, visit),
            "is_own": tf.cast(own_count > 0, tf.float32),
            "own_count": tf.math.log1p(own_count),
            "own_share": own_count / tf.maximum(num_orders, 1.0),
            "own_age": tf.where(own_count > 0, tf.math.log1p(own_age), 7.0),
            "own_orders_ago": tf.where(own_count > 0, tf.math.log1p(orders_ago), 7.0),
            "own_habit": signed_root(habit),
            "own_habit_share": habit / most_habit,
            "own_slow_habit": signed_root(slow_habit),
            "own_slow_habit_share": slow_habit / most_slow_habit,
            "own_slow_habit_relative": relative(slow_habit),
            "own_fast_habit": signed_root(fast_habit),
            "own_due": tf.where(own_count > 1, tf.math.log1p(own_age) - tf.math.log1p(interval), 0.0),
            "own_orders": signed_root(own_orders),
            "own_orders_relative": relative(own_orders),
            "friends": signed_root(friends),
            "friends_relative": relative(friends),
            "bought_7": bought[..., 0],
            "bought_28": bought[..., 1],
            "bought_84": bought[..., 2],
            "bought_ever": bought[..., 3],
            "bought_season": tf.math.log1p(tf.gather(self.popular_items.season, candidates)),
            "bought_segment": in_segment,
            "segment_lift": in_segment - bought[..., 1] if self.popular_items.has_segments else in_segment,
            "trend": bought[..., 1] - tf.math.log1p(tf.gather(self.popularity[:, 2], candidates) / 3.0),
            "first_age": tf.math.log1p(tf.minimum(tf.gather(self._first_age, candidates), 120.0)),
            "last_age": tf.math.log1p(tf.gather(self._last_age, candidates)),
            "price": log_price,
            "price_to_cart": self._price_distance(log_price, visit),
            "price_to_user": self._price_distance(log_price, evidence.history_entries),
            "same_leaf_share": same_leaf,
            "same_top_share": same_top,
            "is_in_visit": is_among(candidates, query.recent_item),
            "visit_recency": visit_recency,
            "visit_count": visit_count,
            "cart_size": tf.math.log1p(cart_size),
            "visit_size": tf.math.log1p(count_items(query.recent_item))[:, None],
            "num_own": tf.math.log1p(tf.cast(own_splits, tf.float32))[:, None],
            "num_orders": tf.math.log1p(num_orders),
            "is_guest": tf.cast(tf.equal(query.user, 0), tf.float32)[:, None],
            "is_discovery": query.is_discovery[:, None],
            "is_outside": tf.cast(query.outside_level > 0, tf.float32)[:, None],
        }
        shape = tf.shape(candidates)
        return tf.stack([tf.broadcast_to(columns[name], shape) for name in FEATURES], axis=-1)

    def _same_category_shares(self, candidates: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, C]` shares of `items [B, n]` with the candidate's leaf and with its top category."""
        mine, theirs = tf.gather(self.categories, candidates), tf.gather(self.categories, items)
        has_category = tf.cast((items > 0) & (theirs[..., 0] > 0), tf.float32)[:, None, :]
        count = tf.maximum(tf.reduce_sum(has_category, axis=2), 1.0)

        def share(level: int) -> tf.Tensor:
            equal = tf.cast(tf.equal(mine[..., level][:, :, None], theirs[..., level][:, None, :]), tf.float32)
            return tf.reduce_sum(equal * has_category, axis=2) / count

        return share(-1), share(0)

    def _seen_in_visit(self, candidates: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, C]` 1 / (events since the candidate was seen, it included), and how often; 0 if never."""
        items = tf.pad(latest(items, self.config.recent_items), [[0, 0], [1, 0]])  # there may be none
        steps = tf.cast(tf.range(tf.shape(items)[1])[::-1] + 1, tf.float32)
        is_seen = tf.equal(candidates[:, :, None], items[:, None, :]) & (items > 0)[:, None, :]
        seen_at = tf.cast(is_seen, tf.float32)
        return tf.reduce_max(seen_at / steps, axis=2), tf.math.log1p(tf.reduce_sum(seen_at, axis=2))

    def _content_max(self, candidates: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` content similarity to the most similar of the latest `items [B, n]`."""
        items = latest(items, self.config.recent_items)
        similar = tf.matmul(tf.gather(self.content, candidates), tf.gather(self.content, items), transpose_b=True)
        similar = tf.where((items > 0)[:, None, :], similar, 0.0)
        return tf.reduce_max(tf.pad(similar, [[0, 0], [0, 0], [0, 1]]), axis=2)

    def _price_distance(self, log_price: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` log price minus the mean log price of `items [B, n]`; 0 where there are none."""
        is_item = items > 0
        mean = masked_mean(_log_price(tf.gather(self.price, items))[..., None], is_item)[:, 0:1]
        return tf.where(tf.reduce_any(is_item, axis=1, keepdims=True), log_price - mean, 0.0)


def _never_empty(values: np.ndarray) -> np.ndarray:
    """Returns the column with one row at least: a lookup in an empty variable fails, even if masked."""
    return values if len(values) else np.zeros((1, *values.shape[1:]), values.dtype)


def _log_price(price: tf.Tensor) -> tf.Tensor:
    """Returns the natural logarithm of prices, of .01 where unknown."""
    return tf.math.log(tf.maximum(price, 0.01))
