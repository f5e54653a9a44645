import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import allowing, features_of, query_of, sources_of
from tests.worlds import bought, indices, make_shop, viewed
from tfrec.errors import ConfigError
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.query import Query
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines.retrieval import gap_bucket, retrieval


class ConstantTower:
    """Every query is the vector `[1, 0]`."""

    variables = ()

    def last(self, encoded, inputs):
        return tf.broadcast_to(tf.constant([1.0, 0.0]), [tf.shape(encoded)[0], 2])


ITEMS = {
    "a": {"category": "X > P", "price": 10.0, "title": "blue thing"},
    "b": {"category": "X > Q", "price": 20.0, "title": "blue thing"},
    "c": {"category": "X > P", "price": 40.0, "title": "red sock"},
    "d": {"category": "Y", "title": "red sock"},
}


@pytest.fixture(scope="module")
def four_items():
    """Four items, five orders; it is day 30."""
    rows = [*bought("ann", 0, "a", "b"), *bought("bob", 10, "a", "b"), *bought("cy", 20, "a", "c")]
    return make_shop([*rows, *bought("ann", 25, "a")], ITEMS, test_from_day=30)


@pytest.fixture(scope="module")
def four_sources(four_items):
    as_of = four_items.prepared.test_from.timestamp() / 3600
    moment = Moment(
        four_items.vocabularies.catalogue,
        compute_feature_tables(four_items.train, as_of=as_of, config=FeatureConfig(l2=1.0)),
        candidate_embeddings=np.array([[0, 0], [0.5, 0.1], [0.1, 0.9], [0.9, 0.3], [-0.2, 0]], np.float32),
        encoded_items=np.zeros((5, 2), np.float32),
        query_tower=ConstantTower(),
        is_offered=np.array([False, True, True, True, True]),
        cart_type=3,
    )
    return CandidateSources(moment, view_type=1)


def test_features_of_four_items_by_hand(four_items, four_sources):
    """Ann, who bought a twice and b once, has b in the cart; what of a, c and d?"""
    found = features_of(four_sources, query_of(four_items, ["ann"], carts=[["b"]]), [[1, 3, 4]])
    log = np.log1p
    mean_own = (np.log(10) + np.log(20)) / 2
    expected = {
        "session": [0, 0, 0],
        "transition": [0, 0, 0],
        "towers": [0.5, 0.9, -0.2],
        "towers_relative": [-0.4, 0, -1.1],
        "is_own": [1, 0, 0],
        "own_count": [log(2), 0, 0],
        "own_share": [1, 0, 0],
        "own_age": [log(5), 7, 7],
        # ann's orders of a are one and none ago; between them lie 25 days
        "own_orders_ago": [0, 7, 7],
        "own_habit": [np.sqrt(1 + 0.96), 0, 0],
        "own_habit_share": [1, 0, 0],
        "own_fast_habit": [np.sqrt(1 + 0.8), 0, 0],
        "own_slow_habit": [np.sqrt(1 + 0.99), 0, 0],
        "own_slow_habit_share": [1, 0, 0],
        "own_slow_habit_relative": [1, 0, 0],
        "own_due": [log(5) - log(25), 0, 0],
        "own_orders": [1, 0, 0],
        "own_orders_relative": [1, 0, 0],
        "bought_7": [log(1), 0, 0],
        "bought_28": [log(3), log(1), 0],
        "bought_84": [log(4), log(1), 0],
        "bought_ever": [log(4), log(1), 0],
        "bought_season": [0, 0, 0],  # the log is shorter than a year
        "bought_segment": [0, 0, 0],  # no user is in a segment
        "segment_lift": [0, 0, 0],
        "trend": [log(3) - log(4 / 3), log(1) - log(1 / 3), 0],
        "first_age": [log(30), log(10), 0],
        "last_age": [log(5), log(10), 0],
        "price": [np.log(10), np.log(40), np.log(0.01)],
        "price_to_cart": np.log([10 / 20, 40 / 20, 0.01 / 20]),
        "price_to_user": np.log([10, 40, 0.01]) - mean_own,
        "same_leaf_share": [0, 0, 0],
        "same_top_share": [1, 1, 0],
        "is_in_visit": [0, 0, 0],
        "visit_recency": [0, 0, 0],
        "visit_count": [0, 0, 0],
        "cart_size": [log(1)] * 3,
        "visit_size": [0] * 3,
        "num_own": [log(2)] * 3,
        "num_orders": [log(2)] * 3,
        "is_guest": [0] * 3,
        "is_discovery": [0] * 3,
        "is_outside": [0] * 3,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][0], values, rtol=3e-4, atol=1e-6, err_msg=name)
    assert found["content"][0, 0] > max(found["content"][0, 1:])  # a is called as b is
    assert found["content_max"][0, 0] == pytest.approx(found["content"][0, 0], rel=1e-4)
    for name in ("cart_ease", "cart_ease_mean", "cart_recent", "cart_denoised", "cart_nearby"):
        a, c, d = found[name][0]
        assert a > 0 > c and d == 0  # b raises a; c, bought with a in b's place, gets a negative weight
    assert found["cart_best"][0, 0] > 0 and not found["cart_best"][0, 1:].any()
    for name in ("cart_ease_relative", "cart_recent_relative", "cart_denoised_relative", "cart_nearby_relative"):
        assert found[name][0, 0] == pytest.approx(1)


def test_a_feature_marks_queries_for_other_categories(four_items, four_sources):
    for level in (0, 1, 2):
        query = query_of(four_items, ["ann"], carts=[["b"]], outside_level=level)
        assert (features_of(four_sources, query, [[1, 3, 4]])["is_outside"] == float(level > 0)).all()


def test_features_of_a_guests_visit_by_hand(four_items, four_sources):
    query = query_of(four_items, [""], recent=[["c", "a", "c"]], discovery=True)
    found = features_of(four_sources, query, [[1, 2, 3]])
    expected = {
        "is_in_visit": [1, 0, 1],
        "visit_recency": [1 / 2, 0, 1],
        "visit_count": [np.log(2), 0, np.log(3)],
        "visit_size": [np.log(4)] * 3,
        "cart_size": [0] * 3,
        "is_guest": [1] * 3,
        "is_discovery": [1] * 3,
        "num_orders": [0] * 3,
        "same_leaf_share": [1, 0, 1],
        "same_top_share": [1, 1, 1],
        "price_to_cart": np.log([10, 20, 40]) - np.log([40, 10, 40]).mean(),
        "price_to_user": [0] * 3,
        "own_age": [7] * 3,
        "own_orders_ago": [7] * 3,
        "own_due": [0] * 3,
        **dict.fromkeys(("own_habit", "own_habit_share", "own_slow_habit", "own_fast_habit", "own_orders"), [0] * 3),
        "cart_ease": [0] * 3,
        "history": [0] * 3,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][0], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_own_orders_like_the_cart_weigh_more():
    """One order with bread and butter, one with soap and towel, by hand: `Σ w_o [i in o] / Σ w_o`."""
    rows = [*bought("ann", 0, "bread", "butter", "jam"), *bought("ann", 1, "soap", "towel")]
    shop = make_shop([*rows, *bought("bob", 2, "bread", "towel", "jam")])
    model = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False))
    carts = [["bread"], ["soap"], []]
    evidence = sources_of(shop, model).gather_evidence(query_of(shop, ["ann"] * 3, carts=carts))
    butter, jam, soap, towel = indices(shop, "butter", "jam", "soap", "towel")
    shares = evidence.by_source["own"]["orders"].numpy()
    first, second = (0.1 + 1 / np.sqrt(3)) * 0.99, 0.1  # the cart shares one of three lines; the later shares none
    assert shares[0, [butter, jam, soap, towel]] == pytest.approx(
        np.array([first, first, second, second]) / (first + second), rel=1e-5
    )
    assert shares[0, butter] > 0.85 and shares[1, towel] > 0.85
    assert shares[2, towel] > shares[2, butter] > 0.4  # nothing in the cart: the latest order first, by a little
    of_guests = sources_of(shop, model).gather_evidence(query_of(shop, ["", "unknown"]))
    assert not of_guests.by_source["own"]["orders"].numpy().any()


def test_an_item_twice_in_the_cart_counts_once(four_items, four_sources):
    once, twice = (
        four_sources.gather_evidence(query_of(four_items, [""], carts=[cart])) for cart in (["b"], ["b", "b"])
    )
    np.testing.assert_allclose(once.by_source["cart"]["weights"], twice.by_source["cart"]["weights"])


def test_evidence_of_the_past_is_divided_by_the_root_of_its_items(four_items, four_sources):
    """Ann's a and b contribute: the sum of their weights, over √2."""
    history = four_sources.gather_evidence(query_of(four_items, ["ann"])).by_source["history"]["weight"]
    table = four_sources.by_name["history"].table
    neighbours, weights = table.neighbours.numpy(), table.weights.numpy()

    def ease(source, item):
        return weights[source, neighbours[source] == item, 0].sum()

    a, b, c = indices(four_items, "a", "b", "c")
    assert float(history[0, c]) == pytest.approx((ease(a, c) + ease(b, c)) / np.sqrt(2))
    assert float(history[0, a]) == pytest.approx(ease(b, a) / np.sqrt(2))


# --- a larger world with visits, for what must hold of every query


@pytest.fixture(scope="module")
def busy_shop():
    rng = np.random.default_rng(0)
    names = [f"i{number}" for number in range(40)]
    items = {
        name: {"category": f"T{number % 3} > L{number % 7}", "price": 1.0 + number, "title": f"word{number % 5} thing"}
        for number, name in enumerate(names)
    }
    rows = []
    for number in range(150):
        user = "" if number % 4 == 0 else f"u{number % 11}"
        chosen = rng.choice(names, rng.integers(1, 6), replace=False)
        rows += viewed(user, number / 3, *chosen, session=f"s{number}")
        if number % 2:
            rows += bought(user, number / 3 + 0.05, *chosen[:3], order=f"o{number}")
    return make_shop(rows, items)


@pytest.fixture(scope="module")
def model(busy_shop):
    tf.keras.utils.set_random_seed(0)
    model = RetrievalModel(busy_shop.vocabularies, RetrievalConfig(embedding_dim=8))
    for batch in retrieval(busy_shop.train, batch_size=4096, sequence_length=16).take(1):
        model.compute_loss(batch, training=True)
    return model


@pytest.fixture(scope="module")
def sources(busy_shop, model):
    return sources_of(busy_shop, model, l2=5.0)


@pytest.fixture(scope="module")
def listed(busy_shop, model):
    """The same, answered from lists as a large catalogue is."""
    return sources_of(busy_shop, model, SourceConfig(dense_items=1), l2=5.0)


QUERIES = {
    "known user with cart and visit": ("u1", ["i1", "i2"], ["i3", "i4", "i1"]),
    "nothing at all": ("", [], []),
    "unknown user": ("never seen", [], ["i9"]),
    "empty cart": ("u2", [], ["i5"]),
    "no visit": ("u3", ["i7", "i7", "i8"], []),
    "unknown items": ("u4", ["never sold", "i3"], ["never seen", "i2"]),
    "a long visit": ("u5", [f"i{n}" for n in range(12)], [f"i{n % 40}" for n in range(30)]),
}


def named(shop, *names, width=0):
    users, carts, recent = zip(*(QUERIES[name] for name in names), strict=True)
    query = query_of(shop, list(users), carts=list(carts), recent=list(recent))
    if not width:
        return query
    pad = [[0, 0], [width, width]]
    return Query(
        user=query.user,
        recent_item=tf.pad(query.recent_item, pad),
        recent_type=tf.pad(query.recent_type, pad),
        recent_age=tf.pad(query.recent_age, pad),
        cart=tf.pad(query.cart, pad),
        is_discovery=query.is_discovery,
        outside_level=query.outside_level,
    )


def answer(sources, query, allows=None):
    evidence = sources.gather_evidence(query, allows)
    candidates = sources.candidates(evidence)
    all_items = tf.broadcast_to(tf.range(1, sources.num_rows)[None], [len(query.user), sources.num_rows - 1])
    return candidates.numpy(), sources.features(query, evidence, all_items).numpy()


@pytest.mark.parametrize("kind", ["sources", "listed"])
@pytest.mark.parametrize("name", QUERIES)
def test_a_query_in_a_batch_is_answered_as_alone(busy_shop, name, kind, request):
    sources, row = request.getfixturevalue(kind), list(QUERIES).index(name)
    candidates, features = answer(sources, named(busy_shop, *QUERIES))
    alone, its_features = answer(sources, named(busy_shop, name))
    assert sorted(candidates[row][candidates[row] > 0]) == sorted(alone[0][alone[0] > 0])
    np.testing.assert_allclose(features[row], its_features[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["sources", "listed"])
@pytest.mark.parametrize("name", QUERIES)
def test_padding_changes_nothing(busy_shop, name, kind, request):
    """More padding than is looked at of cart and visit, on both sides."""
    sources = request.getfixturevalue(kind)
    alone, wide = (answer(sources, named(busy_shop, name, width=width)) for width in (0, 250))
    assert alone[0].tolist() == wide[0].tolist()
    np.testing.assert_allclose(alone[1], wide[1], rtol=1e-4, atol=1e-5)
    assert np.isfinite(alone[1]).all()


def test_candidates_are_distinct_eligible_and_hold_the_obvious(busy_shop, sources):
    query = named(busy_shop, *QUERIES)
    eligible = np.broadcast_to(np.arange(41) % 5 > 0, (len(QUERIES), 41))
    evidence = sources.gather_evidence(query, allowing(eligible))
    candidates, scores = sources.candidates(evidence).numpy(), sources.source_scores(evidence)
    for row, found in enumerate(candidates):
        found = found[found > 0]
        assert len(found) == len(set(found.tolist())) and eligible[row, found].all()
        for name in ("cart", "history", "own", "towers"):
            best = int(tf.argmax(tf.where(eligible[row], scores[name][row], 0)))
            assert best in found or best == 0


@pytest.mark.parametrize("dense_items", [1, 1000], ids=["listed", "dense"])
def test_each_row_holds_at_least_as_many_candidates_as_it_asks_for(busy_shop, model, dense_items):
    narrow = SourceConfig(**{**dict.fromkeys(vars(SourceConfig()), 1), "dense_items": dense_items})
    sources = sources_of(busy_shop, model, narrow)
    query = named(busy_shop, "nothing at all", "nothing at all", "nothing at all")
    eligible = np.zeros((3, 41), bool)
    eligible[:, 5:25] = True
    at_least = tf.constant([1, 12, 1000])
    few = sources.candidates(sources.gather_evidence(query, allowing(eligible), at_least=at_least), at_least=at_least)
    counts = (few.numpy() > 0).sum(axis=1)
    assert counts[0] < 8 and counts[1] >= 12 and counts[2] == 20


def test_gaps_in_a_list_of_candidates_change_no_feature(four_items, four_sources):
    """Even where every candidate is further from the query than nothing is."""
    query = query_of(four_items, ["ann"], carts=[["b"]])
    for item in (3, 4):
        plain, with_gaps = (features_of(four_sources, query, [row]) for row in ([item], [0, item, 0]))
        for name in FEATURES:
            assert plain[name][0, 0] == pytest.approx(with_gaps[name][0, 1], abs=1e-6), name


def test_nothing_eligible_gives_no_candidate(busy_shop, sources):
    query = named(busy_shop, *QUERIES)
    nothing = allowing(np.zeros((len(QUERIES), 41), bool))
    candidates = sources.candidates(sources.gather_evidence(query, nothing, at_least=5), at_least=5)
    assert candidates.shape[1] == 1 and not candidates.numpy().any()


def test_the_strongest_contribution_of_a_cart_is_returned_with_its_count(busy_shop, sources):
    """Against the orders themselves: the item with the largest weight, and the number of orders with both."""
    query = named(busy_shop, *QUERIES)
    of_cart = sources.gather_evidence(query).by_source["cart"]
    table = sources.by_name["cart"].table
    weight, item, count = (tensor.numpy() for tensor in table.decode_best(of_cart["best"], of_cart["cart"]))
    train = busy_shop.train
    orders = [set(train.item[(train.group == g) & (train.event_type == 4)].tolist()) for g in np.unique(train.group)]
    neighbours, weights = table.neighbours.numpy(), table.weights.numpy().astype(np.float32).sum(axis=-1)
    num_contributions = 0
    for row, cart in enumerate(query.cart.numpy()):
        for target in range(1, 41):
            strength = {source: weights[source, neighbours[source] == target].sum() for source in cart if source}
            strongest = max(0, 0, *strength.values())
            assert weight[row, target] == pytest.approx(strongest, rel=1e-6)
            if not strongest:
                assert item[row, target] == 0
                continue
            num_contributions += 1
            source = item[row, target]
            assert strength[source] == pytest.approx(strongest)
            assert count[row, target] == sum({source, target} <= order for order in orders)
    assert num_contributions > 50


def test_serving_embeds_a_user_as_training_does(busy_shop, model, sources):
    """The query after a user's last event, from the profile tables and from the sequence itself."""
    train = busy_shop.train
    for user in (1, 4):
        rows = slice(*train.splits[np.flatnonzero(train.sequence_user == user)[0] :][:2])
        window = {
            "item": train.item[rows],
            "event_type": train.event_type[rows].astype(np.int32),
            "gap": np.append(0, gap_bucket(np.diff(train.hour[rows]))).astype(np.int32),
            "group": train.group[rows],
            "label": np.zeros_like(train.item[rows]),
        }
        window = {name: tf.constant(values[-32:][None]) for name, values in window.items()}
        window["gap"] = tf.concat([[[0]], window["gap"][:, 1:]], axis=1)
        expected = model(window)[0, -1]
        query = query_of(busy_shop, [busy_shop.users.tokens[user - 1]])
        np.testing.assert_allclose(sources.embed_query(query)[0], expected, atol=2e-4)


def test_what_happens_now_moves_the_query(busy_shop, sources):
    plain, seen, in_cart = (
        sources.embed_query(query_of(busy_shop, ["u1"], recent=[recent], carts=[cart])).numpy()
        for recent, cart in ((["i9"], []), (["i9", "i30"], []), (["i9"], ["i30"]))
    )
    assert np.abs(plain - seen).max() > 1e-3 and np.abs(seen - in_cart).max() > 1e-3


@pytest.mark.parametrize("name", list(vars(SourceConfig())))
def test_every_source_must_bring_something(name):
    with pytest.raises(ConfigError, match=f"`{name}` must be at least 1"):
        SourceConfig(**{name: 0})


def test_similarity_is_the_weighted_sum_of_both_inner_products(listed):
    anchor, items = tf.constant([3, 7]), tf.constant([[7, 1, 3], [7, 2, 9]])
    some = listed.similarity(anchor, items, embedding_weight=0.5, content_weight=2.0).numpy()
    embedded, content = (one.numpy()[[3, 7]] @ one.numpy().T for one in (listed.candidate_embeddings, listed.content))
    every = 0.5 * embedded + 2.0 * content
    np.testing.assert_allclose(some, np.take_along_axis(every, items.numpy(), axis=1), atol=1e-6)
    assert some[0, 2] == pytest.approx(2.5, rel=1e-3) and some[1, 0] == pytest.approx(2.5, rel=1e-3)  # of itself
