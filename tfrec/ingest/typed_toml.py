"""Turns a TOML table into a frozen dataclass; an unknown key is an error that names the nearest known one."""

import collections.abc
import dataclasses
import datetime as dt
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tfrec.errors import RecipeError, nearest_hint

Value = TypeVar("Value")

_WORDS: Mapping[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Returns the text of a TOML file and the table that it holds.

    Raises:
        FileNotFoundError: there is none.
        RecipeError: it cannot be read, is not UTF-8 or no TOML; names the line.
    """
    try:
        text = _read_text(path)
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as TOML: {error}. Correct the file.") from error


def _read_text(path: Path) -> str:
    """Returns the text of a TOML file, which must be UTF-8, with or without a byte order mark.

    Raises:
        RecipeError: it is of another encoding; names the line.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            f"{path} must be UTF-8; line {line} holds the byte 0x{content[error.start]:02x}. Save the file as UTF-8."
        ) from error


def typed(kind: type[Value], table: object, *, where: str) -> Value:
    """Returns `kind` (a dataclass) filled from `table`; nested tables become the nested dataclasses.

    One text or table stands for a list of one where a list is wanted, and a TOML date for its ISO text.

    Args:
        kind: dataclass whose annotations use `str`, `int`, `float`, `bool`, `tuple[..., ...]`, `Mapping[str, ...]`,
            `... | None` and further dataclasses.
        table: what `tomllib` gave.
        where: place named in errors, e.g. `my_shop.toml [events]`.

    Raises:
        RecipeError: an unknown or missing key, a value of another type, or the dataclass refuses the values.
    """
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where} must be a table; got {table!r}. Write it as a [section] of its own.")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            raise RecipeError(f"{where}: unknown key {key!r}.{nearest_hint(key, fields)}")
        values[key] = _convert(hints[key], value, where=_deeper(where, key))
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in values and not has_default:
            raise RecipeError(f"{where}: the key {name!r} is missing. It must be given: {_wish(hints[name])}.")
    try:
        return kind(**values)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error


def _convert(hint: Any, value: object, *, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _convert_any(tuple(kind for kind in arguments if kind is not type(None)), hint, value, where=where)
    if origin is tuple:
        if isinstance(value, str | Mapping):
            return (_convert(arguments[0], value, where=where),)
        if not isinstance(value, list):
            raise RecipeError(f"{where} must be {_wish(hint)}; got {value!r}.")
        return tuple(_convert(arguments[0], entry, where=f"{where}[{at}]") for at, entry in enumerate(value))
    if origin is collections.abc.Mapping:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} must be a table; got {value!r}.")
        return {str(key): _convert(arguments[1], entry, where=_deeper(where, key)) for key, entry in value.items()}
    if dataclasses.is_dataclass(hint):
        return typed(typing.cast(type, hint), value, where=where)
    if hint is str and isinstance(value, dt.date):  # a datetime is a date too
        return value.isoformat()
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise RecipeError(f"{where} must be {_wish(hint)}; got {value!r}.")
    return value


def _convert_any(kinds: tuple[Any, ...], hint: Any, value: object, *, where: str) -> Any:
    for kind in kinds:
        if kind is str and not isinstance(value, str):
            continue
        try:
            return _convert(kind, value, where=where)
        except RecipeError:
            if len(kinds) == 1:
                raise
    raise RecipeError(f"{where} must be {_wish(hint)}; got {value!r}.")


def _deeper(where: str, key: str) -> str:
    if where.endswith("]"):
        return f"{where[:-1]}.{key}]"
    return f"{where} [{key}]"


def _wish(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_wish(kind) for kind in arguments if kind is not type(None))
    if origin is tuple and dataclasses.is_dataclass(arguments[0]):
        return "a table, or several"
    if origin is tuple:
        return f"a list, each entry {_wish(arguments[0])}"
    if origin is collections.abc.Mapping or dataclasses.is_dataclass(hint):
        return "a table"
    return _WORDS.get(hint, str(hint))
