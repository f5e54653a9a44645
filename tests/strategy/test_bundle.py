"""Bundles: what goes with the anchor and with each other, all or none, and what the whole costs."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategy.test_funnel import fitting, requests, rows_of, world  # noqa: F401
from tfrec.features.merchandising import MerchandisingRule, MerchandisingRules
from tfrec.features.rule_tables import RuleTables, compile_rules

ANCHORS = np.array([f"i{number}" for number in range(60)])


def ask(served_shop, anchors, k=2, **inputs):
    return served_shop.answer("bundle", item_id=np.array(anchors), k=np.array([k], np.int32), **inputs)


@pytest.fixture
def ruled(served_shop):
    """Puts rules in force for one test."""
    prepared = served_shop.shop.prepared
    funnel = served_shop.served.funnel

    def put(*rules):
        tables = compile_rules(
            MerchandisingRules(rules), prepared.train.items, prepared.train.users, calendar=prepared.train.calendar
        )
        funnel.merchandising.assign(tables)

    yield put
    funnel.merchandising.assign(RuleTables.none(funnel.sources.num_rows, funnel.sources.num_segments))


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=8))
def test_a_bundle_is_whole_allowed_and_fits_together(served_shop, world, inputs):  # noqa: F811
    inputs = fitting(served_shop, "bundle", inputs)
    answer = served_shop.ask("bundle", **inputs)
    for at, row in enumerate(rows_of(inputs)):
        anchor, wanted = row.get("item_id", ""), min(max(row.get("k", 2), 0), 9)
        items = [item for item in answer["item_ids"][at] if item]
        assert len(items) in (0, wanted)
        assert not items or anchor in world.offered
        assert set(items) <= world.eligible("bundle", row)
        together = [anchor, *items] if items else []
        leaves = [world.category[item] for item in together if world.category.get(item)]
        assert len(set(leaves)) == len(leaves)
        assert len({world.product[item] for item in items}) == len(items)
        assert all(world.fit(one, other) for one in items for other in items if one != other)
        assert (np.diff(answer["scores"][at][: len(items)]) <= 0).all()
        prices = np.cumsum([np.float32(world.price[item]) for item in together], dtype=np.float32)
        np.testing.assert_allclose(answer["total_prices"][at][: len(items)], np.nan_to_num(prices[1:]), rtol=1e-6)


def test_most_items_have_a_bundle_and_its_first_is_the_best_complement(served_shop, world):  # noqa: F811
    answer = ask(served_shop, ANCHORS)
    single = ask(served_shop, ANCHORS, k=1)
    has_bundle = answer["item_ids"][:, 0] != ""
    assert has_bundle.sum() > 40
    assert {ANCHORS[row] for row in np.flatnonzero(has_bundle)} <= world.offered
    assert answer["item_ids"][has_bundle, 0].tolist() == single["item_ids"][has_bundle, 0].tolist()


def test_what_is_not_sold_or_not_known_has_no_bundle(served_shop):
    answer = ask(served_shop, ["i7", "i8", "unknown", ""])  # out of stock, not yet there
    assert (answer["item_ids"] == "").all() and not answer["total_prices"].any()
    assert np.isneginf(answer["scores"]).all() and (answer["reasons"] == "").all()


def test_where_too_few_go_together_there_is_none(served_shop):
    """Two categories alone, of which one is the anchor's: one item goes with it, not two."""
    limits = {"include_categories": np.array([["T0 > L0", "T0 > L3"]])}
    assert (ask(served_shop, ["i3"], k=1, **limits)["item_ids"] != "").all()
    assert (ask(served_shop, ["i3"], k=2, **limits)["item_ids"] == "").all()


def test_rows_have_sizes_of_their_own(served_shop):
    answer = served_shop.answer("bundle", item_id=np.array(["i3", "i3", "i3"]), k=np.array([1, 3, 0], np.int32))
    assert (answer["item_ids"] != "").sum(axis=1).tolist() == [1, 3, 0]
    assert answer["item_ids"][0, 0] == answer["item_ids"][1, 0]


def test_a_rule_against_the_anchor_is_one_against_its_bundle(served_shop, ruled):
    assert (ask(served_shop, ["i3"])["item_ids"] != "").all()
    ruled(MerchandisingRule(do="block", reason="recalled", items=("i3",)))
    assert (ask(served_shop, ["i3"])["item_ids"] == "").all()


def test_caps_hold_for_the_bundle_as_a_whole(served_shop, ruled, world):  # noqa: F811
    brand = world.items["brand"].to_dict()
    before = ask(served_shop, ANCHORS, k=3)["item_ids"]
    ruled(MerchandisingRule(do="cap", reason="variety", most=1, by="brand"))
    after = ask(served_shop, ANCHORS, k=3)["item_ids"]

    def most_of_a_brand(row):
        brands = [brand[item] for item in row if item and brand[item]]
        return max(map(brands.count, brands), default=0)

    assert max(map(most_of_a_brand, before)) > 1 and max(map(most_of_a_brand, after)) == 1
    assert (after[:, 0] != "").sum() == (before[:, 0] != "").sum()


def test_a_pinned_item_is_of_the_bundle(served_shop, ruled):
    ruled(MerchandisingRule(do="pin", reason="overstock", items=("i31",), place=1, signatures=("bundle",)))
    answer = ask(served_shop, ["i3"])
    assert answer["item_ids"][0, 0] == "i31"
