"""Prints what segments cost on a synthetic shop of a million users, and how stable they are on Online Retail.

`python -m tests.benchmarks.segments [--users 1000000]`
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd

from tests.benchmarks.whole_shop import data_home, read_whole_shop
from tfrec.analysis.segments import segment_by_dbscan, segment_by_kmeans, segment_by_rfm
from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform


def synthetic_users(*, num_users: int, seed: int) -> tuple[Tables, np.ndarray]:
    """Returns purchases of users of three kinds (rare, regular, heavy), and the kind of each user."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, size=num_users, p=[0.5, 0.35, 0.15])
    num_orders = 1 + rng.poisson(np.array([0.2, 3.0, 14.0])[kinds])
    users = np.repeat(np.arange(num_users), num_orders)
    activity = np.repeat(np.array([300.0, 60.0, 10.0])[kinds], num_orders)
    days = 365 - np.minimum(rng.exponential(activity) + rng.random(len(users)) * 30, 364.9)
    price = rng.lognormal(np.array([2.0, 3.0, 4.0])[kinds[users]], 0.4)
    items = rng.zipf(1.3, size=len(users)) % 5000
    order = np.argsort(days, kind="stable")
    user_names = pd.array([f"u{number}" for number in range(num_users)], dtype="str")
    item_names = pd.array([f"i{number}" for number in range(5000)], dtype="str")
    events = pd.DataFrame(
        {
            "user_id": user_names.take(users[order]),
            "item_id": item_names.take(items[order]),
            "timestamp": np.datetime64("2024-01-01", "us") + (days[order] * 86_400e6).astype("timedelta64[us]"),
            "order_id": pd.array([f"o{number}" for number in range(len(order))], dtype="str"),
            "price": price[order],
        }
    )
    events = conform(events, EVENT_COLUMNS, table="events")
    events["event_type"] = pd.Series("purchase", index=events.index, dtype="str")
    catalogue = conform(pd.DataFrame({"item_id": item_names}), ITEM_COLUMNS, table="items")
    people = conform(pd.DataFrame({"user_id": user_names}), USER_COLUMNS, table="users")
    return Tables(events, catalogue, people), kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    arguments = parser.parse_args()
    shops = {}
    if (data_home() / "online_retail").is_dir():
        shops["Online Retail"] = read_whole_shop("online_retail", data_home())
    shops["Synthetic"], _ = synthetic_users(num_users=arguments.users, seed=7)
    for name, tables in shops.items():
        for segment in (segment_by_rfm, segment_by_kmeans, segment_by_dbscan):
            start = time.perf_counter()
            found = segment(tables)
            seconds = time.perf_counter() - start
            detail = ""
            if len(found.choice):
                chosen = found.choice.loc[(found.choice["stability"] - found.stability).abs().idxmin()]
                detail = (
                    f", ARI {found.stability:.3f} (5th–95th percentile {chosen['stability_low']:.3f}–"
                    f"{chosen['stability_high']:.3f}), noise {found.noise_share:.1%}"
                )
            print(
                f"{name}: {len(found.assignments):,} users, {len(tables.events):,} events, {found.method}: "
                f"{len(found.profiles)} segments in {seconds:.1f} s{detail}"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.2f} GB")


if __name__ == "__main__":
    main()
