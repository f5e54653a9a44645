"""What holds of any log: ledger and clean rows are the input, what is clean stays so, soup is no event."""

import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from tests.ingest.small_shop import HEADER, ROWS, write_small_shop
from tfrec.errors import TfrecError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.ingest.privacy import pseudonyms

SLOW = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes a second: shrinking would take minutes
)
RULES = """
[[clean.drop]]
column = "order_id"
pattern = "^C"
reason = "cancelled"
[clean.staff]
patterns = "^qa"
[clean.clock]
opened = "2023-06-01"
[clean.bundles]
free_copies = false
[privacy]
keep_days = 300
"""
ROW = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["1", "2", "C3", ""]),
        "customer": st.sampled_from(["7", "8.0", "qa1", "", "1.2E+05"]),
        "sku": st.sampled_from(["A", "B", "", "4.00638E+12"]),
        "when": st.sampled_from(
            ["2024-01-05 10:00:00", "2024-02-11", "2001-01-01", "2023-05-01", "", "never", "2099-01-01"]
        ),
        "qty": st.sampled_from(["1", "2", "0", "-1", "", "x"]),
        "paid": st.sampled_from(["1", "0", "-1", "", "x"]),
        "name": st.sampled_from(["apple", "call +49 30 1234567", ""]),
        "land": st.sampled_from(["DE", ""]),
    }
)


def prepare(rows: list[str], extra: str = RULES) -> Prepared:
    folder = Path(tempfile.mkdtemp())
    return prepare_shop(write_small_shop(folder, rows=rows, extra=extra), folder / "out")


def prepare_readable(rows: list[str]) -> Prepared:
    """Prepares a log; one that is refused as a whole, as most of its dates cannot be read, is no example."""
    try:
        return prepare(rows)
    except TfrecError as error:
        assert "timestamp" in str(error)
        reject()


def kept(prepared: Prepared) -> pd.DataFrame:
    return pd.concat([prepared.train.events, prepared.test.events], ignore_index=True)


@pytest.mark.slow
@SLOW
@given(rows=st.lists(ROW, max_size=25))
def test_each_row_is_kept_once_or_stands_in_the_ledger_once(rows: list[dict[str, str]]) -> None:
    lines = [*ROWS, *(",".join(row.values()) for row in rows)]
    prepared = prepare_readable(lines)
    ledger = pd.read_parquet(prepared.path / "rejected.parquet")
    assert not ledger.duplicated(["file", "row"]).any()
    assert set(ledger["row"]) <= set(range(1, len(lines) + 1))
    assert len(kept(prepared)) + len(ledger) == len(lines)


@pytest.mark.slow
@SLOW
@given(rows=st.lists(ROW, max_size=25))
def test_what_was_cleaned_once_is_clean(rows: list[dict[str, str]]) -> None:
    once = kept(prepare_readable([*ROWS, *(",".join(row.values()) for row in rows)]))
    local = once["timestamp"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").dt.strftime("%Y-%m-%d %H:%M:%S")
    price = once["price"].astype("str").replace("nan", "")
    lines = [
        f"{row.order_id},{row.user_id},{row.item_id},{when},{row.quantity},{paid},,"
        for row, when, paid in zip(once.itertuples(), local, price, strict=True)
    ]
    again = prepare(lines)
    assert again.manifest.rejected == {}
    columns = ["order_id", "user_id", "item_id", "timestamp", "quantity", "price"]
    pd.testing.assert_frame_equal(kept(again)[columns], once[columns])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_preparation_gives_the_same_bytes(tmp_path: Path) -> None:
    recipe = write_small_shop(tmp_path, extra=RULES)
    prepare_shop(recipe, tmp_path / "out")
    first = contents(tmp_path / "out")
    prepare_shop(recipe, tmp_path / "out")
    prepare_shop(recipe, tmp_path / "out", force=True)
    assert contents(tmp_path / "out") == first


@pytest.mark.slow
@settings(SLOW, max_examples=6)
@given(soup=st.one_of(st.binary(min_size=1, max_size=200), st.text(",\"'\n\r;\\\0é1-", min_size=1, max_size=80)))
@pytest.mark.parametrize("has_head", [True, False])
def test_soup_is_refused_or_rejected_and_no_known_row_changes(has_head: bool, soup: bytes | str) -> None:
    folder = Path(tempfile.mkdtemp())
    recipe = write_small_shop(folder, rows=[])
    content = soup if isinstance(soup, bytes) else soup.encode()
    good = "\n".join([HEADER, *ROWS, ""]).encode() if has_head else b""
    (folder / "log.csv").write_bytes(good + content)
    try:
        prepared = prepare_shop(recipe, folder / "out")
    except TfrecError as error:
        assert str(error).strip()
        return
    assert has_head
    assert prepared.manifest.rows == prepared.manifest.kept + sum(prepared.manifest.rejected.values())
    events = kept(prepared)
    expected = kept(prepare(ROWS, extra=""))
    pd.testing.assert_frame_equal(events, expected)  # nothing of the soup is an event, nothing of the log is lost


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=40, unique=True), key=st.binary(min_size=16))
def test_pseudonyms_neither_collide_nor_show_the_id_nor_match_without_the_key(ids: list[str], key: bytes) -> None:
    found = pseudonyms(pd.Series(ids), key=key).tolist()
    assert len(set(found)) == len(ids)
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in found)
    other = pseudonyms(pd.Series(ids), key=key + b"\1").tolist()
    assert set(found).isdisjoint(other)  # the same ids under another key: nothing links the two lists
    assert pseudonyms(pd.Series(ids[::-1]), key=key).tolist() == found[::-1]
