import json
from pathlib import Path

import pytest

from tests.ingest.small_shop import write_small_shop
from tfrec.errors import SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared, read_prepared


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return prepare_shop(write_small_shop(tmp_path), tmp_path / "prepared" / "small_shop")


def test_what_was_written_is_read(prepared: Prepared) -> None:
    again = read_prepared(prepared.path)
    assert again.manifest == prepared.manifest
    assert again.train.events.equals(prepared.train.events)
    assert again.truth is None
    with pytest.raises(SourceError, match="coupon_test"):
        again.extra("coupon_test")


def test_mistyped_path_names_the_nearest(prepared: Prepared) -> None:
    with pytest.raises(SourceError) as raised:
        read_prepared(prepared.path.with_name("smal_shop"))
    assert str(prepared.path) in str(raised.value)
    assert "tfrec prepare RECIPE --out" in str(raised.value)


def test_folder_without_manifest_is_no_shop(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no prepared shop.*tfrec prepare RECIPE --out"):
        read_prepared(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 0}, "format 0.*tfrec prepare small --out"),
        ({"surprise": 1}, "damaged"),
        (None, "damaged"),
    ],
    ids=["other version", "other keys", "no JSON"],
)
def test_other_manifest_says_what_to_run(prepared: Prepared, change: dict | None, words: str) -> None:
    file = prepared.path / "manifest.json"
    file.write_text("{" if change is None else json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(SourceError, match=words):
        read_prepared(prepared.path)


@pytest.mark.parametrize("content", [None, b"no parquet"], ids=["missing", "damaged"])
def test_damaged_table_is_named(prepared: Prepared, content: bytes | None) -> None:
    file = prepared.path / "items.parquet"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(SourceError, match=r"items\.parquet"):
        read_prepared(prepared.path)
