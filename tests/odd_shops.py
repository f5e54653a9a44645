"""Shops at the edge: a name and the rows of each, written as a shop would export them, and prepared."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.ingest.prepare import prepare_shop

_RECIPE = """
name = "odd"
currency = "EUR"
source_url = "https://example.org/odd"

[events]
files = "log.csv"
time_zone = "Europe/Berlin"

[events.types]
purchase = "purchase"
view = "view"

[events.columns]
order_id = "order"
user_id = "user"
event_type = "kind"
item_id = "item"
timestamp = "when"
quantity = "quantity"
price = "price"

[split]
test_share = 0.2
"""
_START = pd.Timestamp("2025-01-01 09:00")
_SIZES = {"users": 60, "orders": 240, "days": 120.0, "items": 12}


def _rows(seed: int = 0, **sizes: float) -> pd.DataFrame:
    """Returns an ordinary log: orders of one to three items at random times, each after a view."""
    size = {**_SIZES, **sizes}
    rng = np.random.default_rng(seed)
    rows = []
    for order, day in enumerate(np.sort(rng.uniform(0, size["days"], int(size["orders"])))):
        user, when = f"u{rng.integers(size['users'])}", _START + pd.Timedelta(days=day)
        for item in rng.choice(int(size["items"]), min(int(rng.integers(1, 4)), int(size["items"])), replace=False):
            price = round(float(5 + 3 * item), 2)
            rows.append(("view", "", user, f"i{item}", when - pd.Timedelta(minutes=9), 1, price))
            rows.append(("purchase", f"o{order}", user, f"i{item}", when, int(rng.integers(1, 4)), price))
    frame = pd.DataFrame(rows, columns=["kind", "order", "user", "item", "when", "quantity", "price"])
    frame["when"] = frame["when"].dt.floor("s")
    return frame.sort_values("when", kind="stable")


def _one_order() -> pd.DataFrame:
    log = _rows(orders=4)
    return log[(log["kind"] == "view") | (log["order"] == "o0")]


def _returned() -> pd.DataFrame:
    log = _rows()
    sold = log[log["kind"] == "purchase"]
    back = sold.assign(quantity=-sold["quantity"], when=sold["when"] + pd.Timedelta(hours=5), order="r" + sold["order"])
    return pd.concat([log, back]).sort_values("when", kind="stable")


ODD_SHOPS: dict[str, Callable[[], pd.DataFrame]] = {
    "ten users": lambda: _rows(users=10, orders=25),
    "one order": _one_order,
    "one user": lambda: _rows(users=1, orders=30),
    "guests only": lambda: _rows().assign(user=""),
    "constant prices": lambda: _rows().assign(price=9.99, quantity=1),
    "no prices": lambda: _rows().assign(price=np.nan),
    "six days": lambda: _rows(days=6.0),
    "nothing bought": lambda: _rows().query("kind == 'view'"),
    "nothing viewed": lambda: _rows().query("kind == 'purchase'"),
    "one item": lambda: _rows(items=1),
    "one day": lambda: _rows(days=0.5),
    "each user once": lambda: _rows(users=100_000),
    "everything returned": _returned,
    "huge amounts": lambda: _rows().assign(price=lambda log: log["price"] * 1e6, quantity=5_000),
    "a gap of a year": lambda: _rows(orders=80, days=420.0).query("when < '2025-02-01' or when > '2026-01-20'"),
}
"""Name → rows; prices in euros."""


def prepare_odd_shop(name: str, folder: Path) -> Path:
    """Prepares a shop of `ODD_SHOPS` in an empty folder, with a coupon test in which no user converted."""
    folder.mkdir(parents=True, exist_ok=True)
    ODD_SHOPS[name]().to_csv(folder / "log.csv", index=False)
    rng = np.random.default_rng(1)
    num = 3 * 220
    test = pd.DataFrame({"user_id": [f"u{user}" for user in range(num)]})
    test = test.assign(arm=["control", "coupon_10", "coupon_20"] * (num // 3), conversion=0, margin=0.0, discount=0.0)
    test.to_csv(folder / "coupon_test.csv", index=False)
    features = test[["user_id"]].assign(orders=rng.integers(0, 9, num), city=rng.choice(["A", "B"], num))
    features.to_csv(folder / "coupon_features.csv", index=False)
    extras = '\n[extras]\ncoupon_test = "coupon_test.csv"\ncoupon_features = "coupon_features.csv"\n'
    (folder / "odd.toml").write_text(_RECIPE + extras, encoding="utf-8")
    return prepare_shop(folder / "odd.toml", folder / "prepared", data_home=folder).path
