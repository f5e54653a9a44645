"""Guesses which column of an unknown table plays which role, by names and by what the cells hold."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence

from tfrec.layouts.cells import Cells
from tfrec.layouts.names import name_score, normal_name, plain_letters
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.times import read_share
from tfrec.layouts.words import EVENT_WORDS, VOID_STATES

_MOST_LINES = 200  # rows of one order: above, the column is no number of an order
_PARTS = (
    (
        {"year", "jahr", "annee", "ano", "年"},
        {"month", "monat", "mois", "mes", "月"},
        {"day", "tag", "jour", "dia", "日"},
    ),
)
_CLOCK = re.compile(r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?")
_CLOCK_NAMES = {
    "time",
    "uhrzeit",
    "zeit",
    "heure",
    "hora",
    "时间",
    "clock",
    "invoice time",
    "order time",
    "bestellzeit",
}
_WORD_OF = {word: kind for kind, words in EVENT_WORDS.items() for word in words}


@dataclasses.dataclass(frozen=True)
class Guess:
    """A column that plays a role.

    Attributes:
        names: the raw column, or several that are joined.
        score: from 0 to 100, how well it fits.
        why: the evidence.
        rivals: other columns that fit nearly as well.
    """

    names: tuple[str, ...]
    score: float
    why: str
    rivals: tuple[str, ...] = ()

    @property
    def value(self) -> str | list[str]:
        """The column, as the recipe names it."""
        return self.names[0] if len(self.names) == 1 else [*self.names]


def guess_roles(raw: RawFiles, roles: Sequence[str]) -> dict[str, Guess]:
    """Returns role → guess for the roles that a column fits; each column plays one role.

    Args:
        raw: the table.
        roles: keys of `names.role_words`, the surer ones first, as they choose first.
    """
    guesses: dict[str, Guess] = {}
    taken: set[str] = set()
    for role in roles:
        guess = _joined_time(raw, taken) if role == "timestamp" else None
        guess = guess or _best(raw, role, taken)
        if guess is not None:
            guesses[role] = guess
            taken |= set(guess.names)
    return guesses


def event_words(cells: Cells) -> tuple[dict[str, str], list[str]]:
    """Returns word → event type for the words of a column that are known, and the others."""
    known: dict[str, str] = {}
    unknown: list[str] = []
    for value in cells.values:
        kind = _WORD_OF.get(normal_name(value)) or _WORD_OF.get(plain_letters(value).strip())
        if kind:
            known[value] = kind
        else:
            unknown.append(value)
    return known, unknown


def _best(raw: RawFiles, role: str, taken: set[str]) -> Guess | None:
    scored: list[tuple[float, str]] = []
    for name in raw.columns:
        if name in taken:
            continue
        by_name = name_score(name, role) if raw.has_header else 0.0
        by_value = _VALUE_SCORES[role](raw.cells(name)) if by_name or role in _BY_VALUE else 0.0
        if by_value <= 0:
            continue
        if score := by_name + by_value if by_name else by_value * _BY_VALUE[role]:
            scored.append((score, name))
    if not scored:
        return None
    scored.sort(key=lambda entry: (-entry[0], raw.columns.index(entry[1])))
    score, name = scored[0]
    rivals = tuple(other for value, other in scored[1:3] if value > score - 8)
    return Guess((name,), score, _reason(raw.cells(name), role, by_name=name_score(name, role) > 0), rivals)


def _joined_time(raw: RawFiles, taken: set[str]) -> Guess | None:
    """Returns the columns of a date in parts, or of a date and a clock."""
    normal = {normal_name(name): name for name in raw.columns if name not in taken}
    for years, months, days in _PARTS:
        parts = [next((normal[word] for word in words if word in normal), "") for words in (years, months, days)]
        if all(parts) and read_share(raw.joined(*parts)) > 0.9:
            return Guess(tuple(parts), 90, "the date stands in three columns")
    single = _best(raw, "timestamp", taken)
    if single is None or any(_CLOCK.search(value[8:]) for value in raw.cells(single.names[0]).values[:20]):
        return single
    for word in _CLOCK_NAMES:
        name = normal.get(word)
        if not name or name == single.names[0] or raw.cells(name).share(_CLOCK) <= 0.9:
            continue
        if read_share(raw.joined(single.names[0], name)) > 0.9:
            return Guess((single.names[0], name), single.score, "date and clock stand in two columns")
    return single


def _reason(cells: Cells, role: str, *, by_name: bool) -> str:
    what = f"{cells.distinct:,} values in {cells.filled:,} rows, such as {cells.example(2)}"
    if cells.fill_share < 0.995 and role in ("user_id", "order_id", "item_id", "price", "quantity", "line_total"):
        what = f"{1 - cells.fill_share:.0%} of the cells are empty; {what}"
    return what if by_name else f"chosen by its values alone, please check: {what}"


def _time(cells: Cells) -> float:
    if cells.date_share < 0.8 or (cells.number_share > 0.9 and not _is_plausible_count(cells)):
        return 0
    share = read_share(cells)
    return 20 * share if share > 0.5 else 0


def _is_plausible_count(cells: Cells) -> bool:
    """Returns whether whole numbers may be counts since 1970, or dates without signs."""
    lengths = {len(value) for value in cells.values}
    if lengths <= {10, 13, 16}:
        return all(value.startswith(("9", "1", "2")) for value in cells.values)
    if any("." in value for value in cells.values):  # 01.02.2024
        return True
    return lengths <= {8, 12, 14} and all(
        value.startswith(("19", "20")) or value[4:6] in ("19", "20") for value in cells.values
    )


def _order(cells: Cells) -> float:
    if cells.distinct < 2 or cells.repeat > _MOST_LINES or _has_fractions(cells) or cells.fill_share < 0.3:
        return 0
    return 10 if cells.repeat > 1.05 else 5


def _item(cells: Cells) -> float:
    if cells.distinct < 2 or _has_fractions(cells):
        return 0
    return min(20.0, 5 * math.log10(cells.distinct + 1)) * (0.5 if cells.fill_share < 0.5 else 1)


def _user(cells: Cells) -> float:
    if cells.distinct < 2 or _has_fractions(cells):
        return 0
    return 8 + (4 if cells.email_share > 0.9 else 0) + min(4.0, math.log10(cells.distinct))


def _event(cells: Cells) -> float:
    if not cells.filled or cells.distinct > 60:
        return 0
    known, _ = event_words(cells)
    share = cells.rows_with(known) / cells.filled
    return 40 * share if share > 0.5 and len(known) > 0 and (cells.distinct > 1 or share == 1) else 0


def _session(cells: Cells) -> float:
    return 10 if cells.distinct > 1 and not _has_fractions(cells) else 0


def _quantity(cells: Cells) -> float:
    if cells.number_share < 0.95 or not cells.filled:
        return 0
    small = sum(abs(_number(value)) <= 10_000 for value in cells.values) / len(cells.values)
    return 20 * cells.whole_share if small > 0.9 else 0


def _amount(cells: Cells) -> float:
    if cells.number_share < 0.9 or cells.distinct < 2:
        return 0
    return 10 + (10 if _has_fractions(cells) else 0)


def _currency(cells: Cells) -> float:
    return 20 if cells.currency_share > 0.9 and cells.distinct < 60 else 0


def _rating(cells: Cells) -> float:
    values = [_number(value) for value in cells.values]
    return 20 if cells.number_share > 0.95 and cells.distinct <= 25 and max(values, default=99) <= 10 else 0


def _text(cells: Cells) -> float:
    return 10 if cells.number_share < 0.5 and cells.filled and cells.distinct > 1 else 0


def _group(cells: Cells) -> float:
    return 10 if cells.filled and 1 < cells.distinct <= max(50, cells.rows / 2) else 0


def _state(cells: Cells) -> float:
    if not cells.filled or cells.distinct > 60 or cells.number_share > 0.5:
        return 0
    return 10 + (20 if any(VOID_STATES.search(plain_letters(value)) for value in cells.values) else 0)


def _country(cells: Cells) -> float:
    return 10 if cells.filled and cells.distinct <= 300 and cells.number_share < 0.1 else 0


def _place(cells: Cells) -> float:
    return 10 if cells.whole_share == 1 and "1" in cells.values and cells.repeat > 3 else 0


def _filled(cells: Cells) -> float:
    return 10 if cells.filled else 0


def _has_fractions(cells: Cells) -> bool:
    return cells.number_share > 0.9 and cells.whole_share < 0.9


def _number(text: str) -> float:
    digits = re.sub(r"[^\d.\-]", "", text.replace(",", "."))
    try:
        return float(digits)
    except ValueError:
        return 0.0


_VALUE_SCORES: Mapping[str, Callable[[Cells], float]] = {
    "timestamp": _time, "order_id": _order, "item_id": _item, "user_id": _user, "event_type": _event,
    "session_id": _session, "quantity": _quantity, "price": _amount, "line_total": _amount, "discount": _amount,
    "currency": _currency, "rating": _rating, "query": _text, "status": _state, "title": _text, "category": _group,
    "brand": _text, "country": _country, "sequence": _place, "cost": _amount, "margin": _amount, "stock": _quantity,
    "available_from": _time, "image": _filled,
}  # fmt: skip
_BY_VALUE = {"timestamp": 1.0, "event_type": 0.5}
"""Roles for which the values alone are enough → what they count for then."""
