"""The order of a cart's lines: those first beside which a complement is expected to earn most."""

import numpy as np
import pytest
import scipy.optimize

from tfrec.features.merchandising import MerchandisingRule
from tfrec.schema.inputs import MOST_LINES

LINES = ["i3", "i13", "i14"]  # of the leaf categories 3, 4 and 5


@pytest.fixture
def ruled(known_shop):
    yield known_shop.put_rules
    known_shop.put_rules()


@pytest.fixture
def ask(known_shop):
    """Asks for one cart: (line, item) → probability."""

    def asked(lines, chances, **inputs):
        found = known_shop.answer("arrange_cart", chances, cart_item_ids=[lines], **inputs)
        return {name: value[0].tolist() for name, value in found.items()}

    return asked


CHANCES = {("i3", "i11"): 0.15, ("i13", "i15"): 0.5, ("i14", "i29"): 0.1}  # earn 1.8, 8 and 3


def test_the_line_whose_complement_earns_most_stands_first(ask):
    lines = ask(LINES, CHANCES)
    assert lines["item_ids"] == ["i13", "i14", "i3"]
    assert lines["complement_item_ids"] == ["i15", "i29", "i11"]
    np.testing.assert_allclose(lines["scores"], [8, 3, 1.8], rtol=1e-5)
    np.testing.assert_allclose(lines["complement_probabilities"], [0.5, 0.1, 0.15], rtol=1e-5)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("purchase", ["i13", "i3", "i14"]), ("revenue", ["i13", "i14", "i3"]), ("no such", ["i13", "i14", "i3"])],
)
def test_a_request_names_its_objective(ask, objective, expected):
    assert ask(LINES, CHANCES, objective=np.array([objective], object))["item_ids"] == expected


def test_no_complement_stands_beside_two_lines(ask):
    chances = {(line, "i29"): chance for line, chance in zip(LINES, (0.2, 0.3, 0.4), strict=True)}
    lines = ask(LINES, {**chances, ("i3", "i11"): 0.3, ("i13", "i11"): 0.1})
    assert lines["item_ids"][:2] == ["i14", "i3"] and lines["complement_item_ids"][:2] == ["i29", "i11"]
    assert lines["item_ids"][2] == "i13" and lines["complement_item_ids"][2] not in ("i29", "i11", "")
    assert lines["scores"][2] < 0.01


def test_no_two_variants_of_a_product_stand_beside_lines(ask):
    """i9 and i10 are one product."""
    lines = ask(["i3", "i14"], {("i3", "i9"): 0.5, ("i14", "i10"): 0.5})
    assert lines["complement_item_ids"][0] in ("i9", "i10") and lines["scores"][1] < 0.01


def test_equal_lines_keep_the_order_of_the_cart(ask):
    chances = {("i3", "i11"): 0.5, ("i13", "i11"): 0.5}
    assert ask(["i3", "i13"], chances)["item_ids"] == ["i3", "i13"]
    assert ask(["i13", "i3"], chances)["item_ids"] == ["i13", "i3"]


def test_lines_that_the_shop_does_not_know_stand_behind_and_padding_last(ask, known_shop):
    lines = ask(["", "unknown", "i3", "", "i13"], CHANCES)
    assert lines["item_ids"] == ["i13", "i3", "unknown"]
    assert lines["complement_item_ids"][2] == "" and lines["scores"][2] == 0
    batch = known_shop.answer("arrange_cart", CHANCES, cart_item_ids=[["", "i3", ""], ["i13", "i3", "x"]])
    assert batch["item_ids"].tolist() == [["i3", "", ""], ["i13", "i3", "x"]]
    assert np.isneginf(batch["scores"]).tolist() == [[False, True, True], [False] * 3]


def test_what_stands_beside_is_new_to_the_cart_and_no_substitute_of_a_line(ask):
    """i11 is in the cart, i12 sold out, i22 of the category of i13, i30 of that of i3."""
    wanted = {("i3", item): 0.9 for item in ("i11", "i12", "i22", "i30")}
    lines = ask(["i3", "i13", "i11"], {**wanted, ("i3", "i15"): 0.2})
    assert lines["item_ids"][0] == "i3" and lines["complement_item_ids"][0] == "i15"


def test_limits_and_rules_hold(ask, ruled):
    chances = {("i3", "i11"): 0.5, ("i3", "i15"): 0.2}
    assert ask(["i3"], chances)["complement_item_ids"] == ["i11"]
    excluded = {"exclude_item_ids": np.array([["i11"]], object)}
    assert ask(["i3"], chances, **excluded)["complement_item_ids"] == ["i15"]
    ruled(MerchandisingRule(do="block", reason="recalled", items=("i11",), signatures=("cross_sell",)))
    assert ask(["i3"], chances)["complement_item_ids"] == ["i15"]


def test_lines_behind_the_first_twenty_stay_there(ask):
    unknown = [f"unknown {number}" for number in range(MOST_LINES - 1)]
    lines = ask([*unknown, "i3", "i13"], CHANCES)
    assert lines["item_ids"] == ["i3", *unknown, "i13"]


def test_beside_a_line_alone_stands_what_cross_sell_offers_beside_it(served_shop):
    anchors = [f"i{number}" for number in range(0, 60, 7)]
    offered = served_shop.answer("cross_sell", user_id=["u1"], item_id=anchors, k=np.array([10], np.int32))
    earned = np.nan_to_num(offered["probabilities"] * offered["prices"])
    best = np.where(earned.max(axis=1) > 0, offered["item_ids"][np.arange(len(anchors)), earned.argmax(axis=1)], "")
    lines = served_shop.answer("arrange_cart", user_id=["u1"], cart_item_ids=[[one] for one in anchors])
    assert lines["complement_item_ids"][:, 0].tolist() == best.tolist()
    np.testing.assert_allclose(lines["scores"][:, 0], earned.max(axis=1), rtol=1e-4)


def test_a_cart_in_a_batch_is_arranged_as_alone(served_shop):
    carts = np.array([["i3", "i13", "i14"], ["i0", "", ""], ["", "i33", "i5"]], object)
    together = served_shop.ask("arrange_cart", cart_item_ids=carts.astype(str))
    for row, cart in enumerate(carts):
        alone = served_shop.ask("arrange_cart", cart_item_ids=cart[None].astype(str))
        width = alone["item_ids"].shape[1]
        assert together["item_ids"][row, :width].tolist() == alone["item_ids"][0].tolist()
        assert together["complement_item_ids"][row, :width].tolist() == alone["complement_item_ids"][0].tolist()


def test_pairs_are_worth_at_least_half_of_the_best_pairing():
    import tensorflow as tf

    from tfrec.strategy.arrange_cart import arranged
    from tfrec.strategy.candidate_slate import CandidateSlate

    rng = np.random.default_rng(4)
    item = np.array([[rng.permutation(8)[:4] + 1 for _ in range(5)] for _ in range(50)], np.int32)
    worth = rng.integers(-2, 9, item.shape).astype(np.float32)
    offered = CandidateSlate(item=tf.constant(item), score=tf.constant(worth), probability=tf.constant(worth / 10))
    line = tf.ones([50, 5], tf.int32)
    lines = arranged(offered, line=line, is_line=line > 0, groups=tf.zeros([9], tf.int32))
    for row in range(50):
        value = np.zeros([5, 9])
        np.put_along_axis(value, item[row], np.maximum(worth[row], 0), axis=1)
        places, columns = scipy.optimize.linear_sum_assignment(value, maximize=True)
        best, taken = value[places, columns].sum(), lines.score[row].numpy()
        assert best / 2 <= taken.sum() <= best + 1e-6 and (np.diff(taken) <= 0).all()
        complements = [one for one in lines.complement[row].numpy() if one]
        assert len(set(complements)) == len(complements) == (taken > 0).sum()
        for place, complement, score in zip(
            lines.place[row].numpy(), lines.complement[row].numpy(), taken, strict=True
        ):
            assert score == (value[place, complement] if complement else 0)
