"""The hand-declared messages are byte-compatible with the official ones, and tensors follow TensorFlow's rules."""

import importlib
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tfrec.errors import SchemaError
from tfrec.schema import wire

# Message of ours → module and message of the official packages.
_FRAMEWORK = "tensorflow.core.framework"
_PROTOBUF = "tensorflow.core.protobuf"
_APIS = "tensorflow_serving.apis"
_CONFIG = "tensorflow_serving.config.model_server_config_pb2"
_SOURCE = "tensorflow_serving.config.file_system_storage_path_source_pb2"
_POLICY = "FileSystemStoragePathSourceConfig.ServableVersionPolicy"
OFFICIAL = {
    "Dim": (f"{_FRAMEWORK}.tensor_shape_pb2", "TensorShapeProto.Dim"),
    "TensorShapeProto": (f"{_FRAMEWORK}.tensor_shape_pb2", "TensorShapeProto"),
    "TensorProto": (f"{_FRAMEWORK}.tensor_pb2", "TensorProto"),
    "TensorInfo": (f"{_PROTOBUF}.meta_graph_pb2", "TensorInfo"),
    "SignatureDef": (f"{_PROTOBUF}.meta_graph_pb2", "SignatureDef"),
    "MetaInfoDef": (f"{_PROTOBUF}.meta_graph_pb2", "MetaGraphDef.MetaInfoDef"),
    "MetaGraphDef": (f"{_PROTOBUF}.meta_graph_pb2", "MetaGraphDef"),
    "SavedModel": (f"{_PROTOBUF}.saved_model_pb2", "SavedModel"),
    "Int64Value": ("google.protobuf.wrappers_pb2", "Int64Value"),
    "Any": ("google.protobuf.any_pb2", "Any"),
    "ModelSpec": (f"{_APIS}.model_pb2", "ModelSpec"),
    "PredictRequest": (f"{_APIS}.predict_pb2", "PredictRequest"),
    "PredictResponse": (f"{_APIS}.predict_pb2", "PredictResponse"),
    "SignatureDefMap": (f"{_APIS}.get_model_metadata_pb2", "SignatureDefMap"),
    "GetModelMetadataRequest": (f"{_APIS}.get_model_metadata_pb2", "GetModelMetadataRequest"),
    "GetModelMetadataResponse": (f"{_APIS}.get_model_metadata_pb2", "GetModelMetadataResponse"),
    "GetModelStatusRequest": (f"{_APIS}.get_model_status_pb2", "GetModelStatusRequest"),
    "GetModelStatusResponse": (f"{_APIS}.get_model_status_pb2", "GetModelStatusResponse"),
    "ModelVersionStatus": (f"{_APIS}.get_model_status_pb2", "ModelVersionStatus"),
    "StatusProto": (f"{_APIS}.status_pb2", "StatusProto"),
    "PredictLog": (f"{_APIS}.prediction_log_pb2", "PredictLog"),
    "PredictionLog": (f"{_APIS}.prediction_log_pb2", "PredictionLog"),
    "LatestVersions": (_SOURCE, f"{_POLICY}.Latest"),
    "AllVersions": (_SOURCE, f"{_POLICY}.All"),
    "SpecificVersions": (_SOURCE, f"{_POLICY}.Specific"),
    "VersionPolicy": (_SOURCE, _POLICY),
    "ModelConfig": (_CONFIG, "ModelConfig"),
    "ModelConfigList": (_CONFIG, "ModelConfigList"),
    "ModelServerConfig": (_CONFIG, "ModelServerConfig"),
    "ReloadConfigRequest": (f"{_APIS}.model_management_pb2", "ReloadConfigRequest"),
    "ReloadConfigResponse": (f"{_APIS}.model_management_pb2", "ReloadConfigResponse"),
    "ClassificationRequest": (f"{_APIS}.classification_pb2", "ClassificationRequest"),
    "InferenceTask": (f"{_APIS}.inference_pb2", "InferenceTask"),
    "MultiInferenceRequest": (f"{_APIS}.inference_pb2", "MultiInferenceRequest"),
    "SamplingConfig": ("tensorflow_serving.config.logging_config_pb2", "SamplingConfig"),
    "LogMetadata": (f"{_APIS}.logging_pb2", "LogMetadata"),
}


def official(name: str) -> Any:
    module, path = OFFICIAL[name]
    pytest.importorskip(module.split(".")[0])
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found.DESCRIPTOR


def shape_of(field: Any) -> tuple[int, str, bool, str | None]:
    """Number, wire type (enums are int32 on the wire), whether repeated, oneof."""
    kind = {field.TYPE_ENUM: field.TYPE_INT32}.get(field.type, field.type)
    oneof = field.containing_oneof
    return field.number, kind, field.is_repeated, oneof.name if oneof else None


def test_every_official_counterpart_is_compared():
    assert {*OFFICIAL, "HealthCheckRequest", "HealthCheckResponse"} == set(wire._MESSAGES)


@pytest.mark.parametrize("name", OFFICIAL)
def test_fields_have_the_official_numbers_and_types(name: str):
    theirs = official(name).fields_by_name
    ours = wire._CLASSES[name].DESCRIPTOR.fields_by_name
    for field_name, field in ours.items():
        assert shape_of(field) == shape_of(theirs[field_name]), field_name
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            their_value = theirs[field_name].message_type.fields_by_name["value"]
            assert shape_of(entry.fields_by_name["value"]) == shape_of(their_value), field_name


@pytest.mark.parametrize("name", ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"])
def test_states_have_the_official_numbers(name: str):
    states = official("ModelVersionStatus").enum_types_by_name["State"].values_by_name
    assert wire.STATES[name] == states[name].number
    assert len(wire.STATES) == len(states)


@pytest.mark.parametrize(
    "array",
    [
        np.array([["a", "ü" * 30], ["", "b"]]),
        np.array([b"\xff\x00", b""], dtype=object),
        np.array(7, np.int32),
        np.zeros((0, 3), np.float32),
        *(np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype) for dtype in "bhilBHILefdFD?"),
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_tensorflow_reads_what_we_write_and_the_other_way_round(array: np.ndarray):
    tf = pytest.importorskip("tensorflow")
    official_proto = importlib.import_module("tensorflow.core.framework.tensor_pb2").TensorProto
    expected = tf.constant(array).numpy()
    theirs = tf.make_ndarray(official_proto.FromString(wire.to_tensor_proto(array).SerializeToString()))
    np.testing.assert_array_equal(theirs, expected)
    ours = wire.to_ndarray(wire.TensorProto.FromString(tf.make_tensor_proto(array).SerializeToString()))
    np.testing.assert_array_equal(ours, expected)
    assert ours.dtype == theirs.dtype
    assert ours.shape == array.shape


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from(["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "c8", "c16", "?", "U5"]),
        arrays.array_shapes(min_dims=0, min_side=0, max_side=4),
    )
)
@example(np.array("\udcff"))
@example(np.array("\udd00"))
def test_a_round_trip_changes_nothing(array: np.ndarray):
    """But for lone surrogates that stand for no byte: no text holds them, and they are refused."""
    if array.dtype.kind == "U" and re.search("[\ud800-\udc7f\udd00-\udfff]", "".join(array.ravel())):
        with pytest.raises(SchemaError, match="lone surrogate"):
            wire.to_tensor_proto(array)
        return
    back = wire.to_ndarray(wire.TensorProto.FromString(wire.to_tensor_proto(array).SerializeToString()))
    assert back.shape == array.shape
    if array.dtype.kind == "U":
        assert [one.decode("utf-8", "surrogateescape") for one in back.ravel()] == array.ravel().tolist()
    else:
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.int8, np.complex64, object], ids=str)
@pytest.mark.parametrize(
    ("given", "expected"),
    [([], [0, 0, 0]), ([5], [5, 5, 5]), ([5, 6], [5, 6, 6]), ([5, 6, 7, 8], [5, 6, 7])],
    ids=["none", "one", "too few", "too many"],
)
def test_the_last_value_is_repeated_and_surplus_dropped(dtype: type, given: list[int], expected: list[int]):
    def values(numbers: list[int]) -> np.ndarray:
        if dtype is object:
            return np.array([str(one).encode() if one else b"" for one in numbers], dtype=object)
        return np.array(numbers, dtype)

    proto = wire.to_tensor_proto(values(given))
    proto.tensor_shape.dim[0].size = 3
    assert wire.to_ndarray(proto).tolist() == values(expected).tolist()


def test_strings_in_tensor_content_are_read():
    long = b"x" * 300
    content = bytes([1, 0, 0xAC, 0x02]) + b"a" + b"" + long
    proto = wire.TensorProto(dtype=7, tensor_content=content)
    proto.tensor_shape.dim.add(size=3)
    assert wire.to_ndarray(proto).tolist() == [b"a", b"", long]
    proto.tensor_content = content[:-1]
    with pytest.raises(SchemaError, match="3 strings"):
        wire.to_ndarray(proto)


@pytest.mark.parametrize(
    ("dtype", "sizes", "content"),
    [
        (0, [1], b""),
        (21, [1], b""),
        (1, [-1], b""),
        (1, [2**40, 2**40], b""),
        (1, [2**40, 2**40, 0], b""),
        (1, [1] * 65, b""),
        (1, [2], b"123"),
    ],
    ids=["no dtype", "variant", "unknown size", "overflow", "overflow before 0", "65 dimensions", "wrong length"],
)
def test_what_is_no_tensor_is_an_error(dtype: int, sizes: list[int], content: bytes):
    proto = wire.TensorProto(dtype=dtype, tensor_content=content)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    with pytest.raises(SchemaError):
        wire.to_ndarray(proto)


@pytest.mark.parametrize("array", [np.array([1, None], dtype=object), np.array(["2024-01-01"], "M8[D]")])
def test_what_cannot_be_sent_is_an_error(array: np.ndarray):
    with pytest.raises(SchemaError):
        wire.to_tensor_proto(array)
