"""Figures net of returns, with gross beside them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tfrec.analysis.behaviour import describe_behaviour
from tfrec.analysis.interests import measure_interests
from tfrec.analysis.repurchase import predict_churn
from tfrec.analysis.rules import mine_rules
from tfrec.analysis.shop_figures import describe_shop
from tfrec.experiments.shop_metrics import activity
from tfrec.promotions.campaign_results import orders_of
from tfrec.schema.tables import RETURN_COLUMNS, Tables, conform


@pytest.fixture
def sold() -> Tables:
    return shop(
        {
            "user_id": ["a", "a", "b", "b"],
            "item_id": ["x", "y", "x", "x"],
            "order_id": ["1", "2", "3", "3"],
            "quantity": [1, 2, 5, 5],
            "price": [10, 10, 10, 10],
            "days": [0, 40, 50, 50],
        }
    )


def taken_back(tables: Tables, *rows: tuple[str, str, str, float, float, float]) -> Tables:
    """Returns the shop with returns: user, item, order, day of purchase, pieces, day of return; price is 10."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "order_id", "bought", "quantity", "back"])
    days = {"bought_at": "bought", "timestamp": "back"}
    frame = frame.assign(
        price=10, **{name: START + pd.to_timedelta(frame[day], unit="D") for name, day in days.items()}
    )
    return dataclasses.replace(tables, returns=conform(frame, RETURN_COLUMNS, table="returns"))


def test_hold_out_does_not_know_what_was_returned_after_its_cut() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{user}", float(day)) for user in range(60) for day in np.unique(rng.integers(0, 400, 1 + user % 8))]
    log = shop(
        {
            "user_id": [user for user, _ in rows],
            "item_id": ["x"] * len(rows),
            "order_id": [str(number) for number in range(len(rows))],
            "price": [10] * len(rows),
            "days": [day for _, day in rows],
        }
    )
    end = max(day for _, day in rows)
    early = [(number, user, day) for number, (user, day) in enumerate(rows) if day < end - 91]
    back = taken_back(log, *((user, "x", str(number), day, 1, end - 1) for number, user, day in early[:40]))
    whole, net = (predict_churn(tables, horizon_days=90).holdout for tables in (log, back))
    assert whole is not None
    assert net is not None
    assert net.num == whole.num
    assert net.auc == whole.auc
    assert predict_churn(back, horizon_days=90).num_users < predict_churn(log, horizon_days=90).num_users


def test_shop_is_net_in_the_month_of_the_purchase(sold: Tables) -> None:
    figures = describe_shop(taken_back(sold, ("a", "x", "1", 0, 1, 45), ("b", "x", "3", 50, 7, 50)))
    assert (figures.value, figures.gross_value) == (50, 130)
    assert (figures.num_orders, figures.gross_orders) == (2, 3)
    assert figures.months["value"].tolist() == [0, 50]
    assert figures.months["gross_value"].tolist() == [10, 120]
    best = figures.items.set_index("item_id")
    assert best.loc["x", ["pieces", "gross_pieces"]].tolist() == [3, 11]


def test_order_returned_whole_is_none_and_its_buyer_no_buyer(sold: Tables) -> None:
    behaviour = describe_behaviour(taken_back(sold, ("b", "x", "3", 50, 10, 50)))
    assert behaviour["num_orders"].to_dict() == {"a": 2, "b": 0}
    assert behaviour["value"].to_dict() == {"a": 30, "b": 0}
    assert behaviour["gross_value"].to_dict() == {"a": 30, "b": 100}
    assert behaviour.loc["b", "return_share"] == 1
    assert pd.isna(behaviour.loc["b", "recency_days"])


def test_returns_later_than_now_are_not_known(sold: Tables) -> None:
    tables = taken_back(sold, ("a", "x", "1", 0, 1, 45))
    assert describe_behaviour(tables, now=START + pd.Timedelta(days=42)).loc["a", "value"] == 30
    assert describe_behaviour(tables, now=START + pd.Timedelta(days=45)).loc["a", "value"] == 20


def test_shop_without_returns_states_equal_figures(sold: Tables) -> None:
    figures = describe_shop(sold)
    assert not figures.has_returns
    assert figures.value == figures.gross_value == 130


def test_churn_counts_no_order_that_was_taken_back() -> None:
    users = [f"u{number:02d}" for number in range(20)]
    events = {
        "user_id": users + users[:10],
        "item_id": ["x"] * 30,
        "order_id": [str(number) for number in range(30)],
        "quantity": [1] * 30,
        "price": [10] * 30,
        "days": [0] * 20 + [30] * 10,
    }
    tables = taken_back(shop(events), *((user, "x", str(20 + at), 30, 1, 31) for at, user in enumerate(users[:5])))
    now = START + pd.Timedelta(days=60)
    assert int(predict_churn(tables, now=now, horizon_days=14).users["num_repeats"].sum()) == 5


@pytest.mark.parametrize(
    ("metric", "gross", "net"),
    [("conversion", 2, 1), ("orders", 2, 1), ("value", 30, 20), ("pieces", 3, 2), ("visits", 2, 2)],
)
def test_read_outs_are_net_and_a_visit_stays_one(sold: Tables, metric: str, gross: int, net: int) -> None:
    back = taken_back(sold, ("a", "x", "1", 0, 1, 20))
    for tables, expected in ((sold, gross), (back, net)):
        log = activity(tables, metric=metric)
        assert log.loc[log["user_id"] == "a", "value"].sum() == expected


def test_campaigns_earn_what_was_kept(sold: Tables) -> None:
    back = taken_back(sold, ("b", "x", "3", 50, 7, 60))
    orders = orders_of(back)
    assert orders.groupby("user_id")["revenue"].sum().to_dict() == {"a": 30.0, "b": 30.0}


def test_rules_and_interests_leave_out_what_went_back(sold: Tables) -> None:
    back = taken_back(sold, ("a", "y", "2", 40, 2, 45))
    assert mine_rules(sold, min_support=0.01).num_orders == 3
    assert mine_rules(back, min_support=0.01).num_orders == 2
    items = measure_interests(back).items
    assert items.loc[items["user_id"] == "a", "item_id"].tolist() == ["x"]


def test_events_without_returns_are_the_events_themselves(sold: Tables) -> None:
    assert sold.net_events() is sold.events
    assert taken_back(sold, ("a", "x", "1", 0, 1, 20)).net_events(START) is sold.events
