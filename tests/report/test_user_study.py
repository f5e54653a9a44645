import json

import pandas as pd
import pytest

from tests.analysis.shops import shop
from tfrec.errors import ConfigError
from tfrec.report.absent import Absent
from tfrec.report.profile_page import profile_page, profile_text
from tfrec.report.user_study import study_user
from tfrec.report.words import language
from tfrec.schema.json_values import to_json
from tfrec.schema.tables import RETURN_COLUMNS, Tables, conform

ITEMS = {
    "item_id": ["cam", "cam2", "pan"],
    "title": ["Camera <X1>", "Camera X2", "Pan"],
    "category": ["Photo > Cameras", "Photo > Cameras", "Kitchen"],
}


@pytest.fixture(scope="module")
def photo_shop() -> Tables:
    """Thirty buyers of pans, and `u`, who bought a camera and a pan and returned the pan, and came back for another."""
    pans = [(f"b{n}", "pan", day, 20.0, "purchase", f"o{n}-{day}") for n in range(30) for day in (n, n + 40)]
    own = [
        ("u", "cam", 10.0, 400.0, "purchase", "first"),
        ("u", "pan", 10.0, 20.0, "purchase", "first"),
        ("u", "cam", 55.0, 380.0, "purchase", "second"),
        ("w", "cam", 60.0, 0.0, "view", ""),
        ("", "pan", 100.0, 0.0, "view", ""),
    ]
    columns = ["user_id", "item_id", "days", "price", "event_type", "order_id"]
    users = {"user_id": ["u", *(f"b{n}" for n in range(30)), "w"], "city": ["Bonn & Köln"] + [""] * 31}
    whole = shop(pd.DataFrame([*pans, *own], columns=columns).to_dict("list"), ITEMS, users)
    bought = whole.purchases[(whole.purchases["user_id"] == "u") & (whole.purchases["item_id"] == "pan")]
    back = bought.assign(bought_at=bought["timestamp"], timestamp=bought["timestamp"] + pd.Timedelta(days=3))
    returns = conform(back[list(RETURN_COLUMNS)].reset_index(drop=True), RETURN_COLUMNS, table="returns")
    return Tables(whole.events, whole.items, whole.users, returns=returns)


def test_a_buyer_is_shown_whole(photo_shop):
    arms = pd.DataFrame({"user_id": ["u", "b1"], "arm": ["bold", "control"]})
    study = study_user(photo_shop, "u", assigned={"page": arms, "mail": arms.iloc[1:]})
    assert study.orders["order_id"].tolist() == ["second", "first"]
    assert study.orders["value"].tolist() == [380, 400]  # net: the pan went back
    assert study.orders["items"].tolist() == [["Camera <X1>"], ["Camera <X1>"]]
    assert study.returned == {"pieces": 1.0, "value": 20.0}
    assert study.behaviour["num_orders"] == 2
    assert study.attributes == {"city": "Bonn & Köln"}
    assert study.experiments.to_dict("list") == {"name": ["page", "mail"], "arm": ["bold", ""]}
    assert [offer["name"] for offer in study.by_content] == ["Camera X2"]
    assert "cam" in study.due["item_id"].tolist()
    assert 0 < study.churn["returns"] < 1
    assert study.value["rank"] == 1
    text = profile_text(study, language("en"))
    assert "2 orders since 2024-01-11, the last on 2024-02-25, worth 780.00" in text
    assert "Pieces returned: 1, worth 20.00" in text


def test_the_page_holds_no_foreign_markup(photo_shop):
    study = study_user(photo_shop, "u")
    for code in ("en", "zh"):
        page = profile_page(study, language(code))
        assert "Camera &lt;X1&gt;" in page and "Bonn &amp; Köln" in page
        assert "<X1>" not in page
        assert "nan" not in page.lower().replace("finan", "")
    assert json.dumps(to_json(study), allow_nan=False)


def test_a_visitor_has_interests_and_no_orders(photo_shop):
    study = study_user(photo_shop, "w")
    assert study.orders.empty and study.due.empty
    assert study.churn == Absent("") and study.value == Absent("")
    text = profile_text(study, language("en"))
    assert "No order. Events: 1 since 2024-03-01" in text
    assert "Photo" in text
    assert "nan" not in text


def test_an_unknown_user_is_an_error_that_names_the_nearest(photo_shop):
    with pytest.raises(ConfigError, match="Did you mean 'b1'"):
        study_user(photo_shop, "b1 ")
