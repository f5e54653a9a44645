"""Proposes that categories are learned from titles where a draft has titles and no categories."""

import dataclasses

from tfrec.layouts.draft import Draft, Entry, Part, Section

_WHY = (
    "No column of categories was found. By them strategies know what goes with an item and what replaces it, so "
    "that they are learned from the titles. Better: map the shop's own in [items.columns], and delete this line."
)


def with_title_categories(draft: Draft) -> Draft:
    """Returns the draft with the line of `[items]` that asks for categories of titles, where it has need of them."""
    columns = [section for section in draft.sections if section.title == "items.columns" and not section.is_open]
    keys = {entry.key for section in columns for entry in section.entries if not entry.is_open}
    if "title" not in keys or "category" in keys:
        return draft
    entry = Entry("category_from_title", True, _WHY)
    parts = [_with_entry(part, entry) if columns[0] in part.tables else part for part in draft.parts]
    return dataclasses.replace(draft, parts=tuple(parts))


def _with_entry(part: Part, entry: Entry) -> Part:
    """Returns a part that maps columns of items with an entry in its section `[items]`, which it may not have yet."""
    tables = list(part.tables)
    titles = [section.title for section in tables]
    if "items" in titles:
        at = titles.index("items")
        tables[at] = dataclasses.replace(tables[at], entries=(*tables[at].entries, entry))
    else:
        tables.insert(titles.index("items.columns"), Section("items", (entry,)))
    return dataclasses.replace(part, tables=tuple(tables))
