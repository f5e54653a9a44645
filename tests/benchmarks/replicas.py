"""Simulates replicas that answer requests, from service times that were measured: how many meet a latency?

`python -m tests.benchmarks.replicas --models DIR --rate 200 [--cores 2] [--replicas 1 2 4 8] [--shards 1]` times
`cross_sell` of a servable on one thread first, or takes `--milliseconds FILE`, a number a line. Requests come at random
(Poisson) and go to a replica at random, as gRPC's round robin over many clients is; each replica has a queue and as
many requests under way as cores. With shards each request asks one replica of every shard, and waits for the slowest.
What the network takes is not in it, nor what batching saves.
"""

import argparse
import heapq
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def simulate(
    service: np.ndarray,
    *,
    rate: float,
    replicas: int,
    cores: int,
    shards: int = 1,
    num_requests: int = 100_000,
    seed: int = 0,
) -> np.ndarray:
    """Returns the seconds from arrival to answer of each request, `[num_requests]`, the first tenth left out.

    Args:
        service: `[n]` seconds of processor that a request takes; drawn from with replacement, of each shard by itself.
        rate: requests a second, on average.
        replicas: replicas of each shard.
        cores: requests that a replica computes at once.
        shards: parts of the catalogue, each with replicas of its own.
        num_requests: how many come.
        seed: of all that is drawn.
    """
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(1.0 / rate, num_requests))
    slowest = np.zeros(num_requests)
    for _ in range(shards):
        place = rng.integers(replicas, size=num_requests)
        taken = rng.choice(service, num_requests)
        answered = np.empty(num_requests)
        free = [[0.0] * cores for _ in range(replicas)]  # when each core is free, a heap a replica
        for number, (moment, where, seconds) in enumerate(
            zip(arrival.tolist(), place.tolist(), taken.tolist(), strict=True)
        ):
            end = max(moment, free[where][0]) + seconds
            heapq.heapreplace(free[where], end)
            answered[number] = end
        slowest = np.maximum(slowest, answered - arrival)
    return slowest[num_requests // 10 :]


def timed(models: Path, *, calls: int = 500) -> np.ndarray:
    """Returns the seconds that `cross_sell` of a servable takes on one thread, `[calls]`."""
    from tfrec.serving.recommend import newest_version
    from tfrec.serving.servable import Servable

    with Servable.load(newest_version(models, "shop"), intra_op_threads=1, inter_op_threads=1) as shop:
        items = [item for item in shop.call("recommend", {"k": np.array([20], np.int32)})["item_ids"][0] if item]
        rng, taken = np.random.default_rng(0), []
        for _ in range(calls + 20):
            cart = np.array([["", *rng.choice(items, 5)]], dtype=object)
            start = time.perf_counter()
            shop.call("cross_sell", {"cart_item_ids": cart, "k": np.array([10], np.int32)})
            taken.append(time.perf_counter() - start)
    return np.array(taken[20:])


def show(service: np.ndarray, *, rate: float, replicas: Sequence[int], cores: int, shards: int) -> None:
    """Prints a line for each number of replicas."""
    mean = service.mean()
    slow = np.quantile(service, 0.99)
    print(f"a request takes {1e3 * mean:.1f} ms in the mean, {1e3 * slow:.1f} at the 99th percentile")
    print(f"{rate:,.0f} requests/s on {shards} shard(s) keep {rate * mean * shards:,.1f} cores busy")
    for number in replicas:
        busy = rate * mean / (number * cores)
        if busy >= 1:
            print(f"{number:>5} replicas of {cores} cores a shard: too few, {busy:.0%} of their time is asked for")
            continue
        waited = simulate(service, rate=rate, replicas=number, cores=cores, shards=shards)
        p50, p99 = (1e3 * np.quantile(waited, share) for share in (0.5, 0.99))
        print(f"{number:>5} replicas of {cores} cores a shard: {busy:4.0%} busy, p50 {p50:7.1f} ms, p99 {p99:7.1f} ms")


def main() -> None:
    """Times or reads, simulates and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--models", type=Path, help="folder with the servable `shop`")
    source.add_argument("--milliseconds", type=Path, help="service times, a number a line")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--shards", type=int, default=1)
    options = parser.parse_args()
    if not options.rate > 0 or min(options.cores, options.shards, *options.replicas) < 1:
        parser.error("--rate must be above 0; --cores, --shards and --replicas at least 1")
    service = timed(options.models) if options.models else np.loadtxt(options.milliseconds, ndmin=1) / 1e3
    show(service, rate=options.rate, replicas=options.replicas, cores=options.cores, shards=options.shards)


if __name__ == "__main__":
    main()
