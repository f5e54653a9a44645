"""Recognises accounts of the shop's own people and of tests by their plain ids, before these become pseudonyms."""

import dataclasses
import re
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.errors import RecipeError
from tfrec.ingest.mapping import RAW_PREFIX
from tfrec.sources.cells import id_text
from tfrec.sources.notes import Note

STAFF = "staff or test account"
"""Reason of an event of such an account."""

IS_STAFF = "_is_staff"
"""Column of the events' text: the account is one of the shop's own."""

_SUSPECT = (  # whole words of an id or of the name before the @: `test`, `qa_2`, `test.user@...`, not `tester-lab.com`
    r"(?i)^(e2e|qa|test|tests|tester|testing|demo|dummy|fake|staff|admin|administrator|selenium|cypress|monitor)"
    r"([-_.+ ]?(user|account|customer|order|kunde|acc))?[-_.+ ]?\d{0,6}(@.*)?$"
    r"|@((.*\.)?example\.(com|org|net)|(.*\.)?(test|invalid|localhost|local))$"
)


@dataclasses.dataclass(frozen=True)
class Staff:
    """Accounts whose events are no customer's.

    Attributes:
        ids: user ids as they stand in the log.
        patterns: regular expressions (RE2), searched anywhere in the user id.
        domains: what stands behind the @ of an id that is a mail address; domains below it count, too.
        raw_columns: columns of the file in which patterns and domains are looked for beside the user id, such as one
            with mail addresses.
    """

    ids: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    raw_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                pc.match_substring_regex(pa.array([""]), pattern)  # RE2, as in the engine
            except pa.ArrowInvalid as error:
                raise RecipeError(f"pattern {pattern!r} is no regular expression (RE2): {error}.") from error
        for domain in self.domains:
            if "@" in domain or not domain.strip("."):
                raise RecipeError(f"domains must be what stands behind the @, such as shop.example; got {domain!r}.")
        if self.raw_columns and not (self.patterns or self.domains):
            raise RecipeError("raw_columns are looked at for patterns and domains: give one of them.")

    @property
    def is_stated(self) -> bool:
        """Whether any account is named."""
        return bool(self.ids or self.patterns or self.domains)


def mark_staff(text: ir.Table, staff: Staff) -> ir.Table:
    """Returns the events' text with `_is_staff`.

    Args:
        text: mapped text with plain user ids.
        staff: which accounts.
    """
    marks: list[ir.BooleanValue] = []
    cells = [text[RAW_PREFIX + name] for name in staff.raw_columns if RAW_PREFIX + name in text.columns]
    if "user_id" in text.columns:
        user = id_text(text["user_id"])
        cells.insert(0, user)
        if staff.ids:
            marks.append(user.isin(staff.ids))
    expressions = [*staff.patterns, *map(_domain_pattern, staff.domains)]
    marks += [cell.re_search(expression) for cell in cells for expression in expressions]
    is_staff = ibis.or_(*marks).fill_null(False) if marks else ibis.literal(False)
    return text.mutate(**{IS_STAFF: is_staff})


def notes_of_suspects(users: ir.Table, *, staff: Staff, is_hidden: bool) -> Sequence[Note]:
    """Returns a note on accounts that look like tests or staff and that no rule leaves out.

    Args:
        users: `id` and `rows` of each plain user id, without the rows that rules leave out.
        staff: accounts that are left out.
        is_hidden: ids may not be shown.
    """
    marked = users.filter(users["id"].re_search(_SUSPECT) & users["id"].notin(staff.ids or ("",)))
    rows = marked.order_by(ibis.desc("rows"), "id").to_pyarrow().to_pylist()
    if not rows:
        return []
    shown = "" if is_hidden else f", e.g. {', '.join(repr(row['id']) for row in rows[:3])}"
    number = sum(row["rows"] for row in rows)
    text_of = (
        f"{len(rows):,} users with {number:,} rows look like test or staff accounts{shown}; they were read as "
        "customers. [clean.staff] ids, patterns or domains leave such accounts out."
    )
    return [Note("staff_suspects", number, text_of)]


def _domain_pattern(domain: str) -> str:
    return rf"(?i)@(.*\.)?{re.escape(domain.strip('.'))}\s*$"
