"""The thin client asks a served shop, and its errors name the cause."""

import inspect
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tfrec import errors
from tfrec.client import Exploration, Offers, Origin, RecommenderClient
from tfrec.schema import wire
from tfrec.schema.inputs import HISTORY_INPUTS
from tfrec.schema.signatures import SETS, SIGNATURES
from tfrec.serving.server import EmbeddedServer
from tfrec.serving.tls import ServerTls


@pytest.fixture(scope="module")
def server(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("shop", "m"):
        shutil.copytree(tiny_models / name, folder / name)
    with EmbeddedServer(folder, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: EmbeddedServer) -> Iterator[RecommenderClient]:
    with RecommenderClient(f"127.0.0.1:{server.port}", deadline=10) as connected:
        yield connected


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- a fake server, for what a healthy one never answers --------------------------------------------------------------


@pytest.fixture
def faked() -> Iterator[Callable[[Callable[[bytes, grpc.ServicerContext], bytes]], str]]:
    """Gives a function that serves `answer(request, context)` as Predict and GetModelStatus, and returns the target."""
    servers: list[grpc.Server] = []

    def start(answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(4))
        for service, method in [(wire.PREDICTION_SERVICE, "Predict"), (wire.MODEL_SERVICE, "GetModelStatus")]:
            handlers = {method: grpc.unary_unary_rpc_method_handler(answer)}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(0).wait()


def aborting(code: grpc.StatusCode, details: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, details)

    return answer


# --- answers ----------------------------------------------------------------------------------------------------------


def test_one_query_gets_the_offered_items_only(client: RecommenderClient):
    offers = client.cross_sell(cart_item_ids=["item_0", "item_2"], user_id="ü", k=3)
    assert offers.item_ids.tolist() == ["item_1", "item_3", "item_4"]
    assert offers.prices.tolist() == [11.0, 13.0, 14.0]
    assert (len(offers), offers.is_batch, offers.model_version) == (3, False, 1)
    first = next(iter(offers))
    assert (first.item_id, first.price, first.reason, first.source) == ("item_1", 11.0, "bought_together", "cart")
    assert first.reason_sentence() == "bought together with ü in 4 orders"
    assert first.reason_sentence({"ü": "a mug"}) == "bought together with a mug in 4 orders"


@pytest.mark.parametrize("nothing", [np.empty((0, 3)), [], np.empty((0, 3), object)], ids=["floats", "list", "objects"])
def test_a_batch_of_no_queries_has_no_rows(client: RecommenderClient, nothing: Any):
    argument = {"user_id": nothing} if isinstance(nothing, list) else {"cart_item_ids": nothing}
    offers = client.complete_cart(**argument)
    assert offers.is_batch
    assert len(offers.item_ids) == 0
    assert list(offers.queries()) == []


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), "1", True])
def test_a_wrong_deadline_is_named(client: RecommenderClient, deadline: Any):
    with pytest.raises(errors.ConfigError, match="`deadline`"):
        client.recommend(deadline=deadline)


def test_padding_behind_the_end_is_dropped(client: RecommenderClient):
    offers = client.complete_cart(cart_item_ids=[f"item_{number}" for number in range(4)], k=6)
    assert offers.item_ids.tolist() == ["item_4", "item_5"]
    assert np.isfinite(offers.scores).all()


def test_a_batch_gets_a_row_for_each_query(client: RecommenderClient):
    offers = client.cross_sell(cart_item_ids=[["item_0", "item_1", "item_2"], [], ["item_0"]], k=[1, 2, 3])
    assert offers.item_ids.tolist() == [["item_3", "", ""], ["item_0", "item_1", ""], ["item_1", "item_2", "item_3"]]
    assert [one.item_ids.tolist() for one in offers.queries()][:2] == [["item_3"], ["item_0", "item_1"]]
    slate = offers.to_slate()
    assert len(slate) == 3
    assert slate.extras["prices"][0].tolist() == [13.0, 0.0, 0.0]


def test_what_is_given_for_one_query_counts_for_every_row_of_a_batch(client: RecommenderClient):
    offers = client.recommend(user_id=["a", "b"], cart_item_ids=["item_0"], k=1)
    assert offers.item_ids.tolist() == [["item_1"], ["item_1"]]
    assert offers.reason_item_ids.tolist() == [["a"], ["b"]]


@pytest.mark.parametrize("name", [name for name, one in SIGNATURES.items() if one.is_slate])
def test_every_strategy_answers_without_any_argument(client: RecommenderClient, name: str):
    number = 2 if name == "bundle" else 6
    assert getattr(client, name)().item_ids.tolist() == [f"item_{place}" for place in range(number)]


@pytest.mark.parametrize("name", [name for name, one in SIGNATURES.items() if one.servable == "shop"])
def test_parameters_are_those_of_the_serving_contract(name: str):
    """Users' events are no parameters: a history store brings them."""
    parameters = inspect.signature(getattr(RecommenderClient, name)).parameters
    inputs = {spec.name for spec in SIGNATURES[name].inputs} - set(HISTORY_INPUTS)
    assert set(parameters) - {"self", "deadline"} == inputs
    assert all(one.kind is one.KEYWORD_ONLY for key, one in parameters.items() if key != "self")


def test_the_order_of_a_cart_is_as_wide_as_the_cart(client: RecommenderClient):
    lines = client.arrange_cart(cart_item_ids=["item_3", "item_1"])
    assert lines["item_ids"].tolist() == [["item_1", "item_3"]]
    assert lines["complement_item_ids"].tolist() == [["item_0", ""]]
    batch = client.arrange_cart(cart_item_ids=[["item_2"], [], ["item_5", "item_4", "item_3"]], user_id=["a", "b", "c"])
    assert batch["item_ids"].tolist() == [["item_2", "", ""], ["", "", ""], ["item_3", "item_4", "item_5"]]
    assert np.isneginf(batch["scores"]).tolist() == [[False, True, True], [True] * 3, [False] * 3]
    assert client.arrange_cart()["item_ids"].shape == (1, 0)


@pytest.mark.parametrize("signature", SETS)
def test_what_belongs_together_is_never_drawn(server: EmbeddedServer, signature: str):
    with RecommenderClient(
        f"127.0.0.1:{server.port}", explore=Exploration(temperature=100.0, pool=6), deadline=10
    ) as client:
        offers = getattr(client, signature)(k=3)
    assert offers.item_ids.tolist() == ["item_0", "item_1", "item_2"] and np.isnan(offers.propensities).all()


def test_offers_read_as_a_table(client: RecommenderClient):
    text = repr(client.upsell(item_id="item_0", user_id="item_0", k=2))
    assert text.splitlines()[1:] == [
        "  1. item_0      10.00  bought together with item_0 in 3 orders",
        "  2. item_1      11.00  bought together with item_0 in 4 orders",
    ]
    assert repr(client.similar(k=0)) == "Offers: none (version 1)"
    assert repr(client.similar(k=[1, 2])) == "Offers for 2 queries, up to 2 each (version 1)"


def test_rows_of_a_batch_are_not_iterated_by_mistake(client: RecommenderClient):
    with pytest.raises(errors.SchemaError, match="queries"):
        list(client.similar(k=[1, 2]))


def test_pandas_columns_are_taken(client: RecommenderClient):
    pd = pytest.importorskip("pandas")
    carts = pd.Series([["item_0"], ["item_1", "item_0"]], index=[7, 8])
    offers = client.complete_cart(cart_item_ids=carts, user_id=pd.Series(["a", "b"]), k=np.int64(1))
    assert offers.item_ids.tolist() == [["item_1"], ["item_2"]]
    one = client.complete_cart(cart_item_ids=pd.Series(["item_0", "item_1"]), k=1)
    assert one.item_ids.tolist() == ["item_2"]


def test_raw_outputs_of_any_signature(client: RecommenderClient):
    outputs = client.ask("similar", {"k": 2})
    assert outputs["item_ids"].tolist() == [["item_0", "item_1"]]
    assert outputs["prices"].dtype == np.float32


def test_bytes_that_are_not_utf8_go_there_and_back(client: RecommenderClient):
    assert client.similar(user_id="b\udcff", k=1).reason_item_ids.tolist() == ["b\udcff"]


def test_threads_share_a_client(client: RecommenderClient):
    with futures.ThreadPoolExecutor(8) as pool:
        names = [f"user {number}" for number in range(200)]
        answers = list(pool.map(lambda name: client.similar(user_id=name, k=1).reason_item_ids[0], names))
    assert answers == names


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_all_inputs_are_sent_with_one_row_each_as_batching_needs_it(faked: Any):
    seen: list[Any] = []

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append(wire.PredictRequest.FromString(request))
        context.abort(grpc.StatusCode.INTERNAL, "seen")

    with RecommenderClient(faked(answer), version=7) as client, pytest.raises(errors.ServingError):
        client.cross_sell(cart_item_ids=[["a"], ["b", "c"]], recent_item_ids=["x", "y", "z"])
    (request,) = seen
    arrays = {name: wire.to_ndarray(proto) for name, proto in request.inputs.items()}
    assert set(arrays) == {spec.name for spec in SIGNATURES["cross_sell"].inputs}
    assert {len(array) for array in arrays.values()} == {2}
    assert arrays["cart_item_ids"].tolist() == [[b"", b"a", b""], [b"", b"b", b"c"]]
    assert (
        arrays["recent_ages"].tolist() == [[0.0] * 4] * 2
    )  # as wide as the items that they belong to, padding in front
    assert arrays["max_price"].tolist() == [np.inf] * 2
    assert arrays["k"].dtype == np.int32
    assert (request.model_spec.name, request.model_spec.signature_name) == ("shop", "cross_sell")
    assert request.model_spec.version.value == 7


# --- wrong arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cart_item_ids": "item_0"}, r"write \['item_0'\]"),
        ({"cart_item_ids": ["a", ["b"]]}, "mixes lists and single values"),
        ({"cart_item_ids": [["a"], ["b"]], "user_id": ["u"]}, "same length"),
        ({"cart_item_ids": [3]}, "`cart_item_ids` takes texts .*; got 3 .int.. Write '3'"),
        ({"k": "many"}, "`k` takes numbers"),
        ({"k": 2.5}, "whole numbers"),
        ({"k": 2**40}, "32 bits"),
        ({"recent_item_ids": ["a", "b"], "recent_ages": [1.0]}, "2 items and 1 values"),
        ({"recent_event_types": ["view"]}, "0 items and 1 values"),
    ],
    ids=["no list", "mixed", "lengths", "number as id", "text as k", "half", "too large", "ages", "types alone"],
)
def test_wrong_arguments_are_named_before_anything_is_sent(client: RecommenderClient, arguments: Any, text: str):
    with pytest.raises(errors.SchemaError, match=text):
        client.cross_sell(**arguments)


def test_an_unknown_input_or_signature_names_the_nearest(client: RecommenderClient):
    with pytest.raises(errors.SchemaError, match="'cart_item_ids'"):
        client.ask("cross_sell", {"cart_items_ids": ["a"]})
    with pytest.raises(errors.SchemaError, match="'similar'"):
        client.ask("simular", {})


@pytest.mark.parametrize("target", ["", "http://localhost:8500", None])
def test_a_target_that_is_no_address_is_an_error(target: Any):
    with pytest.raises(errors.ConfigError, match="host:port"):
        RecommenderClient(target)


# --- errors that name the cause ---------------------------------------------------------------------------------------


def test_a_closed_port_is_an_unreachable_server():
    with RecommenderClient(f"127.0.0.1:{free_port()}") as client:
        started = time.monotonic()
        with pytest.raises(errors.ServerUnreachableError, match="tfrec serve"):
            client.similar(item_id="a")
        assert time.monotonic() - started < 1.5
        with pytest.raises(ConnectionError):
            client.wait_until_ready(timeout=0.3)


def test_a_version_that_is_not_loaded_is_named(server: EmbeddedServer):
    with (
        RecommenderClient(f"127.0.0.1:{server.port}", version=9) as client,
        pytest.raises(errors.ServableNotLoadedError, match=r"Specific\(shop, 9\)"),
    ):
        client.similar(item_id="a")


def test_a_servable_that_is_not_loaded_is_named(client: RecommenderClient):
    with pytest.raises(LookupError, match=r"Latest\(retrieval\)"):
        client.ask("retrieve", {"user_id": "u"})
    with pytest.raises(errors.ServableNotLoadedError, match="retrieval"):
        client.wait_until_ready(timeout=0.2, servables=["retrieval"])


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        ("FAILED_PRECONDITION", 'Serving signature key "similar" not found.', errors.SignatureNotFoundError),
        ("INVALID_ARGUMENT", "Expects arg[0] to be string", errors.RequestRefusedError),
        ("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted", errors.ServerOverloadedError),
        (
            "UNAVAILABLE",
            "The batch scheduling queue to which this task was submitted is full",
            errors.ServerOverloadedError,
        ),
        ("UNIMPLEMENTED", "Method not found!", errors.ServingError),
        ("INTERNAL", "", errors.ServingError),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_statuses_become_errors_that_name_the_cause(faked: Any, code: str, details: str, expected: type):
    with RecommenderClient(faked(aborting(grpc.StatusCode[code], details))) as client:
        with pytest.raises(errors.ServingError) as caught:
            client.similar(item_id="a")
        assert type(caught.value) is expected
        assert caught.value.code == grpc.StatusCode[code].value[0]
        assert details in str(caught.value)


def test_a_slow_server_is_given_up_at_the_deadline(faked: Any):
    release = threading.Event()

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        release.wait(10)
        return b""

    with RecommenderClient(faked(answer), deadline=5) as client:
        started = time.monotonic()
        with pytest.raises(TimeoutError, match=r"no answer in 0\.2 s"):
            client.similar(item_id="a", deadline=0.2)
        assert time.monotonic() - started < 2
    release.set()


def test_an_unavailable_server_is_asked_once_more_and_no_other_status_is(faked: Any):
    calls: list[bytes] = []
    good = wire.PredictResponse(outputs={"y": wire.to_tensor_proto(np.array([[1.0]]))}).SerializeToString()

    def recovering(request: bytes, context: grpc.ServicerContext) -> bytes:
        calls.append(request)
        if len(calls) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        return good

    with RecommenderClient(faked(recovering)) as client:
        assert client.ask("similar", {})["y"].tolist() == [[1.0]]
    assert len(calls) == 2

    for code, expected in [(grpc.StatusCode.UNAVAILABLE, 2), (grpc.StatusCode.INTERNAL, 1)]:
        calls.clear()

        def failing(request: bytes, context: grpc.ServicerContext, code: grpc.StatusCode = code) -> bytes:
            calls.append(request)
            context.abort(code, "still")

        with RecommenderClient(faked(failing)) as client, pytest.raises(errors.ServingError):
            client.similar(item_id="a")
        assert len(calls) == expected


def test_an_answer_of_more_than_four_mebibytes_is_taken(faked: Any):
    large = wire.to_tensor_proto(np.full((1, 6_000), "x" * 1_000))
    content = wire.PredictResponse(outputs={"item_ids": large}).SerializeToString()
    target = faked(lambda request, context: content)
    with RecommenderClient(target) as client:
        assert client.ask("similar", {"k": 6_000}, deadline=10)["item_ids"].shape == (1, 6_000)
    with RecommenderClient(target, max_message_bytes=2**20) as client, pytest.raises(errors.ServerOverloadedError):
        client.ask("similar", {}, deadline=10)


def test_an_answer_without_prices_is_no_shop():
    with pytest.raises(errors.ServingError, match="prices"):
        Offers.from_outputs(
            {"item_ids": np.array([["a"]], object), "scores": np.zeros((1, 1))}, [Origin("r1", "shop", 3)]
        )


def test_a_state_other_than_available_is_reported(faked: Any):
    response = wire.GetModelStatusResponse()
    response.model_version_status.add(version=3, state=50, status={"error_code": 5, "error_message": "file missing"})
    with (
        RecommenderClient(faked(lambda request, context: response.SerializeToString())) as client,
        pytest.raises(errors.ServableNotLoadedError, match="version 3 is END file missing"),
    ):
        client.wait_until_ready(timeout=0.1)


def test_waiting_ends_as_soon_as_the_server_is_there(tiny_models: Path, tmp_path: Path):
    shutil.copytree(tiny_models / "shop", tmp_path / "shop")
    port = free_port()
    with RecommenderClient(f"127.0.0.1:{port}", deadline=5) as client:
        with pytest.raises(errors.ServerUnreachableError):
            client.similar(item_id="a")
        with EmbeddedServer(tmp_path, port=port):
            client.wait_until_ready(timeout=20)
            assert len(client.similar(item_id="a", k=2)) == 2


def test_tls_on_both_sides_or_on_neither(tiny_models: Path, tmp_path: Path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    client_side = grpc.ssl_channel_credentials(certificate.read_bytes())
    shutil.copytree(tiny_models / "shop", tmp_path / "models" / "shop")
    with EmbeddedServer(tmp_path / "models", port=0, tls=ServerTls(certificate, key)) as server:
        target = f"localhost:{server.port}"
        with RecommenderClient(target, credentials=client_side, deadline=10) as client:
            assert len(client.similar(item_id="a", k=2)) == 2
        with RecommenderClient(target) as client, pytest.raises(errors.ServingError, match=r"TLS|no answer"):
            client.similar(item_id="a")


# --- thin -------------------------------------------------------------------------------------------------------------

_IMPORT = """
import sys
from tfrec.client import RecommenderClient
heavy = {"tensorflow", "tensorflow_serving", "tf_keras", "keras", "pandas", "pyarrow", "scipy", "sklearn", "duckdb"}
print(sorted(heavy & {name.split(".")[0] for name in sys.modules}), len(sys.modules))
"""


def test_the_client_loads_nothing_heavy():
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, env=environment, check=True)
    heavy, num_modules = done.stdout.strip().rsplit(" ", 1)
    assert heavy == "[]"
    assert int(num_modules) < 700  # 450 or so; TensorFlow alone brings more than 2,000
