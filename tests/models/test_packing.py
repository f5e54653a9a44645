"""Values of many tensors come out of their packs as they went in."""

import numpy as np
import tensorflow as tf

from tfrec.models.packing import pack, packed_spec, unpack
from tfrec.models.query import QUERY_SPEC, Query
from tfrec.models.user_history import UserHistory, no_purchases


def test_a_query_comes_back_whole_through_a_graph_that_takes_its_packs():
    rng = np.random.default_rng(0)

    def numbers(width):
        return tf.constant(rng.integers(0, 50, (3, width)), tf.int32)

    def ages(width):
        return tf.constant(rng.random((3, width)), tf.float32)

    query = Query(
        user=numbers(1)[:, 0],
        recent_item=numbers(4),
        recent_type=numbers(4),
        recent_age=ages(4),
        cart=numbers(0),
        is_discovery=ages(1)[:, 0],
        outside_level=numbers(1)[:, 0],
        history=UserHistory(numbers(7), numbers(7), ages(7), numbers(7), numbers(1)[:, 0] > 20, numbers(1)[:, 0]),
        bought=no_purchases(3),
    )
    packed = pack(query)
    assert len(packed) < len(tf.nest.flatten(query, expand_composites=True)) / 2
    graph = tf.function(lambda parts: unpack(parts, QUERY_SPEC), input_signature=[packed_spec(QUERY_SPEC)])
    expected, found = (tf.nest.flatten(value, expand_composites=True) for value in (query, graph(packed)))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
