"""Any request to the served shop gets a clear error or a sensible slate, and the server continues to answer."""

import grpc
import numpy as np
import pytest

from tfrec.client import RecommenderClient
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.server import EmbeddedServer

SHOP_SIGNATURES = [name for name, signature in SIGNATURES.items() if signature.servable == "shop"]


@pytest.fixture(scope="module")
def port(tiny_trained):
    with EmbeddedServer(tiny_trained.models, port=0) as server:
        yield server.port


@pytest.fixture(scope="module")
def predict(port):
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        call = channel.unary_unary(
            f"/{wire.PREDICTION_SERVICE}/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=wire.PredictResponse.FromString,
        )

        def ask(signature, **inputs):
            request = wire.PredictRequest(
                model_spec=wire.ModelSpec(name=SIGNATURES[signature].servable, signature_name=signature),
                inputs={name: wire.to_tensor_proto(np.asarray(value)) for name, value in inputs.items()},
            )
            response = call(request, timeout=60)
            return {name: wire.to_ndarray(proto) for name, proto in response.outputs.items()}

        yield ask


@pytest.fixture
def still_answers(port):
    yield
    with RecommenderClient(f"localhost:{port}", deadline=60) as client:
        assert len(client.recommend(k=3)) == 3


@pytest.mark.usefixtures("still_answers")
@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"k": np.array(["five"], object)}, id="text for a number"),
        pytest.param({"k": np.array([5], np.int64)}, id="64 bits for 32"),
        pytest.param({"k": np.array([5.0], np.float32)}, id="a float for a whole number"),
        pytest.param({"cart_item_ids": np.array([[1, 2]], np.int32)}, id="numbers for ids"),
        pytest.param({"cart_item_ids": np.array(["a"], object)}, id="a list of one dimension"),
        pytest.param({"user_id": np.array([["a"]], object)}, id="a value of two dimensions"),
        pytest.param({"user_id": np.array("a", object)}, id="no batch"),
        pytest.param(
            {"user_id": np.array(["a", "b"], object), "k": np.array([1, 2, 3], np.int32)}, id="two rows, three"
        ),
        pytest.param({"no_such_input": np.array(["a"], object)}, id="unknown input"),
    ],
)
def test_a_wrong_request_is_refused_by_name(predict, inputs):
    with pytest.raises(grpc.RpcError) as refused:
        predict("complete_cart", **inputs)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in refused.value.details()


@pytest.mark.usefixtures("still_answers")
@pytest.mark.parametrize("signature", SHOP_SIGNATURES)
@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({}, id="nothing at all"),
        pytest.param({"user_id": np.array(["\udcff\udcfe"], object)}, id="an id that is no UTF-8"),
        pytest.param({"user_id": np.array(["x" * 100_000], object)}, id="an endless id"),
        pytest.param({"exclude_item_ids": np.full((1, 5000), "x", object)}, id="thousands excluded"),
        pytest.param({"min_price": np.array([np.nan], np.float32)}, id="a price that is no number"),
        pytest.param({"max_price": np.array([np.nan], np.float32)}, id="a dearest price that is no number"),
        pytest.param({"min_price": np.array([9e9], np.float32)}, id="nothing dear enough"),
        pytest.param({"max_price": np.array([-1.0], np.float32)}, id="nothing cheap enough"),
        pytest.param({"k": np.array([-3], np.int32)}, id="fewer than none"),
        pytest.param({"k": np.array([1_000_000], np.int32)}, id="a million"),
        pytest.param({"diversity": np.array([7.0], np.float32)}, id="more than all diversity"),
    ],
)
def test_an_odd_request_gets_a_sensible_slate(predict, tiny_trained, signature, inputs):
    names = {spec.name for spec in SIGNATURES[signature].inputs}
    outputs = predict(signature, **{name: value for name, value in inputs.items() if name in names})
    offered = outputs["item_ids"][outputs["item_ids"] != b""]
    known = {item.encode() for item in tiny_trained.shop.vocabularies.items.tokens}
    assert set(offered.tolist()) <= known
    assert len(set(offered.tolist())) == len(offered)
    assert not np.isnan(outputs["scores"]).any()


@pytest.mark.usefixtures("still_answers")
@pytest.mark.parametrize("signature", SHOP_SIGNATURES)
def test_what_is_no_number_is_as_if_left_out(predict, tiny_trained, signature):
    """Beside a row that asks for variety, which turns on what a row alone would not come to."""
    shop = tiny_trained.shop
    numbers = {spec.name: spec for spec in SIGNATURES[signature].inputs if spec.dtype == "float32"}
    question = {
        "user_id": np.array(shop.users.tokens[:1].tolist() * 2, object),
        "item_id": np.array(shop.vocabularies.items.tokens[:1].tolist() * 2, object),
        "recent_item_ids": np.array([["", *shop.vocabularies.items.tokens[1:3]]] * 2, object),
        "history_item_ids": np.array([["", *shop.vocabularies.items.tokens[3:5]]] * 2, object),
    }
    question = {
        name: value for name, value in question.items() if name in {s.name for s in SIGNATURES[signature].inputs}
    }
    other = {"diversity": 0.5, "min_price": 1.0, "max_price": 1e6, "recent_ages": 1.0}
    other |= {"min_price_ratio": 1.2, "max_price_ratio": 3.0}
    other |= {"history_order_ages": 50.0, "cart_total": 30.0, "threshold": 50.0}

    def asked(value_of):
        values = {name: np.array([value_of(spec), other[name]], np.float32) for name, spec in numbers.items()}
        for name in {"recent_ages", "history_order_ages"} & set(values):
            values[name] = np.repeat(values[name][:, None], 3, axis=1)
        return predict(signature, **question, **values)

    without, given = asked(lambda spec: spec.padding), asked(lambda spec: np.nan)
    assert given["item_ids"].tolist() == without["item_ids"].tolist()
    for extreme in (np.inf, -np.inf, -5.0):
        outputs = asked(lambda spec, extreme=extreme: spec.padding if "price" in spec.name else extreme)
        offered = [item for item in outputs["item_ids"][0].tolist() if item]
        assert len(set(offered)) == len(offered)
        assert not np.isnan(outputs["scores"]).any()


def test_no_queries_get_no_slates(predict):
    outputs = predict("recommend", user_id=np.zeros(0, object))
    assert outputs["item_ids"].shape[0] == 0


def test_unknown_items_in_the_cart_change_nothing(predict):
    plain = predict("complete_cart", cart_item_ids=np.array([[""]], object))
    odd = predict("complete_cart", cart_item_ids=np.array([["no-such-item", "nor-this"]], object))
    assert odd["item_ids"].tolist() == plain["item_ids"].tolist()
