"""Writes a drafted recipe as TOML, each guess beside its evidence."""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tfrec.layouts.draft import DatabaseRows, Draft, Entry, FileNames, Section, Value
from tfrec.schema.text_columns import plain

_WIDTH = 118
_BARE = re.compile(r"[A-Za-z0-9_-]+")

Naming = Callable[[Path], str]
"""Gives a file the name that it has in the recipe."""


def names_below(folder: Path) -> Naming:
    """Returns the naming of a recipe in `folder`: relative names for files below it, absolute ones for others."""
    home = folder.resolve()

    def name(path: Path) -> str:
        full = path.resolve()
        return str(full.relative_to(home)) if full.is_relative_to(home) else str(full)

    return name


def write_toml(draft: Draft, *, naming: Naming) -> str:
    """Returns the text of the recipe; keys that are open are commented lines.

    Args:
        draft: the recipe.
        naming: see `names_below`.
    """
    titles = ", ".join(dict.fromkeys(part.title for part in draft.parts))
    lines = [
        *_comment(f"A starting recipe, written by `tfrec init`. Recognised: {titles}."),
        *_comment(
            "Each guess stands beside its evidence. Lines behind a # hold what the files do not state: decide them."
        ),
        *_entry(Entry("name", draft.name), naming),
    ]
    for part in draft.parts:
        for entry in part.head:
            lines += _entry(entry, naming)
    for path, reason in draft.unused:
        lines += _comment(f"Not used: {path}. {reason}")
    for section in draft.sections:
        lines += ["", *_section(section, naming)]
    return "\n".join(lines) + "\n"


def toml_value(value: Value, naming: Naming = str) -> str:
    """Returns a value as TOML.

    Raises:
        TypeError: it is none of TOML's.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, FileNames):
        members = value.members or ("",) * len(value.paths)
        names = [
            f"{naming(path)}/{member}" if member else naming(path)
            for path, member in zip(value.paths, members, strict=True)
        ]
        return toml_value(names[0] if len(names) == 1 else names)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {toml_value(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    raise TypeError(f"TOML has no {type(value).__name__}: {value!r}. Give text, numbers, lists or mappings.")


def _section(section: Section, naming: Naming) -> Iterator[str]:
    yield from _comment(section.why)
    title = f"[[{section.title}]]" if section.is_list else f"[{section.title}]"
    lines = [title, *(line for entry in section.entries for line in _entry(entry, naming))]
    yield from (f"# {line}" if section.is_open else line for line in lines)


def _entry(entry: Entry, naming: Naming) -> Iterator[str]:
    if isinstance(entry.value, DatabaseRows):
        rows = entry.value
        for part in (Entry("url", rows.url, entry.why), Entry("table", rows.table), Entry("key", rows.key)):
            yield from _entry(part, naming)
        return
    line = f"{'# ' if entry.is_open else ''}{_key(entry.key)} = {toml_value(entry.value, naming)}"
    why = _one_line(entry.why)
    if not why:
        yield line
    elif len(line) + len(why) + 4 <= _WIDTH:
        yield f"{line}  # {why}"
    else:
        yield from _comment(why)
        yield line


def _comment(text: str) -> list[str]:
    wrapped = textwrap.wrap(_one_line(text), _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in wrapped]


def _one_line(text: str) -> str:
    return " ".join(plain(text).split())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """Returns a text in quotes, in single ones where it holds backslashes (patterns) and can stand in them."""
    is_printable = all(sign.isprintable() for sign in text)
    if "\\" in text and "'" not in text and is_printable:
        return f"'{text}'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    named = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
    return named.get(sign, f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}")
