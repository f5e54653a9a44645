"""Answers queries with slates: candidates, ranking and strategy in one graph, in indices."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.features.fatigue import MOST
from tfrec.features.rule_tables import RuleTables
from tfrec.models.baseline_sources import CalibratedScore
from tfrec.models.packing import pack
from tfrec.models.query import QUERY_SPEC, Query
from tfrec.models.ranking import RankingModel
from tfrec.models.rows import is_in
from tfrec.models.shared_graphs import rare_branch, rare_graph, rare_packed_graph, shared_graph
from tfrec.models.size_of import size_of
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.asked import ASKED_SPEC, Asked, ask, by_default, replaced
from tfrec.strategy.attributes import AttributeFilter
from tfrec.strategy.candidate_slate import (
    CandidateSlate,
    Chosen,
    as_wide,
    before,
    followed_by,
    put_first,
    rows_where,
    top,
    with_gaps,
)
from tfrec.strategy.closeness import Closeness
from tfrec.strategy.complements import of_other_categories, only_new, without_substitutes
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.constraints import eligible_items
from tfrec.strategy.diversity import Tastes, maximal_marginal_relevance
from tfrec.strategy.earnings import Earnings, is_by_earnings
from tfrec.strategy.fatigue import tired, without_what_was_seen
from tfrec.strategy.fits import only_what_fits
from tfrec.strategy.merchandising import IN_FORCE_SPEC, Merchandising, RulesInForce
from tfrec.strategy.ranked import Ranked
from tfrec.strategy.reasons import Reasons, explain, explained_by_anchor
from tfrec.strategy.request import Request
from tfrec.strategy.sources import Sources
from tfrec.strategy.threshold import by_expected_margin, within_reach
from tfrec.strategy.threshold_sets import ThresholdSets
from tfrec.strategy.upsell import only_upgrades
from tfrec.strategy.variants import is_taken, one_of_each_product, without_items, without_variants

_FURTHER = 10_000  # items that may stand where rules refuse the candidates
_NEAR = 20  # items that bring a cart to a threshold, beside those of the sources


class Funnel:
    """Candidate sources, the ranking model, and the strategies on top of them.

    Args:
        sources: candidates and features.
        ranking: scores by features.
        reasons: evidence → why an item is offered.
        strategy: settings of the strategies.
        rules: the shop's merchandising rules; None = there are none.
        fatigue: result of `learn_fatigue`; None = by the setting alone.
    """

    def __init__(
        self,
        sources: Sources,
        ranking: RankingModel | CalibratedScore,
        reasons: Callable[..., Reasons] = explain,
        *,
        strategy: StrategyConfig = StrategyConfig(),
        rules: RuleTables | None = None,
        fatigue: np.ndarray | None = None,
    ) -> None:
        self._fatigue = strategy.fatigue.factor ** np.arange(MOST + 1) if fatigue is None else fatigue
        self.sources = sources
        self.ranking = ranking
        self._explain = reasons
        self.strategy = strategy
        self.merchandising = Merchandising(rules or RuleTables.none(sources.num_rows, sources.num_segments))
        self._sets = ThresholdSets(sources, self.merchandising, strategy.threshold)
        indices, lists = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)
        scores = tf.TensorSpec([None, None], tf.float32)
        slate = CandidateSlate.Spec(item=lists, score=scores, probability=scores)
        self._attributes = AttributeFilter(sources.attributes)
        self._near_graph = rare_packed_graph(self._near, ASKED_SPEC, IN_FORCE_SPEC)
        self._nearest_graph = rare_packed_graph(self._nearest, ASKED_SPEC, IN_FORCE_SPEC, indices)
        self._closeness = Closeness(sources, strategy.similar)
        self._closeness_graph = rare_graph(self._closeness.order, slate, indices)
        flags = tf.TensorSpec([None], tf.bool)
        self._tired_graph = rare_graph(self._tired, slate, lists, lists, flags)
        self.earnings = Earnings(sources, strategy)
        self._answer_graph = shared_graph(self._answer, ASKED_SPEC)
        self._ranked_graph = shared_graph(self._ranked, ASKED_SPEC, indices)
        self._rank_graph = shared_graph(self._rank, QUERY_SPEC, lists)
        self._rerank_graph = rare_packed_graph(self._rerank, slate, ASKED_SPEC, indices)
        self._vary_graph = shared_graph(self._vary, slate, IN_FORCE_SPEC, ASKED_SPEC)
        self._select_graph = rare_graph(self._select, slate, IN_FORCE_SPEC, indices)
        self._led_graph = rare_packed_graph(self._led_by_set, slate, slate, IN_FORCE_SPEC, ASKED_SPEC)
        self._number_graph = rare_graph(self._sets.numbers, lists, lists, tf.TensorSpec([None], tf.float32))

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that an answer may read."""
        return [*self.sources.variables, *self.ranking.variables, *self.merchandising.variables]

    def answer(self, strategy: str, request: Request) -> tuple[Chosen, Reasons]:
        """Returns what a strategy offers, and why.

        Args:
            strategy: `recommend`: what the shopper is likely to choose next. `complete_cart`: what is still missing in
                the cart. `cross_sell`: complements of cart and anchor that the shopper has not bought before, or just
                now by the request. `upsell`: dearer items of the anchor's category, by what they are expected to earn
                beyond it (see `UpsellConfig` for other orders; scores are in the shop's currency, or probabilities).
                `similar`: items that can stand in for the anchor, near in embedding and content, of its category first
                (see `SimilarConfig`). `buy_again`: what the shopper bought before.
            request: the requests.
        """
        return self.answered(self.asked(strategy, request))

    def answered(self, asked: Asked) -> tuple[Chosen, Reasons]:
        """Returns the best of what is asked for, and why; one graph for all that ask."""
        answer: tuple[Chosen, Reasons] = self._answer_graph(asked)
        return answer

    def asked(self, strategy: str, request: Request) -> Asked:
        """Returns what a strategy asks for, by its own settings where the request names none."""
        asked = ask(strategy, self.informed(request), view_type=self.sources.view_type)
        return by_default(asked, self.strategy.slates_of(strategy))

    def informed(self, request: Request) -> Request:
        """Returns the request with what its users bought; to be called first where several strategies are asked."""
        return replaced(request, query=self.sources.informed(request.query))

    def retrieve(self, query: Query, k: tf.Tensor) -> CandidateSlate:
        """Returns the nearest `[B, k]` candidates of the two towers alone; see `CandidateSources.nearest`."""
        assert isinstance(self.sources, CandidateSources)  # a baseline has no towers, and no such signature
        item, score = self.sources.nearest(query, k)
        return top(CandidateSlate(item=item, score=score, probability=tf.zeros_like(score)), k=k)

    def rank(self, query: Query, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores `[B, C]` and logits `[B, C, H]` of the ranking model for `items [B, C]`."""
        return self._rank_graph(self.sources.informed(query), items)

    def _rank(self, query: Query, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `rank` does; traced once for all signatures."""
        evidence = self.sources.gather_evidence(query)
        return self.ranking(self.sources.features(query, evidence, items), training=False)

    def _answer(self, asked: Asked) -> tuple[Chosen, Reasons]:
        """Returns the best of the eligible items and why; traced once for all signatures."""
        ranked = self.ranked(asked, self.enough_for(asked.k))
        chosen = self.chosen(ranked.slate, ranked.rules, asked)
        return chosen, self.explained(asked, ranked.evidence, chosen.slate.item)

    def ranked(self, asked: Asked, enough: tf.Tensor) -> Ranked:
        """Returns the candidates with their scores.

        Args:
            asked: what is wanted.
            enough: `[B]` int32 candidates that there must be whenever so many items are eligible.
        """
        ranked: Ranked = self._ranked_graph(asked, enough)
        return ranked

    def _ranked(self, asked: Asked, enough: tf.Tensor) -> Ranked:
        """Returns what `ranked` does; traced once for slates, pages and bundles."""
        query, relation = asked.query, asked.relation
        rules = self.merchandising.in_force(asked.occasion, self.sources.segment(query))
        allows = functools.partial(self._allowed, asked, rules)
        nothing = tf.zeros([size_of(asked.k), 0], tf.int32)
        packed = pack(asked), pack(rules)
        near = tf.cond(tf.reduce_any(relation.gap > 0), lambda: self._near_graph(*packed), lambda: nothing)
        nearest = tf.cond(
            tf.reduce_any(relation.similar_to > 0),
            lambda: self._nearest_graph(*packed, pack(enough)),
            lambda: nothing,
        )
        also = tf.concat([rules.pinned, near, nearest], axis=1)
        evidence = self.sources.gather_evidence(query, allows, at_least=enough, also=also)
        items = self.sources.candidates(evidence, at_least=enough, also=also)
        slate = self.earnings.scored(self._scored(query, evidence, items), asked)
        is_near = self._within_reach(tf.gather(self.sources.price, items), relation.gap)
        earns = is_by_earnings(asked)[:, None]
        slate = by_expected_margin(
            slate, is_near=is_near & ~earns, profit=self.sources.profit, has_log_scores=self.ranking.has_log_scores
        )
        slate = tf.cond(
            tf.reduce_any(relation.similar_to > 0),
            lambda: self._closeness_graph(slate, relation.similar_to),
            lambda: slate,
        )
        is_amount = self.earnings.by_amount(asked) | (relation.similar_to > 0) | (not self.ranking.has_log_scores)
        slate = tf.cond(
            tf.reduce_any(asked.shown > 0),
            lambda: self._tired_graph(slate, asked.shown, query.recent_item, is_amount),
            lambda: slate,
        )
        slate = self.merchandising.boosted(slate, rules, is_amount=is_amount)
        # Who looks at a printer most often buys another one that they saw; what goes *with* it is another question.
        is_complement = self.sources.completes(relation.goes_with, items) > 0
        # Where earnings decide, what is near comes first in `Earnings.beside`: it takes from what is behind it.
        slate = put_first(slate, is_first=(is_near | is_complement) & ~earns)
        return Ranked(slate, rules, evidence)

    def chosen(
        self, slate: CandidateSlate, rules: RulesInForce, asked: Asked, *, taken: tf.Tensor | None = None
    ) -> Chosen:
        """Returns the best items of `slate [B, C]`, as many as are asked for: by variety and by the shop's rules.

        Before all stands the set that brings the cart to its threshold, where one is worth more than a single item.

        Args:
            slate: candidates in any order.
            rules: the rules in force.
            asked: what is wanted.
            taken: `[B, n]` int32 items that stand elsewhere on the page; they and their variants are left out.
        """
        slate = self.earnings.beside(slate, asked, taken)
        if taken is not None:
            slate = without_items(slate, taken=taken, groups=self.sources.groups)
        usual, no_item = self._vary_graph(slate, rules, asked), tf.zeros([size_of(asked.k), 0], tf.int32)
        has_gap, packed = tf.reduce_any(asked.relation.gap > 0), [pack(part) for part in (slate, usual, rules, asked)]
        led, together = tf.cond(has_gap, lambda: self._led_graph(*packed), lambda: (usual, no_item))
        shown = self._filled(led, rules, asked, taken)
        sets = tf.cond(
            has_gap,
            lambda: self._number_graph(shown.item, together, asked.relation.gap),
            lambda: tf.zeros_like(shown.item),
        )
        return Chosen(shown, sets)

    def explained(self, asked: Asked, evidence: Any, items: tf.Tensor) -> Reasons:
        """Returns why `items [B, k]` are offered."""
        return explained_by_anchor(
            self._explain(self.sources, evidence, items, query=asked.query, ranking=self.ranking),
            items,
            upgrade_of=asked.relation.upgrade_of,
            similar_to=asked.relation.similar_to,
        )

    def _scored(self, query: Query, evidence: Any, items: tf.Tensor) -> CandidateSlate:
        """Returns `items [B, C]` with the scores and probabilities of the ranking model, in the same places."""
        score, logits = self.ranking(self.sources.features(query, evidence, items), training=False)
        return CandidateSlate(
            item=items,
            score=tf.where(items > 0, score, -float("inf")),
            probability=tf.where(items > 0, tf.sigmoid(logits[..., -1]), 0.0),
        )

    def _within_reach(self, price: tf.Tensor, gap: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` bool: items of `price [B, C]` bring what the carts lack."""
        return within_reach(price, gap=gap, config=self.strategy.threshold)

    def _near(self, asked: Asked, rules: RulesInForce) -> tf.Tensor:
        """Returns `[B, n]` int32: of the items that bring what the carts lack those bought most lately; 0 = none.

        The sources know no thresholds: their candidates may all be too cheap.
        """
        gap = asked.relation.gap

        def score(items: tf.Tensor) -> tf.Tensor:
            is_near = self._within_reach(tf.gather(self.sources.price, items), gap)
            return tf.where(is_near, tf.gather(self.sources.popularity, items), -float("inf"))

        wanted = tf.where(gap > 0, min(_NEAR, self.sources.num_rows), 0)
        allows = functools.partial(self._allowed, asked, rules)
        return self.sources.best_of_catalogue(asked.query, allows, score, wanted, is_popularity=True)

    def _led_by_set(
        self, slate: CandidateSlate, usual: CandidateSlate, rules: RulesInForce, asked: Asked
    ) -> tuple[CandidateSlate, tf.Tensor]:
        """Returns `usual [B, k]`, chosen of `slate [B, C]`, with the best set of several items before all, and the set.

        A row that cannot hold the whole set (a rule caps it, a pinned item takes its place) stays as it is, without
        one; traced once.
        """
        together = self._sets.best(slate, rules, gap=asked.relation.gap, k=asked.k)
        first = with_gaps(slate, stays=is_in(slate.item, together) & (slate.item > 0))
        first = top(first, k=tf.fill(tf.shape(asked.k), self.strategy.threshold.max_items))
        then = self._vary_graph(without_items(slate, taken=together, groups=self.sources.groups), rules, asked)
        # Rules choose among all: what is pinned stands even where it takes the place of a part of the set.
        most = tf.where(rules.selects, asked.k + self.strategy.threshold.max_items, asked.k)
        led = before(first, then, k=most)
        led = tf.cond(tf.reduce_any(rules.selects), lambda: self._select_graph(led, rules, asked.k), lambda: led)
        is_whole = tf.reduce_all(is_in(together, led.item) | tf.equal(together, 0), axis=1)
        is_whole &= tf.reduce_any(together > 0, axis=1)
        width = tf.maximum(size_of(led.item, 1), size_of(usual.item, 1))
        shown = rows_where(is_whole, as_wide(led, width), as_wide(usual, width))
        return shown, tf.where(is_whole[:, None], together, 0)

    def _nearest(self, asked: Asked, rules: RulesInForce, enough: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n]` int32: the eligible items most like the anchors, `enough [B]` of them; 0 = none."""
        allows = functools.partial(self._allowed, asked, rules)
        return self._closeness.nearest(asked.query, allows, asked.relation.similar_to, enough)

    def _tired(self, slate: CandidateSlate, shown: tf.Tensor, seen: tf.Tensor, is_amount: tf.Tensor) -> CandidateSlate:
        """Returns the slate with lower scores for what was shown and not clicked."""
        left = tf.constant(self._fatigue, tf.float32)
        return tired(slate, shown=without_what_was_seen(shown, seen), left=left, is_amount=is_amount)

    def _filled(
        self, slate: CandidateSlate, rules: RulesInForce, asked: Asked, taken: tf.Tensor | None
    ) -> CandidateSlate:
        """Returns the slate with further items behind it in rows that rules leave short, the best sellers first.

        Rules for the slate as a whole (at most two of a brand) may refuse most of the candidates, while other items of
        the catalogue could stand. To rank them all by the model would take as long as a hundred requests. Of a big
        catalogue the first `_FURTHER` that may be offered have to do.
        """
        is_short = rules.selects & (tf.reduce_sum(tf.cast(slate.item > 0, tf.int32), axis=1) < asked.k)

        def fill() -> CandidateSlate:
            anchor = asked.relation.similar_to

            def allows(shortlist: Shortlist, is_own: tf.Tensor) -> tf.Tensor:
                may_be = self._allowed(asked, rules, shortlist, is_own)
                if taken is not None:
                    may_be &= ~is_taken(shortlist.item, taken=taken, groups=self.sources.groups)
                return may_be

            bought = self.sources.popularity  # read once: each reading of a variable that is gathered copies it

            def popularity(items: tf.Tensor) -> tf.Tensor:
                return tf.gather(bought, items) + tf.zeros([size_of(anchor), 1])

            number, best = min(_FURTHER, self.sources.num_rows), self.sources.best_of_catalogue
            of_sellers, of_near = (tf.where(is_short & is_it, number, 0) for is_it in (anchor <= 0, anchor > 0))
            sellers = best(asked.query, allows, popularity, of_sellers, is_popularity=True)
            near = tf.cond(
                tf.reduce_any(of_near > 0),
                lambda: best(asked.query, allows, functools.partial(self._closeness.of, anchor), of_near),
                lambda: tf.zeros([size_of(anchor), 0], tf.int32),
            )
            longer = followed_by(slate, tf.concat([sellers, near], axis=1))
            return self._select_graph(longer, rules, asked.k)

        return tf.cond(tf.reduce_any(is_short), rare_branch(fill), lambda: slate)

    def _vary(self, slate: CandidateSlate, rules: RulesInForce, asked: Asked) -> CandidateSlate:
        """Returns the best `k`, one of each product, re-ranked for variety and by rules; traced once for all."""
        if self.sources.largest_group > 1:
            # Rules may refuse the best variant and not another one: they choose among all.
            best = one_of_each_product(slate, groups=self.sources.groups)
            slate = rows_where(rules.selects, slate, best)
        most = tf.where(rules.selects, size_of(slate.item, 1), asked.k)
        packed = pack(slate), pack(asked), pack(most)
        ordered = tf.cond(
            tf.reduce_any(asked.diversity > 0),
            lambda: self._rerank_graph(*packed),
            lambda: top(slate, k=most),
        )
        return tf.cond(
            tf.reduce_any(rules.selects),
            lambda: self._select_graph(ordered, rules, asked.k),
            lambda: ordered,
        )

    def _rerank(self, slate: CandidateSlate, asked: Asked, most: tf.Tensor) -> CandidateSlate:
        """Returns the best `most [B]` of the slate, re-ranked for variety."""
        minute = asked.occasion.minute
        minute = tf.where(minute > 0, minute, tf.cast(tf.timestamp() / 60.0, tf.int32))
        tastes = Tastes(
            kind=asked.variety,
            interests=self.sources.interests(asked.query),
            seed=asked.query.user * 7919 + minute,
        )
        return maximal_marginal_relevance(
            slate,
            k=most,
            trade_off=asked.diversity,
            vectors=self.sources.content,
            categories=self.sources.categories,
            tastes=tastes,
            config=self.strategy.variety,
        )

    def _select(self, slate: CandidateSlate, rules: RulesInForce, k: tf.Tensor) -> CandidateSlate:
        """Returns what rules let stand of the slate; traced once."""
        return self.merchandising.select(slate, k=k, rules=rules, groups=self.sources.groups)

    def enough_for(self, k: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` int32: how many candidates hold `k` different products, whatever variants are among them."""
        most, every = self.sources.largest_group, self.sources.num_rows
        return tf.minimum(tf.minimum(k, every // most + 1) * most, every)  # no overflow, whatever k is

    def _allowed(self, asked: Asked, rules: RulesInForce, shortlist: Shortlist, is_own: tf.Tensor) -> tf.Tensor:
        """Returns `[B, L]` bool: the items of the list that may be offered.

        Args:
            asked: what is wanted; for discovery, or for other categories than the cart's, where the query says so.
            rules: the shop's rules in force.
            shortlist: the items in question.
            is_own: `[B, L]` bool: the user bought it before.
        """
        query, limits, relation = asked.query, asked.limits, asked.relation
        price, paths = self.sources.price, self.sources.categories
        eligible = eligible_items(
            limits, shortlist, is_offered=self.sources.is_offered, price=price, category_paths=paths
        )
        eligible = self._attributes.within(eligible, shortlist, limits.attributes)
        eligible = only_new(eligible, is_own=is_own, is_discovery=query.is_discovery > 0)
        eligible &= (is_own | ~relation.only_own[:, None]) & (relation.similar_to >= 0)[:, None]
        eligible = of_other_categories(
            eligible, shortlist, chosen=query.cart, level=query.outside_level, category_paths=paths
        )
        eligible = without_substitutes(eligible, shortlist, chosen=relation.not_like, category_paths=paths)
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
                category_paths=paths,
                content=self.sources.content,
                config=self.strategy.upsell,
            )
            return tf.where(tf.equal(relation.upgrade_of, 0)[:, None], eligible, found)

        return tf.cond(tf.reduce_any(tf.not_equal(relation.upgrade_of, 0)), rare_branch(upgrades), lambda: eligible)
