"""Prints what serving costs: importing the client, a call through the C API, strings, a round trip over gRPC.

`python -m tests.benchmarks.serving [--models DIR]`; without DIR it builds the tiny models of the tests first. A query
over gRPC, to a server in another process, and the same one in this process are asked in turn, so that what else the
machine does burdens both: the bars are p50 ≤ that of the call in process + 1.5 ms, and p99 ≤ 4 × p50. `--round-trip`
prints these alone, on any folder with the servable `shop`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.fuzz import served
from tests.benchmarks.results import Cost, add_save, save_results
from tfrec.client import RecommenderClient
from tfrec.serving.servable import Servable
from tfrec.serving.server import EmbeddedServer

_IMPORT = "import time; start = time.perf_counter(); import tfrec.client; print(time.perf_counter() - start)"


def seconds_of(call: Callable[[], object], *, rounds: int) -> list[float]:
    """Returns the sorted wall times of `rounds` calls after ten that do not count."""
    times = []
    for number in range(rounds + 10):
        start = time.perf_counter()
        call()
        if number >= 10:
            times.append(time.perf_counter() - start)
    return sorted(times)


def show(what: str, times: list[float]) -> Cost:
    """Prints median, 99th percentile and best in milliseconds, and returns the first two."""
    p99 = times[int(0.99 * (len(times) - 1))]
    print(f"{what:<58} p50 {1e3 * statistics.median(times):8.3f} ms  p99 {1e3 * p99:8.3f}  best {1e3 * times[0]:8.3f}")
    return Cost(
        what, f"{1e3 * statistics.median(times):.3g} ms in the median, {1e3 * p99:.3g} ms at the 99th percentile"
    )


def main() -> None:
    """Runs all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument(
        "--round-trip", action="store_true", help="the query over gRPC beside the call in process alone"
    )
    add_save(parser)
    options = parser.parse_args()
    models = options.models
    with tempfile.TemporaryDirectory() as made:
        if models is None:
            models = Path(made)
            subprocess.run(
                [sys.executable, Path(__file__).parents[1] / "tiny_models.py", models],
                check=True,
                stderr=subprocess.DEVNULL,
            )
        if options.round_trip:
            compare_with_in_process(models)
            return
        costs = [*measure(models), *compare_with_in_process(models)]
    if options.save:
        save_results("serving", "make bench-serving", costs=costs)


def measure(models: Path) -> list[Cost]:
    """Prints the times on the tiny models in `models`, and returns those that the pages show."""
    runs = [float(subprocess.check_output([sys.executable, "-c", _IMPORT])) for _ in range(10)]
    kept = [show("import tfrec.client, a fresh process", sorted(runs))]

    start = time.perf_counter()
    shop = Servable.load(models / "shop" / "1")
    print(f"{'load the C library and the tiny shop':<58} {time.perf_counter() - start:.2f} s")
    plain = Servable.load(models / "plain" / "1")
    number, word = np.array([1.0], np.float32), np.array(["user_1"], dtype=object)
    show("call: echo one float", seconds_of(lambda: plain.call("echo_float32", {"x": number}), rounds=3000))
    show("call: echo one string", seconds_of(lambda: plain.call("echo_string", {"x": word}), rounds=3000))
    cart = np.array([["item_0", "item_2"]], dtype=object)
    show(
        "call: cross_sell, all inputs but the cart defaulted",
        seconds_of(lambda: shop.call("cross_sell", {"cart_item_ids": cart}), rounds=2000),
    )
    for what, words in {
        "100,000 short strings": np.array([f"item_{number % 5000}" for number in range(100_000)], dtype=object),
        "100,000 strings of 40 bytes": np.array([f"{number:040d}" for number in range(100_000)], dtype=object),
    }.items():
        show(f"call: echo {what}", seconds_of(lambda words=words: plain.call("echo_string", {"x": words}), rounds=5))
    shop.close()
    plain.close()

    with EmbeddedServer(models, port=0) as server, RecommenderClient(f"127.0.0.1:{server.port}", deadline=10) as client:
        ask = lambda: client.cross_sell(cart_item_ids=["item_0", "item_2"], k=5)  # noqa: E731
        kept.append(show("client to server and back: cross_sell, one query", seconds_of(ask, rounds=1000)))
        carts = [["item_0", "item_2"]] * 100
        show(
            "client to server and back: cross_sell, 100 queries",
            seconds_of(lambda: client.cross_sell(cart_item_ids=carts, k=5), rounds=100),
        )
        start = time.perf_counter()
        threads = [threading.Thread(target=lambda: [ask() for _ in range(250)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = 2000 / (time.perf_counter() - start)
        what = "one-query calls a second, 8 threads, both ends here"
        print(f"{what:<58} {rate:,.0f}")
        kept.append(Cost(what, f"{rate:,.0f}"))
    return kept


def compare_with_in_process(models: Path, *, rounds: int = 1000) -> list[Cost]:
    """Prints one query of `cross_sell` over gRPC and in this process, asked in turn, and returns the former."""
    version = max(
        (entry for entry in (models / "shop").iterdir() if entry.name.isdigit()), key=lambda one: int(one.name)
    )
    times: dict[str, list[float]] = {"in process": [], "over gRPC": []}
    with tempfile.TemporaryDirectory() as made, Servable.load(version) as shop:
        start = time.perf_counter()
        with served(models, Path(made)) as server, RecommenderClient(f"127.0.0.1:{server.port}", deadline=10) as client:
            ready = time.perf_counter() - start
            items = [item for item in client.recommend(k=5).item_ids if item]
            cart = np.array([["", *items[:2]]], dtype=object)
            calls = {
                "in process": lambda: shop.call("cross_sell", {"cart_item_ids": cart, "k": np.array([5], np.int32)}),
                "over gRPC": lambda: client.cross_sell(cart_item_ids=items[:2], k=5),
            }
            for number in range(rounds + 20):
                for what, call in calls.items():
                    start = time.perf_counter()
                    call()
                    if number >= 20:
                        times[what].append(time.perf_counter() - start)
    print(f"{'start of the server, until all servables are warm':<58} {ready:.1f} s")
    kept = [show(f"cross_sell of one query, {what}, asked in turn", sorted(taken)) for what, taken in times.items()]
    inside, outside = (statistics.median(taken) for taken in times.values())
    p99 = sorted(times["over gRPC"])[int(0.99 * (rounds - 1))]
    print(f"over gRPC: p50 {1e3 * (outside - inside):+.3f} ms (bar +1.5), p99 {p99 / outside:.1f} × p50 (bar 4)")
    return kept


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
