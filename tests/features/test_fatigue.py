"""What is left of the chance of a click after showings without one, learned of worlds where it is known."""

import numpy as np
import pandas as pd
import pytest

from tfrec.features.fatigue import MOST, learn_fatigue

START = pd.Timestamp("2024-01-01")


def world(left, *, users=20_000, times=4, seed=0):
    """Users who are shown one item again and again until they click; popular items are shown more often."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        item = int(rng.random() < 0.7)
        rate = (0.05, 0.3)[item]
        for number in range(times if item else 2):
            clicked = rng.random() < rate * left**number
            rows.append((f"u{user}", f"i{item}", START + pd.Timedelta(hours=number), float(clicked)))
            if clicked:
                break
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "clicked"])


@pytest.mark.parametrize("left", [0.4, 0.9])
def test_what_is_left_is_that_of_the_world_whatever_is_set(left):
    learned = [learn_fatigue(world(left), factor=factor) for factor in (0.3, 0.95)]
    for table in learned:
        assert table[0] == 1 and len(table) == MOST + 1
        np.testing.assert_allclose(table[1:4], left ** np.arange(1, 4), atol=0.06)
        assert (np.diff(table) <= 0).all()


def test_a_log_without_outcomes_leaves_the_setting():
    shown = world(0.2, users=200)
    for silent in (shown.assign(clicked=np.nan), shown.assign(user_id=""), shown.iloc[:0]):
        np.testing.assert_allclose(learn_fatigue(silent, factor=0.7), 0.7 ** np.arange(MOST + 1), rtol=1e-6)


def test_few_clicks_hardly_move_the_setting():
    learned = learn_fatigue(world(0.1, users=30), factor=0.8)
    assert 0.5 < learned[1] <= 0.8


@pytest.mark.parametrize("between", ["a click", "two months"])
def test_after_a_click_or_a_long_pause_an_item_is_new_again(between):
    """Half of the shoppers click whatever was before; only the first showing of each span is compared with itself."""
    rng = np.random.default_rng(1)
    rows = []
    for user in range(4000):
        if between == "a click":
            hours, clicked = (0, 1), (1.0, float(rng.random() < 0.5))
        else:
            hours, clicked = (0, 24 * 60), tuple(float(one) for one in rng.random(2) < 0.5)
        rows += [
            (f"u{user}", "i", START + pd.Timedelta(hours=hour), click)
            for hour, click in zip(hours, clicked, strict=True)
        ]
    shown = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "clicked"])
    np.testing.assert_allclose(learn_fatigue(shown, factor=0.5), 0.5 ** np.arange(MOST + 1), rtol=1e-6)
