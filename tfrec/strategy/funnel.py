"""Answers queries with slates: candidates, ranking and strategy in one graph, in indices."""

from collections.abc import Callable

import tensorflow as tf

from tfrec.models.baseline_sources import BaselineSources, CalibratedScore
from tfrec.models.evidence import QUERY_SPEC, Evidence, Query
from tfrec.models.ranking import RankingModel
from tfrec.models.shared_graphs import shared_graph
from tfrec.models.sources import CandidateSources
from tfrec.schema.tables import EVENT_TYPES
from tfrec.strategy.candidate_slate import CandidateSlate, top
from tfrec.strategy.complements import of_other_categories, only_new, without_substitutes
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.constraints import Limits, eligible_items, mark_items
from tfrec.strategy.diversity import maximal_marginal_relevance
from tfrec.strategy.reasons import Reasons, explain, explain_by_anchor
from tfrec.strategy.upsell import only_upgrades
from tfrec.strategy.variants import one_of_each_product, without_variants

_PURCHASE = EVENT_TYPES.index("purchase") + 1


class Request(tf.experimental.ExtensionType):
    """A batch of requests in indices.

    Attributes:
        query: who asks, what was seen, what is in the cart.
        limits: what may be offered; `excluded` without the cart.
        anchor: `[B]` int32 item on the page; 0 = none.
        max_price_ratio: `[B]` float32; 0 = default.
        k: `[B]` int32.
        diversity: `[B]` float32.
    """

    query: Query
    limits: Limits
    anchor: tf.Tensor
    max_price_ratio: tf.Tensor
    k: tf.Tensor
    diversity: tf.Tensor


class Funnel:
    """Candidate sources, the ranking model, and the five strategies on top of them.

    Args:
        sources: candidates and features.
        ranking: scores by features.
        reasons: evidence → why an item is offered.
        strategy: settings of the strategies.
    """

    def __init__(
        self,
        sources: CandidateSources | BaselineSources,
        ranking: RankingModel | CalibratedScore,
        reasons: Callable[..., Reasons] = explain,
        *,
        strategy: StrategyConfig = StrategyConfig(),
    ) -> None:
        self.sources = sources
        self.ranking = ranking
        self._explain = reasons
        self._strategy = strategy
        flags, items = tf.TensorSpec([None, None], tf.bool), tf.TensorSpec([None, None], tf.int32)
        scores = tf.TensorSpec([None, None], tf.float32)
        slate = CandidateSlate.Spec(item=items, score=scores, probability=scores)
        k, diversity = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)
        self._score_graph = shared_graph(self._score, QUERY_SPEC, sources.evidence_spec, items)
        self._vary_graph = shared_graph(self._vary, slate, k, diversity)
        self._answer_graph = shared_graph(self._ranked, QUERY_SPEC, sources.evidence_spec, flags, k, diversity)

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that an answer may read."""
        return [*self.sources.variables, *self.ranking.variables]

    def recommend(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns what the shopper is likely to choose next, repeats included, the cart left out."""
        return self._answer(request, request.query, self._eligible(request))

    def complete_cart(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns what is still missing in the cart, repeats included."""
        return self._answer(request, request.query, self._outside_cart(request, self._eligible(request)))

    def cross_sell(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Complements of cart and anchor that the shopper has not bought before, or just now by the request."""
        query = _with_cart(request.query, tf.concat([request.query.cart, request.anchor[:, None]], axis=1))
        query = _with_discovery(query)
        evidence = self.sources.gather_evidence(query)
        eligible = only_new(self._eligible(request), is_own=self.sources.is_own(evidence))
        just_bought = tf.where(tf.equal(query.recent_type, _PURCHASE), query.recent_item, 0)
        eligible &= ~mark_items(just_bought, num_rows=tf.constant(self.sources.num_rows))
        leaf = self.sources.categories[:, -1]
        eligible = without_substitutes(eligible, anchor=request.anchor, leaf_category=leaf)
        return self._answer(request, query, self._outside_cart(request, eligible), evidence)

    def upsell(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns dearer items of the anchor's category, by the probability that the shopper takes them."""
        eligible = only_upgrades(
            self._eligible(request),
            anchor=request.anchor,
            max_price_ratio=request.max_price_ratio,
            price=self.sources.price,
            leaf_category=self.sources.categories[:, -1],
            content=self.sources.content,
            config=self._strategy.upsell,
        )
        query = self._with_view(request.query, request.anchor)
        slate, _ = self._answer(request, query, eligible)
        return slate, explain_by_anchor(slate.item, code="upgrade_of", anchor=request.anchor)

    def similar(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Items that can stand in for the anchor: near in both embedding and content, of its category first.

        The score is the sum of the cosine of the candidate embeddings (where there are any), content similarity, and 1
        in the same leaf category, weighted by `SimilarConfig`; the probability is the ranking model's.
        """
        sources, anchor, config = self.sources, request.anchor, self._strategy.similar
        leaf = sources.categories[:, -1]
        own_leaf = tf.gather(leaf, anchor)[:, None]
        same_leaf = tf.cast(tf.equal(leaf[None, :], own_leaf) & (own_leaf > 0), tf.float32)
        eligible = self._eligible(request) & (anchor > 0)[:, None]
        weights = (config.embedding_weight, config.content_weight)
        closeness = sources.similarity(anchor, *weights) + config.same_category_bonus * same_leaf
        score = tf.where(eligible, closeness, -float("inf"))
        wanted = self._enough_for(request.k)
        most = tf.maximum(tf.reduce_max(tf.concat([wanted, [0]], axis=0)), config.candidates)
        width = tf.minimum(most, sources.num_rows)
        score, item = tf.math.top_k(score, width)
        item = tf.where(score > -float("inf"), item, 0)
        query = self._with_view(request.query, anchor)
        ranked = self.score(query, sources.gather_evidence(query), item)
        slate = self._vary_graph(
            CandidateSlate(item=item, score=score, probability=ranked.probability), request.k, request.diversity
        )
        return slate, explain_by_anchor(slate.item, code="similar_to", anchor=anchor)

    def retrieve(self, query: Query, k: tf.Tensor) -> CandidateSlate:
        """Returns the nearest `[B, k]` candidates of the two towers alone, exact by inner product."""
        assert isinstance(self.sources, CandidateSources)  # a baseline has no towers, and no such signature
        score = tf.matmul(self.sources.embed_query(query), self.sources.candidate_embeddings, transpose_b=True)
        score = tf.where(self.sources.is_offered[None, :], score, -float("inf"))
        item = tf.broadcast_to(tf.range(self.sources.num_rows)[None, :], tf.shape(score))
        return top(CandidateSlate(item=item, score=score, probability=tf.zeros_like(score)), k=k)

    def score(self, query: Query, evidence: Evidence, candidates: tf.Tensor) -> CandidateSlate:
        """Returns the `[B, C]` candidates with score and probability of the ranking model's last head."""
        return self._score_graph(query, evidence, candidates)

    def _score(self, query: Query, evidence: Evidence, candidates: tf.Tensor) -> CandidateSlate:
        """Returns the slate of `score`; traced once for all signatures."""
        score, logits = self.ranking(self.sources.features(query, evidence, candidates), training=False)
        is_item = candidates > 0
        return CandidateSlate(
            item=candidates,
            score=tf.where(is_item, score, -float("inf")),
            probability=tf.where(is_item, tf.sigmoid(logits[..., -1]), 0.0),
        )

    def _answer(
        self, request: Request, query: Query, eligible: tf.Tensor, evidence: Evidence | None = None
    ) -> tuple[CandidateSlate, Reasons]:
        if evidence is None:
            evidence = self.sources.gather_evidence(query)
        return self._answer_graph(query, evidence, eligible, request.k, request.diversity)

    def _ranked(
        self, query: Query, evidence: Evidence, eligible: tf.Tensor, k: tf.Tensor, diversity: tf.Tensor
    ) -> tuple[CandidateSlate, Reasons]:
        """Returns the best of the eligible items and why; traced once for all signatures."""
        candidates = self.sources.candidates(evidence, eligible, at_least=self._enough_for(k))
        slate = self._vary_graph(self.score(query, evidence, candidates), k, diversity)
        return slate, self._explain(self.sources, evidence, slate.item)

    def _vary(self, slate: CandidateSlate, k: tf.Tensor, diversity: tf.Tensor) -> CandidateSlate:
        """Returns the best `k`, one of each product, re-ranked for variety; traced once for all signatures."""
        if self.sources.largest_group > 1:
            slate = one_of_each_product(slate, groups=self.sources.groups)
        return maximal_marginal_relevance(
            slate,
            k=k,
            trade_off=diversity,
            vectors=self.sources.content,
            config=self._strategy.variety,
        )

    def _enough_for(self, k: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` int32: how many candidates hold `k` different products, whatever variants are among them."""
        most = self.sources.largest_group
        return tf.minimum(k, self.sources.num_rows) * most if most > 1 else k  # no overflow, whatever k is

    def _eligible(self, request: Request) -> tf.Tensor:
        """Returns `[B, N + 1]` bool: what the limits allow, without the cart and the anchor."""
        never = tf.concat([request.limits.excluded, request.query.cart, request.anchor[:, None]], axis=1)
        limits = Limits(
            excluded=never,
            categories=request.limits.categories,
            min_price=request.limits.min_price,
            max_price=request.limits.max_price,
        )
        return eligible_items(
            limits,
            is_offered=self.sources.is_offered,
            price=self.sources.price,
            category_paths=self.sources.categories,
        )

    def _outside_cart(self, request: Request, eligible: tf.Tensor) -> tf.Tensor:
        """Returns `[B, N + 1]` `eligible` without variants of cart and anchor, and without the categories of these.

        The categories are left out where the query asks for it.
        """
        chosen = tf.concat([request.query.cart, request.anchor[:, None]], axis=1)
        if self.sources.largest_group > 1:
            eligible = without_variants(eligible, chosen=chosen, groups=self.sources.groups)
        level = request.query.outside_level
        return of_other_categories(eligible, chosen=chosen, level=level, category_paths=self.sources.categories)

    def _with_view(self, query: Query, anchor: tf.Tensor) -> Query:
        """Returns the query with the anchor as its latest event."""
        seen = tf.fill([tf.shape(anchor)[0], 1], self.sources.view_type)
        return Query(
            user=query.user,
            recent_item=tf.concat([query.recent_item, anchor[:, None]], axis=1),
            recent_type=tf.concat([query.recent_type, seen], axis=1),
            recent_age=tf.concat([query.recent_age, tf.zeros([tf.shape(anchor)[0], 1])], axis=1),
            cart=query.cart,
            is_discovery=query.is_discovery,
            outside_level=query.outside_level,
        )


def _with_cart(query: Query, cart: tf.Tensor) -> Query:
    return Query(
        user=query.user,
        recent_item=query.recent_item,
        recent_type=query.recent_type,
        recent_age=query.recent_age,
        cart=cart,
        is_discovery=query.is_discovery,
        outside_level=query.outside_level,
    )


def _with_discovery(query: Query) -> Query:
    return Query(
        user=query.user,
        recent_item=query.recent_item,
        recent_type=query.recent_type,
        recent_age=query.recent_age,
        cart=query.cart,
        is_discovery=tf.ones_like(query.is_discovery),
        outside_level=query.outside_level,
    )
