"""Selects dearer, acceptable substitutes of the anchor (upsell)."""

import tensorflow as tf

from tfrec.strategy.config import UpsellConfig


def only_upgrades(
    eligible: tf.Tensor,
    *,
    anchor: tf.Tensor,
    max_price_ratio: tf.Tensor,
    price: tf.Tensor,
    leaf_category: tf.Tensor,
    content: tf.Tensor,
    config: UpsellConfig = UpsellConfig(),
) -> tf.Tensor:
    """Returns `eligible [B, N + 1]` with what is dearer than the anchor, not too dear, and of its category.

    An anchor of unknown category is compared by content instead; an anchor that is unknown altogether has no
    upgrades.

    Args:
        eligible: bool mask.
        anchor: `[B]` int32.
        max_price_ratio: `[B]` float32; 0 or less = that of `config`.
        price: `[N + 1]` float32; 0 = unknown.
        leaf_category: `[N + 1]` int32; 0 = unknown.
        content: `[N + 1, c]` unit content vectors.
        config: price band and similarity where the request and the catalogue name none.

    Examples:
        The anchor costs 10; item 2 is dearer, item 3 more than twice as dear, item 4 of another category:

        >>> only_upgrades(
        ...     tf.constant([[False, True, True, True, True]]),
        ...     anchor=tf.constant([1]), max_price_ratio=tf.constant([2.0]),
        ...     price=tf.constant([0.0, 10.0, 15.0, 30.0, 15.0]), leaf_category=tf.constant([0, 7, 7, 7, 8]),
        ...     content=tf.zeros([5, 2]),
        ... ).numpy()
        array([[False, False,  True, False, False]])
    """
    ratio = tf.where(max_price_ratio > 0, max_price_ratio, config.max_price_ratio)
    own_price = tf.gather(price, anchor)
    dearer = (price[None, :] > own_price[:, None]) & (price[None, :] <= (own_price * ratio)[:, None])
    own_leaf = tf.gather(leaf_category, anchor)
    same_leaf = tf.equal(leaf_category[None, :], own_leaf[:, None])
    similar = tf.matmul(tf.gather(content, anchor), content, transpose_b=True) >= config.min_content_similarity
    comparable = tf.where((own_leaf > 0)[:, None], same_leaf, similar)
    return eligible & dearer & comparable & ((anchor > 0) & (own_price > 0))[:, None]
