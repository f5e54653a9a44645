"""Leaves out what does not fit the item on the page, or one in the cart (hard compatibility)."""

import tensorflow as tf

from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist


def only_what_fits(
    eligible: tf.Tensor,
    shortlist: Shortlist,
    *,
    chosen: tf.Tensor,
    codes: tf.Tensor,
    is_head: tf.Tensor,
    num_codes: int,
) -> tf.Tensor:
    """Returns `eligible [B, L]` without what does not fit each of `chosen`; what takes no part fits everything.

    Args:
        eligible: bool mask of the items of `shortlist`.
        shortlist: the items in question.
        chosen: `[B, n]` int32 items on the page and in the cart; 0 = padding.
        codes: `[N + 1, F]` int32, see `tfrec.features.fits.Fits`.
        is_head: `[N + 1]` bool.
        num_codes: number of codes, with 0.

    Examples:
        Item 3 is a case that fits the phone 1; the phone 2 is on the page, item 4 is a book:

        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> only_what_fits(
        ...     tf.constant([[False, True, True, True, True]]), whole_catalogue(5), chosen=tf.constant([[2]]),
        ...     codes=tf.constant([[0], [1], [2], [1], [0]]),
        ...     is_head=tf.constant([False, False, False, True, False]), num_codes=3,
        ... ).numpy()
        array([[False,  True,  True, False,  True]])
    """
    size = size_of(chosen)
    takes_part = tf.gather(codes, chosen)[..., 0] > 0  # [B, n]

    def left() -> tf.Tensor:
        first = tf.argsort(tf.cast(~takes_part, tf.int32), axis=1, stable=True)
        parts = tf.gather(chosen, first, batch_dims=1)
        own, own_is_head = tf.gather(codes, parts), tf.gather(is_head, parts)  # [B, n, F], [B, n]
        number = tf.reduce_sum(tf.cast(takes_part, tf.int32), axis=1)
        its_codes, its_is_head = tf.gather(codes, shortlist.item), tf.gather(is_head, shortlist.item)
        is_free = tf.equal(its_codes[..., 0], 0)

        def fits(place: tf.Tensor) -> tf.Tensor:
            segment = own[:, place] + tf.range(size)[:, None] * num_codes
            has = tf.math.unsorted_segment_max(tf.ones_like(segment), segment, size * num_codes) > 0
            has = tf.reshape(has, [size, num_codes]) & (tf.range(num_codes) > 0)[None, :]
            if shortlist.is_catalogue:
                shares = tf.reduce_any(tf.gather(has, its_codes[0], axis=1), axis=2)
            else:
                shares = tf.reduce_any(tf.gather(has, its_codes, batch_dims=1), axis=2)
            are_hosts = ~its_is_head & ~own_is_head[:, place, None]
            return shares | is_free | are_hosts | (place >= number)[:, None]

        _, kept = tf.while_loop(
            lambda place, _: place < tf.reduce_max(number),
            lambda place, kept: (place + 1, kept & fits(place)),
            (0, tf.broadcast_to(eligible, [size, shortlist.size])),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None])),
        )
        return kept

    return tf.cond(tf.reduce_any(takes_part), left, lambda: tf.broadcast_to(eligible, [size, shortlist.size]))
