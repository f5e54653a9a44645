import itertools
import json

import numpy as np
import pytest

from tests.analysis.shops import shop, shop_of_baskets
from tests.benchmarks.rules import synthetic_shop
from tfrec.analysis import itemsets
from tfrec.analysis.rules import Rules, mine_rules
from tfrec.errors import ConfigError, SchemaError
from tfrec.report.terminal.rules import rules_text
from tfrec.report.words import language
from tfrec.schema.json_values import to_json

EVERY_RULE = {
    "min_support": 1e-9,
    "min_confidence": 0.0,
    "min_lift": 0.0,
    "min_count": 1,
    "max_false_share": None,
    "only_stable": False,
    "min_improvement": None,
}


def rule_of(found: Rules, antecedent: tuple[str, ...], consequent: str):
    rules = found.rules
    match = rules[(rules["antecedent"] == antecedent) & (rules["consequent"] == consequent)]
    assert len(match) == 1, f"{antecedent} → {consequent} is not there exactly once"
    return match.iloc[0]


def test_measures_of_a_hand_computed_rule():
    # 10 orders: 4 with both, 1 with bread alone, 2 with butter alone, 3 with neither.
    baskets = [["bread", "butter"]] * 4 + [["bread"]] + [["butter"]] * 2 + [["soap"]] * 3
    rule = rule_of(mine_rules(shop_of_baskets(baskets), **EVERY_RULE), ("bread",), "butter")
    assert rule["support"] == pytest.approx(0.4)
    assert rule["confidence"] == pytest.approx(0.8)
    assert rule["lift"] == pytest.approx(0.8 / 0.6)
    spread = 1.96 * np.sqrt(1 / 4 - 1 / 5 - 1 / 6 - 1 / 10 + 2 * (0.8 / 0.6) / 10)
    assert rule["lift_low"] == pytest.approx(0.8 / 0.6 * np.exp(-spread))
    assert rule["lift_high"] == pytest.approx(0.8 / 0.6 * np.exp(spread))
    assert rule["leverage"] == pytest.approx(0.4 - 0.5 * 0.6)
    assert rule["conviction"] == pytest.approx(0.4 / 0.2)
    assert rule["chi_squared"] == pytest.approx(10 / 6)  # 10 (4·3 − 1·2)² / (5·5·6·4)
    assert rule["p_value"] == pytest.approx(66 / 252)  # Fisher: (C(6,4)·C(4,1) + C(6,5)·C(4,0)) / C(10,5)
    assert rule["confidence_low"] < 0.8 < rule["confidence_high"]


def test_rule_without_exception_has_infinite_conviction():
    found = mine_rules(shop_of_baskets([["a", "b"], ["b"], ["c"]]), **EVERY_RULE)
    assert rule_of(found, ("a",), "b")["conviction"] == np.inf
    assert json.dumps(to_json(found), allow_nan=False)


@pytest.mark.parametrize("pairs_per_block", [1, 7, 4_000_000], ids=["block of one", "small blocks", "one block"])
def test_itemsets_are_those_of_plain_counting(monkeypatch, pairs_per_block):
    monkeypatch.setattr(itemsets, "_PAIRS_PER_BLOCK", pairs_per_block)
    rng = np.random.default_rng(3)
    baskets = [[f"i{item}" for item in np.flatnonzero(rng.random(9) < 0.45)] for _ in range(80)]
    expected = {}
    for size in range(1, 6):
        for items in itertools.combinations([f"i{n}" for n in range(9)], size):
            count = sum(set(items) <= set(basket) for basket in baskets)
            if count >= 5:
                expected[items] = count
    found = mine_rules(shop_of_baskets(baskets), **{**EVERY_RULE, "min_count": 5}, max_size=5).itemsets
    assert dict(zip(found["items"], found["count"], strict=True)) == expected


def test_item_bought_twice_in_an_order_counts_once():
    found = mine_rules(shop_of_baskets([["a", "a", "b"], ["a"], ["b"]]), **EVERY_RULE)
    assert rule_of(found, ("a",), "b")["count"] == 1
    assert found.num_marks == 4


def test_rule_of_one_half_of_the_period_is_not_stable():
    rng = np.random.default_rng(0)
    early = [["sledge", "gloves"] if rng.random() < 0.5 else ["tea"] for _ in range(200)]
    late = [[str(rng.choice(["sledge", "gloves", "tea"]))] for _ in range(200)]
    lasting = [["cup", "saucer"], ["tea"]] * 100
    baskets = [*early, *lasting[:100], *lasting[100:], *late]
    shop_tables = shop_of_baskets(baskets)
    stable = mine_rules(shop_tables, min_confidence=0.4, min_count=5)
    pairs = {frozenset((*rule.antecedent, rule.consequent)) for rule in stable.rules.itertuples()}
    assert pairs == {frozenset(("cup", "saucer"))}
    assert stable.num_unstable == 2
    with_all = mine_rules(shop_tables, min_confidence=0.4, min_count=5, only_stable=False).rules
    assert not with_all.loc[with_all["consequent"] == "gloves", "is_stable"].any()


@pytest.mark.slow
def test_too_many_itemsets_are_refused_when_asked_for_and_else_avoided():
    rng = np.random.default_rng(0)
    baskets = [[f"i{item}" for item in rng.permutation(60)[:20]] for _ in range(3000)]
    tables = shop_of_baskets(baskets)
    with pytest.raises(ConfigError, match="Raise `min_support`"):
        mine_rules(tables, min_support=0.001, max_itemsets=20_000)
    found = mine_rules(tables, max_itemsets=20_000)
    assert 0 < len(found.itemsets) <= 20_000
    assert found.min_support > 0.001
    assert found.itemsets["count"].min() >= found.min_support * 3000


def test_a_rule_that_a_shorter_one_says_is_redundant():
    # Jam goes with 80 % of the orders with bread, with or without tea; with bread and butter in 95 %.
    baskets = (
        [["bread", "jam"]] * 40 + [["bread"]] * 10
        + [["bread", "tea", "jam"]] * 40 + [["bread", "tea"]] * 10
        + [["bread", "butter", "jam"]] * 95 + [["bread", "butter"]] * 5
        + [["butter"]] * 100 + [["soap"]] * 300
    )  # fmt: skip
    order = np.random.default_rng(0).permutation(len(baskets))
    tables = shop_of_baskets([baskets[number] for number in order])
    kept, everything = mine_rules(tables), mine_rules(tables, min_improvement=None)
    rules = {(rule.antecedent, rule.consequent) for rule in kept.rules.itertuples()}
    assert (("bread",), "jam") in rules
    assert (("bread", "butter"), "jam") in rules
    assert (("bread", "tea"), "jam") not in rules
    rule_of(everything, ("bread", "tea"), "jam")
    assert kept.num_redundant == len(everything.rules) - len(kept.rules) > 0


def test_redundancy_is_that_of_plain_comparison():
    rng = np.random.default_rng(7)
    taste = rng.random((300, 1)) < 0.5
    baskets = [
        [f"i{item}" for item in np.flatnonzero(row)] or ["x"] for row in rng.random((300, 7)) < 0.2 + 0.5 * taste
    ]
    settings = {**EVERY_RULE, "min_count": 10, "max_size": 5}
    everything = mine_rules(shop_of_baskets(baskets), **settings).rules
    kept: dict[tuple[tuple[str, ...], str], float] = {}
    for rule in everything.sort_values("size").itertuples():
        parts = [
            kept.get((part, rule.consequent), -np.inf)
            for size in range(1, len(rule.antecedent))
            for part in itertools.combinations(rule.antecedent, size)
        ]
        if rule.confidence >= max(parts, default=-np.inf) + 0.05:
            kept[rule.antecedent, rule.consequent] = rule.confidence
    pruned = mine_rules(shop_of_baskets(baskets), **{**settings, "min_improvement": 0.05})
    assert {(rule.antecedent, rule.consequent) for rule in pruned.rules.itertuples()} == set(kept)
    assert pruned.num_redundant == len(everything) - len(kept) > 100


def test_halves_are_counted_apart():
    early = [["a", "b"], ["a", "b"], ["a"], ["c"]]
    late = [["a", "b"], ["a"], ["a"], ["b"]]
    rule = rule_of(mine_rules(shop_of_baskets([*early, *late]), **EVERY_RULE), ("a",), "b")
    assert rule["confidence_early"] == pytest.approx(2 / 3)
    assert rule["confidence_late"] == pytest.approx(1 / 3)
    assert rule["lift_early"] == pytest.approx((2 / 3) / (2 / 4))
    assert rule["lift_late"] == pytest.approx((1 / 3) / (2 / 4))


def test_independent_items_give_next_to_no_rules_under_false_discovery_control():
    rng = np.random.default_rng(11)
    baskets = [[f"i{item}" for item in np.flatnonzero(rng.random(40) < 0.1)] or ["x"] for _ in range(1500)]
    plain = {"min_confidence": 0.0, "max_size": 2, "only_stable": False}
    without = mine_rules(shop_of_baskets(baskets), max_false_share=None, **plain)
    controlled = mine_rules(shop_of_baskets(baskets), max_false_share=0.05, **plain)
    assert len(without.rules) > 500
    assert len(controlled.rules) <= 4


def test_direction_is_distinguished_from_its_reverse():
    # Half of the 40 camera orders hold a card, but only 20 of 220 card orders a camera.
    baskets = [["camera", "card"]] * 20 + [["camera"]] * 20 + [["card"]] * 200 + [["tripod"]] * 2000
    np.random.default_rng(1).shuffle(baskets)
    directed = mine_rules(shop_of_baskets(baskets), min_confidence=0.05).directed()
    assert list(zip(directed["antecedent"], directed["consequent"], strict=True)) == [(("camera",), "card")]
    assert directed["ratio"].iloc[0] == pytest.approx((20 / 40) / (20 / 220))


def test_text_of_a_view_describes_the_rules_of_that_view():
    baskets = [["camera", "card"]] * 20 + [["camera"]] * 20 + [["card"]] * 200
    baskets += [["soap", "towel"]] * 20 + [["comb"]] * 2000
    mined = mine_rules(shop_of_baskets(baskets), min_confidence=0.05, only_stable=False)
    text = rules_text(mined, mined.directed(), language("en"), top=5)
    assert "soap" in rules_text(mined, mined.rules, language("en"), top=5).split("\n\n")[0]
    sentences = text.split("\n\n")[0]
    assert "Who buys camera also buys card" in sentences and "soap" not in sentences
    assert "view that is shown holds 1 of them" in sentences


def test_cross_category_view_leaves_the_antecedents_category():
    categories = {"a1": "A > x", "a2": "A > y", "b": "B", "unknown": ""}
    baskets = [["a1", "a2", "b", "unknown"]] * 10 + [["other"]] * 40
    found = mine_rules(shop_of_baskets(baskets, categories), **EVERY_RULE)
    across = found.cross_category()
    assert set(zip(across["antecedent"], across["consequent"], strict=True)) == {
        (("a1",), "b"),
        (("a2",), "b"),
        (("b",), "a1"),
        (("b",), "a2"),
        (("a1", "a2"), "b"),
    }


def test_rules_between_categories():
    categories = {"a1": "A > x", "a2": "A > y", "b": "B"}
    found = mine_rules(shop_of_baskets([["a1", "b"], ["a2", "b"], ["a1"]], categories), level=0, **EVERY_RULE)
    assert rule_of(found, ("A",), "B")["count"] == 2
    assert len(found.cross_category()) == 2


def test_purchases_without_an_order_are_put_together_by_user_and_day():
    events = {"user_id": ["u", "u", "u", "v", ""], "item_id": ["a", "b", "c", "a", "b"], "days": [0, 0.2, 1.5, 2, 3]}
    found = mine_rules(shop(events), **EVERY_RULE)
    assert found.num_orders == 3  # u on two days, v on one; a guest without session cannot be put together
    assert rule_of(found, ("a",), "b")["count"] == 1


def test_no_purchase_is_an_error_that_says_so():
    with pytest.raises(SchemaError, match="need purchases"):
        mine_rules(shop({"item_id": ["a"], "event_type": ["view"], "days": [0]}))


def test_share_out_of_range_is_an_error():
    with pytest.raises(ConfigError, match="min_support"):
        mine_rules(shop_of_baskets([["a", "b"]]), min_support=5)


def test_groceries_gives_the_published_counts(groceries):
    found = mine_rules(groceries, **{**EVERY_RULE, "min_support": 0.001, "min_confidence": 0.5}, max_size=6)
    assert found.num_marks == 43_367
    assert len(found.rules) == 5_668
    assert len(found.itemsets) == 13_492


def test_planted_pairs_are_found():
    tables, planted = synthetic_shop(num_orders=20_000, num_items=1000, seed=5)
    found = mine_rules(tables, min_support=0.0005, max_size=2)
    pairs = {frozenset((*rule.antecedent, rule.consequent)) for rule in found.rules.itertuples()}
    assert planted <= pairs
    strongest = found.rules.head(10)
    assert all(
        frozenset((*rule.antecedent, rule.consequent)) & set().union(*planted) for rule in strongest.itertuples()
    )
