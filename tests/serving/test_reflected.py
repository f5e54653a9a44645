"""Tools that know nothing of TF Serving find out by reflection what may be asked, and ask it."""

from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.serving.requests import put
from tfrec.serving.server import EmbeddedServer

NUMBERS = {"float": 1, "string": 7}


def test_a_tool_asks_by_what_reflection_describes(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    with EmbeddedServer(tmp_path, port=0) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert {
            "tensorflow.serving.PredictionService",
            "tensorflow.serving.ModelService",
            "grpc.health.v1.Health",
        } <= set(database.get_services())
        pool = descriptor_pool.DescriptorPool(database)
        method = pool.FindServiceByName("tensorflow.serving.PredictionService").FindMethodByName("Predict")
        request = message_factory.GetMessageClass(method.input_type)()
        response = message_factory.GetMessageClass(method.output_type)
        request.model_spec.name, request.model_spec.signature_name = "shop", "similar"
        request.inputs["user_id"].dtype = NUMBERS["string"]
        request.inputs["user_id"].tensor_shape.dim.add(size=1)
        request.inputs["user_id"].string_val.append(b"u")
        answer = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )(request, timeout=10)
        assert answer.model_spec.version.value == 1
        assert answer.outputs["item_ids"].string_val[0] == b"item_0"
        assert pool.FindServiceByName("grpc.health.v1.Health").FindMethodByName("Watch").server_streaming
