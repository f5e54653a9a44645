"""Derives the reason of each offer of a baseline from what the baseline uses."""

import tensorflow as tf

from tfrec.models.baseline_sources import BaselineEvidence, BaselineSources, CalibratedScore
from tfrec.models.query import Query
from tfrec.strategy.reasons import REPEAT_COUNT, Reasons


def explain_baseline(
    sources: BaselineSources, evidence: BaselineEvidence, items: tf.Tensor, *, query: Query, ranking: CalibratedScore
) -> Reasons:
    """Returns reasons `[B, k]` from what the baseline uses: habits, cart, one purchase; popular now; else "for you".

    Its formula only adds what evidence brings, so that no reason has to be checked against it. A method
    without context never gives "bought together", one without history never "bought by you".
    """
    del query, ranking
    zeros = tf.zeros_like(items)
    cases = []
    own_count = tf.cast(tf.gather(evidence.own_count, items, batch_dims=1), tf.int32)
    if sources.uses_history:
        cases.append((tf.cast(own_count, tf.float32) >= REPEAT_COUNT, "bought_by_you", zeros, own_count, "own"))
    if sources.uses_context:
        pairs = tf.pad(sources.pair_counts(evidence.cart, items), [[0, 0], [1, 0], [0, 0]])
        strongest = tf.argmax(pairs, axis=1, output_type=tf.int32)
        count = tf.reduce_max(pairs, axis=1)
        partner = tf.gather(tf.pad(evidence.cart, [[0, 0], [1, 0]]), strongest, batch_dims=1)
        cases.append((count > 0, "bought_together", partner, count, "cart"))
    if sources.uses_history:
        cases.append((own_count > 0, "bought_by_you", zeros, own_count, "own"))
    lately = tf.cast(tf.gather(sources.lately, items), tf.int32)
    cases.append((lately > 0, "popular_now", zeros, lately, "popular"))
    code, source = (tf.fill(tf.shape(items), word) for word in ("for_you", "popular"))
    item, number = zeros, zeros
    for applies, name, its_item, its_count, its_source in reversed(cases):
        code, source = tf.where(applies, name, code), tf.where(applies, its_source, source)
        item, number = tf.where(applies, its_item, item), tf.where(applies, its_count, number)
    is_item = items > 0
    return Reasons(
        code=tf.where(is_item, code, ""),
        item=tf.where(is_item, item, 0),
        count=tf.where(is_item, number, 0),
        source=tf.where(is_item, source, ""),
    )
