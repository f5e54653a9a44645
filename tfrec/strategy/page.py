"""Fills all widgets of a page at once: no item stands twice, and each widget is at its best under that.

Each widget is a row of one batch that is ranked together. Then the widgets choose one after the other, the one named
first first, of what is left: what a widget offers is what it would offer alone, without what stands before it.
"""

import tensorflow as tf

from tfrec.models.shared_graphs import shared_graph
from tfrec.models.size_of import size_of
from tfrec.schema.inputs import WIDGETS
from tfrec.strategy.asked import ASKED_SPEC, Asked, replaced, rows_of, stacked
from tfrec.strategy.candidate_slate import CandidateSlate, Chosen, as_wide
from tfrec.strategy.funnel import Funnel
from tfrec.strategy.reasons import Reasons
from tfrec.strategy.request import Request

_LISTS = tf.TensorSpec([None, None], tf.int32)


class Pages:
    """Answers requests for pages.

    Args:
        funnel: ranks and chooses.
    """

    def __init__(self, funnel: Funnel) -> None:
        self._funnel = funnel
        self._fill_graph = shared_graph(self._fill, ASKED_SPEC, _LISTS)

    def answer(self, request: Request, widgets: tf.Tensor, sizes: tf.Tensor) -> tuple[Chosen, Reasons, tf.Tensor]:
        """Returns the items of all widgets, widget after widget, their reasons, and the widget of each item.

        Args:
            request: the requests; `k` is not used.
            widgets: `[B, W]` int32 places in `WIDGETS`, from 1, each once in a row; 0 = none.
            sizes: `[B, W]` int32 number of items of each.

        Returns:
            Slates and reasons `[B, n]`, and `[B, n]` int32 places in `WIDGETS`, from 1; 0 behind the end of a row.
        """
        request = self._funnel.informed(request)
        every = stacked([self._funnel.asked(name, request) for name in WIDGETS])
        size, width = size_of(widgets), size_of(widgets, 1)
        # Row b of strategy s is row s · B + b of all; no widget asks the first of them for no items.
        strategy = tf.maximum(widgets - 1, 0)
        rows = tf.reshape(strategy * size + tf.range(size)[:, None], [-1])
        most = tf.clip_by_value(sizes, 0, self._funnel.sources.num_rows)
        asked = replaced(rows_of(every, rows), k=tf.reshape(tf.where(widgets > 0, most, 0), [-1]))
        chosen, reasons = self._fill_graph(asked, widgets)
        item = chosen.slate.item
        place = size_of(item, 1) // tf.maximum(width, 1)
        code = tf.where(item > 0, tf.repeat(widgets, place, axis=1), 0)
        return _packed(chosen, reasons, code)

    def _fill(self, asked: Asked, widgets: tf.Tensor) -> tuple[Chosen, Reasons]:
        """Returns slates and reasons `[B, W · max(k)]`, each widget in a part of its own; traced once."""
        funnel = self._funnel
        size, width = size_of(widgets), size_of(widgets, 1)
        by_page = tf.reshape(asked.k, [size, width])
        # Whatever the widgets before took, as many are left as are wanted.
        enough = tf.minimum(tf.reduce_sum(by_page, axis=1, keepdims=True), funnel.sources.num_rows)
        ranked = funnel.ranked(asked, funnel.enough_for(tf.reshape(tf.repeat(enough, width, axis=1), [-1])))
        most = tf.reduce_max(tf.concat([asked.k, [0]], axis=0))

        def fill(number: tf.Tensor, chosen: Chosen) -> tuple[tf.Tensor, Chosen]:
            rows = tf.range(size) * width + number
            own = rows_of(asked, rows)
            slate, rules = rows_of(ranked.slate, rows), rows_of(ranked.rules, rows)
            found = funnel.chosen(slate, rules, own, taken=chosen.slate.item)
            return number + 1, _beside(chosen, _as_wide(found, most))

        none = tf.zeros([size, 0], tf.int32)
        nothing = CandidateSlate(item=none, score=tf.zeros([size, 0]), probability=tf.zeros([size, 0]))
        scores = tf.TensorSpec([None, None], tf.float32)
        slates = CandidateSlate.Spec(item=_LISTS, score=scores, probability=scores)
        _, chosen = tf.while_loop(
            lambda number, _: number < width,
            fill,
            (0, Chosen(nothing, none)),
            shape_invariants=(tf.TensorSpec([], tf.int32), Chosen(slates, _LISTS)),
        )
        reasons = funnel.explained(asked, ranked.evidence, tf.reshape(chosen.slate.item, [size * width, most]))
        together = tf.nest.map_structure(
            lambda part: tf.reshape(part, [size, width * most]), reasons, expand_composites=True
        )
        return chosen, together


def _as_wide(chosen: Chosen, width: tf.Tensor) -> Chosen:
    """Returns the same with gaps behind it."""
    missing = tf.maximum(width - size_of(chosen.threshold_set, 1), 0)
    sets = tf.pad(chosen.threshold_set, [[0, 0], [0, missing]])[:, :width]
    return Chosen(as_wide(chosen.slate, width), sets)


def _beside(left: Chosen, right: Chosen) -> Chosen:
    """Returns one slate with the items of the other behind its own."""
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=1), left, right, expand_composites=True)


def _packed(chosen: Chosen, reasons: Reasons, code: tf.Tensor) -> tuple[Chosen, Reasons, tf.Tensor]:
    """Returns the same with all gaps behind the items."""
    item = chosen.slate.item
    order = tf.argsort(tf.cast(tf.equal(item, 0), tf.int32), axis=1, stable=True)
    widest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(item > 0, tf.int32), axis=1), [0]], axis=0))
    order = order[:, :widest]
    parts = (chosen, reasons, code)
    return tf.nest.map_structure(lambda part: tf.gather(part, order, batch_dims=1), parts, expand_composites=True)
