"""What every answer keeps to, whatever is asked: thousands of random requests against the tables themselves."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategy.served_shop import NUM_ITEMS
from tfrec.schema.inputs import WIDGETS
from tfrec.schema.signatures import REASONS, SOURCES
from tfrec.strategy.config import UpsellConfig

SLATES = ("recommend", "complete_cart", "cross_sell", "upsell", "similar")
SETS = ("bundle", "page")
ITEM_IDS = st.sampled_from([*(f"i{number}" for number in range(NUM_ITEMS)), "unknown item", ""])
CATEGORIES = st.sampled_from(
    [*(f"T{top}" for top in range(3)), *(f"T{number % 3} > L{number}" for number in range(9)), "T0 > L1", "no such", ""]
)
ATTRIBUTES = st.sampled_from(
    ["brand=B0", "brand=B1", "colour=red", "colour=white", "colour=pink", "on_sale=yes", "fits=i2", "size=L", "odd", ""]
)
RELATIONS = st.sampled_from(["brand", "colour", "brand", "fits", "size", ""])


@st.composite
def requests(draw, *, size):
    """Inputs of a batch of queries, each limit set or left out."""

    def ids(strategy, most):
        lists = [draw(st.lists(strategy, max_size=most)) for _ in range(size)]
        width = max(map(len, lists))
        return np.array([row + [""] * (width - len(row)) for row in lists], dtype=str).reshape(size, width)

    def column(strategy, kind):
        return np.array([draw(strategy) for _ in range(size)], dtype=kind)

    inputs = {
        "user_id": column(st.sampled_from(["u1", "u2", "u7", "newcomer", "", "stranger"]), str),
        "cart_item_ids": ids(ITEM_IDS, 5),
        "recent_item_ids": ids(ITEM_IDS, 6),
        "item_id": column(ITEM_IDS, str),
        "exclude_item_ids": ids(ITEM_IDS, 20),
        "include_categories": ids(CATEGORIES, 2),
        "include_attributes": ids(ATTRIBUTES, 3),
        "exclude_attributes": ids(ATTRIBUTES, 3),
        "same_as_anchor": ids(RELATIONS, 2),
        "min_price": column(st.sampled_from([0.0, 0.0, 5.0, 30.0]), np.float32),
        "max_price": column(st.sampled_from([np.inf, np.inf, 20.0, 45.0]), np.float32),
        "outside_cart_level": column(st.sampled_from([0, 0, 1, 2, 7, -1]), np.int32),
        "bought_before": column(st.sampled_from(["", "", "only", "never", "no such"]), str),
        "shown_item_ids": ids(ITEM_IDS, 6),
        "widgets": ids(st.sampled_from([*WIDGETS, "", "no such"]), 4),
        "widget_sizes": column(st.sampled_from([0, 1, 2, 50, -1]), np.int32)[:, None],
        "places_by": column(st.sampled_from(["", "", "margin", "incremental_margin", "widget", "no such"]), str),
        "cart_total": column(st.sampled_from([0.0, 15.0, 30.0]), np.float32),
        "threshold": column(st.sampled_from([0.0, 0.0, 25.0, 40.0, -1.0, np.inf]), np.float32),
        "min_price_ratio": column(st.sampled_from([0.0, -1.0, 1.0, 1.3]), np.float32),
        "objective": column(
            st.sampled_from(["", "purchase", "revenue", "margin", "incremental_margin", "no such"]), str
        ),
        "max_price_ratio": column(st.sampled_from([0.0, -1.0, 1.5, 4.0]), np.float32),
        "k": column(st.sampled_from([0, 1, 3, 10, 40, 1_000_000, -5]), np.int32),
        "diversity": column(st.sampled_from([0.0, 0.0, 0.5, 1.0, 9.0, -1.0]), np.float32),
        "diversity_by": column(st.sampled_from(["", "content", "unexplored", "calibrated", "no such"]), str),
        "at_minute": column(st.sampled_from([0, 1, 30_000_000, 2**31 - 1]), np.int32),
        "is_adult": column(st.sampled_from([0, 1]), np.int32),
    }
    left_out = draw(st.sets(st.sampled_from(sorted(set(inputs) - {"user_id"}))))
    return {name: value for name, value in inputs.items() if name not in left_out}


def fitting(served_shop, signature, inputs):
    """Only the inputs that the signature has."""
    from tfrec.schema.signatures import signature_named

    names = {spec.name for spec in signature_named(signature).inputs}
    return {name: value for name, value in inputs.items() if name in names}


class World:
    """What the tables say of each item id."""

    def __init__(self, shop):
        items = shop.prepared.train.items.set_index("item_id")
        self.items = items
        self.price = items["price"].to_dict()
        self.category = items["category"].to_dict()
        late = items["available_from"] > shop.prepared.test_from
        over = items["available_until"] <= shop.prepared.test_from
        self.offered = set(items.index[~(items["stock"] == 0) & ~late & ~over])
        self.attributes = attributes_of(items, shop.prepared.train.facts)
        self.product = {item: group or item for item, group in items["item_group"].items()}
        facts = shop.prepared.train.facts
        facts = facts[facts["relation"] == "fits"]
        self.fitting = facts.groupby("head")["tail"].agg(set).to_dict()
        purchases = shop.prepared.train.purchases
        self.orders = purchases.groupby("order_id")["item_id"].agg(set).tolist()
        self.own = purchases[purchases["user_id"] != ""].groupby("user_id")["item_id"].agg(list).to_dict()

    def level_of(self, item, level):
        """The item's category path down to a level, 1 = top."""
        return tuple(self.category[item].split(" > ")[:level])

    def fit(self, left, right):
        """Whether two items go together, as far as one of them fits some things alone."""
        tails = set().union(*self.fitting.values())
        parts = [self.fitting.get(item, set()) | ({item} & tails) for item in (left, right)]
        is_bound = left in self.fitting or right in self.fitting
        return not all(parts) or not is_bound or not parts[0].isdisjoint(parts[1])

    def has_attributes(self, item, row):
        """Whether an item is of the attributes that a request includes, excludes, or wants to be the anchor's."""
        included = {text for text in row.get("include_attributes", []) if text}
        by_relation = {text.split("=")[0]: set() for text in included}
        for text in included:
            by_relation[text.split("=")[0]].add(text)
        own, anchors = self.attributes[item], self.attributes.get(row.get("item_id", ""), set())
        shared = [
            {text for text in anchors if text.startswith(f"{name}=")} for name in row.get("same_as_anchor", []) if name
        ]
        wanted = [*by_relation.values(), *shared]
        return own.isdisjoint(row.get("exclude_attributes", [])) and not any(own.isdisjoint(one) for one in wanted)

    def eligible(self, signature, row):
        """The items that may be answered, by the words of the contract."""
        anchor, cart = row.get("item_id", ""), set(row.get("cart_item_ids", []))
        allowed = self.offered - cart - set(row.get("exclude_item_ids", [])) - {anchor}
        wanted = [path for path in row.get("include_categories", []) if path]
        low, high = row.get("min_price", 0.0), row.get("max_price", np.inf)
        if wanted:
            allowed = {
                item
                for item in allowed
                if any(self.category[item] == path or self.category[item].startswith(path + " > ") for path in wanted)
            }
        allowed = {item for item in allowed if self.has_attributes(item, row)}
        if low > 0 or high < np.inf:
            allowed = {item for item in allowed if low <= self.price[item] <= high}
        own = set(self.own.get(row["user_id"], []))
        if signature == "buy_again" or (signature == "recommend" and row.get("bought_before") == "only"):
            allowed &= own
        if signature in ("cross_sell", "bundle") or (signature == "recommend" and row.get("bought_before") == "never"):
            allowed -= own
        if signature in ("cross_sell", "bundle"):
            leaf = self.category.get(anchor, "")
            allowed = {item for item in allowed if not leaf or self.category[item] != leaf}
        if signature in ("cross_sell", "complete_cart", "bundle"):
            beside = cart if signature == "complete_cart" else cart | {anchor}
            own = {self.product.get(item) for item in beside}
            allowed = {item for item in allowed if self.product[item] not in own}
            allowed = {item for item in allowed if all(self.fit(item, other) for other in beside)}
        level = row.get("outside_cart_level", 0)
        if signature in ("cross_sell", "complete_cart") and level > 0:
            chosen = {*cart, anchor} if signature == "cross_sell" else cart
            chosen = {self.level_of(item, level) for item in chosen if item in self.category}
            allowed = {item for item in allowed if self.category[item] and self.level_of(item, level) not in chosen}
        if signature == "similar" and anchor not in self.category:
            allowed = set()
        if signature == "upsell":
            ratio = row.get("max_price_ratio", 0.0)
            ratio = ratio if ratio > 0 else UpsellConfig().max_price_ratio
            step = row.get("min_price_ratio", 0.0)
            step = step if step > 0 else UpsellConfig().min_price_ratio
            own_price, leaf = self.price.get(anchor, np.nan), self.category.get(anchor, "")
            allowed = {item for item in allowed if own_price < self.price[item] <= own_price * ratio}
            allowed = {item for item in allowed if self.price[item] >= np.float32(own_price) * np.float32(step)}
            if leaf:
                allowed = {item for item in allowed if self.category[item] == leaf}
        return allowed


def attributes_of(items, facts):
    """Item → its attributes as texts: brand, facts, reduced prices."""
    found = {item: {f"brand={brand}"} if brand else set() for item, brand in items["brand"].items()}
    for fact in facts.itertuples():
        found[fact.head].add(f"{fact.relation}={fact.tail}")
    for item in items.index[items["list_price"] > items["price"]]:
        found[item].add("on_sale=yes")
    return found


@pytest.fixture(scope="session")
def world(served_shop):
    return World(served_shop.shop)


def rows_of(inputs):
    size = len(inputs["user_id"])
    return [{name: value[row].tolist() for name, value in inputs.items()} for row in range(size)]


@pytest.mark.slow
@pytest.mark.parametrize("signature", SLATES)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=8))
def test_every_answer_is_allowed_complete_and_in_order(served_shop, world, signature, inputs):
    """Only what is allowed, nothing twice, k items whenever k are allowed, best first; and reasons that are true."""
    inputs = fitting(served_shop, signature, inputs)
    answer = served_shop.ask(signature, **inputs)
    for at, row in enumerate(rows_of(inputs)):
        allowed = world.eligible(signature, row)
        wanted = max(row.get("k", 10), 0)
        items = [item for item in answer["item_ids"][at] if item]
        assert set(items) <= allowed
        products = [world.product[item] for item in items]
        assert len(products) == len(set(products))  # and no variants of one product
        has_leaf = bool(world.category.get(row.get("item_id", "")))
        if signature != "upsell" or has_leaf:  # an anchor without category is compared by content
            assert len(items) == min(wanted, len({world.product[item] for item in allowed}))
        assert (answer["item_ids"][at][len(items) :] == "").all()  # no gaps
        scores = answer["scores"][at]
        assert (np.diff(scores[: len(items)]) <= 0).all()
        assert np.isfinite(scores[: len(items)]).all() and np.isneginf(scores[len(items) :]).all()
        probabilities = answer["probabilities"][at]
        assert ((probabilities > 0) & (probabilities < 1))[: len(items)].all() and not probabilities[len(items) :].any()
        for place, item in enumerate(items):
            price = world.price[item]
            assert answer["prices"][at, place] == (0 if np.isnan(price) else np.float32(price))
            check_reason(world, row, signature, item, {name: answer[name][at, place] for name in answer})


def check_reason(world, row, signature, item, offer):
    code, about, count = offer["reasons"], offer["reason_item_ids"], offer["reason_counts"]
    assert code in REASONS and offer["sources"] in SOURCES
    assert ("{item}" in REASONS[code]) == (about != "") and ("{count}" in REASONS[code]) == (count > 0)
    if code == "bought_together":
        context = set(row.get("cart_item_ids", [])) | ({row.get("item_id", "")} if signature == "cross_sell" else set())
        assert about in context
        assert count == sum({about, item} <= order for order in world.orders)
    if code == "bought_by_you":
        assert count == world.own[row["user_id"]].count(item)
    if code == "because_of":
        assert about in world.own[row["user_id"]]
    if code in ("upgrade_of", "similar_to"):
        assert about == row["item_id"]
    if code == "new":
        assert not any(item in order for order in world.orders)


@pytest.mark.parametrize("signature", [*SLATES, *SETS])
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=4))
def test_a_request_in_a_batch_is_answered_as_alone_and_again(served_shop, signature, inputs):
    inputs = fitting(served_shop, signature, inputs)
    together, again = (served_shop.ask(signature, **inputs) for _ in range(2))
    for name in together:
        np.testing.assert_array_equal(together[name], again[name])
    for row in range(len(inputs["user_id"])):
        alone = served_shop.ask(signature, **{name: value[row : row + 1] for name, value in inputs.items()})
        width = alone["item_ids"].shape[1]
        assert together["item_ids"][row, :width].tolist() == alone["item_ids"][0].tolist()
        assert together["reasons"][row, :width].tolist() == alone["reasons"][0].tolist()
        np.testing.assert_allclose(together["scores"][row, :width], alone["scores"][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "is_offered"), [("purchase", False), ("view", True)])
def test_what_was_bought_a_minute_ago_is_no_cross_sell(served_shop, kind, is_offered):
    answer = served_shop.ask(
        "cross_sell",
        recent_item_ids=np.array([["i3"]]),
        recent_event_types=np.array([[kind]]),
        k=np.array([1000], np.int32),
    )
    assert ("i3" in answer["item_ids"][0]) == is_offered


@pytest.mark.parametrize("signature", SLATES)
def test_a_request_of_nothing_is_answered(served_shop, world, signature):
    answer = served_shop.ask(signature)
    found = [item for item in answer["item_ids"][0] if item]
    assert len(found) == (0 if signature in ("upsell", "similar") else 10)
    assert set(found) <= world.offered


@pytest.mark.parametrize("signature", [*SLATES, *SETS])
def test_a_batch_of_no_queries_is_answered_with_none(served_shop, signature):
    answer = served_shop.ask(signature, user_id=np.zeros(0, str))
    assert len(answer["item_ids"]) == 0


def test_one_value_stands_for_every_query(served_shop):
    users = np.array(["u1", "u2", ""])
    one = served_shop.ask("recommend", user_id=users, max_price=np.array([20.0], np.float32))
    each = served_shop.ask("recommend", user_id=users, max_price=np.full(3, 20.0, np.float32))
    assert one["item_ids"].tolist() == each["item_ids"].tolist()


def test_rows_that_do_not_fit_are_refused_by_name(served_shop):
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match="`max_price` must have one row for each query"):
        served_shop.ask("recommend", user_id=np.array(["u1"] * 3), max_price=np.array([1.0, 2.0], np.float32))


def test_variety_brings_more_categories_to_the_top(served_shop, world):
    users = np.array(["u1", "u2", "u3", "u4", ""])

    def num_categories(diversity):
        answer = served_shop.ask("recommend", user_id=users, diversity=np.array([diversity], np.float32))
        return np.mean([len({world.category[item] for item in row}) for row in answer["item_ids"]])

    assert num_categories(1.0) > num_categories(0.0) + 1


def test_towers_alone_rank_what_is_offered(served_shop, world):
    answer = served_shop.ask("retrieve", user_id=np.array(["u1", "stranger"]), k=np.array([1000, 3], np.int32))
    assert set(answer["item_ids"][0]) - {""} == world.offered
    assert (answer["item_ids"][1] != "").sum() == 3
    assert (np.diff(answer["scores"][0][: len(world.offered)]) <= 0).all()


def test_the_callers_own_candidates_come_back_scored_in_their_order(served_shop):
    """Padding, which every list on the wire begins with, goes behind."""
    asked = np.array([["i3", "unknown", "i1", ""]])
    answer = served_shop.ask("rank", user_id=np.array(["u1"]), candidate_item_ids=asked)
    assert answer["item_ids"].tolist() == asked.tolist()
    assert np.isneginf(answer["scores"][0, [1, 3]]).all() and np.isfinite(answer["scores"][0, [0, 2]]).all()
    swapped = served_shop.ask("rank", user_id=np.array(["u1"]), candidate_item_ids=asked[:, ::-1])
    assert swapped["item_ids"].tolist() == [["i1", "unknown", "i3", ""]]
    np.testing.assert_allclose(swapped["scores"][0, [2, 1, 0, 3]], answer["scores"][0], rtol=1e-5)


def test_the_rank_scores_are_those_of_the_slate(served_shop, world):
    """Given the same candidates: some features weigh an item against the rest, hidden variants included."""
    asker = {"user_id": np.array(["u1"]), "cart_item_ids": np.array([["i2", "i3"]])}
    slate = served_shop.ask("complete_cart", **asker, k=np.array([1000], np.int32))
    candidates = sorted(world.eligible("complete_cart", {"user_id": "u1", "cart_item_ids": ["i2", "i3"]}))
    ranked = served_shop.ask("rank", **asker, candidate_item_ids=np.array([candidates]))
    place = [candidates.index(item) for item in slate["item_ids"][0] if item]
    assert 20 < len(place) < len(candidates)
    np.testing.assert_allclose(ranked["scores"][0, place], slate["scores"][0, : len(place)], rtol=1e-4, atol=1e-5)
    purchase = ranked["purchase_probabilities"][0, place]
    np.testing.assert_allclose(purchase, slate["probabilities"][0, : len(place)], rtol=1e-4)


def test_every_signature_answers_with_the_outputs_of_the_contract(served_shop):
    from tfrec.schema.signatures import SIGNATURES

    for name, signature in SIGNATURES.items():
        outputs = served_shop.served.functions[name]()
        for spec in signature.outputs:
            assert outputs[spec.name].dtype.name == spec.dtype, (name, spec.name)


def test_kinds_of_variety_turn_to_what_was_bought_or_was_not(served_shop, world):
    """Of a shopper who bought of the top category T0 alone."""
    bought = [item for item in world.category if world.category[item].startswith("T0")][:6]

    def share(kind):
        answer = served_shop.ask(
            "recommend",
            history_item_ids=np.array([["", *bought]]),
            diversity=np.array([0.9], np.float32),
            diversity_by=np.array([kind]),
            at_minute=np.array([30_000_000], np.int32),
            k=np.array([6], np.int32),
        )
        return np.mean([world.category[item].startswith("T0") for item in answer["item_ids"][0]])

    assert share("calibrated") == 1
    assert share("unexplored") == 0
    assert 0 < share("random") < 1 and 0 < share("content") < 1
