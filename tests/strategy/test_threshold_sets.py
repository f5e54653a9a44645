"""Carts below a threshold: of few items the set that brings them there at the highest expected margin stands first."""

import itertools

import numpy as np
import pytest

from tfrec.features.merchandising import MerchandisingRule, MerchandisingRules
from tfrec.features.rule_tables import RuleTables, compile_rules
from tfrec.strategy.config import StrategyConfig, ThresholdConfig

GAP = 20.0
CART = np.array([["", "i3", "i4"]], object)


@pytest.fixture(scope="module")
def known(served_shop):
    """The tiny shop with probabilities that a test states; i{n} costs n + 1, and is of the leaf category n % 9."""
    import tensorflow as tf

    from tfrec.strategy.candidate_slate import CandidateSlate
    from tfrec.strategy.funnel import Funnel
    from tfrec.training.export import ServedFunnel

    class KnownFunnel(Funnel):
        def _scored(self, query, evidence, items):
            chance = tf.where(items > 0, tf.gather(self.chances, items), 0.0)
            score = tf.where(items > 0, tf.math.log(chance), -float("inf"))
            return CandidateSlate(item=items, score=score, probability=chance)

    class Known:
        def __init__(self):
            sources = served_shop.served.funnel.sources
            strategy = StrategyConfig(threshold=ThresholdConfig(max_items=4))
            funnel = KnownFunnel(sources, served_shop.served.funnel.ranking, strategy=strategy)
            tokens = served_shop.shop.vocabularies.items.tokens.tolist()
            self.place = {item: place for place, item in enumerate(tokens, start=1)}
            self.served, self.sources, self.funnel = ServedFunnel(served_shop.shop, funnel), sources, funnel
            funnel.chances = tf.Variable(tf.fill([sources.num_rows], 1e-4))

        def ask(self, signature="complete_cart", *, gap=GAP, k=10, chances, **inputs):
            values = np.full(self.sources.num_rows, 1e-4, np.float32)
            for item, chance in chances.items():
                values[self.place[item]] = chance
            self.funnel.chances.assign(values)
            asked = {"cart_item_ids": CART, "k": np.array([k], np.int32), "threshold": np.array([50.0], np.float32)}
            asked |= {"cart_total": np.array([50.0 - gap], np.float32), **inputs}
            found = self.served.answer(signature, asked)
            return {name: value[0][found["item_ids"][0] != ""] for name, value in found.items()}

        def rules(self, *rules):
            train = served_shop.shop.prepared.train
            tables = compile_rules(MerchandisingRules(rules), train.items, train.users, calendar=train.calendar)
            self.funnel.merchandising.assign(tables)

    known = Known()
    yield known
    known.rules()


@pytest.fixture
def ruled(known):
    yield known.rules
    known.funnel.merchandising.assign(RuleTables.none(known.sources.num_rows, known.sources.num_segments))


def sets_of(found):
    """Number of a set → its items."""
    sets = {}
    for item, number in zip(found["item_ids"].tolist(), found["threshold_sets"].tolist(), strict=True):
        if number:
            sets.setdefault(number, set()).add(item)
    return sets


PAIR = {"i11": 0.6, "i13": 0.5}  # 12 and 14, together 26
DEAR = {"i29": 0.1}  # 30 alone


def test_two_cheap_likely_items_stand_before_one_dear_unlikely_item(known):
    found = known.ask(chances={**PAIR, **DEAR, "i1": 0.9})
    assert found["item_ids"][:3].tolist() == ["i11", "i13", "i29"]
    assert found["threshold_sets"][:3].tolist() == [1, 1, 2]
    assert (np.diff(found["scores"]) <= 0).all()


def test_one_likely_item_stands_before_every_set(known):
    found = known.ask(chances={**PAIR, "i29": 0.5, "i31": 0.2})
    assert found["item_ids"][:2].tolist() == ["i29", "i31"]
    assert found["threshold_sets"][:2].tolist() == [1, 2]
    assert not found["threshold_sets"][found["prices"] < GAP].any()


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        ({"i0": 0.9, "i1": 0.9, "i11": 0.9, "i13": 0.9}, {"i11", "i13"}),
        ({"i0": 0.9, "i1": 0.9, "i2": 0.9, "i5": 0.9, "i9": 0.9}, {"i1", "i2", "i5", "i9"}),
        ({"i10": 0.95, "i11": 0.95, "i13": 0.95}, {"i11", "i13"}),  # all three would earn more
    ],
    ids=["nothing that is not needed", "several", "two of three"],
)
def test_no_item_of_a_set_could_be_left_out(known, chances, expected):
    found = known.ask(chances=chances)
    together = sets_of(found)[1]
    price = dict(zip(found["item_ids"].tolist(), found["prices"].tolist(), strict=True))
    total = sum(price[item] for item in together)
    assert together == expected and GAP <= total <= 2 * GAP
    assert total - min(price[item] for item in together) < GAP


def test_where_nothing_reaches_the_threshold_nothing_changes(known):
    chances = {"i11": 0.9, "i13": 0.9}
    usual = known.ask(chances=chances, threshold=np.array([0.0], np.float32))
    found = known.ask(chances=chances, threshold=np.array([1e6], np.float32))
    for name in ("item_ids", "scores", "threshold_sets"):
        assert found[name].tolist() == usual[name].tolist()
    assert not usual["threshold_sets"].any()


def test_a_slate_too_short_for_a_set_holds_a_single_item(known):
    found = known.ask(chances={**PAIR, **DEAR}, k=1)
    assert found["item_ids"].tolist() == ["i29"] and found["threshold_sets"].tolist() == [1]


def test_stand_ins_and_variants_are_in_no_set(known, served_shop):
    """i2 and i11 are of one leaf category; i9 and i10 are variants of one product."""
    assert sets_of(known.ask(chances={"i2": 0.9, "i11": 0.9}, gap=14.0)).get(1) != {"i2", "i11"}
    assert served_shop.shop.prepared.train.items.set_index("item_id")["item_group"][["i9", "i10"]].nunique() == 1
    assert sets_of(known.ask(chances={"i9": 0.9, "i10": 0.9})).get(1) != {"i9", "i10"}


def test_variety_leaves_a_set_together(known):
    chances = {**PAIR, **{f"i{number}": 0.3 for number in range(41, 60)}}
    plain, varied = (known.ask(chances=chances, k=8, diversity=np.array([value], np.float32)) for value in (0.0, 0.9))
    for found in (plain, varied):
        assert found["item_ids"][:2].tolist() == ["i11", "i13"] and found["threshold_sets"][:2].tolist() == [1, 1]
        assert (np.diff(found["scores"]) <= 0).all()
    assert plain["item_ids"].tolist() != varied["item_ids"].tolist()


def test_what_may_not_be_offered_is_in_no_set(known):
    found = known.ask(chances=PAIR, exclude_item_ids=np.array([["i11"]], object))
    assert "i11" not in found["item_ids"] and sets_of(found).get(1) != {"i11", "i13"}


def test_a_row_has_the_same_set_whatever_rows_are_beside_it(known):
    values = {**PAIR, **DEAR, "i15": 0.3, "i30": 0.1}
    alone = [known.ask(chances=values, gap=gap) for gap in (20.0, 25.0, -5.0)]
    batch = {
        "cart_item_ids": np.repeat(CART, 3, axis=0),
        "k": np.full(3, 10, np.int32),
        "threshold": np.full(3, 50, np.float32),
        "cart_total": np.array([30.0, 25.0, 55.0], np.float32),
    }
    together = known.served.answer("complete_cart", batch)
    for row, found in enumerate(alone):
        for name in ("item_ids", "threshold_sets"):
            assert together[name][row].tolist() == found[name].tolist()
    assert not alone[2]["threshold_sets"].any()


@pytest.mark.slow
def test_a_page_marks_the_set_of_its_widget(known):
    page = {"widgets": np.array([["", "recommend", "complete_cart"]], object)}
    found = known.ask("page", chances={**PAIR, **DEAR}, k=3, **page)
    is_cart = found["widgets"] == "complete_cart"
    assert not found["threshold_sets"][~is_cart].any()
    taken = set(found["item_ids"][~is_cart])
    assert taken >= {"i11", "i13"}  # the widget before has them: the set is made of what is left
    assert taken.isdisjoint(found["item_ids"][is_cart]) and found["threshold_sets"][is_cart][0] == 1
    page = {"widgets": np.array([["", "complete_cart", "recommend"]], object)}
    found = known.ask("page", chances={**PAIR, **DEAR}, k=3, **page)
    assert found["item_ids"][:3].tolist() == ["i11", "i13", "i29"]
    assert found["threshold_sets"].tolist() == [1, 1, 2, 0, 0, 0]


@pytest.mark.slow
def test_rules_hold_for_sets(known, ruled):
    """i9 and i13 are of one brand."""
    chances = {"i9": 0.65, "i11": 0.5, "i13": 0.6, **DEAR}
    assert sets_of(known.ask(chances=chances))[1] == {"i9", "i13"}
    rules = {
        "cap of one": MerchandisingRule("cap", "a test", brands=("B1",), most=1),
        "buried": MerchandisingRule("bury", "a test", items=("i9",)),
        "boosted": MerchandisingRule("boost", "a test", items=("i11",), factor=3.0),
        "blocked": MerchandisingRule("block", "a test", items=("i9",)),
    }
    for name, rule in rules.items():
        ruled(rule)
        found = known.ask(chances=chances)
        assert sets_of(found)[1] == set(found["item_ids"][:2]) == {"i11", "i13"}, name


@pytest.mark.slow
def test_pinned_items_keep_their_places_and_a_set_that_they_leave_no_place_is_not_marked(known, ruled):
    ruled(MerchandisingRule("pin", "a test", items=("i50",), place=1))
    found = known.ask(chances={**PAIR, **DEAR})
    assert found["item_ids"][:3].tolist() == ["i50", "i11", "i13"]
    assert sets_of(found)[1] == {"i11", "i13"}
    found = known.ask(chances={**PAIR, **DEAR}, k=2)
    assert found["item_ids"].tolist() == ["i50", "i29"] and found["threshold_sets"].tolist() == [0, 1]


def highest_value(chance, price, profit, group, gap, most, ratio):
    """The value of the best set by trying all, of one item or several."""
    best = 0.0
    for size in range(1, most + 1):
        for items in map(list, itertools.combinations(range(len(price)), size)):
            total, least = price[items].sum(), price[items].min()
            known = group[items][group[items] > 0]
            if gap <= total <= gap * ratio and total - least < gap and len(set(known)) == len(known):
                best = max(best, chance[items].prod() * profit[items].sum())
    return best


@pytest.mark.parametrize("seed", range(6))
def test_no_other_set_is_worth_more(seed):
    import tensorflow as tf

    from tfrec.strategy.candidate_slate import CandidateSlate
    from tfrec.strategy.threshold_sets import best_set

    rng = np.random.default_rng(seed)
    rows, number = 12, 13
    price = np.concatenate([[0.0], rng.integers(0, 12, number)]).astype(np.float32)
    profit = (price * rng.uniform(-0.1, 0.8, number + 1)).astype(np.float32)
    group = np.concatenate([[0], rng.integers(0, 6, number)])
    chance = rng.uniform(0.02, 0.9, (rows, number)).astype(np.float32)
    gap, k = rng.integers(4, 30, rows).astype(np.float32), rng.integers(1, 7, rows).astype(np.int32)
    config = ThresholdConfig(max_gap_ratio=float(rng.choice([1.1, 1.5, 2.0])), max_items=int(rng.integers(1, 5)))
    places = np.argsort(rng.random((rows, number)), axis=1)
    item = np.concatenate([places + 1, np.zeros((rows, 2), int)], axis=1).astype(np.int32)
    spread = np.concatenate([np.take_along_axis(chance, places, axis=1), np.zeros((rows, 2))], axis=1)

    def apart(items):
        own = tf.gather(tf.constant(group), items)
        return tf.equal(own[:, :, None], own[:, None, :]) & (own > 0)[:, :, None]

    found = best_set(
        CandidateSlate(item=tf.constant(item), score=tf.zeros(item.shape), probability=tf.constant(spread, tf.float32)),
        gap=tf.constant(gap), k=tf.constant(k), price=tf.constant(price), profit=tf.constant(profit), apart=apart,
        config=config,
    ).numpy()  # fmt: skip
    for row in range(rows):
        args = (chance[row], price[1:], profit[1:], group[1:], gap[row])
        best = highest_value(*args, min(config.max_items, max(k[row], 1)), config.max_gap_ratio)
        single = highest_value(*args, 1, config.max_gap_ratio)
        chosen = found[row][found[row] > 0] - 1
        if not len(chosen):
            np.testing.assert_allclose(single, best, rtol=1e-5)
            continue
        assert len(chosen) > 1 and best > single
        np.testing.assert_allclose(chance[row][chosen].prod() * profit[1:][chosen].sum(), best, rtol=1e-5)
        total = price[1:][chosen].sum()
        assert gap[row] <= total <= gap[row] * config.max_gap_ratio * 1.001
