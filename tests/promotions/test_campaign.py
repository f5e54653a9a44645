import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import ConfigError, SchemaError, SourceError
from tfrec.promotions.campaign import (
    HELD_OUT,
    LEFT_ALONE,
    TREATED,
    Evidence,
    plan_campaign,
)
from tfrec.promotions.campaign_results import evaluate_campaign, orders_of
from tfrec.promotions.plan_files import publish_plan, read_plan
from tfrec.report.terminal.campaigns import result_summary, result_text
from tfrec.report.words import language
from tfrec.schema.json_values import to_json
from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform

START, END = pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-15")


def _plan(n: int = 20_000, seed: int = 0, **settings):
    """Half the users gain 6 by the dear offer (cost 3) and 2 by the cheap one (cost 1), the others lose."""
    is_moved = np.random.default_rng(seed).integers(2, size=n)
    gains = np.where(is_moved[:, None] == 1, [2.0, 6.0], [-1.0, -3.0])
    options = {"budget": 1e6, "holdout_share": 0.2, **settings}
    users = [f"u{i}" for i in range(n)]
    return plan_campaign(users, gains, np.array([1.0, 3.0]), name="spring", offers=["cheap", "dear"], **options), gains


def _orders(plan, gains, seed: int = 0, effect: float = 1.0):
    """A world that does what the gains say: the margin of treated users is 10 % × 100, plus the gain on average."""
    rng = np.random.default_rng([seed, 5])
    table = plan.table
    treated = (table["status"] == TREATED).to_numpy()
    picked = table["offer"].map({"cheap": 0, "dear": 1}).fillna(0).astype(int).to_numpy()
    gain = np.where(treated, effect * gains[np.arange(len(gains)), picked], 0.0)
    is_regular = rng.random(len(table)) < 0.5
    buys = rng.random(len(table)) < np.where(is_regular, 0.15, 0.05) + gain / 100
    cost = np.where(treated, np.array([1.0, 3.0])[picked], 0.0)
    during = pd.DataFrame(
        {"user_id": table["user_id"], "timestamp": START + pd.Timedelta(days=3), "revenue": 300.0, "margin": 100.0,
         "discount": np.where(buys, cost / np.maximum(0.1 + gain / 100, 1e-9), 0.0)}
    )[buys]  # fmt: skip
    before = pd.DataFrame(
        {"user_id": table["user_id"], "timestamp": START - pd.Timedelta(days=9), "revenue": 300.0, "margin": 100.0,
         "discount": 0.0}
    )[is_regular]  # fmt: skip
    late = during.assign(timestamp=END)
    return pd.concat([during, before, late], ignore_index=True)


def test_plan_treats_the_moved_holds_out_at_random_and_leaves_sleeping_dogs_alone():
    plan, gains = _plan()
    is_moved = gains[:, 1] > 0
    assert (plan.table.loc[~is_moved, "status"] == LEFT_ALONE).all()
    assert (plan.table.loc[is_moved, "offer"] == "dear").all()
    shares = plan.table.loc[is_moved, "status"].value_counts(normalize=True)
    assert shares[HELD_OUT] == pytest.approx(0.2, abs=0.01)
    assert plan.table["is_compared"].sum() == is_moved.sum()


@pytest.mark.parametrize("budget", [0.0, 17.5, 1000.0, 12_345.67])
def test_budget_holds_for_the_whole_plan(budget):
    plan, _ = _plan(budget=budget)
    assert plan.table["cost"].sum() <= budget
    assert plan.cost <= budget
    assert plan.cost == pytest.approx(plan.table["cost"].sum())


def test_hold_out_of_a_tight_budget_mirrors_the_treated():
    rng = np.random.default_rng(1)
    gains = rng.gamma(2.0, 2.0, (20_000, 1))
    plan = plan_campaign(
        [f"u{i}" for i in range(20_000)],
        gains,
        np.array([1.0]),
        name="x",
        offers=["o"],
        budget=3000.0,
        holdout_share=0.2,
    )
    compared = plan.table[plan.table["is_compared"]]
    by_status = compared.groupby("status")["expected_gain"].mean()
    assert by_status[TREATED] == pytest.approx(by_status[HELD_OUT], rel=0.05)
    assert (compared["status"] == HELD_OUT).mean() == pytest.approx(0.2, abs=0.03)


def test_same_name_holds_out_the_same_users():
    one, _ = _plan(budget=500.0)
    two, _ = _plan(budget=1e6)
    held = set(two.table.loc[two.table["status"] == HELD_OUT, "user_id"])
    assert set(one.table.loc[one.table["status"] == TREATED, "user_id"]).isdisjoint(held)


def test_promise_has_an_interval_from_the_trial():
    rng = np.random.default_rng(0)
    is_moved = rng.integers(2, size=5000)
    gains = np.where(is_moved[:, None] == 1, [2.0, 6.0], [-1.0, -3.0])
    evidence = Evidence(gains, gains + rng.normal(0, 30, gains.shape), np.array([1.0, 3.0]))
    plan, _ = _plan(evidence=evidence)
    num = (plan.table["status"] == TREATED).sum()
    assert plan.expected_profit.low < 3.0 * num < plan.expected_profit.high
    bare, _ = _plan()
    assert np.isnan(bare.expected_profit.low)


def test_published_plan_reads_back_and_the_mailer_sees_treated_users_only(tmp_path):
    plan, _ = _plan(2000)
    folder = publish_plan(plan, tmp_path / "spring", key=b"k" * 16)
    assert sorted(p.name for p in folder.iterdir()) == [".tfrec.json", "plan.csv", "plan.json", "send.csv"]
    again = read_plan(folder)
    pd.testing.assert_frame_equal(again.table, plan.table)
    assert to_json(again) == json.loads((folder / "plan.json").read_text())
    sent = pd.read_csv(folder / "send.csv", dtype="str")
    assert len(sent) == (plan.table["status"] == TREATED).sum()
    assert not set(sent["pseudonym"]) & set(plan.table["user_id"])


def test_nothing_leaves_the_house_without_a_key_or_for_a_few(tmp_path):
    plan, _ = _plan(500)
    assert not (publish_plan(plan, tmp_path / "spring") / "send.csv").exists()
    with pytest.raises(ConfigError, match="at least 16 bytes"):
        publish_plan(plan, tmp_path / "short", key=b"k")
    with pytest.raises(ConfigError, match="fewer than 1000 users"):
        publish_plan(plan, tmp_path / "few", key=b"k" * 16, min_users=1000)
    assert [path.name for path in tmp_path.iterdir()] == ["spring"]


def test_failed_publication_leaves_the_old_plan(tmp_path, monkeypatch):
    plan, _ = _plan(500)
    folder = publish_plan(plan, tmp_path / "spring")
    old = (folder / "plan.json").read_text()
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish_plan(plan, folder)
    assert (folder / "plan.json").read_text() == old


def test_evaluation_finds_the_profit_that_was_caused():
    plan, gains = _plan(60_000)
    result = evaluate_campaign(plan, orders=_orders(plan, gains), start=START, end=END)
    truth = 3.0 * (plan.table["status"] == TREATED).sum()  # 6 gained, 3 spent
    assert result.total_profit.low < truth < result.total_profit.high
    assert result.verdict == "paid"
    assert result.comparisons["conversion"].difference.value == pytest.approx(0.06, abs=0.01)
    assert list(result.by_offer) == ["dear"]
    json.dumps(to_json(result), allow_nan=False)


def test_campaign_that_only_gave_money_away_is_said_to_have_lost():
    plan, gains = _plan(60_000)
    result = evaluate_campaign(plan, orders=_orders(plan, gains, effect=0.0), start=START, end=END)
    assert result.verdict == "lost money"
    assert "it lost money" in result_summary(result, language("en"))


def test_offers_earn_what_the_test_says_and_rare_ones_are_not_judged_alone():
    rng = np.random.default_rng(0)
    is_moved = np.random.default_rng(0).integers(2, size=20_000)
    evidence = Evidence(
        np.where(is_moved[:5_000, None] == 1, [2.0, 6.0], [-1.0, -3.0]),
        np.where(is_moved[:5_000, None] == 1, [2.0, 6.0], [-1.0, -3.0]) + rng.normal(0, 30, (5_000, 2)),
        np.array([1.0, 3.0]),
    )
    plan, _ = _plan(evidence=evidence)
    assert list(plan.offer_profits) == ["dear"]
    assert plan.offer_profits["dear"].low == pytest.approx(plan.expected_profit.low)
    few = dataclasses.replace(evidence, gains=np.where(np.arange(5_000)[:, None] < 12, [2.0, 6.0], [-1.0, -3.0]))
    rare, _ = _plan(evidence=few)
    assert rare.offer_profits == {}
    assert np.isfinite(rare.expected_profit.low)


def test_sending_is_part_of_the_cost():
    plan, gains = _plan(60_000)
    orders = _orders(plan, gains)
    free = evaluate_campaign(plan, orders=orders, start=START, end=END)
    paid = evaluate_campaign(dataclasses.replace(plan, send_costs={"dear": 2.0}), orders=orders, start=START, end=END)
    num_treated = (plan.table["status"] == TREATED).sum()
    assert paid.total_profit.value == pytest.approx(free.total_profit.value - 2.0 * num_treated, rel=1e-6)
    assert paid.comparisons["margin"].difference == free.comparisons["margin"].difference


def test_levels_are_what_users_had_and_no_discount_is_below_zero():
    plan, gains = _plan(20_000)
    orders = _orders(plan, gains)
    # Held-out users bought more before, with a discount: what is adjusted for must not enter their level.
    past = orders["timestamp"] < START
    orders.loc[past, "discount"] = 50.0
    found = evaluate_campaign(plan, orders=orders, start=START, end=END).comparisons["discount"]
    assert found.control.value == 0.0
    assert found.treatment.value == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize("num_held", [pytest.param(1, id="one"), pytest.param(29, id="29")])
def test_fewer_than_thirty_held_out_users_give_no_verdict_and_no_interval(num_held):
    plan, gains = _plan(400, holdout_share=0.3)
    is_held = (plan.table["status"] == HELD_OUT).to_numpy()
    table = plan.table[~is_held | (np.cumsum(is_held) <= num_held)]
    share = num_held / table["is_compared"].sum()
    orders = _orders(plan, gains)
    plan = dataclasses.replace(plan, table=table, holdout_share=share)
    found = evaluate_campaign(plan, orders=orders, start=START, end=END)
    assert found.verdict == "too small"
    assert all(np.isnan(one.difference.value) for one in [*found.comparisons.values(), *found.by_offer.values()])
    assert np.isfinite(found.comparisons["profit"].treatment.value)
    assert found.calibration.empty
    text = result_text(found, language("en"))
    assert "no verdict, for it needs 30 held-out users" in text
    assert f"too few: {num_held} held out" in text
    assert "nan" not in text and "%  interval" not in text
    json.dumps(to_json(found), allow_nan=False)


def test_parts_of_the_calibration_have_thirty_held_out_users_each():
    rng = np.random.default_rng(2)
    n = 1_000
    users = [f"u{i}" for i in range(n)]
    plan = plan_campaign(
        users, rng.gamma(2.0, 2.0, (n, 1)), np.array([0.1]), name="x", offers=["o"], budget=1e6, holdout_share=0.1
    )
    num_held = (plan.table["status"] == HELD_OUT).sum()
    orders = pd.DataFrame(
        {"user_id": users, "timestamp": START, "revenue": 3.0, "margin": rng.gamma(1.0, 1.0, n), "discount": 0.0}
    )
    found = evaluate_campaign(plan, orders=orders, start=START, end=END, pre_days=0)
    assert len(found.calibration) == num_held // 30
    assert found.calibration["n"].sum() <= n
    assert found.calibration["predicted"].is_monotonic_increasing


def test_reach_is_not_known_without_impressions():
    plan, gains = _plan(4_000)
    found = evaluate_campaign(plan, orders=_orders(plan, gains), start=START, end=END)
    assert np.isnan(found.reached) and np.isnan(found.per_reached.value)
    summary = result_summary(found, language("en"))
    assert "100%" not in summary and "not known without --impressions" in summary


def test_impressions_give_reach_and_leaks():
    plan, gains = _plan(4000)
    treated = plan.table.loc[plan.table["status"] == TREATED, "user_id"]
    leaked = plan.table.loc[plan.table["status"] == HELD_OUT, "user_id"].head(7)
    seen = pd.concat([treated.iloc[::2], leaked])
    impressions = pd.DataFrame({"user_id": seen, "timestamp": START})
    result = evaluate_campaign(plan, orders=_orders(plan, gains), start=START, end=END, impressions=impressions)
    assert result.reached == pytest.approx(0.5, abs=0.01)
    assert result.contaminated == 7
    assert "7 held-out users saw" in result_summary(result, language("en"))
    assert result.per_reached.value == pytest.approx(2 * result.comparisons["profit"].difference.value, rel=0.01)


def test_lost_users_make_the_evaluation_invalid():
    plan, gains = _plan(20_000)
    table = plan.table.drop(plan.table.index[(plan.table["status"] == HELD_OUT)][:600])
    result = evaluate_campaign(
        dataclasses.replace(plan, table=table), orders=_orders(plan, gains), start=START, end=END
    )
    assert result.verdict == "invalid"


def test_orders_of_a_shop_split_margin_and_discount():
    events = conform(
        pd.DataFrame({"user_id": ["u"], "item_id": ["a"], "event_type": ["purchase"], "timestamp": [START],
                      "quantity": [2.0], "price": [8.0]}),
        EVENT_COLUMNS, table="events",
    )  # fmt: skip
    items = conform(pd.DataFrame({"item_id": ["a"], "price": [10.0], "margin": [0.4]}), ITEM_COLUMNS, table="items")
    users = conform(pd.DataFrame({"user_id": ["u"]}), USER_COLUMNS, table="users")
    row = orders_of(Tables(events, items, users)).iloc[0]
    assert (row.revenue, row.margin, row.discount) == pytest.approx((16.0, 8.0, 4.0), rel=1e-6)


def test_errors_name_the_cause(tmp_path):
    with pytest.raises(ConfigError, match="Without a hold-out"):
        _plan(100, holdout_share=0.0)
    with pytest.raises(SchemaError, match="each user once"):
        plan_campaign(["a", "a"], np.ones((2, 1)), np.ones(1), name="x", offers=["o"], budget=1.0)
    with pytest.raises(SourceError, match="no campaign plan"):
        read_plan(tmp_path)
