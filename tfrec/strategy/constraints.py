"""Applies the limits of a request to items: exclusions, categories, prices, stock."""

import tensorflow as tf

from tfrec.models.rows import is_in
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.attributes import AttributeLimits


class Limits(tf.experimental.ExtensionType):
    """What a request allows.

    Attributes:
        excluded: `[B, n]` int32 items that must not be offered, the cart and the anchor among them; 0 = padding.
        categories: `[B, m]` int32 category paths that are wanted, with all that is below; none = every category;
            -1 = a category that the shop does not have, which nothing can meet.
        min_price: `[B]` float32.
        max_price: `[B]` float32.
        attributes: what `AttributeFilter` allows.
    """

    excluded: tf.Tensor
    categories: tf.Tensor
    min_price: tf.Tensor
    max_price: tf.Tensor
    attributes: AttributeLimits


def only_without(excluded: tf.Tensor) -> Limits:
    """Returns limits that allow all but `excluded [B, n]`."""
    size, none = size_of(excluded), excluded[:, :0]
    attributes = AttributeLimits(
        included=none, relations=none, excluded=none, shared=none, anchor=tf.zeros([size], tf.int32)
    )
    return Limits(
        excluded=excluded,
        categories=none,
        min_price=tf.zeros([size]),
        max_price=tf.fill([size], float("inf")),
        attributes=attributes,
    )


def eligible_items(
    limits: Limits, shortlist: Shortlist, *, is_offered: tf.Tensor, price: tf.Tensor, category_paths: tf.Tensor
) -> tf.Tensor:
    """Returns `[B, L]` bool: the items that every answer to the request must be taken from.

    The mask is applied before candidates are chosen, so a filter never leaves a slate short while eligible items
    exist, and nothing filtered can come back.

    Args:
        limits: limits of each query.
        shortlist: the items in question.
        is_offered: `[N + 1]` bool: known, on sale, in stock.
        price: `[N + 1]` float32; an item of unknown price (0) passes only while no price limit is set.
        category_paths: `[N + 1, depth]` int32 index of the item's category path at each level.

    Examples:
        Of two items the query excludes the first, and a price limit leaves out what is dearer than 20:

        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> none = tf.zeros([1, 0], tf.int32)
        >>> limits = Limits(
        ...     excluded=tf.constant([[1]]), categories=none,
        ...     min_price=tf.constant([0.0]), max_price=tf.constant([20.0]),
        ...     attributes=AttributeLimits(
        ...         included=none, relations=none, excluded=none, shared=none, anchor=tf.constant([0])
        ...     ),
        ... )
        >>> eligible_items(
        ...     limits, whole_catalogue(4), is_offered=tf.constant([False, True, True, True]),
        ...     price=tf.constant([0.0, 5.0, 9.0, 30.0]), category_paths=tf.zeros([4, 1], tf.int32),
        ... ).numpy()
        array([[False, False,  True, False]])
    """
    own_price, own_paths = tf.gather(price, shortlist.item), tf.gather(category_paths, shortlist.item)
    is_eligible = tf.gather(is_offered, shortlist.item) & ~shortlist.marks(limits.excluded)
    is_eligible &= (own_price >= limits.min_price[:, None]) & (own_price <= limits.max_price[:, None])
    has_band = (limits.min_price > 0) | (limits.max_price < float("inf"))
    is_eligible &= (own_price > 0) | ~has_band[:, None]
    wants_categories = tf.reduce_any(tf.not_equal(limits.categories, 0), axis=1)

    def within() -> tf.Tensor:
        at = [tf.broadcast_to(own_paths[..., level], tf.shape(is_eligible)) for level in range(category_paths.shape[1])]
        wanted = tf.reduce_any(tf.stack([is_in(path, limits.categories) & (path > 0) for path in at]), axis=0)
        return is_eligible & (wanted | ~wants_categories[:, None])

    return tf.cond(tf.reduce_any(wants_categories), within, lambda: is_eligible)
