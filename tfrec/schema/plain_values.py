"""Turns values into plain Python for JSON."""

import dataclasses
import math
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """Returns dataclasses as dicts, arrays as lists and NumPy numbers as Python's, NaN as None: ready for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return [to_plain(entry) for entry in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a DataFrame, without importing pandas here
        return [to_plain(row) for row in value.to_dict("records")]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value
