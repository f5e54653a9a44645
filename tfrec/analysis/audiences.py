"""Turns an expression such as `segment = "Loyal" and recency < 30d` into an audience: the users it is true of."""

import dataclasses
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from tfrec.analysis.behaviour import describe_behaviour
from tfrec.analysis.expressions import UNITS, Compare, Join, Node, fail_at, parse_expression
from tfrec.analysis.interests import Interests
from tfrec.analysis.segments import Segments
from tfrec.errors import ConfigError, nearest_hint
from tfrec.ingest.privacy import pseudonyms
from tfrec.publish import write_table
from tfrec.schema.tables import Tables

EXPORT = "pseudonyms of an audience"
"""Kind of the exported file."""

logger = logging.getLogger(__name__)

FIELDS: Mapping[str, str] = {
    "recency": "recency_days",  # time since the last order
    "seen": "seen_days",  # time since the last event
    "tenure": "tenure_days",  # time since the first event
    "interval": "interval_days",  # mean time between orders
    "orders": "num_orders",
    "frequency": "num_orders",  # what RFM calls it
    "views": "num_views",
    "value": "value",
    "gross_value": "gross_value",  # before returns
    "return_share": "return_share",
    "value_per_order": "value_per_order",
    "items_per_order": "items_per_order",
    "repeat_share": "repeat_share",
    "expected_value": "expected_value",  # of the next 90 days
}
"""What an expression can say of a user, beside `segment`, the columns of `users`, `interest("…")`, `response("…")`."""

_FURTHER = ("segment", "num_events", "first_order_days")
_TIMES = {"recency", "seen", "tenure", "interval"}


@dataclasses.dataclass(frozen=True)
class UserFacts:
    """What is known of each user, for expressions.

    Attributes:
        users: one row a user, indexed by `user_id`: figures of behaviour, `segment`, attributes.
        interests: for `interest("…")`.
        responses: offer → predicted response by `user_id`, for `response("…")`.
        profits: offer → predicted profit by `user_id`, for `response("…", "profit")`.
    """

    users: pd.DataFrame
    interests: Interests | None = None
    responses: Mapping[str, pd.Series] = dataclasses.field(default_factory=dict)
    profits: Mapping[str, pd.Series] = dataclasses.field(default_factory=dict)


class ClauseCount(NamedTuple):
    """Users that a part of an expression is true of, and users left after it; None = too few to be reported."""

    clause: str
    alone: int | None
    remaining: int | None


@dataclasses.dataclass(frozen=True)
class Audience:
    """The users an expression is true of.

    Attributes:
        expression: as it was given.
        user_ids: `[n]` the users, sorted.
        num_known: users the expression was asked of.
        clauses: one row a part between the outermost `and`s: `clause`, `alone` (users it is true of), `remaining`
            (users left after it and all before it).
        value_share: share of the value of all users; NaN where there is none.
        min_users: smallest audience that is disclosed; below it `export` refuses, and JSON and texts give no number.
    """

    JSON_KEYS: ClassVar = (
        "expression", ("num_users", "published_users"), "num_known", ("share", "published_share"),
        ("value_share", "published_value_share"), "min_users", ("clauses", "published_clauses"),
    )  # fmt: skip

    expression: str
    user_ids: np.ndarray
    num_known: int
    clauses: pd.DataFrame
    value_share: float
    min_users: int

    def __len__(self) -> int:
        """Returns the number of users."""
        return len(self.user_ids)

    @property
    def is_large_enough(self) -> bool:
        """Whether the audience has at least `min_users` users."""
        return len(self.user_ids) >= self.min_users

    @property
    def published_users(self) -> int | None:
        """Number of users; None below `min_users`."""
        return self._published(len(self))

    @property
    def published_share(self) -> float | None:
        """Share of the known users; None below `min_users`."""
        return len(self) / self.num_known if self.is_large_enough and self.num_known else None

    @property
    def published_value_share(self) -> float | None:
        """Share of the value; None below `min_users`, or where no value is known."""
        return self.value_share if self.is_large_enough and np.isfinite(self.value_share) else None

    @property
    def published_clauses(self) -> list[ClauseCount]:
        """The parts of the expression, with None in place of numbers under `min_users`."""
        return [
            ClauseCount(row.clause, self._published(row.alone), self._published(row.remaining))
            for row in self.clauses.itertuples()
        ]

    def export(self, path: Path, *, key: bytes, inputs: Iterable[Path] = (), force: bool = False) -> None:
        """Writes a CSV with one column `pseudonym`: `HMAC-SHA256(key, user_id)`, sorted.

        Args:
            path: the file.
            key: secret of the receiver, at least 16 bytes; each receiver its own, so that lists cannot be joined.
            inputs: files that are never overwritten.
            force: overwrite a file that is no such export.

        Raises:
            ConfigError: the audience is under `min_users`, or the key is short.
            SourceError: `path` is a file that is no such export.
        """
        export_users(self.user_ids, path, key=key, min_users=self.min_users, inputs=inputs, force=force)

    def _published(self, number: int) -> int | None:
        return int(number) if number >= self.min_users else None


def export_users(
    user_ids: np.ndarray,
    path: Path,
    *,
    key: bytes,
    min_users: int,
    inputs: Iterable[Path] = (),
    force: bool = False,
) -> None:
    """Writes `[n]` user ids as `Audience.export` does.

    Raises:
        ConfigError: there are fewer than `min_users`, or the key is short.
        SourceError: `path` is a file that is no such export.
    """
    if len(user_ids) < min_users:
        raise ConfigError(
            f"An audience needs at least {min_users} users to be exported; this one has fewer. Widen the expression."
        )
    if len(key) < 16:
        raise ConfigError(f"`key` must have at least 16 bytes; got {len(key)}. Make one: head -c 32 /dev/urandom")
    names = pseudonyms(pd.Series(user_ids, dtype="str"), key=key).sort_values()
    write_table(path, names.to_frame("pseudonym"), EXPORT, inputs=inputs, force=force)


def gather_facts(
    tables: Tables,
    *,
    segments: Segments | None = None,
    interests: Interests | None = None,
    responses: Mapping[str, pd.Series] | None = None,
    profits: Mapping[str, pd.Series] | None = None,
    expected_value: pd.Series | None = None,
    now: pd.Timestamp | None = None,
) -> UserFacts:
    """Returns the facts that expressions can use: behaviour, segment, attributes, interests, responses, profits.

    Args:
        tables: the shop.
        segments: for `segment`.
        interests: for `interest("…")`.
        responses: offer → predicted response by `user_id`, for `response("…")`.
        profits: offer → profit by `user_id`, for `response("…", "profit")`.
        expected_value: by `user_id`, for `expected_value`; users without an order have none and count as 0.
        now: what is later is not known; default: the last event.
    """
    users = describe_behaviour(tables, now=now)
    if segments is not None:
        users["segment"] = segments.assignments.set_index("user_id")["segment"].reindex(users.index)
    if expected_value is not None:
        users["expected_value"] = expected_value.reindex(users.index).fillna(0.0)
    attributes = tables.users.set_index("user_id")
    fresh = [column for column in attributes.columns if column not in {*users.columns, *FIELDS}]
    return UserFacts(users.join(attributes[fresh]), interests, responses or {}, profits or {})


def check_fields(expression: str, *, attributes: Iterable[str], offers: Collection[str] | None = None) -> None:
    """Reports a field without data before anything is measured or learned.

    Args:
        expression: see `find_audience`.
        attributes: columns of the users' table.
        offers: what `response("…")` can name; None = not checked.

    Raises:
        ConfigError: the expression cannot be read, or names what will not be there; the message points at the place.
    """
    fields = {*FIELDS, *_FURTHER, *attributes}
    nodes = [parse_expression(expression)]
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, Join):
            nodes = [*node.parts, *nodes]
        elif node.argument is None and node.field not in fields:
            _fail_unknown(node, fields, expression)
        elif node.field == "response" and offers is not None and node.argument not in offers:
            _fail_unknown_offer(node, offers, expression)


def find_audience(facts: UserFacts, *, expression: str, min_users: int = 50) -> Audience:
    """Returns the users that `expression` is true of.

    An expression compares with `= != < <= > >=` or `in (…, …)`, joined by `and`, `or`, `not` and parentheses:
    `segment = "Loyal" and interest("Cameras") > 0.6 and (recency < 30d or value >= 500) and response("SPRING10") > 5%`.
    `response("SPRING10", "profit") > 2` is money a user that the offer brings beyond what it costs.
    Texts stand in quotes and are compared without regard to case. Times need a unit: `h`, `d`, `w` or `y`. What is
    unknown of a user makes a comparison false, as is the response of a user outside the test; an interest that is not
    there is 0.

    Args:
        facts: as `gather_facts` gives them.
        expression: the text.
        min_users: k-anonymity floor: a smaller audience is never reported or exported.

    Raises:
        ConfigError: the expression cannot be read, or names what is not there; the message points at the place.
    """
    tree = parse_expression(expression)
    clauses, rows, remaining = _clauses(tree), [], np.ones(len(facts.users), dtype=bool)
    for clause in clauses:
        is_true = _evaluate(clause, facts, expression)
        remaining = remaining & is_true
        text = " ".join(expression[clause.start : clause.end].split())
        rows.append({"clause": text, "alone": int(is_true.sum()), "remaining": int(remaining.sum())})
    total = float(facts.users["value"].sum())
    share = float(facts.users.loc[remaining, "value"].sum()) / total if total > 0 else float("nan")
    user_ids = np.sort(facts.users.index[remaining].to_numpy(dtype=str))
    return Audience(expression, user_ids, len(facts.users), pd.DataFrame(rows), share, min_users)


def compare_audiences(audiences: Mapping[str, Audience]) -> pd.DataFrame:
    """Returns one row a pair: `first`, `second`, `both` (users), `of_first`, `of_second` (shares), `jaccard`.

    Rows where fewer users than the larger `min_users` are in both have NaN in all numbers.
    """
    rows = []
    names = list(audiences)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            audience, other = audiences[first], audiences[second]
            both = len(np.intersect1d(audience.user_ids, other.user_ids, assume_unique=True))
            is_large_enough = both >= max(audience.min_users, other.min_users)
            numbers = (
                both,
                both / max(len(audience), 1),
                both / max(len(other), 1),
                both / max(len(audience) + len(other) - both, 1),
            )
            rows.append((first, second, *(numbers if is_large_enough else (np.nan,) * 4)))
    return pd.DataFrame(rows, columns=["first", "second", "both", "of_first", "of_second", "jaccard"])


def _clauses(tree: Node) -> tuple[Node, ...]:
    return tree.parts if isinstance(tree, Join) and tree.word == "and" else (tree,)


def _evaluate(node: Node, facts: UserFacts, text: str) -> np.ndarray:
    """Returns `[users]` whether the node is true of each."""
    if isinstance(node, Compare):
        return _compared(node, facts, text)
    parts = [_evaluate(part, facts, text) for part in node.parts]
    if node.word == "not":
        return ~parts[0]
    return np.logical_and.reduce(parts) if node.word == "and" else np.logical_or.reduce(parts)


def _compared(node: Compare, facts: UserFacts, text: str) -> np.ndarray:
    column = _column(node, facts, text)
    is_number = pd.api.types.is_numeric_dtype(column)
    for value, unit, place in zip(node.values, node.units, node.places, strict=True):
        if isinstance(value, float) != is_number:
            fail_at(text, place, f"{node.field!r} is compared with a {'number' if is_number else 'text in quotes'}")
        if node.field in _TIMES and unit not in ("h", "d", "w", "y"):
            fail_at(text, place, f"{node.field!r} is a time and needs a unit: {value:g}d, {value:g}w")
        if node.measure and unit:
            fail_at(text, place, f"Profit is money and takes no unit: {value:g}")
        if node.field not in _TIMES and unit not in ("", "%"):
            fail_at(text, place, f"{node.field!r} is no time and takes no unit")
    if is_number:
        numbers = [float(value) * UNITS[unit] for value, unit in zip(node.values, node.units, strict=True)]
        return _compared_numbers(column.to_numpy(dtype=np.float64), node.sign, numbers)
    if node.sign not in ("=", "!=", "in"):
        fail_at(text, node.start, f"Texts such as {node.field!r} are compared with =, != or `in`")
    has_value = column.notna().to_numpy()
    folded = column.astype("str").str.casefold()
    wanted = [str(value).casefold() for value in node.values]
    for value, place in zip(node.values, node.places, strict=True):
        if str(value).casefold() not in set(folded[has_value]):
            fail_at(
                text, place, f"No user has {node.field} {value!r}.{nearest_hint(str(value), set(column[has_value]))}"
            )
    is_in = folded.isin(wanted).to_numpy()
    return has_value & (~is_in if node.sign == "!=" else is_in)


def _fail_unknown(node: Compare, fields: set[str], text: str) -> NoReturn:
    fail_at(text, node.start, f"Nothing is known of {node.field!r}.{nearest_hint(node.field, fields)}")


def _fail_unknown_offer(node: Compare, known: Iterable[str], text: str) -> NoReturn:
    what = "profit of" if node.measure else "response to"
    names = list(known)
    hint = nearest_hint(str(node.argument), names) if names else f" No {what.split()[0]} was predicted."
    fail_at(text, node.start, f"No {what} an offer {node.argument!r} is known.{hint}")


def _column(node: Compare, facts: UserFacts, text: str) -> pd.Series:
    """Returns what the left side of a comparison is for each user."""
    users = facts.users
    if node.argument is None:
        name = FIELDS.get(node.field, node.field)
        if name in users.columns and node.field not in set(FIELDS.values()) - set(FIELDS):
            return users[name]
        _fail_unknown(node, {*FIELDS, "segment", *users.columns.difference(list(FIELDS.values()))}, text)
    if node.measure and (node.field, node.measure) != ("response", "profit"):
        fail_at(text, node.start, f'{node.field!r} has no {node.measure!r}; response("OFFER", "profit") has one')
    if node.field == "interest":
        if facts.interests is None:
            fail_at(text, node.start, "Interests were not measured; give `interests` to `gather_facts`")
        try:
            return facts.interests.of(node.argument).reindex(users.index).fillna(0.0)
        except ConfigError as error:
            fail_at(text, node.start, str(error))
    if node.field == "response":
        known = facts.profits if node.measure else facts.responses
        if node.argument not in known:
            _fail_unknown_offer(node, known, text)
        return known[node.argument].reindex(users.index)
    fail_at(text, node.start, f'{node.field!r} takes no argument; interest("…") and response("…") do')


def _compared_numbers(column: np.ndarray, sign: str, numbers: list[float]) -> np.ndarray:
    has_value = np.isfinite(column)
    if sign == "in":
        return np.isin(column, numbers)
    compare = {
        "=": np.equal,
        "!=": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    return has_value & compare[sign](column, numbers[0])
