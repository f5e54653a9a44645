"""Scores offers by what they are expected to earn: each alone, and beside what is shown already.

What an offer earns is the probability that it is taken where it is shown, times what a sale of it is worth. Of upgrades
only what they have beyond the item on the page counts. `needs` says how that probability is made.
"""

import tensorflow as tf

from tfrec.models.packing import pack
from tfrec.models.rows import is_in
from tfrec.models.shared_graphs import rare_packed_graph
from tfrec.models.size_of import size_of
from tfrec.strategy.asked import ASKED_SPEC, Asked
from tfrec.strategy.candidate_slate import CandidateSlate, put_first
from tfrec.strategy.chances import Chances
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.needs import share_left, values_at, wanted
from tfrec.strategy.objectives import chosen_objective, is_incremental, orders_by_amount, worth_of_sale
from tfrec.strategy.sources import Sources
from tfrec.strategy.threshold import within_reach
from tfrec.strategy.upsell import by_objective

_MOST = 100
"""Best offers of a slate that take from each other; few shoppers look at more."""


class Earnings:
    """Expected earnings of the offers of a funnel.

    Args:
        sources: know prices, profits, categories and what is bought anyway.
        strategy: names the objective of upgrades where a request names none, and what brings a cart to a threshold.
    """

    def __init__(self, sources: Sources, strategy: StrategyConfig) -> None:
        self._sources, self.chance = sources, Chances(sources)
        self._upsell, self._threshold = strategy.upsell, strategy.threshold
        lists, scores = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32)
        slate = CandidateSlate.Spec(item=lists, score=scores, probability=scores)
        self._alone_graph = rare_packed_graph(self._alone, slate, ASKED_SPEC)
        self._together_graph = rare_packed_graph(self._together, slate, ASKED_SPEC, lists)

    def scored(self, slate: CandidateSlate, asked: Asked) -> CandidateSlate:
        """Returns the slate with expected earnings as scores: of upgrades, and of all where `asked.earns` names them.

        Args:
            slate: `[B, C]` candidates in any order.
            asked: what is wanted.
        """
        relation = asked.relation
        objective = chosen_objective(relation.objective, default=self._upsell.objective)
        slate = by_objective(
            slate,
            chance=self.chance.of(asked.query, slate, is_incremental(objective) & (relation.upgrade_of > 0)),
            upgrade_of=relation.upgrade_of,
            objective=objective,
            price=self._sources.price,
            profit=self._sources.profit,
            config=self._upsell,
        )
        packed = pack(slate), pack(asked)
        return tf.cond(tf.reduce_any(asked.earns > 0), lambda: self._alone_graph(*packed), lambda: slate)

    def by_amount(self, asked: Asked) -> tf.Tensor:
        """Returns `[B]` bool: the scores of `scored` are amounts, not those of the ranking model."""
        objective = chosen_objective(asked.relation.objective, default=self._upsell.objective)
        return is_by_earnings(asked) | (orders_by_amount(objective) & (asked.relation.upgrade_of > 0))

    def beside(self, slate: CandidateSlate, asked: Asked, taken: tf.Tensor | None) -> CandidateSlate:
        """Returns the slate with lower scores for what meets a need that better offers, or those above, meet already.

        The best offer has its whole score, the next what is left of its own beside the first, and so on: greedy, at
        least 63 % of what the best slate earns (Nemhauser et al. 1978). What brings a cart to its threshold is taken
        before all else, and stays in front.

        Args:
            slate: `[B, C]` candidates in any order; rows by other scores than earnings stay as they are.
            asked: what is wanted.
            taken: `[B, n]` int32 items that stand above on the page; None = none.
        """
        shown = tf.zeros([size_of(asked.k), 0], tf.int32) if taken is None else taken
        packed = pack(slate), pack(asked), pack(shown)
        return tf.cond(tf.reduce_any(asked.earns > 0), lambda: self._together_graph(*packed), lambda: slate)

    def total(self, shown: tf.Tensor, slate: CandidateSlate, asked: Asked, taken: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` float32 what slates are expected to earn together by the objective `asked.earns`.

        Args:
            shown: `[B, k]` int32 items of the slates, best first, of which the first hundred count.
            slate: `[B, C]` candidates that they were chosen of.
            asked: what is wanted.
            taken: `[B, n]` int32 items that stand above on the page.
        """
        shown = shown[:, :_MOST]
        acceptance, value = self._values(slate, asked)
        category, accepted = self._leaf(shown), values_at(slate.item, acceptance, shown)
        left = share_left(category, self._leaf(taken), values_at(slate.item, acceptance, taken))
        is_before = tf.equal(category[:, :, None], category[:, None, :]) & (category > 0)[:, None, :]
        is_before &= (tf.range(size_of(shown, 1))[:, None] > tf.range(size_of(shown, 1))[None, :])[None]
        left *= tf.reduce_prod(tf.where(is_before, 1.0 - accepted[:, None, :], 1.0), axis=2)
        return tf.reduce_sum(_times(values_at(slate.item, value, shown), left), axis=1)

    def _leaf(self, items: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._sources.categories, items)[..., -1]

    def _values(self, slate: CandidateSlate, asked: Asked) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, C]` acceptances, see `needs`, and what each candidate is expected to earn alone."""
        objective, category = tf.maximum(asked.earns, 1), self._leaf(slate.item)
        chance = self.chance.of(asked.query, slate, is_incremental(objective))
        found = wanted(slate.probability, chance, category)
        anchor = tf.maximum(asked.relation.upgrade_of, 0)[:, None]
        worth, of_anchor = (
            worth_of_sale(items, objective=objective, price=self._sources.price, profit=self._sources.profit)
            for items in (slate.item, anchor)
        )
        beyond = tf.where((anchor > 0) & orders_by_amount(objective)[:, None], of_anchor, 0.0)
        return found.acceptance, found.need * found.acceptance * (worth - beyond)

    def _alone(self, slate: CandidateSlate, asked: Asked) -> CandidateSlate:
        """Returns the slate with expected earnings in the rows that are ordered by them; traced once."""
        is_scored = is_by_earnings(asked)[:, None] & (slate.score > -float("inf"))
        score = tf.where(is_scored, self._values(slate, asked)[1], slate.score)
        return CandidateSlate(item=slate.item, score=score, probability=slate.probability)

    def _together(self, slate: CandidateSlate, asked: Asked, taken: tf.Tensor) -> CandidateSlate:
        """Returns what `beside` does; traced once."""
        category, width = self._leaf(slate.item), size_of(slate.item, 1)
        acceptance = wanted(slate.probability, slate.probability, category).acceptance
        left = share_left(category, self._leaf(taken), values_at(slate.item, acceptance, taken))
        price = tf.gather(self._sources.price, slate.item)
        is_near = within_reach(price, gap=asked.relation.gap, config=self._threshold)
        steps = tf.minimum(tf.minimum(tf.reduce_max(tf.concat([asked.k, [0]], axis=0)), width), _MOST)

        def step(number: tf.Tensor, free: tf.Tensor, score: tf.Tensor) -> tuple[tf.Tensor, ...]:
            first = free & is_near
            ahead = tf.where(tf.reduce_any(first, axis=1, keepdims=True), first, free)
            best = tf.argmax(tf.where(ahead, score, -float("inf")), axis=1, output_type=tf.int32)[:, None]
            its_category, accepted = (tf.gather(part, best, batch_dims=1) for part in (category, acceptance))
            free &= tf.not_equal(tf.range(width)[None, :], best)
            is_less = free & tf.equal(category, its_category) & (category > 0)
            is_less &= (number < asked.k)[:, None]  # a row has the same scores beside one that wants more
            return number + 1, free, tf.where(is_less, _times(score, 1.0 - accepted), score)

        is_item = slate.score > -float("inf")
        free = is_item & ~(is_in(slate.item, taken) & (slate.item > 0))
        _, _, score = tf.while_loop(
            lambda number, *_: number < steps, step, (tf.constant(0), free, _times(slate.score, left))
        )
        earns = is_by_earnings(asked)[:, None]
        score = tf.where(earns & is_item, score, slate.score)
        slate = CandidateSlate(item=slate.item, score=score, probability=slate.probability)
        return put_first(slate, is_first=is_near & earns)


def is_by_earnings(asked: Asked) -> tf.Tensor:
    """Returns `[B]` bool: offers go by what they earn; stand-ins for an item stay in the order of similarity."""
    return (asked.earns > 0) & tf.equal(asked.relation.similar_to, 0)


def _times(score: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Returns the share of each score; what costs is not made cheaper."""
    return tf.where(score > 0, score * share, score)
