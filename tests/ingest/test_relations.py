"""Who knows whom: read, checked, both ways, under pseudonyms."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.ingest.small_shop import ROWS, write_small_shop
from tfrec.cli import main
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.ingest.privacy import pseudonyms

RELATIONS = '\n[relations]\nfiles = "friends.csv"\n[relations.columns]\nuser_id = "who"\nother_id = "whom"\n'
WEIGHTED = RELATIONS + 'weight = "calls"\n'
KEY = b"0123456789abcdef-a-long-secret"


def prepare(folder: Path, *lines: str, extra: str = RELATIONS) -> Prepared:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "friends.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return prepare_shop(write_small_shop(folder, extra=extra), folder / "out")


def pairs(prepared: Prepared) -> list[list[str]]:
    return prepared.train.relations[["user_id", "other_id"]].to_numpy().tolist()


def test_both_ways_stand_in_the_table_each_once(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "who,whom", "7.0,8", "8,7", "9,7", "7,8")
    assert pairs(prepared) == [["7", "8"], ["7", "9"], ["8", "7"], ["9", "7"]]
    assert prepared.train.relations["weight"].tolist() == [1.0] * 4
    assert prepared.manifest.relations == 4
    assert prepared.manifest.catalogue_rejected == {"duplicate relation": 2}


def test_directed_relations_go_one_way(tmp_path: Path) -> None:
    extra = RELATIONS.replace("[relations]", "[relations]\ndirected = true")
    prepared = prepare(tmp_path, "who,whom", "7,8", "8,7", "9,7", "9,7", extra=extra)
    assert pairs(prepared) == [["7", "8"], ["8", "7"], ["9", "7"]]
    assert prepared.manifest.catalogue_rejected == {"duplicate relation": 1}


def test_bad_rows_are_set_aside_with_a_reason(tmp_path: Path) -> None:
    lines = ["7,8,2.5", "7,9,", "7,,1", ",8,1", "7,7.0,1", "8,9,many", "8,10,0", "8,11,-1", "0,8,1"]
    prepared = prepare(tmp_path, "who,whom,calls", *lines, extra=WEIGHTED + '\n[clean]\nguest_ids = ["0"]\n')
    assert pairs(prepared) == [["7", "8"], ["7", "9"], ["8", "7"], ["9", "7"]]
    assert prepared.train.relations["weight"].tolist() == [2.5, 1.0, 2.5, 1.0]
    assert prepared.train.relations["weight"].dtype == np.float32
    assert prepared.manifest.catalogue_rejected == {
        "impossible weight": 2,
        "missing other_id": 1,
        "missing user_id": 2,
        "relation to oneself": 1,
        "unreadable weight": 1,
    }


def test_both_columns_are_under_pseudonyms_and_no_id_remains(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    ann, bob = "customer-4711-secret", "customer-4712-secret"
    lines = ["who,whom,calls", f"{ann},{bob},3", f"{ann},{ann},1", f"{bob},{ann},1", f"{ann},,1", f"{bob},0,1", "7,8,1"]
    extra = WEIGHTED + '\n[privacy]\nkey_file = "key"\n[clean]\nguest_ids = ["0"]\n'
    prepared = prepare(tmp_path, *lines, extra=extra)
    known = pseudonyms(pd.Series([ann, bob, "7", "8"]), key=KEY).tolist()
    assert sorted(pairs(prepared)) == sorted([known[:2], known[1::-1], known[2:], known[:1:-1]])
    assert set(known[2:]) <= set(prepared.train.events["user_id"])
    expected = {"duplicate relation": 1, "missing other_id": 2, "relation to oneself": 1}
    assert prepared.manifest.catalogue_rejected == expected
    for file in (tmp_path / "out").glob("*.parquet"):
        assert "-secret" not in pd.read_parquet(file).to_csv(), file


def test_relations_change_neither_events_nor_users(tmp_path: Path) -> None:
    plain = prepare_shop(write_small_shop(tmp_path / "plain", rows=ROWS), tmp_path / "plain" / "out")
    prepared = prepare(tmp_path / "with", "who,whom", "7,new", "new,newer")
    pd.testing.assert_frame_equal(prepared.train.events, plain.train.events)
    pd.testing.assert_frame_equal(prepared.train.users, plain.train.users)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("other_id", "othr_id", ["'othr_id'", "'other_id'", "[relations]"]),
        ('other_id = "whom"\n', "", ["other_id", "relations file"]),
        ("[relations]\n", "[relatoins]\n", ["'relatoins'", "'relations'"]),
        ("[relations]", "[relations]\ndirected = 1", ["directed", "true or false"]),
        ('files = "friends.csv"\n', "", ["`files`", "relations file"]),
    ],
    ids=["key", "unmapped", "section", "directed", "no files"],
)
def test_wrong_recipes_are_clear_errors(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as raised:
        prepare(tmp_path, "who,whom", "7,8", extra=RELATIONS.replace(old, new, 1))
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_column_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    extra = RELATIONS.replace('"whom"', '"partner"')
    with pytest.raises(SourceError, match=r"no column 'partner', which the recipe maps to `other_id`.*'partners'"):
        prepare(tmp_path, "who,partners", "7,8", extra=extra)


def test_prepare_says_how_many_relations_there_are(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "friends.csv").write_text("who,whom\n7,8\n7,9\n")
    for extra, line in ((RELATIONS, ["relations", "4", "of", "users,", "each", "way"]), ("", None)):
        recipe = write_small_shop(tmp_path, extra=extra)
        assert main(["prepare", str(recipe), "--out", str(tmp_path / "out")]) == 0
        reported = [words for words in map(str.split, capsys.readouterr().out.splitlines()) if words[0] == "relations"]
        assert reported == ([line] if line else [])
