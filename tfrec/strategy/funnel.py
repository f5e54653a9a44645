"""Answers queries with slates: candidates, ranking and strategy in one graph, in indices."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from tfrec.models.baseline_sources import CalibratedScore
from tfrec.models.query import QUERY_FIELDS, QUERY_SPEC, Query
from tfrec.models.ranking import RankingModel
from tfrec.models.shared_graphs import shared_graph
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.candidate_sources import Allows
from tfrec.models.sources.shortlist import Shortlist, whole_catalogue
from tfrec.schema.tables import EVENT_TYPES
from tfrec.strategy.candidate_slate import CandidateSlate, top
from tfrec.strategy.complements import complements_first, of_other_categories, only_new, without_substitutes
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.constraints import Limits, eligible_items
from tfrec.strategy.diversity import maximal_marginal_relevance
from tfrec.strategy.reasons import Reasons, explain, explain_by_anchor
from tfrec.strategy.upsell import by_objective, only_upgrades
from tfrec.strategy.variants import one_of_each_product, without_variants

_PURCHASE = EVENT_TYPES.index("purchase") + 1
_UNKNOWN = -1


class Request(tf.experimental.ExtensionType):
    """A batch of requests in indices.

    Attributes:
        query: who asks, what was seen, what is in the cart.
        limits: what may be offered; `excluded` without the cart.
        anchor: `[B]` int32 item on the page; 0 = none.
        min_price_ratio: `[B]` float32; 0 = default.
        max_price_ratio: `[B]` float32; 0 = default.
        objective: `[B]` int32 place in `schema.signatures.OBJECTIVES`, from 1; 0 = default.
        k: `[B]` int32.
        diversity: `[B]` float32.
    """

    query: Query
    limits: Limits
    anchor: tf.Tensor
    min_price_ratio: tf.Tensor
    max_price_ratio: tf.Tensor
    objective: tf.Tensor
    k: tf.Tensor
    diversity: tf.Tensor


class Relation(tf.experimental.ExtensionType):
    """How what is offered must relate to an item.

    Attributes:
        not_like: `[B]` int32 item whose leaf category is not offered; 0 = none.
        upgrade_of: `[B]` int32 item of which only dearer substitutes are offered; 0 = none, -1 = an unknown item, which
            has none.
        min_price_ratio: `[B]` float32 price of the cheapest upgrade over the item's; 0 = default.
        max_price_ratio: `[B]` float32 price of the dearest upgrade over the item's; 0 = default.
        objective: `[B]` int32 by what upgrades are ordered, see `Request`.
        no_variant_of: `[B, n]` int32 items of which no other variant is offered; 0 = padding.
        goes_with: `[B]` int32 item whose complements are offered before all else; 0 = none.
    """

    not_like: tf.Tensor
    upgrade_of: tf.Tensor
    min_price_ratio: tf.Tensor
    max_price_ratio: tf.Tensor
    objective: tf.Tensor
    no_variant_of: tf.Tensor
    goes_with: tf.Tensor


class Sources(Protocol):
    """What a funnel asks of candidate sources; what they know of a batch is theirs alone."""

    num_rows: int
    view_type: int
    price: tf.Variable
    profit: tf.Variable
    categories: tf.Variable
    groups: tf.Variable
    largest_group: int

    @property
    def is_offered(self) -> tf.Tensor:
        """`[N + 1]` bool: items that may be offered at all."""

    @property
    def content(self) -> tf.Tensor:
        """`[N + 1, c]` unit content vectors."""

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that they may read."""

    def gather_evidence(self, query: Query, allows: Allows | None = None, *, at_least: tf.Tensor | int = 0) -> Any:
        """Returns what they know for the queries."""

    def candidates(self, evidence: Any, *, at_least: tf.Tensor | int = 0) -> tf.Tensor:
        """Returns `[B, C]` int32 candidates."""

    def features(self, query: Query, evidence: Any, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, F]` features of `items [B, C]`."""

    def completes(self, chosen: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]`: how strongly the category of each of `items [B, C]` completes that of `chosen [B]`."""

    def similarity(self, anchor: tf.Tensor, embedding_weight: float = 1.0, content_weight: float = 1.0) -> tf.Tensor:
        """Returns `[B, N + 1]` similarities to the anchor `[B]`."""


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
        sources: Sources,
        ranking: RankingModel | CalibratedScore,
        reasons: Callable[..., Reasons] = explain,
        *,
        strategy: StrategyConfig = StrategyConfig(),
    ) -> None:
        self.sources = sources
        self.ranking = ranking
        self._explain = reasons
        self._strategy = strategy
        indices, lists = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)
        numbers, scores = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None, None], tf.float32)
        limits = Limits.Spec(excluded=lists, categories=lists, min_price=numbers, max_price=numbers)
        relation = Relation.Spec(
            not_like=indices,
            upgrade_of=indices,
            min_price_ratio=numbers,
            max_price_ratio=numbers,
            objective=indices,
            no_variant_of=lists,
            goes_with=indices,
        )
        slate = CandidateSlate.Spec(item=lists, score=scores, probability=scores)
        self._answer_graph = shared_graph(self._answer, QUERY_SPEC, limits, relation, indices, numbers)
        self._rank_graph = shared_graph(self._rank, QUERY_SPEC, lists)
        self._vary_graph = shared_graph(self._vary, slate, indices, numbers)

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that an answer may read."""
        return [*self.sources.variables, *self.ranking.variables]

    def recommend(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns what the shopper is likely to choose next, repeats included, the cart left out."""
        return self._answer_to(request, request.query, _relation(request))

    def complete_cart(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns what is still missing in the cart, repeats included."""
        return self._answer_to(request, request.query, _relation(request, no_variant_of=request.query.cart))

    def cross_sell(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Complements of cart and anchor that the shopper has not bought before, or just now by the request."""
        query = request.query
        cart = tf.concat([query.cart, request.anchor[:, None]], axis=1)
        just_bought = tf.where(tf.equal(query.recent_type, _PURCHASE), query.recent_item, 0)
        query = _changed(query, cart=cart, is_discovery=tf.ones_like(query.is_discovery))
        relation = _relation(request, not_like=request.anchor, no_variant_of=cart, goes_with=request.anchor)
        return self._answer_to(request, query, relation, just_bought)

    def upsell(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns dearer items of the anchor's category, by what they are expected to earn beyond it.

        See `UpsellConfig` for other orders. The scores are in the shop's currency, or probabilities.
        """
        relation = _relation(
            request,
            upgrade_of=tf.where(request.anchor > 0, request.anchor, _UNKNOWN),
            min_price_ratio=request.min_price_ratio,
            max_price_ratio=request.max_price_ratio,
            objective=request.objective,
        )
        slate, _ = self._answer_to(request, self._with_view(request.query, request.anchor), relation)
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
        limits, catalogue = _excluding(request), whole_catalogue(sources.num_rows)
        eligible = self._allowed(request.query, limits, _relation(request), catalogue, tf.constant([[False]]))
        eligible &= (anchor > 0)[:, None]
        weights = (config.embedding_weight, config.content_weight)
        closeness = sources.similarity(anchor, *weights) + config.same_category_bonus * same_leaf
        score = tf.where(eligible, closeness, -float("inf"))
        wanted = self._enough_for(request.k)
        most = tf.maximum(tf.reduce_max(tf.concat([wanted, [0]], axis=0)), config.candidates)
        width = tf.minimum(most, sources.num_rows)
        score, item = tf.math.top_k(score, width)
        item = tf.where(score > -float("inf"), item, 0)
        query = self._with_view(request.query, anchor)
        _, logits = self.rank(query, item)
        probability = tf.where(item > 0, tf.sigmoid(logits[..., -1]), 0.0)
        slate = CandidateSlate(item=item, score=score, probability=probability)
        slate = self._vary_graph(slate, request.k, request.diversity)
        return slate, explain_by_anchor(slate.item, code="similar_to", anchor=anchor)

    def retrieve(self, query: Query, k: tf.Tensor) -> CandidateSlate:
        """Returns the nearest `[B, k]` candidates of the two towers alone, exact by inner product."""
        assert isinstance(self.sources, CandidateSources)  # a baseline has no towers, and no such signature
        score = tf.matmul(self.sources.embed_query(query), self.sources.candidate_embeddings, transpose_b=True)
        score = tf.where(self.sources.is_offered[None, :], score, -float("inf"))
        item = tf.broadcast_to(tf.range(self.sources.num_rows)[None, :], tf.shape(score))
        return top(CandidateSlate(item=item, score=score, probability=tf.zeros_like(score)), k=k)

    def rank(self, query: Query, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores `[B, C]` and logits `[B, C, H]` of the ranking model for `items [B, C]`."""
        return self._rank_graph(query, items)

    def _rank(self, query: Query, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `rank` does; traced once for all signatures."""
        evidence = self.sources.gather_evidence(query)
        return self.ranking(self.sources.features(query, evidence, items), training=False)

    def _answer_to(
        self, request: Request, query: Query, relation: Relation, *excluded: tf.Tensor
    ) -> tuple[CandidateSlate, Reasons]:
        """Returns the answer to a request whose query a strategy has changed; `excluded` are items `[B, n]`."""
        return self._answer_graph(query, _excluding(request, *excluded), relation, request.k, request.diversity)

    def _answer(
        self, query: Query, limits: Limits, relation: Relation, k: tf.Tensor, diversity: tf.Tensor
    ) -> tuple[CandidateSlate, Reasons]:
        """Returns the best of the eligible items and why; traced once for all signatures."""
        allows = functools.partial(self._allowed, query, limits, relation)
        enough = self._enough_for(k)
        evidence = self.sources.gather_evidence(query, allows, at_least=enough)
        items = self.sources.candidates(evidence, at_least=enough)
        score, logits = self.ranking(self.sources.features(query, evidence, items), training=False)
        ranked = CandidateSlate(
            item=items,
            score=tf.where(items > 0, score, -float("inf")),
            probability=tf.where(items > 0, tf.sigmoid(logits[..., -1]), 0.0),
        )
        ranked = by_objective(
            ranked,
            upgrade_of=relation.upgrade_of,
            objective=relation.objective,
            price=self.sources.price,
            profit=self.sources.profit,
            config=self._strategy.upsell,
        )
        ranked = complements_first(ranked, strength=self.sources.completes(relation.goes_with, items))
        slate = self._vary_graph(ranked, k, diversity)
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

    def _allowed(
        self, query: Query, limits: Limits, relation: Relation, shortlist: Shortlist, is_own: tf.Tensor
    ) -> tf.Tensor:
        """Returns `[B, L]` bool: the items of the list that may be offered.

        Args:
            query: the queries; for discovery, or for other categories than the cart's, where they say so.
            limits: of the requests.
            relation: of the strategy.
            shortlist: the items in question.
            is_own: `[B, L]` bool: the user bought it before.
        """
        price, paths = self.sources.price, self.sources.categories
        leaf = paths[:, -1]
        eligible = eligible_items(
            limits, shortlist, is_offered=self.sources.is_offered, price=price, category_paths=paths
        )
        eligible = only_new(eligible, is_own=is_own, is_discovery=query.is_discovery > 0)
        eligible = of_other_categories(
            eligible, shortlist, chosen=query.cart, level=query.outside_level, category_paths=paths
        )
        eligible = without_substitutes(eligible, shortlist, anchor=relation.not_like, leaf_category=leaf)
        if self.sources.largest_group > 1:
            chosen, groups = relation.no_variant_of, self.sources.groups
            eligible = without_variants(eligible, shortlist, chosen=chosen, groups=groups)

        def upgrades() -> tf.Tensor:
            found = only_upgrades(
                eligible,
                shortlist,
                anchor=tf.maximum(relation.upgrade_of, 0),
                min_price_ratio=relation.min_price_ratio,
                max_price_ratio=relation.max_price_ratio,
                price=price,
                leaf_category=leaf,
                content=self.sources.content,
                config=self._strategy.upsell,
            )
            return tf.where(tf.equal(relation.upgrade_of, 0)[:, None], eligible, found)

        return tf.cond(tf.reduce_any(tf.not_equal(relation.upgrade_of, 0)), upgrades, lambda: eligible)

    def _with_view(self, query: Query, anchor: tf.Tensor) -> Query:
        """Returns the query with the anchor as its latest event."""
        seen = tf.fill([tf.shape(anchor)[0], 1], self.sources.view_type)
        return _changed(
            query,
            recent_item=tf.concat([query.recent_item, anchor[:, None]], axis=1),
            recent_type=tf.concat([query.recent_type, seen], axis=1),
            recent_age=tf.concat([query.recent_age, tf.zeros([tf.shape(anchor)[0], 1])], axis=1),
        )


def _excluding(request: Request, *excluded: tf.Tensor) -> Limits:
    """Returns the request's limits, without cart, anchor and `excluded`."""
    limits = request.limits
    never = [limits.excluded, request.query.cart, request.anchor[:, None], *excluded]
    return Limits(
        excluded=tf.concat(never, axis=1),
        categories=limits.categories,
        min_price=limits.min_price,
        max_price=limits.max_price,
    )


def _relation(request: Request, **values: tf.Tensor) -> Relation:
    """Returns a relation of `values`; what is left out asks for nothing."""
    none = tf.zeros_like(request.anchor)
    nothing = {
        "not_like": none,
        "upgrade_of": none,
        "min_price_ratio": tf.zeros(tf.shape(none)),
        "max_price_ratio": tf.zeros(tf.shape(none)),
        "objective": none,
        "no_variant_of": none[:, None][:, :0],
        "goes_with": none,
    }
    return Relation(**{**nothing, **values})


def _changed(query: Query, **values: tf.Tensor) -> Query:
    """Returns the query with some tensors replaced."""
    return Query(**{name: values.get(name, getattr(query, name)) for name in QUERY_FIELDS})
