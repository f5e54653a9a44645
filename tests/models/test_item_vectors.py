"""Vectors that a shop states of its items, as an input of the item encoder."""

import dataclasses

import numpy as np
import tensorflow as tf

from tests.worlds import bought, make_shop
from tfrec.features.shop import encode_shop
from tfrec.models.towers import ItemEncoder


def encoder_of(embeddings, **settings):
    shop = make_shop(bought("ann", 0, "a", "b", "c", "d"))
    shop = encode_shop(dataclasses.replace(shop.prepared, embeddings=embeddings))
    settings = {"embedding_dim": 4, "id_dropout": 0.0, "use_content": True, "image_tower": None, **settings}
    return ItemEncoder(shop.vocabularies, **settings)


VECTORS = np.array([[3, 4], [6, 8], [0, 1], [np.nan, np.nan]], np.float32)  # a and b point the same way


def test_items_that_no_training_has_seen_are_encoded_by_their_vectors():
    encoder = encoder_of(VECTORS)
    encoder(tf.constant([1]))
    encoder.vector_dense.set_weights([np.array([[1, 0, 2, 0], [0, 1, 0, 0]], np.float32)])
    encoded = encoder(tf.constant([1, 2, 3, 4, 0])).numpy()
    np.testing.assert_allclose(encoded[:2], [[0.6, 0.8, 1.2, 0]] * 2, rtol=1e-6)
    np.testing.assert_allclose(encoded[2], [0, 1, 0, 0], rtol=1e-6)
    assert not encoded[3:].any()  # no vector, and no item


def test_shop_without_vectors_and_an_ablation_have_no_such_input():
    assert encoder_of(None).vector_dense is None
    assert encoder_of(VECTORS, use_content=False).vector_dense is None
