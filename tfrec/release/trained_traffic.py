"""Counts what a shop's training period bought and looked at, by category, price and cart size."""

import zlib

import numpy as np
import pandas as pd

from tfrec.features.shop import Shop
from tfrec.release.training_traffic import SIZE_BINS, TrainingTraffic, size_bins
from tfrec.schema.category_paths import CATEGORY_SEPARATOR

NO_CATEGORY, OTHERS = "without category", "other categories"
_SMALLEST, _MOST = 0.01, 30  # share of a category that is compared by itself, and number of those
_PRICE_BINS = 10


def count_training_traffic(shop: Shop) -> TrainingTraffic:
    """Returns the counts of the training period; in a log without orders, what was seen stands for what was bought.

    Categories are compared at the highest level that has two of them or more; those below 1 % are one. Price bins are
    the tenths of what was bought, by the items' current prices.
    """
    train = shop.prepared.train
    items = train.items
    events = train.events[(train.events["item_id"] != "") & (train.events["event_type"] != "impression")]
    lines = events[events["event_type"] == "purchase"]
    seen = events if (events["event_type"] != "purchase").any() else lines
    lines = lines.drop_duplicates(["user_id", "order_id", "timestamp", "item_id"]) if len(lines) else seen
    row_of = pd.Series(np.arange(len(items)), index=items["item_id"].to_numpy(object))
    bought_rows, seen_rows = (rows["item_id"].map(row_of).dropna().to_numpy(np.int64) for rows in (lines, seen))
    code, names = _codes(items["category"].astype(str).tolist(), bought_rows, seen_rows)
    price = np.where(items["price"] > 0, items["price"], np.nan).astype(np.float32)
    bought_prices = price[bought_rows][~np.isnan(price[bought_rows])]
    shares = np.arange(1, _PRICE_BINS) / _PRICE_BINS
    edges = np.unique(np.quantile(bought_prices, shares)).astype(np.float32) if len(bought_prices) else bought_prices
    checksums = np.fromiter((zlib.crc32(_encoded(item)) for item in items["item_id"]), np.uint32, len(items))
    order = np.argsort(checksums, kind="stable")

    def by_price(rows: np.ndarray) -> np.ndarray:
        known = price[rows][~np.isnan(price[rows])]
        return np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)

    return TrainingTraffic(
        checksums=checksums[order],
        category=code[order].astype(np.int32),
        price=price[order],
        categories=np.array(names),
        price_edges=edges,
        bought_categories=np.bincount(code[bought_rows], minlength=len(names)),
        bought_prices=by_price(bought_rows),
        seen_categories=np.bincount(code[seen_rows], minlength=len(names)),
        seen_prices=by_price(seen_rows),
        cart_sizes=_cart_sizes(train.purchases),
    )


def _codes(paths: list[str], bought: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Returns the category code of each item `[N]`, and the names of the codes."""
    split = [path.split(CATEGORY_SEPARATOR) for path in paths]
    active = np.unique(np.concatenate([bought, seen])).tolist()
    depth = max(map(len, split), default=1)
    for level in range(1, depth + 1):
        names = [CATEGORY_SEPARATOR.join(parts[:level]) or NO_CATEGORY for parts in split]
        if len({names[row] for row in active}) > 1:
            break
    codes, found = pd.factorize(np.array(names, object))
    if not len(found):
        return codes, [OTHERS]
    most = np.zeros(len(found))
    for rows in (bought, seen):
        counts = np.bincount(codes[rows], minlength=len(found))
        most = np.maximum(most, counts / max(counts.sum(), 1))
    kept = [number for number in np.argsort(-most, kind="stable")[:_MOST].tolist() if most[number] >= _SMALLEST]
    new = np.full(len(found), len(kept))
    new[kept] = np.arange(len(kept))
    return new[codes], [*(str(found[number]) for number in kept), OTHERS]


def _cart_sizes(purchases: pd.DataFrame) -> np.ndarray:
    lines = purchases[purchases["order_id"] != ""]
    sizes = lines.groupby("order_id")["item_id"].nunique().to_numpy()
    grown = np.concatenate([np.arange(1, size + 1) for size in sizes.tolist()]) if len(sizes) else sizes
    return np.bincount(size_bins(grown), minlength=len(SIZE_BINS))


def _encoded(item_id: str) -> bytes:
    return item_id.encode("utf-8", "surrogateescape")
