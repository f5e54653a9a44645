"""Answers queries with slates: candidates, ranking and strategy in one graph, in indices."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from tfrec.features.rule_tables import RuleTables
from tfrec.models.attribute_tables import AttributeTables
from tfrec.models.baseline_sources import CalibratedScore
from tfrec.models.query import QUERY_SPEC, Query
from tfrec.models.ranking import RankingModel
from tfrec.models.shared_graphs import rare_graph, shared_graph
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.candidate_sources import Allows
from tfrec.models.sources.shortlist import Shortlist, whole_catalogue
from tfrec.schema.tables import EVENT_TYPES
from tfrec.strategy.attributes import ATTRIBUTES_SPEC, AttributeFilter
from tfrec.strategy.candidate_slate import CandidateSlate, followed_by, put_first, rows_where, top
from tfrec.strategy.complements import of_other_categories, only_new, without_substitutes
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.constraints import Limits, eligible_items
from tfrec.strategy.diversity import maximal_marginal_relevance
from tfrec.strategy.fits import only_what_fits
from tfrec.strategy.merchandising import IN_FORCE_SPEC, OCCASION_SPEC, Merchandising, Occasion, RulesInForce
from tfrec.strategy.reasons import Reasons, explain, explain_by_anchor
from tfrec.strategy.request import Relation, Request, by_default, changed, excluding, occasion_of, relation_of
from tfrec.strategy.threshold import by_expected_margin, within_reach
from tfrec.strategy.upsell import by_objective, only_upgrades, orders_by_amount
from tfrec.strategy.variants import one_of_each_product, without_variants

_PURCHASE = EVENT_TYPES.index("purchase") + 1
_UNKNOWN = -1
_NEAR = 20  # items that bring a cart to a threshold, beside those of the sources


class Sources(Protocol):
    """What a funnel asks of candidate sources; what they know of a batch is theirs alone."""

    num_rows: int
    view_type: int
    price: tf.Variable
    profit: tf.Variable
    categories: tf.Variable
    groups: tf.Variable
    fits: tf.Variable
    fits_something: tf.Variable
    num_fits: int
    attributes: AttributeTables
    largest_group: int
    num_segments: int

    @property
    def is_offered(self) -> tf.Tensor:
        """`[N + 1]` bool: items that may be offered at all."""

    @property
    def content(self) -> tf.Tensor:
        """`[N + 1, c]` unit content vectors."""

    @property
    def popularity(self) -> tf.Tensor:
        """`[N + 1]` float32 times bought lately."""

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that they may read."""

    def segment(self, query: Query) -> tf.Tensor:
        """Returns `[B]` int32 segments of the users; 0 = unknown."""

    def gather_evidence(
        self,
        query: Query,
        allows: Allows | None = None,
        *,
        at_least: tf.Tensor | int = 0,
        also: tf.Tensor | None = None,
    ) -> Any:
        """Returns what they know for the queries, and for the items `also [B, n]`."""

    def eligible_catalogue(self, query: Query, allows: Allows) -> tf.Tensor:
        """Returns `[B, N + 1]` bool: which items of the catalogue may be offered."""

    def candidates(self, evidence: Any, *, at_least: tf.Tensor | int = 0, also: tf.Tensor | None = None) -> tf.Tensor:
        """Returns `[B, C]` int32 candidates, those of `also [B, n]` among them that may be offered."""

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
        rules: the shop's merchandising rules; None = there are none.
    """

    def __init__(
        self,
        sources: Sources,
        ranking: RankingModel | CalibratedScore,
        reasons: Callable[..., Reasons] = explain,
        *,
        strategy: StrategyConfig = StrategyConfig(),
        rules: RuleTables | None = None,
    ) -> None:
        self.sources = sources
        self.ranking = ranking
        self._explain = reasons
        self._strategy = strategy
        self.merchandising = Merchandising(rules or RuleTables.none(sources.num_rows, sources.num_segments))
        indices, lists = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)
        numbers, scores = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None, None], tf.float32)
        limits = Limits.Spec(
            excluded=lists, categories=lists, min_price=numbers, max_price=numbers, attributes=ATTRIBUTES_SPEC
        )
        relation = Relation.Spec(
            not_like=indices,
            upgrade_of=indices,
            min_price_ratio=numbers,
            max_price_ratio=numbers,
            objective=indices,
            goes_beside=lists,
            goes_with=indices,
            gap=numbers,
        )
        slate = CandidateSlate.Spec(item=lists, score=scores, probability=scores)
        self._attributes = AttributeFilter(sources.attributes)
        self._near_graph = rare_graph(self._near, QUERY_SPEC, limits, relation, IN_FORCE_SPEC)
        self._answer_graph = shared_graph(self._answer, QUERY_SPEC, limits, relation, OCCASION_SPEC, indices, numbers)
        self._rank_graph = shared_graph(self._rank, QUERY_SPEC, lists)
        self._vary_graph = shared_graph(self._vary, slate, IN_FORCE_SPEC, indices, numbers)
        self._select_graph = rare_graph(self._select, slate, IN_FORCE_SPEC, indices)

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that an answer may read."""
        return [*self.sources.variables, *self.ranking.variables, *self.merchandising.variables]

    def recommend(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns what the shopper is likely to choose next, repeats included, the cart left out."""
        return self._answer_to("recommend", request, request.query, relation_of(request))

    def complete_cart(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns what is still missing in the cart, repeats included."""
        relation = relation_of(request, goes_beside=request.query.cart, gap=request.gap)
        return self._answer_to("complete_cart", request, request.query, relation)

    def cross_sell(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Complements of cart and anchor that the shopper has not bought before, or just now by the request."""
        query = request.query
        cart = tf.concat([query.cart, request.anchor[:, None]], axis=1)
        just_bought = tf.where(tf.equal(query.recent_type, _PURCHASE), query.recent_item, 0)
        query = changed(query, cart=cart, is_discovery=tf.ones_like(query.is_discovery))
        relation = relation_of(request, not_like=request.anchor, goes_beside=cart, goes_with=request.anchor)
        return self._answer_to("cross_sell", request, query, relation, just_bought)

    def upsell(self, request: Request) -> tuple[CandidateSlate, Reasons]:
        """Returns dearer items of the anchor's category, by what they are expected to earn beyond it.

        See `UpsellConfig` for other orders. The scores are in the shop's currency, or probabilities.
        """
        relation = relation_of(
            request,
            upgrade_of=tf.where(request.anchor > 0, request.anchor, _UNKNOWN),
            min_price_ratio=request.min_price_ratio,
            max_price_ratio=request.max_price_ratio,
            objective=request.objective,
        )
        slate, _ = self._answer_to("upsell", request, self._with_view(request.query, request.anchor), relation)
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
        limits, catalogue = excluding(request), whole_catalogue(sources.num_rows)
        rules = self.merchandising.in_force(occasion_of("similar", request), sources.segment(request.query))
        eligible = self._allowed(request.query, limits, relation_of(request), rules, catalogue, tf.constant([[False]]))
        eligible &= (anchor > 0)[:, None]
        weights = (config.embedding_weight, config.content_weight)
        closeness = sources.similarity(anchor, *weights) + config.same_category_bonus * same_leaf
        every = CandidateSlate(
            item=tf.broadcast_to(catalogue.item, tf.shape(closeness)),
            score=tf.where(eligible, closeness, -float("inf")),
            probability=tf.zeros_like(closeness),
        )
        every = self.merchandising.boosted(every, rules, is_amount=tf.ones_like(anchor, tf.bool))
        is_pinned = eligible & catalogue.marks(rules.pinned)
        query = self._with_view(request.query, anchor)

        most = tf.maximum(tf.reduce_max(tf.concat([self._enough_for(request.k), [0]], axis=0)), config.candidates)
        _, item = tf.math.top_k(tf.where(is_pinned, float("inf"), every.score), tf.minimum(most, sources.num_rows))
        score = tf.gather(every.score, item, batch_dims=1)
        item = tf.where(score > -float("inf"), item, 0)
        _, logits = self.rank(query, item)
        probability = tf.where(item > 0, tf.sigmoid(logits[..., -1]), 0.0)
        slate = CandidateSlate(item=item, score=score, probability=probability)
        slate = self._vary_graph(slate, rules, request.k, request.diversity)
        slate = self._filled(slate, rules, request.k, lambda: every.score)
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
        self, signature: str, request: Request, query: Query, relation: Relation, *excluded: tf.Tensor
    ) -> tuple[CandidateSlate, Reasons]:
        """Returns the answer to a request whose query a strategy has changed; `excluded` are items `[B, n]`."""
        limits, occasion = excluding(request, *excluded), occasion_of(signature, request)
        query, diversity = by_default(self._strategy.slates_of(signature), query, request.diversity)
        return self._answer_graph(query, limits, relation, occasion, request.k, diversity)

    def _answer(
        self,
        query: Query,
        limits: Limits,
        relation: Relation,
        occasion: Occasion,
        k: tf.Tensor,
        diversity: tf.Tensor,
    ) -> tuple[CandidateSlate, Reasons]:
        """Returns the best of the eligible items and why; traced once for all signatures."""
        rules = self.merchandising.in_force(occasion, self.sources.segment(query))
        allows = functools.partial(self._allowed, query, limits, relation, rules)
        is_amount = self._ranks_by_amount(relation)

        enough = self._enough_for(k)
        near = tf.cond(
            tf.reduce_any(relation.gap > 0),
            lambda: self._near_graph(query, limits, relation, rules),
            lambda: tf.zeros([tf.shape(k)[0], 0], tf.int32),
        )
        also = tf.concat([rules.pinned, near], axis=1)
        evidence = self.sources.gather_evidence(query, allows, at_least=enough, also=also)
        items = self.sources.candidates(evidence, at_least=enough, also=also)
        ranked = by_objective(
            self._ranked(query, evidence, items),
            upgrade_of=relation.upgrade_of,
            objective=relation.objective,
            price=self.sources.price,
            profit=self.sources.profit,
            config=self._strategy.upsell,
        )
        is_near = self._within_reach(tf.gather(self.sources.price, items), relation.gap)
        ranked = by_expected_margin(
            ranked, is_near=is_near, profit=self.sources.profit, has_log_scores=self.ranking.has_log_scores
        )
        ranked = self.merchandising.boosted(ranked, rules, is_amount=is_amount)
        # Who looks at a printer most often buys another one that they saw; what goes *with* it is another question.
        is_complement = self.sources.completes(relation.goes_with, items) > 0
        ranked = put_first(ranked, is_first=is_near | is_complement)
        slate = self._vary_graph(ranked, rules, k, diversity)

        def by_popularity() -> tf.Tensor:
            eligible = self.sources.eligible_catalogue(query, allows)
            return tf.where(eligible, self.sources.popularity[None, :], -float("inf"))

        slate = self._filled(slate, rules, k, by_popularity)
        return slate, self._explain(self.sources, evidence, slate.item)

    def _ranked(self, query: Query, evidence: Any, items: tf.Tensor) -> CandidateSlate:
        """Returns `items [B, C]` with the scores and probabilities of the ranking model, in the same places."""
        score, logits = self.ranking(self.sources.features(query, evidence, items), training=False)
        return CandidateSlate(
            item=items,
            score=tf.where(items > 0, score, -float("inf")),
            probability=tf.where(items > 0, tf.sigmoid(logits[..., -1]), 0.0),
        )

    def _within_reach(self, price: tf.Tensor, gap: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` bool: items of `price [B, C]` bring what the carts lack."""
        return within_reach(price, gap=gap, config=self._strategy.threshold)

    def _near(self, query: Query, limits: Limits, relation: Relation, rules: RulesInForce) -> tf.Tensor:
        """Returns `[B, n]` int32: of the items that bring what the carts lack those bought most lately; 0 = none.

        The sources know no thresholds: their candidates may all be too cheap.
        """
        allows = functools.partial(self._allowed, query, limits, relation, rules)
        may_be = self.sources.eligible_catalogue(query, allows)
        may_be &= self._within_reach(self.sources.price.value()[None, :], relation.gap)
        score = tf.where(may_be, self.sources.popularity[None, :], -1.0)
        score, item = tf.math.top_k(score, min(_NEAR, self.sources.num_rows))
        return tf.where(score >= 0, item, 0)

    def _ranks_by_amount(self, relation: Relation) -> tf.Tensor:
        """Returns `[B]` bool: the scores of the row are amounts, not on a logarithmic scale."""
        is_priced = orders_by_amount(relation.objective, config=self._strategy.upsell) & (relation.upgrade_of > 0)
        return is_priced | (not self.ranking.has_log_scores)

    def _filled(
        self, slate: CandidateSlate, rules: RulesInForce, k: tf.Tensor, order: Callable[[], tf.Tensor]
    ) -> CandidateSlate:
        """Returns the slate with further items behind it in rows that rules leave short.

        Rules for the slate as a whole (at most two of a brand) may refuse most of the candidates, while other items of
        the catalogue could stand. To rank them all by the model would take as long as a hundred requests.

        Args:
            slate: the slates.
            rules: the rules in force.
            k: `[B]` int32 items wanted.
            order: makes scores `[B, N + 1]` by which they are taken; `-inf` for what may not be offered.
        """
        is_short = rules.selects & (tf.reduce_sum(tf.cast(slate.item > 0, tf.int32), axis=1) < k)

        def fill() -> CandidateSlate:
            score = tf.where(is_short[:, None], order(), -float("inf"))
            longer = followed_by(slate, score, catalogue=whole_catalogue(self.sources.num_rows))
            return self._select_graph(longer, rules, k)

        return tf.cond(tf.reduce_any(is_short), fill, lambda: slate)

    def _vary(self, slate: CandidateSlate, rules: RulesInForce, k: tf.Tensor, diversity: tf.Tensor) -> CandidateSlate:
        """Returns the best `k`, one of each product, re-ranked for variety and by rules; traced once for all."""
        if self.sources.largest_group > 1:
            # Rules may refuse the best variant and not another one: they choose among all.
            best = one_of_each_product(slate, groups=self.sources.groups)
            slate = rows_where(rules.selects, slate, best)
        ordered = maximal_marginal_relevance(
            slate,
            k=tf.where(rules.selects, tf.shape(slate.item)[1], k),
            trade_off=diversity,
            vectors=self.sources.content,
            config=self._strategy.variety,
        )
        return tf.cond(
            tf.reduce_any(rules.selects),
            lambda: self._select_graph(ordered, rules, k),
            lambda: ordered,
        )

    def _select(self, slate: CandidateSlate, rules: RulesInForce, k: tf.Tensor) -> CandidateSlate:
        """Returns what rules let stand of the slate; traced once."""
        return self.merchandising.select(slate, k=k, rules=rules, groups=self.sources.groups)

    def _enough_for(self, k: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` int32: how many candidates hold `k` different products, whatever variants are among them."""
        most = self.sources.largest_group
        return tf.minimum(k, self.sources.num_rows) * most if most > 1 else k  # no overflow, whatever k is

    def _allowed(
        self,
        query: Query,
        limits: Limits,
        relation: Relation,
        rules: RulesInForce,
        shortlist: Shortlist,
        is_own: tf.Tensor,
    ) -> tf.Tensor:
        """Returns `[B, L]` bool: the items of the list that may be offered.

        Args:
            query: the queries; for discovery, or for other categories than the cart's, where they say so.
            limits: of the requests.
            relation: of the strategy.
            rules: the shop's rules in force.
            shortlist: the items in question.
            is_own: `[B, L]` bool: the user bought it before.
        """
        price, paths = self.sources.price, self.sources.categories
        leaf = paths[:, -1]
        eligible = eligible_items(
            limits, shortlist, is_offered=self.sources.is_offered, price=price, category_paths=paths
        )
        eligible = self._attributes.within(eligible, shortlist, limits.attributes)
        eligible = only_new(eligible, is_own=is_own, is_discovery=query.is_discovery > 0)
        eligible = of_other_categories(
            eligible, shortlist, chosen=query.cart, level=query.outside_level, category_paths=paths
        )
        eligible = without_substitutes(eligible, shortlist, anchor=relation.not_like, leaf_category=leaf)
        if self.sources.largest_group > 1:
            eligible = without_variants(eligible, shortlist, chosen=relation.goes_beside, groups=self.sources.groups)
        if self.sources.num_fits > 1:
            eligible = only_what_fits(
                eligible,
                shortlist,
                chosen=relation.goes_beside,
                codes=self.sources.fits,
                is_head=self.sources.fits_something,
                num_codes=self.sources.num_fits,
            )
        eligible = self.merchandising.allowed(eligible, shortlist, rules)

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
        """Returns the query with the view of the anchor as its latest event, once.

        A shop that sends its events as they come has the view of the page among them; in training it was one event.
        """
        place = tf.range(tf.shape(query.recent_item)[1])[None, :]
        latest = tf.reduce_max(tf.where(query.recent_item > 0, place, -1), axis=1, keepdims=True)
        is_same = tf.equal(place, latest) & tf.equal(query.recent_item, anchor[:, None])
        is_same &= tf.equal(query.recent_type, self.sources.view_type)
        seen = tf.fill([tf.shape(anchor)[0], 1], self.sources.view_type)
        return changed(
            query,
            recent_item=tf.concat([tf.where(is_same, 0, query.recent_item), anchor[:, None]], axis=1),
            recent_type=tf.concat([query.recent_type, seen], axis=1),
            recent_age=tf.concat([query.recent_age, tf.zeros([tf.shape(anchor)[0], 1])], axis=1),
        )
