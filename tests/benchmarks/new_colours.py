"""Gives products of a demo shop colours, one of them new, and asks how soon each is offered.

Of the items that are sold most, each becomes a product of three colours. A customer buys the first or the second,
always the same of one product; the third is on sale since the last day before the split, at the same price and in the
same category, and was never bought. What sells with one sells with the others, so that an order's other items
should bring the new colour as far forward as the known ones.
"""

import csv
import gzip
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.results import Figure, Held
from tfrec.demo_shop.dirt import ACTIONS
from tfrec.ingest.prepared import Prepared
from tfrec.ingest.recipes import find_recipe
from tfrec.release.served_ranker import ask_slates
from tfrec.serving.recommend import Answering
from tfrec.statistics.cluster_bootstrap import bootstrap_means

_SHOP = "demo_shop"
NUM_PRODUCTS = 300
NEW, KNOWN = "c", ("a", "b")
_BEHIND = {"a": "", "b": "-b", "c": "-c"}
"""What stands behind an item's id for each colour of it."""
_K = 10


def give_colours(raw: Path, home: Path, *, on_sale_since: str) -> Path:
    """Writes a demo shop whose most sold items have colours, and its recipe, which is returned.

    Args:
        raw: folder of a demo shop as it was generated.
        home: data home that is written to.
        on_sale_since: date from which the new colours are sold.
    """
    folder = home / _SHOP
    recipe = home / "coloured.toml"
    if recipe.is_file():
        return recipe
    folder.mkdir(parents=True, exist_ok=True)
    for path in raw.iterdir():
        if path.name not in ("events.csv.gz", "items.csv") and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.absolute())
    with gzip.open(raw / "events.csv.gz", "rt", newline="") as log:
        sold = Counter(row["product"] for row in csv.DictReader(log) if row["action"] == ACTIONS["purchase"])
    items = pd.read_csv(raw / "items.csv", dtype=str, keep_default_na=False)
    known = set(items["product"])
    chosen = {item for item, _ in sold.most_common() if item in known}
    chosen = set(sorted(chosen, key=lambda item: -sold[item])[:NUM_PRODUCTS])
    items["product_group"] = np.where(items["product"].isin(chosen), items["product"], "")
    coloured = items[items["product"].isin(chosen)]
    added = [coloured.assign(product=coloured["product"] + _BEHIND[colour]) for colour in ("b", NEW)]
    added[1] = added[1].assign(available_from=on_sale_since)
    pd.concat([items, *added]).to_csv(folder / "items.csv", index=False)
    with (
        gzip.open(raw / "events.csv.gz", "rt", newline="") as log,
        gzip.open(folder / "events.csv.gz", "wt", compresslevel=3, newline="") as kept,
    ):
        rows = csv.DictReader(log)
        writer = csv.DictWriter(kept, rows.fieldnames or ())
        writer.writeheader()
        for row in rows:
            if row["product"] in chosen and _second(row["customer"] or row["session"], row["product"]):
                row["product"] += _BEHIND["b"]
            writer.writerow(row)
    text = find_recipe(_SHOP).read_text()
    unfinished = recipe.with_suffix(".unfinished")
    unfinished.write_text(text.replace("[items.columns]\n", '[items.columns]\nitem_group = "product_group"\n', 1))
    unfinished.replace(recipe)
    return recipe


def rank_colours(servable: Answering, prepared: Prepared) -> list[Held]:
    """Returns how often each colour of a bought product is among the first ten, offered beside the order's other items.

    Carts are asked for as a guest's, once for each colour, with the other two left out.
    """
    groups = prepared.train.items.set_index("item_id")["item_group"].astype(object)
    bought = prepared.test.events[prepared.test.events["event_type"] == "purchase"]
    bought = bought[bought["order_id"] != ""].drop_duplicates(["order_id", "item_id"])
    product = groups.reindex(bought["item_id"]).fillna("").to_numpy()
    rows = []
    for order, lines in bought.assign(product=product).groupby("order_id", sort=True):
        for number, (item, its) in enumerate(zip(lines["item_id"], lines["product"], strict=True)):
            cart = lines.loc[(lines["product"] != its) | (lines["item_id"] != item) & (its == ""), "item_id"].tolist()
            if its and cart:
                rows.append({"query_id": f"{order}:{number}", "product": its, "cart_item_ids": cart})
    asked = pd.DataFrame(rows)
    hits = {colour: _hits(servable, asked, colour) for colour in (*KNOWN, NEW)}
    known = np.mean([hits[colour] for colour in KNOWN], axis=0)
    clusters = asked["query_id"].str.split(":").str[0].to_numpy()
    of_known, of_new = (bootstrap_means(one[:, None], clusters)[0] for one in (known, hits[NEW]))
    what = "demo shop with colours, `complete_cart`, a product of the order, HR@10"
    return [
        Held(f"{what}: colours sold before", Figure(of_known.value, of_known.low, of_known.high), len(asked)),
        Held(f"{what}: new colour", Figure(of_new.value, of_new.low, of_new.high), len(asked), of_known.low),
    ]


def _second(customer: str, product: str) -> bool:
    """Returns whether a customer buys the second colour of a product: by chance, and always the same."""
    return bool(hashlib.sha256(f"{customer} {product}".encode()).digest()[0] % 2)


def _hits(servable: Answering, asked: pd.DataFrame, colour: str) -> np.ndarray:
    """Returns `[Q]` 1.0 where a colour of the product is among the first ten, the others left out."""
    wanted = (asked["product"] + _BEHIND[colour]).to_numpy()
    others = [
        [product + behind for other, behind in _BEHIND.items() if other != colour] for product in asked["product"]
    ]
    queries = asked.drop(columns="product").assign(exclude_item_ids=others)
    slates = ask_slates(servable, "complete_cart", queries, k=_K)
    return (slates.item_ids[:, :_K] == wanted[:, None]).any(axis=1).astype(float)
