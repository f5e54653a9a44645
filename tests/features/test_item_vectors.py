import numpy as np

from tests.worlds import make_tables
from tfrec.features.item_vectors import reduce_vectors
from tfrec.features.vocabulary import build_vocabularies


def test_what_all_items_have_in_common_makes_none_similar():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(4, 100), 25, axis=0)
    vectors = 10 * np.ones(100) + groups + 0.01 * rng.normal(size=(100, 100))
    similar = reduce_vectors(vectors) @ reduce_vectors(vectors).T
    is_same = groups @ groups.T > 0
    assert similar[is_same].min() > 0.9
    assert similar[~is_same].max() < 0.1


def test_items_without_a_vector_get_zeros_and_the_others_unit_length():
    vectors = np.full((5, 3), np.nan, np.float32)
    vectors[[1, 2, 4]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    lengths = np.linalg.norm(reduce_vectors(vectors), axis=1)
    np.testing.assert_allclose(lengths, [0, 1, 1, 0, 1], atol=1e-6)
    assert reduce_vectors(np.full((5, 3), np.nan)).tolist() == [[0]] * 5


def test_content_of_items_alike_in_words_is_distinguished_by_vectors():
    items = {f"i{n}": {"title": "plain shirt", "category": "Shirts"} for n in range(6)}
    tables = make_tables([{"user_id": "u", "day": 0, "item_id": "i0", "order_id": "o"}], items)
    vectors = np.array([[1, 0], [1, 0.1], [1, -0.1], [0, 1], [0.1, 1], [np.nan, np.nan]], np.float32)
    content = build_vocabularies(tables.items, None, None, vectors).catalogue.content[1:]
    similar = content @ content.T
    assert (similar[0, 1:3] > similar[0, 3:5].max()).all()
    assert (similar[3, [4]] > similar[3, :3].max()).all()
