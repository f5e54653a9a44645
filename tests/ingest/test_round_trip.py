"""Random files written from known rows: each row comes back with its values, or it stands in the ledger."""

import csv
import datetime as dt
import io
import math
import tempfile
from pathlib import Path

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec.errors import SourceError
from tfrec.ingest.events import events_specs
from tfrec.ingest.read_table import read_table
from tfrec.ingest.recipes import Recipe, read_recipe
from tfrec.ingest.rejected import CheckedTable
from tfrec.sources.engine import Workspace
from tfrec.sources.file_source import FileSource

ZONES = {"UTC": 0, "Asia/Kolkata": 330, "Etc/GMT+8": -480}
TIMES = {
    "": "%Y-%m-%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S": "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p": "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%y %H:%M:%S": "%d.%m.%y %H:%M:%S",
}
OFFSETS = {"": None, " +0100": 60, "+05:30": 330, "Z": 0, " UTC": 0}
NUMBERS = [  # decimal sign, thousands sign, before, after
    (".", "", "", ""), (".", ",", "$", ""), (",", ".", "", " €"), (",", "", "", ""), (",", " ", "", " zł"),
    (".", "'", "CHF ", ""), (",", "\u202f", "", "\u00a0€"), (".", "", "￥", ""),
]  # fmt: skip
TITLES = st.text(st.sampled_from(list("ab ,;\"'\\éß\t")), max_size=10)
ROW = st.fixed_dictionaries(
    {
        "item": st.sampled_from(["010013", "10013", "A-1", "Ünï", "0", "12", "18446744073709551629"]),
        "user": st.sampled_from(["C1", "007", "7", "", "x@y.example"]),
        "quantity": st.integers(1, 12),
        "cents": st.integers(0, 99_999_999),
        "second": st.integers(0, 300 * 86_400),
        "title": TITLES,
    }
)


def written_number(cents: int, decimal: str, group: str, before: str, after: str) -> str:
    whole = f"{cents // 100:,}".replace(",", group)
    return f"{before}{whole}{decimal}{cents % 100:02}{after}"


def written(rows: list[dict], way: dict) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=way["delimiter"], quoting=way["quoting"], lineterminator=way["end"])
    writer.writerow(["order", "item", "user", "qty", "paid", "when", "title"])
    for at, row in enumerate(rows):
        when = moment(row).strftime(TIMES[way["form"]]) + way["offset"]
        pad = way["pad"]
        item = f'="{row["item"]}"' if way["guard"] else row["item"]
        values = [f"O{at}", pad + item + pad, row["user"] + pad, row["quantity"]]
        writer.writerow([*values, written_number(row["cents"], *way["number"]), when, row["title"]])
    return text.getvalue().encode(way["encoding"])


def moment(row: dict) -> dt.datetime:
    return dt.datetime(2024, 1, 1) + dt.timedelta(seconds=row["second"])


def read(content: bytes, way: dict) -> CheckedTable:
    folder = Path(tempfile.mkdtemp())
    path = folder / "log.csv"
    path.write_bytes(content)
    form = f"time_format = '{way['form']}'" if way["form"] else ""
    encoding = "" if way["encoding"].startswith("utf-8") else f"encoding = '{way['encoding']}'"
    (folder / "shop.toml").write_text(
        f"name = 'shop'\n[events]\nfiles = 'log.csv'\ntype = 'purchase'\ntime_zone = '{way['zone']}'\n"
        f"{form}\n{encoding}\n"
        "[events.columns]\norder_id = 'order'\nitem_id = 'item'\nuser_id = 'user'\nquantity = 'qty'\nprice = 'paid'\n"
        "timestamp = 'when'\n[items.columns]\ntitle = 'title'\n"
    )
    recipe: Recipe = read_recipe(folder / "shop.toml").recipe
    scratch = folder / "scratch"
    scratch.mkdir()
    source = FileSource(recipe.events[0], (path,))
    return read_table(events_specs(recipe), (source,), Workspace(ibis.duckdb.connect(), scratch))


WAYS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "form": st.sampled_from(sorted(TIMES)),
        "offset": st.sampled_from(sorted(OFFSETS)),
        "zone": st.sampled_from(sorted(ZONES)),
        "number": st.sampled_from(NUMBERS),
        "guard": st.booleans(),
        "pad": st.sampled_from(["", " ", "\u00a0", "\u200b"]),
    }
)
DAMAGE = st.sampled_from(["", '"', 'x"y,z', "O,1", '"a "b" c",1,2,3,4,5,6', ",,,,,,"])


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROW, min_size=1, max_size=12), way=WAYS, damage=DAMAGE, copies=st.integers(1, 12))
def test_each_row_comes_back_or_stands_in_the_ledger(rows: list[dict], way: dict, damage: str, copies: int) -> None:
    rows = rows * copies
    content = written(rows, way).decode(way["encoding"])
    lines = content.count(way["end"]) - 1
    if damage:
        content += damage + way["end"]
    try:
        table = read(content.encode(way["encoding"]), way)
    except SourceError as error:  # times that could be read in two ways
        assert "timestamps" in str(error)
        return
    checked = table.rows.execute()
    assert len(checked) + len(table.unreadable) == lines + bool(damage)  # no row is uncounted
    offset = OFFSETS[way["offset"]]
    offset = ZONES[way["zone"]] if offset is None else offset
    for event in checked[checked["reason"].isna()].itertuples():
        row = rows[int(event.order_id.removeprefix("O"))]
        assert event.item_id == row["item"]
        assert event.user_id == row["user"]
        assert event.quantity == row["quantity"]
        assert event.timestamp.to_pydatetime() == moment(row) - dt.timedelta(minutes=offset)
        if math.isnan(event.price):
            assert event.incomplete == "unreadable price"
        else:
            assert math.isclose(event.price, row["cents"] / 100, rel_tol=1e-6)
