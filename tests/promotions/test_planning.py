"""A test of offers whose answer is known → a plan; and the plan's files."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.promotions.campaign import HELD_OUT, LEFT_ALONE, TREATED
from tfrec.promotions.learned_offers import learn_from_test
from tfrec.promotions.offer_log import OfferLog, read_file_test
from tfrec.promotions.planning import PlanConfig, plan_from_scores, plan_from_test
from tfrec.report.terminal.campaigns import advice_lines, plan_summary
from tfrec.report.words import language

COSTS = {"cheap": 0.5, "dear": 1.0}
N = 2_700


@pytest.fixture(scope="module")
def table():
    """Keen users earn 6 more by `dear` (2 by `cheap`), put-off ones visit and buy less; colour means nothing."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["keen", "cool", "put off"], N, p=[0.4, 0.35, 0.25])
    arm = rng.choice(["none", "cheap", "dear"], N)
    lift = {"none": (0, 0, 0), "cheap": (0.2, 0, -0.2), "dear": (0.4, 0, -0.25)}
    kinds = ["keen", "cool", "put off"]
    change = np.array([lift[a][kinds.index(k)] for a, k in zip(arm, kind, strict=True)])
    visit = rng.random(N) < 0.4 + change
    margin = np.where(visit, 15.0, 0.0) * rng.uniform(0.8, 1.2, N)
    return pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(N)],
            "arm": arm,
            "visit": visit.astype(int),
            "margin": margin,
            "kind": kind,
            "colour": rng.choice(["red", "blue"], N),
        }
    )


@pytest.fixture(scope="module")
def log(table, tmp_path_factory) -> OfferLog:
    path = tmp_path_factory.mktemp("test") / "test.csv"
    table.to_csv(path, index=False)
    return read_file_test(path)


@pytest.fixture(scope="module")
def learned(log):
    return learn_from_test(log, outcome="margin")


@pytest.fixture(scope="module")
def found(learned):
    return plan_from_scores(learned, PlanConfig(name="spring", budget=500.0, send_costs=COSTS, holdout_share=0.1))


def test_offers_go_to_those_they_move_and_never_to_those_they_put_off(found, table):
    merged = found.plan.table.merge(table[["user_id", "kind"]], on="user_id")
    treated = merged[merged["status"] == TREATED]
    assert (treated["kind"] == "keen").mean() > 0.99
    assert (treated["offer"] == "cheap").mean() + (treated["offer"] == "dear").mean() == 1
    assert (merged.loc[merged["kind"] == "put off", "status"] == LEFT_ALONE).all()
    # Those who are put off and those for whom an offer does not pay are two numbers.
    kinds = table["kind"].value_counts()
    assert kinds["put off"] <= found.put_off < kinds["put off"] + kinds["cool"]  # no effect may be predicted as one
    assert found.too_dear > 0
    assert found.put_off + found.too_dear == pytest.approx(kinds["put off"] + kinds["cool"], rel=0.05)
    assert found.put_off + found.too_dear + found.come_after == (merged["status"] == LEFT_ALONE).sum()


def test_budget_hold_out_and_promise_hold(found):
    assert found.plan.table["cost"].sum() <= 500.0
    status = found.plan.table["status"].value_counts()
    assert status[HELD_OUT] / (status[HELD_OUT] + status[TREATED]) == pytest.approx(0.1, abs=0.04)
    # 40 more visits in 100 by the dear offer at 15 each, less its cost of 1: 5 a user.
    truth = 5.0 * (found.plan.table["offer"] == "dear")[found.plan.table["status"] == TREATED].sum()
    truth += 2.5 * (found.plan.table["offer"] == "cheap")[found.plan.table["status"] == TREATED].sum()
    promise = found.plan.expected_profit
    assert promise.low < truth < promise.high
    assert found.spending.worst == found.spending.ceiling == pytest.approx(found.plan.cost)


@pytest.mark.slow
def test_face_values_make_the_budget_a_guarantee(log):
    capped = log.with_face_values({"cheap": 5.0, "dear": 10.0})
    found = plan_from_test(capped, PlanConfig(name="s", budget=1_000.0))
    sent = found.plan.table[found.plan.table["status"] == TREATED]
    assert sent["offer"].map({"cheap": 5.0, "dear": 10.0}).sum() == found.spending.worst <= 1_000.0
    assert found.cost_kind == "face value" and not found.spending.is_known


def test_the_hold_out_is_as_large_as_the_wanted_profit_needs(learned):
    config = PlanConfig(name="spring", budget=500.0, send_costs=COSTS)
    usual = plan_from_scores(learned, config)
    assert usual.power.shows_wanted
    assert usual.power.wanted == pytest.approx(usual.plan.expected_profit.value / usual.plan.users[TREATED])
    small = plan_from_scores(learned, dataclasses.replace(config, effect=1.5))
    assert small.plan.holdout_share > usual.plan.holdout_share
    assert small.power.shows_wanted and small.power.per_user <= 1.5
    too_small = plan_from_scores(learned, dataclasses.replace(config, effect=0.1))
    assert not too_small.power.shows_wanted
    text = plan_summary(too_small, language("en"))
    assert "The profit to be shown, 0.10 per user, is smaller" in text
    assert f"{too_small.power.users_needed:,} treated and held-out ones" in text
    fixed = plan_from_scores(learned, dataclasses.replace(config, effect=1.5, holdout_share=0.1))
    assert fixed.plan.holdout_share == 0.1
    assert f"--hold-out {fixed.power.share_needed:.0%}" in plan_summary(fixed, language("en"))


def test_a_plan_that_is_not_shown_to_pay_says_so_first(learned):
    found = plan_from_scores(learned, PlanConfig(name="spring", budget=500.0, send_costs=COSTS))
    assert found.promise == "pays"
    assert plan_summary(found, language("en")).startswith("spring: ")
    profit = found.plan.expected_profit
    for value, promise, first in (
        (dataclasses.replace(profit, value=5.0, low=-1.0, high=11.0), "not shown", "Do not send this campaign to earn"),
        (dataclasses.replace(profit, value=-5.0, low=-9.0, high=-1.0), "loses", "Do not send this campaign: the test"),
    ):
        other = dataclasses.replace(found, plan=dataclasses.replace(found.plan, expected_profit=value))
        assert other.promise == promise
        assert plan_summary(other, language("en")).startswith(first)
        assert other.to_json()["promise"] == promise


def test_each_offer_states_the_profit_of_the_test_alone(found):
    rows = found.by_offer().set_index("offer").loc[found.made]
    assert rows["expected"].sum() == pytest.approx(found.plan.expected_profit.value)
    assert (rows["low"] < rows["expected"]).all() and (rows["expected"] < rows["high"]).all()


def test_an_offer_for_a_few_is_not_made(learned):
    found = plan_from_scores(learned, PlanConfig(name="s", budget=60.0, send_costs=COSTS, min_users=50))
    counts = found.plan.table.loc[found.plan.table["status"] == TREATED, "offer"].value_counts()
    assert counts.min() >= 50
    with pytest.raises(ConfigError, match="No offer reaches 50 users"):
        plan_from_scores(learned, PlanConfig(name="s", budget=3.0, send_costs=COSTS))


def test_others_than_the_tested_are_planned_for_and_the_excluded_left_out(learned, table):
    others = table.assign(user_id="new" + table["user_id"])[["user_id", "kind", "colour"]].head(2_000)
    keen = others.loc[others["kind"] == "keen", "user_id"]
    excluded = frozenset(keen.head(100))
    config = PlanConfig(name="s", budget=1e6, send_costs=COSTS)
    found = plan_from_scores(learned, config, users=learned.score(others), excluded=excluded)
    treated = set(found.plan.table.loc[found.plan.table["status"] == TREATED, "user_id"])
    assert not treated & excluded
    assert len(treated & set(keen)) > 0.8 * (len(keen) - 100)
    assert not treated & set(others.loc[others["kind"] == "put off", "user_id"])


def test_money_must_be_named(log, learned):
    with pytest.raises(ConfigError, match="worth"):
        plan_from_test(log, PlanConfig(name="s", budget=1.0, outcome="visit"))
    with pytest.raises(ConfigError, match="Did you mean 'visit'"):
        plan_from_test(log, PlanConfig(name="s", budget=1.0, outcome="vist"))
    with pytest.raises(ConfigError, match="no offer of the test"):
        plan_from_scores(learned, PlanConfig(name="s", budget=1.0, send_costs={"chaep": 1.0}))
    with pytest.raises(ConfigError, match="dear is missing"):
        log.with_face_values({"cheap": 1.0})
    with pytest.raises(ConfigError, match="needs to know what offers cost"):
        plan_from_scores(learned, PlanConfig(name="s", budget=1.0, budget_in="expected cost"))
    with pytest.raises(ConfigError, match="has no discounts"):
        log.with_face_values()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda t: t.drop(columns="arm"), "no column 'arm'", id="no arm"),
        pytest.param(lambda t: t.assign(arm="dear"), "'none' or 'control'; got dear", id="no control"),
        pytest.param(lambda t: pd.concat([t, t.head(1)]), "must come once", id="a user twice"),
        pytest.param(lambda t: t.rename(columns={"user_id": "who"}), "No column names the users", id="no ids"),
        pytest.param(lambda t: t.drop(columns=["visit", "margin"]), "needs an outcome", id="no outcome"),
        pytest.param(
            lambda t: t.drop(columns=["kind", "colour"]), "has no attributes of the users", id="no attributes"
        ),
        pytest.param(lambda t: t.assign(margin="much"), "must be numbers", id="outcome that is text"),
    ],
)
def test_a_bad_file_is_named(change, message, table, tmp_path):
    change(table.head(500)).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SchemaError, match=message):
        read_file_test(tmp_path / "t.csv")


def test_a_coupon_named_by_its_percentage_gives_the_discount(table, tmp_path):
    spent = table.assign(arm=table["arm"].replace({"cheap": "coupon_10", "dear": "coupon_25"}), spend=90.0)
    spent.to_csv(tmp_path / "t.csv", index=False)
    log = read_file_test(tmp_path / "t.csv")
    assert log.cost_kind == "discount"
    taken = log.table.groupby("arm")["discount"].mean()
    assert taken.to_dict() == pytest.approx({"none": 0.0, "coupon_10": 10.0, "coupon_25": 30.0})
    profit = log.with_profit(outcome="spend", worth=0.5).table.groupby("arm")["profit"].mean()
    assert profit.to_dict() == pytest.approx({"none": 45.0, "coupon_10": 40.0, "coupon_25": 30.0})


@pytest.fixture(scope="module")
def coupons():
    """One coupon in five is used, for 10 or, one time in 25, for 50; whoever uses it would else have bought nothing."""
    rng = np.random.default_rng(1)
    arm = rng.choice(["none", "coupon"], 3_000)
    is_used = (arm == "coupon") & (rng.random(3_000) < 0.2)
    taken = np.where(is_used, np.where(rng.random(3_000) < 0.04, 50.0, 10.0), 0.0)
    table = pd.DataFrame({"user_id": [f"u{i}" for i in range(3_000)], "arm": arm, "discount": taken})
    table["margin"] = np.where(is_used, 40.0 - taken, 0.0)
    return OfferLog(
        table.assign(age=rng.integers(3, size=3_000)), ("none", "coupon"), ("margin",), ("age",), "discount"
    )


def test_the_budget_covers_every_coupon_used_to_the_full_unless_asked_otherwise(coupons):
    found = plan_from_test(coupons, PlanConfig(name="s", budget=3_000.0))
    assert found.plan.face_values == {"coupon": 10.0}  # 95 % of uses took off no more
    sent = (found.plan.table["status"] == TREATED).sum()
    assert found.spending.worst == sent * 10.0 <= 3_000.0
    assert sent == 300
    assert found.spending.expected.low < 300 * 0.2 * 10 < found.spending.expected.high < found.spending.ceiling + 60
    assert found.made == ["coupon"]
    assert found.to_json()["multi_armed_qini"]["n"] == 3_000


@pytest.mark.slow
def test_a_budget_in_expected_cost_reaches_more_and_is_kept_in_19_of_20_campaigns(coupons):
    found = plan_from_test(coupons, PlanConfig(name="s", budget=3_000.0, budget_in="expected cost"))
    sent = int((found.plan.table["status"] == TREATED).sum())
    assert sent > 1_000
    assert 2_700 < found.spending.ceiling <= 3_000.0 < found.spending.worst
    spent = 10.0 * np.random.default_rng(2).binomial(sent, 0.2, 10_000)
    assert (spent > 3_000.0).mean() <= 0.05
    surer = plan_from_test(coupons, PlanConfig(name="s", budget=3_000.0, budget_in="expected cost", risk=0.001))
    assert (surer.plan.table["status"] == TREATED).sum() < sent


@pytest.mark.slow
def test_a_dearer_offer_that_earns_no_more_than_the_cheap_one_is_not_made():
    rng = np.random.default_rng(3)
    arm = rng.choice(["none", "cheap", "dear"], N)
    kind = rng.choice(["keen", "cool"], N)
    buys = rng.random(N) < 0.1 + 0.2 * (arm != "none") * (kind == "keen")
    taken = buys * np.select([arm == "cheap", arm == "dear"], [2.0, 6.0], 0.0)
    table = pd.DataFrame({"user_id": [f"u{i}" for i in range(N)], "arm": arm, "discount": taken, "kind": kind})
    log = OfferLog(
        table.assign(margin=buys * 30.0 * rng.uniform(0.5, 1.5, N) - taken, noise=rng.normal(size=N)),
        ("none", "cheap", "dear"), ("margin",), ("kind", "noise"), "discount",
    )  # fmt: skip
    learned = learn_from_test(log, outcome="margin")
    config = PlanConfig(name="s", budget=4_000.0)
    found = plan_from_scores(learned, config)
    assert found.unproven == ("dear",)
    assert found.made == ["cheap"]
    assert set(found.plan.table["offer"]) == {"", "cheap"}
    bold = plan_from_scores(learned, dataclasses.replace(config, proof=-100.0))
    assert bold.unproven == ()


def test_a_dearer_offer_that_earns_more_is_made(learned):
    found = plan_from_scores(learned, PlanConfig(name="spring", budget=2_000.0, send_costs=COSTS))
    assert found.unproven == ()
    assert (found.plan.table["offer"] == "dear").sum() > 500


def test_a_capped_coupon_pays_the_rest_into_margin_and_spend(coupons):
    table = coupons.table.assign(spend=2 * coupons.table["margin"])
    capped = OfferLog(table, coupons.arm_names, ("margin", "spend"), ("age",), "discount").with_face_values()
    dear = table["discount"] == 50.0
    assert capped.table.loc[dear, "discount"].eq(10.0).all()
    assert (capped.table["margin"] - table["margin"])[dear].eq(40.0).all()
    assert (capped.table["spend"] - table["spend"])[dear].eq(40.0).all()
    assert (capped.table["margin"] == table["margin"])[~dear].all()


@pytest.mark.slow
def test_a_plan_that_spends_little_says_why_and_what_reaches_more(coupons):
    rng = np.random.default_rng(4)
    taken = np.where(coupons.table["discount"] > 0, rng.choice([4.0, 20.0], 3_000, p=[0.6, 0.4]), 0.0)
    table = coupons.table.assign(discount=taken, margin=np.where(taken > 0, 40.0 - taken, 0.0))
    percent = dataclasses.replace(coupons, table=table)
    config = PlanConfig(name="s", budget=6_000.0)
    found = plan_from_test(percent, config)
    assert found.plan.face_values == {"coupon": 20.0}
    use = found.uses["coupon"]
    assert (use.n, use.median) == ((table["arm"] == "coupon").sum(), 4.0)
    assert use.share == pytest.approx(0.2, abs=0.03)
    assert use.mean == pytest.approx(0.6 * 4 + 0.4 * 20, abs=0.8)
    assert found.limit == "caps"
    assert found.lower_caps == {"coupon": 4.0}
    text = plan_summary(found, language("en"))
    assert "cannot be exceeded" in text and "coupon 20.00" in text
    advice = "\n".join(advice_lines(found, language("en")))
    assert "coupon: 20.00 set aside" in advice and f"used it, and it then took off {use.mean:.2f}" in advice
    assert "--face-value coupon=4.00" in advice and "--budget-in expected-cost --risk 0.05" in advice
    assert found.to_json()["limit"] == "caps"
    # What it advises works: both reach more users than the plan, within the same budget.
    capped = plan_from_test(percent.with_face_values({"coupon": 4.0}), config)
    average = plan_from_test(percent, dataclasses.replace(config, budget_in="expected cost"))
    sent = [(plan.plan.table["status"] == TREATED).sum() for plan in (found, capped, average)]
    assert sent[1] > 3 * sent[0] and sent[2] > 2 * sent[0]
    assert plan_from_test(percent, dataclasses.replace(config, budget=1e6)).limit == "users"


@pytest.mark.slow
def test_a_plan_held_back_by_its_risk_says_so_and_what_reaches_more(coupons):
    rng = np.random.default_rng(4)
    taken = np.where(coupons.table["discount"] > 0, rng.choice([4.0, 20.0], 3_000, p=[0.6, 0.4]), 0.0)
    percent = dataclasses.replace(coupons, table=coupons.table.assign(discount=taken))
    config = PlanConfig(name="s", budget=600.0, budget_in="expected cost", min_users=10)
    held = plan_from_test(percent, config)
    share = held.spending.expected.value / 600
    assert held.is_held_by_risk and held.plan.price > 0 and held.spending.ceiling <= 600
    assert share < 0.95
    assert held.limit == "risk"
    (advice,) = advice_lines(held, language("en"))
    assert advice.startswith(f"{share:.0%} of the budget is expected to be spent, so that at most 5% of such")
    assert held.to_json()["is_held_by_risk"]
    # What it advises works.
    bold = plan_from_test(percent, dataclasses.replace(config, risk=0.4))
    capped = plan_from_test(percent.with_face_values({"coupon": 4.0}), config)
    sent = [(plan.plan.table["status"] == TREATED).sum() for plan in (held, bold, capped)]
    assert sent[1] > sent[0] and sent[2] > sent[0]
    ample = plan_from_test(percent, dataclasses.replace(config, budget=1e6))
    assert not ample.is_held_by_risk and ample.limit != "risk"


def test_a_plan_that_spends_its_budget_gives_no_advice(coupons):
    table = coupons.table
    spent = np.where(table["arm"] == "coupon", 10.0, 0.0)
    noisy = np.random.default_rng(2).normal(size=len(table))
    used = table.assign(discount=spent, margin=np.where(spent > 0, 30.0, 0.0) + noisy)
    everybody = dataclasses.replace(coupons, table=used)
    found = plan_from_test(everybody, PlanConfig(name="s", budget=3_000.0))
    assert found.plan.price > 0 and found.spending.ceiling > 2_400
    assert found.limit == ""
    paid_for_all = plan_from_test(everybody, PlanConfig(name="s", budget=28_500.0))
    assert paid_for_all.plan.price == 0 and paid_for_all.spending.worst > 0.8 * 28_500
    assert paid_for_all.limit == ""


def test_uses_that_all_take_off_the_same_need_no_lower_cap(coupons):
    taken = np.where(coupons.table["discount"] > 0, 10.0, 0.0)
    same = dataclasses.replace(coupons, table=coupons.table.assign(discount=taken))
    found = plan_from_test(same, PlanConfig(name="s", budget=3_000.0))
    advice = "\n".join(advice_lines(found, language("en")))
    assert found.lower_caps == {}
    assert "--budget-in expected-cost" in advice and "--face-value" not in advice


def test_a_file_of_a_test_states_the_caps_of_its_offers(coupons, tmp_path):
    path = tmp_path / "test.csv"
    stated = coupons.table.assign(max_discount=np.where(coupons.table["arm"] == "coupon", 50.0, np.nan))
    stated.to_csv(path, index=False)
    log = read_file_test(path)
    assert log.face_values == {"coupon": 50.0}
    assert "max_discount" not in log.attributes
    assert plan_from_test(log, PlanConfig(name="s", budget=3_000.0)).plan.cost % 50.0 == 0
    stated.assign(max_discount=stated["max_discount"].where(stated.index > 9, 5.0)).to_csv(path, index=False)
    with pytest.raises(SchemaError, match="one amount above 0 for all rows of coupon; got 5, 50"):
        read_file_test(path)
    stated.assign(max_discount=np.nan).to_csv(path, index=False)
    with pytest.raises(SchemaError, match="got none"):
        read_file_test(path)
    stated.assign(max_discount=-5.0).to_csv(path, index=False)
    with pytest.raises(SchemaError, match="above 0 for all rows of coupon; got -5"):
        read_file_test(path)
    third = stated["arm"].where(stated.index % 3 > 0, "voucher")  # of which nothing is stated
    stated.assign(arm=third, max_discount=np.where(third == "coupon", 50.0, np.nan)).to_csv(path, index=False)
    with pytest.raises(SchemaError, match="for all rows of voucher; got none"):
        read_file_test(path)


def test_a_budget_too_small_for_its_face_values_says_what_would_do(coupons):
    with pytest.raises(ConfigError, match=r"can cost 10\.00 a user, needs 500\.00"):
        plan_from_test(coupons, PlanConfig(name="s", budget=100.0))
