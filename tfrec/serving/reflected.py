"""Describes the served methods under TF Serving's names, so that tools such as grpcurl can ask without its files.

The messages are those of `tfrec.schema.wire`: enums are numbers there, and what tfrec does not read is left out.
"""

from collections.abc import Iterable

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, wrappers_pb2

from tfrec.schema import wire

_UNARY = {
    wire.PREDICTION_SERVICE: {
        "Predict": ("PredictRequest", "PredictResponse"),
        "GetModelMetadata": ("GetModelMetadataRequest", "GetModelMetadataResponse"),
    },
    wire.MODEL_SERVICE: {
        "GetModelStatus": ("GetModelStatusRequest", "GetModelStatusResponse"),
        "HandleReloadConfigRequest": ("ReloadConfigRequest", "ReloadConfigResponse"),
    },
    wire.HEALTH_SERVICE: {"Check": ("HealthCheckRequest", "HealthCheckResponse")},
}
_WATCH = ("HealthCheckRequest", "HealthCheckResponse")
_STANDARD = {"Int64Value": wrappers_pb2, "Any": any_pb2}
_CORE = (
    *("Dim", "TensorShapeProto", "TensorProto", "TensorInfo", "SignatureDef"),
    *("MetaInfoDef", "MetaGraphDef", "SavedModel"),
)
_FILES = {"tensorflow": "tfrec/tensorflow.proto", "tensorflow.serving": "tfrec/serving.proto"}
_FILES["grpc.health.v1"] = "tfrec/health.proto"
SERVICES = tuple(_UNARY)


def described_services() -> descriptor_pool.DescriptorPool:
    """Returns a pool with the services, and all that they take and give."""
    declared = descriptor_pb2.FileDescriptorProto()
    wire.TensorProto.DESCRIPTOR.file.CopyToProto(declared)
    pool = descriptor_pool.DescriptorPool()
    for module in _STANDARD.values():
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for package, name in _FILES.items():
        file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
        file.dependency.extend(module.DESCRIPTOR.name for module in _STANDARD.values())
        if package == "tensorflow.serving":
            file.dependency.append(_FILES["tensorflow"])
        for message in declared.message_type:
            if message.name not in _STANDARD and _package_of(message.name) == package:
                file.message_type.add().CopyFrom(message)
                _rename_types(file.message_type[-1], declared.package)
        for service, methods in _UNARY.items():
            if service.rpartition(".")[0] == package:
                described = file.service.add(name=service.rpartition(".")[2])
                for method, (taken, given) in methods.items():
                    described.method.add(name=method, input_type=_full(taken), output_type=_full(given))
                if service == wire.HEALTH_SERVICE:
                    taken, given = map(_full, _WATCH)
                    described.method.add(name="Watch", input_type=taken, output_type=given, server_streaming=True)
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _package_of(name: str) -> str:
    return "tensorflow" if name in _CORE else "grpc.health.v1" if name.startswith("Health") else "tensorflow.serving"


def _full(name: str) -> str:
    """Returns the full name of a message: `.tensorflow.TensorProto`."""
    return f".google.protobuf.{name}" if name in _STANDARD else f".{_package_of(name)}.{name}"


def _rename_types(message: descriptor_pb2.DescriptorProto, package: str) -> None:
    """Gives the fields of a message, and of what is nested in it, the full names of their types."""
    fields: Iterable[descriptor_pb2.FieldDescriptorProto] = message.field
    for field in fields:
        if field.type_name:
            name, _, nested = field.type_name.removeprefix(f".{package}.").partition(".")
            field.type_name = f"{_full(name)}.{nested}" if nested else _full(name)
    for inner in message.nested_type:
        _rename_types(inner, package)
