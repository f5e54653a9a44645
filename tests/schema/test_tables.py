import numpy as np
import pandas as pd
import pytest

from tests.worlds import START, bought, make_tables, viewed
from tfrec.errors import SchemaError
from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, Tables, as_id, category_levels, conform


@pytest.fixture
def tables():
    return make_tables([*bought("ann", 0, "a", "b"), *viewed("bob", 1, "a"), *bought("bob", 2, "b")])


def changed(tables, table, **columns):
    """The tables with columns of one of them replaced, as keyword arguments of `Tables`."""
    return {**vars(tables), table: getattr(tables, table).assign(**columns)}


def test_a_moment_parts_the_events(tables):
    moment = START + pd.Timedelta(days=1)
    before, after = tables.until(moment), tables.since(moment)
    assert before.events["item_id"].tolist() == ["a", "b"]
    assert after.events["event_type"].tolist() == ["view", "purchase"]
    assert before.items is after.items is tables.items
    assert len(tables.purchases) == 3


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        ("events", {"event_type": "buy"}, r"one of view, search, .*got \['buy'\].*\[events.types\]"),
        ("events", {"quantity": 1}, r"`events.quantity` must be float32; got int64.*`conform`"),
        ("events", {"item_id": [1, 2, 3, 4]}, "`events.item_id` must be str; got int64"),
        ("events", {"timestamp": list(pd.date_range(START, periods=4))[::-1]}, "`events.timestamp` must"),
        ("items", {"item_id": ["a", "a"]}, "`items` must hold each id once; 'a' and 0 more"),
        ("users", {"user_id": ["ann", "ann"]}, "`users` must hold each id once"),
    ],
    ids=["unknown event", "whole quantities", "ids as numbers", "time going back", "item twice", "user twice"],
)
def test_a_table_that_breaks_the_contract_is_refused(tables, table, columns, words):
    with pytest.raises(SchemaError, match=words):
        Tables(**changed(tables, table, **columns))


def test_events_that_go_back_in_time_are_refused(tables):
    with pytest.raises(SchemaError, match=r"`events\.timestamp` must ascend"):
        Tables(tables.events.iloc[::-1], tables.items, tables.users)


def test_a_missing_column_is_named(tables):
    with pytest.raises(SchemaError, match="missing: brand, margin"):
        Tables(tables.events, tables.items.drop(columns=["brand", "margin"]), tables.users)


def test_what_a_shop_does_not_know_is_filled():
    events = conform(pd.DataFrame({"item_id": ["a"], "timestamp": [START]}), EVENT_COLUMNS, table="events")
    row = events.iloc[0]
    assert list(events) == list(EVENT_COLUMNS)
    assert (row["user_id"], row["quantity"], row["order_id"]) == ("", 1.0, "")
    assert np.isnan(row["price"])
    item = conform(pd.DataFrame({"item_id": ["a"]}), ITEM_COLUMNS, table="items").iloc[0]
    assert item["image_index"] == -1 and np.isnan(item["stock"]) and pd.isna(item["available_from"])


def test_further_columns_stay_only_where_they_are_asked_for():
    users = pd.DataFrame({"user_id": ["ann"], "country": ["DE"]})
    assert list(conform(users, {"user_id": "str"}, table="users")) == ["user_id"]
    assert list(conform(users, {"user_id": "str"}, table="users", extra=True)) == ["user_id", "country"]


def test_what_cannot_be_read_as_its_type_is_named():
    with pytest.raises(SchemaError, match=r"`items\.price` must be float32; got"):
        conform(pd.DataFrame({"item_id": ["a"], "price": ["cheap"]}), ITEM_COLUMNS, table="items")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([17850.0, np.nan, 3.0], ["17850", "", "3"]),
        ([1.5, 2.0], ["1.5", "2.0"]),
        ([" a ", None, "b"], ["a", "", "b"]),
        ([7, 8], ["7", "8"]),
        ([True, False], ["True", "False"]),
    ],
    ids=["whole floats", "fractions", "blanks and gaps", "whole numbers", "truth values"],
)
def test_ids_become_text(values, expected):
    assert as_id(pd.Series(values)).tolist() == expected


def test_a_path_that_ends_early_stands_for_itself_below():
    levels = category_levels(pd.Series(["A > B > C", "A", ""]))
    assert levels.to_numpy().tolist() == [["A", "A > B", "A > B > C"], ["A", "A", "A"], ["", "", ""]]
    assert category_levels(pd.Series([], dtype="str")).shape == (0, 0)
