"""TF Serving's messages of configuration files that the package tensorflow-serving-api leaves out, by field number.

`BatchingParameters` (servables/tensorflow/session_bundle_config.proto), `MonitoringConfig` (config/monitoring_config
.proto) and `SSLConfig` (config/ssl_config.proto).
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_PACKAGE = "tfrec_tests.serving"
_INT64 = ".google.protobuf.Int64Value"
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "BatchingParameters": (
        (1, "max_batch_size", _INT64),
        (2, "batch_timeout_micros", _INT64),
        (3, "max_enqueued_batches", _INT64),
        (4, "num_batch_threads", _INT64),
        (6, "allowed_batch_sizes", "repeated int64"),
        (7, "pad_variable_length_inputs", "bool"),
    ),
    "PrometheusConfig": ((1, "enable", "bool"), (2, "path", "string")),
    "MonitoringConfig": ((1, "prometheus_config", f".{_PACKAGE}.PrometheusConfig"),),
    "SSLConfig": (
        (1, "server_key", "string"),
        (2, "server_cert", "string"),
        (3, "custom_ca", "string"),
        (4, "client_verify", "bool"),
    ),
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="tfrec_tests/serving.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field_name, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if kind.startswith("repeated ") else field.LABEL_OPTIONAL
            kind = kind.removeprefix("repeated ")
            if kind.startswith("."):
                field.type, field.type_name = field.TYPE_MESSAGE, kind
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    found = message_factory.GetMessageClassesForFiles([file.name], pool)
    return {name.rpartition(".")[2]: kind for name, kind in found.items()}


CLASSES = _classes()
