"""Selects eligible items that complement what is in the cart (cross-sell)."""

import tensorflow as tf

from tfrec.strategy.constraints import mark_items


def only_new(eligible: tf.Tensor, *, is_own: tf.Tensor) -> tf.Tensor:
    """Returns `eligible [B, N + 1]` without what the user bought before: cross-sell is discovery.

    What helps repeat buyers hurts discovery, so one slate cannot do both jobs; repeats belong to `complete_cart`.

    Examples:
        >>> only_new(tf.constant([[False, True, True]]), is_own=tf.constant([[False, True, False]])).numpy()
        array([[False, False,  True]])
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

    Examples:
        Items 1 and 2 are cameras (leaf 7), item 3 is a bag (leaf 8); the camera 1 is on the page:

        >>> eligible = tf.constant([[False, False, True, True]])
        >>> without_substitutes(eligible, anchor=tf.constant([1]), leaf_category=tf.constant([0, 7, 7, 8])).numpy()
        array([[False, False, False,  True]])
    """
    own_leaf = tf.gather(leaf_category, anchor)
    return eligible & ~(tf.equal(leaf_category[None, :], own_leaf[:, None]) & (own_leaf > 0)[:, None])


def of_other_categories(
    eligible: tf.Tensor, *, chosen: tf.Tensor, level: tf.Tensor, category_paths: tf.Tensor
) -> tf.Tensor:
    """Returns `eligible [B, N + 1]` without the categories of `chosen`, and without items of no category.

    Cross-selling in the strict sense: a shop that wants a second department in the cart asks for the top level.

    Args:
        eligible: `[B, N + 1]` bool.
        chosen: `[B, n]` int32 items in the cart; 0 = padding.
        level: `[B]` int32 level of the category path that is compared, 1 = top, the deepest if larger; 0 = no limit.
        category_paths: `[N + 1, depth]` int32 index of the category path at each level; 0 = unknown.

    Examples:
        >>> paths = tf.constant([[0], [1], [1], [2]])  # items 1 and 2 are of the top category 1, item 3 of 2
        >>> of_other_categories(
        ...     tf.constant([[False, True, True, True]]), chosen=tf.constant([[1]]), level=tf.constant([1]),
        ...     category_paths=paths,
        ... ).numpy()
        array([[False, False, False,  True]])
    """

    def other() -> tf.Tensor:
        depth = category_paths.shape[1]
        path = tf.gather(tf.transpose(category_paths), tf.clip_by_value(level, 1, depth) - 1)  # [B, N + 1]
        num_paths = tf.reduce_max(category_paths) + 1
        is_chosen = mark_items(tf.gather(path, chosen, batch_dims=1), num_rows=num_paths)
        return eligible & (~tf.gather(is_chosen, path, batch_dims=1) | (level <= 0)[:, None])

    return tf.cond(tf.reduce_any(level > 0), other, lambda: eligible)
