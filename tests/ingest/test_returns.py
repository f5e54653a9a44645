"""Returns: which purchase each takes back, and what stays as it was."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import HEADER, RECIPE, ROWS, parts_of, write_small_shop
from tfrec.errors import RecipeError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import PREPARED, Prepared, read_prepared
from tfrec.publish.contents import describe_contents
from tfrec.report import whole_log

SALES = [
    "1,7,A,2024-01-05 10:00:00,5,2.00,apple,DE",
    "2,7,A,2024-01-06 10:00:00,3,2.00,apple,DE",
    "3,7,A,2024-01-07 10:00:00,9,2.50,apple,DE",
    "4,8,A,2024-01-08 10:00:00,4,2.00,apple,DE",
    "5,8,C,2024-02-10 12:00:00,1,9.00,cake,DE",
    "6,9,D,2024-03-01 00:00:00,2,5.00,dates,AT",
]
RULE = '\n[[clean.drop]]\ncolumn = "order_id"\npattern = "^C"\nreason = "cancelled"\nis_return = true\n'


def prepare(folder: Path, rows: list[str], *, recipe: str = RECIPE, header: str = HEADER, extra: str = "") -> Prepared:
    path = write_small_shop(folder, rows=rows, recipe=recipe, header=header, extra=extra)
    return prepare_shop(path, folder / "prepared")


def kept_pieces(prepared: Prepared, now: str | None = None) -> dict[str, float]:
    """Returns order → pieces that were kept."""
    net = whole_log(prepared).net_purchases(None if now is None else pd.Timestamp(now))
    return net.groupby("order_id")["quantity"].sum().to_dict()


def test_latest_earlier_purchase_of_the_same_price_gives_its_pieces_first(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, [*SALES, "x1,7,A,2024-02-01 10:00:00,-4,2.00,apple,DE"])
    assert kept_pieces(prepared) == {"1": 4, "3": 9, "4": 4, "5": 1, "6": 2}
    counts = prepared.manifest.returns
    assert counts is not None
    assert (counts.rows, counts.pieces, counts.matched_pieces, counts.matched_value) == (1, 4, 4, 8)


def test_later_purchase_and_that_of_another_user_are_not_taken_back(tmp_path: Path) -> None:
    rows = [
        "x1,8,A,2024-01-07 10:00:00,-1,2.00,apple,DE",  # before user 8 bought any
        "x2,9,A,2024-02-01 10:00:00,-1,2.00,apple,DE",  # who never bought any
        "x3,7,A,2024-02-01 10:00:00,-20,2.50,apple,DE",  # more than were sold
    ]
    prepared = prepare(tmp_path, [*SALES, *rows])
    assert kept_pieces(prepared) == {"1": 5, "2": 3, "4": 4, "5": 1, "6": 2}
    counts = prepared.manifest.returns
    assert counts is not None
    assert (counts.pieces, counts.matched_pieces) == (22, 9)
    unmatched = prepared.train.returns[prepared.train.returns["bought_at"].isna()]
    assert sorted(unmatched["quantity"]) == [1, 1, 11]


def test_return_that_names_its_order_takes_that_one_back(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, [*SALES, "1,7,A,2024-02-01 10:00:00,-5,2.10,apple,DE"])
    assert kept_pieces(prepared) == {"2": 3, "3": 9, "4": 4, "5": 1, "6": 2}


def test_events_and_ledger_are_those_of_a_recipe_without_the_rule(tmp_path: Path) -> None:
    rows = [*SALES, "C7,7,A,2024-02-01 10:00:00,-3,2.00,apple,DE", "C8,9,D,2024-03-05 00:00:00,-2,5.00,dates,AT"]
    with_rule = prepare(tmp_path / "with", rows, extra=RULE)
    without = prepare(tmp_path / "without", rows, extra=RULE.replace("is_return = true\n", ""))
    for name in ("events", "test_events", "items", "users", "rejected"):
        files = [one.path / f"{name}.parquet" for one in (with_rule, without)]
        assert parts_of(files[0]) == parts_of(files[1]), name
    assert with_rule.manifest.rejected == {"cancelled": 2}
    assert kept_pieces(with_rule) == {"1": 5, "3": 9, "4": 4, "5": 1}


def test_event_type_return_and_line_totals_are_read_whatever_their_sign(tmp_path: Path) -> None:
    recipe = RECIPE.replace('type = "purchase"', '[events.types]\nsale = "purchase"\nrefund = "return"').replace(
        'price = "paid"', 'line_total = "paid"\nevent_type = "kind"'
    )
    recipe = recipe.replace('time_zone = "Europe/Berlin"\n', "").replace(
        'files = "log.csv"\n', 'files = "log.csv"\ntime_zone = "Europe/Berlin"\n'
    )
    rows = [
        "1,7,A,2024-01-05 10:00:00,5,10.00,apple,DE,sale",
        "2,7,B,2024-01-05 10:00:00,2,10.00,bread,DE,sale",
        "3,8,A,2024-02-10 10:00:00,2,4.00,apple,DE,sale",
        "4,8,A,2024-03-10 10:00:00,2,4.00,apple,DE,sale",
        "5,7,A,2024-01-06 10:00:00,3,6.00,apple,DE,refund",
        "6,7,B,2024-01-06 10:00:00,-1,-5.00,bread,DE,refund",
        "7,8,A,2024-03-11 10:00:00,-2,-4.00,apple,DE,sale",
    ]
    prepared = prepare(tmp_path, rows, recipe=recipe, header=HEADER + ",kind")
    assert prepared.manifest.rejected == {"quantity below 0": 1, "return": 2}
    assert kept_pieces(prepared) == {"1": 2, "2": 1, "3": 2}
    assert set(whole_log(prepared).events["event_type"]) == {"purchase"}


def test_bad_rows_take_nothing_back(tmp_path: Path) -> None:
    rows = [
        "x1,7,,2024-02-01 10:00:00,-1,2.00,apple,DE",
        "x2,7,A,never,-1,2.00,apple,DE",
        "x3,7,A,2024-02-01 10:00:00,-1,2.00,apple,DE",
        "x3,7,A,2024-02-01 10:00:00,-1,2.00,apple,DE",  # exported twice
    ]
    counts = prepare(tmp_path, [*SALES, *rows]).manifest.returns
    assert counts is not None
    assert (counts.rows, counts.pieces) == (1, 1)


def test_merged_lines_are_taken_back_whatever_their_mean_price(tmp_path: Path) -> None:
    rows = [*SALES, "5,8,C,2024-02-10 12:00:00,1,7.00,cake,DE", "x1,8,C,2024-02-12 12:00:00,-1,7.00,cake,DE"]
    prepared = prepare(tmp_path, rows, extra='\n[clean]\nduplicates = "merge"\n')
    assert kept_pieces(prepared)["5"] == 1


def test_training_knows_no_return_of_the_test_period(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, [*SALES, "x1,8,C,2024-03-02 12:00:00,-1,9.00,cake,DE"])
    assert len(prepared.train.returns) == 0
    assert len(prepared.test.returns) == 1
    assert kept_pieces(prepared, "2024-03-01")["5"] == 1
    assert "5" not in kept_pieces(prepared)
    assert len(whole_log(prepared).until(pd.Timestamp("2024-03-01")).returns) == 0


def test_folder_of_an_earlier_release_is_read_and_gets_its_returns(tmp_path: Path) -> None:
    rows = [*SALES, "x1,8,C,2024-02-12 12:00:00,-1,9.00,cake,DE"]
    prepared = prepare(tmp_path, rows)
    (prepared.path / "returns.parquet").unlink()
    manifest = prepared.path / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text[: text.index(',\n  "returns"')] + "\n}\n")

    describe_contents(prepared.path, PREPARED)

    assert read_prepared(prepared.path).manifest.returns is None
    assert len(read_prepared(prepared.path).train.returns) == 0
    again = prepare_shop(tmp_path / "small.toml", tmp_path / "prepared")
    assert again.manifest.fingerprint == prepared.manifest.fingerprint
    assert len(again.train.returns) == 1


def test_shop_without_returns_has_no_table_of_them(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, ROWS)
    assert not (prepared.path / "returns.parquet").exists()
    assert prepared.manifest.returns is not None
    assert prepared.manifest.returns.rows == 0
    log = whole_log(prepared)
    assert log.net_purchases().equals(log.purchases)


def test_rule_that_keeps_cannot_take_back(tmp_path: Path) -> None:
    rule = RULE.replace("clean.drop", "clean.keep")
    with pytest.raises(RecipeError, match="is_return is for"):
        prepare(tmp_path, SALES, extra=rule)


@pytest.mark.slow
def test_online_retail_takes_its_cancelled_orders_back(data_set: Callable[[str], Path], tmp_path: Path) -> None:
    data_home = data_set("online_retail").parent
    log = whole_log(prepare_shop("online_retail", tmp_path / "shop", data_home=data_home))
    by_value = log.purchases.eval("worth = price * quantity").groupby("item_id")["worth"].sum()
    second = by_value.nlargest(2).index[1]
    assert second not in set(log.net_purchases()["item_id"])
    only = log.returns[log.returns["user_id"] == "12346"].iloc[0]
    assert only["timestamp"] - only["bought_at"] == pd.Timedelta(minutes=16)
    assert only["quantity"] == 74_215
    assert "12346" not in set(log.net_purchases()["user_id"])


SECTIONS = RECIPE.replace("[events]\n", "[[events]]\n").replace(
    "[items.columns]",
    """[[events]]
files = "returns.csv"
type = "return"

[events.columns]
order_id = "order_no"
item_id = "article"
quantity = "pieces"
timestamp = "returned_on"

[items.columns]""",
)


def prepare_with_file(folder: Path, returned: list[str]) -> Prepared:
    path = write_small_shop(folder, rows=SALES, recipe=SECTIONS)
    (folder / "returns.csv").write_text("\n".join(["order_no,article,pieces,returned_on", *returned]) + "\n")
    return prepare_shop(path, folder / "prepared")


def test_file_of_returns_takes_pieces_back_by_order_and_item(tmp_path: Path) -> None:
    prepared = prepare_with_file(
        tmp_path,
        [
            "1,A,2,2024-01-20",  # in two parts, and the whole in the end
            "1,A,3,2024-02-20",
            "3,A,4,2024-01-07",  # on the day of the purchase, before it by the clock
            "4,A,,2024-01-20",  # one piece where none is stated
        ],
    )
    assert kept_pieces(prepared) == {"2": 3, "3": 5, "4": 3, "5": 1, "6": 2}
    assert kept_pieces(prepared, "2024-02-01") == {"1": 3, "2": 3, "3": 5, "4": 3, "5": 1, "6": 2}
    returns = whole_log(prepared).returns
    assert set(returns["user_id"]) == {"7", "8"}  # those of the purchases
    assert prepared.manifest.rejected == {"return": 4}
    counts = prepared.manifest.tables["events"]
    assert (counts.read, counts.kept, counts.rejected) == (10, 6, 4)


def test_returns_without_a_purchase_are_counted_and_listed_apart(tmp_path: Path) -> None:
    prepared = prepare_with_file(
        tmp_path,
        [
            "1,A,2,2024-01-20",
            "1,B,1,2024-01-20",  # an item that the order does not have
            "99,A,1,2024-01-20",  # an order that is not there
            "4,A,6,2024-01-20",  # two more than were sold
            "6,D,1,2024-02-20",  # ten days before the purchase
        ],
    )
    assert kept_pieces(prepared) == {"1": 3, "2": 3, "3": 9, "5": 1, "6": 2}
    assert prepared.manifest.rejected == {"return": 1, "unmatched return": 4}
    assert prepared.manifest.returned == {"return": 1, "unmatched return": 4}
    rejected = pd.read_parquet(prepared.path / "rejected.parquet").set_index(["file", "row"])["reason"]
    assert rejected["returns.csv"].to_dict() == {1: "return", **dict.fromkeys((2, 3, 4, 5), "unmatched return")}
    counts = prepared.manifest.returns
    assert counts is not None
    assert (counts.rows, counts.pieces, counts.matched_pieces) == (5, 11, 6)
    unmatched = whole_log(prepared).returns
    assert unmatched.loc[unmatched["bought_at"].isna(), "quantity"].sum() == 5
    assert prepared.manifest.rows == prepared.manifest.kept + 5
