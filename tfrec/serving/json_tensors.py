"""JSON of TF Serving's REST interface ↔ tensors, with its rules and messages (`util/json_tensor.cc`)."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.serving.saved_model import TensorSpec

_INVALID_ARGUMENT = 3
_MOST_SHOWN, _DEEPEST_SHOWN = 2000, 50
"""Characters and levels of a value that an error shows."""
_PARSE_ERRORS = (  # of Python's parser, and RapidJSON's words for it
    (r"Expecting property name", "Missing a name for object member."),
    (r"Expecting ':' delimiter", "Missing a colon after a name of object member."),
    (r"Expecting ',' delimiter", "Missing a comma or } after an object member, or ] after an array element."),
    (r"Extra data", "The document root must not be followed by other values."),
    (r"Unterminated string", "Missing a closing quotation mark in string."),
    (r"Invalid .*escape", "Invalid escape character in string."),
    (r"", "Invalid value."),
)
_INT_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int16": (-(2**31), 2**31 - 1),
    "int8": (-(2**31), 2**31 - 1),
    "uint8": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_MOST_PRECISE = {"float": 2**24 - 1, "double": 2**53 - 1}  # largest whole number without loss
_LARGEST = {"float": float(np.finfo(np.float32).max), "double": float(np.finfo(np.float64).max)}


def parse_body(body: bytes) -> dict[str, Any]:
    """Returns the JSON object of a request.

    Raises:
        ServingError: INVALID_ARGUMENT, it is none.
    """
    if not body:
        raise _invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        text = next(words for pattern, words in _PARSE_ERRORS if re.match(pattern, error.msg))
        raise _invalid(f"JSON Parse error: {text} at offset: {error.pos}") from error
    except (ValueError, RecursionError) as error:  # bytes that are no UTF-8, an endless number, too many brackets
        raise _invalid(f"JSON Parse error: Invalid value. at offset: 0 ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise _invalid(f"JSON Value: {_shown(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _invalid(
            f"JSON Value: {_shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    if not wire.is_unicode(name):
        raise _invalid("JSON Parse error: The surrogate pair in string is invalid. at offset: 0")
    return document


def read_inputs(document: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> tuple[dict[str, Any], bool]:
    """Returns alias → `TensorProto` of a request, and whether it was in the row form (`instances`).

    Args:
        document: result of `parse_body`.
        specs: inputs of the signature that it names.

    Raises:
        ServingError: INVALID_ARGUMENT, it does not fit the signature.
    """
    is_row, is_columnar = "instances" in document, "inputs" in document
    if is_row and is_columnar:
        raise _invalid(
            f"JSON Value: {_shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    try:
        if is_row:
            return _from_instances(document, specs), True
        if is_columnar:
            return _from_columns(document["inputs"], specs), False
    except RecursionError as error:
        raise _invalid("JSON Value: nested too deeply") from error
    raise _invalid("Missing 'inputs' or 'instances' key")


def write_outputs(outputs: Mapping[str, Any], *, is_row: bool) -> str:
    """Returns the outputs of a `PredictResponse` as TF Serving's JSON.

    Raises:
        ServingError: INVALID_ARGUMENT, outputs that have no common first dimension are wanted in rows.
    """
    columns = {alias: _values(alias, proto) for alias, proto in sorted(outputs.items())}
    if not is_row:
        whole = next(iter(columns.values())) if len(columns) == 1 else _Object(columns)
        return _written(_Object({"outputs": whole}), single_line_arrays=False)
    sizes = {}
    for alias, proto in outputs.items():
        shape = wire.tensor_shape(proto)
        if not shape:
            raise _invalid(f"Tensor name: {alias} has no shape information ")
        sizes[alias] = shape[0]
    first = next(iter(sizes.values()))
    for alias, size in sizes.items():
        if size != first:
            raise _invalid(f"Tensor name: {alias} has inconsistent batch size: {size} expecting: {first}")
    if len(columns) == 1:
        rows: list[Any] = next(iter(columns.values()))
    else:
        rows = [_Object({alias: column[row] for alias, column in columns.items()}) for row in range(first)]
    return _written(_Object({"predictions": rows}), single_line_arrays=True)


def write_error(text: str) -> str:
    """Returns TF Serving's JSON of an error."""
    return json.dumps({"error": text}, indent=4, ensure_ascii=False)


class _Object(dict[str, Any]):
    """A JSON object whose leaves are written already, as `_Text`."""


class _Text(str):
    """A JSON value as it is written."""


def _invalid(text: str) -> ServingError:
    return ServingError(text, code=_INVALID_ARGUMENT)


def _from_instances(document: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise _invalid(f"JSON Value: {_shown(document)} Excepting 'instances' to be an list/array")
    if not instances:
        raise _invalid(f"JSON Value: {_shown(document)} No values in 'instances' array")
    if not isinstance(instances[0], dict) and len(specs) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    are_objects = _is_named(instances[0])
    shapes: dict[str, list[int]] = {}
    values: dict[str, list[Any]] = {}

    def add(alias: str, item: Any) -> None:
        if alias not in specs:
            raise _invalid(f"JSON object: does not have named input: {alias}")
        shape, flat = _dense(item, specs[alias])
        known = shapes.setdefault(alias, shape)
        if math.prod(known) != math.prod(shape):
            raise _invalid(f"Expecting tensor size: {math.prod(known)} but got: {math.prod(shape)}")
        if known != shape:
            raise _invalid(f"Expecting shape {_shape(known)} but got: {_shape(shape)}")
        values.setdefault(alias, []).extend(flat)

    for position, instance in enumerate(instances):
        if are_objects and not _is_named(instance):
            raise _invalid(f"Expecting object but got list at item {position} of input list")
        if not are_objects and _is_named(instance):
            raise _invalid(f"Expecting value/list but got object at item {position} of input list")
        items = instance if are_objects else {next(iter(specs)): instance}
        for alias, item in items.items():
            where = f"{position} key: {alias}" if are_objects else f"{position}"
            _with_place(f"Failed to process element: {where} of 'instances' list.", add, alias, item)
        if are_objects and items.keys() != specs.keys():
            raise _invalid(
                f"Failed to process element: {position} of 'instances' list. JSON object: {_shown(instance)} keys must "
                f"be equal to: {','.join(sorted(specs))}"
            )
    return {alias: _proto(specs[alias], [len(instances), *shapes[alias]], values[alias]) for alias in values}


def _with_place(place: str, function: Callable[..., None], *arguments: Any) -> None:
    try:
        function(*arguments)
    except ServingError as error:
        raise _invalid(f"{place} Error: INVALID_ARGUMENT: {error.details}") from error


def _from_columns(inputs: Any, specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    if not _is_named(inputs):
        if len(specs) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        inputs = {next(iter(specs)): inputs}
    protos = {}
    for alias, spec in specs.items():
        if alias not in inputs:
            raise _invalid(f"Missing named input: {alias} in 'inputs' object.")
        protos[alias] = _proto(spec, *_dense(inputs[alias], spec))
    return protos


def _dense(value: Any, spec: TensorSpec) -> tuple[list[int], list[Any]]:
    """Returns shape and elements of a value or nested list; its first elements decide the shape."""
    shape, inner = [], value
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    if len(shape) > wire.MAX_RANK:
        raise _invalid(f"Encountered {len(shape)} levels of lists; a tensor has at most {wire.MAX_RANK}")
    flat: list[Any] = []
    _fill(value, 0, shape, spec, flat)
    return shape, flat


def _fill(value: Any, level: int, shape: Sequence[int], spec: TensorSpec, flat: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise _invalid(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                f"level: {len(shape)}"
            )
        flat.append(_element(value, spec))
        return
    if level >= len(shape):
        raise _invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise _invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for inner in value:
        _fill(inner, level + 1, shape, spec, flat)


def _element(value: Any, spec: TensorSpec) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if spec.dtype == "string" and isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if spec.dtype == "string" and isinstance(value, dict):
        return _base64(value)
    if spec.dtype == "bool" and isinstance(value, bool):
        return value
    if spec.dtype in _MOST_PRECISE and is_number:
        is_whole = isinstance(value, int)
        most = _MOST_PRECISE[spec.dtype] if is_whole else _LARGEST[spec.dtype]
        if abs(value) > most and (is_whole or math.isfinite(value)):
            raise _invalid(f"Cannot convert JSON value: {_shown(value)} to {spec.dtype} without loss of precision.")
        return value
    if spec.dtype in _INT_RANGES and is_number and isinstance(value, int):
        low, high = _INT_RANGES[spec.dtype]
        if low <= value <= high:
            return value
    kinds = ((bool, str(value)), (int | float, "Number"), (str, "String"), (dict, "Object"), (list, "Array"))
    kind = next((name for types, name in kinds if isinstance(value, types)), "Null")
    raise _invalid(f"JSON Value: {_shown(value)} Type: {kind} is not of expected type: {spec.dtype}")


def _base64(value: dict[str, Any]) -> bytes:
    if not _is_base64(value):
        raise _invalid(f"JSON Value: {_shown(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"] + "=" * (-len(value["b64"]) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("Unable to base64 decode") from error


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _proto(spec: TensorSpec, shape: Sequence[int], values: Sequence[Any]) -> Any:
    flat = np.empty(len(values), wire.numpy_dtype(spec.dtype_number))
    flat[:] = values
    return wire.to_tensor_proto(flat.reshape(shape))


def _shape(sizes: Sequence[int]) -> str:
    return f"[{','.join(map(str, sizes))}]"


def _shown(value: Any) -> str:
    """Returns a JSON value as RapidJSON prints it, objects over several lines, arrays in one; cut where it is long."""
    text, size = [], 0
    for piece in _pieces(value, 0, 0):
        text.append(piece)
        size += len(piece)
        if size > _MOST_SHOWN:
            return "".join(text)[:_MOST_SHOWN] + " ..."
    return "".join(text)


def _pieces(value: Any, indent: int, depth: int) -> Iterator[str]:
    if isinstance(value, list | dict) and value and depth > _DEEPEST_SHOWN:
        yield "..."
    elif isinstance(value, list):
        yield "["
        for position, element in enumerate(value):
            yield ", " if position else ""
            yield from _pieces(element, indent, depth + 1)
        yield "]"
    elif isinstance(value, dict) and value:
        yield "{\n"
        for position, (key, inner) in enumerate(value.items()):
            yield (",\n" if position else "") + " " * (indent + 4) + json.dumps(str(key)[:_MOST_SHOWN]) + ": "
            yield from _pieces(inner, indent + 4, depth + 1)
        yield "\n" + " " * indent + "}"
    elif isinstance(value, str):
        yield json.dumps(value[: _MOST_SHOWN + 1], ensure_ascii=False)
    else:
        yield json.dumps(value)


def _values(alias: str, proto: Any) -> Any:
    """Returns a tensor as nested lists of written values."""
    array = wire.to_ndarray(proto)
    write: Callable[[Any], str]
    if array.dtype == object:
        write = _written_base64 if alias.endswith("_bytes") else _written_string
    elif array.dtype.kind == "f":
        write = _written_float
    elif array.dtype.kind in "iub":
        write = json.dumps
    else:
        raise ServingError(
            f"Cannot write tensor {alias} of type {wire.dtype_name(proto.dtype)} as JSON.", code=_INVALID_ARGUMENT
        )
    elements = array.ravel() if array.dtype.kind == "f" else array.ravel().tolist()
    flat = np.empty(array.size, object)
    flat[:] = [_Text(write(element)) for element in elements]
    return flat.reshape(array.shape).tolist()


def _written_string(value: bytes) -> str:
    return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False)


def _written_base64(value: bytes) -> str:
    return json.dumps({"b64": base64.b64encode(value).decode()})


def _written_float(value: Any) -> str:
    """Returns six digits, or as many as identify the number; whole numbers keep `.0`."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "-Infinity" if value < 0 else "Infinity"
    text = f"{value:.6g}"
    if type(value)(text) != value:
        text = f"{value:.{17 if value.dtype.itemsize == 8 else 9}g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _written(value: Any, indent: int = 0, *, single_line_arrays: bool) -> str:
    if isinstance(value, _Text):
        return value
    pad, end = " " * (indent + 4), " " * indent
    deeper = list(value.values() if isinstance(value, _Object) else value)
    is_flat = single_line_arrays and not any(isinstance(inner, _Object) for inner in deeper)
    if not deeper:
        return "{}" if isinstance(value, _Object) else "[]"
    written = [_written(inner, indent + 4, single_line_arrays=single_line_arrays) for inner in deeper]
    if isinstance(value, _Object):
        members = [f"{pad}{json.dumps(key)}: {inner}" for key, inner in zip(value, written, strict=True)]
        return "{\n" + ",\n".join(members) + f"\n{end}}}"
    if is_flat:
        return f"[{', '.join(written)}]"
    return "[\n" + ",\n".join(f"{pad}{inner}" for inner in written) + f"\n{end}]"
