"""Times `tfrec prepare` on generated logs and on Online Retail: `python -m tests.benchmarks.data [SIZE ...]`.

Each preparation is a process of its own: seconds include the start of Python, memory is the peak of the process. A size
is `online_retail`, or a number of events with the format of the file, such as `2000000csv` or `10000000parquet`. Beside
the last ones runs a script that takes the same steps in pandas, in memory: parse, check, drop duplicates, cut sessions,
split by time, write. A size such as `2000000days` is a log of 101 daily CSV files: the last one is added to what was
prepared from a hundred, and the result is compared with that of a run over all. A size such as `10000000spark` is a CSV
file that DuckDB prepares, and then Spark as its own configuration has it (on all cores of this machine without one).
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from string import ascii_letters, digits

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tests.benchmarks.whole_shop import data_home

DEFAULT = ("online_retail", "2000000csv", "2000000days", "10000000parquet")
NUM_DAYS = 100
NUM_ITEMS = 20_000
ROWS_AT_ONCE = 2_000_000
RECIPE = """\
name = "generated"
currency = "EUR"

[events]
files = "{file}"

[events.columns]
timestamp = "time"
user_id = "customer"
item_id = "product"
event_type = "action"
order_id = "order_no"
quantity = "qty"
price = "unit_price"
query = "search_text"

[events.types]
viewed = "view"
added = "cart"
bought = "purchase"
searched = "search"

[split]
test_days = 35
validation_days = 28
"""
PANDAS = """\
import sys
import numpy as np
import pandas as pd
path, out = sys.argv[1:]
log = pd.read_parquet(path) if path.endswith("parquet") else pd.read_csv(path, keep_default_na=False)
log["time"] = pd.to_datetime(log["time"], errors="coerce")
for name in ("qty", "unit_price"):
    log[name] = pd.to_numeric(log[name], errors="coerce")
for name in ("customer", "product", "order_no", "search_text"):
    log[name] = log[name].fillna("").astype("str").str.strip()
log["action"] = log["action"].map({"viewed": "view", "added": "cart", "bought": "purchase", "searched": "search"})
reason = np.select(
    [log["time"].isna(), log["action"].isna(), (log["product"] == "") & (log["action"] != "search"), log["qty"] <= 0],
    ["time", "type", "item", "quantity"], "",
)
log[reason != ""].assign(reason=reason[reason != ""]).to_parquet(out + "/rejected.parquet")
log = log[reason == ""].drop_duplicates().sort_values(["customer", "time"], kind="stable")
starts = (log["customer"] != log["customer"].shift()) | (log["time"].diff() > pd.Timedelta(minutes=30))
number = starts.groupby(log["customer"]).cumsum()
log["session"] = log["customer"] + "/" + number.astype("str")
log = log.sort_values("time", kind="stable")
boundary = log["time"].max().normalize() - pd.Timedelta(days=34)
train = log[log["time"] < boundary]
train.to_parquet(out + "/events.parquet")
log[log["time"] >= boundary].to_parquet(out + "/test_events.parquet")
train.groupby("product")["unit_price"].median().reset_index().to_parquet(out + "/items.parquet")
train[["customer"]].drop_duplicates().to_parquet(out + "/users.parquet")
"""


def write_log(path: Path, num_events: int, *, seed: int = 0) -> None:
    """Writes a year's log in the order of time: four kinds of events, users and items of Zipf's law.

    Args:
        path: ends in `.csv` or `.parquet`.
        num_events: rows.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    num_users = max(100_000, num_events // 20)
    prices = np.round(rng.gamma(2, 10, NUM_ITEMS) + 1, 2)
    start, seconds = np.datetime64("2024-01-01", "s"), 365 * 86_400
    writer, num_orders = None, 0
    for first in range(0, num_events, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, num_events - first)
        bounds = [seconds * at // num_events for at in (first, first + size)]
        item = (rng.zipf(1.2, size) * 7919) % NUM_ITEMS
        kind = rng.choice(["viewed", "added", "bought", "searched"], size, p=[0.7, 0.15, 0.13, 0.02])
        is_bought = kind == "bought"
        order = num_orders + np.cumsum(is_bought) // 3
        num_orders += int(is_bought.sum()) // 3 + 1
        rows = pa.table(
            {
                "time": start + np.sort(rng.integers(*bounds, size)).astype("timedelta64[s]"),
                "customer": np.char.add("u", (rng.zipf(1.3, size) % num_users).astype(str)),
                "product": np.where(kind == "searched", "", np.char.add("P", item.astype(str))),
                "action": kind,
                "order_no": np.where(is_bought, np.char.add("O", order.astype(str)), ""),
                "qty": np.where(is_bought, rng.integers(1, 4, size), 1),
                "unit_price": prices[item],
                "search_text": np.where(kind == "searched", "red lamp", ""),
            }
        )
        make = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pyarrow.parquet.ParquetWriter
        writer = writer or make(path, rows.schema)
        writer.write_table(rows)
    if writer is not None:
        writer.close()


def run_timed(command: list[str]) -> tuple[float, float]:
    """Returns seconds and peak memory in GB of a process.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    watched = "import resource, runpy, sys; sys.argv = sys.argv[1:]\ntry:\n    {run}\nfinally:\n    {report}"
    run = (
        "runpy.run_module('tfrec', run_name='__main__')" if command[0] == "tfrec" else "exec(open(sys.argv[0]).read())"
    )
    report = "sys.stderr.write(f'\\npeak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}')"
    ran = subprocess.run(
        [sys.executable, "-c", watched.format(run=run, report=report), *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    took = time.perf_counter() - began
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return took, int(ran.stderr.rsplit("peak ", 1)[1]) * 1024 / 1e9


def time_generated(folder: Path, num_events: int, form: str, *, with_pandas: bool, memory: str) -> None:
    """Generates a log, prepares it (within the memory named, where one is) and prints what that took."""
    write_log(folder / f"events.{form}", num_events)
    (folder / "shop.toml").write_text(RECIPE.format(file=f"events.{form}"))
    limit = ["--memory", memory] if memory else []
    took, peak = run_timed(
        ["tfrec", "prepare", str(folder / "shop.toml"), "--out", str(folder / "prepared"), "--no-report", *limit]
    )
    text = f"{num_events:,} events, {form}{memory and f', at most {memory}'}: {took:.1f} s"
    text += f", {num_events / took:,.0f} events/s, {peak:.1f} GB"
    if with_pandas:
        script, out = folder / "plain.py", folder / "plain"
        script.write_text(PANDAS)
        out.mkdir()
        plain, plain_peak = run_timed([str(script), str(folder / f"events.{form}"), str(out)])
        text += f"; the same in pandas {plain:.1f} s ({plain / took:.1f} times as long), {plain_peak:.1f} GB"
    print(text, flush=True)


def write_days(folder: Path, num_events: int) -> None:
    """Writes a log as one CSV file for each of 101 parts of equal size, and its recipe."""
    write_log(folder / "log.csv", num_events)
    head, *lines = (folder / "log.csv").read_bytes().splitlines(keepends=True)
    for day in range(NUM_DAYS + 1):
        first, end = (len(lines) * at // (NUM_DAYS + 1) for at in (day, day + 1))
        (folder / f"day-{day:03d}.csv").write_bytes(head + b"".join(lines[first:end]))
    (folder / "log.csv").unlink()
    (folder / "shop.toml").write_text(RECIPE.format(file="day-*.csv"))


def processor_seconds() -> float:
    """Returns the processor time of all processes that have ended: other work on the machine lengthens it less."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_one_day_more(folder: Path, num_events: int) -> None:
    """Prints what it takes to prepare a log again that has grown by one daily file, and what a run over all takes."""
    write_days(folder, num_events)
    last, away = folder / f"day-{NUM_DAYS:03d}.csv", folder / "tomorrow"
    last.rename(away)
    prepare = ["tfrec", "prepare", str(folder / "shop.toml"), "--no-report", "--out"]
    run_timed([*prepare, str(folder / "grown")])
    away.rename(last)
    before = processor_seconds()
    grown, grown_peak = run_timed([*prepare, str(folder / "grown")])
    between = processor_seconds()
    whole, whole_peak = run_timed([*prepare, str(folder / "whole")])
    busy = processor_seconds() - between
    whole_folder = folder / "whole"
    names = sorted(str(path.relative_to(whole_folder)) for path in whole_folder.rglob("*") if path.is_file())
    differing = [name for name in names if (whole_folder / name).read_bytes() != (folder / "grown" / name).read_bytes()]
    print(
        f"One day more on {NUM_DAYS} days, {num_events:,} events: {grown:.1f} s, {grown_peak:.1f} GB; a run over all "
        f"{whole:.1f} s, {whole_peak:.1f} GB ({grown / whole:.0%}); "
        f"of the processor {between - before:.1f} s and {busy:.1f} s ({(between - before) / busy:.0%}); "
        f"{'equal bytes' if not differing else f'OTHER BYTES in {differing}'}",
        flush=True,
    )


def time_engines(folder: Path, num_events: int) -> None:
    """Prints what one CSV file takes on DuckDB and on Spark, whose memory is not this process's."""
    write_log(folder / "events.csv", num_events)
    (folder / "shop.toml").write_text(RECIPE.format(file="events.csv"))
    prepare = ["tfrec", "prepare", str(folder / "shop.toml"), "--no-report"]
    took = {
        engine: run_timed([*prepare, "--out", str(folder / engine), "--engine", engine])[0]
        for engine in ("duckdb", "spark")
    }
    tables = {
        engine: [pyarrow.parquet.read_table(folder / engine / f"{name}.parquet") for name in ("events", "test_events")]
        for engine in took
    }
    print(
        f"{num_events:,} events, csv, {os.cpu_count()} cores: DuckDB {took['duckdb']:.1f} s, "
        f"Spark {took['spark']:.1f} s ({took['spark'] / took['duckdb']:.1f} times as long); "
        f"{'equal rows' if tables['duckdb'] == tables['spark'] else 'OTHER ROWS'}",
        flush=True,
    )


def main() -> None:
    """Times each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=DEFAULT, metavar="SIZE")
    parser.add_argument("--without-pandas", action="store_true", help="leave out the script in pandas")
    parser.add_argument("--memory", default="", help="limit of the engine, such as 4GB, for sizes of csv and parquet")
    options = parser.parse_args()
    os.environ.setdefault("TFREC_DATA_HOME", str(data_home()))
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if size == "online_retail":
                took, peak = run_timed(["tfrec", "prepare", size, "--out", str(folder / "prepared"), "--no-report"])
                print(
                    f"Online Retail, 541,909 rows: {took:.1f} s, {541_909 / took:,.0f} rows/s, {peak:.1f} GB",
                    flush=True,
                )
                continue
            number, form = size.rstrip(ascii_letters), size.lstrip(digits)
            if not number or form not in ("csv", "parquet", "days", "spark"):
                parser.error(
                    f"a size is online_retail, or a number with csv, days, parquet or spark behind it; got {size!r}"
                )
            if form == "spark":
                time_engines(folder, int(number))
                continue
            if form == "days":
                time_one_day_more(folder, int(number))
                continue
            time_generated(folder, int(number), form, with_pandas=not options.without_pandas, memory=options.memory)


if __name__ == "__main__":
    main()
