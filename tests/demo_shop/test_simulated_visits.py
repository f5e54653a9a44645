"""Visits are simulated by the generator's own laws, and the same visits answer every recommender."""

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.earnings import MONEY, SIGNATURES, K, all_knowing, compare, measure, one_by_one, slates_of_visits
from tests.benchmarks.recommenders import by_baseline
from tests.benchmarks.simulated_visits import simulate_visits
from tests.worlds import bought, make_tables
from tfrec.baselines import Ease, Popularity
from tfrec.baselines.history import order_history
from tfrec.demo_shop import DemoShopConfig
from tfrec.demo_shop.behaviour import CART
from tfrec.demo_shop.catalogue import complement_edges

CONFIG = DemoShopConfig(num_items=800, num_users=600, num_events=12_000, num_slates=0, days=120, seed=3)


@pytest.fixture(scope="module")
def world():
    return simulate_visits(CONFIG, 1200)


def fixed(items):
    """Recommender that shows everybody the same items."""

    def slates(signature, queries, k):
        return np.tile(np.array(items, object)[:k], (len(queries), 1))

    return one_by_one(slates)


def knowing(world):
    """Recommender that knows what each shopper wants once it is shown."""

    def slates(signature, queries, k):
        found = np.full((len(queries), k), "", object)
        for row, query in enumerate(queries["query_id"]):
            items = sorted({item for _, item in world.visits[int(query.split(":")[0])].wanted})[:k]
            found[row, : len(items)] = world.item_ids[items]
        return found

    return one_by_one(slates)


def test_visits_lie_in_the_evaluation_period_and_are_drawn_by_the_seed(world):
    assert all(visit.day >= CONFIG.split_day for visit in world.visits)
    again = simulate_visits(CONFIG, 20).visits
    assert [visit.pages for visit in again] == [visit.pages for visit in world.visits[:20]]


def test_pages_of_a_visit_follow_one_another(world):
    for visit in world.visits:
        start, *others = visit.pages
        assert start.widgets == ("recommend",) and start.item == -1 and not start.cart
        assert all(len(page.seen) == at for at, page in enumerate(others))
        for at, page in enumerate(others):
            assert page.cart == tuple(before.item for before in others[:at] if before.is_carted)
        carted = [page.item for page in others if page.is_carted]
        assert carted == list(others[-1].cart) if carted else "complete_cart" not in visit.pages[-1].widgets
        assert set(carted) <= set(visit.anyway)


def test_visits_carry_what_the_generators_shoppers_carry(world):
    steps = np.array([sum(page.item >= 0 for page in visit.pages) for visit in world.visits])
    carted = np.array([sum(page.is_carted for page in visit.pages) for visit in world.visits])
    # A step has 1.3 looks, of which the last may get into the cart.
    assert carted.sum() / steps.sum() == pytest.approx(CART / 1.3, rel=0.1)


def test_what_is_wanted_lies_along_an_edge_of_the_truth(world):
    edges = {tuple(edge) for edge in complement_edges()[0].tolist()}
    leaf = world.goods.leaf
    wanted = [pair for visit in world.visits for pair in visit.wanted]
    assert len(wanted) > 100
    assert all((leaf[anchor], leaf[item]) in edges for anchor, item in wanted)


def test_equal_slates_earn_equally(world):
    items = world.item_ids[:: len(world.item_ids) // 9].tolist()
    first, second = (measure(world, fixed(items)) for _ in range(2))
    np.testing.assert_array_equal(first.whole, second.whole)


def test_empty_slates_add_nothing_and_what_shoppers_want_does(world):
    nothing, wanted = measure(world, fixed([""] * K)), measure(world, knowing(world))
    assert not nothing.added.any() and nothing.taken == 0
    np.testing.assert_array_equal(nothing.base, wanted.base)
    way = wanted.added.sum(axis=(0, 1, 2))
    assert way[0] > 0 and wanted.whole[:, 0].mean() > nothing.whole[:, 0].mean()


def test_the_second_widget_of_a_page_does_not_repeat_the_first(world):
    for pages in slates_of_visits(world, fixed(world.item_ids[: 2 * K].tolist())):
        for slates in pages:
            shown = [item for items in slates.values() for item in items]
            assert len(shown) == len(set(shown)) == K * len(slates)


def test_figures_are_shares_of_the_others_mean_and_their_intervals_hold_them(world):
    users = np.array([visit.user for visit in world.visits])
    earned = {"ours": [measure(world, knowing(world))], "none": [measure(world, fixed([""] * K))]}
    rows = compare(earned, [users], ours="ours", bar=0.1)
    ours, none = (earned[name][0].whole.mean(axis=0) for name in ("ours", "none"))
    for money, row in enumerate(rows[: len(MONEY)]):
        assert row.figure.value == pytest.approx(ours[money] / none[money] - 1)
        assert row.figure.low < row.figure.value < row.figure.high
        assert row.verdict == ("reached" if row.figure.value >= 0.1 else "missed")
    assert len(rows) == len(MONEY) * (1 + 1 + len(SIGNATURES))


def test_slates_that_know_every_answer_earn_the_most(world):
    most, wanted = (measure(world, one).whole[:, 0].mean() for one in (all_knowing(world), knowing(world)))
    assert most > wanted
    users = np.array([visit.user for visit in world.visits])
    earned = {"ours": [measure(world, knowing(world))], "most": [measure(world, all_knowing(world))]}
    rows = compare(earned, [users], ours="ours", bar=0.1, most="most")
    assert not any(row.verdict for row in rows) and "most" in rows[0].note


@pytest.fixture(scope="module")
def orders():
    """Cameras are bought with cards, and mugs more often than either."""
    rows = [row for day in range(6) for row in bought("ann", day, "camera", "card")]
    return order_history(
        make_tables([*rows, *(row for day in range(9) for row in bought("bob", day + 0.5, "mug"))]),
        pd.Index(["camera", "card", "mug", "sold out"], dtype=object),
    )


def queries(**columns):
    plain = {"query_id": ["0:0"], "user_id": [""], "cart_item_ids": [[]], "recent_item_ids": [[]]}
    return pd.DataFrame(plain | columns)


@pytest.mark.parametrize(
    ("baseline", "asked", "first"),
    [
        (Popularity(), {}, "mug"),
        (Ease(l2=1.0), {"cart_item_ids": [["camera"]]}, "card"),
        (Ease(l2=1.0), {"item_id": ["camera"]}, "card"),
        (Ease(l2=1.0), {"recent_item_ids": [["camera"]]}, "card"),
        (Ease(l2=1.0), {}, "mug"),
    ],
    ids=["popularity", "EASE by the cart", "EASE by the page", "EASE by the visit", "EASE without a context"],
)
def test_baselines_answer_by_what_they_know(orders, baseline, asked, first):
    is_offered = np.array([True, True, True, False])
    slate = by_baseline(baseline, orders, is_offered)("cross_sell", queries(**asked), 4)[0].tolist()
    assert slate[0] == first
    refused = {*asked.get("cart_item_ids", [[]])[0], *asked.get("item_id", []), "sold out", ""}
    assert set(slate) - {""} == {"camera", "card", "mug"} - refused


def test_ease_uses_the_users_purchases_where_a_visit_has_just_begun(orders):
    recommend = by_baseline(Ease(l2=1.0), orders, np.ones(4, bool))
    assert set(recommend("recommend", queries(user_id=["ann"]), 2)[0]) == {"camera", "card"}
