"""Makes bundles: the item on the page and a few that are sold with it as one set, all or none.

The best complement of the anchor is taken, then the best that goes with both, and so on: each item is of another leaf
category than those before it, fits them, and is ranked with them in the cart.
"""

import tensorflow as tf

from tfrec.models.rows import count_items
from tfrec.models.shared_graphs import shared_graph
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.asked import ASKED_SPEC, Asked, beside, replaced
from tfrec.strategy.candidate_slate import CandidateSlate, put_first, with_gaps
from tfrec.strategy.funnel import Funnel
from tfrec.strategy.reasons import Reasons
from tfrec.strategy.request import Request

_MOST = 9  # items beside the anchor: each is one more answer
_LISTS, _SCORES = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32)
_TEXTS = tf.TensorSpec([None, None], tf.string)
_SLATE = CandidateSlate.Spec(item=_LISTS, score=_SCORES, probability=_SCORES)
_REASONS = Reasons.Spec(code=_TEXTS, item=_LISTS, count=_LISTS, source=_TEXTS)


class Bundles:
    """Answers requests for bundles.

    Args:
        funnel: ranks and chooses.
    """

    def __init__(self, funnel: Funnel) -> None:
        self._funnel = funnel
        self._make_graph = shared_graph(self._make, ASKED_SPEC, tf.TensorSpec([None], tf.int32))

    def answer(self, request: Request) -> tuple[CandidateSlate, Reasons, tf.Tensor]:
        """Returns the items beside the anchor, why, and `[B, k]` prices of the anchor with all up to each of them.

        A row is empty where fewer than its k items, nine at most, go together, or where the anchor cannot be sold.
        """
        asked = replaced(self._funnel.asked("bundle", request), k=tf.minimum(request.k, _MOST))
        slate, reasons = self._make_graph(asked, request.anchor)
        prices = self._funnel.sources.price
        price, first = tf.gather(prices, slate.item), tf.gather(prices, request.anchor)[:, None]
        is_known = tf.equal(tf.cumsum(tf.cast(price <= 0, tf.int32), axis=1), 0) & (first > 0) & (slate.item > 0)
        return slate, reasons, tf.where(is_known, first + tf.cumsum(price, axis=1), 0.0)

    def _make(self, asked: Asked, anchor: tf.Tensor) -> tuple[CandidateSlate, Reasons]:
        size = size_of(anchor)
        none, nothing = tf.zeros([size, 0], tf.int32), tf.fill([size, 0], "")
        slate = CandidateSlate(item=none, score=tf.zeros([size, 0]), probability=tf.zeros([size, 0]))
        _, slate, reasons = tf.while_loop(
            lambda number, *_: number < tf.reduce_max(tf.concat([asked.k, [0]], axis=0)),
            lambda number, slate, reasons: (number + 1, *self._longer(asked, number + 1, slate, reasons)),
            (0, slate, Reasons(code=nothing, item=none, count=none, source=nothing)),
            shape_invariants=(tf.TensorSpec([], tf.int32), _SLATE, _REASONS),
        )
        is_whole = tf.equal(count_items(slate.item), tf.cast(asked.k, tf.float32)) & self._is_sold(asked, anchor)
        kept = is_whole[:, None] & (slate.item > 0)
        slate = with_gaps(slate, stays=kept)
        reasons = Reasons(
            code=tf.where(kept, reasons.code, ""),
            item=tf.where(kept, reasons.item, 0),
            count=tf.where(kept, reasons.count, 0),
            source=tf.where(kept, reasons.source, ""),
        )
        return slate, reasons

    def _longer(
        self, asked: Asked, number: tf.Tensor, slate: CandidateSlate, reasons: Reasons
    ) -> tuple[CandidateSlate, Reasons]:
        """Returns bundles of `number` items that go on from those of one fewer."""
        funnel, now = self._funnel, beside(asked, slate.item)
        now = replaced(now, k=tf.minimum(asked.k, number))
        ranked = funnel.ranked(now, funnel.enough_for(now.k))
        together = tf.nest.map_structure(
            lambda *parts: tf.concat(parts, axis=1), slate, ranked.slate, expand_composites=True
        )
        is_before = tf.range(size_of(together.item, 1))[None, :] < size_of(slate.item, 1)
        is_before &= together.item > 0
        longer = funnel.chosen(put_first(together, is_first=is_before), ranked.rules, now).slate
        found = funnel.explained(now, ranked.evidence, longer.item)
        # What was there before keeps its reason: beside itself it would have another one.
        is_same = tf.equal(longer.item[:, :, None], slate.item[:, None, :]) & (slate.item > 0)[:, None, :]
        was_there = tf.reduce_any(is_same, axis=2)
        place = tf.where(was_there, tf.argmax(tf.pad(tf.cast(is_same, tf.int32), [[0, 0], [0, 0], [0, 1]]), axis=2), -1)
        place = tf.cast(place, tf.int32) + 1

        def kept(before: tf.Tensor, now: tf.Tensor) -> tf.Tensor:
            return tf.where(was_there, tf.gather(tf.pad(before, [[0, 0], [1, 0]]), place, batch_dims=1), now)

        return longer, tf.nest.map_structure(kept, reasons, found, expand_composites=True)

    def _is_sold(self, asked: Asked, anchor: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` bool: the anchors are sold, and no rule forbids them."""
        funnel, its_list = self._funnel, anchor[:, None]
        rules = funnel.merchandising.in_force(asked.occasion, funnel.sources.segment(asked.query))
        is_offered = tf.gather(funnel.sources.is_offered, its_list)
        return funnel.merchandising.allowed(is_offered, Shortlist(its_list, its_list), rules)[:, 0] & (anchor > 0)
