"""Turns the arguments of a call, one query or a batch, into the arrays that a signature takes.

An argument of one query is a value (`user_id="u1"`, `k=5`) or a flat list (`cart_item_ids=["a", "b"]`). An argument
of a batch has one more level: a list of values, or a list of lists whose rows may differ in length. When any argument
is a batch, the call is one: all batches must have the same length B, and what is given for one query counts for
every row.

Each list begins with one padding value: TF Serving with `pad_variable_length_inputs` widens the lists of merged
requests by their own first element (see `tfrec.schema.signatures`).
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tfrec.errors import SchemaError, nearest_hint
from tfrec.schema import wire
from tfrec.schema.inputs import InputSpec
from tfrec.schema.signatures import Signature

Value: TypeAlias = str | Sequence[str] | np.ndarray | None
Values: TypeAlias = Sequence[str] | Sequence[Sequence[str]] | np.ndarray | None
Number: TypeAlias = float | Sequence[float] | np.ndarray | None
Numbers: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | np.ndarray | None
"""One query's value or list, or a batch of them."""

_BEHAVIOUR = ("recent_item_ids", "recent_event_types", "recent_ages")  # one event is one column of all three
_TOGETHER = (_BEHAVIOUR, ("widgets", "widget_sizes"))  # inputs whose lengths are compared
_LISTS = (list, tuple, np.ndarray)
_SINGLE = (str, bytes, int, float, np.generic)
_LONGEST = 80  # characters of a value in a message
_DTYPES: Mapping[str, Any] = {"string": object, "float32": np.float32, "int32": np.int32}


def build_inputs(signature: Signature, arguments: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], bool]:
    """Returns every input of a signature as an array `[B]` or `[B, 1 + n]`, and whether the call is a batch.

    Arguments left out or None take the padding value, so that a server with `--enable_batching`, which fills in
    nothing, finds all inputs and the same B in each.

    Raises:
        SchemaError: an unknown argument, batches of different lengths, a value of the wrong type, or lists of one
            user's events that differ in length.
    """
    if not isinstance(arguments, Mapping):
        raise SchemaError(f"The arguments of `{signature.name}` are a dictionary, input → value; got {arguments!r}.")
    names = [spec.name for spec in signature.inputs]
    for name in arguments:
        if name not in names:
            raise SchemaError(f"Signature `{signature.name}` has no input {name!r}.{nearest_hint(name, names)}")
    given = {name: _plain(value) for name, value in arguments.items() if value is not None}
    batches = {
        spec.name: given[spec.name] for spec in signature.inputs if spec.name in given and _is_batch(spec, given)
    }
    lengths = {name: len(value) for name, value in batches.items()}
    if len(set(lengths.values())) > 1:
        raise SchemaError(f"Batches of one call must have the same length; got {lengths}.")
    num_queries = next(iter(lengths.values()), 1)
    built_names = {*given, *(name for group in _TOGETHER if not given.keys().isdisjoint(group) for name in group)}
    specs = [spec for spec in signature.inputs if batches or spec.name in built_names]
    rows = {
        spec.name: list(batches[spec.name])
        if spec.name in batches
        else [given.get(spec.name, spec.padding if spec.rank == 1 else ())] * num_queries
        for spec in specs
    }
    _check_threshold(given)
    _check_behaviour(given, rows)
    _check_widgets(rows)
    widths = {spec.name: max(map(len, rows[spec.name]), default=0) for spec in specs if spec.rank == 2}
    behaviour_width = max((widths[name] for name in _BEHAVIOUR if name in widths), default=0)
    built = {
        spec.name: _as_array(
            spec, rows[spec.name], behaviour_width if spec.name in _BEHAVIOUR else widths.get(spec.name, 0)
        )
        for spec in specs
    }
    return (built, True) if batches else ({**left_out(signature), **built}, False)


@functools.cache
def left_out(signature: Signature) -> Mapping[str, np.ndarray]:
    """Returns what one query that names no input sends, `[1]` or `[1, 1]` each: read-only, for all such queries."""
    arrays = {spec.name: _as_array(spec, [spec.padding if spec.rank == 1 else ()], 0) for spec in signature.inputs}
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _plain(value: Any) -> Any:
    """Returns pandas columns and other array-likes as NumPy arrays, single values and lists as they are."""
    if not hasattr(value, "__array__") or isinstance(value, np.generic):
        return value
    array = np.asarray(value)
    return array if array.ndim else array.item()


def _is_batch(spec: InputSpec, given: Mapping[str, Any]) -> bool:
    value = given[spec.name]
    if spec.rank == 1:
        if not isinstance(value, (*_LISTS, *_SINGLE)):
            kind = "a text" if spec.dtype == "string" else "a number"
            raise SchemaError(f"`{spec.name}` takes {kind} for one query, a list for a batch; got {_shown(value)}.")
        return isinstance(value, _LISTS)
    if not isinstance(value, _LISTS):
        hint = f" For a single value write [{value!r}]." if isinstance(value, _SINGLE) else ""
        raise SchemaError(
            f"`{spec.name}` takes a list for one query, a list of lists for a batch; got {_shown(value)}.{hint}"
        )
    if isinstance(value, np.ndarray) and (value.dtype != object or value.ndim > 1):
        return value.ndim >= 2
    nested = [isinstance(element, _LISTS) for element in value]
    if any(nested) and not all(nested):
        raise SchemaError(f"`{spec.name}` mixes lists and single values: {_shown(value)}. Give a list for each query.")
    return any(nested)


def _check_threshold(given: Mapping[str, Any]) -> None:
    """Checks that a cart with items has a total where a threshold is to be reached: the cart's prices are not known."""
    if "threshold" in given and "cart_total" not in given and len(given.get("cart_item_ids", ())):
        raise SchemaError("`threshold` needs `cart_total`, what the items in the cart cost together; it is left out.")


def _check_behaviour(given: Mapping[str, Any], rows: Mapping[str, Sequence[Any]]) -> None:
    """Checks that event types and ages, where given, are as many as the items that they belong to."""
    if _BEHAVIOUR[0] not in rows:
        return
    for name in _BEHAVIOUR[1:]:
        if name not in given:
            continue
        for row, (items, values) in enumerate(zip(rows[_BEHAVIOUR[0]], rows[name], strict=True)):
            if len(items) != len(values):
                raise SchemaError(
                    f"`{name}` must have one value for each of `recent_item_ids`; "
                    f"query {row} has {len(items)} items and {len(values)} values."
                )


def _check_widgets(rows: Mapping[str, Sequence[Any]]) -> None:
    """Checks that no page names a widget twice, and that it has no more sizes than widgets."""
    for row, names in enumerate(rows.get("widgets", ())):
        named = [name for name in names if name != ""]  # padding may come again
        if len({*named}) < len(named):
            raise SchemaError(f"Each of `widgets` is named once; query {row} has {_shown(list(names))}.")
        if len(rows["widget_sizes"][row]) > len(names):
            raise SchemaError(
                f"`widget_sizes` has one number for each of `widgets`; query {row} has {len(names)} widgets and "
                f"{len(rows['widget_sizes'][row])} sizes."
            )


def _as_array(spec: InputSpec, rows: Sequence[Any], width: int) -> np.ndarray:
    """Returns rows as `[B]`, or as `[B, 1 + n]`: the padding value, then the row, padded to the widest."""
    padded: np.ndarray
    if spec.rank == 2:
        padded = np.full((len(rows), 1 + width), spec.padding, dtype=object)
        for row, values in enumerate(rows):
            for place, value in enumerate(values, start=1):
                padded[row, place] = _checked(spec, value)
    else:
        padded = np.empty(len(rows), dtype=object)
        for row, value in enumerate(rows):
            padded[row] = _checked(spec, value)
    if spec.dtype == "string":
        return padded
    with np.errstate(over="ignore"):  # a price beyond all float32 is no limit
        return padded.astype(spec.dtype)


def _checked(spec: InputSpec, value: Any) -> Any:
    """Returns a single value of an input.

    Raises:
        SchemaError: it is of another type, or a number outside the input's range; names the input.
    """
    if spec.dtype == "string":
        if isinstance(value, str | bytes):
            if spec.choices and value not in (*spec.choices, spec.padding):
                raise SchemaError(f"`{spec.name}` is one of {', '.join(spec.choices)}; got {_shown(value)}.")
            if spec.is_attribute and value and not all(wire.as_text(value).partition("=")):
                raise SchemaError(f"`{spec.name}` takes texts such as 'brand=Acme'; got {_shown(value)}.")
            return value
        hint = f" Write {str(value)!r}." if isinstance(value, int | np.integer) and not isinstance(value, bool) else ""
        raise SchemaError(f"`{spec.name}` takes texts ({spec.meaning}); got {_shown(value)}.{hint}")
    if not isinstance(value, int | float | np.number | np.bool_) or isinstance(value, complex | np.complexfloating):
        raise SchemaError(f"`{spec.name}` takes numbers ({spec.meaning}); got {_shown(value)}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise SchemaError(f"`{spec.name}` takes numbers ({spec.meaning}); got NaN. Leave it out where it is not known.")
    if spec.dtype == "int32" and (number % 1 or not spec.least <= number <= np.iinfo(np.int32).max):
        raise SchemaError(
            f"`{spec.name}` takes whole numbers of 32 bits, {spec.least} or more ({spec.meaning}); got {_shown(value)}."
        )
    if spec.most is not None and not spec.least <= number <= spec.most:
        raise SchemaError(
            f"`{spec.name}` takes numbers from {spec.least} to {spec.most} ({spec.meaning}); got {_shown(value)}."
        )
    return number


def _shown(value: Any) -> str:
    """Returns a value as a message shows it, cut where it is long."""
    text = repr(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    return (
        text if value is None or isinstance(value, str | bytes | list | tuple) else f"{text} ({type(value).__name__})"
    )


def no_rows(signature: Signature) -> dict[str, np.ndarray]:
    """Returns the outputs of a batch of no queries, of which a server is not asked: `[0, 0]` each."""
    return {spec.name: np.empty((0, 0), _DTYPES[spec.dtype]) for spec in signature.outputs}
