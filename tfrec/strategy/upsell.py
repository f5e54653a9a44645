"""Selects dearer, acceptable substitutes of the anchor (upsell)."""

import tensorflow as tf

from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.config import UpsellConfig


def only_upgrades(
    eligible: tf.Tensor,
    shortlist: Shortlist,
    *,
    anchor: tf.Tensor,
    max_price_ratio: tf.Tensor,
    price: tf.Tensor,
    leaf_category: tf.Tensor,
    content: tf.Tensor,
    config: UpsellConfig = UpsellConfig(),
) -> tf.Tensor:
    """Returns `eligible [B, L]` with what is dearer than the anchor, not too dear, and of its category.

    An anchor of unknown category is compared by content instead; an anchor that is unknown altogether has no
    upgrades.

    Args:
        eligible: bool mask of the items of `shortlist`.
        shortlist: the items in question.
        anchor: `[B]` int32.
        max_price_ratio: `[B]` float32; 0 or less = that of `config`.
        price: `[N + 1]` float32; 0 = unknown.
        leaf_category: `[N + 1]` int32; 0 = unknown.
        content: `[N + 1, c]` unit content vectors.
        config: price band and similarity where the request and the catalogue name none.

    Examples:
        The anchor costs 10; item 2 is dearer, item 3 more than twice as dear, item 4 of another category:

        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> only_upgrades(
        ...     tf.constant([[False, True, True, True, True]]), whole_catalogue(5),
        ...     anchor=tf.constant([1]), max_price_ratio=tf.constant([2.0]),
        ...     price=tf.constant([0.0, 10.0, 15.0, 30.0, 15.0]), leaf_category=tf.constant([0, 7, 7, 7, 8]),
        ...     content=tf.zeros([5, 2]),
        ... ).numpy()
        array([[False, False,  True, False, False]])
    """
    ratio = tf.where(max_price_ratio > 0, max_price_ratio, config.max_price_ratio)
    anchor_price, its_price = tf.gather(price, anchor)[:, None], tf.gather(price, shortlist.item)
    dearer = (its_price > anchor_price) & (its_price <= anchor_price * ratio[:, None])
    anchor_leaf = tf.gather(leaf_category, anchor)[:, None]
    same_leaf = tf.equal(tf.gather(leaf_category, shortlist.item), anchor_leaf)
    similar = shortlist.products(tf.gather(content, anchor), content) >= config.min_content_similarity
    comparable = tf.where(anchor_leaf > 0, same_leaf, similar)
    return eligible & dearer & comparable & ((anchor > 0)[:, None] & (anchor_price > 0))
