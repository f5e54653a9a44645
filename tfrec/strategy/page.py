"""Fills all widgets of a page at once: no item stands twice, and each widget is at its best under that.

Each widget is a row of one batch that is ranked together. Then the widgets choose one after the other, the one named
first first, of what is left: what a widget offers is what it would offer alone, without what stands before it. Where
places are given by an objective, each widget offers what is expected to earn most together with what stands above, and
the places of a widget go to the one whose offers are expected to earn most.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tfrec.models.shared_graphs import rare_graph, shared_graph
from tfrec.models.size_of import size_of
from tfrec.schema.inputs import OBJECTIVES, WIDGETS
from tfrec.strategy.asked import ASKED_SPEC, Asked, replaced, rows_of, stacked
from tfrec.strategy.candidate_slate import CandidateSlate, Chosen, as_wide
from tfrec.strategy.funnel import Funnel
from tfrec.strategy.merchandising import IN_FORCE_SPEC, RulesInForce
from tfrec.strategy.reasons import Reasons
from tfrec.strategy.request import Request

_LISTS, _SCORES = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32)
_SLATE = CandidateSlate.Spec(item=_LISTS, score=_SCORES, probability=_SCORES)


class Filled(NamedTuple):
    """What stands on pages, `[B, n]` each.

    Attributes:
        chosen: the items.
        reasons: why they are offered.
        widget: int32 places in `WIDGETS`, from 1, of the strategies that offer them; 0 behind the end of a row.
        place: int32 number of the page's widget, from 1, in whose place each item stands; 0 behind the end of a row.
    """

    chosen: Chosen
    reasons: Reasons
    widget: tf.Tensor
    place: tf.Tensor


class Pages:
    """Answers requests for pages.

    Args:
        funnel: ranks and chooses.
    """

    def __init__(self, funnel: Funnel) -> None:
        self._funnel = funnel
        indices = tf.TensorSpec([None], tf.int32)
        self._fill_graph = shared_graph(self._fill, ASKED_SPEC, _LISTS, indices)
        self._best_graph = rare_graph(
            self._best, ASKED_SPEC, _SLATE, IN_FORCE_SPEC, indices, _LISTS, tf.TensorSpec([], tf.int32)
        )

    def answer(self, request: Request, widgets: tf.Tensor, sizes: tf.Tensor, places_by: tf.Tensor) -> Filled:
        """Returns the items of all widgets, place after place, their reasons, and the widget of each item.

        Args:
            request: the requests; `k` is not used.
            widgets: `[B, W]` int32 places in `WIDGETS`, from 1, each once in a row; 0 = none.
            sizes: `[B, W]` int32 number of items of each.
            places_by: `[B]` int32 objective by which widgets offer what is expected to earn most together, and their
                places go to the widget whose offers do, a place in `OBJECTIVES`, from 1; 0 = default, above = none:
                each widget has its own places and order.
        """
        request = self._funnel.informed(request)
        every = stacked([self._funnel.asked(name, request) for name in WIDGETS])
        size = size_of(widgets)
        # Row b of strategy s is row s · B + b of all; no widget asks the first of them for no items.
        strategy = tf.maximum(widgets - 1, 0)
        rows = tf.reshape(strategy * size + tf.range(size)[:, None], [-1])
        most = tf.clip_by_value(sizes, 0, self._funnel.sources.num_rows)
        asked = replaced(rows_of(every, rows), k=tf.reshape(tf.where(widgets > 0, most, 0), [-1]))
        default = self._funnel.strategy.page.places_by
        usual = OBJECTIVES.index(default) + 1 if default else 0
        objective = tf.where(places_by > 0, tf.where(places_by > len(OBJECTIVES), 0, places_by), usual)
        asked = replaced(asked, earns=tf.repeat(objective, size_of(widgets, 1)))
        return _packed(self._fill_graph(asked, widgets, objective))

    def _fill(self, asked: Asked, widgets: tf.Tensor, objective: tf.Tensor) -> Filled:
        """Returns pages `[B, W · max(k)]`, the places of each widget in a part of their own; traced once."""
        funnel = self._funnel
        size, width = size_of(widgets), size_of(widgets, 1)
        by_page = tf.reshape(asked.k, [size, width])
        # Whatever the widgets before took, as many are left as are wanted.
        enough = tf.minimum(tf.reduce_sum(by_page, axis=1, keepdims=True), funnel.sources.num_rows)
        ranked = funnel.ranked(asked, funnel.enough_for(tf.reshape(tf.repeat(enough, width, axis=1), [-1])))
        most = tf.reduce_max(tf.concat([asked.k, [0]], axis=0))
        first, is_given = tf.range(size) * width, tf.reduce_any(objective > 0)

        def fill(number: tf.Tensor, chosen: Chosen, by: tf.Tensor) -> tuple[tf.Tensor, Chosen, tf.Tensor]:
            own_row, taken = first + number, chosen.slate.item
            rows = tf.cond(
                is_given,
                lambda: self._best_graph(asked, ranked.slate, ranked.rules, objective, taken, number),
                lambda: own_row,
            )
            own = replaced(rows_of(asked, rows), k=tf.gather(asked.k, own_row))
            slate, rules = rows_of(ranked.slate, rows), rows_of(ranked.rules, rows)
            found = funnel.chosen(slate, rules, own, taken=taken)
            return number + 1, _beside(chosen, _as_wide(found, most)), tf.concat([by, (rows - first)[:, None]], axis=1)

        none = tf.zeros([size, 0], tf.int32)
        nothing = CandidateSlate(item=none, score=tf.zeros([size, 0]), probability=tf.zeros([size, 0]))
        _, chosen, by = tf.while_loop(
            lambda number, *_: number < width,
            fill,
            (0, Chosen(nothing, none), none),
            shape_invariants=(tf.TensorSpec([], tf.int32), Chosen(_SLATE, _LISTS), _LISTS),
        )
        reasons = self._explained(asked, ranked.evidence, chosen.slate.item, tf.repeat(by, most, axis=1), is_given)
        widget, place = tf.gather(widgets, by, batch_dims=1), tf.broadcast_to(tf.range(1, width + 1), [size, width])
        is_item = chosen.slate.item > 0
        widget, place = (tf.where(is_item, tf.repeat(part, most, axis=1), 0) for part in (widget, place))
        return Filled(chosen, reasons, widget, place)

    def _best(
        self,
        asked: Asked,
        slate: CandidateSlate,
        rules: RulesInForce,
        objective: tf.Tensor,
        taken: tf.Tensor,
        number: tf.Tensor,
    ) -> tf.Tensor:
        """Returns `[B]` int32 rows of the strategies that get the places of widget `number`; traced once.

        That is the strategy whose best offers, as many as there are places, are expected to earn most together: the
        widget's own, unless another earns more. What upgrades earn is what they have beyond the anchor.

        Args:
            asked: `[B · W]` what is wanted of each widget, page after page; `k` is 0 where there is none.
            slate: `[B · W, C]` candidates.
            rules: the rules in force.
            objective: `[B]` int32 place in `OBJECTIVES`, from 1; 0 = each widget keeps its places.
            taken: `[B, n]` int32 items that stand on the page already.
            number: of the widget, from 0.
        """
        funnel, size = self._funnel, size_of(objective)
        width = size_of(asked.k) // tf.maximum(size, 1)
        first = tf.range(size) * width
        every = replaced(asked, k=tf.repeat(tf.gather(asked.k, first + number), width))
        above = tf.repeat(taken, width, axis=0)
        found = funnel.chosen(slate, rules, every, taken=above).slate
        total = funnel.earnings.total(found.item, slate, every, above)
        total = tf.where(asked.k > 0, total, -float("inf"))
        total = tf.reshape(total, [size, width])
        best = tf.argmax(total, axis=1, output_type=tf.int32)
        is_more = tf.reduce_max(total, axis=1) > tf.gather(total, number, axis=1)
        return first + tf.where(is_more & (objective > 0), best, number)

    def _explained(self, asked: Asked, evidence: Any, items: tf.Tensor, by: tf.Tensor, is_given: tf.Tensor) -> Reasons:
        """Returns why `items [B, n]` are offered, each by the evidence of the strategy `by [B, n]` that offers it."""
        size, number = size_of(items), size_of(items, 1)
        width = size_of(asked.k) // tf.maximum(size, 1)
        rows, most = size * width, number // tf.maximum(width, 1)
        own = tf.equal(by[:, None, :], tf.range(width)[None, :, None])  # [B, W, n]
        of_rows = tf.cond(
            is_given,
            lambda: tf.reshape(tf.where(own, items[:, None, :], 0), [rows, number]),
            lambda: tf.reshape(items, [rows, most]),
        )

        def given(part: tf.Tensor) -> tf.Tensor:
            by_item = tf.transpose(tf.reshape(part, [size, width, number]), [0, 2, 1])
            return tf.gather(by_item, by, batch_dims=2)

        def usual(part: tf.Tensor) -> tf.Tensor:
            return tf.reshape(part, [size, number])

        reasons = self._funnel.explained(asked, evidence, of_rows)
        laid_out: Reasons = tf.cond(
            is_given,
            lambda: tf.nest.map_structure(given, reasons, expand_composites=True),
            lambda: tf.nest.map_structure(usual, reasons, expand_composites=True),
        )
        return laid_out


def _as_wide(chosen: Chosen, width: tf.Tensor) -> Chosen:
    """Returns the same with gaps behind it."""
    missing = tf.maximum(width - size_of(chosen.threshold_set, 1), 0)
    sets = tf.pad(chosen.threshold_set, [[0, 0], [0, missing]])[:, :width]
    return Chosen(as_wide(chosen.slate, width), sets)


def _beside(left: Chosen, right: Chosen) -> Chosen:
    """Returns one slate with the items of the other behind its own."""
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=1), left, right, expand_composites=True)


def _packed(filled: Filled) -> Filled:
    """Returns the same with all gaps behind the items."""
    item = filled.chosen.slate.item
    order = tf.argsort(tf.cast(tf.equal(item, 0), tf.int32), axis=1, stable=True)
    widest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(item > 0, tf.int32), axis=1), [0]], axis=0))
    order = order[:, :widest]
    packed: Filled = tf.nest.map_structure(
        lambda part: tf.gather(part, order, batch_dims=1), filled, expand_composites=True
    )
    return packed
