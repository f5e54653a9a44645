"""Turns results into what JSON can hold: one function for all of them."""

import dataclasses
import enum
import math
import operator
from pathlib import Path
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Returns a value as JSON can hold it, whatever it is made of.

    A frozen dataclass becomes an object of its fields, or of the attributes that its class names in `JSON_KEYS`: a
    name, or a pair of key and attribute, such as `("half_life_days", "config.half_life_days")`. A table becomes a list
    of rows, an array or tuple a list, a `NamedTuple` an object, a moment ISO text, an enum its value, and NaN, an
    infinity and what is missing null.

    Examples:
        >>> to_json({"share": float("nan"), "counts": np.array([1, 2])})
        {'share': None, 'counts': [1, 2]}
    """
    if value is None or (isinstance(value, str | bool) and not isinstance(value, enum.Enum)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: to_json(operator.attrgetter(name)(value)) for key, name in _keys(value)}
    if hasattr(value, "_asdict"):
        return to_json(value._asdict())
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [to_json(part) for part in value]
    if isinstance(value, enum.Enum):
        return to_json(value.value)
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "to_dict"):  # pandas, which the thin client does without
        return _from_pandas(value)
    if hasattr(value, "items"):
        return {str(key): to_json(part) for key, part in value.items()}
    if hasattr(value, "isoformat"):
        return value.isoformat() if value == value else None  # NaT is not equal to itself
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, int):
        return value
    raise TypeError(f"JSON cannot hold a {type(value).__name__}: {value!r}.")


def _keys(value: Any) -> list[tuple[str, str]]:
    named = getattr(type(value), "JSON_KEYS", None)
    if named is None:
        named = [field.name for field in dataclasses.fields(value)]
    return [(name, name) if isinstance(name, str) else name for name in named]


def _from_pandas(value: Any) -> Any:
    if hasattr(value, "columns"):
        return [to_json(row) for row in value.to_dict("records")]
    return to_json(value.to_dict())
