"""Logged requests beside the training period: what shifted is named, what did not is left alone."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords import read, written
from tests.worlds import bought, make_shop, viewed
from tfrec.cli import main
from tfrec.client.queries import build_inputs
from tfrec.errors import ConfigError, SourceError
from tfrec.release.drift import AS_TRAINED, REPORTED, SHIFTED, TOO_FEW, DriftConfig, measure_drift
from tfrec.release.trained_traffic import count_training_traffic
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.known_ids import write_known_ids
from tfrec.serving.request_log import RequestLog

SHELVES = ("Home", "Sport", "Garden")
ITEMS = {
    f"{shelf}{number}": {"category": f"{shelf} > {number % 2}", "price": 1.0 + number + 20 * place}
    for place, shelf in enumerate(SHELVES)
    for number in range(20)
}
NUM_ORDERS = 400


def draw(rng: np.random.Generator, shares: tuple[float, ...]) -> list[str]:
    """The items of an order: one to five, all of one shelf."""
    shelf = SHELVES[rng.choice(3, p=shares)]
    return [f"{shelf}{number}" for number in rng.choice(20, rng.integers(1, 6), replace=False)]


TRAINED = (0.6, 0.3, 0.1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that was trained on orders of the shelves in the shares `TRAINED`."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(NUM_ORDERS):
        items = draw(rng, TRAINED)
        rows += viewed(f"u{number % 100}", number / 8, *items) + bought(f"u{number % 100}", number / 8 + 0.1, *items)
    folder = tmp_path_factory.mktemp("models") / "shop" / "1"
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    count_training_traffic(make_shop(rows, ITEMS)).write(folder)
    write_known_ids(folder, {"items": ITEMS, "users": [f"u{number}" for number in range(100)], "categories": SHELVES})
    return folder.parents[1]


def carts(rng: np.random.Generator, num_orders: int, shares: tuple[float, ...] = TRAINED) -> Iterator[dict]:
    """What pages ask while orders grow, item by item."""
    for number in range(num_orders):
        order = draw(rng, shares)
        for size in range(1, len(order) + 1):
            yield {"user_id": f"u{number}", "cart_item_ids": order[:size], "item_id": order[size - 1]}


def log(folder: Path, queries: Iterator[dict], *, offered: tuple[str, ...] = (), servable: str = "shop") -> Path:
    """Logs requests as the server does."""
    writer = RequestLog(folder, share=1.0)
    for query in queries:
        signature = SIGNATURES["cross_sell"]
        given = {spec.name: [query.get(spec.name, spec.padding if spec.rank == 1 else [])] for spec in signature.inputs}
        inputs = build_inputs(signature, given)[0]
        spec = wire.ModelSpec(name=servable, signature_name="cross_sell")
        request = wire.PredictRequest(
            model_spec=spec, inputs={name: wire.to_tensor_proto(array) for name, array in inputs.items()}
        )
        response = wire.PredictResponse(model_spec=spec)
        response.model_spec.version.value = 1
        response.outputs["item_ids"].CopyFrom(wire.to_tensor_proto(np.array([[*offered, ""]], object)))
        while writer._queue.full():
            pass
        writer.add(request, response)
    writer.close()
    return folder


def verdicts(drift) -> dict[str, str]:
    return {one.what: one.verdict for one in drift.shifts} | {one.input: one.verdict for one in drift.ids}


def test_requests_as_in_training_are_not_flagged(models: Path, tmp_path: Path):
    drift = measure_drift(models, [log(tmp_path / "log", carts(np.random.default_rng(2), 400), offered=("Home1",))])
    judged = {what: verdict for what, verdict in verdicts(drift).items() if verdict != REPORTED}
    assert set(judged.values()) == {AS_TRAINED}
    assert {"items in carts, by category", "items in a cart", "items on the page, by price"} <= set(judged)
    assert not drift.has_shifted
    assert drift.versions == {1: drift.num_requests}
    (asked,) = drift.signatures
    assert (asked.signature, asked.num_requests, asked.num_queries, asked.num_empty) == (
        *("cross_sell", drift.num_requests, drift.num_requests), 0,
    )  # fmt: skip


def test_other_categories_are_flagged_and_named(models: Path, tmp_path: Path):
    drift = measure_drift(models, [log(tmp_path / "log", carts(np.random.default_rng(2), 300, (0.2, 0.2, 0.6)))])
    found = {one.what: one for one in drift.shifts}
    shift = found["items in carts, by category"]
    assert shift.verdict == SHIFTED and shift.largest == "Garden"
    assert abs(shift.training["Garden"] - 0.1) < 0.04 and abs(shift.requests["Garden"] - 0.6) < 0.08
    assert found["items on the page, by category"].verdict == SHIFTED
    assert found["items on the page, by price"].verdict == SHIFTED  # Garden is dear
    assert found["items in a cart"].verdict == AS_TRAINED
    assert drift.has_shifted


def test_larger_carts_are_flagged(models: Path, tmp_path: Path):
    rng = np.random.default_rng(3)
    orders = ([item for _ in range(4) for item in draw(rng, TRAINED)] for _ in range(200))
    queries = ({"user_id": f"u{number}", "cart_item_ids": order} for number, order in enumerate(orders))
    found = verdicts(measure_drift(models, [log(tmp_path / "log", queries)]))
    assert found["items in a cart"] == SHIFTED
    assert found["items in carts, by category"] == AS_TRAINED


def test_ids_that_training_did_not_know_are_flagged_of_items_alone(models: Path, tmp_path: Path):
    known = carts(np.random.default_rng(2), 200)
    queries = (
        {**query, "user_id": f"new{number}", "item_id": f"new{number}" if number % 5 == 0 else query["item_id"]}
        for number, query in enumerate(known)
    )
    drift = measure_drift(models, [log(tmp_path / "log", queries)])
    ids = {one.input: one for one in drift.ids}
    assert (ids["item_id"].verdict, ids["cart_item_ids"].verdict, ids["user_id"].verdict) == (
        *(SHIFTED, AS_TRAINED), REPORTED,
    )  # fmt: skip
    assert ids["item_id"].share == pytest.approx(0.2, abs=0.01)
    assert ids["user_id"].num_unknown == ids["user_id"].num_ids
    assert measure_drift(models, [tmp_path / "log"], config=DriftConfig(unknown=0.3)).has_shifted is False


def test_few_users_prove_no_shift_however_often_they_ask(models: Path, tmp_path: Path):
    queries = ({"user_id": f"u{number % 4}", "cart_item_ids": [f"Garden{number % 20}"]} for number in range(200))
    drift = measure_drift(models, [log(tmp_path / "few", carts(np.random.default_rng(5), 4))])
    assert {one.verdict for one in drift.shifts if one.what != "items offered, by category"} <= {TOO_FEW, REPORTED}
    drift = measure_drift(models, [log(tmp_path / "log", queries)])
    (shift,) = [one for one in drift.shifts if one.what == "items in carts, by category"]
    assert (shift.num_queries, round(shift.num_users)) == (200, 4)
    assert shift.chance > 0.25


def test_what_is_offered_is_reported_without_a_verdict(models: Path, tmp_path: Path):
    drift = measure_drift(models, [log(tmp_path / "log", carts(np.random.default_rng(2), 50), offered=("Garden19",))])
    offered = [one for one in drift.shifts if one.what.startswith("items offered")]
    assert [one.verdict for one in offered] == [REPORTED, REPORTED]
    assert offered[0].requests["Garden"] == 1.0


def test_the_command_prints_a_table_and_exits_with_1_on_a_shift(models: Path, tmp_path: Path, capsys):
    same = log(tmp_path / "same", carts(np.random.default_rng(2), 400))
    other = log(tmp_path / "other", carts(np.random.default_rng(2), 300, (0.2, 0.2, 0.6)))
    assert main(["drift", str(models), str(same)]) == 0
    assert "SHIFTED" not in capsys.readouterr().out
    assert main(["drift", str(models), str(other)]) == 1
    assert re.search(r"items in carts, by category .* Garden: \d+\.\d% → \d+\.\d% .* SHIFTED", capsys.readouterr().out)
    assert main(["drift", str(models), str(same), str(other), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == 1 and found["shifts"][0]["verdict"] == SHIFTED


def test_logs_that_are_none_are_refused_by_name(models: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tfrecord").write_text("user_id,item_id\n")
    (tmp_path / "foreign.tfrecord").write_bytes(written([b"\x0a\x03abc"]))
    (tmp_path / "void.tfrecord").write_bytes(b"")
    of_other = log(tmp_path / "other", iter([{"user_id": "u1"}]), servable="toys")
    for place, message in {
        tmp_path / "nowhere": "is not there",
        tmp_path / "empty": "holds no logged requests",
        tmp_path / "text.tfrecord": "not in TFRecord format",
        tmp_path / "foreign.tfrecord": "Record 1 of .* is no logged request",
        tmp_path / "void.tfrecord": "holds no request at all",
        of_other: r"no request to 'shop' \(requests to toys: 1\)",
    }.items():
        with pytest.raises(SourceError, match=message):
            measure_drift(models, [place])


def test_a_log_that_is_cut_off_is_read_as_far_as_it_goes(models: Path, tmp_path: Path, caplog):
    (file,) = log(tmp_path / "log", carts(np.random.default_rng(2), 20)).iterdir()
    whole = measure_drift(models, [file]).num_requests
    file.write_bytes(file.read_bytes()[:-10])
    assert measure_drift(models, [file]).num_requests == whole - 1
    assert "damaged after" in caplog.text


def test_versions_that_note_nothing_are_refused(models: Path, tmp_path: Path):
    (tmp_path / "shop" / "2").mkdir(parents=True)
    (tmp_path / "shop" / "2" / "saved_model.pb").touch()
    place = log(tmp_path / "log", carts(np.random.default_rng(2), 1))
    with pytest.raises(SourceError, match="tfrec export"):
        measure_drift(tmp_path, [place])
    with pytest.raises(SourceError, match=r"no version 7 of 'shop' \(versions: 2\)"):
        measure_drift(tmp_path, [place], version=7)
    with pytest.raises(ConfigError, match="`index` must be positive"):
        DriftConfig(index=0.0)


def test_the_command_needs_no_tensorflow(models: Path, tmp_path: Path):
    place = log(tmp_path / "log", carts(np.random.default_rng(2), 5))
    program = (
        "import sys; from tfrec.cli import main; main(sys.argv[1:]);"
        "print([name for name in ('tensorflow', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "drift", models, place], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1_000_000_000,)], ids=str)
def test_a_request_of_no_queries_or_of_too_many_is_read(models: Path, tmp_path: Path, shape: tuple[int, ...]):
    log(tmp_path / "log", carts(np.random.default_rng(0), 3))
    (file,) = (tmp_path / "log").iterdir()
    entry = wire.PredictionLog.FromString(next(iter(read(file))))
    user = entry.predict_log.request.inputs["user_id"]
    user.Clear()
    user.dtype = wire.DT_STRING
    for size in shape:
        user.tensor_shape.dim.add(size=size)
    file.write_bytes(written([entry.SerializeToString()]))
    assert measure_drift(models, [tmp_path / "log"]).num_requests == 1
