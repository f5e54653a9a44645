"""TF Serving's protobuf messages, byte-compatible with the official ones, and NumPy arrays as tensors in them.

The messages are declared here by field number and live in a private descriptor pool under a package of their own, so
that a process may load `tensorflow-serving-api` beside them without a clash. Declared is what `tfrec` reads or
writes; protobuf carries every other field along unread. Needs NumPy and protobuf, nothing else.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tfrec.errors import SchemaError

_PACKAGE = "tfrec.wire"

# Message → fields as (number, name, type). `|oneof` puts a field into that oneof. Enums are int32: the same bytes.
_MESSAGES: Mapping[str, Sequence[tuple[int, str, str]]] = {
    # tensorflow/core/framework/tensor_shape.proto, tensor.proto
    "Dim": ((1, "size", "int64"), (2, "name", "string")),
    "TensorShapeProto": ((2, "dim", "repeated Dim"), (3, "unknown_rank", "bool")),
    "TensorProto": (
        (1, "dtype", "int32"),
        (2, "tensor_shape", "TensorShapeProto"),
        (3, "version_number", "int32"),
        (4, "tensor_content", "bytes"),
        (5, "float_val", "repeated float"),
        (6, "double_val", "repeated double"),
        (7, "int_val", "repeated int32"),
        (8, "string_val", "repeated bytes"),
        (9, "scomplex_val", "repeated float"),
        (10, "int64_val", "repeated int64"),
        (11, "bool_val", "repeated bool"),
        (12, "dcomplex_val", "repeated double"),
        (13, "half_val", "repeated int32"),
        (16, "uint32_val", "repeated uint32"),
        (17, "uint64_val", "repeated uint64"),
    ),
    # tensorflow/core/protobuf/meta_graph.proto, saved_model.proto
    "TensorInfo": ((1, "name", "string|encoding"), (2, "dtype", "int32"), (3, "tensor_shape", "TensorShapeProto")),
    "SignatureDef": (
        (1, "inputs", "map TensorInfo"),
        (2, "outputs", "map TensorInfo"),
        (3, "method_name", "string"),
        (4, "defaults", "map TensorProto"),
    ),
    "MetaInfoDef": ((4, "tags", "repeated string"),),
    "MetaGraphDef": ((1, "meta_info_def", "MetaInfoDef"), (5, "signature_def", "map SignatureDef")),
    "SavedModel": ((1, "saved_model_schema_version", "int64"), (2, "meta_graphs", "repeated MetaGraphDef")),
    # google/protobuf/wrappers.proto, any.proto
    "Int64Value": ((1, "value", "int64"),),
    "Any": ((1, "type_url", "string"), (2, "value", "bytes")),
    # tensorflow_serving/apis/model.proto, predict.proto, get_model_metadata.proto, get_model_status.proto
    "ModelSpec": (
        (1, "name", "string"),
        (2, "version", "Int64Value|version_choice"),
        (4, "version_label", "string|version_choice"),
        (3, "signature_name", "string"),
    ),
    "PredictRequest": (
        (1, "model_spec", "ModelSpec"),
        (2, "inputs", "map TensorProto"),
        (3, "output_filter", "repeated string"),
    ),
    "PredictResponse": ((2, "model_spec", "ModelSpec"), (1, "outputs", "map TensorProto")),
    "SignatureDefMap": ((1, "signature_def", "map SignatureDef"),),
    "GetModelMetadataRequest": ((1, "model_spec", "ModelSpec"), (2, "metadata_field", "repeated string")),
    "GetModelMetadataResponse": ((1, "model_spec", "ModelSpec"), (2, "metadata", "map Any")),
    "GetModelStatusRequest": ((1, "model_spec", "ModelSpec"),),
    "StatusProto": ((1, "error_code", "int32"), (2, "error_message", "string")),
    "ModelVersionStatus": ((1, "version", "int64"), (2, "state", "int32"), (3, "status", "StatusProto")),
    "GetModelStatusResponse": ((1, "model_version_status", "repeated ModelVersionStatus"),),
    # tensorflow_serving/apis/prediction_log.proto
    "PredictLog": ((1, "request", "PredictRequest"), (2, "response", "PredictResponse")),
    "SamplingConfig": ((1, "sampling_rate", "double"),),
    "LogMetadata": ((1, "model_spec", "ModelSpec"), (2, "sampling_config", "SamplingConfig")),
    "PredictionLog": ((1, "log_metadata", "LogMetadata"), (6, "predict_log", "PredictLog|log_type")),
    # tensorflow_serving/config/model_server_config.proto, file_system_storage_path_source.proto
    "LatestVersions": ((1, "num_versions", "uint32"),),
    "AllVersions": (),
    "SpecificVersions": ((1, "versions", "repeated int64"),),
    "VersionPolicy": (
        (100, "latest", "LatestVersions|policy_choice"),
        (101, "all", "AllVersions|policy_choice"),
        (102, "specific", "SpecificVersions|policy_choice"),
    ),
    "ModelConfig": (
        (1, "name", "string"),
        (2, "base_path", "string"),
        (3, "model_type", "int32"),
        (4, "model_platform", "string"),
        (7, "model_version_policy", "VersionPolicy"),
        (8, "version_labels", "map int64"),
    ),
    "ModelConfigList": ((1, "config", "repeated ModelConfig"),),
    "ModelServerConfig": (
        (1, "model_config_list", "ModelConfigList|config"),
        (2, "custom_model_config", "Any|config"),
    ),
    # tensorflow_serving/apis/model_management.proto
    "ReloadConfigRequest": ((1, "config", "ModelServerConfig"),),
    "ReloadConfigResponse": ((1, "status", "StatusProto"),),
    # tensorflow_serving/apis/classification.proto (regression.proto has the same), inference.proto
    "ClassificationRequest": ((1, "model_spec", "ModelSpec"),),
    "InferenceTask": ((1, "model_spec", "ModelSpec"), (2, "method_name", "string")),
    "MultiInferenceRequest": ((1, "tasks", "repeated InferenceTask"),),
    # grpc/health/v1/health.proto
    "HealthCheckRequest": ((1, "service", "string"),),
    "HealthCheckResponse": ((1, "status", "int32"),),
}


def _declare(messages: Mapping[str, Sequence[tuple[int, str, str]]]) -> dict[str, Any]:
    """Builds the message classes from the table above."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="tfrec/wire.proto", package=_PACKAGE, syntax="proto3")

    def set_type(target: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
        if kind in messages:
            target.type = field.TYPE_MESSAGE
            target.type_name = f".{_PACKAGE}.{kind}"
        else:
            target.type = field.Type.Value(f"TYPE_{kind.upper()}")

    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, field_name, declared in fields:
            kind, _, oneof = declared.partition("|")
            modifier, _, kind = kind.rpartition(" ")
            target = message.field.add(name=field_name, number=number, label=field.LABEL_OPTIONAL)
            if oneof:
                if not message.oneof_decl:
                    message.oneof_decl.add(name=oneof)
                target.oneof_index = 0
            if modifier:
                target.label = field.LABEL_REPEATED
            if modifier != "map":
                set_type(target, kind)
                continue
            entry = message.nested_type.add(name=f"{field_name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
            set_type(entry.field.add(name="value", number=2, label=field.LABEL_OPTIONAL), kind)
            target.type = field.TYPE_MESSAGE
            target.type_name = f".{_PACKAGE}.{name}.{entry.name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in messages
    }


_CLASSES = _declare(_MESSAGES)

TensorProto: Any = _CLASSES["TensorProto"]
TensorShapeProto: Any = _CLASSES["TensorShapeProto"]
TensorInfo: Any = _CLASSES["TensorInfo"]
SignatureDef: Any = _CLASSES["SignatureDef"]
SavedModel: Any = _CLASSES["SavedModel"]
ModelSpec: Any = _CLASSES["ModelSpec"]
PredictRequest: Any = _CLASSES["PredictRequest"]
PredictResponse: Any = _CLASSES["PredictResponse"]
SignatureDefMap: Any = _CLASSES["SignatureDefMap"]
GetModelMetadataRequest: Any = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse: Any = _CLASSES["GetModelMetadataResponse"]
GetModelStatusRequest: Any = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse: Any = _CLASSES["GetModelStatusResponse"]
PredictionLog: Any = _CLASSES["PredictionLog"]
ReloadConfigRequest: Any = _CLASSES["ReloadConfigRequest"]
ReloadConfigResponse: Any = _CLASSES["ReloadConfigResponse"]
ClassificationRequest: Any = _CLASSES["ClassificationRequest"]
MultiInferenceRequest: Any = _CLASSES["MultiInferenceRequest"]
ModelServerConfig: Any = _CLASSES["ModelServerConfig"]
HealthCheckRequest: Any = _CLASSES["HealthCheckRequest"]
HealthCheckResponse: Any = _CLASSES["HealthCheckResponse"]

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
HEALTH_SERVICE = "grpc.health.v1.Health"
SIGNATURE_DEF_MAP_URL = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
DEFAULT_SIGNATURE = "serving_default"

STATES: Mapping[str, int] = {
    "UNKNOWN": 0,
    "START": 10,
    "LOADING": 20,
    "AVAILABLE": 30,
    "UNLOADING": 40,
    "END": 50,
}
"""State of a version → number in `ModelVersionStatus.state`."""

MAX_RANK = 64  # NumPy's; TensorFlow has 254
_MAX_ELEMENTS = 2**58  # of 16 bytes each, below 2^63

DT_STRING = 7
# number in types.proto, TensorFlow's name, NumPy dtype, typed field of TensorProto
_DTYPES = (
    (1, "float", np.dtype(np.float32), "float_val"),
    (2, "double", np.dtype(np.float64), "double_val"),
    (3, "int32", np.dtype(np.int32), "int_val"),
    (4, "uint8", np.dtype(np.uint8), "int_val"),
    (5, "int16", np.dtype(np.int16), "int_val"),
    (6, "int8", np.dtype(np.int8), "int_val"),
    (DT_STRING, "string", np.dtype(object), "string_val"),
    (8, "complex64", np.dtype(np.complex64), "scomplex_val"),
    (9, "int64", np.dtype(np.int64), "int64_val"),
    (10, "bool", np.dtype(np.bool_), "bool_val"),
    (17, "uint16", np.dtype(np.uint16), "int_val"),
    (18, "complex128", np.dtype(np.complex128), "dcomplex_val"),
    (19, "half", np.dtype(np.float16), "half_val"),
    (22, "uint32", np.dtype(np.uint32), "uint32_val"),
    (23, "uint64", np.dtype(np.uint64), "uint64_val"),
)
_NAMES = {number: name for number, name, _, _ in _DTYPES}
_NUMPY = {number: dtype for number, _, dtype, _ in _DTYPES}
_FIELDS = {number: field for number, _, _, field in _DTYPES}
_NUMBERS = {dtype: number for number, _, dtype, _ in _DTYPES}


def dtype_name(number: int) -> str:
    """Returns TensorFlow's name of a data type number: 1 → `"float"`, 7 → `"string"`.

    Examples:
        >>> dtype_name(7), dtype_name(9)
        ('string', 'int64')
    """
    return _NAMES.get(number, "INVALID" if number == 0 else f"dtype {number}")


def numpy_dtype(number: int) -> np.dtype:
    """Returns the NumPy dtype of a data type number; strings are `object`.

    Raises:
        SchemaError: no NumPy array can hold that type (resources, variants, quantised types ...).
    """
    if number not in _NUMPY:
        raise SchemaError(f"TensorFlow data type {number} has no NumPy dtype here. Known: {sorted(_NAMES.values())}.")
    return _NUMPY[number]


def dtype_number(dtype: np.dtype) -> int:
    """Returns TensorFlow's data type number for a NumPy dtype; `object`, `U`, `S` and `StringDType` are strings.

    Raises:
        SchemaError: TensorFlow has no such type.
    """
    if dtype.kind in "OUST":
        return DT_STRING
    number = _NUMBERS.get(dtype.newbyteorder("=") if dtype.kind not in "b" else dtype)
    if number is None:
        raise SchemaError(f"An array of dtype {dtype} cannot be sent as a tensor. Known: {sorted(_NAMES.values())}.")
    return number


def to_tensor_proto(array: np.ndarray) -> Any:
    """Returns an array `[...]` as a `TensorProto` with typed fields (never `tensor_content`), as TF Serving writes it.

    Strings are sent as UTF-8; `bytes` go as they are, and so do the bytes behind lone surrogates
    (`errors="surrogateescape"`).

    Raises:
        SchemaError: TensorFlow has no such dtype, or an element of an object array is neither `str` nor `bytes`.
    """
    array = np.asarray(array)
    number = dtype_number(array.dtype)
    proto = TensorProto(dtype=number)
    dims = proto.tensor_shape.dim
    for size in array.shape:
        dims.add(size=size)
    if not array.shape:
        proto.tensor_shape.SetInParent()
    flat = array.ravel()
    if number == DT_STRING:
        proto.string_val.extend(encode_strings(flat))
    elif array.dtype.kind == "c":
        getattr(proto, _FIELDS[number]).extend(np.stack([flat.real, flat.imag], axis=1).ravel().tolist())
    elif array.dtype == np.float16:
        proto.half_val.extend(flat.view(np.uint16).tolist())
    else:
        getattr(proto, _FIELDS[number]).extend(flat.tolist())
    return proto


def encode_strings(flat: np.ndarray) -> list[bytes]:
    """Returns the elements of a string array `[n]` as UTF-8 bytes.

    Raises:
        SchemaError: an element is neither `str` nor `bytes`.
    """
    elements = flat.tolist()
    try:
        return [
            bytes(element) if isinstance(element, bytes) else element.encode("utf-8", "surrogateescape")
            for element in elements
        ]
    except (AttributeError, UnicodeEncodeError) as error:
        bad = next((element for element in elements if not isinstance(element, str | bytes)), "a lone surrogate")
        raise SchemaError(f"A string tensor holds `str` or `bytes`; got {bad!r} ({type(bad).__name__}).") from error


def as_text(value: str | bytes) -> str:
    """Returns a string as `str`; bytes that are not UTF-8 as lone surrogates, which are sent as the same bytes."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def is_unicode(text: str) -> bool:
    """Returns whether a text is without lone surrogates, which no name in a message can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def tensor_shape(proto: Any) -> tuple[int, ...]:
    """Returns the shape that a `TensorProto` declares; a tensor of unknown rank counts as a scalar, as in TensorFlow.

    Raises:
        SchemaError: a dimension is negative, or no array can have that shape (TensorFlow would end the process).
    """
    declared = proto.tensor_shape
    shape = () if declared.unknown_rank else tuple([dim.size for dim in declared.dim])
    # Sizes are multiplied as if none were 0: neither NumPy nor TensorFlow lets a 0 behind them excuse an overflow.
    count = 1
    for size in shape:
        count *= size or 1
    if count > _MAX_ELEMENTS or len(shape) > MAX_RANK or (shape and min(shape) < 0):
        raise SchemaError(
            f"A tensor must have a fully known shape of at most {MAX_RANK} dimensions and {_MAX_ELEMENTS} elements; "
            f"got {list(shape)}."
        )
    return shape


def to_ndarray(proto: Any) -> np.ndarray:
    """Returns a `TensorProto` as an array; strings as an object array of `bytes`.

    Follows `tensorflow::Tensor::FromProto`: fewer values than elements repeat the last one, surplus values are
    dropped, no values at all are zeros (or `b""`); `tensor_content` wins over typed fields and must fit exactly.

    Raises:
        SchemaError: unknown dtype, a shape that is not fully known, or `tensor_content` of a wrong length.

    Examples:
        >>> to_ndarray(to_tensor_proto(np.array([["", "85123A"]], dtype=object)))
        array([[b'', b'85123A']], dtype=object)
    """
    dtype = numpy_dtype(proto.dtype)
    shape = tensor_shape(proto)
    count = math.prod(shape)
    if proto.tensor_content and count:
        if proto.dtype == DT_STRING:
            return _strings_of_content(proto.tensor_content, count).reshape(shape)
        if len(proto.tensor_content) != count * dtype.itemsize:
            raise SchemaError(
                f"`tensor_content` of {list(shape)} {dtype_name(proto.dtype)} must have {count * dtype.itemsize} "
                f"bytes; got {len(proto.tensor_content)}."
            )
        return np.frombuffer(proto.tensor_content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    values = getattr(proto, _FIELDS[proto.dtype])
    if proto.dtype == DT_STRING:
        present = min(count, len(values))
        flat = np.empty(count, dtype=object)
        flat[:present] = values[:present]
        if present < count:
            flat[present:] = values[-1] if present else b""
        return flat.reshape(shape)
    typed = _typed_values(values, dtype)
    if 0 < len(typed) < count:
        typed = np.concatenate([typed, np.full(count - len(typed), typed[-1], dtype)])
    elif not len(typed):
        typed = np.zeros(count, dtype)
    return typed[:count].reshape(shape)


def _typed_values(values: Sequence[Any], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "c":
        parts = np.array(values, dtype=np.float32 if dtype.itemsize == 8 else np.float64)
        return parts[: len(parts) // 2 * 2].view(dtype)
    if dtype == np.float16:
        return np.array(values, dtype=np.int64).astype(np.uint16).view(np.float16)
    if dtype.kind in "iu" and dtype.itemsize < 4:
        return np.array(values, dtype=np.int64).astype(dtype)
    return np.array(values, dtype=dtype)


def _strings_of_content(content: bytes, count: int) -> np.ndarray:
    """Decodes `tensor_content` of strings: `count` varint lengths, then the bytes one after the other."""
    heads = list(re.finditer(rb"[\x80-\xff]{0,4}[\x00-\x7f]", content[: 5 * count]))[:count]
    lengths = [sum((byte & 0x7F) << 7 * place for place, byte in enumerate(head.group())) for head in heads]
    start = heads[-1].end() if heads else 0
    if len(lengths) != count or start + sum(lengths) != len(content):
        raise SchemaError(f"`tensor_content` does not hold {count} strings.")
    ends = np.cumsum(lengths) + start
    flat = np.empty(count, dtype=object)
    flat[:] = [content[end - length : end] for length, end in zip(lengths, ends.tolist(), strict=True)]
    return flat
