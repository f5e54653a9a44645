"""Reads `rules.toml`, the merchandising rules by which a shop steers what is offered, as checked values."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tfrec.errors import ConfigError, RecipeError, nearest_hint
from tfrec.ingest.typed_toml import read_toml, typed
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.signatures import SIGNATURES

SLATES = tuple(name for name, signature in SIGNATURES.items() if signature.is_slate and name != "page")
"""Signatures that rules apply to, in the order of their codes. Each widget of a page has the rules of its own; what
stands beside the lines of a cart has those of `cross_sell`."""

_TARGETS = ("items", "brands", "categories")
_BESIDE = ("beside_items", "beside_brands", "beside_categories")
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "block": ((), ()),
    "adults_only": ((), ()),
    "min_stock": (("pieces",), ()),
    "pin": (("place",), ()),
    "boost": ((), ("factor",)),
    "bury": ((), ()),
    "cap": (("most",), ("by", "level")),
    "wall": ((), _BESIDE),
    "never_beside": ((), _BESIDE),
}
"""Kind of rule → the fields of its own that it must have, and those that it may have."""
_GROUPINGS = ("rule", "brand", "category")


@dataclasses.dataclass(frozen=True)
class MerchandisingRule:
    """One rule of a shop: `[[rules]]` in `rules.toml`.

    It is about the items of which any of `items`, `brands` and `categories` (whole paths, with all that is below) is
    true; about all items where a `cap` or `min_stock` names none.

    Attributes:
        do: `block` (never offered), `adults_only` (offered only to shoppers known to be of age), `min_stock` (not
            offered below `pieces` in stock), `pin` (one item, to a place), `boost`, `bury` (behind all others), `cap`
            (at most so many in a slate), `wall` (never in one slate with, or beside, the other side) or `never_beside`
            (not offered where the other side is on the page or in the cart, and the other way round).
        reason: why the rule is there, for those who read it later.
        items: item ids.
        brands: brands.
        categories: category paths.
        start: day, or moment, from which it is in force, on the shop's clock; "" = always was.
        end: last day on which it is in force, or the moment at which it ends; "" = for ever.
        segments: segments of users for whom alone it is in force; none = everybody.
        signatures: signatures in which alone it is in force; none = all.
        pieces: `min_stock`: least stock. Unknown stock is enough.
        place: `pin`: place in the slate, from 1.
        factor: `boost`: what the odds of a purchase, or the expected value, are multiplied by; above 1.
        most: `cap`: items in a slate.
        by: `cap`: what is counted: items of each `brand`, of each `category`, or all of the `rule` together.
        level: `cap` by category: level of the path that is compared, 1 = top; 0 = the whole path.
        beside_items: the other side of `wall` and `never_beside`: item ids.
        beside_brands: brands of the other side.
        beside_categories: category paths of the other side.

    Raises:
        RecipeError: a field is missing, does not belong to the kind of rule, or is out of range.
    """

    do: str
    reason: str
    items: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    segments: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    pieces: float = 0.0
    place: int = 0
    factor: float = 2.0
    most: int = 0
    by: str = "rule"
    level: int = 0
    beside_items: tuple[str, ...] = ()
    beside_brands: tuple[str, ...] = ()
    beside_categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.do not in _FIELDS:
            raise RecipeError(
                f"`do` must be one of {', '.join(_FIELDS)}; got {self.do!r}.{nearest_hint(self.do, _FIELDS)}"
            )
        if not self.reason.strip():
            raise RecipeError(
                "`reason` must say why the rule is there; it is empty. Write it for whoever reads it later."
            )
        self._check_fields()
        if self.do == "pin" and len(self.items) != 1:
            raise RecipeError(
                f"`pin` puts one item to one place; `items` names {len(self.items)}. Write a rule for each."
            )
        if self.do == "pin" and self.place < 1:
            raise RecipeError(f"`place` counts from 1; got {self.place}.")
        if self.do == "boost" and self.factor <= 1:
            raise RecipeError(f"`factor` must be above 1; got {self.factor}. To put items behind others use `bury`.")
        if self.do == "min_stock" and self.pieces <= 0:
            raise RecipeError(f"`pieces` must be above 0; got {self.pieces}. What is sold out is never offered anyway.")
        if self.do == "cap" and self.most < 1:
            raise RecipeError(f"`most` must be at least 1; got {self.most}. To offer none at all use `block`.")
        if self.by not in _GROUPINGS:
            raise RecipeError(f"`by` must be one of {', '.join(_GROUPINGS)}; got {self.by!r}.")
        if (self.level and self.by != "category") or self.level < 0:
            raise RecipeError(
                f"`level` is a level of the category path, from 1, of a cap `by` category; got {self.level}."
            )
        for name in self.signatures:
            if name not in SLATES:
                raise RecipeError(f"There is no signature {name!r} that offers.{nearest_hint(name, SLATES)}")
        start, end = _moment(self.start, "start"), _moment(self.end, "end")
        if (
            start is not None
            and end is not None
            and ((_is_day(self.end) and start > end) or (not _is_day(self.end) and start >= end))
        ):
            raise RecipeError(f"`start` must come before `end`; got {self.start} and {self.end}.")

    def _check_fields(self) -> None:
        must, may = _FIELDS[self.do]
        for field in dataclasses.fields(self):
            is_own = field.name in {name for kind in _FIELDS.values() for part in kind for name in part}
            if is_own and field.name not in (*must, *may) and getattr(self, field.name) != field.default:
                owners = [kind for kind, parts in _FIELDS.items() if field.name in (*parts[0], *parts[1])]
                raise RecipeError(f"`{field.name}` belongs to {', '.join(owners)}, not to `{self.do}`. Leave it out.")
        for name in must:
            if not getattr(self, name):
                raise RecipeError(f"`{self.do}` needs `{name}`.")
        if not any(getattr(self, name) for name in _TARGETS) and self.do not in ("cap", "min_stock"):
            raise RecipeError(f"`{self.do}` must name what it is about: {', '.join(_TARGETS)}.")
        if self.do in ("wall", "never_beside") and not any(getattr(self, name) for name in _BESIDE):
            raise RecipeError(f"`{self.do}` must name its other side: {', '.join(_BESIDE)}.")

    def minutes(self, calendar: ShopCalendar) -> tuple[int, int]:
        """Returns the first minute in which the rule is in force and the first in which it no longer is.

        Both count since 1970-01-01 UTC. A day is meant whole, on the shop's clock.
        """
        start, end = _moment(self.start, "start"), _moment(self.end, "end")
        if end is not None and _is_day(self.end):
            end += pd.Timedelta(days=1)
        return (
            BEFORE_ALL_RULES + 1 if start is None else _minute(calendar.in_utc(start)),
            _FOR_EVER if end is None else _minute(calendar.in_utc(end)),
        )

    def overlaps(self, other: "MerchandisingRule", calendar: ShopCalendar) -> bool:
        """Returns whether there is a moment, a segment and a signature in which both are in force."""
        own, its = self.minutes(calendar), other.minutes(calendar)
        return (
            max(own[0], its[0]) < min(own[1], its[1])
            and (not self.segments or not other.segments or not set(self.segments).isdisjoint(other.segments))
            and (not self.signatures or not other.signatures or not set(self.signatures).isdisjoint(other.signatures))
        )


@dataclasses.dataclass(frozen=True)
class MerchandisingRules:
    """The rules of a shop: all of `rules.toml`.

    Attributes:
        rules: in the order of the file.
    """

    rules: tuple[MerchandisingRule, ...] = ()


BEFORE_ALL_RULES = 1
"""Minute since 1970-01-01 UTC at which no rule is in force, dated or not: certificates ask then."""
_FOR_EVER = 2**31 - 1


def read_rules(path: Path) -> MerchandisingRules:
    """Returns the rules of a file; which items they are about is checked against a catalogue by `compile_rules`.

    Raises:
        ConfigError: there is no such file, it is no TOML, or a rule is not as `MerchandisingRule` says; names the rule.
    """
    try:
        return typed(MerchandisingRules, read_toml(path)[1], where=str(path))
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}. Name the file that holds the shop's [[rules]].") from None
    except RecipeError as error:  # raised by the reader that recipes share
        raise ConfigError(str(error)) from error


def _is_day(text: str) -> bool:
    return len(text) == len("2026-12-24")


def _moment(text: str, name: str) -> pd.Timestamp | None:
    if not text:
        return None
    try:
        dt.date.fromisoformat(text) if _is_day(text) else dt.datetime.fromisoformat(text)
        return pd.Timestamp(text)
    except ValueError:
        raise RecipeError(
            f"`{name}` must be a day or a moment, such as 2026-12-24 or 2026-12-24T18:00:00; got {text!r}."
        ) from None


def _minute(moment: pd.Timestamp) -> int:
    return min(max(int(moment.timestamp() // 60), BEFORE_ALL_RULES + 1), _FOR_EVER)
