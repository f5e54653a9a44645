"""Calls TensorFlow's C API through ctypes: NumPy arrays in and out, without Python TensorFlow in the process.

The shared libraries come from the installed `tensorflow` wheel, which is located but never imported. Long calls let go
of the interpreter lock, so that sessions run in parallel. A string tensor is an array of 24-byte
`TF_TString`s; those of at most 22 bytes lie inline and are converted for the whole array at once.
"""

import ctypes
import functools
import importlib.util
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.errors import EnvironmentSetupError, ServingError, install_hint
from tfrec.schema import wire

_SLOT = 24  # sizeof(TF_TString)
_INLINE = 22  # bytes that fit into it beside the length and the final NUL
_SMALL, _LARGE, _OFFSET, _VIEW = range(4)  # TF_TString_Type, the two lowest bits of a slot

_SET_MIN_LOG_LEVEL = "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE"  # of the wheel 2.20


class Output(ctypes.Structure):
    """`TF_Output`: one output of an operation of a graph."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


_LONG = ("TF_LoadSessionFromSavedModel", "TF_CloseSession", "TF_DeleteSession", "TF_DeleteGraph", "TF_SessionRun")
"""Functions that let go of the interpreter lock; for the others, to take it back would take longer than they do."""
_POINTER = ctypes.c_void_p
_TEXT = ctypes.c_char_p
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int
_DIMS = ctypes.POINTER(ctypes.c_int64)
_OUTPUTS = ctypes.POINTER(Output)
_POINTERS = ctypes.POINTER(ctypes.c_void_p)
_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_Version": (_TEXT, ()),
    "TF_NewStatus": (_POINTER, ()),
    "TF_DeleteStatus": (None, (_POINTER,)),
    "TF_GetCode": (_INT, (_POINTER,)),
    "TF_Message": (_TEXT, (_POINTER,)),
    "TF_NewBufferFromString": (_POINTER, (_TEXT, _SIZE)),
    "TF_DeleteBuffer": (None, (_POINTER,)),
    "TF_AllocateTensor": (_POINTER, (_INT, _DIMS, _INT, _SIZE)),
    "TF_DeleteTensor": (None, (_POINTER,)),
    "TF_TensorType": (_INT, (_POINTER,)),
    "TF_NumDims": (_INT, (_POINTER,)),
    "TF_Dim": (ctypes.c_int64, (_POINTER, _INT)),
    "TF_TensorData": (_POINTER, (_POINTER,)),
    "TF_TensorByteSize": (_SIZE, (_POINTER,)),
    "TF_StringCopy": (None, (_POINTER, _POINTER, _SIZE)),
    "TF_NewGraph": (_POINTER, ()),
    "TF_DeleteGraph": (None, (_POINTER,)),
    "TF_GraphOperationByName": (_POINTER, (_POINTER, _TEXT)),
    "TF_NewSessionOptions": (_POINTER, ()),
    "TF_DeleteSessionOptions": (None, (_POINTER,)),
    "TF_SetConfig": (None, (_POINTER, _TEXT, _SIZE, _POINTER)),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        (_POINTER, _POINTER, _TEXT, ctypes.POINTER(_TEXT), _INT, _POINTER, _POINTER, _POINTER),
    ),
    "TF_CloseSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteSession": (None, (_POINTER, _POINTER)),
    "TF_SessionRun": (
        None,
        (
            _POINTER,
            _POINTER,
            *(_OUTPUTS, _POINTERS, _INT),
            *(_OUTPUTS, _POINTERS, _INT),
            *(_POINTERS, _INT),
            *(_POINTER, _POINTER),
        ),
    ),
}


class CApi:
    """The functions of the C API by name, with their argument types set: `api.TF_Version()`.

    Raises:
        EnvironmentSetupError: TensorFlow is not installed, or its libraries cannot be loaded.
    """

    def __init__(self) -> None:
        folder = _wheel_folder()
        try:
            # The framework library first: the other one needs it, and holds what it does not.
            files = [str(folder / name) for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")]
            libraries = [ctypes.CDLL(file) for file in files]
            quick_libraries = [ctypes.PyDLL(file) for file in files]
        except OSError as error:
            raise EnvironmentSetupError(
                f"TensorFlow's C library cannot be loaded from {folder}: {error}. "
                f"TensorFlow must be the wheel for Linux. {install_hint('train')}."
            ) from error
        for name, (result, arguments) in _PROTOTYPES.items():
            chosen = libraries if name in _LONG else quick_libraries
            function = next(getattr(library, name) for library in reversed(chosen) if hasattr(library, name))
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)
        _apply_log_level(libraries[0])

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"The C API function {name} is not declared in `tfrec.serving.c_api`.")

    def check(self, status: int, doing: str = "") -> None:
        """Raises what a `TF_Status` reports.

        Raises:
            ServingError: the status is not OK; it carries TensorFlow's code and message.
        """
        code = self.TF_GetCode(status)
        if code:
            details = self.TF_Message(status).decode("utf-8", "replace")
            raise ServingError(f"{doing}: {details}" if doing else details, code=code, details=details)

    def to_tensor(self, array: np.ndarray) -> int:
        """Returns a new `TF_Tensor` with a copy of `array` `[...]`; `TF_DeleteTensor` frees it, long strings included.

        Raises:
            SchemaError: TensorFlow has no such dtype, or a string array holds something else.
        """
        number = wire.dtype_number(array.dtype)
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        if number != wire.DT_STRING:
            array = np.ascontiguousarray(array)
            tensor = self._allocate(number, dims, array.nbytes)
            ctypes.memmove(self.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
            return tensor
        joined, lengths = _utf8(array.ravel())
        tensor = self._allocate(number, dims, _SLOT * len(lengths))
        address = self.TF_TensorData(tensor)
        is_small = lengths <= _INLINE
        slots = _inline_slots(joined, lengths, is_small)
        ctypes.memmove(address, slots.ctypes.data, slots.nbytes)
        if not is_small.all():
            targets = address + _SLOT * np.flatnonzero(~is_small)
            starts = (np.frombuffer(joined, np.uint8).ctypes.data + np.cumsum(lengths) - lengths)[~is_small]
            for copied in zip(targets.tolist(), starts.tolist(), lengths[~is_small].tolist(), strict=True):
                self.TF_StringCopy(*copied)
        return tensor

    def to_array(self, tensor: int, *, as_bytes: bool) -> np.ndarray:
        """Returns a copy `[...]` of a `TF_Tensor`; strings as an object array of `str` (or `bytes`).

        Raises:
            SchemaError: NumPy has no such dtype.
        """
        shape = tuple(self.TF_Dim(tensor, axis) for axis in range(self.TF_NumDims(tensor)))
        number = self.TF_TensorType(tensor)
        dtype = wire.numpy_dtype(number)
        address = self.TF_TensorData(tensor)
        if number != wire.DT_STRING:
            array = np.empty(shape, dtype)
            ctypes.memmove(array.ctypes.data, address, array.nbytes)
            return array
        flat = np.empty(math.prod(shape), dtype=object)
        flat[:] = _read_slots(address, len(flat), as_bytes=as_bytes)
        return flat.reshape(shape)

    def _allocate(self, number: int, dims: Any, num_bytes: int) -> int:
        tensor = self.TF_AllocateTensor(number, dims, len(dims), num_bytes)
        if not tensor:
            raise ServingError(f"TensorFlow could not allocate a tensor of {num_bytes:,} bytes.", code=8)
        return tensor


@functools.cache
def load_c_api() -> CApi:
    """Returns the C API of the installed TensorFlow; loads it at the first call (about a second)."""
    return CApi()


def _apply_log_level(library: ctypes.CDLL) -> None:
    """Makes Abseil's logging heed `TF_CPP_MIN_LOG_LEVEL`, which TensorFlow 2.20 overlooks in its first messages."""
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0")
    function = getattr(library, _SET_MIN_LOG_LEVEL, None)
    if function is not None and level.isdigit():
        function.restype, function.argtypes = None, (_INT,)
        function(min(int(level), 3))  # 3 = fatal errors alone


def _wheel_folder() -> Path:
    try:
        spec = importlib.util.find_spec("tensorflow")
    except ValueError:  # a stand-in module without a spec
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentSetupError(
            f"A servable runs on the C library of TensorFlow, but TensorFlow is not installed. {install_hint('train')}."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _utf8(flat: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Returns the strings of `flat` `[n]` as UTF-8, one after the other, and their lengths in bytes `[n]`."""
    elements = flat.tolist()
    try:
        text = "".join(elements)
    except TypeError:  # bytes among them, or a mistake that encode_strings names
        text = "\N{DEGREE SIGN}"
    if text.isascii():
        return text.encode("ascii"), np.fromiter(map(len, elements), np.int64, len(elements))
    encoded = wire.encode_strings(flat)
    return b"".join(encoded), np.fromiter(map(len, encoded), np.int64, len(encoded))


def _inline_slots(joined: bytes, lengths: np.ndarray, is_small: np.ndarray) -> np.ndarray:
    """Returns the `TF_TString`s `[n, 24]` of all small strings; the slots of the others are zero (an empty string)."""
    characters = np.frombuffer(joined, np.uint8)
    if not is_small.all():
        characters = characters[np.repeat(is_small, lengths)]
        lengths = np.where(is_small, lengths, 0)
    slots = np.zeros((len(lengths), _SLOT), np.uint8)
    slots[:, 0] = lengths << 2 | _SMALL
    # In row-major order the cells in use take the characters exactly in the order in which they stand.
    slots[:, 1 : 1 + _INLINE][np.arange(_INLINE) < lengths[:, None]] = characters
    return slots


def _read_slots(address: int, count: int, *, as_bytes: bool) -> list[str] | list[bytes]:
    """Reads `count` `TF_TString`s from memory."""
    if not count:
        return []
    slots = np.frombuffer(ctypes.string_at(address, _SLOT * count), np.uint8).reshape(count, _SLOT)
    kinds = slots[:, 0] & 3
    lengths = np.where(kinds == _SMALL, slots[:, 0] >> 2, 0)
    joined = slots[:, 1 : 1 + _INLINE][np.arange(_INLINE) < lengths[:, None]].tobytes()
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    starts = [0, *ends[:-1]]
    if kinds.any():
        pieces = [joined[start:end] for start, end in zip(starts, ends, strict=True)]
        rows = np.flatnonzero(kinds)
        for row, piece in zip(rows.tolist(), _read_long(address + _SLOT * rows, slots[rows]), strict=True):
            pieces[row] = piece
        return pieces if as_bytes else [piece.decode("utf-8", "surrogateescape") for piece in pieces]
    if as_bytes:
        return [joined[start:end] for start, end in zip(starts, ends, strict=True)]
    if joined.isascii():
        text = joined.decode("ascii")
        return [text[start:end] for start, end in zip(starts, ends, strict=True)]
    return [joined[start:end].decode("utf-8", "surrogateescape") for start, end in zip(starts, ends, strict=True)]


def _read_long(addresses: np.ndarray, slots: np.ndarray) -> list[bytes]:
    """Reads the strings of slots `[n, 24]` at `addresses` that do not lie inline."""
    kinds = slots[:, 0] & 3
    words, halves = slots.view(np.uint64), slots.view(np.uint32)
    is_offset = kinds == _OFFSET  # from the slot's own address, and with 32-bit numbers
    pointers = np.where(kinds == _LARGE, words[:, 2], words[:, 1]).astype(np.int64)
    pointers[is_offset] = addresses[is_offset] + halves[is_offset, 1]
    sizes = np.where(is_offset, halves[:, 0], words[:, 0]) >> 2
    return [ctypes.string_at(start, size) for start, size in zip(pointers.tolist(), sizes.tolist(), strict=True)]
