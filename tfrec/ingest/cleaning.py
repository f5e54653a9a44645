"""Defines a recipe's rules of cleaning, and merges lines of one order."""

import dataclasses
import math

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.errors import RecipeError, nearest_hint
from tfrec.ingest.bundles import Bundles
from tfrec.ingest.clock_errors import Clock
from tfrec.ingest.mapping import RAW_PREFIX
from tfrec.ingest.robots import Robots
from tfrec.ingest.staff import Staff
from tfrec.schema.tables import EVENT_COLUMNS
from tfrec.sources.file_format import FILE, ROW

_UNKNOWN_ITEMS = ("keep", "reject")
_UNDATED = ("refuse", "drop")
_PROFIT = "_profit"  # of all pieces of a line
_DUPLICATES = ("reject", "keep", "merge")


@dataclasses.dataclass(frozen=True)
class Rule:
    r"""A pattern on one column of the text, e.g. `item_id` and `^\d{5}[A-Za-z]*$`.

    Attributes:
        pattern: regular expression (RE2), searched anywhere in the text.
        reason: word under which set-aside rows are counted.
        column: name in the schema, e.g. `order_id`; or else
        raw_column: name in the file, e.g. `Financial Status`.
        whole_order: the rule concerns all rows of an order: `drop` sets an order aside of which one row matches,
            `keep` one of which no row does. For exports that name an order's state on its first row alone.
        is_return: of `drop`: each row that it sets aside takes back an earlier purchase (a credit note).
    """

    pattern: str
    reason: str
    column: str = ""
    raw_column: str = ""
    whole_order: bool = False
    is_return: bool = False

    def __post_init__(self) -> None:
        if bool(self.column) == bool(self.raw_column):
            raise RecipeError("Give column (a name of the schema) or raw_column (a name in the file), and not both.")
        if self.column and self.column not in EVENT_COLUMNS:
            raise RecipeError(
                f"column {self.column!r} is no column of events.{nearest_hint(self.column, EVENT_COLUMNS)}"
            )
        try:
            pc.match_substring_regex(pa.array([""]), self.pattern)  # RE2, as in the engine
        except pa.ArrowInvalid as error:
            raise RecipeError(f"pattern {self.pattern!r} is no regular expression (RE2): {error}.") from error

    @property
    def mapped_column(self) -> str:
        """The name of its column in the mapped text."""
        return self.column or RAW_PREFIX + self.raw_column


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """What is no sale, and what is impossible.

    Attributes:
        drop: rows that match any of these are set aside (cancelled orders).
        keep: rows that do not match all of these are set aside (codes that are no products).
        duplicates: rows equal in every mapped column: `reject` all but the first, `keep` all, or `merge` purchases of
            one item in one order into one event with the summed quantity and the mean price.
        free_items: price 0 is possible.
        max_quantity: more pieces than this are a slip.
        max_price: a dearer unit is a slip.
        min_rating: fewest stars that a user can give.
        max_rating: most stars that a user can give.
        unknown_items: what to do with events of items that the catalogue lacks: `keep` (the item is added) or `reject`.
        guest_ids: user ids that stand for guests.
        undated: what to do where more than half of the rows have no date that can be read: `refuse` the log, or `drop`
            these rows.
        upper_case_ids: `85123a` and `85123A` are one item.
        clock: which times are possible.
        staff: accounts of the shop's own people and of tests.
        robots: which visitors are robots.
        bundles: which lines of bundles are sales.
    """

    drop: tuple[Rule, ...] = ()
    keep: tuple[Rule, ...] = ()
    duplicates: str = "reject"
    free_items: bool = True
    max_quantity: float = math.inf
    max_price: float = math.inf
    min_rating: float = 1.0
    max_rating: float = 5.0
    unknown_items: str = "keep"
    guest_ids: tuple[str, ...] = ()
    upper_case_ids: bool = False
    undated: str = "refuse"
    clock: Clock = dataclasses.field(default_factory=Clock)
    staff: Staff = dataclasses.field(default_factory=Staff)
    robots: Robots = dataclasses.field(default_factory=Robots)
    bundles: Bundles = dataclasses.field(default_factory=Bundles)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules."""
        return (*self.drop, *self.keep)

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """The columns of the file that rules look at, each once."""
        ruled = (rule.raw_column for rule in self.rules if rule.raw_column)
        return tuple(dict.fromkeys((*ruled, *self.staff.raw_columns, *self.bundles.raw_columns)))

    def __post_init__(self) -> None:
        for name, words in (("duplicates", _DUPLICATES), ("unknown_items", _UNKNOWN_ITEMS), ("undated", _UNDATED)):
            if (given := getattr(self, name)) not in words:
                raise RecipeError(
                    f"{name} must be one of {', '.join(words)}; got {given!r}.{nearest_hint(given, words)}"
                )
        if any(rule.is_return for rule in self.keep):
            raise RecipeError("is_return is for [[clean.drop]]: what no rule drops is a sale, and takes nothing back.")
        if self.min_rating > self.max_rating:
            raise RecipeError(f"min_rating ({self.min_rating}) must not be above max_rating ({self.max_rating}).")


def merge_order_lines(events: ir.Table, *, boundary: pd.Timestamp) -> ir.Table:
    """Returns the good events with one purchase an item of an order: quantity the sum, price the mean a piece.

    Lines before and from `boundary` on stay apart, so that nothing of the test period enters training.
    """
    is_line = (events["event_type"] == "purchase") & (events["order_id"] != "")
    lines, others = events.filter(is_line), events.filter(~is_line)
    keys = {"user_id", "order_id", "item_id"}
    is_late = lines["timestamp"] >= ibis.literal(boundary.to_pydatetime()).cast("timestamp")
    pieces = lines["quantity"].cast("float64")
    merged = lines.group_by(*sorted(keys), _is_late=is_late).aggregate(
        **{
            name: lines[name].first(order_by=[FILE, ROW], include_null=True)
            for name in events.columns
            if name not in {*keys, "quantity", "price", _PROFIT}
        },
        **({_PROFIT: lines[_PROFIT].sum()} if _PROFIT in events.columns else {}),
        quantity=pieces.sum().cast("float32"),
        price=((lines["price"] * pieces).sum() / pieces.sum()).cast("float32"),
    )
    return others.union(merged.select(*others.columns))
