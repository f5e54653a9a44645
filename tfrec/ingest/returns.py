"""Matches returns with the purchases that they take back."""

import dataclasses
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.return_counts import UNMATCHED, ReturnCounts
from tfrec.schema.event_types import RETURN
from tfrec.schema.tables import EVENT_COLUMNS, RETURN_COLUMNS, conform
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

RETURN_REASON = "return_reason"
"""Column of the checked events: why a row takes no purchase back; null where it does."""

_DAY = np.timedelta64(1, "D")
_LINES = ("user_id", "item_id", "order_id", "timestamp", "price", "quantity")


def collect_returns(rows: ir.Table, *, has_repeats: bool) -> pd.DataFrame:
    """Returns the rows that take a purchase back, by time: `_LINES`, with pieces and prices above 0, and their place.

    Args:
        rows: checked events with `RETURN_REASON`.
        has_repeats: rows equal in every column are returns of their own.
    """
    chosen = rows.filter(rows[RETURN_REASON].isnull())
    if not has_repeats:
        same = ibis.window(group_by=[chosen[name] for name in EVENT_COLUMNS], order_by=[FILE, ROW])
        numbered = chosen.mutate(_earlier=ibis.row_number().over(same))
        chosen = numbered.filter(numbered["_earlier"] == 0)
    frame = chosen.order_by("timestamp", FILE, ROW).select(*_LINES, FILE, ROW).execute()
    return frame.assign(quantity=frame["quantity"].abs(), price=frame["price"].abs())


def match_returns(
    returns: pd.DataFrame, events: ir.Table, *, may_differ_in_price: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns `RETURN_COLUMNS`, each return with the purchases that it takes back, and the rows that are left over.

    A return takes its pieces from the latest earlier purchase with pieces left, then from the one before: first of the
    order and item that it names, then of its user, item and price (to the cent). A return without a price takes those
    of its user and item. Pieces for which no purchase is left make a row without `bought_at`.

    A return that names its order may be up to a day before the purchase: many files state the day of a return alone.

    Worked example: u bought 5 on Monday and 3 on Tuesday, both at 2.00, and returns 4 on Friday: 3 of Tuesday's and 1
    of Monday's.

    Args:
        returns: as `collect_returns` gives them.
        events: the shop's events as they are written; purchases count.
        may_differ_in_price: the prices of purchases need not be those of their returns: lines of an order were merged,
            or the two were converted at the rates of different days.

    Returns:
        The matched pieces and those without a purchase, by time; and `_file` and `_row` of the returns that have pieces
        without a purchase.
    """
    bought = events.filter(events["event_type"] == "purchase")
    bought = bought.filter(bought["item_id"].isin(returns["item_id"].unique().tolist()))
    sold = bought.order_by("timestamp", FILE, ROW).select(*_LINES).execute()
    left_sold, left_back = (frame["quantity"].to_numpy(np.float64, copy=True) for frame in (sold, returns))
    price = returns["price"].to_numpy(np.float64)
    passes = [
        (["order_id", "item_id"], (returns["order_id"] != "").to_numpy()),
        (["user_id", "item_id", "price"], np.isfinite(price)),
        (["user_id", "item_id"], np.full(len(returns), True) if may_differ_in_price else ~np.isfinite(price)),
    ]
    parts: list[tuple[int, int, float]] = []
    for keys, may_match in passes:
        open_rows = np.flatnonzero(may_match & (left_back > 0))
        ahead = _DAY if "order_id" in keys else 0 * _DAY
        parts += _take_back(returns, open_rows, sold, keys, left_back=left_back, left_sold=left_sold, ahead=ahead)
    back = np.array([part[0] for part in parts], dtype=np.int64)
    lines = np.array([part[1] for part in parts], dtype=np.int64)
    pieces = np.array([part[2] for part in parts], dtype=np.float64)
    matched = sold.iloc[lines].reset_index(drop=True)
    matched = matched.assign(
        bought_at=matched["timestamp"],
        timestamp=returns["timestamp"].to_numpy()[back],
        quantity=pieces,
    )
    rest = returns[left_back > 0].assign(quantity=left_back[left_back > 0], order_id="", bought_at=pd.NaT)
    together = pd.concat([conform(frame, RETURN_COLUMNS, table="returns") for frame in (matched, rest)])
    by_time = together.sort_values(["timestamp", "user_id", "item_id", "bought_at", "order_id"], ignore_index=True)
    return by_time, rest[[FILE, ROW]]


def mark_unmatched(events: CheckedTable, unmatched: pd.DataFrame, workspace: Workspace) -> CheckedTable:
    """Returns the events with `UNMATCHED` as the reason of the rows of the type `return` that are left over.

    Args:
        events: checked events; rows that are returns by another reason keep it.
        unmatched: `_file` and `_row`, as `match_returns` gives them.
        workspace: where the table is stored.
    """
    if not len(unmatched):
        return events
    places = ibis.memtable(unmatched.astype({FILE: "int32", ROW: "int64"}))
    left = workspace.store("events_unmatched", places.mutate(_left=True))
    joined = events.rows.left_join(left, [FILE, ROW])
    is_left = joined["_left"].fill_null(False) & (joined["reason"] == RETURN)
    rows = joined.mutate(reason=ibis.ifelse(is_left, UNMATCHED, joined["reason"])).select(*events.rows.columns)
    return dataclasses.replace(events, rows=rows)  # no copy: few rows change


def count_returns(taken_back: pd.DataFrame, returns: pd.DataFrame) -> ReturnCounts:
    """Returns the counts of what `collect_returns` and `match_returns` gave."""
    matched = returns[returns["bought_at"].notna()]
    return ReturnCounts(
        rows=len(taken_back),
        pieces=float(taken_back["quantity"].astype(np.float64).sum()),
        value=_worth(taken_back),
        matched_pieces=float(matched["quantity"].astype(np.float64).sum()),
        matched_value=_worth(matched),
    )


def notes_of_returns(counts: ReturnCounts, rejected: Mapping[str, int]) -> list[Note]:
    """Returns what the owner of the log should know of returns: how many were matched.

    Args:
        counts: what took purchases back.
        rejected: reason → events set aside.
    """
    if not counts.rows:
        count = rejected.get("quantity below 0", 0)
        text = f"{count:,} rows have a quantity below 0, and none of them could be read as the return of a sale."
        return [Note("refunds", count, text)] if count else []
    text = (
        f"{counts.rows:,} rows take {counts.pieces:,.0f} pieces back; {counts.matched_pieces:,.0f} of them were "
        "matched with an earlier purchase of the same user, item and price, and net figures leave these out. The "
        "others were bought before the log begins, at another price or by somebody else. Events, and so models, stay "
        "gross."
    )
    return [Note("returns", counts.rows, text)]


def _take_back(
    returns: pd.DataFrame,
    open_rows: np.ndarray,
    sold: pd.DataFrame,
    keys: Sequence[str],
    *,
    left_back: np.ndarray,
    left_sold: np.ndarray,
    ahead: np.timedelta64,
) -> list[tuple[int, int, float]]:
    """Returns (row of `returns`, row of `sold`, pieces), and takes the pieces off both arrays of what is left.

    A purchase counts as earlier up to `ahead` after the return.
    """
    names = pd.concat([_key(sold, keys), _key(returns.iloc[open_rows], keys)], ignore_index=True)
    groups = names.groupby(list(keys), dropna=False, sort=False).ngroup().to_numpy()
    of_line, of_return = groups[: len(sold)], groups[len(sold) :]
    lines_of: dict[int, deque[int]] = defaultdict(deque)
    for line in np.flatnonzero(np.isin(of_line, of_return)):
        lines_of[of_line[line]].append(int(line))
    sold_at, back_at = sold["timestamp"].to_numpy(), returns["timestamp"].to_numpy() + ahead
    waiting: dict[int, list[int]] = defaultdict(list)  # earlier lines with pieces left, the latest at the end
    parts = []
    for group, row in zip(of_return, open_rows, strict=True):
        lines, stack = lines_of[group], waiting[group]
        while lines and sold_at[lines[0]] <= back_at[row]:
            stack.append(lines.popleft())
        while stack and left_back[row] > 0:
            pieces = min(left_sold[stack[-1]], left_back[row])
            if pieces > 0:
                parts.append((int(row), stack[-1], float(pieces)))
                left_sold[stack[-1]] -= pieces
                left_back[row] -= pieces
            if left_sold[stack[-1]] <= 0:
                stack.pop()
    return parts


def _key(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    key = frame[list(keys)]
    return key.assign(price=(key["price"].astype(np.float64) * 100).round()) if "price" in keys else key


def _worth(frame: pd.DataFrame) -> float:
    return float(np.nan_to_num(frame["quantity"].to_numpy(np.float64) * frame["price"].to_numpy(np.float64)).sum())
