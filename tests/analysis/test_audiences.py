import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.shops import START, shop
from tfrec.analysis.audiences import (
    FIELDS,
    UserFacts,
    check_fields,
    compare_audiences,
    find_audience,
    gather_facts,
)
from tfrec.analysis.behaviour import describe_behaviour
from tfrec.analysis.interests import InterestConfig, measure_interests
from tfrec.analysis.segments import segment_by_rfm
from tfrec.errors import ConfigError
from tfrec.report.terminal.customers import audience_text
from tfrec.report.words import language
from tfrec.schema.json_values import to_json


@pytest.fixture
def facts():
    """u0..u9: user n ordered n times, last n days ago; even ones look at cameras; the first three live in the UK."""
    rows = [(f"u{n}", "cam" if n % 2 == 0 else "pan", "view", 10.0, "", 0.0) for n in range(10)]
    rows += [(f"u{n}", "pan", "purchase", 30.0 - n, f"{n}/{m}", 10.0) for n in range(10) for m in range(n)]
    columns = ["user_id", "item_id", "event_type", "days", "order_id", "price"]
    tables = shop(
        pd.DataFrame(rows, columns=columns).to_dict("list"),
        {"item_id": ["cam", "pan"], "category": ["Photo > Cameras", "Kitchen"]},
        {"user_id": [f"u{n}" for n in range(10)], "country": ["UK"] * 3 + ["France"] * 7, "age": np.arange(10) + 20},
    )
    now = START + pd.Timedelta(days=30)
    interests = measure_interests(tables, config=InterestConfig(view_weight=1.0), now=now)
    responses = {"SPRING": pd.Series(np.arange(10) / 100, index=[f"u{n}" for n in range(10)])}
    return gather_facts(tables, interests=interests, responses=responses, now=now)


def test_profit_is_compared_in_money_and_conversion_in_shares(facts):
    earned = pd.Series(np.arange(10) - 5.0, index=[f"u{n}" for n in range(10)]).drop("u9")
    known = dataclasses.replace(facts, profits={"SPRING": earned})
    users = find_audience(known, expression='response("SPRING", "Profit") > 1', min_users=1).user_ids
    assert users.tolist() == ["u7", "u8"]  # of u9, outside the test, nothing is known
    assert len(find_audience(known, expression='response("SPRING") > 1%', min_users=1)) == 8


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param(
            'response("SPRING", "profit") > 1', "No profit of an offer 'SPRING' is known", id="none predicted"
        ),
        pytest.param('response("SPRING", "margin") > 1', "has no 'margin'", id="unknown measure"),
        pytest.param('interest("Cameras", "profit") > 1', "'interest' has no 'profit'", id="not of a response"),
        pytest.param('response("SPRING", "profit") > 1%', "takes no unit", id="share of money"),
    ],
)
def test_what_is_no_profit_is_named(facts, expression, message):
    known = dataclasses.replace(facts, profits={"SPRING": facts.responses["SPRING"]} if "%" in expression else {})
    with pytest.raises(ConfigError, match=message):
        find_audience(known, expression=expression, min_users=1)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("recency < 3d", "12"),  # u0 never ordered: unknown is not below
        ("recency <= 1w and orders >= 3", "34567"),
        ("recency > 168h", "89"),
        ("value >= 80", "89"),
        ("orders = 2 or orders = 4", "24"),
        ("orders in (2, 4, 77)", "24"),
        ("not orders > 2", "012"),
        ("not (orders > 2 and orders < 8)", "01289"),
        ("orders < 2 or orders > 7 and value > 85", "019"),  # `and` binds stronger
        ("(orders < 2 or orders > 7) and value > 85", "9"),
        ('country = "uk"', "012"),
        ('country != "UK" AND age <= 24', "34"),
        ('country in ("UK", "France") and age > 28', "9"),
        ('interest("Cameras") > 0.1', "02468"),
        ('interest("Photo") > 10%', "02468"),
        ('response("SPRING") >= 8%', "89"),
        ("orders > -1", "0123456789"),
        ("recency != 3d", "12456789"),  # of u0 nothing is known
        ("not recency != 3d", "03"),
    ],
)
def test_expression_finds_its_users(facts, expression, expected):
    found = find_audience(facts, expression=expression, min_users=1)
    assert found.user_ids.tolist() == [f"u{digit}" for digit in expected]


@pytest.mark.parametrize("comparison", ["<= 1%", "> -1", "= 0", "!= 5%"])
def test_the_response_of_a_user_outside_the_test_is_unknown(facts, comparison):
    tested = {"SPRING": facts.responses["SPRING"].drop(["u0", "u1"])}
    found = find_audience(
        UserFacts(facts.users, facts.interests, tested), expression=f'response("SPRING") {comparison}', min_users=1
    )
    assert not {"u0", "u1"} & set(found.user_ids)


def test_segment_is_compared_without_case():
    rng = np.random.default_rng(0)
    tables = shop(
        {
            "user_id": [f"u{n}" for n in range(40)],
            "item_id": "a",
            "order_id": [str(n) for n in range(40)],
            "price": rng.random(40),
            "days": rng.random(40) * 300,
        }
    )
    segments = segment_by_rfm(tables)
    facts = gather_facts(tables, segments=segments)
    found = find_audience(facts, expression='segment = "lost"', min_users=1)
    truth = segments.assignments.loc[segments.assignments["segment"] == "Lost", "user_id"]
    assert found.user_ids.tolist() == sorted(truth)
    with pytest.raises(ConfigError, match="Did you mean 'Lost'"):
        find_audience(facts, expression='segment = "Losst"')


def test_an_unknown_field_is_reported_before_anything_is_measured():
    check_fields(
        'frequency > 3 and not (segment = "Lost" or interest("Shoes") > 0.1 or country = "UK")', attributes=["country"]
    )
    with pytest.raises(ConfigError, match=r"Nothing is known of 'land'.*country"):
        check_fields('orders > 3 and (value > 1 or land = "UK")', attributes=["country"])


def test_whatever_is_measured_of_a_user_may_be_named():
    measured = describe_behaviour(shop({"user_id": ["u"], "item_id": ["i"], "days": [0]})).columns
    for name in measured.difference(list(FIELDS.values())):
        check_fields(f"{name} > 1", attributes=[])


def test_frequency_is_what_rfm_calls_the_number_of_orders(facts):
    parsed = [
        find_audience(facts, expression=f"{name} >= 2", min_users=1).user_ids.tolist()
        for name in ("orders", "frequency")
    ]
    assert parsed[0] == parsed[1] != []


@pytest.mark.parametrize(
    ("expression", "message", "place"),
    [
        ("recency < 30", "needs a unit", 10),
        ("recency < 30x", "no unit", 12),
        ("orders < 3d", "takes no unit", 9),
        ("segment = loyal", "quotes", 10),
        ('value > "much"', "a number", 8),
        ('country = "UK', "not closed", 10),
        ("orders > 3 orders < 5", "Expected `and`", 11),
        ("orders > 3 and", "Expected what to compare", 14),
        ("(orders > 3", "Expected `)`", 11),
        ("orders 3", "Expected =", 7),
        ("ordres > 3", "Did you mean 'orders'", 0),
        ('country > "UK"', "compared with =", 0),
        ('country = "Frence"', "Did you mean 'France'", 10),
        ('orders > 1 and interest("Camera") > 0.1', "no user has an interest", 15),
        ('response("SPRNG") > 1%', "Did you mean 'SPRING'", 0),
        ("orders > 3; drop", "means nothing", 10),
        ("", "Expected what to compare", 0),
    ],
)
def test_mistake_is_pointed_at(facts, expression, message, place):
    with pytest.raises(ConfigError, match="(?i)" + message.replace("(", r"\(").replace(")", r"\)")) as caught:
        find_audience(facts, expression=expression)
    parsed, mark = str(caught.value).splitlines()[-2:]
    assert parsed[2:] == expression
    assert mark.index("^") - 2 == place


@given(st.text(alphabet="ab =<>()\"'0.d,not and or in", max_size=60))
def test_any_text_is_an_expression_or_a_clear_error(text):
    users = pd.DataFrame({"value": [1.0], "a": [2.0]}, index=pd.Index(["u"], name="user_id"))
    try:
        assert find_audience(UserFacts(users), expression=text).num_known == 1
    except ConfigError as error:
        assert "^" in str(error)


def test_deep_nesting_is_refused(facts):
    with pytest.raises(ConfigError, match="nested"):
        find_audience(facts, expression="(" * 100 + "orders > 1" + ")" * 100)


def test_clauses_count_what_each_leaves(facts):
    found = find_audience(
        facts, expression='country = "France" and (orders > 4 or orders < 2) and value >= 80', min_users=1
    )
    assert found.clauses["clause"].tolist() == ['country = "France"', "(orders > 4 or orders < 2)", "value >= 80"]
    assert found.clauses["alone"].tolist() == [7, 7, 2]
    assert found.clauses["remaining"].tolist() == [7, 5, 2]
    assert found.value_share == pytest.approx(17 / 45)


def test_small_audience_never_leaves_the_house(facts, tmp_path):
    found = find_audience(facts, expression="orders > 7", min_users=3)
    with pytest.raises(ConfigError, match="at least 3 users"):
        found.export(tmp_path / "out.csv", key=b"k" * 32)
    assert not (tmp_path / "out.csv").exists()
    parsed = to_json(found)
    assert parsed["num_users"] is None
    assert parsed["clauses"][0]["alone"] is None
    assert json.dumps(parsed, allow_nan=False)
    assert "Fewer than 3" in audience_text(found, language("en"))


def test_export_holds_pseudonyms_only(facts, tmp_path):
    found = find_audience(facts, expression="orders >= 5", min_users=5)
    found.export(tmp_path / "one.csv", key=b"a" * 32)
    found.export(tmp_path / "other.csv", key=b"b" * 32)
    one, other = (pd.read_csv(tmp_path / name, dtype=str) for name in ("one.csv", "other.csv"))
    assert one.columns.tolist() == ["pseudonym"]
    assert one["pseudonym"].nunique() == 5
    assert not set(one["pseudonym"]) & (set(other["pseudonym"]) | set(found.user_ids))
    with pytest.raises(ConfigError, match="16 bytes"):
        found.export(tmp_path / "short.csv", key=b"short")


def test_overlap_is_reported_where_it_is_large_enough(facts):
    audiences = {
        "many": find_audience(facts, expression="orders >= 4", min_users=2),
        "far": find_audience(facts, expression="recency >= 8d", min_users=2),
        "few": find_audience(facts, expression="orders in (0, 9)", min_users=2),
    }
    overlap = compare_audiences(audiences).set_index(["first", "second"])
    assert overlap.loc[("many", "far"), ["both", "of_first", "of_second"]].tolist() == [2, pytest.approx(2 / 6), 1.0]
    assert overlap.loc[("many", "far"), "jaccard"] == pytest.approx(2 / 6)
    assert np.isnan(overlap.loc[("many", "few"), "both"])  # one user alone could be made out
