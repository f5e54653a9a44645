"""Limits what is offered by attributes: what a request includes, excludes, or wants to be as the anchor's."""

import functools

import tensorflow as tf

from tfrec.models.attribute_tables import AttributeTables
from tfrec.models.rows import is_in
from tfrec.models.shared_graphs import rare_graph
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist

_INCLUDED, _SHARED, _EXCLUDED = range(3)


class AttributeLimits(tf.experimental.ExtensionType):
    """What attributes a request allows.

    Attributes:
        included: `[B, n]` int32 codes, see `tfrec.features.attributes.Attributes`: of each relation named an item must
            have one of them; 0 = padding, or a value that no item has.
        relations: `[B, n]` int32 relation of each of `included`; 0 = padding; -1 = a relation that no item has.
        excluded: `[B, m]` int32 codes that no item may have; 0 = padding, or a value that no item has.
        shared: `[B, s]` int32 relations of which an item must have one of the anchor's values; 0 and -1 as above.
        anchor: `[B]` int32 item on the page; 0 = none, which shares nothing.
    """

    included: tf.Tensor
    relations: tf.Tensor
    excluded: tf.Tensor
    shared: tf.Tensor
    anchor: tf.Tensor


_LISTS = tf.TensorSpec([None, None], tf.int32)
ATTRIBUTES_SPEC = AttributeLimits.Spec(
    included=_LISTS, relations=_LISTS, excluded=_LISTS, shared=_LISTS, anchor=tf.TensorSpec([None], tf.int32)
)


class AttributeFilter:
    """Leaves out the items whose attributes a request does not allow.

    Args:
        tables: attributes of the items.
    """

    def __init__(self, tables: AttributeTables) -> None:
        self._tables = tables
        self._in_catalogue, self._in_list = (
            rare_graph(functools.partial(_meets, is_catalogue=is_catalogue, tables=tables), _LISTS, ATTRIBUTES_SPEC)
            for is_catalogue in (True, False)
        )

    def within(self, eligible: tf.Tensor, shortlist: Shortlist, limits: AttributeLimits) -> tf.Tensor:
        """Returns `eligible [B, L]` without the items that are not allowed.

        Args:
            eligible: `[B, L]` bool mask of the items of `shortlist`.
            shortlist: the items in question.
            limits: limits of each query.
        """
        is_named = tf.not_equal(tf.concat([limits.relations, limits.shared], axis=1), 0)
        if self._tables.is_empty:  # nothing has what is wanted
            return eligible & ~tf.reduce_any(is_named, axis=1)[:, None]
        is_limited = tf.reduce_any(is_named) | tf.reduce_any(limits.excluded > 0)
        meets = self._in_catalogue if shortlist.is_catalogue else self._in_list
        return tf.cond(is_limited, lambda: eligible & meets(shortlist.item, limits), lambda: eligible)


def _meets(item: tf.Tensor, limits: AttributeLimits, *, is_catalogue: bool, tables: AttributeTables) -> tf.Tensor:
    """Returns `[B, L]` bool: which of `item`, `[B, L]`, or `[1, N + 1]` of the catalogue, keep to the limits."""
    size = size_of(limits.anchor)
    own = tables.of(limits.anchor)
    own = tf.where(is_in(tf.gather(tables.relation_of, own), limits.shared), own, 0)
    marks = tf.stack([_marks(codes, tables.num_codes) for codes in (limits.included, own, limits.excluded)], axis=2)
    start, stop = tf.gather(tables.splits, item), tf.gather(tables.splits, item + 1)

    def count(place: tf.Tensor, number: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Counts the relations of which an item has a value that is marked; its codes ascend by relation."""
        at = start + place
        code = tf.where(at < stop, tf.gather(tables.codes, tf.where(at < stop, at, 0)), 0)
        relation = tf.gather(tables.relation_of, code)[..., None]
        where, axes = (code[0], {"axis": 1}) if is_catalogue else (code, {"batch_dims": 1})
        has = tf.gather(marks, where, **axes)  # [B, L, 3]
        number += tf.cast(has & tf.not_equal(relation, last), tf.int32)
        return place + 1, number, tf.where(has, relation, last)

    nothing = tf.zeros([size, size_of(item, 1), 3], tf.int32)
    open_shape = tf.TensorShape([None, None, 3])
    _, number, _ = tf.while_loop(
        lambda place, *_: place < tf.reduce_max(stop - start),
        count,
        (0, nothing, nothing),
        shape_invariants=(tf.TensorShape([]), open_shape, open_shape),
    )
    has_all = tf.equal(number[..., _INCLUDED], _num_distinct(limits.relations)[:, None])
    has_all &= tf.equal(number[..., _SHARED], _num_distinct(limits.shared)[:, None])
    return has_all & tf.equal(number[..., _EXCLUDED], 0)


def _marks(codes: tf.Tensor, num_codes: int) -> tf.Tensor:
    """Returns `[B, num_codes]` bool, True at `codes [B, n]` without 0."""
    size = size_of(codes)
    segment = codes + tf.range(size)[:, None] * num_codes
    marks = tf.math.unsorted_segment_max(tf.ones_like(segment), segment, size * num_codes) > 0
    return tf.reshape(marks, [size, num_codes]) & (tf.range(num_codes) > 0)[None, :]


def _num_distinct(values: tf.Tensor) -> tf.Tensor:
    """Returns `[B]` int32 how many different values each row of `values [B, n]` has, without 0."""
    ascending = tf.sort(tf.pad(values, [[0, 0], [1, 0]]), axis=1)
    is_other = tf.not_equal(ascending[:, 1:], ascending[:, :-1]) & tf.not_equal(ascending[:, 1:], 0)
    has_less = tf.cast(ascending[:, 0] < 0, tf.int32)  # the first of all is compared with nothing
    return tf.reduce_sum(tf.cast(is_other, tf.int32), axis=1) + has_less
