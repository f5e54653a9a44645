"""The coupon test and the slate log agree with the truth that is written beside them."""

import json

import numpy as np
import pandas as pd
import pytest

from tfrec.demo_shop import draw_slates


@pytest.fixture(scope="module")
def coupon_test(folder):
    return pd.read_csv(folder / "coupon_test.csv").merge(pd.read_csv(folder / "coupon_features.csv"), on="customer")


@pytest.fixture(scope="module")
def slates(folder):
    return pd.read_parquet(folder / "impressions.parquet")


def test_arms_are_balanced_in_number_and_kind(coupon_test):
    sizes = coupon_test["arm"].value_counts()
    assert sizes.max() - sizes.min() <= 1
    by_arm = coupon_test.groupby("arm")[["past_orders", "days_since_order", "newsletter"]]
    error = coupon_test[["past_orders", "days_since_order", "newsletter"]].std() * np.sqrt(2 / sizes.min())
    assert ((by_arm.mean().max() - by_arm.mean().min()) < 4 * error).all()


@pytest.mark.parametrize("outcome", ["visit", "conversion", "spend", "margin"])
@pytest.mark.parametrize("arm", ["coupon_10", "coupon_25"])
def test_mean_effect_is_the_mean_true_uplift(coupon_test, truth, arm, outcome):
    treated = coupon_test.loc[coupon_test["arm"] == arm, outcome]
    control = coupon_test.loc[coupon_test["arm"] == "none", outcome]
    error = np.sqrt(treated.var() / len(treated) + control.var() / len(control))
    true = truth.uplift.loc[truth.uplift["arm"] == arm, f"{outcome}_uplift"].mean()
    assert abs(treated.mean() - control.mean() - true) < 3.5 * error


def test_groups_react_as_they_are_called(coupon_test, truth):
    big = truth.uplift[truth.uplift["arm"] == "coupon_25"].set_index("user")
    coupon_test = coupon_test.assign(group=big["group"].reindex(coupon_test["customer"]).to_numpy())
    rate = coupon_test.groupby(["group", "arm"])["conversion"].mean().unstack()
    assert rate.loc["sleeping dog", "coupon_25"] < rate.loc["sleeping dog", "none"]
    assert rate.loc["persuadable", "coupon_25"] > rate.loc["persuadable", "none"] + 0.05
    assert (big.loc[big["group"] == "sure thing", "margin_uplift"] < 0).mean() > 0.5
    assert big["group"].value_counts(normalize=True).min() > 0.01


def test_outcomes_follow_from_each_other(coupon_test):
    assert (coupon_test["visit"] >= coupon_test["conversion"]).all()
    assert ((coupon_test["spend"] > 0) == (coupon_test["conversion"] == 1)).all()


def test_features_are_counted_from_the_log(coupon_test, clean):
    bought = clean[(clean["action"] == "bought") & (clean["customer"] != "")]
    orders = bought.groupby("customer")["order_no"].nunique()
    expected = orders.reindex(coupon_test["customer"], fill_value=0).to_numpy()
    assert (coupon_test["past_orders"].to_numpy() == expected).all()


def test_logged_probabilities_match_how_often_items_are_shown(truth):
    world = truth.slate_world
    rng = np.random.default_rng(0)
    context = np.full(60_000, 3)
    log = draw_slates(world, context=context, rng=rng)
    for place in range(3):
        shown = np.bincount(log.arms[:, place], minlength=10) / len(context)
        marginal = world.place_probabilities("logging")[3, :, place]
        assert np.abs(shown - marginal).max() < 0.01
    assert (np.sort(log.arms, axis=1)[:, 1:] != np.sort(log.arms, axis=1)[:, :-1]).all()


@pytest.mark.parametrize("policy", ["logging", "uniform", "popular", "personal"])
def test_true_value_is_what_a_policy_earns_when_it_runs(truth, policy):
    """The policy is run in the world by simulation: no propensity enters."""
    world = truth.slate_world
    rng = np.random.default_rng(1)
    context = rng.choice(len(world.contexts), 100_000, p=world.context_share)
    scores = world.policies[policy][context]
    arms = np.argsort(-(scores + rng.gumbel(size=scores.shape)), axis=1)[:, :3]
    clicks = rng.random(arms.shape) < world.relevance[context[:, None], arms] * world.attention
    earned = clicks.sum(axis=1)
    assert abs(earned.mean() - truth.policy_values[policy]) < 4 * earned.std() / np.sqrt(len(context))


@pytest.mark.parametrize("policy", ["uniform", "popular", "personal"])
def test_importance_weighting_the_written_log_finds_the_true_value(slates, truth, folder, policy):
    """Inverse propensity scoring of `impressions.parquet` as a user would do it, with `policies.json` alone."""
    stored = json.loads((folder / "truth" / "policies.json").read_text())
    scores = np.array(stored["policies"][policy]["scores"])
    arm = slates["product"].map({item: code for code, item in enumerate(stored["items"])}).to_numpy().reshape(-1, 3)
    context = slates["context"].to_numpy().reshape(-1, 3)[:, 0]
    weight = np.exp(scores[context])
    chosen = np.take_along_axis(weight, arm, axis=1)
    left = weight.sum(axis=1, keepdims=True) - np.pad(chosen.cumsum(axis=1)[:, :-1], ((0, 0), (1, 0)))
    ratio = (chosen / left).prod(axis=1) / slates["slate_probability"].to_numpy()[::3]
    value = ratio * slates["clicked"].to_numpy().reshape(-1, 3).sum(axis=1)
    assert abs(value.mean() - truth.policy_values[policy]) < 3.5 * value.std() / np.sqrt(len(value))
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(len(ratio)))


def test_personal_policy_is_worth_more_than_the_logging_one(truth):
    assert truth.policy_values["personal"] > truth.policy_values["logging"] + 0.02
    assert truth.policy_values["uniform"] < truth.policy_values["logging"]


def test_shown_slates_are_in_the_event_log(slates, clean):
    shown = clean[clean["action"] == "shown"]
    assert len(shown) == len(slates)
    assert set(zip(shown["session"], shown["product"], strict=True)) == set(
        zip(slates["session"], slates["product"], strict=True)
    )
    assert slates["customer"].ne("").all()
