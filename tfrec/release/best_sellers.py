"""Finds the items that sold most lately, in the whole shop and in every category, as clients keep them."""

from collections import Counter

import numpy as np
import pandas as pd

from tfrec.client.best_sellers import BestSeller, BestSellers
from tfrec.features.shop import Shop
from tfrec.schema.category_paths import paths_above

DAYS = 28.0
"""Days before the end of the log that count as lately."""
_OF_SHOP, _OF_CATEGORY = 200, 20


def find_best_sellers(shop: Shop, *, version: int) -> BestSellers:
    """Returns the 200 items of the shop and the 20 of each category that sold most in the last 28 days, best first.

    What sold equally often, or only before, follows by all sales; in a log without purchases every event counts. Left
    out are items without stock or not on sale at the end of the log, and all variants of a product but the best.

    Args:
        shop: what the models learned from.
        version: version of the servable that the list lies beside.
    """
    train = shop.prepared.train
    events = train.events[train.events["item_id"] != ""]
    purchases = events[events["event_type"] == "purchase"]
    counted = purchases if len(purchases) else events[events["event_type"] != "impression"]
    end = train.events["timestamp"].max()
    recent = counted[counted["timestamp"] > end - pd.Timedelta(days=DAYS)]["item_id"].value_counts()
    ever = counted["item_id"].value_counts()
    items = train.items[shop.vocabularies.catalogue.is_available(end.timestamp() / 3600)[1:]]
    sold = items.assign(
        recent=items["item_id"].map(recent).fillna(0).astype(np.int64),
        ever=items["item_id"].map(ever).fillna(0).astype(np.int64),
    ).sort_values(["recent", "ever", "item_id"], ascending=[False, False, True], kind="stable")
    if "item_group" in sold.columns:
        sold = sold[(sold["item_group"] == "") | ~sold["item_group"].duplicated()]
    found: list[BestSeller] = []
    of_category: Counter[str] = Counter()
    columns = (sold[name].tolist() for name in ("item_id", "category", "price", "recent"))
    for place, (item_id, category, price, count) in enumerate(zip(*columns, strict=True)):
        paths = list(paths_above(category))
        of_category.update(paths)
        if place < _OF_SHOP or any(of_category[path] <= _OF_CATEGORY for path in paths):
            found.append(BestSeller(item_id, category, 0.0 if np.isnan(price) else round(price, 4), int(count)))
    return BestSellers(version, tuple(found))
