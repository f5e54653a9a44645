"""From the raw log on no event of the test period changes what training sees: neither values nor how they are coded."""

import dataclasses
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.ingest.small_shop import write_small_shop
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.shop import Shop, load_shop
from tfrec.ingest.prepare import prepare_shop

HEADER = "what,order,customer,visit,sku,when,qty,paid,name,land"
RECIPE = """
name = "clicks"
currency = "EUR"
[events]
files = "log.csv"
time_zone = "Europe/Berlin"
[events.columns]
event_type = "what"
order_id = "order"
user_id = "customer"
session_id = "visit"
item_id = "sku"
timestamp = "when"
quantity = "qty"
price = "paid"
[items.columns]
title = "name"
[users.columns]
country = "land"
[clean.robots]
max_views_per_hour = 3
[split]
test_from = 2024-03-01
validation_from = 2024-02-01
"""
PAST = [
    f"purchase,p{at},{'ann' if at % 2 else 'bob'},,{'ABCDE'[at % 5]},2024-01-{1 + at:02} 10:00:00,1,{2 + at}.50,t,DE"
    for at in range(28)
]
EVENT = st.fixed_dictionaries(
    {
        "what": st.sampled_from(["purchase", "view"]),
        "user": st.sampled_from(["ann", "bob", "cy", ""]),
        "item": st.sampled_from(["A", "B", "C", "Z"]),
        "quantity": st.integers(-1, 900),
        "price": st.sampled_from(["0.01", "3.10", "99999.00", ""]),
        "title": st.sampled_from(["t", "other words", ""]),
        "land": st.sampled_from(["DE", "FR", ""]),
        "minute": st.integers(0, 30 * 24 * 60),
    }
)


def written(events: list[dict], *, start: str, prefix: str) -> list[str]:
    rows = []
    for at, event in enumerate(events):
        when = pd.Timestamp(start) + pd.Timedelta(minutes=event["minute"])
        order = f"{prefix}{at}" if event["what"] == "purchase" else ""
        rows.append(
            f"{event['what']},{order},{event['user']},{prefix}{at % 3},{event['item']},{when:%Y-%m-%d %H:%M:%S},"
            f"{event['quantity']},{event['price']},{event['title']},{event['land']}"
        )
    return rows


def prepared(rows: list[str]) -> tuple[Path, Shop]:
    folder = Path(tempfile.mkdtemp())
    prepare_shop(write_small_shop(folder, rows=rows, header=HEADER, recipe=RECIPE), folder / "out")
    return folder / "out", load_shop(folder / "out")


def assert_equal(left: object, right: object, name: str) -> None:
    if dataclasses.is_dataclass(left):
        for field, value in vars(left).items():
            assert_equal(value, vars(right)[field], f"{name}.{field}")
    elif isinstance(left, np.ndarray):
        np.testing.assert_array_equal(left, right, err_msg=name)
    elif isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, obj=name)
    elif isinstance(left, int | float | str | tuple):
        assert left == right, name


@pytest.mark.slow
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # an example takes two preparations: shrinking would take minutes
)
@given(past=st.lists(EVENT, max_size=12), future=st.lists(EVENT, min_size=1, max_size=25))
def test_no_event_of_the_test_period_changes_the_features_of_training(past: list[dict], future: list[dict]) -> None:
    known = [*PAST, *written(past, start="2024-01-20", prefix="k")]
    last = "view,,ann,last,A,2024-03-31 10:00:00,1,2,t,DE"
    robot = [f"view,,bob,late,A,2024-03-02 10:{at:02}:00,1,2,t,DE" for at in range(9)]
    folder, shop = prepared([*known, last])
    folder_with, with_future = prepared([*known, last, *robot, *written(future, start="2024-03-01", prefix="f")])
    for table in ("events", "items", "users"):
        assert_equal(*(pd.read_parquet(one / f"{table}.parquet") for one in (folder, folder_with)), table)
    assert_equal(shop.vocabularies, with_future.vocabularies, "vocabularies")
    assert_equal(shop.train, with_future.train, "train")
    moment = shop.prepared.test_from.timestamp() / 3600
    tables = [compute_feature_tables(one.train, as_of=moment, config=FeatureConfig()) for one in (shop, with_future)]
    assert_equal(*tables, "feature tables")
