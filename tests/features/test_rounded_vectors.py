"""Vectors of 8 bits a number."""

import numpy as np

from tfrec.features.rounded_vectors import round_vectors


def test_no_number_is_off_by_more_than_half_a_step():
    vectors = np.random.default_rng(0).normal(size=(500, 6)) * [1, 10, 0.01, 1, 1, 0]
    codes, steps = round_vectors(vectors)
    assert codes.dtype == np.int8
    assert np.abs(codes).max(axis=0).tolist() == [127] * 5 + [0]
    assert np.all(np.abs(codes * steps - vectors) <= 0.5001 * steps)


def test_inner_products_stay_nearly_the_same():
    vectors = np.random.default_rng(0).normal(size=(500, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes, steps = round_vectors(vectors)
    np.testing.assert_allclose(codes @ (vectors[7] * steps), vectors @ vectors[7], atol=0.01)
