"""Column contracts of a shop's tables, and `Tables`, the checked value that every layer above reads."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.category_paths import CATEGORY_SEPARATOR
from tfrec.schema.event_types import EVENT_TYPES

EVENT_COLUMNS: Mapping[str, str] = {
    "user_id": "str",  # "" = guest
    "item_id": "str",  # "" only for a search
    "event_type": "str",  # one of EVENT_TYPES
    "timestamp": "datetime64[us]",  # UTC, without a zone
    "order_id": "str",  # "" unless the event belongs to an order
    "session_id": "str",  # "" where sessions are unknown
    "quantity": "float32",  # pieces; 1 where unknown
    "price": "float32",  # unit price that was asked or paid, in the shop's currency; NaN unknown
    "rating": "float32",  # stars; NaN unless a rating
    "query": "str",  # text of a search, else ""
}
ITEM_COLUMNS: Mapping[str, str] = {
    "item_id": "str",  # unique
    "title": "str",  # "" unknown
    "category": "str",  # whole path, levels joined by CATEGORY_SEPARATOR; "" unknown
    "brand": "str",  # "" unknown
    "price": "float32",  # current price (typical price of the training period where there is no catalogue)
    "margin": "float32",  # share of the price that is profit, at most 1, below 0 = sold at a loss; NaN unknown
    "stock": "float32",  # pieces; NaN unknown (counts as available); 0 is never offered
    "image_index": "int32",  # row in the picture array; -1 = no picture
    "available_from": "datetime64[us]",  # NaT = always
}
OPTIONAL_ITEM_COLUMNS: Mapping[str, str] = {
    "item_group": "str",  # equal for the variants of one product (sizes, colours); "" = no variants
    "list_price": "float32",  # price before reductions; NaN unknown
    "available_until": "datetime64[us]",  # when the sale ends; NaT = never
}
"""Columns that `items` have where the shop states them; a shop that does not has none of them."""
USER_COLUMNS: Mapping[str, str] = {"user_id": "str"}
"""Required of `users`; every further column is an attribute of the user, kept as it came."""
FACT_COLUMNS: Mapping[str, str] = {
    "head": "str",  # an item id, or the tail of another fact
    "relation": "str",  # what head and tail have to do with one another: "made by"
    "tail": "str",  # an item id, a word, or the name of something that is a head elsewhere
}
RELATION_COLUMNS: Mapping[str, str] = {
    "user_id": "str",
    "other_id": "str",  # whom that user knows; who know one another stand in two rows
    "weight": "float32",  # how well, above 0
}
RETURN_COLUMNS: Mapping[str, str] = {
    "user_id": "str",  # "" = guest
    "item_id": "str",
    "timestamp": "datetime64[us]",  # when the pieces were taken back, UTC
    "quantity": "float32",  # pieces taken back, above 0
    "price": "float32",  # unit price of the purchase; of the return where no purchase was found
    "order_id": "str",  # order that sold the pieces; "" where it has no number, or no purchase was found
    "bought_at": "datetime64[us]",  # timestamp of the purchase; NaT where none was found
}
"""Pieces that an earlier purchase sold and a return took back; the purchases themselves stay as they are."""

IMPRESSION_COLUMNS: Mapping[str, str] = {
    "user_id": "str",  # "" = guest
    "item_id": "str",
    "timestamp": "datetime64[us]",  # when it was shown, UTC
    "slate_id": "str",  # equal for the items that were shown together
    "position": "int32",  # place in the slate, counted as the log counts it, from 0 or from 1
    "propensity": "float32",  # probability in (0, 1] with which the item was drawn for its place, given those above it
    "place_propensity": "float32",  # probability that the item stands in this place, whatever is above; NaN unknown
    "clicked": "float32",  # what came of it: 1 clicked, 0 not; NaN unknown
    "signature": "str",  # what was asked of the recommender ("cross_sell"); "" unknown
    "placement": "str",  # where it was shown ("cart page"); "" unknown
    "version": "str",  # of the models that answered; "" unknown
    "arm": "str",  # of the experiment; "" unknown
}
"""What was shown to whom; a propensity is NaN where it is unknown."""

_FILL: Mapping[str, object] = {
    "str": "",
    "float32": np.float32("nan"),
    "int32": np.int32(-1),
    "datetime64[us]": np.datetime64("NaT", "us"),
}


@dataclasses.dataclass(frozen=True)
class Tables:
    """A shop's past: checked tables that name their columns.

    Attributes:
        events: one row an event, ascending by `timestamp`; columns `EVENT_COLUMNS`.
        items: one row an item, unique `item_id`; columns `ITEM_COLUMNS`, and any of `OPTIONAL_ITEM_COLUMNS`.
        users: one row a known user, unique `user_id`; `USER_COLUMNS` and free attributes.
        facts: knowledge triples of items, none where the shop has none; columns `FACT_COLUMNS`.
        relations: one row a user and whom that user knows, none where the shop has none; columns `RELATION_COLUMNS`.
        returns: one row a purchase and what was taken back of it at one time, none where the shop reports none;
            columns `RETURN_COLUMNS`. No model reads them.
        calendar: the shop's clock, on which its days are counted; timestamps are in UTC.

    Raises:
        SchemaError: a column is missing or has another type, an id is doubled, an event type is unknown,
            or events go back in time.
    """

    events: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame
    facts: pd.DataFrame = dataclasses.field(default_factory=lambda: empty_table(FACT_COLUMNS))
    relations: pd.DataFrame = dataclasses.field(default_factory=lambda: empty_table(RELATION_COLUMNS))
    returns: pd.DataFrame = dataclasses.field(default_factory=lambda: empty_table(RETURN_COLUMNS))
    calendar: ShopCalendar = dataclasses.field(default_factory=ShopCalendar)

    def __post_init__(self) -> None:
        _check_columns("events", self.events, EVENT_COLUMNS)
        optional = {name: kind for name, kind in OPTIONAL_ITEM_COLUMNS.items() if name in self.items.columns}
        _check_columns("items", self.items, {**ITEM_COLUMNS, **optional})
        _check_columns("users", self.users, USER_COLUMNS)
        _check_columns("facts", self.facts, FACT_COLUMNS)
        _check_columns("relations", self.relations, RELATION_COLUMNS)
        _check_columns("returns", self.returns, RETURN_COLUMNS)
        _check_unique("items", self.items["item_id"])
        _check_unique("users", self.users["user_id"])
        unknown = set(self.events["event_type"].unique()) - set(EVENT_TYPES)
        if unknown:
            raise SchemaError(
                f"`events.event_type` must be one of {', '.join(EVENT_TYPES)}; got {sorted(unknown)}. "
                "Map the shop's words with `[events.types]` in the recipe."
            )
        if not self.events["timestamp"].is_monotonic_increasing:
            raise SchemaError("`events.timestamp` must ascend. Sort with `events.sort_values('timestamp')` first.")

    @property
    def purchases(self) -> pd.DataFrame:
        """The purchase events, gross: as they were sold, whatever was returned later."""
        return self.events[self.events["event_type"] == "purchase"]

    @property
    def matched_returns(self) -> pd.DataFrame:
        """The returns whose purchase was found."""
        return self.returns[self.returns["bought_at"].notna()]

    def net_purchases(self, now: pd.Timestamp | None = None) -> pd.DataFrame:
        """Returns the purchase events net of returns.

        `quantity` is what was kept; lines that kept nothing are left out. What is returned is taken off the purchase
        that sold it, at the time of that purchase.

        Args:
            now: later returns are not known yet; default: all are.
        """
        returns = self.matched_returns
        if now is not None:
            returns = returns[returns["timestamp"] <= now]
        return _net(self.purchases, returns) if len(returns) else self.purchases

    def net_events(self, now: pd.Timestamp | None = None) -> pd.DataFrame:
        """Returns all events, with the purchases as `net_purchases` gives them.

        Args:
            now: later returns are not known yet; default: all are.
        """
        kept = self.net_purchases(now)
        is_bought = self.events["event_type"] == "purchase"
        if len(kept) == int(is_bought.sum()) and kept["quantity"].equals(self.events.loc[is_bought, "quantity"]):
            return self.events
        events = self.events[~is_bought | self.events.index.isin(kept.index)]
        quantity = events["quantity"].copy()
        quantity[kept.index] = kept["quantity"]
        return events.assign(quantity=quantity)

    def until(self, moment: pd.Timestamp) -> "Tables":
        """Returns the same shop with the events and returns strictly before `moment`."""
        return dataclasses.replace(
            self,
            events=self.events[self.events["timestamp"] < moment],
            returns=self.returns[self.returns["timestamp"] < moment],
        )

    def since(self, moment: pd.Timestamp) -> "Tables":
        """Returns the same shop with the events and returns from `moment` on."""
        return dataclasses.replace(
            self,
            events=self.events[self.events["timestamp"] >= moment],
            returns=self.returns[self.returns["timestamp"] >= moment],
        )


def _net(purchases: pd.DataFrame, returns: pd.DataFrame) -> pd.DataFrame:
    """Returns purchases less the pieces that matched returns took back.

    Of equal lines of one order, the first ones give their pieces back first.
    """
    keys = ["user_id", "item_id", "order_id", "bought_at", "price"]
    taken = returns.assign(price=returns["price"].fillna(-1)).groupby(keys, observed=True)["quantity"].sum()
    is_near = purchases["item_id"].isin(returns["item_id"]) & purchases["timestamp"].isin(returns["bought_at"])
    lines = purchases.loc[is_near, ["user_id", "item_id", "order_id", "timestamp", "price", "quantity"]]
    lines = lines.rename(columns={"timestamp": "bought_at"}).assign(price=lines["price"].fillna(-1))
    lines["group"] = taken.index.get_indexer(pd.MultiIndex.from_frame(lines[keys]))
    lines = lines[lines["group"] >= 0]
    sold = lines["quantity"].astype(np.float64)
    before = sold.groupby(lines["group"]).cumsum() - sold
    back = (taken.to_numpy(np.float64)[lines["group"]] - before).clip(0, sold)
    kept = purchases["quantity"].copy()
    kept[lines.index] = (sold - back).astype(np.float32)
    return purchases.assign(quantity=kept).drop(lines.index[back >= sold])


def empty_table(columns: Mapping[str, str]) -> pd.DataFrame:
    """Returns a table of `columns` without a row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def conform(frame: pd.DataFrame, columns: Mapping[str, str], *, table: str, extra: bool = False) -> pd.DataFrame:
    """Returns `frame` with exactly `columns`, in order, each of its type; absent ones are filled as unknown.

    Args:
        frame: any table; ids may be numbers (an integral float such as 17850.0 becomes `"17850"`).
        columns: name → type, e.g. `EVENT_COLUMNS`.
        table: name used in errors.
        extra: keep further columns behind the contract's.

    Raises:
        SchemaError: a value cannot be read as its column's type.

    Examples:
        >>> raw = pd.DataFrame({"user_id": [17850.0, 17851.0], "country": ["UK", "DE"]})
        >>> conform(raw, USER_COLUMNS, table="users")["user_id"].tolist()
        ['17850', '17851']
        >>> list(conform(raw, USER_COLUMNS, table="users", extra=True).columns)
        ['user_id', 'country']
    """
    result = {}
    for name, kind in columns.items():
        if name not in frame.columns:
            fill = np.float32(1) if name == "quantity" else _FILL[kind]
            result[name] = pd.Series(fill, index=frame.index, dtype=kind)
            continue
        try:
            series = frame[name]
            result[name] = as_id(series) if kind == "str" else series.astype(kind)
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"`{table}.{name}` must be {kind}; got {frame[name].dtype} ({error}). "
                "Correct the column or map another one to it in the recipe."
            ) from error
    if extra:
        result.update({name: frame[name] for name in frame.columns if name not in columns})
    return pd.DataFrame(result, index=frame.index)


def as_id(series: pd.Series) -> pd.Series:
    """Returns text: missing → `""`, integral floats without their `.0`, blanks at the ends removed.

    Examples:
        >>> as_id(pd.Series([17850.0, None])).tolist()
        ['17850', '']
        >>> as_id(pd.Series([" A1 ", None])).tolist()
        ['A1', '']
    """
    if pd.api.types.is_bool_dtype(series) or not pd.api.types.is_numeric_dtype(series):
        text = series.astype("str")
        return text.where(series.notna(), "").str.strip().astype("str")
    if pd.api.types.is_float_dtype(series) and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")
    return series.astype("str").where(series.notna(), "").astype("str")


def category_levels(category: pd.Series) -> pd.DataFrame:
    """Returns one column a level (0 = top), `""` below a path's end.

    Example: `"A > B"` in a table whose longest path has three levels gives `["A", "A > B", "A > B"]`:
    an item that ends early stands for itself on the deeper levels.

    Examples:
        >>> category_levels(pd.Series(["A > B", "A > B > C"])).to_numpy().tolist()
        [['A', 'A > B', 'A > B'], ['A', 'A > B', 'A > B > C']]
    """
    parts = category.str.split(CATEGORY_SEPARATOR)
    depth = int(parts.str.len().max()) if len(parts) else 0
    return pd.DataFrame(
        {level: parts.str[: level + 1].str.join(CATEGORY_SEPARATOR) for level in range(depth)},
        index=category.index,
    )


def sold_items(train: Tables) -> pd.Index:
    """Returns the ids of the items sold in training, sorted."""
    return _sorted_ids(train.purchases["item_id"])


def seen_items(train: Tables) -> pd.Index:
    """Returns the ids of the items with any event in training, sorted."""
    return _sorted_ids(train.events["item_id"])


def _check_columns(table: str, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"`{table}` must have the columns {', '.join(columns)}; missing: {', '.join(missing)}. "
            f"It has: {', '.join(map(str, frame.columns))}. `conform` adds what is optional."
        )
    for name, kind in columns.items():
        if kind == "str":
            is_right = pd.api.types.is_string_dtype(frame[name]) or isinstance(frame[name].dtype, pd.CategoricalDtype)
        else:
            is_right = frame[name].dtype == np.dtype(kind)
        if not is_right:
            raise SchemaError(f"`{table}.{name}` must be {kind}; got {frame[name].dtype}. `conform` converts a table.")


def _check_unique(table: str, ids: pd.Series) -> None:
    doubled = ids[ids.duplicated()]
    if len(doubled):
        raise SchemaError(
            f"`{table}` must hold each id once; {doubled.iloc[0]!r} and {len(doubled) - 1} more come again. "
            "Drop the duplicates first."
        )


def _sorted_ids(ids: pd.Series) -> pd.Index:
    return pd.Index(np.sort(ids.unique().astype(object)), name="item_id").drop("", errors="ignore")
