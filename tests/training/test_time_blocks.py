import numpy as np
import pandas as pd

from tests.worlds import START, START_HOUR, bought, make_shop
from tfrec.training.time_blocks import known_items, offered_items


def test_what_came_before_a_moment_is_exact():
    """Moments are hours in floating point; an event of the very moment is not before it."""
    rng = np.random.default_rng(0)
    days = rng.integers(0, 10**9, 200) / 10**9 * 500
    rows = [line for number, day in enumerate(days) for line in bought("ann", float(day), "a", order=f"o{number}")]
    shop = make_shop(rows, unit="us")
    for hour in shop.train.hour:
        assert len(shop.train.before(float(hour))) == (shop.train.hour < hour).sum()


def test_items_count_as_known_once_sold_unless_a_catalogue_knows_more():
    rows = [*bought("ann", 0, "a"), *bought("ann", 2, "b")]
    hour = START_HOUR + 24
    assert known_items(make_shop(rows).train, hour).tolist() == [False, True, False]
    catalogue = {"a": {}, "b": {}, "never sold": {}}
    assert known_items(make_shop(rows, catalogue).train, hour).tolist() == [False, True, True, True]


def test_a_past_query_is_answered_with_what_was_known_and_on_sale_then():
    """Stock does not count: what is sold out today was not then."""
    rows = [*bought("ann", 0, "a"), *bought("ann", 2, "b")]
    launch = START + pd.Timedelta(days=5)
    catalogue = {"a": {"stock": 0.0}, "b": {}, "later": {"available_from": launch}}
    shop = make_shop(rows, catalogue, test_from_day=9)
    assert offered_items(shop, START_HOUR + 24).tolist() == [False, True, True, False]
    assert offered_items(shop, START_HOUR + 24 * 6).tolist() == [False, True, True, True]
    assert offered_items(make_shop(rows), START_HOUR + 24).tolist() == [False, True, False]
