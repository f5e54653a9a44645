"""A sample of random and malformed requests breaks nothing; `python -m tests.benchmarks.fuzz` sends more."""

from pathlib import Path

from tests.benchmarks.fuzz import send_random, served
from tests.benchmarks.malformed_requests import Http, RequestMaker, Rpc
from tfrec.schema import wire
from tfrec.serving.saved_model import read_signature_defs, signatures_of


def test_a_server_survives_what_is_sent(tiny_models: Path, tmp_path: Path):
    with served(tiny_models, tmp_path) as server:
        found = send_random(server, num_requests=400, seed=1)
    assert found.broken == []
    assert found.num_requests == 400
    assert {"gRPC OK", "gRPC INVALID_ARGUMENT", "REST 200", "REST 400", "REST 404"} <= set(found.codes)


def test_a_request_is_made_again_from_its_number_and_all_signatures_are_asked(tiny_models: Path):
    signatures = {"shop": signatures_of(read_signature_defs(tiny_models / "shop" / "1"))}
    maker = RequestMaker(signatures, [b"item_0"])
    made = [maker.make(number, deadline=9.0) for number in range(300)]
    assert repr(made) == repr([maker.make(number, deadline=9.0) for number in range(300)])
    assert {type(request) for request in made} == {Rpc, Http}
    asked = set()
    for request in made:
        if isinstance(request, Rpc) and request.method.endswith("Predict"):
            try:
                asked.add(wire.PredictRequest.FromString(request.content).model_spec.signature_name)
            except Exception:  # some are no messages at all
                continue
    assert {name for name in signatures["shop"] if not name.startswith("__")} <= asked
