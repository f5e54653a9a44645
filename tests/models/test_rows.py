"""Repeats in padded rows, and what a long row costs."""

import time

import numpy as np
import tensorflow as tf

from tfrec.models.rows import without_repeats


def test_the_first_of_equal_items_stays():
    rng = np.random.default_rng(4)
    for width in (0, 1, 2, 7, 30):
        rows = rng.integers(0, 6, [50, width]).astype(np.int32)
        expected = [[item if item not in row[:at] else 0 for at, item in enumerate(row)] for row in rows.tolist()]
        assert without_repeats(tf.constant(rows)).numpy().tolist() == expected


def test_a_long_row_costs_in_proportion_to_its_length():
    def seconds(length: int) -> float:
        row = tf.random.stateless_uniform([1, length], [1, 2], 0, 1000, tf.int32)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            without_repeats(row).numpy()
            times.append(time.perf_counter() - start)
        return min(times)

    seconds(500)
    assert seconds(8_000) < 60 * seconds(500)  # 16 times as long; its square is 256 times as much
