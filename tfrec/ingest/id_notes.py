"""Looks for ids that were merged, that look alike or like no id, and for mixed currencies."""

import re

import ibis
import ibis.expr.types as ir

from tfrec.ingest.engine import composed
from tfrec.ingest.mapping import ROUNDED_ID, raw_columns, trimmed, unguarded
from tfrec.ingest.notes import Note
from tfrec.ingest.recipes import Recipe

_PLACEHOLDERS = (
    *("0", "-1", "guest", "guests", "anonymous", "anon", "unknown", "none", "null", "nan", "na", "n/a", "#n/a", "nil"),
    *("undefined", "default", "dummy", "test", "-", "--", "?", "00000000-0000-0000-0000-000000000000"),
)


def notes_of_ids(connection: ibis.BaseBackend, mapped: ir.Table, raw: ir.Table, recipe: Recipe) -> list[Note]:
    """Returns notes on ids that were merged, or that look alike or like no id, and on mixed currencies.

    Args:
        connection: DuckDB backend.
        mapped: the text of the events before ids become pseudonyms.
        raw: the same rows as in the file.
        recipe: says which columns are mapped.
    """
    notes: list[Note] = []
    for name in ("user_id", "item_id"):
        if name in mapped.columns:
            notes += _notes_of_column(connection, mapped, name, recipe)
    if "currency" not in recipe.events.columns:
        notes += _notes_of_currencies(raw, recipe)
    return notes


def _notes_of_column(connection: ibis.BaseBackend, mapped: ir.Table, name: str, recipe: Recipe) -> list[Note]:
    word = name.removesuffix("_id")
    is_hidden = name == "user_id" and bool(recipe.privacy.key_file)
    guests = list(recipe.clean.guest_ids) if name == "user_id" else []
    is_upper = name == "item_id" and recipe.clean.upper_case_ids
    ids = (
        mapped.filter(mapped[name] != "")
        .group_by(id=unguarded(mapped[name]))
        .aggregate(rows=lambda table: table.count())
    )
    alike = composed(ids["id"]).lower()
    ids = ids.mutate(
        alike=alike,
        is_float=ids["id"].endswith(".0") & ids["id"].re_search(r"^-?\d+\.0+$"),
        is_rounded=ids["id"].re_search(ROUNDED_ID),
        is_whole=ids["id"].re_search(r"^-?\d+$"),
        is_placeholder=alike.isin(_PLACEHOLDERS) & ids["id"].notin(guests),
    )
    connection.create_table(f"{name}_counts", ids)
    return _notes_of_counts(connection.table(f"{name}_counts"), word, is_hidden=is_hidden, is_upper=is_upper)


def _notes_of_counts(ids: ir.Table, word: str, *, is_hidden: bool, is_upper: bool) -> list[Note]:
    seen = (
        ids.aggregate(
            rows=ids["rows"].sum(),
            rounded=ids["rows"].sum(where=ids["is_rounded"]),
            rounded_id=ids["id"].min(where=ids["is_rounded"]),
            floats=ids["rows"].sum(where=ids["is_float"]),
            float=ids["id"].min(where=ids["is_float"]),
            whole=ids["rows"].sum(where=ids["is_whole"]),
            placeholders=ids["rows"].sum(where=ids["is_placeholder"]),
            placeholder=ids["id"].min(where=ids["is_placeholder"]),
            frequent=ids["id"].argmax(ids["rows"]),
            most=ids["rows"].max(),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    if not seen["rows"]:
        return []
    frequent = "" if is_hidden else f", {seen['frequent']!r},"
    notes = [
        Note(
            f"most_frequent_{word}",
            seen["most"],
            f"The most frequent {word}{frequent} has {seen['most']:,} of {seen['rows']:,} rows "
            f"({seen['most'] / seen['rows']:.1%}).",
        )
    ]
    if seen["rounded"]:
        example = "" if is_hidden else f" such as {seen['rounded_id']!r}"
        text = (
            f"{seen['rounded']:,} rows have a {word} id{example} that was rounded as a number, by a spreadsheet or as "
            f"a float; they were set aside, as other ids became the same. Export {word} ids as text."
        )
        notes.append(Note(f"{word}_rounded", seen["rounded"], text))
    if seen["placeholders"]:
        cure = (
            f"[clean] guest_ids = [{seen['placeholder']!r}] makes them guests."
            if word == "user"
            else f"Add {seen['placeholder']!r} to `missing` in [events] to set its rows aside."
        )
        text = (
            f"{seen['placeholders']:,} rows have a {word} such as {seen['placeholder']!r}, which looks like a word for "
            f"none; it was read as one {word}. {cure}"
        )
        notes.append(Note(f"{word}_placeholder", seen["placeholders"], text))
    if seen["floats"] and seen["whole"]:
        example = "" if is_hidden else f" such as {seen['float']!r}"
        text = (
            f"{seen['floats']:,} rows have a {word} id{example} and {seen['whole']:,} one of digits alone; the `.0` "
            "was left out, so that equal numbers are one. Export ids as text if they differ."
        )
        notes.append(Note(f"{word}_floats", seen["floats"], text))
    if not is_upper:
        notes += _notes_of_alike(ids, word, is_hidden=is_hidden)
    return notes


def _notes_of_alike(ids: ir.Table, word: str, *, is_hidden: bool) -> list[Note]:
    groups = ids.group_by("alike").aggregate(
        kinds=ids.count(), rows=ids["rows"].sum(), one=ids["id"].min(), other=ids["id"].max()
    )
    groups = groups.filter(groups["kinds"] > 1)
    rows = groups.order_by(ibis.desc("rows")).limit(1).to_pyarrow().to_pylist()
    if not rows:
        return []
    count = int(groups.count().execute())
    example = "" if is_hidden else f", e.g. {rows[0]['one']!r} and {rows[0]['other']!r}"
    cure = " [clean] upper_case_ids = true makes one of those that differ in case." if word == "item" else ""
    text = (
        f"{count:,} {word} ids differ from another one in case or Unicode form alone{example}; each was read as an id "
        f"of its own.{cure}"
    )
    return [Note(f"{word}_ids_alike", count, text)]


def _notes_of_currencies(raw: ir.Table, recipe: Recipe) -> list[Note]:
    if not {"price", "line_total"} & set(recipe.events.columns):
        return []
    mapped = raw_columns(recipe.events.columns)
    for name in raw.columns:
        if name in mapped or not re.search(r"(^|[^a-z])currency", name.lower()):
            continue
        code = trimmed(raw[name]).upper()
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
