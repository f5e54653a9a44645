"""A sample of the requests is logged in files that TF Serving takes as warm-up requests."""

import shutil
import time
from pathlib import Path

import pytest

from tests import tfrecords
from tests.serving.requests import call, put, request_to, strings
from tfrec.errors import ConfigError
from tfrec.schema import wire
from tfrec.serving import request_log
from tfrec.serving.prediction import WARMUP_FILE, warm_up
from tfrec.serving.request_log import RequestLog
from tfrec.serving.servable import Servable
from tfrec.serving.server import EmbeddedServer


def logged(folder: Path) -> list[wire.PredictionLog]:
    return [
        wire.PredictionLog.FromString(record)
        for file in sorted(folder.glob("requests-*.tfrecord"))
        for record in tfrecords.read(file)
    ]


def test_logged_requests_warm_a_version_up(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    with EmbeddedServer(tmp_path, port=0, log=RequestLog(tmp_path / ".log", share=1.0)) as server:
        for user in ("u", "v"):
            request = request_to("shop", "similar", inputs={"user_id": strings(user)})
            assert call(server.port, wire.PREDICTION_SERVICE, "Predict", request)[0] == "OK"
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", request_to("nope"))[0] == "NOT_FOUND"
    logs = logged(tmp_path / ".log")
    assert [log.predict_log.request.inputs["user_id"].string_val[0] for log in logs] == [b"u", b"v"]
    assert logs[0].predict_log.response.outputs["item_ids"].string_val[0] == b"item_0"
    assert (logs[0].log_metadata.model_spec.version.value, logs[0].log_metadata.sampling_config.sampling_rate) == (
        1,
        1.0,
    )
    (version,) = (tmp_path / "shop").iterdir()
    (version / WARMUP_FILE).parent.mkdir()
    shutil.copy(next((tmp_path / ".log").iterdir()), version / WARMUP_FILE)
    with Servable.load(version) as shop:
        assert warm_up(shop, version) == 2


def test_files_are_cut_and_the_oldest_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(request_log, "_MAX_RECORDS", 3)
    log = RequestLog(tmp_path, share=1.0, max_files=2)
    for number in range(10):
        log.add(request_to("shop", str(number), inputs={}), wire.PredictResponse())
    log.close()
    assert [entry.predict_log.request.model_spec.signature_name for entry in logged(tmp_path)] == ["6", "7", "8", "9"]


def test_a_share_of_the_requests_is_logged(tmp_path: Path):
    log = RequestLog(tmp_path, share=0.05)
    for _ in range(1000):
        log.add(request_to("shop", inputs={}), wire.PredictResponse())
    log.close()
    assert 10 < len(logged(tmp_path)) < 110


def test_a_log_that_cannot_be_written_stops_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    log = RequestLog(tmp_path / "log", share=1.0)
    (tmp_path / "log").rmdir()
    for _ in range(3):
        log.add(request_to("shop", inputs={}), wire.PredictResponse())
    log.close()
    assert caplog.text.count("requests are left out") == 1


def test_a_full_disk_is_not_filled_with_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = request_log.as_tfrecord

    def fail(record: bytes) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(request_log, "as_tfrecord", fail)
    log = RequestLog(tmp_path, share=1.0)
    for number in range(20):
        log.add(request_to("shop", str(number), inputs={}), wire.PredictResponse())
    while log._queue.qsize():
        time.sleep(0.01)
    monkeypatch.setattr(request_log, "as_tfrecord", whole)
    log.add(request_to("shop", "last", inputs={}), wire.PredictResponse())
    log.close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size
    assert logged(tmp_path)[-1].predict_log.request.model_spec.signature_name == "last"


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_a_share_is_one(tmp_path: Path, share: float):
    with pytest.raises(ConfigError, match="share of logged requests"):
        RequestLog(tmp_path, share=share)
