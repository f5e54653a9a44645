"""`tfrec campaign`, `tfrec experiment` and `tfrec policy`, typed as in a shell."""

import json
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from tests.interruptions import stop_tfrec
from tfrec.cli import main
from tfrec.ingest.prepared import read_prepared
from tfrec.promotions.plan_files import read_plan


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return printed.out


@pytest.fixture(scope="module")
def planned(coupon_shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    (folder / "key").write_bytes(b"0123456789abcdef")
    arguments = ["campaign", "plan", coupon_shop, "--budget", "1600", "--name", "spring", "--out", folder / "spring"]
    assert main([str(part) for part in [*arguments, "--key", folder / "key", "--min-users", "20"]]) == 0
    return folder


@pytest.mark.slow
def test_a_plan_of_the_demo_shop_names_no_user_outside(planned, coupon_shop):
    plan = read_plan(planned / "spring")
    assert plan.cost <= 1_600
    assert set(plan.table["status"]) == {"treated", "held out", "left alone"}
    sent = pd.read_csv(planned / "spring" / "send.csv")
    assert list(sent.columns) == ["pseudonym", "offer"]
    assert len(sent) == (plan.table["status"] == "treated").sum()
    assert not set(sent["pseudonym"]) & set(plan.table["user_id"])
    stated = json.loads((planned / "spring" / "plan.json").read_text(encoding="utf-8"))
    assert stated["expected_profit"]["low"] < stated["expected_profit"]["value"] < stated["expected_profit"]["high"]
    assert stated["cost_kind"] == "face value"
    assert stated["spending"]["worst"] <= 1_600


def test_a_budget_in_expected_cost_reaches_more_users(planned, coupon_shop, tmp_path, capsys):
    arguments = ["--budget", "1600", "--name", "spring", "--out", tmp_path / "bold", "--min-users", "20"]
    printed = run(capsys, "campaign", "plan", coupon_shop, *arguments, "--budget-in", "expected-cost", "--risk", "0.1")
    assert "the chance of exceeding 1,600.00 EUR is at most 10%" in printed
    assert "Cost by the model" in printed
    bold, sure = read_plan(tmp_path / "bold"), read_plan(planned / "spring")
    assert (bold.table["status"] == "treated").sum() > (sure.table["status"] == "treated").sum()


def test_a_rehearsal_on_the_log_is_read_with_reach_by_pseudonyms(planned, coupon_shop, tmp_path, capsys):
    sent = pd.read_csv(planned / "spring" / "send.csv")
    opened = sent.head(len(sent) // 2)[["pseudonym"]].assign(timestamp="2025-11-02 10:00")
    opened.to_csv(tmp_path / "opened.csv", index=False)
    arguments = ["campaign", "read", planned / "spring", coupon_shop, "--from", "2025-11-01"]
    reached = ["--impressions", tmp_path / "opened.csv", "--key", planned / "key"]
    printed = json.loads(run(capsys, *arguments, *reached, "--json"))
    assert printed["reached"] == pytest.approx(0.5, abs=0.01)
    assert printed["contaminated"] == 0
    text = run(capsys, *arguments)
    assert "Conversion" in text
    assert "──" in text


def test_a_rehearsed_campaign_is_read_with_the_truth_beside(planned, coupon_shop, tmp_path, capsys):
    log = tmp_path / "after"
    printed = run(capsys, "campaign", "rehearse", planned / "spring", coupon_shop, "--out", log, "--seed", "1")
    assert f"tfrec campaign read {planned / 'spring'} {log}/orders.csv --from 2025-12-01" in printed
    truth = json.loads((log / "truth.json").read_text(encoding="utf-8"))
    reached = ["--from", "2025-12-01", "--impressions", log / "impressions.csv", "--json"]
    found = json.loads(run(capsys, "campaign", "read", planned / "spring", log / "orders.csv", *reached))
    assert found["total_profit"]["low"] < truth["profit"] < found["total_profit"]["high"]
    assert 0.5 < found["reached"] < 1
    caps = read_plan(planned / "spring").face_values
    paid = pd.read_csv(log / "orders.csv").query("timestamp >= '2025-12-01'")
    assert 0 < paid["discount"].max() <= max(caps.values())


def test_a_campaign_that_paid_is_said_to_have_paid(planned, tmp_path, capsys):
    table = read_plan(planned / "spring").table
    treated = table["status"] == "treated"
    orders = pd.DataFrame({"customer": table["user_id"], "timestamp": "2026-01-05", "margin": np.where(treated, 9, 2)})
    orders["margin"] += np.random.default_rng(0).normal(0, 1, len(orders))
    orders.assign(revenue=30.0).to_csv(tmp_path / "orders.csv", index=False)
    arguments = ["--from", "2026-01-01", "--until", "2026-01-15", "--pre-days", "0"]
    printed = json.loads(
        run(capsys, "campaign", "read", planned / "spring", tmp_path / "orders.csv", *arguments, "--json")
    )
    assert printed["verdict"] == "paid"
    profit = printed["comparisons"]["profit"]["difference"]
    assert profit["low"] < 7 < profit["high"]


def test_arms_are_assigned_and_read_from_the_log(coupon_shop, tmp_path, capsys):
    arms = tmp_path / "arms.csv"
    assigned = run(capsys, "experiment", "assign", coupon_shop, "--name", "page", "--out", arms)
    assert "No sample ratio mismatch" in assigned
    again = tmp_path / "again.parquet"
    run(capsys, "experiment", "assign", arms, "--name", "page", "--out", again)
    assert pd.read_parquet(again)["arm"].tolist() == pd.read_csv(arms)["arm"].tolist()
    arguments = ["--from", "2025-10-01", "--primary", "conversion,value", "--secondary", "value/orders"]
    guards = ["--guardrail", "visits=50%", "--segments", "device", "--out", tmp_path / "f.csv"]
    text = run(capsys, "experiment", "read", arms, coupon_shop, *arguments, *guards)
    assert "always valid" in text
    assert "differ by device" in text
    roles = pd.read_csv(tmp_path / "f.csv")["role"]
    assert set(roles) == {"primary", "secondary", "guardrail", "segment"}
    printed = json.loads(run(capsys, "experiment", "read", arms, coupon_shop, *arguments, "--json"))
    assert printed["verdict"] in ("ship", "do not ship", "undecided")
    assert set(printed["sequential"]) == {"treatment, conversion", "treatment, value"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_unequal_shares_travel_in_the_file(coupon_shop, tmp_path, capsys, ending):
    arms = tmp_path / f"arms.{ending}"
    printed = run(
        capsys, "experiment", "assign", coupon_shop, "--name", "x", "--arms", "a=80%,b=10%,c=10%", "--out", arms
    )
    command = re.search(r"tfrec (experiment read .+)", printed)[1].replace("DATE", "2025-10-01").split()
    assert command[-2:] == ["--control", "a"]
    text = run(capsys, *command)
    assert "b: invalid" not in text
    assert "No sample ratio mismatch" in text
    assert "invalid" in run(capsys, *command, "--shares", "a=1,b=1,c=1")


def test_users_first_seen_in_the_test_period_are_assigned(coupon_shop, tmp_path, capsys):
    run(capsys, "experiment", "assign", coupon_shop, "--name", "page", "--out", tmp_path / "arms.csv")
    assigned = set(pd.read_csv(tmp_path / "arms.csv", dtype="str")["user_id"])
    prepared = read_prepared(coupon_shop)
    assert assigned >= set(prepared.test.events["user_id"]) - {""}
    assert assigned >= set(prepared.train.users["user_id"])


def test_users_without_an_arm_are_counted_and_left_out(coupon_shop, tmp_path, capsys):
    arms = tmp_path / "arms.csv"
    run(capsys, "experiment", "assign", coupon_shop, "--name", "page", "--out", arms)
    table = pd.read_csv(arms)
    table.loc[:49, "arm"] = None
    table.to_csv(arms, index=False)
    text = run(capsys, "experiment", "read", arms, coupon_shop, "--from", "2025-10-01")
    assert "50 users have no arm" in text
    assert "nan" not in text
    tiny = table.dropna().groupby("arm").head(2)
    tiny.to_csv(tmp_path / "tiny.csv", index=False)
    text = run(capsys, "experiment", "read", tmp_path / "tiny.csv", coupon_shop, "--from", "2025-10-01")
    assert "no verdict. Each arm needs at least 30 users" in text


def test_a_table_of_metrics_and_lost_users_are_read(coupon_shop, tmp_path, capsys):
    test = coupon_shop / "extras" / "coupon_test.csv"
    assert "coupon_25" in run(capsys, "experiment", "read", test, "--primary", "visit")
    log = pd.read_csv(test)
    log[(log["arm"] != "none") | (log.index % 3 > 0)].to_csv(tmp_path / "lost.csv", index=False)
    assert "invalid" in run(capsys, "experiment", "read", tmp_path / "lost.csv", "--primary", "visit")


def test_checkpoints_are_read_all_at_once(tmp_path, capsys):
    checkpoints().to_csv(tmp_path / "c.csv", index=False)
    text = run(capsys, "experiment", "read", tmp_path / "c.csv", "--out", tmp_path / "v.csv")
    assert "better" in text
    assert pd.read_csv(tmp_path / "v.csv")["sequential"].tolist() == ["better"]


def test_designs_come_from_the_shop_or_a_baseline(coupon_shop, capsys):
    assert "──" in run(capsys, "experiment", "design", coupon_shop, "--effect", "20%")
    assert json.loads(
        run(capsys, "experiment", "design", coupon_shop, "--effect", "0.2", "--metric", "value", "--json")
    )
    assert "users in control" in run(capsys, "experiment", "design", "--baseline", "3%", "--effect", "5%")


def test_policies_are_judged_on_the_demo_shops_slates(coupon_shop, tmp_path, capsys):
    text = run(capsys, "policy", coupon_shop)
    assert "slate independent IPS" in text
    assert "true value" in text
    items = pd.read_parquet(coupon_shop / "extras" / "impressions.parquet")["product"].unique()
    pd.DataFrame({"product": items, "score": 0.0}).to_csv(tmp_path / "even.csv", index=False)
    arguments = ["--scores", tmp_path / "even.csv", "--rules", "uniform", "--no-bandits", "--json"]
    printed = json.loads(run(capsys, "policy", coupon_shop / "extras" / "impressions.parquet", *arguments))
    uniform, even = printed["policies"]
    assert even["slate"] == uniform["slate"]
    assert next(one for one in even["first"] if one["estimator"] == "DM")["value"]["low"] is None


CHINESE = {
    "campaign plan": ["campaign", "plan", "SHOP", "--budget", "1600", "--name", "s", "--out", "s", "--min-users", "20"],
    "campaign plan held by its risk": ["campaign", "plan", "SHOP", "--budget", "900", "--name", "s", "--out", "s",
                                       "--min-users", "20", "--budget-in", "expected-cost"],
    "campaign read": ["campaign", "read", "PLAN", "SHOP", "--from", "2025-11-01"],
    "campaign rehearse": ["campaign", "rehearse", "PLAN", "SHOP", "--out", "after"],
    "experiment design": ["experiment", "design", "SHOP", "--effect", "20%", "--treatments", "2"],
    "experiment design without a shop": ["experiment", "design", "--baseline", "3%", "--effect", "5%", "--treatments",
                                         "2"],
    "experiment assign": ["experiment", "assign", "SHOP", "--name", "page", "--arms", "a=40%,b=40%", "--out",
                          "arms.csv"],
    "experiment read": ["experiment", "read", "TEST", "--primary", "visit", "--secondary", "spend", "--guardrail",
                        "conversion=50%", "--segments", "device", "--out", "found.csv"],
    "experiment read of a log": ["experiment", "read", "arms.csv", "SHOP", "--from", "2025-10-01"],
    "experiment read of checkpoints": ["experiment", "read", "checkpoints.csv", "--out", "found.csv"],
    "policy": ["policy", "SHOP"],
}  # fmt: skip
_ENGLISH = re.compile(r"[A-Za-z]{3,} [a-z]{2,}|[a-z] (of|to|by|in|is|a) ")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", CHINESE.values(), ids=CHINESE)
def test_chinese_has_the_same_numbers_without_english_sentences(
    arguments, planned, coupon_shop, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    test = pd.read_csv(coupon_shop / "extras" / "coupon_test.csv")
    known = pd.read_csv(coupon_shop / "extras" / "coupon_features.csv")
    test.merge(known[["customer", "device"]], on="customer").to_csv("test.csv", index=False)
    checkpoints().to_csv("checkpoints.csv", index=False)
    if "arms.csv" in arguments and "assign" not in arguments:
        run(capsys, "experiment", "assign", coupon_shop, "--name", "page", "--out", "arms.csv")
    names = {"SHOP": coupon_shop, "PLAN": planned / "spring", "TEST": "test.csv"}
    given = [names.get(part, part) for part in arguments]
    printed = [run(capsys, *given, "--language", code) for code in ("en", "zh")]
    numbers = [Counter(re.findall(r"\d[\d,.]*\d|\d", text)) for text in printed]
    assert numbers[0] == numbers[1]
    assert run(capsys, *given) == printed[0]
    lines = [
        line for line in printed[1].splitlines() if "tfrec " not in line and " --" not in line and "：--" not in line
    ]
    assert [line for line in lines if _ENGLISH.search(line)] == []
    heads = [lines[place - 1] for place, line in enumerate(lines) if line.lstrip().startswith("──")]
    assert not re.search("[a-z]{4}", "".join(heads))


def checkpoints():
    return pd.DataFrame(
        {"experiment_id": "e", "count_c": n, "mean_c": 0.1, "variance_c": 0.09, "count_t": n, "mean_t": 0.12,
         "variance_t": 0.1, "time_since_start": n}
        for n in (5_000, 10_000, 20_000)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["campaign", "plan", "absent", "--budget", "1", "--name", "x", "--out", "x"], "tfrec prepare",
                     id="no test"),
        pytest.param(["campaign", "plan", "absent", "--budget=-5", "--name", "x", "--out", "x"], "budget must be",
                     id="negative budget, reported at once"),
        pytest.param(["campaign", "plan", "absent", "--budget", "5", "--risk", "2", "--name", "x", "--out", "x"],
                     "(0, 0.5]; got 2", id="no chance, reported at once"),
        pytest.param(["campaign", "plan", "SHOP", "--budget", "1", "--name", "x", "--out", "x", "--send-cost", "c"],
                     "NAME=NUMBER", id="cost without a number"),
        pytest.param(["campaign", "plan", "SHOP", "--budget", "1", "--name", "x", "--out", "x", "--outcome", "sales"],
                     "no outcome", id="unknown outcome"),
        pytest.param(["campaign", "read", "absent", "SHOP", "--from", "2025-11-01"], "campaign plan", id="no plan"),
        pytest.param(["experiment", "design", "SHOP", "--effect", "much"], "5%", id="effect that is no number"),
        pytest.param(["experiment", "design", "--effect", "5%"], "--baseline", id="neither shop nor baseline"),
        pytest.param(["experiment", "design", "SHOP", "--effect", "5%", "--metric", "sales"], "conversion",
                     id="unknown metric"),
        pytest.param(["experiment", "design", "SHOP", "--effect", "5%", "--traffic", "0"], "`--traffic` must",
                     id="no traffic"),
        pytest.param(["experiment", "design", "SHOP", "--effect", "5%", "--traffic", "300%"], "`--traffic` must",
                     id="more than all traffic"),
        pytest.param(["experiment", "design", "SHOP", "--effect", "5%", "--max-weeks", "0"], "`--max-weeks` must",
                     id="no weeks"),
        pytest.param(["experiment", "design", "SHOP", "--effect=-5%"], "--effect must", id="effect below 0"),
        pytest.param(["experiment", "design", "SHOP", "--effect", "nan"], "--effect takes", id="effect not a number"),
        pytest.param(["experiment", "design", "--baseline", "41", "--deviation=-3", "--effect", "5%"],
                     "--deviation must", id="deviation below 0"),
        pytest.param(["experiment", "design", "--baseline", "41", "--effect", "5%"], "Give `--deviation`",
                     id="no rate without deviation"),
        pytest.param(["experiment", "design", "--baseline", "60%", "--effect", "90%"], "`--effect` 0.9 would",
                     id="rate over 100 %"),
        pytest.param(["experiment", "design", "--baseline", "41", "--deviation", "3", "--effect", "5%", "--power", "2"],
                     "`--power` must", id="power over 100 %"),
        pytest.param(["experiment", "assign", "SHOP", "--name", "x", "--out", "a.xlsx"], ".csv or .parquet", id="form"),
        pytest.param(["experiment", "assign", "SHOP", "--name", "x", "--arms", "a=80%,b=30%", "--out", "a.csv"],
                     "at most 1", id="shares over 100 %"),
        pytest.param(["experiment", "read", "TEST", "--primary", "sales"], "no column 'sales'", id="unknown column"),
        pytest.param(["experiment", "read", "TEST"], "--primary", id="nothing that decides"),
        pytest.param(["experiment", "read", "TEST", "SHOP"], "--from", id="no first day"),
        pytest.param(["experiment", "read", "TEST", "SHOP", "--from", "soon"], "2025-12-01", id="no date"),
        pytest.param(["experiment", "read", "TEST", "SHOP", "--from", "2025-10-01", "--pre-days=-3"], "--pre-days must",
                     id="days before below 0"),
        pytest.param(["experiment", "read", "absent.csv", "--primary", "x"], "no file", id="no file"),
        pytest.param(["experiment", "read", "absent.xlsx", "--primary", "x"], ".parquet", id="unknown kind of file"),
        pytest.param(["policy", "SHOP", "--rules", "populr"], "'popular'", id="unknown rule"),
        pytest.param(["policy", "TEST"], "No column holds", id="not a log of slates"),
    ],
)  # fmt: skip
def test_an_error_says_what_to_do(arguments, message, coupon_shop, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"SHOP": str(coupon_shop), "TEST": str(coupon_shop / "extras" / "coupon_test.csv")}
    assert main([names.get(part, part) for part in arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_shop_of_guests_has_no_users_to_experiment_on(tmp_path, capsys):
    orders = [f"{order},item{order % 7},2025-0{1 + order % 6}-11 10:00,2.5" for order in range(60)]
    (tmp_path / "sales.csv").write_text("\n".join(["order,item,time,price", *orders]))
    (tmp_path / "sales.toml").write_text(
        'name = "sales"\n[events]\nfiles = ["sales.csv"]\nformat = "csv"\ntype = "purchase"\n[events.columns]\n'
        'order_id = "order"\nitem_id = "item"\ntimestamp = "time"\nprice = "price"\n[split]\ntest_days = 30\n'
    )
    shop = str(tmp_path / "guests")
    assert main(["prepare", str(tmp_path / "sales.toml"), "--out", shop]) == 0
    capsys.readouterr()
    out = str(tmp_path / "arms.csv")
    for arguments in (["design", shop, "--effect", "5%"], ["assign", shop, "--name", "x", "--out", out]):
        assert main(["experiment", *arguments]) == 2
        assert "of guests" in capsys.readouterr().err


@pytest.mark.parametrize(
    "action",
    [("campaign", "plan"), ("campaign", "read"), ("experiment", "design"), ("experiment", "assign"),
     ("experiment", "read")],
    ids=" ".join,
)  # fmt: skip
def test_each_action_teaches_with_examples(action, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*action, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"tfrec {' '.join(action)}" in text.split("examples:")[1]


def test_interrupting_a_plan_leaves_nothing(coupon_shop, tmp_path):
    arguments = ["campaign", "plan", coupon_shop, "--budget", "1600", "--name", "x", "--out", tmp_path / "x"]
    stopped = stop_tfrec(*arguments, "--min-users", "20", once="Learning from")
    assert stopped.status == 130
    assert "No plan was written" in stopped.stderr_text
    assert "Traceback" not in stopped.stderr_text
    assert list(tmp_path.iterdir()) == []
