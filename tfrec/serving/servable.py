"""`Servable`: one version folder of a SavedModel, loaded and called through TensorFlow's C API.

This is what TF Serving does with the folder (session, `SignatureDef.defaults`, error texts), without Python
TensorFlow in the process.
"""

import contextlib
import ctypes
import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tfrec.errors import SchemaError, ServingError
from tfrec.schema import wire
from tfrec.serving.c_api import CApi, Output, load_c_api
from tfrec.serving.known_ids import KnownIds, read_known_ids
from tfrec.serving.saved_model import (
    SERVE_TAG,
    ServableSignature,
    TensorSpec,
    read_item_counts,
    read_signature_defs,
    signatures_of,
)

_INVALID_ARGUMENT, _NOT_FOUND, _FAILED_PRECONDITION, _UNAVAILABLE = 3, 5, 9, 14
SESSION_CONFIG = b"\x52\x0a\x52\x08\x08\x02\x18\x02\x20\x01\x60\x01"
"""`ConfigProto` of serving/session.config: one pass of graph optimisation, without what gains nothing here."""
# graph_options { optimizer_options { opt_level: L0 } rewrite_options { disable_meta_optimizer: true } }: passes over a
# graph cost a job seconds at the first call of each signature and give a few hundred calls next to nothing.
_NO_REWRITING = b"\x52\x12\x1a\x0b\x18" + b"\xff" * 9 + b"\x01" + b"\x52\x03\x98\x01\x01"


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What one `TF_SessionRun` needs of a signature: aliases and places of its feeds and fetches.

    All outputs are fetched, whichever are wanted: TensorFlow would optimise the graph again, for seconds, and keep the
    result, for each other set.
    """

    feeds: tuple[str, ...]
    feed_outputs: Any  # TF_Output[len(feeds)]
    fetches: tuple[str, ...]
    fetch_outputs: Any  # TF_Output[len(fetches)]


class Servable:
    """A loaded SavedModel version; any number of threads may call it at once.

    Attributes:
        signatures: name → `ServableSignature`.
        signature_defs: the same as a `SignatureDefMap` message, for `GetModelMetadata`.
        num_items: size of the catalogue that it answers from, 0 where its export did not note it.
        items_of_a_row: items that a row of a request takes memory for, see `read_item_counts`; 0 where unknown.
        known_ids: ids that it knows.

    Example:
        with Servable.load(Path("models/shop/1")) as shop:
            slate = shop.call("cross_sell", {"cart_item_ids": np.array([["85123A"]])})
    """

    def __init__(
        self,
        api: CApi,
        graph: int,
        session: int,
        signature_defs: Any,
        signatures: Mapping[str, ServableSignature],
        item_counts: tuple[int, int] = (0, 0),
        known_ids: KnownIds | None = None,
    ) -> None:
        self.signature_defs = signature_defs
        self.signatures = signatures
        self.num_items, self.items_of_a_row = item_counts
        self.known_ids = known_ids or KnownIds({})
        self._api = api
        self._graph = graph
        self._session = session
        self._plans: dict[str, _Plan] = {}
        self._default_tensors: dict[tuple[str, str], int] = {}
        self._state = threading.Condition()
        self._num_users = 0
        self._held_here = threading.local()
        self._is_closed = False

    @classmethod
    def load(
        cls,
        version_dir: Path,
        *,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
        is_graph_rewritten: bool = True,
    ) -> "Servable":
        """Loads a version folder (`saved_model.pb`, `variables/`, `assets/`) and runs its initialisers.

        Args:
            version_dir: such as `models/shop/1`.
            intra_op_threads: threads within one operation, 0 = one a core; the first session of a process decides.
            inter_op_threads: threads that run operations of a graph side by side, 0 = one a core.
            is_graph_rewritten: whether TensorFlow optimises the graph of a signature at its first run, as TF Serving
                does. It takes seconds; for a job that runs for seconds itself, False is faster.

        Raises:
            ServingError: there is no SavedModel tagged `serve`, or TensorFlow cannot load it.
            EnvironmentSetupError: TensorFlow's C library is not installed.
        """
        version_dir = Path(version_dir)
        signature_defs = read_signature_defs(version_dir)
        api = load_c_api()
        config = _varint_field(2, intra_op_threads) + _varint_field(5, inter_op_threads)  # ConfigProto
        config += SESSION_CONFIG if is_graph_rewritten else _NO_REWRITING
        status, options, graph = api.TF_NewStatus(), api.TF_NewSessionOptions(), api.TF_NewGraph()
        try:
            api.TF_SetConfig(options, config, len(config), status)
            api.check(status, "ConfigProto")
            session = api.TF_LoadSessionFromSavedModel(
                options,
                None,
                str(version_dir).encode(),
                (ctypes.c_char_p * 1)(SERVE_TAG.encode()),
                1,
                graph,
                None,
                status,
            )
            api.check(status, f"The SavedModel in {version_dir} cannot be loaded")
            about = (read_item_counts(version_dir), read_known_ids(version_dir))
            return cls(api, graph, session, signature_defs, signatures_of(signature_defs), *about)
        except BaseException:
            api.TF_DeleteGraph(graph)
            raise
        finally:
            api.TF_DeleteSessionOptions(options)
            api.TF_DeleteStatus(status)

    def __enter__(self) -> "Servable":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        output_filter: Sequence[str] = (),
        *,
        timeout_ms: int = 0,
        as_bytes: bool = False,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name; `""` means `serving_default`.
            inputs: alias → value `[B, ...]`. Arrays must have the declared dtype exactly, as in TF Serving; Python
                lists and numbers take it. Strings may be `object` (of `str` or `bytes`), `U`, `S` or `StringDType`
                arrays.
                Inputs left out (or None) take their defaults.
            output_filter: aliases wanted; empty = all.
            timeout_ms: the run is given up after so many milliseconds; 0 = never.
            as_bytes: whether string outputs are `bytes` instead of `str`.

        Returns:
            Alias → array. Strings are object arrays of `str`; bytes that are not UTF-8 survive as lone surrogates
            (`errors="surrogateescape"`) and turn back into the same bytes when they are fed again.

        Raises:
            ServingError: with the code and the message of TF Serving: unknown signature, missing or surplus inputs,
                wrong dtype, unknown output, time out, or an error of the graph; or the servable is closed.
            SchemaError: a value cannot be a tensor at all.
        """
        signature_def = self.signature(signature)
        inputs = {alias: value for alias, value in inputs.items() if value is not None}
        self.check_aliases(signature_def, inputs)
        fed = {alias: _as_array(value, signature_def.inputs[alias]) for alias, value in inputs.items()}
        self.check_outputs(signature_def, output_filter)
        self.check_dtypes(signature_def, {alias: wire.dtype_number(array.dtype) for alias, array in fed.items()})
        return self.run(signature_def, fed, output_filter, timeout_ms=timeout_ms, as_bytes=as_bytes)

    def signature(self, name: str) -> ServableSignature:
        """Returns the signature called `name`; `""` means `serving_default`.

        Raises:
            ServingError: FAILED_PRECONDITION, there is none.
        """
        name = name or wire.DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise ServingError(f'Serving signature key "{name}" not found.', code=_FAILED_PRECONDITION)
        return self.signatures[name]

    @staticmethod
    def check_aliases(signature: ServableSignature, arrays: Mapping[str, Any]) -> None:
        """Checks which inputs are given, in TF Serving's order and words (`predict_util.cc`, `saved_model/util.cc`).

        Raises:
            ServingError: INVALID_ARGUMENT, inputs are missing that have no default, or there are unknown ones.
        """
        sent, declared, defaults = set(arrays), set(signature.inputs), signature.defaults
        if len(sent) > len(declared) or (len(sent) < len(declared) and not defaults):
            raise ServingError(
                f"input size does not match signature: {len(sent)}!={len(declared)} len({_braced(sent)}) != "
                f"len({_braced(declared)}). Sent extra: {_braced(sent - declared)}. "
                f"Missing but required: {_braced(declared - sent)}.",
                code=_INVALID_ARGUMENT,
            )
        for alias, spec in signature.inputs.items():
            if alias not in sent and alias not in defaults:
                raise ServingError(
                    f"Signature input alias: {alias}(feed name: {spec.tensor_name}) not found in request and no "
                    f"default value provided. Inputs expected to be in the request {_braced(sent)}, "
                    f"or default input alias set: {','.join(sorted(defaults))}",
                    code=_INVALID_ARGUMENT,
                )
        if sent - declared:
            raise ServingError(
                f"Inputs contains invalid name. Used request inputs: {','.join(sorted(sent & declared))}, "
                f"request input: {','.join(sorted(sent))}",
                code=_INVALID_ARGUMENT,
            )

    def given(self, signature: ServableSignature, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the inputs (`TensorProto`s) that are not their defaults, whose tensors are there already.

        Clients name all inputs, most of them with their default.
        """
        defaults = self.signature_defs.signature_def[signature.name].defaults
        return {alias: proto for alias, proto in inputs.items() if alias not in defaults or proto != defaults[alias]}

    @staticmethod
    def check_outputs(signature: ServableSignature, output_filter: Sequence[str]) -> None:
        """Checks the outputs that are asked for.

        Raises:
            ServingError: INVALID_ARGUMENT, one is unknown or named twice.
        """
        for position, alias in enumerate(output_filter):
            if alias not in signature.outputs:
                raise ServingError(
                    f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                    f"{_braced(signature.outputs)}.",
                    code=_INVALID_ARGUMENT,
                )
            if alias in output_filter[:position]:
                raise ServingError(f"duplicate output tensor alias: {alias}", code=_INVALID_ARGUMENT)

    @staticmethod
    def check_dtypes(signature: ServableSignature, dtype_numbers: Mapping[str, int]) -> None:
        """Checks the dtypes of what is fed; positions count feed names in sorted order, as in TensorFlow's session.

        Raises:
            ServingError: INVALID_ARGUMENT, one is not as declared.
        """
        if all(number == signature.inputs[alias].dtype_number for alias, number in dtype_numbers.items()):
            return
        by_feed_name = sorted(signature.inputs.items(), key=lambda item: item[1].tensor_name)
        for position, (alias, spec) in enumerate(by_feed_name):
            number = dtype_numbers.get(alias, spec.dtype_number)
            if number != spec.dtype_number:
                raise ServingError(
                    f"Expects arg[{position}] to be {spec.dtype} but {wire.dtype_name(number)} is provided",
                    code=_INVALID_ARGUMENT,
                )

    def run(
        self,
        signature: ServableSignature,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        *,
        timeout_ms: int = 0,
        as_bytes: bool = False,
    ) -> dict[str, np.ndarray]:
        """Runs a signature on inputs `[B, ...]` that were checked before (`call` does both); defaults are filled in.

        Raises:
            ServingError: an error of the graph, a time out, or the servable is closed.
        """
        api = self._api
        with self.in_use():
            plan = self._plan(signature)
            fed: list[int] = []
            fetched = (ctypes.c_void_p * len(plan.fetches))()
            status = api.TF_NewStatus()
            options = self._run_options(timeout_ms)
            try:
                tensors = (ctypes.c_void_p * len(plan.feeds))()
                for place, alias in enumerate(plan.feeds):
                    if alias in inputs:
                        fed.append(api.to_tensor(inputs[alias]))
                        tensors[place] = fed[-1]
                    else:
                        tensors[place] = self._default_tensor(signature, alias)
                api.TF_SessionRun(
                    *(self._session, options),
                    *(plan.feed_outputs, tensors, len(plan.feeds)),
                    *(plan.fetch_outputs, fetched, len(plan.fetches)),
                    *(None, 0, None, status),
                )
                api.check(status)
                tensors_of = dict(zip(plan.fetches, fetched, strict=True))
                return {
                    alias: api.to_array(tensors_of[alias], as_bytes=as_bytes)
                    for alias in output_filter or plan.fetches
                    if tensors_of[alias] is not None
                }
            finally:
                for tensor in (*fetched, *fed):
                    if tensor is not None:
                        api.TF_DeleteTensor(tensor)
                if options is not None:
                    api.TF_DeleteBuffer(options)
                api.TF_DeleteStatus(status)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps the servable open for a block: `close` waits until all such blocks are left. Blocks may be nested.

        Raises:
            ServingError: UNAVAILABLE, it is closed, or being closed and not in use by this thread already.
        """
        depth = getattr(self._held_here, "depth", 0)
        with self._state:
            if self._is_closed and not depth:
                raise ServingError("This servable is closed. Load the version again.", code=_UNAVAILABLE)
            self._num_users += 1
        self._held_here.depth = depth + 1
        try:
            yield
        finally:
            self._held_here.depth = depth
            with self._state:
                self._num_users -= 1
                if self._is_closed and not self._num_users:
                    self._state.notify_all()

    def close(self) -> None:
        """Waits for the calls under way, then frees the session; calls from now on are refused."""
        with self._state:
            was_closed, self._is_closed = self._is_closed, True
            self._state.wait_for(lambda: not self._num_users)
        if was_closed:
            return
        api = self._api
        for tensor in self._default_tensors.values():
            api.TF_DeleteTensor(tensor)
        status = api.TF_NewStatus()
        api.TF_CloseSession(self._session, status)
        api.TF_DeleteSession(self._session, status)
        api.TF_DeleteGraph(self._graph)
        api.TF_DeleteStatus(status)

    def _plan(self, signature: ServableSignature) -> _Plan:
        if signature.name not in self._plans:
            fetches = tuple(signature.outputs)
            self._plans[signature.name] = _Plan(
                feeds=tuple(signature.inputs),
                feed_outputs=self._places(spec.tensor_name for spec in signature.inputs.values()),
                fetches=fetches,
                fetch_outputs=self._places(signature.outputs[alias].tensor_name for alias in fetches),
            )
        return self._plans[signature.name]

    def _places(self, tensor_names: Iterator[str]) -> Any:
        places = []
        for tensor_name in tensor_names:
            operation, _, index = tensor_name.partition(":")
            operation_pointer = self._api.TF_GraphOperationByName(self._graph, operation.encode())
            if not operation_pointer:
                raise ServingError(f"The graph has no operation {operation!r}, which its signature names.", code=13)
            places.append(Output(operation_pointer, int(index or 0)))
        return (Output * len(places))(*places)

    def _default_tensor(self, signature: ServableSignature, alias: str) -> int:
        """Returns the tensor of a default, made once: whoever holds it too keeps the graph from writing into it."""
        key = (signature.name, alias)
        if key not in self._default_tensors:
            tensor = self._api.to_tensor(signature.defaults[alias])
            if self._default_tensors.setdefault(key, tensor) is not tensor:  # another thread was first
                self._api.TF_DeleteTensor(tensor)
        return self._default_tensors[key]

    def _run_options(self, timeout_ms: int) -> int | None:
        if timeout_ms <= 0:
            return None
        serialised = _varint_field(2, timeout_ms)  # RunOptions.timeout_in_ms
        return self._api.TF_NewBufferFromString(serialised, len(serialised))


def _as_array(value: Any, spec: TensorSpec) -> np.ndarray:
    """Returns arrays as they are, and lists and numbers in the declared dtype."""
    if isinstance(value, np.ndarray):
        return value
    try:
        return np.asarray(value, wire.numpy_dtype(spec.dtype_number))
    except (ValueError, TypeError) as error:
        raise SchemaError(f"{spec.tensor_name} takes values of type {spec.dtype}; got {value!r}: {error}.") from error


def _braced(words: Any) -> str:
    return "{" + ",".join(sorted(words)) + "}"


def _varint_field(number: int, value: int) -> bytes:
    """Returns one protobuf field of a non-negative integer; nothing for 0, the default."""
    if value <= 0:
        return b""
    encoded = bytearray([number << 3])
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
