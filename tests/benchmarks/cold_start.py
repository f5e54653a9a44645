"""Items and users without a past, with and without facts and friends: `python -m tests.benchmarks.cold_start`.

Generates a demo shop with facts of items and friends of users, trains the funnel on it with both and with neither, and
asks both for items never sold in training (ranked among themselves for a cart) and for users who bought nothing in
training (anything of their first order in the test period counts). Pictures are left out of both: in this shop they
show the very pattern that the facts name.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.results import Compared, Figure, add_save, save_results
from tfrec.client.queries import build_inputs
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.evaluation.metrics import hit_rate_at_k, rank_in_slate
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.ingest.recipes import find_recipe
from tfrec.jobs.ablation import rank_all, unsold_cases
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.statistics.paired import compare_paired
from tfrec.training import TrainingConfig
from tfrec.training.settings_file import read_config
from tfrec.workflow import train_shop

WITHOUT, WITH = "without facts and friends", "with facts and friends"
K = 10


def prepare_both(work: Path, shop: DemoShopConfig) -> dict[str, Prepared]:
    """Returns the same shop prepared with its graphs and without."""
    home = work / "data"
    generate_demo_shop(home / "demo_shop", shop)
    plain = find_recipe("demo_shop").read_text()
    texts = {WITHOUT: plain, WITH: plain + "\n" + (home / "demo_shop" / "graphs.toml").read_text()}
    result = {}
    for name, text in texts.items():
        recipe = work / f"{name}.toml"
        recipe.write_text(text)
        result[name] = prepare_shop(recipe, work / name, data_home=home)
    return result


def first_orders(shop: Prepared) -> pd.Series:
    """Returns user → item ids of the first order in the test period, of users of whom training has no event."""
    bought = shop.test.purchases
    known = {*shop.train.events["user_id"], ""}
    bought = bought[~bought["user_id"].isin(known) & bought["item_id"].isin(shop.train.items["item_id"])]
    first = bought.groupby("user_id")["order_id"].transform("first")
    return bought[bought["order_id"] == first].groupby("user_id")["item_id"].agg(set)


def hits_of_newcomers(servable: Servable, orders: pd.Series) -> np.ndarray:
    """Returns `[users]`: 1 where one of the first `K` offered was in the first order."""
    inputs, _ = build_inputs(SIGNATURES["recommend"], {"user_id": orders.index.tolist(), "k": [K] * len(orders)})
    offered = servable.call("recommend", inputs)["item_ids"].astype(str)
    return np.array([float(bool(wanted & set(row))) for wanted, row in zip(orders, offered, strict=True)])


def measure(work: Path, shops: dict[str, Prepared], config: TrainingConfig) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns name → hits of carts with an item never sold, hits of newcomers."""
    cases, ids = unsold_cases(shops[WITH])
    orders = first_orders(shops[WITH])
    result = {}
    for name, shop in shops.items():
        models = work / f"models {name}, seed {config.seed}"
        train_shop(shop.path, models, config)
        with Servable.load(newest_version(models, "ranking")) as servable:
            unsold = hit_rate_at_k(rank_in_slate(rank_all(servable, cases, ids), cases).ranks, k=K)
        with Servable.load(newest_version(models, "shop")) as servable:
            result[name] = unsold, hits_of_newcomers(servable, orders)
    return result


def figures(
    work: Path, shop: DemoShopConfig, config: TrainingConfig, *, num_trainings: int
) -> Iterator[str | Compared]:
    """Yields lines and figures: each method's hit rate with its interval over carts or users, the paired difference."""
    shops = prepare_both(work, shop)
    runs = [measure(work, shops, dataclasses.replace(config, seed=seed)) for seed in range(num_trainings)]
    cases, ids = unsold_cases(shops[WITH])
    orders = first_orders(shops[WITH])
    table = shops[WITH].train.relations
    buyers = shops[WITH].train.purchases["user_id"]
    is_befriended = orders.index.isin(table.loc[table["other_id"].isin(buyers), "user_id"])
    about = shops[WITH].manifest
    yield (
        f"demo shop (seed {shop.seed}) of {about.items:,} items and {about.users:,} users, {about.facts:,} "
        f"facts, {about.relations:,} relations; seeds of training: {', '.join(map(str, range(num_trainings)))}"
    )
    parts = (
        (
            f"{len(cases):,} carts, one of {len(ids):,} items never sold, HR@{K} among them",
            "never_sold",
            cases.groups,
            None,
        ),
        (
            f"{int(is_befriended.sum()):,} users without history whose friends bought, HR@{K}",
            "newcomers",
            None,
            is_befriended,
        ),
        (f"{int((~is_befriended).sum()):,} users without history nor such friends, HR@{K}", "", None, ~is_befriended),
    )
    for title, task, groups, rows in parts:
        part = int(task != "never_sold")
        values = {name: np.mean([run[name][part] for run in runs], axis=0) for name in shops}
        if rows is not None:
            values = {name: hits[rows] for name, hits in values.items()}
        label = np.arange(len(values[WITH])) if groups is None else np.unique(groups, return_inverse=True)[1]
        yield title
        if not len(label):
            continue
        means = {name: bootstrap_means(hits[:, None], label)[0] for name, hits in values.items()}
        for name, estimate in means.items():
            yield f"  {name:<28}{estimate}"
        if task:
            ours, other = (Figure(means[name].value, means[name].low, means[name].high) for name in (WITH, WITHOUT))
            yield Compared("cold_start", task, f"HR@{K}", ours, other, "the same funnel with neither", len(label))
        yield f"  {'paired difference':<28}{compare_paired(values[WITH], values[WITHOUT], label)}"


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_500)
    parser.add_argument("--users", type=int, default=15_000)
    parser.add_argument("--events", type=int, default=160_000)
    parser.add_argument("--trainings", type=int, default=1, help="of each kind, a seed each; hits are averaged")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all trainings")
    parser.add_argument("--work", type=Path, help="folder that keeps what is prepared and trained")
    add_save(parser)
    options = parser.parse_args()
    shop = DemoShopConfig(
        num_items=options.items,
        num_users=options.users,
        num_events=options.events,
        num_slates=options.events // 20,
        with_graphs=True,
    )
    config = read_config(settings=("retrieval.use_images=false", *options.set))
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        compared = []
        for line in figures(work, shop, config, num_trainings=options.trainings):
            if isinstance(line, Compared):
                compared.append(line)
            else:
                print(line, flush=True)
    if options.save:
        save_results("cold_start", "make bench-cold_start", compared=compared)


if __name__ == "__main__":
    main()
