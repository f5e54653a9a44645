"""Prints what rule mining costs on a synthetic shop and whether Groceries gives the published counts.

`python -m tests.benchmarks.rules [--orders 1000000] [--items 50000]`
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd

from tests.benchmarks.whole_shop import data_home, read_whole_shop
from tfrec.analysis.rules import mine_rules
from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform

NUM_PLANTED = 1000


def synthetic_shop(*, num_orders: int, num_items: int, seed: int) -> tuple[Tables, set[frozenset[str]]]:
    """Returns orders of log-normal size over items of Zipf popularity, with pairs that are planted, and these pairs.

    A planted pair takes its two items from the middle of the popularity; three orders in a thousand hold each such
    item by chance or by plan, and half of the orders with the first get the second as well.
    """
    rng = np.random.default_rng(seed)
    sizes = np.clip(rng.lognormal(mean=1.8, sigma=0.8, size=num_orders).astype(int), 1, 200)
    orders = np.repeat(np.arange(num_orders), sizes)
    popularity = 1 / np.arange(1, num_items + 1) ** 0.8
    bounds = np.cumsum(popularity / popularity.sum())
    items = np.minimum(np.searchsorted(bounds, rng.random(len(orders))), num_items - 1)
    middle = rng.permutation(np.arange(num_items // 100, num_items // 10))[: 2 * min(NUM_PLANTED, num_items // 25)]
    first, second = middle[0::2], middle[1::2]
    partner = np.full(num_items, -1)
    partner[first] = second
    follows = (partner[items] >= 0) & (rng.random(len(items)) < 0.5)
    orders = np.concatenate([orders, orders[follows]])
    items = np.concatenate([items, partner[items[follows]]])
    order = np.argsort(orders, kind="stable")
    orders, items = orders[order], items[order]
    names = pd.array([f"item-{number}" for number in range(num_items)], dtype="str")
    order_names = pd.array([f"order-{number}" for number in range(num_orders)], dtype="str")
    events = conform(
        pd.DataFrame(
            {
                "item_id": names.take(items),
                "order_id": order_names.take(orders),
                "timestamp": np.datetime64("2024-01-01", "us") + orders * np.timedelta64(30, "s"),
            }
        ),
        EVENT_COLUMNS,
        table="events",
    )
    events["event_type"] = pd.Series("purchase", index=events.index, dtype="str")
    catalogue = conform(pd.DataFrame({"item_id": names}), ITEM_COLUMNS, table="items")
    users = conform(pd.DataFrame({"user_id": []}), USER_COLUMNS, table="users")
    planted = {frozenset((names[a], names[b])) for a, b in zip(first, second, strict=True)}
    return Tables(events, catalogue, users), planted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--min-support", type=float, default=5e-5)
    arguments = parser.parse_args()
    if (data_home() / "groceries").is_dir():
        plain = {"min_lift": 0.0, "min_count": 1, "max_false_share": None, "only_stable": False}
        found = mine_rules(
            read_whole_shop("groceries", data_home()), min_support=0.001, min_confidence=0.5, max_size=6, **plain
        )
        print(f"Groceries: {found.num_marks:,} marks (43,367), {len(found.rules):,} rules (5,668)")
    tables, planted = synthetic_shop(num_orders=arguments.orders, num_items=arguments.items, seed=7)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    start = time.perf_counter()
    found = mine_rules(tables, min_support=arguments.min_support, max_size=4)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    recovered = {frozenset((*rule.antecedent, rule.consequent)) for rule in found.rules.itertuples()} & planted
    print(
        f"Synthetic: {arguments.orders:,} orders × {arguments.items:,} items, {found.num_marks:,} marks, support ≥ "
        f"{arguments.min_support:g}: {len(found.itemsets):,} itemsets, {len(found.rules):,} rules in {seconds:.1f} s; "
        f"peak memory {peak:.2f} GB ({before:.2f} GB with the tables alone); "
        f"{len(recovered):,} of {len(planted):,} planted pairs found"
    )


if __name__ == "__main__":
    main()
