"""Preparation on Spark gives the folder that DuckDB gives, row for row."""

import gzip
import itertools
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.ingest.small_shop import HEADER, IMPRESSIONS, RECIPE, ROWS, write_small_shop
from tests.ingest.test_facts import FACTS
from tests.ingest.test_relations import RELATIONS
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.ingest.prepare import prepare_shop

pytestmark = pytest.mark.slow

_MOST_LINES = 60_000  # the whole of Online Retail takes Spark minutes on two cores

_SETTINGS = {
    "spark.master": "local[2]",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "1g",
    # Many queries of few rows: compiling each, and planning it in steps, would take most of the time.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.maxPlanStringLength": "100",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def require_java() -> None:
    """Skips a test where Java is missing, and fails it in CI."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        message = "there is no java: apt-get install default-jre-headless"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="module", autouse=True)
def application() -> Iterator[None]:
    require_java()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 3
        from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    running = builder.getOrCreate()
    yield
    running.stop()


def names_below(folder: Path) -> list[str]:
    """Returns the files of a folder, without the one that states their digests."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".tfrec.json"]
    return sorted(str(path.relative_to(folder)) for path in paths)


def assert_same(recipe: Path | str, folder: Path, **options: object) -> Path:
    """Prepares a shop on both engines and compares all that was written; returns Spark's folder."""
    expected, found = folder / "duckdb", folder / "spark"
    prepare_shop(recipe, expected, **options)
    prepare_shop(recipe, found, engine="spark", **options)
    names = names_below(expected)
    assert names_below(found) == names
    for name in names:
        if not name.endswith(".parquet"):
            assert (found / name).read_bytes() == (expected / name).read_bytes(), name
            continue
        rows, wanted = pq.read_table(found / name), pq.read_table(expected / name)
        assert rows.schema.names == wanted.schema.names and rows.schema.types == wanted.schema.types, name
        assert rows.to_pylist() == wanted.to_pylist() or rows.to_pandas().equals(wanted.to_pandas()), name
    return found


def test_a_small_shop_with_dirt_is_the_same_on_both_engines(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        ROWS[0],
        '8," 9.0 ","=""D""",2024-03-02T10:00:00+02:00,1,"1,250.00",Ünïcode,AT',
        "9,9.0,D,no date,1,5.00,dates,AT",
        "10,9.0,D,2024-03-02 11:00:00,-1,5.00,dates,AT",
        "11,8.0,C,2024-03-03 12:00:00,1,nine,cake,DE",
        "12,8.0,C,2099-03-03 12:00:00,1,9.00,cake,DE",
        "13,8.0,C",
    ]
    shop = assert_same(write_small_shop(tmp_path, header=HEADER, rows=rows), tmp_path)
    assert pq.read_table(shop / "rejected.parquet").num_rows == 5


def write_tables(folder: Path) -> Path:
    """All tables, in foreign currencies and under pseudonyms; vectors, free text, files of several forms.

    Lines of an order are merged, a rule takes whole orders, and one order stands on both sides of the split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "goods.csv": 'sku,label,cat,cost,vec\nA,Apple,Food/Fruit,1,"[1, 2.5]"\nB,Bread,Food,,1;2;3\nZ,Zip,,x,"[3, 4]"\n'
        'Z,again,,1,\n0017,Nut,Food,-1,"[0, nan]"\n',
        "people.csv": "who,age\n7.0,33\n8,\n8.0,41\n",
        "facts.csv": "what,how,whom\nA,made by,Orchard\nA,made by,Orchard\n,made by,B\n",
        "friends.csv": "who,whom\n7,8\n8,7\n9,9\n",
        "shown.csv": "at,who,slate,place,what,chance,clicked\n2024-02-10 12:00:00,7.0,s1,0,A,0.5,yes\n"
        "2024-02-10 12:00:00,7.0,s1,0,B,1,0\n2024-02-09 09:00:00,,s0,1,C,2,\n",
        "rates.csv": "code,date,eur\nUSD,2024-01-10,0.9\nUSD,2024-01-20,0.8\nGBP,2024-01-01,1.2\n",
        "log-2.jsonl": '{"order": "20", "customer": "8", "sku": "B", "when": "2024-02-11T08:00:00Z", "qty": 2, '
        '"paid": 3.30, "name": "call +49 30 123456", "money": "USD"}\nno json\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "key").write_bytes(bytes(range(32)))
    recipe = RECIPE.replace('files = "log.csv"', 'files = ["log.csv", "log-2.jsonl"]')
    recipe = recipe.replace('price = "paid"', 'price = "paid"\ncurrency = "money"')
    recipe = recipe.replace(
        '[items.columns]\ntitle = "name"',
        '[items]\nfiles = "goods.csv"\ncategory_separator = "/"\n[items.columns]\nitem_id = "sku"\ntitle = "label"\n'
        'category = "cat"\ncost = "cost"\nembedding = "vec"',
    ).replace(
        '[users.columns]\ncountry = "land"',
        '[users]\nfiles = "people.csv"\n[users.columns]\nuser_id = "who"\nage = "age"',
    )
    extra = (
        f"{FACTS}{RELATIONS}"
        '[events.rate_table]\nfiles = "rates.csv"\n[events.rate_table.columns]\ncurrency = "code"\nday = "date"\n'
        'rate = "eur"\n'
        '[privacy]\nkey_file = "key"\n[clean]\nduplicates = "merge"\n'
        '[[clean.drop]]\nraw_column = "name"\npattern = \'^\\p{Lu}+ \\p{Lu}+$\'\nreason = "sale"\nwhole_order = true\n'
    )
    rows = [*ROWS, ROWS[0], "1,7.0,B,2024-01-05 11:00:00,1,3.50,bread,DE", "4,7.0,A,2024-03-02,1,4,apple,DE"]
    money = ["USD", "USD", "", "GBP", "EUR", "USD", "CHF", "USD", "USD", "EUR"]
    rows = [f"{row},{code}" for row, code in zip(rows, money, strict=True)]
    return write_small_shop(folder, rows=rows, header=f"{HEADER},money", recipe=recipe, extra=extra + IMPRESSIONS)


def write_clicks(folder: Path) -> Path:
    """Visits by a clock that is ahead, robots, staff; days are orders, and the split is by a share of the events."""
    recipe = """
name = "clicks"
[events]
files = "log.csv"
time_zone = "America/New_York"
time_format = ["%d/%m/%Y %H:%M:%S", "%d/%m/%Y"]
[events.columns]
user_id = "who"
session_id = "visit"
item_id = "sku"
event_type = "what"
timestamp = "at"
received_at = "got"
[events.types]
seen = "view"
paid = "purchase"
[orders]
by = "user_day"
[clean]
unknown_items = "keep"
[clean.robots]
max_views_per_hour = 8
[clean.staff]
patterns = ["^qa"]
[split]
test_share = 0.3
validation_share = 0.3
"""
    rows = [
        f"u{n % 5},,I{n % 7},{'paid' if n % 9 == 0 else 'seen'},{1 + n // 4:02}/03/2024 {n % 24:02}:30:00,"
        for n in range(100)
    ]
    rows += [f"bot,,I{n % 7},seen,02/03/2024 02:30:{n:02}," for n in range(12)]
    rows += ["qa1,,I1,seen,03/03/2024,", ",g1,I2,paid,10/03/2024 02:30:00,", ",g1,I3,paid,10/03/2024 02:40:00,"]
    rows += [
        "u1,,I3,seen,15/03/2024 12:00:00,15/03/2024 11:00:00",
        "u1,,I4,seen,15/03/2024 12:01:00,15/03/2024 12:01:01",
    ]
    return write_small_shop(folder, rows=rows, header="who,visit,sku,what,at,got", recipe=recipe)


@pytest.mark.parametrize("write", [write_tables, write_clicks])
def test_odd_shops_are_the_same_on_both_engines(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert_same(write(tmp_path), tmp_path)


def test_the_demo_shop_with_all_its_dirt_is_the_same_on_both_engines(tmp_path: Path) -> None:
    config = DemoShopConfig(num_items=400, num_users=300, num_events=6_000, num_slates=200, days=120)
    generate_demo_shop(tmp_path / "demo_shop", config)
    assert_same("demo_shop", tmp_path, data_home=tmp_path)


def test_online_retail_is_the_same_on_both_engines(data_set: Callable[[str], Path], tmp_path: Path) -> None:
    file = data_set("online_retail") / "online_retail.csv.gz"
    with gzip.open(file, "rb") as whole:
        lines = list(itertools.islice(whole, _MOST_LINES))
    (tmp_path / "online_retail").mkdir()
    (tmp_path / "online_retail" / file.name).write_bytes(gzip.compress(b"".join(lines), compresslevel=1))
    assert_same("online_retail", tmp_path, data_home=tmp_path, until="2011-01-20")
