"""Looks for ids that were merged, that look alike, like no id or like a test account, and for mixed currencies."""

import re
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from tfrec.ingest.mangled_ids import notes_of_zeros
from tfrec.ingest.mapping import ROUNDED_ID, raw_columns
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.staff import notes_of_suspects
from tfrec.ingest.table_spec import MappedTable
from tfrec.sources.cells import as_text, trimmed, unguarded
from tfrec.sources.engine import composed
from tfrec.sources.notes import Note

_PLACEHOLDERS = (
    *("0", "-1", "guest", "guests", "anonymous", "anon", "unknown", "none", "null", "nan", "na", "n/a", "#n/a", "nil"),
    *("undefined", "default", "dummy", "test", "-", "--", "?", "00000000-0000-0000-0000-000000000000"),
)


def notes_of_ids(mapped: MappedTable, *, recipe: Recipe) -> list[Note]:
    """Returns notes on ids that were merged, look alike, like no id or like a test account, and on mixed currencies.

    Args:
        mapped: the text of the events before ids become pseudonyms.
        recipe: says which columns are mapped.
    """
    notes: list[Note] = []
    for name in ("user_id", "item_id"):
        if name in mapped.text.columns:
            notes += _notes_of_column(mapped, name, recipe)
    if "currency" not in recipe.event_columns:
        notes += _notes_of_currencies(mapped.raw, recipe)
    if "user_id" in mapped.text.columns:
        users, is_hidden = mapped.workspace.stored(_counts_of("user_id")), bool(recipe.privacy.key_file)
        notes += notes_of_suspects(users, staff=recipe.clean.staff, is_hidden=is_hidden)
    return notes


def _counts_of(name: str) -> str:
    """Returns the name of the stored table with `id` and `rows` of each id of a column."""
    return f"{name}_counts"


def _notes_of_column(mapped: MappedTable, name: str, recipe: Recipe) -> list[Note]:
    word = name.removesuffix("_id")
    is_hidden = name == "user_id" and bool(recipe.privacy.key_file)
    guests = list(recipe.clean.guest_ids) if name == "user_id" else []
    is_upper = name == "item_id" and recipe.clean.upper_case_ids
    text = mapped.text
    ids = text.filter(text[name] != "").group_by(id=unguarded(text[name])).aggregate(rows=lambda table: table.count())
    alike = composed(ids["id"]).lower()
    ids = ids.mutate(
        alike=alike,
        is_float=ids["id"].endswith(".0") & ids["id"].re_search(r"^-?\d+\.0+$"),
        is_rounded=ids["id"].re_search(ROUNDED_ID),
        is_whole=ids["id"].re_search(r"^-?\d+$"),
        is_placeholder=alike.isin(_PLACEHOLDERS) & ids["id"].notin(guests),
    )
    counts = mapped.workspace.store(_counts_of(name), ids)
    columns = recipe.events[0].columns
    return [
        *_notes_of_counts(
            counts, word, raw=raw_columns({name: columns.get(name, name)}), is_hidden=is_hidden, is_upper=is_upper
        ),
        *notes_of_zeros(counts, name, columns=columns, is_hidden=is_hidden),
    ]


def _notes_of_counts(ids: ir.Table, word: str, *, raw: Sequence[str], is_hidden: bool, is_upper: bool) -> list[Note]:
    counts = (
        ids.aggregate(
            rows=ids["rows"].sum(),
            rounded=ids["rows"].sum(where=ids["is_rounded"]),
            rounded_id=ids["id"].min(where=ids["is_rounded"]),
            floats=ids["rows"].sum(where=ids["is_float"]),
            float=ids["id"].min(where=ids["is_float"]),
            whole=ids["rows"].sum(where=ids["is_whole"]),
            placeholders=ids["rows"].sum(where=ids["is_placeholder"]),
            placeholder=ids["id"].min(where=ids["is_placeholder"]),
            frequent=ids["id"].first(order_by=[ibis.desc("rows"), "id"]),
            most=ids["rows"].max(),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    if not counts["rows"]:
        return []
    frequent = "" if is_hidden else f", {counts['frequent']!r},"
    notes = [
        Note(
            f"most_frequent_{word}",
            counts["most"],
            f"The most frequent {word}{frequent} has {counts['most']:,} of {counts['rows']:,} rows "
            f"({counts['most'] / counts['rows']:.1%}).",
        )
    ]
    if counts["rounded"]:
        example = "" if is_hidden else f" such as {counts['rounded_id']!r}"
        text = (
            f"{counts['rounded']:,} rows have a {word} id{example} in the column {', '.join(map(repr, raw))} that was "
            "rounded as a number, by a spreadsheet or as a float; they were set aside, as other ids became the same. "
            f"Export {word} ids as text."
        )
        notes.append(Note(f"{word}_rounded", counts["rounded"], text))
    if counts["placeholders"]:
        cure = (
            f"[clean] guest_ids = [{counts['placeholder']!r}] makes them guests."
            if word == "user"
            else f"Add {counts['placeholder']!r} to `missing` in [events] to set its rows aside."
        )
        text = (
            f"{counts['placeholders']:,} rows have a {word} such as {counts['placeholder']!r}, which looks like a word "
            f"for none; it was read as one {word}. {cure}"
        )
        notes.append(Note(f"{word}_placeholder", counts["placeholders"], text))
    if counts["floats"] and counts["whole"]:
        example = "" if is_hidden else f" such as {counts['float']!r}"
        text = (
            f"{counts['floats']:,} rows have a {word} id{example} and {counts['whole']:,} one of digits alone; the "
            "`.0` was left out, so that equal numbers are one. Export ids as text if they differ."
        )
        notes.append(Note(f"{word}_floats", counts["floats"], text))
    if not is_upper:
        notes += _notes_of_alike(ids, word, is_hidden=is_hidden)
    return notes


def _notes_of_alike(ids: ir.Table, word: str, *, is_hidden: bool) -> list[Note]:
    groups = ids.group_by("alike").aggregate(
        kinds=ids.count(), rows=ids["rows"].sum(), first=ids["id"].min(), last=ids["id"].max()
    )
    groups = groups.filter(groups["kinds"] > 1)
    rows = groups.order_by(ibis.desc("rows")).limit(1).to_pyarrow().to_pylist()
    if not rows:
        return []
    count = int(groups.count().execute())
    example = "" if is_hidden else f", e.g. {rows[0]['first']!r} and {rows[0]['last']!r}"
    cure = " [clean] upper_case_ids = true makes one of those that differ in case." if word == "item" else ""
    text = (
        f"{count:,} {word} ids differ from another one in case or Unicode form alone{example}; each was read as an id "
        f"of its own.{cure}"
    )
    return [Note(f"{word}_ids_alike", count, text)]


def _notes_of_currencies(raw: ir.Table, recipe: Recipe) -> list[Note]:
    if not {"price", "line_total"} & set(recipe.event_columns):
        return []
    mapped = raw_columns(*(events.columns for events in recipe.events))
    for name in raw.columns:
        if name in mapped or not re.search(r"(^|[^a-z])currency", name.lower()):
            continue
        code = trimmed(as_text(raw[name])).upper()
        counts = raw.group_by(code=code).aggregate(rows=lambda table: table.count())
        counts = counts.filter(counts["code"] != "").order_by(ibis.desc("rows"), "code").limit(9)
        rows = counts.to_pyarrow().to_pylist()
        if len(rows) > 1:
            listed = ", ".join(f"{row['code']} ({row['rows']:,})" for row in rows)
            text = (
                f"The column {name!r} names several currencies: {listed}. Their prices were read as if they were one. "
                f"Map it: currency = {name!r} in [events.columns]; rates = {{USD = 0.9}} in [events] converts, else "
                "such rows are set aside."
            )
            return [Note("currency_mixed", sum(row["rows"] for row in rows[1:]), text)]
    return []
