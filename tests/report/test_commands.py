"""The commands on customers and demand, typed as in a shell."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from xml.etree import ElementTree

import pandas as pd
import pytest

from tfrec.cli import GROUPS, main

VERBS = ("interests", "segments", "associations", "forecast", "churn", "value")


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return printed.out


@pytest.mark.parametrize("verb", VERBS)
def test_json_for_machines_and_words_for_people(verb, coupon_shop, capsys):
    assert json.loads(run(capsys, verb, coupon_shop, "--json"))
    assert "──" in run(capsys, verb, coupon_shop)


@pytest.mark.parametrize("verb", [*VERBS, "audience"])
def test_chinese_has_the_same_numbers_without_english_words(verb, coupon_shop, capsys):
    expression = ["recency < 60d and orders > 1"] if verb == "audience" else []
    english = run(capsys, verb, coupon_shop, *expression)
    chinese = run(capsys, verb, coupon_shop, *expression, "--language", "zh")
    numbers = [Counter(re.findall(r"(?<![A-Z\d])\d[\d,.]*\d|\d", text)) for text in (english, chinese)]
    for counts in numbers:  # 95 % and 95%, 70 %: fixed
        assert counts.pop("70", 0) < 2
    assert numbers[0] == numbers[1]
    lines = chinese.splitlines()
    heads = [lines[place - 1] for place, line in enumerate(lines) if line.startswith("──")]
    assert not re.search("[a-z]{3}", "".join([lines[0], *heads]))
    widths = [[2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line] for line in heads]
    assert all(sum(width) >= len(line) for width, line in zip(widths, heads, strict=True))


def test_a_profile_page_is_written_in_chinese(coupon_shop, tmp_path, capsys):
    user = pd.read_parquet(coupon_shop / "events.parquet")["user_id"].value_counts().drop("", errors="ignore").index[0]
    run(capsys, "profile", coupon_shop, user, "--out", tmp_path / "p.html", "--language", "zh")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page and f"<title>{user} 的画像</title>" in page
    assert not re.search("core|regular|Score|Events", page)


def test_report_is_written_whole_with_its_json(coupon_shop, tmp_path, capsys):
    shop = tmp_path / "shop"  # a shop without a coupon test, which would take most of the time
    shutil.copytree(coupon_shop, shop)
    manifest = json.loads((shop / "manifest.json").read_text(encoding="utf-8"))
    (shop / "manifest.json").write_text(json.dumps({**manifest, "extras": {}}), encoding="utf-8")
    page, values = tmp_path / "new" / "report.html", tmp_path / "report.json"
    out = run(capsys, "report", shop, "--out", page, "--json", values, "--language", "zh")
    assert str(page) in out
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert json.loads(values.read_text(encoding="utf-8"))["evaluation"] == {"absent": ""}
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]


def test_profile_of_one_user(coupon_shop, tmp_path, capsys):
    events = pd.read_parquet(coupon_shop / "events.parquet")
    user = events.loc[events["event_type"] == "purchase", "user_id"].value_counts().drop("", errors="ignore").index[0]
    pd.DataFrame({"user_id": [user, "other"], "arm": ["bold", "control"]}).to_csv(tmp_path / "page.csv", index=False)
    profile = json.loads(
        run(capsys, "profile", coupon_shop, user, "--arms", tmp_path / "page.csv", "--offers", "--json")
    )
    assert profile["user_id"] == user
    assert profile["behaviour"]["num_orders"] >= len(profile["orders"]) > 1
    assert {"name": "page", "arm": "bold"} in profile["experiments"]
    took_part = any(test["arm"] for test in profile["experiments"] if test["name"] == "coupon_test")
    assert [offer["offer"] for offer in profile["offers"]] == (["coupon_10", "coupon_25"] if took_part else [])
    text = run(capsys, "profile", coupon_shop, user)
    assert f"{profile['behaviour']['value']:,.2f}" in text
    assert "Expected value within 90 days" in text
    run(capsys, "profile", coupon_shop, user, "--out", tmp_path / "p.html")
    assert user in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_profile_of_an_unknown_user_names_the_nearest(coupon_shop, capsys):
    assert main(["profile", str(coupon_shop), "u0000x"]) == 2
    assert "The log has no event of a user 'u0000x'" in capsys.readouterr().err


def test_segments_export_what_cold_start_needs(coupon_shop, tmp_path, capsys):
    run(capsys, "segments", coupon_shop, "--method", "kmeans", "--k", "3,4", "--export", tmp_path / "s")
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        ".tfrec.json",
        "users.parquet",
        "popular.parquet",
        "segments.json",
    }


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_tables_are_written_in_the_form_their_name_says(name, coupon_shop, tmp_path, capsys):
    for verb in ("associations", "forecast", "churn", "interests"):
        run(capsys, verb, coupon_shop, "--out", tmp_path / f"{verb}-{name}")
        written = tmp_path / f"{verb}-{name}"
        assert len(pd.read_csv(written) if name.endswith("csv") else pd.read_parquet(written))


def test_training_only_leaves_the_test_period_out(coupon_shop, capsys):
    whole = json.loads(run(capsys, "associations", coupon_shop, "--json"))
    part = json.loads(run(capsys, "associations", coupon_shop, "--json", "--training-only"))
    assert part["num_orders"] < whole["num_orders"]
    assert part["period"][1] < whole["period"][1]


def test_audience_is_counted_and_exported_under_pseudonyms(coupon_shop, tmp_path, capsys):
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    arguments = ["--export", tmp_path / "a.csv", "--key", tmp_path / "key"]
    printed = json.loads(run(capsys, "audience", coupon_shop, "orders >= 1", "--json", *arguments))
    names = pd.read_csv(tmp_path / "a.csv")["pseudonym"]
    assert printed["num_users"] == len(names) > 50
    assert not set(names) & set(pd.read_parquet(coupon_shop / "users.parquet")["user_id"])


def test_audience_knows_segments_interests_and_responses(coupon_shop, capsys):
    expression = (
        'segment != "Lost" and interest("Kitchen") >= 0 and response("order") > 1% and response("coupon_10") > -90%'
    )
    assert json.loads(run(capsys, "audience", coupon_shop, expression, "--json"))["num_users"] > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["audience", "SHOP", "value > 1e9", "--export", "a.csv"], "--key", id="export without a key"),
        pytest.param(["audience", "SHOP", "recency < 30"], "needs a unit", id="time without unit"),
        pytest.param(["audience", "SHOP", "(orders > 1"], "Expected `)`", id="not an expression"),
        pytest.param(["associations", "SHOP", "--out", "r.xlsx"], ".csv or .parquet", id="unknown form"),
        pytest.param(["segments", "SHOP", "--k", "3"], "--method kmeans", id="k without kmeans"),
        pytest.param(["forecast", "SHOP", "--horizon", "10"], "`--horizon`", id="horizon"),
        pytest.param(["associations", "SHOP", "--min-support", "7"], "`--min-support`", id="support over 1"),
        pytest.param(["interests", "SHOP", "--half-life", "0"], "`--half-life`", id="option of another name"),
        pytest.param(["report", "absent", "--out", "r.html"], "tfrec prepare", id="no prepared shop"),
        pytest.param(["report", "SHOP", "--models", "absent", "--out", "r.html"], "tfrec train", id="no models"),
    ],
)
def test_an_error_says_what_to_do(arguments, message, coupon_shop, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(coupon_shop) if argument == "SHOP" else argument for argument in arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_small_audience_never_leaves_the_house(coupon_shop, tmp_path, capsys):
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    status = main(
        [
            "audience",
            str(coupon_shop),
            "orders > 500",
            "--export",
            str(tmp_path / "a.csv"),
            "--key",
            str(tmp_path / "key"),
        ]
    )
    assert status == 2
    assert "at least 50 users" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()


def test_help_lists_every_verb_in_its_group_and_imports_nothing_heavy():
    code = "import sys; from tfrec.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'pandas', 'tensorflow', 'sklearn', 'matplotlib', 'jinja2', 'scipy'} & set(sys.modules)))"
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert text.rstrip().endswith("[]")
    for group, verbs in GROUPS.items():
        part = text.split(f"{group}:\n", 1)[1].split("\n\n")[0]
        assert [line.split()[0] for line in part.splitlines()] == [verb.__name__.rpartition(".")[2] for verb in verbs]


def test_audiences_are_compared(coupon_shop, capsys):
    arguments = ["audience", coupon_shop, "orders >= 1", "--against", "recency < 60d", "--against", "orders > 500"]
    found = json.loads(run(capsys, *arguments, "--json"))
    first, second = found["audiences"][:2]
    both = found["overlaps"][0]
    assert [one["expression"] for one in found["audiences"]] == ["orders >= 1", "recency < 60d", "orders > 500"]
    assert both["both"] == second["num_users"]  # who ordered lately has ordered
    assert both["of_first"] == pytest.approx(second["num_users"] / first["num_users"])
    assert found["overlaps"][1]["both"] is None  # too few to be reported
    assert "Share of the first" in run(capsys, *arguments)
    assert "占第一个" in run(capsys, *arguments, "--language", "zh")


def test_lookalikes_are_found_and_exported(coupon_shop, tmp_path, capsys):
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    arguments = ["audience", coupon_shop, "orders > 1", "--like", "60"]
    export = ["--export", tmp_path / "a.csv", "--key", tmp_path / "key"]
    found = json.loads(run(capsys, *arguments, *export, "--json"))
    assert found["lookalikes"]["num_users"] == len(pd.read_csv(tmp_path / "a.csv")) == 60
    assert found["lookalikes"]["auc_low"] > 0.5  # who orders often differs from who ordered once
    users = pd.read_parquet(coupon_shop / "users.parquet")["user_id"]
    pd.DataFrame({"user_id": users, "x": range(len(users)), "y": 1.0}).to_csv(tmp_path / "e.csv", index=False)
    text = run(capsys, *arguments, "--embeddings", tmp_path / "e.csv")
    assert "no better than chance" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["orders > 500", "--like", "60"], "at least 50 users", id="seeds too few"),
        pytest.param(["orders > 1", "--like", "3"], "--min-users, 50; got 3", id="fewer look-alikes than the floor"),
        pytest.param(["orders > 1", "--against", "orders > 2", "--like", "60"], "apart", id="both"),
        pytest.param(["orders > 1", "--embeddings", "e.csv"], "--like N", id="embeddings alone"),
    ],
)
def test_lookalikes_and_comparisons_say_what_they_need(arguments, message, coupon_shop, capsys):
    assert main(["audience", str(coupon_shop), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["segments", "associations", "forecast", "churn", "value"])
def test_a_picture_is_an_svg_of_its_own_in_light_and_dark(verb, coupon_shop, tmp_path, capsys):
    run(capsys, verb, coupon_shop, "--plot", tmp_path / "p.svg")
    text = (tmp_path / "p.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and root.get("viewBox")
    assert "prefers-color-scheme: dark" in text and "--model:" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_picture_of_another_kind_is_refused(coupon_shop, tmp_path, capsys):
    assert main(["churn", str(coupon_shop), "--plot", str(tmp_path / "p.png")]) == 2
    assert "--plot writes .svg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forecast", "SHOP", "--lead-days", "nan"], "--lead-days"),
        (["forecast", "SHOP", "--lead-days=-3"], "--lead-days"),
        (["campaign", "plan", "SHOP", "--budget", "9", "--name", " ", "--out", "OUT"], "--name is empty"),
        (["audience", "SHOP", 'response("nope", "profit") > 0'], "No profit of an offer 'nope' is known. Known: "),
        (["value", "SHOP", "--out", ""], "name of a file to be written is empty"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_learned(arguments, message, coupon_shop, tmp_path, capsys):
    words = {"SHOP": str(coupon_shop), "OUT": str(tmp_path / "out")}
    assert main([words.get(word, word) for word in arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Learning" not in printed.err
    assert printed.out == ""


def test_no_row_is_no_number_of_rows(coupon_shop, capsys):
    with pytest.raises(SystemExit):
        main(["forecast", str(coupon_shop), "--top", "-1"])
    assert "1 or more" in capsys.readouterr().err
