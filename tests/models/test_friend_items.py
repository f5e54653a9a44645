"""What friends bought, in the graph: a source and two features, and nothing at all where a shop knows no friends."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import query_of, sources_of
from tests.worlds import bought, indices, make_shop
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources.registry import FEATURES

RARE = ["rare 0", "rare 1", "rare 2"]
FRIENDS = [("dan", "new"), ("eve", "new"), ("eve", "newer"), ("dan", "ann")]


def rows():
    """Everybody buys what is common, lately and often; dan and eve bought rare things."""
    common = [row for day in range(20) for row in bought(f"u{day}", day, *(f"common {n}" for n in range(30)))]
    return [*common, *bought("dan", 19, *RARE[:2]), *bought("eve", 19, RARE[0]), *bought("ann", 19, RARE[2])]


def make_sources(friends, config=SourceConfig()):
    shop = make_shop(rows(), friends=friends, test_from_day=20)
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    return shop, sources_of(shop, model, config)


def test_who_never_bought_gets_what_the_friends_bought_and_others_nothing_of_it():
    narrow = SourceConfig(**{**dict.fromkeys(vars(SourceConfig()), 1), "friends": 2})
    shop, sources = make_sources(FRIENDS, narrow)
    query = query_of(shop, ["new", "newer", "stranger", "u3"])
    evidence = sources.gather_evidence(query)
    scores = sources.source_scores(evidence)["friends"].numpy()
    fade = 0.5 ** (1 / 90)
    rare = indices(shop, *RARE)
    expected = [[2 / np.sqrt(2), 1 / np.sqrt(2), 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(scores[:, rare], np.array(expected) * fade, rtol=1e-5)
    assert (np.delete(scores, rare, axis=1) == 0).all()
    candidates = sources.candidates(evidence).numpy()
    assert set(rare[:2]) <= set(candidates[0]) and rare[0] in candidates[1]


def test_features_of_friends_by_hand():
    shop, sources = make_sources(FRIENDS)
    query = query_of(shop, ["new", "stranger"])
    candidates = tf.constant([[*indices(shop, *RARE, "common 1"), 0]] * 2)
    values = sources.features(query, sources.gather_evidence(query), candidates).numpy()
    found = {name: values[..., FEATURES.index(name)] for name in ("friends", "friends_relative")}
    score = np.array([2, 1, 0, 0, 0]) / np.sqrt(2) * 0.5 ** (1 / 90)
    np.testing.assert_allclose(found["friends"], [np.sqrt(score), np.zeros(5)], rtol=1e-5)
    np.testing.assert_allclose(found["friends_relative"], [[1, 0.5, 0, 0, 0], np.zeros(5)], rtol=1e-5)


@pytest.mark.parametrize("friends", [[], [("unknown", "no one")]], ids=["no relations", "of unknown users"])
def test_a_shop_without_friends_pays_nothing(friends):
    shop, sources = make_sources(friends)
    assert not sources.by_name["friends"].variables
    evidence = sources.gather_evidence(query_of(shop, ["ann", ""]))
    assert not evidence.by_source["friends"]
    assert "friends" not in sources.source_scores(evidence)
    query = query_of(shop, ["ann"])
    values = sources.features(query, sources.gather_evidence(query), tf.constant([[1, 2, 3]])).numpy()
    assert not values[..., [FEATURES.index("friends"), FEATURES.index("friends_relative")]].any()


def test_the_tables_of_friends_are_saved_with_the_graph():
    _, sources = make_sources(FRIENDS)
    names = {variable.name.split(":")[0] for variable in sources.variables}
    assert {"friend_splits", "friend_item", "friend_score"} <= names
