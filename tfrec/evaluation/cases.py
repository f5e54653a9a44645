"""Holds queries with known answers as `Cases`, the frozen value that every method is evaluated on."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError, SchemaError
from tfrec.schema.tables import Tables, category_levels

CART_TASKS = ("complete_cart", "cross_sell", "cross_category", "cold_item")
"""Tasks whose context is a cart; in the others it is what the session has seen so far."""

_SIGNATURE = {
    "complete_cart": "complete_cart",
    "cross_sell": "cross_sell",
    "cross_category": "complete_cart",
    "cold_item": "complete_cart",
    "next_item": "recommend",
    "next_basket": "recommend",
    "upsell": "upsell",
}


@dataclasses.dataclass(frozen=True)
class Cases:
    """Queries with known truth for one task; `cases[2:5]` is a batch of them.

    Attributes:
        task: one of `complete_cart`, `cross_sell`, `cross_category`, `cold_item`, `next_item`, `next_basket`, `upsell`.
        item_ids: `[num_items]` the catalogue that is ranked; item indices below point into it.
        query_ids: `[B]` unique names of the queries.
        groups: `[B]` the order, session or user that a query comes from; intervals resample these.
        user_ids: `[B]` who asks; `""` = guest.
        timestamps: `[B]` when, datetime64.
        contexts: `[B, num_items]` sparse; 1 for items in the cart, or earlier in the session.
        recent: `[B, T]` int32 item indices of the session's latest events, oldest first; -1 in front of a short row.
        recent_types: `[B, T]` their event types; `""` where `recent` is -1.
        recent_ages: `[B, T]` their ages in hours; 0 where `recent` is -1.
        anchors: `[B]` int32 item on the page; -1 = none.
        truths: `[B, R]` int32 hidden items; -1 behind the end of a short row.
        excluded: `[B, num_items]` sparse; non-zero for items that are not ranked (cart; for `cross_sell` also
            what the user bought before; for `cross_category` the cart's categories).
        candidates: `[B, num_items]` sparse; where given, only its non-zeros are ranked.
        is_new: `[B]` the truth is new to the user; `[B, R]` for baskets, each truth on its own.
        is_cross_category: `[B]` no item of the context is of the truth's category (False where it has none).
        prices: `[B]` price of the truth (the first, where several); NaN unknown.
        category_level: level of the category path (0 = top) of `is_cross_category`.

    Raises:
        SchemaError: a field has another length than `query_ids`, or a query comes twice.
    """

    task: str
    item_ids: pd.Index
    query_ids: np.ndarray  # [B]
    groups: np.ndarray  # [B]
    user_ids: np.ndarray  # [B]
    timestamps: np.ndarray  # [B]
    contexts: scipy.sparse.csr_matrix  # [B, num_items]
    recent: np.ndarray  # [B, T]
    recent_types: np.ndarray  # [B, T]
    recent_ages: np.ndarray  # [B, T]
    anchors: np.ndarray  # [B]
    truths: np.ndarray  # [B, R]
    excluded: scipy.sparse.csr_matrix  # [B, num_items]
    candidates: scipy.sparse.csr_matrix | None
    is_new: np.ndarray  # [B]
    is_cross_category: np.ndarray  # [B]
    prices: np.ndarray  # [B]
    category_level: int = 0

    def __post_init__(self) -> None:
        if self.task not in _SIGNATURE:
            raise SchemaError(f"`task` must be one of {', '.join(_SIGNATURE)}; got {self.task!r}.")
        for name in _PER_QUERY:
            field = getattr(self, name)
            if field is not None and field.shape[0] != len(self):
                raise SchemaError(
                    f"`{name}` must have a row for each of the {len(self)} queries; got {field.shape[0]}."
                )
        if len(np.unique(self.query_ids)) != len(self):
            raise SchemaError("`query_ids` must be unique. Number the queries of one order or session.")

    def __len__(self) -> int:
        """Returns the number of queries, B."""
        return len(self.query_ids)

    def __getitem__(self, rows: slice | np.ndarray) -> "Cases":
        """Returns the cases of a slice, a Boolean mask or row numbers."""
        columns = {name: getattr(self, name) for name in _PER_QUERY}
        chosen: dict[str, Any] = {name: None if column is None else column[rows] for name, column in columns.items()}
        return dataclasses.replace(self, **chosen)

    @property
    def signature(self) -> str:
        """The signature of the served model that answers these queries."""
        return _SIGNATURE[self.task]

    def to_queries(self) -> pd.DataFrame:
        """Returns the query table that `tfrec recommend` reads: `query_id` and the signature's inputs.

        Lists where the input is a list. What the servable itself knows (the user's history) is not repeated.
        """
        table: dict[str, Any] = {"query_id": self.query_ids, "user_id": self.user_ids}
        if self.task in CART_TASKS:
            table["cart_item_ids"] = self._lists(self.contexts)
        else:
            rows, columns = np.nonzero(self.recent >= 0)
            bounds = np.searchsorted(rows, np.arange(1, len(self)))
            items = self.item_ids.to_numpy()[self.recent[rows, columns]]
            table["recent_item_ids"] = np.split(items, bounds)[: len(self)]
            table["recent_event_types"] = np.split(self.recent_types[rows, columns], bounds)[: len(self)]
            table["recent_ages"] = np.split(self.recent_ages[rows, columns], bounds)[: len(self)]
        if self.task == "cross_category":
            table["outside_cart_level"] = np.full(len(self), self.category_level + 1, np.int32)
        if self.signature == "upsell":
            table["item_id"] = self.item_ids.to_numpy()[self.anchors]
            table["min_price_ratio"] = np.ones(len(self), np.float32)
            table["max_price_ratio"] = np.full(len(self), _ANY_PRICE_RATIO, np.float32)
            table["objective"] = np.full(len(self), "purchase", dtype=object)
        for name, column in table.items():
            if isinstance(column, list):
                table[name] = pd.Series(column, dtype=object)
        return pd.DataFrame(table)

    def _lists(self, matrix: scipy.sparse.csr_matrix) -> list[np.ndarray]:
        """Returns the item ids of each row of `matrix [B, num_items]`, `B` arrays."""
        return np.split(self.item_ids.to_numpy()[matrix.indices], matrix.indptr[1:-1])[: len(self)]


_PER_SET = ("task", "item_ids", "category_level")
_PER_QUERY = tuple(field.name for field in dataclasses.fields(Cases) if field.name not in _PER_SET)
_ANY_PRICE_RATIO = 1e6
"""Upsell's candidates are all dearer items of the category, so the served model must not cut at its own ratios; what
was bought is ranked, so the order must be by the probability of a purchase."""


def make_cases(
    task: str,
    item_ids: pd.Index,
    train: Tables,
    *,
    contexts: scipy.sparse.csr_matrix,
    truths: np.ndarray,
    level: int,
    **fields: np.ndarray | scipy.sparse.csr_matrix | None,
) -> Cases:
    """Returns `Cases` with what follows from the rest filled in: the truth's price, cross-category, absent fields.

    Args:
        task: see `Cases`.
        item_ids: the catalogue that is ranked.
        train: gives prices and categories.
        contexts: see `Cases`.
        truths: `[q, t]`, see `Cases`.
        level: level of the category path (0 = top) at which the truth is compared with the context.
        **fields: the other fields of `Cases`; `recent*`, `anchors` and `candidates` may be left out.
    """
    size = len(truths)
    category = item_categories(train, item_ids, level=level)
    truth = truths[:, 0]
    num_categories = int(category.max(initial=-1)) + 2  # the last column collects items without one
    onto = scipy.sparse.csr_matrix(
        (np.ones(len(item_ids), np.float32), (np.arange(len(item_ids)), category % num_categories)),
        shape=(len(item_ids), num_categories),
    )
    in_context = contexts @ onto
    of_truth = category[truth] % num_categories
    is_same = sampled(in_context, np.arange(size), of_truth) > 0
    fields.setdefault("recent", np.full((size, 1), -1, np.int32))
    fields.setdefault("recent_types", np.full((size, 1), "", object))
    fields.setdefault("recent_ages", np.zeros((size, 1), np.float32))
    fields.setdefault("anchors", np.full(size, -1, np.int32))
    fields.setdefault("candidates", None)
    return Cases(
        task=task,
        item_ids=item_ids,
        contexts=contexts,
        truths=truths,
        is_cross_category=~is_same & (category[truth] >= 0) & (np.diff(contexts.indptr) > 0),
        prices=item_prices(train, item_ids)[truth],
        category_level=level,
        **fields,  # type: ignore[arg-type]
    )


def bought_before(train: Tables, user_ids: np.ndarray, item_ids: pd.Index) -> scipy.sparse.csr_matrix:
    """Returns `[B, num_items]`: in how many training orders each user bought each item; guests' rows are empty.

    A purchase event without an order counts as an order of its own.
    """
    lines = train.purchases
    users = pd.Index(pd.unique(user_ids)).drop("", errors="ignore")
    row, column = users.get_indexer(lines["user_id"]), item_ids.get_indexer(lines["item_id"])
    inside = (row >= 0) & (column >= 0)
    lines = pd.DataFrame({"row": row, "column": column, "order": lines["order_id"].to_numpy(object)})[inside]
    lines = lines[(lines["order"] == "") | ~lines.duplicated()]
    cells = (np.ones(len(lines), np.float32), (lines["row"], lines["column"]))
    counts = scipy.sparse.csr_matrix(cells, shape=(len(users) + 1, len(item_ids)))
    return counts[users.get_indexer(user_ids)]  # -1, a guest, is the empty last row


def item_prices(train: Tables, item_ids: pd.Index) -> np.ndarray:
    """Returns `[num_items]` float32 prices of the catalogue; NaN unknown."""
    return train.items.set_index("item_id")["price"].reindex(item_ids).to_numpy(np.float32)


def item_categories(train: Tables, item_ids: pd.Index, *, level: int | None) -> np.ndarray:
    """Returns `[num_items]` category codes at a level of the path (None = the whole path); -1 without one."""
    paths = train.items.set_index("item_id")["category"].astype(object).reindex(item_ids).fillna("")
    if level is not None:
        levels = category_levels(paths.astype("str"))
        if level < 0:
            raise ConfigError(f"`category_level` must be 0 (top) or above; got {level}.")
        paths = levels[min(level, levels.shape[1] - 1)].astype(object) if levels.shape[1] else paths
    codes, names = pd.factorize(paths)
    empty = np.flatnonzero(np.asarray(names) == "")
    return np.where(np.isin(codes, empty), -1, codes).astype(np.int64)


def sampled(matrix: scipy.sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns the cells `matrix[rows, columns]` as a flat array, also when there are none."""
    if not len(rows):
        return np.zeros(0, matrix.dtype)
    return np.asarray(matrix[rows, columns]).ravel()
