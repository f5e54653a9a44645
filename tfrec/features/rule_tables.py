"""Compiles merchandising rules against a catalogue: which rule is about which item, as arrays of a fixed layout."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, nearest_hint
from tfrec.features.merchandising import SLATES, MerchandisingRule, MerchandisingRules
from tfrec.features.segments import largest_segments, users_in_segments
from tfrec.features.vocabulary import Vocabulary
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.category_paths import CATEGORY_SEPARATOR
from tfrec.schema.tables import category_levels

KINDS = ("block", "adults_only", "never_beside", "wall", "pin", "boost", "bury", "cap")
"""Kinds of compiled rules; that in position `i` has code `i + 1`. A `min_stock` blocks what is below it now."""
TABLES = ("rules", "segments", "signatures", "members", "keys", "beside", "pins")
"""Names of the tables, in the order in which they are stored."""
RULES_FILE = Path("assets") / "rules.bin"
"""Where a version of a servable has them."""


@dataclasses.dataclass(frozen=True)
class RuleTables:
    """Rules as int32 arrays. `R` rules (row 0 = none), `N` items (row 0 = none), `S` segments (0 = unknown).

    Attributes:
        rules: `[R + 1, 4]` kind, first minute in force, first minute no longer in force, and the bits of a float32: the
            place of a pin, the natural log of a boost's factor, the most of a cap.
        segments: `[R + 1, S + 1]` 1 where the rule is in force for users of the segment.
        signatures: `[R + 1, len(SLATES)]` 1 where it is in force in the signature.
        members: `[N + 1, M]` rules that the item is a member of; 0 behind the end.
        keys: `[N + 1, M]` beside each member of a cap: what is counted together, from 1.
        beside: `[N + 1, m]` rules on whose other side the item is.
        pins: `[P, 2]` rule and item of each pin.
    """

    rules: np.ndarray
    segments: np.ndarray
    signatures: np.ndarray
    members: np.ndarray
    keys: np.ndarray
    beside: np.ndarray
    pins: np.ndarray

    @classmethod
    def none(cls, num_rows: int, num_segments: int) -> "RuleTables":
        """Returns tables without a rule for `num_rows` items, with padding, and `num_segments` segments."""
        return _stack([], num_rows, num_segments)

    def withheld(self, minute: int) -> np.ndarray:
        """Returns `[N + 1]` bool: items that rules block, or keep for adults, at `minute` or later, for anybody."""
        kind, _, end, _ = self.rules.T
        blocks = np.isin(kind, [KINDS.index(name) + 1 for name in ("block", "adults_only")]) & (end > minute)
        return blocks[self.members].any(axis=1)

    def to_bytes(self) -> bytes:
        """Returns the shapes of all tables, then their cells: what a servable reads when it is loaded."""
        arrays = [np.ascontiguousarray(getattr(self, name), np.int32) for name in TABLES]
        shapes = np.array([size for array in arrays for size in array.shape], np.int32)
        return b"".join(array.astype("<i4").tobytes() for array in (shapes, *arrays))


@dataclasses.dataclass(frozen=True)
class _Compiled:
    """One rule and the items `[n]` that it is about."""

    kind: str
    minutes: tuple[int, int]
    value: float
    segments: np.ndarray  # [S + 1] bool
    signatures: np.ndarray  # [len(SLATES)] bool
    members: np.ndarray  # [n] int32
    keys: np.ndarray  # [n] int32
    beside: np.ndarray  # [m] int32


def compile_rules(
    rules: MerchandisingRules,
    items: pd.DataFrame,
    users: pd.DataFrame,
    *,
    calendar: ShopCalendar,
    ignore_unknown: bool = False,
) -> RuleTables:
    """Returns the tables of rules for a catalogue.

    Args:
        rules: the shop's rules.
        items: a table of `ITEM_COLUMNS`, in the order of the servable's items.
        users: the users table, whose segments are those of the servable.
        calendar: the shop's clock.
        ignore_unknown: rules were checked with an earlier catalogue: names that have gone since are passed over.

    Raises:
        ConfigError: a rule names what the shop does not have, or two rules contradict one another.
    """
    names = largest_segments(users_in_segments(users))
    catalogue = _Names(items, names, ignore_unknown=ignore_unknown)
    compiled = []
    for number, rule in enumerate(rules.rules, start=1):
        try:
            compiled.append(_compile(rule, catalogue, calendar))
        except ConfigError as error:
            raise ConfigError(f"Rule {number} ({rule.do}: {rule.reason}): {error}") from error
    if not ignore_unknown:
        _check_contradictions(rules.rules, compiled, catalogue, calendar)
    return _stack(compiled, len(items) + 1, len(names))


class _Names:
    """What a catalogue calls its items, brands and categories."""

    def __init__(self, items: pd.DataFrame, segments: Sequence[str], *, ignore_unknown: bool) -> None:
        self.ids = Vocabulary(items["item_id"].to_numpy(object))
        self.brand = items["brand"].astype(object).to_numpy()
        self.category = items["category"].astype(object).reset_index(drop=True)
        self.stock = items["stock"].to_numpy(np.float32)
        self.levels = category_levels(self.category)
        self.segments = list(segments)
        self._ignore_unknown = ignore_unknown
        self._known = {
            "item": self.ids.tokens,
            "brand": pd.unique(self.brand),
            "category": pd.unique(self.levels.to_numpy(object).ravel()),
            "segment": np.array(self.segments, object),
        }

    def check(self, kind: str, wanted: Sequence[str]) -> None:
        """Refuses names that the shop does not have."""
        known = self._known[kind]
        unknown = [name for name in wanted if name not in set(known) or not name]
        if unknown and not self._ignore_unknown:
            there = "" if len(known) else f" The shop has no {kind} at all."
            hint = nearest_hint(unknown[0], [str(name) for name in known[:20_000]]) if len(known) else there
            raise ConfigError(f"The shop has no {kind} {unknown[0]!r}.{hint}")

    def rows(self, items: Sequence[str], brands: Sequence[str], categories: Sequence[str]) -> np.ndarray:
        """Returns `[n]` int32 items that are named, of a named brand, or below a named category."""
        for kind, wanted in (("item", items), ("brand", brands), ("category", categories)):
            self.check(kind, wanted)
        chosen = np.zeros(self.ids.size, bool)
        chosen[self.ids.encode(list(items))] = True
        chosen[1:] |= np.isin(self.brand, list(brands))
        for path in categories:
            chosen[1:] |= ((self.category == path) | self.category.str.startswith(path + CATEGORY_SEPARATOR)).to_numpy()
        chosen[0] = False
        return np.flatnonzero(chosen).astype(np.int32)


def _compile(rule: MerchandisingRule, catalogue: _Names, calendar: ShopCalendar) -> _Compiled:
    catalogue.check("segment", rule.segments)
    members = catalogue.rows(rule.items, rule.brands, rule.categories)
    if not (rule.items or rule.brands or rule.categories):
        members = np.arange(1, catalogue.ids.size, dtype=np.int32)
    if rule.do == "min_stock":
        if np.isnan(catalogue.stock).all():
            raise ConfigError(
                "The catalogue has no stock. Map it with `stock` in the recipe's [items], or drop the rule."
            )
        members = members[catalogue.stock[members - 1] < rule.pieces]
    keys = np.zeros(len(members), np.int32)
    if rule.do == "cap":
        keys = _keys(rule, members, catalogue)
        members, keys = members[keys > 0], keys[keys > 0]  # what is of no brand or category is not counted
    is_for = np.ones(len(catalogue.segments) + 1, bool)
    if rule.segments:
        is_for = np.isin(["", *catalogue.segments], rule.segments)
    value = {"pin": rule.place, "boost": np.log(rule.factor), "cap": rule.most}.get(rule.do, 0.0)
    return _Compiled(
        kind="block" if rule.do == "min_stock" else rule.do,
        minutes=rule.minutes(calendar),
        value=float(value),
        segments=is_for,
        signatures=np.isin(SLATES, rule.signatures or SLATES),
        members=members,
        keys=keys,
        beside=catalogue.rows(rule.beside_items, rule.beside_brands, rule.beside_categories),
    )


def _keys(rule: MerchandisingRule, members: np.ndarray, catalogue: _Names) -> np.ndarray:
    """Returns `[n]` int32: equal for items that a cap counts together, from 1; 0 = not counted."""
    if rule.by == "rule":
        return np.ones(len(members), np.int32)
    if rule.by == "brand":
        return Vocabulary.of(catalogue.brand).encode(catalogue.brand)[members - 1]
    depth = len(catalogue.levels.columns)
    if rule.level > depth:
        raise ConfigError(f"`level` must be at most {depth}, the depth of the category paths; got {rule.level}.")
    path = catalogue.levels[rule.level - 1] if rule.level else catalogue.category
    return Vocabulary.of(path).encode(path)[members - 1]


def _check_contradictions(
    rules: Sequence[MerchandisingRule], compiled: Sequence[_Compiled], catalogue: _Names, calendar: ShopCalendar
) -> None:
    """Refuses rules of which both cannot be kept at one moment, for one user, in one signature.

    Raises:
        ConfigError: names both rules and an item.
    """
    for (first, left), (second, right) in itertools.combinations(enumerate(zip(rules, compiled, strict=True), 1), 2):
        both = np.intersect1d(left[1].members, right[1].members)
        problem = _contradiction(*left, *right, both)
        if problem and left[0].overlaps(right[0], calendar):
            item = f" Item {catalogue.ids.decode(both[0])!r} is in both." if len(both) else ""
            raise ConfigError(
                f"Rules {first} and {second} contradict one another: {problem}.{item} "
                "Change one, or part them by dates, segments or signatures."
            )


def _contradiction(
    first: MerchandisingRule, left: _Compiled, second: MerchandisingRule, right: _Compiled, both: np.ndarray
) -> str:
    """Returns why two rules cannot both be kept, `""` where they can."""
    kinds = {first.do, second.do}
    if kinds == {"pin"} and first.place == second.place and not len(both):
        return f"two items are pinned to place {first.place}"
    if kinds == {"pin"} and len(both):
        return "one item is pinned twice"
    if kinds == {"boost", "bury"} and len(both):
        return "what is boosted is buried"
    if kinds == {"pin", "bury"} and len(both):
        return "what is pinned is buried"
    if kinds == {"pin", "block"} and len(both):
        return "what is pinned is blocked"
    return ""


def _stack(compiled: Sequence[_Compiled], num_rows: int, num_segments: int) -> RuleTables:
    """Returns the arrays of all rules."""
    size = len(compiled) + 1
    rules = np.zeros((size, 4), np.int32)
    segments, signatures = np.zeros((size, num_segments + 1), np.int32), np.zeros((size, len(SLATES)), np.int32)
    for number, rule in enumerate(compiled, start=1):
        bits = np.array(rule.value, np.float32).view(np.int32)
        rules[number] = (KINDS.index(rule.kind) + 1, *rule.minutes, bits)
        segments[number], signatures[number] = rule.segments, rule.signatures
    members, keys = _by_item([(rule.members, rule.keys) for rule in compiled], num_rows)
    beside, _ = _by_item([(rule.beside, np.zeros_like(rule.beside)) for rule in compiled], num_rows)
    pins = [(number, item) for number, rule in enumerate(compiled, 1) if rule.kind == "pin" for item in rule.members]
    return RuleTables(
        rules, segments, signatures, members, keys, beside, np.array(pins, np.int32).reshape(len(pins), 2)
    )


def _by_item(parts: Sequence[tuple[np.ndarray, np.ndarray]], num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[num_rows, M]` the rules, from 1, of each item, and the keys beside them; `M` is the most of an item."""
    item = np.concatenate([np.zeros(0, np.int32), *(members for members, _ in parts)]).astype(np.int64)
    key = np.concatenate([np.zeros(0, np.int32), *(keys for _, keys in parts)])
    rule = np.repeat(np.arange(1, len(parts) + 1), [len(members) for members, _ in parts])
    order = np.argsort(item, kind="stable")
    item, key, rule = item[order], key[order], rule[order]
    column = np.arange(len(item)) - np.searchsorted(item, item)
    shape = (num_rows, int(column.max(initial=-1)) + 1)
    rules, keys = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    rules[item, column], keys[item, column] = rule, key
    return rules, keys
