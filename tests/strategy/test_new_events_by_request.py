"""Events that were appended since the export: a request that brings them is answered as an export that knows them.

Only users' tables follow. Item weights, popularity and ages of items are of all users, and stay as exported; so does
what friends bought.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.strategy.served_shop import ServedShop
from tests.strategy.test_user_history import ask, assert_same, events_of, history_inputs, inputs_of
from tfrec.features.feature_tables import FeatureConfig, FeatureTables, compute_feature_tables

_OF_USERS = ("own_", "line_", "num_orders", "recent_", "user_segment")
USERS = ["u1", "u2", "u3", "u5", "u6", "u7"]
DAYS = 20.0


@pytest.fixture(scope="module")
def tables(served_shop) -> tuple[FeatureTables, FeatureTables]:
    """Tables of twenty days before the end, and the same with the users of the end."""
    shop, end = served_shop.shop, served_shop.shop.prepared.test_from.timestamp() / 3600
    old, new = (
        compute_feature_tables(shop.train, as_of=end - hours, config=FeatureConfig(l2=5.0)) for hours in (24 * DAYS, 0)
    )
    return old, dataclasses.replace(
        old, **{name: value for name, value in vars(new).items() if name.startswith(_OF_USERS)}
    )


def served_with(served_shop, tables) -> ServedShop:
    from tfrec.models.sources import CandidateSources
    from tfrec.models.sources.moment import Moment
    from tfrec.strategy.funnel import Funnel
    from tfrec.training.export import ServedFunnel

    funnel = served_shop.served.funnel
    moment = funnel.sources.moment
    other = Moment(
        moment.catalogue,
        tables,
        candidate_embeddings=moment.embeddings.numpy(),
        encoded_items=moment.encoded_items,
        query_tower=moment.query_tower,
        is_offered=moment.is_offered,
        cart_type=moment.cart_type,
        config=moment.config,
    )
    sources = CandidateSources(other, view_type=funnel.sources.view_type)
    return ServedShop(served_shop.shop, ServedFunnel(served_shop.shop, Funnel(sources, funnel.ranking)))


@pytest.fixture
def eagerly():
    """Functions run op by op: each of the two funnels is asked but a few times, less than a trace takes."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("signature", ["recommend", "rank"])
def test_appended_events_are_answered_as_by_an_export_that_knows_them(served_shop, tables, signature):
    old, new = (served_with(served_shop, one) for one in tables)
    inputs = inputs_of(signature, len(USERS))
    brought = history_inputs([events_of(served_shop.shop, user) for user in USERS], [""] * len(USERS))
    appended = ask(old, signature, user_id=USERS, **inputs, **brought)
    assert_same(ask(new, signature, user_id=USERS, **inputs), appended)
    assert not np.allclose(ask(old, signature, user_id=USERS, **inputs)["scores"], appended["scores"])
