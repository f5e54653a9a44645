"""Impressions: what of a log of slates is kept, and why the rest is not."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.ingest.small_shop import IMPRESSIONS, RECIPE, ROWS, parts_of, write_small_shop
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.schema.pseudonyms import pseudonym
from tfrec.schema.tables import IMPRESSION_COLUMNS

HEADER = "at,who,slate,place,what,chance,clicked,where"
SHOWN = [
    "2024-02-10 12:00:00,7.0,s1,0,A,0.5,1,home",
    "2024-02-10 12:00:00,7.0,s1,1,B,1,0,home",
    "2024-02-09 09:00:00,,s0,0,C,0.25,,cart",
]
SECTION = IMPRESSIONS + 'placement = "where"\n'


def prepare(folder: Path, rows: list[str], *, section: str = SECTION, extra: str = "") -> Prepared:
    recipe = write_small_shop(folder, rows=ROWS, extra=section + extra)
    (folder / "shown.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return prepare_shop(recipe, folder / "prepared")


def reasons(prepared: Prepared) -> dict[int, str]:
    """Returns the number of each rejected row of impressions → reason."""
    rejected = pd.read_parquet(prepared.path / "rejected.parquet")
    rejected = rejected[rejected["table"] == "impressions"]
    return dict(zip(rejected["row"], rejected["reason"], strict=True))


def test_impressions_are_read_by_time_on_the_shops_clock(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, SHOWN)
    shown = prepared.impressions
    assert list(shown.columns) == list(IMPRESSION_COLUMNS)
    assert str(shown["position"].dtype) == "int32" and str(shown["timestamp"].dtype) == "datetime64[us]"
    assert shown["slate_id"].tolist() == ["s0", "s1", "s1"]
    assert shown["user_id"].tolist() == ["", "7", "7"]
    assert shown["item_id"].tolist() == ["C", "A", "B"]
    assert shown["propensity"].tolist() == [0.25, 0.5, 1.0]
    assert shown["clicked"].tolist() == [0, 1, 0]
    assert shown["placement"].tolist() == ["cart", "home", "home"]
    assert shown["version"].tolist() == ["", "", ""]
    assert shown["timestamp"].iloc[0] == pd.Timestamp("2024-02-09 08:00")  # Berlin
    manifest = prepared.manifest
    assert manifest.impressions == 3
    counts = manifest.tables["impressions"]
    assert (counts.read, counts.kept, counts.rejected) == (3, 3, 0)


def test_events_are_those_of_a_shop_without_impressions(tmp_path: Path) -> None:
    with_log = prepare(tmp_path / "with", SHOWN)
    without = prepare_shop(write_small_shop(tmp_path / "without", rows=ROWS), tmp_path / "without" / "prepared")
    for name in ("events", "test_events", "items", "users"):
        files = [shop.path / f"{name}.parquet" for shop in (with_log, without)]
        assert parts_of(files[0]) == parts_of(files[1]), name
    assert without.impressions.empty
    assert list(without.impressions.columns) == list(IMPRESSION_COLUMNS)
    assert not (without.path / "impressions.parquet").exists()


def test_each_bad_row_is_in_the_ledger_with_its_reason(tmp_path: Path) -> None:
    bad = {
        "missing timestamp": ",7,s2,0,A,0.5,0,home",
        "unreadable timestamp": "soon,7,s2,0,A,0.5,0,home",
        "impossible timestamp": "1812-02-10 12:00:00,7,s2,0,A,0.5,0,home",
        "missing item_id": "2024-02-10 12:00:00,7,s2,0,,0.5,0,home",
        "missing slate_id": "2024-02-10 12:00:00,7,,0,A,0.5,0,home",
        "missing position": "2024-02-10 12:00:00,7,s2,,A,0.5,0,home",
        "unreadable position": "2024-02-10 12:00:00,7,s2,first,A,0.5,0,home",
        "impossible position": "2024-02-10 12:00:00,7,s2,-1,A,0.5,0,home",
        "unreadable propensity": "2024-02-10 12:00:00,7,s2,0,A,often,0,home",
        "impossible propensity": "2024-02-10 12:00:00,7,s2,0,A,0,0,home",
        "duplicate impression": "2024-02-10 12:00:00,7,s1,1,C,0.5,0,home",
    }
    more = {
        "impossible position": "2024-02-10 12:00:00,7,s2,0.5,A,0.5,0,home",
        "impossible propensity": "2024-02-10 12:00:00,7,s2,0,A,1.01,0,home",
    }
    good = [*SHOWN, *(f"2024-02-10 12:00:00,8,g{n},0,A,,0,home" for n in range(20))]
    prepared = prepare(tmp_path, [*good, *bad.values(), *more.values()])
    assert reasons(prepared) == dict(enumerate([*bad, *more], start=len(good) + 1))
    counts = prepared.manifest.tables["impressions"]
    assert (counts.read, counts.kept, counts.rejected) == (len(good) + 13, len(good), 13)
    assert prepared.impressions["propensity"].isna().sum() == 20  # an unknown chance is kept as such


def test_click_that_cannot_be_read_is_unknown_and_listed(tmp_path: Path) -> None:
    words = ["true", "False", "yes", "0", "", "perhaps", "-1"]
    prepared = prepare(tmp_path, [f"2024-02-10 12:00:00,7,s{n},0,A,0.5,{word},home" for n, word in enumerate(words)])
    clicked = prepared.impressions.sort_values("slate_id")["clicked"].tolist()
    assert clicked[:5] == [1, 0, 1, 0, 0]
    assert np.isnan(clicked[5:]).all()
    assert prepared.manifest.incomplete == {"impossible clicked": 1, "unreadable clicked": 1}


SLATES = """
[impressions]
files = "slates.jsonl"

[impressions.columns]
timestamp = "at"
user_id = "user.id"
slate_id = "request"
item_id = "items[].id"
propensity = "items[].chance"
clicked = "items[].clicked"
signature = "signature"
version = "model"
arm = "arm"
"""


def write_slates(folder: Path, lines: list[dict]) -> Path:
    recipe = write_small_shop(folder, rows=ROWS, extra=SLATES)
    (folder / "slates.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return recipe


def slate(number: int, *items: str, chance: float = 0.5) -> dict:
    entries = [{"id": item, "chance": chance, "clicked": item == "B"} for item in items]
    about = {"signature": "cross_sell", "model": 7, "arm": "new"}
    return {
        "at": f"2024-02-1{number}T10:00:00Z",
        "user": {"id": "7"},
        "request": f"r{number}",
        "items": entries,
        **about,
    }


def test_line_of_a_slate_gives_its_items_their_places_in_order(tmp_path: Path) -> None:
    recipe = write_slates(tmp_path, [slate(1, "B", "A"), slate(2, "C"), slate(3), slate(1, "B", "A")])
    prepared = prepare_shop(recipe, tmp_path / "prepared")
    shown = prepared.impressions
    assert shown[["slate_id", "position", "item_id", "clicked"]].values.tolist() == [
        ["r1", 0, "B", 1],
        ["r1", 1, "A", 0],
        ["r2", 0, "C", 0],
    ]
    assert set(shown["signature"]) == {"cross_sell"} and set(shown["version"]) == {"7"} and set(shown["arm"]) == {"new"}
    assert sorted(reasons(prepared).values()) == ["duplicate impression", "duplicate impression", "missing item_id"]


def test_pseudonyms_of_impressions_are_those_of_events(tmp_path: Path) -> None:
    key = b"0123456789abcdef"
    tmp_path.joinpath("key").write_bytes(key)
    rows = [*SHOWN, "2024-02-10 12:00:00,7.0,s2,-4,A,0.5,1,home"]
    prepared = prepare(tmp_path, rows, extra='\n[privacy]\nkey_file = "key"\n')
    name = pseudonym("7", key)
    assert prepared.impressions["user_id"].tolist() == ["", name, name]
    assert name in set(prepared.train.events["user_id"])
    rejected = pd.read_parquet(prepared.path / "rejected.parquet")
    assert all("7.0" not in text for text in rejected["raw"])


@pytest.mark.parametrize(("unknown", "kept", "rejected"), [("keep", 4, {}), ("reject", 3, {4: "unknown item"})])
def test_unknown_items_are_kept_or_rejected_as_those_of_events(
    tmp_path: Path, unknown: str, kept: int, rejected: dict[int, str]
) -> None:
    (tmp_path / "goods.csv").write_text("sku,name\nA,apple\nB,bread\nC,cake\nD,dates\n")
    recipe = RECIPE.replace("[items.columns]", '[items]\nfiles = "goods.csv"\n[items.columns]\nitem_id = "sku"')
    path = write_small_shop(
        tmp_path, rows=ROWS, recipe=recipe, extra=f'{SECTION}\n[clean]\nunknown_items = "{unknown}"\n'
    )
    rows = [*SHOWN, "2024-02-10 12:00:00,7.0,s2,0,Z,0.5,1,home"]
    (tmp_path / "shown.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    prepared = prepare_shop(path, tmp_path / "prepared")
    assert prepared.manifest.impressions == kept
    assert reasons(prepared) == rejected
    assert "Z" not in set(prepared.train.items["item_id"])  # what was shown alone makes no item


@pytest.mark.parametrize("content", ["", HEADER + "\n"], ids=["no byte", "header alone"])
def test_log_without_a_row_is_noted(tmp_path: Path, content: str) -> None:
    recipe = write_small_shop(tmp_path, rows=ROWS, extra=SECTION)
    (tmp_path / "shown.csv").write_text(content)
    prepared = prepare_shop(recipe, tmp_path / "prepared")
    assert prepared.impressions.empty
    assert prepared.manifest.impressions == 0
    (note,) = [note for note in prepared.manifest.notes if note.code == "table_absent"]
    assert "impressions" in note.text and "shown.csv" in note.text


def test_lines_that_are_no_slates_are_an_error_and_none_at_all_is_not(tmp_path: Path) -> None:
    recipe = write_slates(tmp_path, [])
    (tmp_path / "slates.jsonl").write_text("\n")
    assert prepare_shop(recipe, tmp_path / "prepared").impressions.empty
    (tmp_path / "slates.jsonl").write_text("broken\n")
    with pytest.raises(SourceError, match="one JSON object a line"):
        prepare_shop(recipe, tmp_path / "prepared")


def test_absent_log_stops_the_preparation_unless_it_is_optional(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no file 'shown.csv'"):
        prepare_shop(write_small_shop(tmp_path, rows=ROWS, extra=SECTION), tmp_path / "prepared")
    optional = SECTION.replace('files = "shown.csv"', 'files = "shown.csv"\noptional = true')
    recipe = write_small_shop(tmp_path, rows=ROWS, extra=optional)
    first = prepare_shop(recipe, tmp_path / "prepared")
    assert [note.code for note in first.manifest.notes if note.code == "table_absent"] == ["table_absent"]
    (tmp_path / "shown.csv").write_text("\n".join([HEADER, *SHOWN]) + "\n")
    assert len(prepare_shop(recipe, tmp_path / "prepared").impressions) == 3  # the folder is out of date


def test_preparing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [f"2024-02-10 12:00:{n % 7:02},7,s{n % 500},{n // 500},A,0.5,1,home" for n in range(2000)]
    first = prepare(tmp_path / "a", rows)
    again = prepare_shop(tmp_path / "a" / "small.toml", tmp_path / "again")
    for name in ("impressions", "rejected", "events"):
        assert parts_of(first.path / f"{name}.parquet") == parts_of(again.path / f"{name}.parquet"), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('slate_id = "slate"\n', ""), "columns must map slate_id of the impressions file"),
        (('files = "shown.csv"\n', ""), "`files` must name the impressions file"),
        (('clicked = "clicked"', 'click = "clicked"'), "unknown key 'click'.*clicked"),
        (('propensity = "chance"', 'place_propensity = "chance"'), "map propensity, too"),
        (('files = "shown.csv"', 'files = "shown.csv"\ntime_zone = "Europe/Berlim"'), "Europe/Berlin"),
    ],
    ids=["no slate", "no files", "misspelt", "place alone", "zone"],
)
def test_recipe_of_impressions_is_checked(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepare(tmp_path, SHOWN, section=SECTION.replace(*change))
