"""Proposes sections for files of no known layout, by the names of their columns and by what these hold."""

import dataclasses
from collections.abc import Sequence

from tfrec.errors import SourceError
from tfrec.layouts.amounts import count_equal_rows, count_of, find_amounts, is_line_total, money_share
from tfrec.layouts.cells import Cells
from tfrec.layouts.currencies import rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section
from tfrec.layouts.guesses import Guess, event_words, guess_roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.rules import code_shape_rule, guest_entry, item_rules, order_prefix_rules, state_rules
from tfrec.layouts.times import find_time_form, main_country, money_of, zone_entry

_ROLES = (
    *("event_type", "timestamp", "order_id", "item_id", "user_id", "session_id", "quantity", "price", "line_total"),
    *("currency", "rating", "query", "status", "title", "category", "brand", "discount", "country"),
)
_EVENT_COLUMNS = (
    *("order_id", "user_id", "item_id", "event_type", "timestamp", "session_id", "quantity", "price", "line_total"),
    *("discount", "currency", "rating", "query"),
)
_WHAT_FOR = {
    "user_id": "who bought or looked; without it all rows are guests'",
    "item_id": "what was bought or looked at",
    "timestamp": "when it happened",
    "order_id": "number of the order, equal for all its lines",
    "price": "price of a piece (or line_total: of all pieces of the row)",
    "quantity": "number of pieces",
}


@dataclasses.dataclass(frozen=True)
class _Log:
    """A table of events with what is guessed of it."""

    raw: RawFiles
    roles: dict[str, Guess]
    is_purchase: bool

    def cells(self, role: str) -> Cells | None:
        guess = self.roles.get(role)
        return None if guess is None else self.raw.joined(*guess.names)


def guess_event_roles(raw: RawFiles) -> dict[str, Guess]:
    """Returns role → column of a table that may hold events."""
    roles = guess_roles(raw, _ROLES)
    if "price" in roles and "line_total" in roles:
        del roles["line_total"]  # the total of a row, or of its order: the price of a piece is certain
    if "title" not in roles and "item_id" in roles:
        return roles
    if "item_id" not in roles and "title" in roles:
        title = roles["title"]
        roles["item_id"] = Guess(
            title.names, title.score, "no column holds ids of items, so that titles stand for them"
        )
    return roles


def propose_events(raw: RawFiles, roles: dict[str, Guess], *, joins: Sequence[Section] = ()) -> Part:
    """Returns the sections of a log of events.

    Args:
        raw: the files.
        roles: see `guess_event_roles`.
        joins: sections of files whose columns are added to each row.

    Raises:
        SourceError: neither items nor times nor orders are recognised.
    """
    if "item_id" not in roles or not {"timestamp", "order_id"} & set(roles):
        absent = [role for role in ("item_id", "timestamp") if role not in roles]
        raise SourceError(
            f"{raw.shown} has the columns {', '.join(raw.columns[:30])}. None of them looks like "
            f"{' or '.join(_WHAT_FOR[role] for role in absent)} ({', '.join(absent)}). Is this a log of orders or "
            "events? If it is, write the recipe by hand: docs/recipes.md."
        )
    is_purchase = "event_type" not in roles and bool({"order_id", "quantity", "line_total"} & set(roles))
    log = _Log(raw, roles, is_purchase)
    amount = roles.get("price") or roles.get("line_total")
    amounts = find_amounts(raw, amount.names[0]) if amount else None
    country = main_country(log.cells("country"))
    entries = [*raw.entries, *_type_entries(log), *_time_entries(log)]
    if "currency" in roles:
        entries += rate_entries(raw, roles["currency"].names[0])
    if amounts is not None and amounts.entry is not None:
        entries.append(amounts.entry)
    columns = _columns(log)
    currency = _currency(log, amounts.currency if amounts else "", country)
    tables = [Section("events", tuple(entries)), column_section("events", columns), *_types(log), *joins]
    return Part(
        title="no known layout, so that columns are guessed by their names and values",
        head=currency,
        tables=(*tables, *_described(log)),
        clean=tuple(_clean(log, columns)),
        rules=tuple(_rules(log)),
        rest=_rest(log),
    )


def _type_entries(log: _Log) -> list[Entry]:
    if "event_type" in log.roles:
        return []
    if log.is_purchase:
        why = "no column holds event types, and the rows have order numbers, quantities or totals"
        return [Entry("type", "purchase", why)]
    why = "no column holds event types, orders or quantities, so that each row is taken for a look at an item"
    return [Entry("type", "view", why)]


def _time_entries(log: _Log) -> list[Entry]:
    times = log.cells("timestamp")
    if times is None:
        return []
    form = find_time_form(times)
    zone = zone_entry(times, log.cells("country"))
    return [zone, *(form.entries if form is not None else ())]


def _columns(log: _Log) -> list[Entry]:
    entries = []
    for role in _EVENT_COLUMNS:
        guess = log.roles.get(role)
        if role in ("price", "line_total") and guess is not None:
            entries += _amount_entries(log, role, guess)
        elif role == "currency" and guess is not None:
            if len(money_share(log.raw, guess.names[0])) > 1:
                entries.append(Entry(role, guess.value, guess.why))
        elif guess is not None:
            back = count_of(log.raw, guess.names[0]) if role == "quantity" else 0
            more = f"; {back:,} rows are below 0, which are read as returns" if back else ""
            entries.append(Entry(role, guess.value, guess.why + more + _rival_words(guess)))
        elif role == "user_id" or (role in ("order_id", "price", "quantity") and log.is_purchase):
            if role == "price" and "line_total" in log.roles:
                continue
            entries.append(Entry(role, "?", f"no column was recognised: {_WHAT_FOR[role]}", is_open=True))
    if "discount" in log.roles and not {"price", "line_total"} & set(log.roles):
        entries = [entry for entry in entries if entry.key != "discount"]
    if place := _sequence(log):
        entries.append(place)
    return [dataclasses.replace(entry, is_open=True) if entry.key == "discount" else entry for entry in entries]


def _amount_entries(log: _Log, role: str, guess: Guess) -> list[Entry]:
    quantity = log.roles.get("quantity")
    if quantity is None or not log.is_purchase:
        return [Entry("price", guess.value, guess.why + _rival_words(guess))]
    is_total, why = is_line_total(
        log.raw, item=log.roles["item_id"].names[0], quantity=quantity.names[0], amount=guess.names[0]
    )
    by_name = role == "line_total"
    chosen = by_name if is_total is None else is_total
    key, other = ("line_total", "price") if chosen else ("price", "line_total")
    if is_total is None:
        why += f". By its name it is {'a total' if by_name else 'a unit price'}; else call the key {other}"
    return [Entry(key, guess.value, why + _rival_words(guess))]


def _sequence(log: _Log) -> Entry | None:
    """Returns the line for a column that numbers the events of a session, where the times are days alone."""
    session, times = log.cells("session_id"), log.cells("timestamp")
    if session is None or times is None or any(":" in value for value in times.values[:50]):
        return None
    taken = {name for guess in log.roles.values() for name in guess.names}
    guess = guess_roles(log.raw, ("sequence",)).get("sequence")
    if guess is None or guess.names[0] in taken:
        return None
    return Entry("sequence", guess.value, "the times are days; this column numbers the rows of a session")


def _types(log: _Log) -> list[Section]:
    cells = log.cells("event_type")
    if cells is None:
        return []
    known, unknown = event_words(cells)
    entries = [Entry(word, kind, f"{cells.rows_with([word]):,} rows") for word, kind in known.items() if word != kind]
    entries += [
        Entry(word, "view", f"{cells.rows_with([word]):,} rows; without a type they are set aside", is_open=True)
        for word in unknown[:20]
    ]
    return [Section("events.types", tuple(entries))] if entries else []


def _currency(log: _Log, sign: str, country: tuple[str, float]) -> tuple[Entry, ...]:
    guess = log.roles.get("currency")
    if guess is not None:
        shares = money_share(log.raw, guess.names[0])
        code, share = max(shares.items(), key=lambda entry: entry[1])
        return (Entry("currency", code, f"{share:.0%} of the rows of `{guess.names[0]}`"),)
    if sign:
        return (Entry("currency", sign, "its sign or code stands beside the prices"),)
    code, share = country
    if money := money_of(code):
        why = f"not stated; {share:.0%} of the rows name {code}. Confirm, or put the currency of the prices"
        return (Entry("currency", money, why, is_open=True),)
    return (Entry("currency", "EUR", "not stated: put the currency of the prices (ISO 4217)", is_open=True),)


def _described(log: _Log) -> list[Section]:
    """Returns what the rows state of items and users."""
    items = [
        Entry(role, log.roles[role].value, log.roles[role].why)
        for role in ("title", "category", "brand")
        if role in log.roles
    ]
    sections = [column_section("items", items)] if items else []
    if "country" in log.roles and "user_id" in log.roles:
        country = log.roles["country"]
        sections.append(column_section("users", [Entry("country", country.value, country.why)]))
    return sections


def _clean(log: _Log, columns: Sequence[Entry]) -> list[Entry]:
    entries = []
    user = log.cells("user_id")
    if user is not None and (guests := guest_entry(user)):
        entries.append(guests)
    amount = log.roles.get("price") or log.roles.get("line_total")
    if log.is_purchase and amount is not None and (zero := count_of(log.raw, amount.names[0], zero=True)):
        why = f"{zero:,} rows have price 0. Gifts are real; if they are errors, set them aside by this"
        entries.append(Entry("free_items", False, why, is_open=True))
    values = [entry.value for entry in columns if not entry.is_open]
    mapped = [name for value in values for name in ([value] if isinstance(value, str) else value)]
    mapped = [name for name in mapped if name in log.raw.columns]
    if equal := count_equal_rows(log.raw, mapped):
        why = (
            f"{equal:,} rows equal an earlier one in every mapped column and are set aside as duplicates. If they are "
            "lines of their own, keep them by this"
        )
        entries.append(Entry("duplicates", "keep", why, is_open=True))
    return entries


def _rules(log: _Log) -> list[Section]:
    rules: list[Section] = []
    if (state := log.cells("status")) is not None:
        rules += state_rules(state, has_orders="order_id" in log.roles)
    quantity = log.roles["quantity"].names[0] if "quantity" in log.roles else ""
    if "order_id" in log.roles and len(log.roles["order_id"].names) == 1:
        rules += order_prefix_rules(log.raw, log.roles["order_id"].names[0], quantity)
    item = log.cells("item_id")
    if item is not None and log.is_purchase:
        title = log.cells("title")
        rules += item_rules(item, title if title is not None and title.name != item.name else None)
        rules += code_shape_rule(log.raw, log.roles["item_id"].names[0])
    return rules


def _rest(log: _Log) -> tuple[Section, ...]:
    kinds = log.cells("event_type")
    sells = log.is_purchase or (kinds is not None and "purchase" in event_words(kinds)[0].values())
    if not sells or "order_id" in log.roles:
        return ()
    if "user_id" in log.roles:
        why = "no column holds order numbers: what a user buys on one day counts as one order"
        return (Section("orders", (Entry("by", "user_day"),), why),)
    return (Section("orders", (Entry("by", "session"),), "no column holds order numbers or users"),)


def _rival_words(guess: Guess) -> str:
    return f"; {', '.join(f'`{name}`' for name in guess.rivals)} fits nearly as well" if guess.rivals else ""
