"""Selects eligible items that complement what is in the cart (cross-sell)."""

import tensorflow as tf

from tfrec.models.rows import is_in
from tfrec.models.sources.shortlist import Shortlist


def only_new(eligible: tf.Tensor, *, is_own: tf.Tensor, is_discovery: tf.Tensor) -> tf.Tensor:
    """Returns `eligible [B, L]` without what the user bought before, where `is_discovery [B]`: cross-sell is discovery.

    What helps repeat buyers hurts discovery, so one slate cannot do both jobs; repeats belong to `complete_cart`.

    Examples:
        >>> is_own = tf.constant([[False, True, False]])
        >>> only_new(tf.constant([[False, True, True]]), is_own=is_own, is_discovery=tf.constant([True])).numpy()
        array([[False, False,  True]])
    """
    return eligible & ~(is_own & is_discovery[:, None])


def without_substitutes(
    eligible: tf.Tensor, shortlist: Shortlist, *, chosen: tf.Tensor, category_paths: tf.Tensor
) -> tf.Tensor:
    """Returns `eligible [B, L]` without the items of the leaf categories of `chosen`.

    Two cameras stand in for each other, they do not go with each other (labels of P-Companion, Hao et al. 2020).
    Rows of padding, and items of unknown category, keep everything.

    Args:
        eligible: bool mask of the items of `shortlist`.
        shortlist: the items in question.
        chosen: `[B, m]` int32; 0 = padding.
        category_paths: `[N + 1, depth]` int32 index of the category path at each level; 0 = unknown.

    Examples:
        Items 1 and 2 are cameras (leaf 7), item 3 is a bag (leaf 8); the camera 1 is on the page:

        >>> eligible = tf.constant([[False, False, True, True]])
        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> paths, items = tf.constant([[0], [7], [7], [8]]), whole_catalogue(4)
        >>> without_substitutes(eligible, items, chosen=tf.constant([[1]]), category_paths=paths).numpy()
        array([[False, False, False,  True]])
    """
    taken, leaf = (tf.gather(category_paths, items)[..., -1] for items in (chosen, shortlist.item))
    leaf = tf.broadcast_to(leaf, tf.shape(eligible))
    return eligible & ~(is_in(leaf, taken) & (leaf > 0))


def of_other_categories(
    eligible: tf.Tensor, shortlist: Shortlist, *, chosen: tf.Tensor, level: tf.Tensor, category_paths: tf.Tensor
) -> tf.Tensor:
    """Returns `eligible [B, L]` without the categories of `chosen`, and without items of no category.

    Cross-selling in the strict sense: a shop that wants a second department in the cart asks for the top level.

    Args:
        eligible: `[B, L]` bool.
        shortlist: the items in question.
        chosen: `[B, n]` int32 items in the cart; 0 = padding.
        level: `[B]` int32 level of the category path that is compared, 1 = top, the deepest if larger; 0 = no limit.
        category_paths: `[N + 1, depth]` int32 index of the category path at each level; 0 = unknown.

    Examples:
        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> paths = tf.constant([[0], [1], [1], [2]])  # items 1 and 2 are of the top category 1, item 3 of 2
        >>> of_other_categories(
        ...     tf.constant([[False, True, True, True]]), whole_catalogue(4), chosen=tf.constant([[1]]),
        ...     level=tf.constant([1]), category_paths=paths,
        ... ).numpy()
        array([[False, False, False,  True]])
    """
    depth = category_paths.shape[1]
    at_level = tf.clip_by_value(level, 1, depth)[:, None]

    def path_of(items: tf.Tensor) -> tf.Tensor:
        paths = tf.gather(category_paths, items)
        return tf.add_n([tf.where(tf.equal(at_level, d + 1), paths[..., d], 0) for d in range(depth)])

    def other() -> tf.Tensor:
        own, taken = path_of(shortlist.item), path_of(chosen)
        return eligible & ((own > 0) & ~is_in(own, taken) | (level <= 0)[:, None])

    return tf.cond(tf.reduce_any(level > 0), other, lambda: eligible)
