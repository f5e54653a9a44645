"""Makes random requests of a servable's signatures, well-formed and malformed, for gRPC and REST.

The signatures are those that the server's metadata lists, so that new ones and new inputs are asked too. A request is a
function of its seed and number: one that broke something can be made again.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfrec.schema import wire
from tfrec.serving.saved_model import ServableSignature, TensorSpec

_TEXTS = (
    b"",
    b"x",
    "Käse".encode(),
    b"\xff\xfe\x80",
    b"\x00",
    b"a" * 300,
    "\u202e推荐".encode(),
    b"brand=Acme",
    b"=",
    b" > ",
)
_FLOATS = (0.0, 1.0, -1.0, 0.5, 1e-30, 3.4e38, float("nan"), float("inf"), -float("inf"), 17.99)
_INTS = (0, 1, 2, 5, 10, 50, -1, -(2**31), 2**31 - 1)
_ROWS, _WIDTHS = (0, *(1,) * 8, 2, 2, 3, 16), (0, 1, 1, 1, 2, 2, 4, 9)
_LONG = 3_000  # values of a long list
_DTYPES = (*range(27), 101, 2**31 - 1)


class Rpc(NamedTuple):
    """One call of gRPC: full method, message, and the caller's deadline in seconds."""

    method: str
    content: bytes
    deadline: float


class Http(NamedTuple):
    """One request of HTTP: verb, path and body."""

    verb: str
    path: str
    body: bytes | None


class RequestMaker:
    """Makes requests to the servables of one server.

    Args:
        signatures: servable → its signatures by name.
        item_ids: ids that the servables know.
        seed: decides all requests.
    """

    def __init__(
        self, signatures: Mapping[str, Mapping[str, ServableSignature]], item_ids: Sequence[bytes], *, seed: int = 0
    ) -> None:
        self._signatures = signatures
        self._item_ids = tuple(item_ids) or (b"item_0",)
        self._seed = seed

    def make(self, number: int, *, deadline: float) -> Rpc | Http:
        """Returns the request of a number: two of three by gRPC, half of them well-formed.

        Args:
            number: from 0 on.
            deadline: seconds that calls of gRPC have, but for a few that have next to none.
        """
        rng = np.random.default_rng((self._seed, number))
        if rng.random() < 0.65:
            hasty = rng.random() < 0.02
            return Rpc(*self._rpc(rng), 0.002 if hasty else deadline)
        return self._http(rng)

    # --- gRPC -------------------------------------------------------------------------------------------------------

    def _rpc(self, rng: np.random.Generator) -> tuple[str, bytes]:
        predict = f"/{wire.PREDICTION_SERVICE}/Predict"
        kind = rng.random()
        if kind < 0.5:
            return predict, self._predict(rng).SerializeToString()
        if kind < 0.75:
            request = self._predict(rng)
            for _ in range(rng.integers(1, 4)):
                self._damage(rng, request)
            return predict, request.SerializeToString()
        if kind < 0.9:
            return predict, _mutated(rng, self._predict(rng).SerializeToString())
        content = _mutated(rng, self._predict(rng).SerializeToString()) if rng.random() < 0.5 else b""
        if rng.random() < 0.5:
            content = rng.bytes(rng.integers(0, 200))
        spec = wire.ModelSpec(name=self._name(rng))
        known = {
            (wire.PREDICTION_SERVICE, "GetModelMetadata"): wire.GetModelMetadataRequest(
                model_spec=spec, metadata_field=["signature_def"]
            ),
            (wire.PREDICTION_SERVICE, "Classify"): wire.ClassificationRequest(model_spec=spec),
            (wire.PREDICTION_SERVICE, "Regress"): wire.ClassificationRequest(model_spec=spec),
            (wire.PREDICTION_SERVICE, "MultiInference"): wire.MultiInferenceRequest(),
            (wire.MODEL_SERVICE, "GetModelStatus"): wire.GetModelStatusRequest(model_spec=spec),
            (wire.MODEL_SERVICE, "HandleReloadConfigRequest"): wire.ReloadConfigRequest(),
            (wire.HEALTH_SERVICE, "Check"): wire.HealthCheckRequest(service=spec.name),
            (wire.PREDICTION_SERVICE, "NoSuchMethod"): spec,
        }
        (service, method), message = list(known.items())[rng.integers(len(known))]
        # A reload that names other folders would unload what the rest of the requests ask.
        if rng.random() < 0.5 or method == "HandleReloadConfigRequest":
            content = message.SerializeToString()
        return f"/{service}/{method}", content

    def _predict(self, rng: np.random.Generator) -> Any:
        """Returns a well-formed `PredictRequest` with some inputs of a signature, each with all rows or one."""
        name = _one(rng, list(self._signatures))
        signature = self._signature(rng, name)
        rows, request = _one(rng, _ROWS), wire.PredictRequest(model_spec=wire.ModelSpec(name=name))
        request.model_spec.signature_name = signature.name
        share = rng.random()
        for alias, spec in signature.inputs.items():
            if rng.random() < share:
                shape = self._shape(rng, spec, rows if rng.random() < 0.8 else 1)
                request.inputs[alias].CopyFrom(wire.to_tensor_proto(self._values(rng, alias, spec, shape)))
        return request

    def _signature(self, rng: np.random.Generator, name: str) -> ServableSignature:
        found = [one for one in self._signatures[name].values() if not one.name.startswith("__")]  # TensorFlow's own
        return found[rng.integers(len(found))]

    def _shape(self, rng: np.random.Generator, spec: TensorSpec, rows: int) -> tuple[int, ...]:
        chance = rng.random()
        width = _LONG if chance < 0.002 else 60 if chance < 0.02 else _one(rng, _WIDTHS)
        wanted = spec.shape if spec.shape is not None else (None,)
        return tuple(size if size is not None else rows if at == 0 else width for at, size in enumerate(wanted))

    def _values(self, rng: np.random.Generator, alias: str, spec: TensorSpec, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        if spec.dtype == "string":
            pool = self._item_ids if rng.random() < 0.7 else (*self._item_ids[:5], *_TEXTS)
            flat = np.empty(size, object)
            flat[:] = [pool[at] for at in rng.integers(len(pool), size=size)]
            return flat.reshape(shape)
        dtype = wire.numpy_dtype(spec.dtype_number)
        if dtype.kind == "f":
            with np.errstate(over="ignore"):  # half precision has no such numbers
                return np.array(_FLOATS)[rng.integers(len(_FLOATS), size=shape)].astype(dtype)
        numbers = np.array(_INTS)[rng.integers(len(_INTS), size=shape)]
        if alias == "rounds":  # of the tests' own signature that takes a while: as long as it is asked to
            numbers = np.minimum(numbers, 50)
        return numbers.astype(dtype)

    def _name(self, rng: np.random.Generator) -> str:
        return "nope" if rng.random() < 0.2 else _one(rng, list(self._signatures))

    def _damage(self, rng: np.random.Generator, request: Any) -> None:
        """Makes one thing of a request wrong."""
        spec, aliases = request.model_spec, list(request.inputs)
        proto = request.inputs[_one(rng, aliases)] if aliases else request.inputs["made_up"]
        dims = proto.tensor_shape.dim
        damages = (
            lambda: setattr(spec, "name", _one(rng, ("", "nope", "shop/1", "../shop", "a" * 3_000))),
            lambda: setattr(
                spec, "signature_name", _one(rng, ("nope", "__saved_model_init_op", "", "serving_default"))
            ),
            lambda: setattr(spec.version, "value", int(_one(rng, (0, 1, 99, -1, 2**63 - 1)))),
            lambda: setattr(spec, "version_label", _one(rng, ("", "stable", "nope"))),
            lambda: request.output_filter.extend([_one(rng, ("item_ids", "scores", "nope", ""))] * rng.integers(1, 3)),
            lambda: request.inputs["made_up"].CopyFrom(proto),
            lambda: setattr(proto, "dtype", int(_one(rng, _DTYPES))),
            lambda: dims.add(size=int(_one(rng, (0, 1, 7, -1, 2**20, 2**40, 2**62)))),
            lambda: dims.pop() if dims else proto.tensor_shape.SetInParent(),
            lambda: setattr(dims[0], "size", int(_one(rng, (0, -1, 3, 20_000, 2**33)))) if dims else None,
            lambda: setattr(proto.tensor_shape, "unknown_rank", True),
            lambda: setattr(proto, "tensor_content", rng.bytes(rng.integers(1, 64))),
            lambda: proto.string_val.append(rng.bytes(rng.integers(0, 30))),
            lambda: proto.ClearField("string_val"),
            lambda: proto.float_val.append(float(_one(rng, _FLOATS))),
            lambda: proto.ClearField("tensor_shape"),
            lambda: request.ClearField("model_spec"),
        )
        damages[rng.integers(len(damages))]()

    # --- REST -------------------------------------------------------------------------------------------------------

    def _http(self, rng: np.random.Generator) -> Http:
        name = self._name(rng)
        kind = rng.random()
        if kind < 0.15:
            paths = ("", "/metadata", "/versions/1", "/versions/1/metadata", "/labels/nope", "/versions/x", ":predict")
            odd = ("/", "/v1/models", "/v1/models/", "/monitoring/prometheus/metrics", "/%00", "/v1/models/../../etc")
            path = f"/v1/models/{name}{_one(rng, paths)}" if rng.random() < 0.7 else _one(rng, odd)
            return Http(_one(rng, ("GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")), path, None)
        path = f"/v1/models/{name}{_one(rng, ('', '/versions/1', '/versions/9', '/labels/stable'))}"
        path += _one(rng, (":predict", ":predict", ":predict", ":predict", ":classify", ":regress", ":nope"))
        body = self._json(rng, name if name in self._signatures else next(iter(self._signatures)))
        if kind < 0.6:
            return Http("POST", path, body)
        return Http("POST", path, _mutated(rng, body) if kind < 0.95 else rng.bytes(rng.integers(0, 300)))

    def _json(self, rng: np.random.Generator, name: str) -> bytes:
        """Returns the JSON of a request with all inputs of a signature, which REST needs; some values are odd."""
        signature, rows = self._signature(rng, name), max(_one(rng, _ROWS), 1)
        columns = {}
        for alias, spec in signature.inputs.items():
            values = self._values(rng, alias, spec, self._shape(rng, spec, rows)).tolist()
            columns[alias] = _as_json(rng, values)
        if rng.random() < 0.1 and columns:
            columns[_one(rng, list(columns))] = _one(
                rng, (None, {}, [], "text", [[1, [2]]], 2**70, 1.5, True, {"b64": "%%"}, [[[[[]]]]])
            )
        if rng.random() < 0.1 and columns:
            del columns[_one(rng, list(columns))]
        asked: dict[str, Any] = {"signature_name": signature.name}
        if rng.random() < 0.6:
            asked["inputs"] = columns
        else:
            whole = all(isinstance(column, list) and len(column) >= rows for column in columns.values())
            asked["instances"] = [
                {alias: column[at] for alias, column in columns.items()} for at in range(rows if whole else 0)
            ]
        return json.dumps(asked).encode()


def _as_json(rng: np.random.Generator, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(rng, part) for part in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


def _mutated(rng: np.random.Generator, content: bytes) -> bytes:
    """Returns the bytes with some changed, cut off, repeated or put in."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(len(changed) + 1))
        kind = rng.integers(5)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            changed[at:at] = rng.bytes(rng.integers(1, 10))
        elif kind == 3:
            changed[at:at] = changed[max(at - 20, 0) : at]
        elif at < len(changed):
            del changed[at : at + int(rng.integers(1, 20))]
    return bytes(changed)


def _one(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]
