import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_shop import SPLIT, tables
from tfrec.errors import ConfigError, SchemaError
from tfrec.evaluation import protocol

ITEMS = {"camera": "Photo > Cameras", "card": "Photo > Cards", "bag": "Bags", "pen": "Office", "robot": "Toys"}
PAST = [
    ("o1", "ann", "2024-01-01", ["camera", "card"]),
    ("o2", "", "2024-01-02", ["bag", "pen"]),
    ("o3", "bob", "2024-01-03", ["pen"]),
]


@pytest.fixture
def shop():
    return tables(
        ITEMS,
        [
            *PAST,
            ("t1", "ann", "2024-03-01", ["camera", "bag", "unknown"]),
            ("t2", "ann", "2024-03-02", ["bag", "pen"]),
            ("t3", "", "2024-03-03", ["camera", "card"]),
            ("t4", "bob", "2024-03-04", ["pen"]),
            ("t5", "bob", "2024-03-05", ["pen", "robot"]),
        ],
    )


def cases_by_order(cases):
    return {group: cases[np.array([row])] for row, group in enumerate(cases.groups)}


def test_one_item_of_each_order_with_two_known_items_is_hidden(shop):
    cases = protocol.cart_completion_cases(*shop, seed=0)
    assert cases.groups.tolist() == ["t1", "t2", "t3"]  # t4 has one item, t5 one known
    for case in cases_by_order(cases).values():
        cart = set(case.item_ids[case.contexts.indices])
        hidden = case.item_ids[case.truths[0, 0]]
        assert len(cart) == 1
        assert hidden not in cart
        assert set(case.item_ids[case.excluded.indices]) == cart
    assert "unknown" not in cases.item_ids


def test_new_means_not_bought_in_training_and_guests_know_nothing(shop):
    for seed in range(6):
        cases = cases_by_order(protocol.cart_completion_cases(*shop, seed=seed))
        hidden = cases["t1"].item_ids[cases["t1"].truths[0, 0]]
        assert cases["t1"].is_new.item() == (hidden == "bag")  # Ann bought the camera before
        assert cases["t2"].is_new.item()  # the bag of order t1 belongs to the test period: not known
        assert cases["t3"].is_new.item()


def test_cross_category_compares_at_the_level_asked_for(shop):
    top = cases_by_order(protocol.cart_completion_cases(*shop, seed=0))
    assert not top["t3"].is_cross_category.item()  # camera and card are both Photo
    assert top["t2"].is_cross_category.item()
    deep = cases_by_order(protocol.cart_completion_cases(*shop, seed=0, category_level=1))
    assert deep["t3"].is_cross_category.item()


def test_cross_category_ranks_what_is_of_other_categories_than_the_cart(shop):
    train, _ = shop
    cases = protocol.cart_completion_cases(*shop, seed=0)
    apart = protocol.cross_category_cases(cases, train)
    assert set(apart.query_ids) == set(cases.query_ids[cases.is_cross_category])
    assert apart.signature == "complete_cart"
    assert (apart.to_queries()["outside_cart_level"] == 1).all()
    category = train.items.set_index("item_id")["category"]
    for row in range(len(apart)):
        case = apart[row : row + 1]
        of_cart = {category[item].split(" > ")[0] for item in case.item_ids[case.contexts.indices]}
        ranked = set(case.item_ids) - set(case.item_ids[case.excluded.indices])
        assert case.item_ids[case.truths[0, 0]] in ranked
        assert not {item for item in ranked if category[item].split(" > ")[0] in of_cart}


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows(shop):
    train, test = shop
    shuffled = test.events.sample(frac=1, random_state=5).sort_values("timestamp", kind="stable")
    again = type(test)(shuffled, test.items, test.users)
    first = protocol.cart_completion_cases(train, test, seed=3)
    assert (first.truths == protocol.cart_completion_cases(train, again, seed=3).truths).all()
    draws = {tuple(protocol.cart_completion_cases(train, test, seed=seed).truths[:, 0]) for seed in range(20)}
    assert len(draws) > 3


def test_discovery_ranks_what_the_user_has_not_bought(shop):
    train, _ = shop
    cases = protocol.cart_completion_cases(*shop, seed=0)
    found = cases_by_order(protocol.discover_cases(cases, train))
    assert found["t2"].signature == "cross_sell"
    left_out = set(found["t2"].item_ids[found["t2"].excluded.indices])
    cart = set(found["t2"].item_ids[found["t2"].contexts.indices])
    assert left_out == cart | {"camera", "card"}
    with pytest.raises(ConfigError, match="complete_cart"):
        protocol.discover_cases(protocol.discover_cases(cases, train), train)


def test_a_cold_item_is_hidden_and_the_whole_catalogue_ranked(shop):
    cases = protocol.cold_item_cases(*shop, seed=0)
    assert cases.groups.tolist() == ["t5"]
    assert cases.item_ids[cases.truths[:, 0]].tolist() == ["robot"]
    assert cases.item_ids[cases.contexts.indices].tolist() == ["pen"]
    assert set(cases.item_ids) == set(ITEMS)


def test_the_next_basket_is_the_first_test_order_of_a_known_user(shop):
    cases = protocol.next_basket_cases(*shop)
    assert cases.user_ids.tolist() == ["ann", "bob"]
    hidden = [set(cases.item_ids[row[row >= 0]]) for row in cases.truths]
    assert hidden == [{"camera", "bag"}, {"pen"}]
    assert cases.is_new.tolist() == [[True, False], [False, False]]  # of Ann's, the bag is new


def test_queries_carry_the_inputs_of_the_signature(shop):
    cases = protocol.cart_completion_cases(*shop, seed=0)
    queries = cases.to_queries()
    assert list(queries.columns) == ["query_id", "user_id", "cart_item_ids"]
    assert [len(cart) for cart in queries["cart_item_ids"]] == [1, 1, 1]
    assert queries["user_id"].tolist() == ["ann", "ann", ""]


def test_no_order_in_the_test_period_gives_no_cases():
    train, test = tables(ITEMS, PAST)
    cases = protocol.cart_completion_cases(train, test, seed=0)
    assert len(cases) == 0
    assert len(protocol.discover_cases(cases, train)) == 0
    assert len(protocol.cold_item_cases(train, test, seed=0)) == 0
    assert len(protocol.next_basket_cases(train, test)) == 0


def test_a_query_that_comes_twice_is_refused(shop):
    cases = protocol.cart_completion_cases(*shop, seed=0)
    with pytest.raises(SchemaError, match="must be unique"):
        cases[np.array([0, 0])]


def test_online_retail_has_the_cases_of_the_published_protocol(data_home):
    raw = pd.read_csv(data_home / "online_retail" / "online_retail.csv.gz", dtype={"InvoiceNo": str, "StockCode": str})
    sold = raw["StockCode"].str.match(r"^\d{5}") & (raw["Quantity"] > 0) & (raw["UnitPrice"] > 0)
    raw = raw[sold & ~raw["InvoiceNo"].str.startswith("C")]
    orders = raw.groupby("InvoiceNo", sort=False).agg(
        user=("CustomerID", "first"), time=("InvoiceDate", "first"), items=("StockCode", list)
    )
    orders["user"] = orders["user"].astype("str").where(orders["user"].notna(), "")
    shop = tables(dict.fromkeys(raw["StockCode"], ""), orders.itertuples(), split="2011-11-01")
    assert len(protocol.cart_completion_cases(*shop, seed=0)) == 3308


def test_the_split_is_where_the_fixture_says(shop):
    assert shop[0].events["timestamp"].max() < pd.Timestamp(SPLIT) <= shop[1].events["timestamp"].min()
