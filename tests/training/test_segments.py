"""Users of whom nothing is known but a segment, and seasons that come again, through the served graph."""

import dataclasses

import numpy as np
import pytest

from tests.training.small import SMALL, ask
from tests.worlds import bought, make_shop
from tfrec.training import load_trained, refresh, save_trained, train, warm_start

pytestmark = pytest.mark.slow

NEWCOMERS = ("new north", "new south", "new west")


def letters(rows):
    return [{item[0] for item in row} for row in rows]


def shops():
    """Each day new users order twice, four of the north and one of the south; each segment has ten items of its own."""
    rng = np.random.default_rng(0)
    rows, segments = [], {}
    for day in range(60):
        for number in range(5):
            name, segment = f"u{day}-{number}", "north" if number else "south"
            segments[name] = segment
            for time in (day + number / 10, day + 3 + number / 10):
                rows += bought(name, time, *(f"{segment[0]}{item}" for item in rng.choice(10, 3, replace=False)))
    segments.update({"new north": "north", "new south": "south"})
    return rows, segments


@pytest.fixture(scope="module")
def segment_world(tmp_path_factory):
    rows, segments = shops()
    shop = make_shop(rows, segments=segments)
    folder = tmp_path_factory.mktemp("segments")
    trained = train(shop, SMALL, work=folder / "work", show_progress=False)
    (folder / "trained").mkdir()
    save_trained(trained, SMALL, folder / "trained")
    return shop, trained, folder / "trained"


def test_who_never_bought_is_offered_what_the_segment_buys(segment_world):
    shop, trained, _ = segment_world
    answer = ask(shop, trained, "recommend", user_id=list(NEWCOMERS), k=[4])
    north, south, unknown = letters(answer["item_ids"])
    assert north == {"n"} and south == {"s"}
    assert unknown == {"n"}  # the whole shop: four of five orders are of the north
    stored, _ = load_trained(shop, segment_world[2])
    again = ask(shop, stored, "recommend", user_id=list(NEWCOMERS), k=[4])
    assert again["item_ids"].tolist() == answer["item_ids"].tolist()


@pytest.mark.parametrize("update", [refresh, warm_start])
def test_a_segment_that_was_not_there_is_known_after_a_renewal(segment_world, update):
    """A user who registered since, and a segment with items and users of its own."""
    shop, _, folder = segment_world
    rows, segments = shops()
    for number in range(40):
        segments[f"w{number}"] = "west"
        rows += bought(f"w{number}", 63 + number / 40, *(f"w{item}" for item in range(4)))
    today = make_shop(rows, segments={**segments, "new west": "west", "late south": "south"})
    if update is refresh:
        trained, _ = refresh(today, folder)
    else:
        trained = warm_start(today, folder, SMALL, work=folder.parent / "warm", show_progress=False)
    answer = ask(today, trained, "recommend", user_id=["new west", "late south"], k=[3])
    assert letters(answer["item_ids"]) == [{"w"}, {"s"}]
    assert shop.users.size < today.users.size


def test_what_is_bought_each_year_in_this_month_is_offered_again(tmp_path):
    """Each month of four weeks has items that sell in that month alone; it is the first of the third month."""
    rng = np.random.default_rng(0)
    rows = []
    for number, day in enumerate(np.arange(0, 784, 0.25)):
        month = int(day % 364 // 28)
        rows += bought(f"u{number % 40}", float(day), f"m{month}-{rng.integers(3)}", order=str(number))
    shop = make_shop(rows, test_from_day=784)
    config = dataclasses.replace(SMALL, num_blocks=7, ranking_queries=6000, block_share=0.25, block_epochs=1)
    trained = train(shop, config, work=tmp_path, show_progress=False)
    item_ids = ask(shop, trained, "recommend", user_id=["u0", "u1", "u2", "stranger"], k=[3])["item_ids"]
    assert np.mean([item.startswith("m2-") for item in item_ids.ravel()]) > 0.8, item_ids
