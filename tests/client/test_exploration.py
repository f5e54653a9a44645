"""Slates are drawn as often as their stated propensities say."""

import numpy as np
import pytest

from tfrec.client import Exploration
from tfrec.client.exploration import draw_slates, random_uniform
from tfrec.errors import ConfigError

ITEMS = np.array(["a", "b", "c", "d"], object)


def outputs_of(num: int) -> dict[str, np.ndarray]:
    scores = np.array([9.0, 8.9, -3.0, -50.0], np.float32)
    return {"item_ids": np.tile(ITEMS, (num, 1)), "scores": np.tile(scores, (num, 1))}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_items_come_as_often_as_stated(temperature: float):
    """20,000 slates of three places from four items: every first place, and every second given the first."""
    num = 20_000
    uniform = np.random.default_rng(7).random((num, 4))
    drawn, propensities = draw_slates(
        outputs_of(num), k=np.full(num, 3), exploration=Exploration(temperature), uniform=uniform
    )
    shown = drawn["item_ids"]
    assert shown.shape == propensities.shape == (num, 3)
    assert all(len(set(slate)) == 3 for slate in shown[:100])
    for place, given in [(0, None), *((1, first) for first in ITEMS)]:
        rows = np.ones(num, bool) if given is None else shown[:, 0] == given
        for item in ITEMS:
            is_shown = rows & (shown[:, place] == item)
            if item == given:
                assert not is_shown.any()
                continue
            (chance,) = set(propensities[is_shown, place].round(9))
            error = np.sqrt(chance * (1 - chance) / rows.sum())
            assert abs(is_shown.sum() / rows.sum() - chance) < 4.5 * error
    first = {item: propensities[shown[:, 0] == item, 0][0] for item in ITEMS}
    assert first["a"] / first["b"] == pytest.approx(2 ** (1 / temperature))
    weighted = np.mean((shown[:, 0] == "d") / propensities[:, 0])  # an inverse-propensity estimate: d came first always
    assert weighted == pytest.approx(1, abs=4.5 * np.sqrt(1 / (first["d"] * num)))


def test_columns_stay_with_their_items_and_short_rows_stay_short():
    outputs = outputs_of(3)
    outputs["item_ids"][1, 2:], outputs["scores"][1, 2:] = "", -np.inf
    drawn, propensities = draw_slates(
        outputs,
        k=np.array([4, 4, 0]),
        exploration=Exploration(1.0),
        uniform=np.random.default_rng(1).random((3, 4)),
    )
    scores = dict(zip(ITEMS, outputs_of(1)["scores"][0], strict=True))
    assert [scores[item] for item in drawn["item_ids"][0]] == drawn["scores"][0].tolist()
    assert sorted(drawn["item_ids"][1]) == ["", "", "a", "b"]
    assert propensities[1, 1] == 1.0
    assert np.isnan(propensities[1, 2:]).all()
    assert np.isneginf(drawn["scores"][1, 2:]).all()
    assert (drawn["item_ids"][2] == "").all()


@pytest.mark.parametrize("temperature", [0.01, 0.001, 1e-9])
def test_near_zero_keeps_the_order(temperature: float):
    exploration, uniform = Exploration(temperature), np.random.default_rng(1).random((5, 4))
    drawn, propensities = draw_slates(outputs_of(5), k=np.full(5, 4), exploration=exploration, uniform=uniform)
    assert (drawn["item_ids"] == ITEMS).all()
    assert propensities == pytest.approx(1)


def test_a_pool_is_asked_for_and_numbers_differ():
    assert Exploration(pool=30).asked(np.array([10, 50, 0], np.int32)).tolist() == [30, 50, 0]
    numbers = random_uniform((200, 50))
    assert 0 <= numbers.min() < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.02


@pytest.mark.parametrize(
    "settings",
    [{"temperature": 0}, {"temperature": float("nan")}, {"pool": 0}, {"pool": float("inf")}, {"pool": 2**31}],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Exploration(**settings)


def test_a_set_that_a_draw_does_not_show_whole_is_no_set():
    outputs = outputs_of(200) | {"threshold_sets": np.tile(np.array([1, 1, 2, 0], np.int32), (200, 1))}
    drawn, _ = draw_slates(
        outputs, k=np.full(200, 3), exploration=Exploration(4.0), uniform=np.random.default_rng(5).random((200, 4))
    )
    is_whole = np.isin(["a", "b"], drawn["item_ids"]).all() and (
        np.isin(drawn["item_ids"], ["a", "b"]).sum(axis=1) == 2
    )
    assert 0 < is_whole.sum() < 200
    expected = {"a": 1, "b": 1, "c": 2, "d": 0}
    for items, numbers, whole in zip(drawn["item_ids"], drawn["threshold_sets"], is_whole, strict=True):
        assert numbers.tolist() == [expected[item] if whole or item in "cd" else 0 for item in items]
