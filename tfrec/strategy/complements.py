"""Cross-sell: which eligible items can complement what is in the cart."""

import tensorflow as tf


def only_new(eligible: tf.Tensor, *, is_own: tf.Tensor) -> tf.Tensor:
    """Returns `eligible [B, N + 1]` without what the user bought before: cross-sell is discovery.

    What helps repeat buyers hurts discovery, so one slate cannot do both jobs; repeats belong to `complete_cart`.
    """
    return eligible & ~is_own


def without_substitutes(eligible: tf.Tensor, *, anchor: tf.Tensor, leaf_category: tf.Tensor) -> tf.Tensor:
    """Returns `eligible [B, N + 1]` without the items of the anchor's own leaf category.

    Two cameras stand in for each other, they do not go with each other (labels of P-Companion, Hao et al. 2020).
    Rows without an anchor, and anchors of unknown category, keep everything.

    Args:
        eligible: bool mask.
        anchor: `[B]` int32; 0 = none.
        leaf_category: `[N + 1]` int32; 0 = unknown.
    """
    own_leaf = tf.gather(leaf_category, anchor)
    return eligible & ~(tf.equal(leaf_category[None, :], own_leaf[:, None]) & (own_leaf > 0)[:, None])
