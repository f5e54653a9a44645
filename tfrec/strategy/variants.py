"""Keeps variants of one product (sizes, colours) apart: none beside what is in the cart, one in a slate."""

import tensorflow as tf

from tfrec.models.rows import is_in
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.candidate_slate import CandidateSlate, with_gaps


def without_variants(eligible: tf.Tensor, shortlist: Shortlist, *, chosen: tf.Tensor, groups: tf.Tensor) -> tf.Tensor:
    """Returns `eligible [B, L]` without the variants of `chosen`: a shirt in M does not go with itself in L.

    Args:
        eligible: bool mask of the items of `shortlist`.
        shortlist: the items in question.
        chosen: `[B, n]` int32 items of the cart and on the page; 0 = padding.
        groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.

    Examples:
        Items 1 and 2 are a shirt in M and in L, item 3 is a cap; the shirt in M is in the cart:

        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> eligible, groups = tf.constant([[False, True, True, True]]), tf.constant([0, 7, 7, 0])
        >>> without_variants(eligible, whole_catalogue(4), chosen=tf.constant([[1]]), groups=groups).numpy()
        array([[False, False, False,  True]])
    """
    own, taken = tf.gather(groups, shortlist.item), tf.gather(groups, chosen)
    own = tf.broadcast_to(own, tf.shape(eligible))
    return eligible & (~is_in(own, taken) | tf.equal(own, 0))


def is_taken(items: tf.Tensor, *, taken: tf.Tensor, groups: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` bool: which of `items` are among `taken [B, n]`, or variants of one of these.

    Args:
        items: `[B, C]` or `[1, C]` int32.
        taken: `[B, n]` int32; 0 = padding.
        groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.

    Examples:
        Items 1 and 2 are a shirt in M and in L; the shirt in M and item 4 are taken:

        >>> taken, groups = tf.constant([[1, 4]]), tf.constant([0, 7, 7, 0, 0])
        >>> is_taken(tf.constant([[1, 2, 3, 4]]), taken=taken, groups=groups).numpy()
        array([[ True,  True, False,  True]])
    """
    items = tf.broadcast_to(items, [size_of(taken), size_of(items, 1)])
    own = tf.gather(groups, items)
    is_variant = is_in(own, tf.gather(groups, taken)) & (own > 0)
    return (is_in(items, taken) & (items > 0)) | is_variant


def without_items(slate: CandidateSlate, *, taken: tf.Tensor, groups: tf.Tensor) -> CandidateSlate:
    """Returns the slate with a gap in place of what is taken, and of its variants; arguments as in `is_taken`."""
    return with_gaps(slate, stays=~is_taken(slate.item, taken=taken, groups=groups))


def one_of_each_product(slate: CandidateSlate, *, groups: tf.Tensor) -> CandidateSlate:
    """Returns the slate with a gap in place of each variant but the best of its product, by score.

    Of variants with equal scores the one with the smaller item index stays, as in `top`.

    Args:
        slate: candidates in any order.
        groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.

    Examples:
        >>> slate = CandidateSlate(
        ...     item=tf.constant([[1, 2, 3]]), score=tf.constant([[0.2, 0.7, 0.1]]), probability=tf.zeros([1, 3])
        ... )
        >>> one_of_each_product(slate, groups=tf.constant([0, 7, 7, 0])).item.numpy()
        array([[0, 2, 3]], dtype=int32)
    """
    by_item = tf.argsort(slate.item, axis=1, stable=True)
    by_score = tf.argsort(tf.gather(slate.score, by_item, batch_dims=1), axis=1, direction="DESCENDING", stable=True)
    place = tf.argsort(tf.gather(by_item, by_score, batch_dims=1), axis=1)  # of each candidate in its row, best first
    # The first of a product is found among the row's candidates, sorted by product and place: its key is the least that
    # is not below the product's own.
    product = tf.cast(tf.gather(groups, slate.item), tf.int64)
    width = tf.shape(slate.item, out_type=tf.int64)[1]
    key = product * width + tf.cast(place, tf.int64)
    keys = tf.sort(tf.pad(key, [[0, 0], [0, 1]], constant_values=tf.int64.max), axis=1)  # never empty
    first = tf.gather(keys, tf.searchsorted(keys, tf.pad(product * width, [[0, 0], [0, 1]])), batch_dims=1)[:, :-1]
    return with_gaps(slate, stays=tf.equal(product, 0) | tf.equal(key, first))
