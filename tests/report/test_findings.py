"""What the report's own analyses find in a shop whose truth is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.analysis.shop_figures import describe_shop
from tfrec.errors import SchemaError, SourceError
from tfrec.experiments.placements import judge_placements
from tfrec.ingest.prepared import read_prepared
from tfrec.promotions.coupon_findings import judge_coupon_test
from tfrec.promotions.discount_findings import judge_discounts
from tfrec.promotions.experiment_findings import plan_next_tests, read_coupon_test
from tfrec.report import study_shop, whole_log

pytestmark = pytest.mark.slow  # a whole shop is studied first


def test_shop_is_counted_from_orders_not_lines(coupon_shop):
    tables = whole_log(read_prepared(coupon_shop))
    found = describe_shop(tables)
    bought = tables.events[tables.events["event_type"] == "purchase"]
    assert found.num_orders == bought["order_id"].nunique()
    assert found.value == pytest.approx(float((bought["price"] * bought["quantity"]).sum()), rel=1e-5)
    assert found.months["orders"].sum() == found.num_orders
    assert found.order_value[1] < found.value / found.num_orders < found.order_value[2]
    assert found.repeat_share[1] < found.num_repeaters / found.num_buyers < found.repeat_share[2]
    assert found.categories["share"].sum() == pytest.approx(1)


def test_months_that_the_log_cuts_are_no_whole_ones(coupon_shop):
    tables = whole_log(read_prepared(coupon_shop))
    first, last = tables.events["timestamp"].iloc[[0, -1]]
    figures = describe_shop(tables).months
    for month, is_whole in zip(figures["month"], figures["is_whole"], strict=True):
        within = first <= month + pd.Timedelta(days=4) and last >= month + pd.offsets.MonthEnd(1) - pd.Timedelta(days=4)
        assert is_whole == within
    later = figures["month"].iloc[1] + pd.Timedelta(days=15)
    begun = describe_shop(dataclasses.replace(tables, events=tables.events[tables.events["timestamp"] >= later]))
    assert begun.months["month"].iloc[0] == figures["month"].iloc[1]
    assert not begun.months["is_whole"].iloc[0]


def test_no_allocation_costs_more_than_its_budget_and_more_budget_treats_more(findings):
    coupons = findings.coupons
    assert coupons.cost_kind == "discount"
    assert coupons.aim == "margin"
    assert coupons.allocation.cost <= coupons.allocation.budget
    assert coupons.budgets["treated"].is_monotonic_increasing
    assert coupons.budgets["expected"].is_monotonic_increasing
    assert (
        (coupons.budgets["low"] <= coupons.budgets["gain"]) & (coupons.budgets["gain"] <= coupons.budgets["high"])
    ).all()
    assert sum(coupons.counts.values()) == coupons.allocation.n == 700


def test_coupon_effects_are_those_of_the_arms_means(findings, coupon_shop):
    log = pd.read_csv(coupon_shop / "extras" / "coupon_test.csv")
    means = log.groupby("arm")["visit"].mean()
    figures = findings.coupons.effects.set_index(["outcome", "offer"])
    for offer in ("coupon_10", "coupon_25"):
        row = figures.loc[("visit", offer)]
        assert row["low"] < means[offer] - means["none"] < row["high"]


def test_a_small_coupon_test_is_absent_with_the_reason(coupon_shop, tmp_path):
    prepared = _with_extra(coupon_shop, tmp_path, "coupon_test", lambda log: log.head(90))
    with pytest.raises(SchemaError, match="200 users per arm"):
        judge_coupon_test(prepared)


def test_coupon_test_without_control_names_what_came(coupon_shop, tmp_path):
    prepared = _with_extra(coupon_shop, tmp_path, "coupon_test", lambda log: log.assign(arm="half"))
    with pytest.raises(SchemaError, match="'none' or 'control'; got half"):
        judge_coupon_test(prepared)


def test_the_rule_that_was_logged_is_valued_as_logged(coupon_shop, tmp_path):
    rng = np.random.default_rng(3)

    def world(log):  # one of two items at even odds; "a" is clicked by half, "b" by none
        log = log[log["position"] == 1]
        shown = rng.choice(["a", "b"], len(log))
        clicked = (shown == "a") & (rng.random(len(log)) < 0.5)
        return log.assign(product=shown, probability=0.5, clicked=clicked.astype(int))

    found = judge_placements(_with_extra(coupon_shop, tmp_path, "impressions", world))
    values = {policy.name: policy.best for policy in found.study.policies}
    assert values["uniform"].value.low < found.study.logged.value < values["uniform"].value.high
    assert values["popular"].value.low < 0.5 < values["popular"].value.high
    assert values["popular"].gain.is_positive
    assert found.items["item_id"].tolist() == ["a", "b"]
    assert found.study.num_slates == 500


def test_discounts_are_judged_by_what_users_did(findings):
    found = findings.discounts
    assert found.margin == pytest.approx(0.42, abs=0.01)
    assert found.choice.levels.max() <= 0.25
    assert found.groups["n"].sum() == 700
    assert ((found.groups["low"] <= found.groups["rate"]) & (found.groups["rate"] <= found.groups["high"])).all()
    assert found.worth.gain.low <= found.worth.gain.value <= found.worth.gain.high


def test_offers_that_are_no_discounts_have_no_levels(coupon_shop, tmp_path):
    def letters(log):
        return log.assign(arm=log["arm"].replace({"coupon_10": "letter", "coupon_25": "call"}))

    with pytest.raises(SchemaError, match="named by their percentage"):
        judge_discounts(_with_extra(coupon_shop, tmp_path, "coupon_test", letters))


def test_experiments_are_planned_from_the_log_and_the_coupon_test_is_read(findings):
    assert list(findings.experiments) == ["conversion", "value"]
    for duration in findings.experiments.values():
        assert duration.table["users"].is_monotonic_increasing
    read = findings.coupon_read
    assert set(read.verdicts) == {"coupon_10", "coupon_25"}
    assert {finding.metric for finding in read.of("primary")} == {"margin"}


def test_a_coupon_test_is_read_whether_or_not_the_log_is_long_enough_to_plan_the_next(coupon_shop):
    prepared = read_prepared(coupon_shop)
    events = prepared.train.events
    few_days = events[events["timestamp"] < events["timestamp"].iloc[0] + pd.Timedelta(days=5)]
    with pytest.raises(SchemaError, match="Lower `pre_weeks` or bring a longer log"):
        plan_next_tests(dataclasses.replace(prepared.train, events=few_days))
    assert set(read_coupon_test(prepared).verdicts) == {"coupon_10", "coupon_25"}


def test_impressions_without_propensities_name_the_missing_column(coupon_shop, tmp_path):
    prepared = _with_extra(coupon_shop, tmp_path, "impressions", lambda log: log.drop(columns="probability"))
    with pytest.raises(SchemaError, match="no column 'probability'"):
        judge_placements(prepared)


def test_a_wrong_folder_of_models_is_reported_before_anything_is_computed(coupon_shop, tmp_path):
    with pytest.raises(SourceError, match="tfrec train"):
        study_shop(read_prepared(coupon_shop), models=tmp_path / "absent")


def _with_extra(path, folder, name, change):
    """The shop with one extra table changed."""
    prepared = read_prepared(path)
    source = prepared.extra(name)
    if source.suffix == ".parquet":
        change(pd.read_parquet(source)).to_parquet(folder / source.name)
    else:
        change(pd.read_csv(source)).to_csv(folder / source.name, index=False)
    extras = {**prepared.manifest.extras, name: str((folder / source.name).absolute())}
    return dataclasses.replace(prepared, manifest=dataclasses.replace(prepared.manifest, extras=extras))
