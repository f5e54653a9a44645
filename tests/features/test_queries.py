import numpy as np
import pytest

from tests.worlds import START_HOUR, bought, indices, make_shop, viewed
from tfrec.features.queries import HEADS, example_queries, heads_of


def queries_of(shop, *, since=0.0, until=1e4, most=400, seed=0):
    return example_queries(
        shop.train,
        since=START_HOUR + 24 * since,
        until=START_HOUR + 24 * until,
        most=most,
        rng=np.random.default_rng(seed),
    )


@pytest.fixture(scope="module")
def orders_shop():
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        items = rng.choice(list("abcdefghij"), rng.integers(1, 6), replace=False)
        user = "" if number % 3 == 0 else f"u{number % 7}"
        rows += bought(user, number, *items, order=f"o{number}")
    return make_shop(rows)


@pytest.fixture(scope="module")
def visits_shop():
    rng = np.random.default_rng(1)
    rows = []
    for number in range(60):
        items = rng.choice(list("abcdefghij"), rng.integers(2, 8))
        session = f"s{number}"
        visit = viewed(f"u{number % 7}" if number % 2 else "", number, *items, session=session)
        visit[-1]["event_type"] = "cart"
        if number % 4 == 0:
            visit += viewed(visit[0]["user_id"], number + 0.02, items[-1], session=session, kind="purchase")
        rows += visit
    return make_shop(rows)


def order_at(shop, hour):
    rows = shop.train.hour == hour
    return set(shop.train.item[rows].tolist())


def test_cart_and_labels_make_up_an_order(orders_shop):
    queries = queries_of(orders_shop)
    assert len(queries) > 100
    for row in range(len(queries)):
        cart = [item for item in queries.cart[row].tolist() if item]
        labels = [item for item in queries.label_item[row].tolist() if item]
        assert set(cart) | set(labels) == order_at(orders_shop, queries.hour[row])
        assert not set(cart) & set(labels)
        assert labels and len(labels) == len(set(labels))


def test_most_carts_miss_one_item_some_more(orders_shop):
    queries = queries_of(orders_shop)
    has_cart = (queries.cart > 0).any(axis=1)
    missing = (queries.label_item > 0).sum(axis=1)[has_cart]
    assert 0.6 < np.mean(missing == 1) < 1
    assert missing.max() > 1


def test_the_missing_items_of_an_order_share_one_next_place(orders_shop):
    queries = queries_of(orders_shop)
    np.testing.assert_allclose(queries.label_heads[..., HEADS.index("purchase")].sum(axis=1), 1, rtol=1e-6)
    assert not queries.label_heads[..., :-1].any()


def test_each_order_is_asked_with_different_items_hidden(orders_shop):
    queries = queries_of(orders_shop)
    has_cart = (queries.cart > 0).any(axis=1)
    asked, times = np.unique(queries.hour[has_cart], return_counts=True)
    assert times.max() == 3
    hidden = [set(queries.label_item[has_cart & (queries.hour == hour)][:, 0].tolist()) for hour in asked]
    assert max(map(len, hidden)) > 1


def test_orders_of_known_users_are_asked_for_before_the_first_item(orders_shop):
    queries = queries_of(orders_shop)
    fresh = ~(queries.cart > 0).any(axis=1)
    assert fresh.sum() == sum(number % 3 > 0 for number in range(60))  # every order of a known user, once
    assert (queries.user[fresh] > 0).all()
    assert (queries.user[~fresh] == 0).any()


def test_for_three_carts_one_order_is_asked_for_before_the_first_item(orders_shop):
    is_fresh = ~(queries_of(orders_shop, most=30).cart > 0).any(axis=1)
    assert (is_fresh.sum(), (~is_fresh).sum()) == (10, 30)


def test_queries_keep_to_their_time_and_number(orders_shop):
    queries = queries_of(orders_shop, since=20, until=30, most=7)
    assert len(queries) == 7 + 2  # carts, and orders before the first item
    days = (queries.hour - START_HOUR) / 24
    assert days.min() >= 20 and days.max() < 30
    assert len(queries_of(orders_shop, since=500)) == 0


def test_the_same_seed_asks_the_same(orders_shop):
    first, again, other = (queries_of(orders_shop, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(getattr(first, name), getattr(again, name)) for name in vars(first))
    assert not np.array_equal(first.hour, other.hour)


def visit_rows(queries):
    return np.flatnonzero((queries.recent_item > 0).any(axis=1))


def test_what_was_seen_lies_before_what_follows(visits_shop):
    """Each visit query is the beginning of a visit, and its labels are of the rest."""
    train, queries = visits_shop.train, queries_of(visits_shop)
    rows = visit_rows(queries)
    assert len(rows) > 50
    for row in rows:
        seen = queries.recent_item[row][queries.recent_item[row] > 0]
        ages = queries.recent_age[row][queries.recent_item[row] > 0]
        session = train.session[train.hour == queries.hour[row]][0]
        visit = train.item[train.session == session]
        np.testing.assert_array_equal(seen, visit[: len(seen)])
        assert ages[-1] == 0 and (np.diff(ages) <= 0).all()
        labels = queries.label_item[row][queries.label_item[row] > 0]
        in_cart = set(queries.cart[row].tolist()) - {0}
        assert labels.tolist() == [item for item in visit[len(seen) :].tolist() if item not in in_cart]
        assert not in_cart & set(labels.tolist())


def test_recent_events_are_padded_in_front_and_carts_behind(visits_shop):
    queries = queries_of(visits_shop)
    recent, cart = queries.recent_item > 0, queries.cart > 0
    assert (np.diff(recent.astype(int), axis=1) >= 0).all() and not recent.all()
    assert (np.diff(cart.astype(int), axis=1) <= 0).all()
    assert (recent == (queries.recent_type > 0)).all()


def test_a_label_says_what_followed(visits_shop):
    """A visit's last view put its item into the cart; every fourth visit bought it."""
    train, queries = visits_shop.train, queries_of(visits_shop)
    kinds = {train.type_code("view"): "click", train.type_code("cart"): "cart", train.type_code("purchase"): "purchase"}
    for row in visit_rows(queries):
        session = train.session[train.hour == queries.hour[row]][0]
        followed = (train.session == session) & (train.hour > queries.hour[row])
        pairs = {
            (item, kinds[kind]) for item, kind in zip(train.item[followed], train.event_type[followed], strict=True)
        }
        for item, heads in zip(queries.label_item[row], queries.label_heads[row], strict=True):
            assert set(heads.tolist()) <= {0, 1}
            named = {(item, head) for head, value in zip(HEADS, heads, strict=True) if value}
            assert named <= pairs and (len(named) == 1 or item == 0)


def test_what_lies_in_the_cart_unbought_is_the_querys_cart():
    rows = [
        *viewed("ann", 0, "a", session="s"),
        *viewed("ann", 0.01, "a", "b", session="s", kind="cart"),
        *viewed("ann", 0.02, "a", session="s", kind="purchase"),
        *viewed("ann", 0.03, "c", "d", session="s"),
    ]
    shop = make_shop(rows)
    a, b = shop.vocabularies.items.encode(["a", "b"])
    queries = queries_of(shop)
    carts = {}
    for row in visit_rows(queries):
        carts[int((queries.recent_item[row] > 0).sum())] = {*queries.cart[row].tolist()} - {0}
    assert {size: carts[size] for size in carts} == {
        size: cart for size, cart in {1: set(), 2: {a}, 3: {a, b}, 4: {b}, 5: {b}}.items() if size in carts
    }
    assert len(carts) >= 2


@pytest.fixture(scope="module")
def views_shop():
    """Views alone; visit `n` of sixty begins at day `n`."""
    rng = np.random.default_rng(2)
    rows = []
    for number in range(60):
        items = rng.choice(list("abcdefghij"), rng.integers(2, 6), replace=False)
        rows += viewed(f"u{number % 7}" if number % 2 else "", number, *items, session=f"s{number}")
    return make_shop(rows)


def test_a_log_of_views_alone_is_asked_for_visits_not_for_carts(views_shop):
    train, queries = views_shop.train, queries_of(views_shop)
    assert len(queries) > 100
    assert not queries.cart.any()
    assert len(visit_rows(queries)) == len(queries)
    for row in range(len(queries)):
        seen = (queries.recent_item[row] > 0).sum()
        visit = train.item[train.session == train.session[train.hour == queries.hour[row]][0]]
        assert queries.label_item[row][queries.label_item[row] > 0].tolist() == visit[seen:].tolist()


def test_the_next_event_of_a_visit_gains_most_and_each_later_one_a_fifth_of_it(views_shop):
    queries = queries_of(views_shop)
    gains, is_label = queries.label_gain, queries.label_item > 0
    np.testing.assert_allclose(gains[:, 0], 1)
    for place, gain in enumerate([1, 0.2, 0.04, 0.008]):
        np.testing.assert_allclose(gains[is_label[:, place], place], gain, rtol=1e-6)
    assert not gains[~is_label].any()


def test_taking_what_was_on_the_page_already_gains_nothing():
    """a is looked at and carted, b looked at and bought: from a on the next look is b, and nothing is left after b."""
    rows = []
    for number in range(40):
        visit = viewed(f"u{number}", number, "a", "a", "b", "b", "c", session=f"s{number}")
        visit[1]["event_type"], visit[3]["event_type"], visit[4]["event_type"] = "cart", "purchase", "purchase"
        rows += visit
    shop = make_shop(rows)
    a, b, c = indices(shop, "a", "b", "c")
    queries = queries_of(shop)
    seen = set()
    for row in np.flatnonzero((queries.recent_item > 0).any(axis=1)):
        sent = int((queries.recent_item[row] > 0).sum())
        items, gains = queries.label_item[row], queries.label_gain[row]
        best = {item: gains[items == item].max(initial=0.0) for item in (a, b, c)}
        expected = {1: [0, 1, 0.2], 2: [0, 1, 0.2], 3: [0, 0, 1], 4: [0, 0, 1]}[sent]
        np.testing.assert_allclose([best[a], best[b], best[c]], expected, rtol=1e-6, err_msg=str(sent))
        seen.add(sent)
    assert len(seen) == 4
    assert queries.label_heads[..., HEADS.index("cart")].any()  # the heads still learn that it was taken


def test_the_missing_items_of_an_order_gain_alike(orders_shop):
    queries = queries_of(orders_shop)
    assert ((queries.label_item > 0).sum(axis=1) > 1).any()
    np.testing.assert_array_equal(queries.label_gain, queries.label_item > 0)


def test_heads_are_what_the_log_can_teach(orders_shop, visits_shop):
    assert heads_of(orders_shop.train) == ("purchase",)
    assert heads_of(visits_shop.train) == ("click", "cart", "purchase")
    clicks = make_shop(viewed("ann", 0, "a", "b"))
    assert heads_of(clicks.train) == ("click",)


def test_a_log_of_ratings_alone_teaches_what_is_rated_next():
    rows = [row for day in range(5) for row in viewed("ann", day, "a", "b", "c", kind="rating")]
    shop = make_shop(rows)
    assert heads_of(shop.train) == ("purchase",)
    queries = queries_of(shop)
    assert ((queries.label_heads > 0)[queries.label_item > 0] == [False, False, True]).all()


def _two_departments():
    """Orders of three items over two departments of two shelves each, e without a category."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(80):
        rows += bought("", number, *rng.choice(list("abcde"), 3, replace=False), order=f"o{number}")
    categories = {"a": "X > P", "b": "X > Q", "c": "Y > R", "d": "Y > S", "e": ""}
    return make_shop(rows, {item: {"category": path} for item, path in categories.items()}), categories


def test_carts_are_asked_for_other_categories_only_at_levels_where_such_followed():
    shop, categories = _two_departments()
    path_of = dict(zip(indices(shop, *categories), categories.values(), strict=True))
    queries = queries_of(shop)
    levels = set()
    for row in np.flatnonzero(queries.outside_level > 0):
        level = int(queries.outside_level[row])

        def paths(items, level=level):
            return {tuple(path_of[item].split(" > ")[:level]) for item in items.tolist() if path_of.get(item)}

        assert paths(queries.label_item[row]) - paths(queries.cart[row])
        levels.add(level)
    assert levels == {1, 2}
    assert 0.2 < (queries.outside_level > 0).mean() < 0.6


def test_without_categories_or_a_cart_nothing_is_asked_for_other_ones(orders_shop, views_shop):
    assert not queries_of(orders_shop).outside_level.any()
    assert not queries_of(views_shop).outside_level.any()
    shop, _ = _two_departments()
    queries = queries_of(shop)
    assert not queries.outside_level[~(queries.cart > 0).any(axis=1)].any()


def test_what_was_on_the_page_already_is_not_asked_for_as_of_another_category():
    """Each visit looks at a and b, carts a, then b: what followed in the other category gains nothing."""
    rows = []
    for number in range(60):
        visit = viewed("", number, "a", "b", "a", "b", session=f"s{number}")
        visit[2]["event_type"] = visit[3]["event_type"] = "cart"
        rows += visit
    queries = queries_of(make_shop(rows, {"a": {"category": "X"}, "b": {"category": "Y"}}))
    carts = (queries.cart > 0).any(axis=1)
    assert carts.sum() > 10 and (queries.label_item[carts] > 0).any()
    assert not queries.outside_level[carts].any()
