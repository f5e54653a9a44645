"""What a request brings enters the query tower in its own groups: this visit with the cart, earlier events apart."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import query_of
from tests.worlds import bought, make_shop
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.models.profiles import Profiles
from tfrec.models.query import Query
from tfrec.models.query_embedder import QueryEmbedder


class GroupTower:
    """Answers with the items of the last event's group: the sum of `2 ** item`."""

    variables = ()

    def last(self, encoded, inputs):
        is_member = tf.equal(inputs.group, inputs.group[:, -1:]) & (inputs.item > 0)
        members = tf.reduce_sum(tf.where(is_member, 2.0 ** tf.cast(inputs.item, tf.float32), 0.0), axis=1)
        return members[:, None]


@pytest.fixture(scope="module")
def shop():
    rows = [*bought("ann", 0, "a", "b"), *bought("bob", 10, "c", "d"), *bought("cy", 20, "e")]
    return make_shop(rows, {name: {} for name in "abcde"}, test_from_day=30)


def last_group(shop, recent, hours, cart):
    """Names of the items that the tower reads as one group with the latest event of ann's."""
    tables = compute_feature_tables(
        shop.train, as_of=shop.prepared.test_from.timestamp() / 3600, config=FeatureConfig(l2=1.0)
    )
    encoded = np.zeros((shop.vocabularies.items.size, 2), np.float32)
    embed = QueryEmbedder(Profiles(tables, target_type=4), encoded, GroupTower(), cart_type=3)
    query = query_of(shop, ["ann"], recent=[recent], carts=[cart])
    fields = {field: getattr(query, field) for field in ("user", "recent_item", "recent_type", "cart")}
    fields |= {"is_discovery": query.is_discovery, "outside_level": query.outside_level}
    marks = int(embed(Query(recent_age=tf.constant([hours], tf.float32), **fields))[0, 0])
    return {name for name in "abcde" if marks >> int(shop.vocabularies.items.encode([name])[0]) & 1}


def test_events_of_the_last_hour_are_one_visit_with_the_cart(shop):
    assert last_group(shop, ["c", "d"], [5.0, 0.5], ["e"]) == {"d", "e"}


def test_without_a_cart_the_visit_is_what_is_younger_than_an_hour(shop):
    assert last_group(shop, ["c", "d"], [5.0, 0.5], []) == {"d"}
    assert last_group(shop, ["c", "d"], [0.7, 0.5], []) == {"c", "d"}


def test_older_events_of_a_request_stay_apart_from_stored_orders(shop):
    assert last_group(shop, ["c", "d"], [9.0, 5.0], []) == {"c", "d"}
    assert last_group(shop, [], [], []) == {"a", "b"}
