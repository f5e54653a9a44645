import numpy as np
import pytest
import tensorflow as tf

from tests.worlds import bought, make_shop
from tfrec.models.sources.shortlist import whole_catalogue
from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.variants import one_of_each_product, without_variants

GROUPS = tf.constant([0, 7, 7, 0, 3, 3, 3])  # two shirts, a cap, three socks


def test_variants_of_the_cart_leave_and_its_other_items_stay():
    everything = tf.ones([3, 7], tf.bool)
    chosen = tf.constant([[1, 0], [3, 5], [0, 0]])
    left = without_variants(everything, whole_catalogue(7), chosen=chosen, groups=GROUPS).numpy()
    assert [np.flatnonzero(row).tolist() for row in left] == [
        [0, 3, 4, 5, 6],
        [0, 1, 2, 3],  # the cap has no variants, and is left out elsewhere
        [0, 1, 2, 3, 4, 5, 6],
    ]


@pytest.mark.parametrize(
    ("item", "score", "stays"),
    [
        ([1, 2, 3, 4, 5, 6], [0.1, 0.9, 0.5, 0.2, 0.2, 0.1], [0, 2, 3, 4, 0, 0]),
        ([6, 5, 4, 3, 2, 1], [0.1, 0.2, 0.2, 0.5, 0.9, 0.1], [0, 0, 4, 3, 2, 0]),  # of equal ones the smaller index
        ([0, 1, 0, 2, 3, 0], [-np.inf, -5.0, -np.inf, -4.0, -9.0, -np.inf], [0, 0, 0, 2, 3, 0]),
    ],
    ids=["ascending", "descending", "gaps and scores below 0"],
)
def test_best_variant_of_each_product_stays_in_its_place(item, score, stays):
    slate = CandidateSlate(
        tf.constant([item, item], tf.int32),
        tf.constant([score, score], tf.float32),
        tf.constant([[0.5 * (code > 0) for code in item]] * 2, tf.float32),
    )
    left = one_of_each_product(slate, groups=GROUPS)
    assert left.item.numpy().tolist() == [stays, stays]
    assert np.isneginf(left.score.numpy()[0]).tolist() == [place == 0 for place in stays]
    assert (left.probability.numpy()[0] == 0).tolist() == [place == 0 for place in stays]


def test_shop_without_variants_has_a_graph_without_them():
    shop = make_shop(bought("ann", 0, "camera", "card"), {"camera": {}, "card": {}})
    assert shop.vocabularies.catalogue.largest_group == 1
    assert not shop.vocabularies.catalogue.group.any()
