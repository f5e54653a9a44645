"""Versions of served models: which are loaded, swapped, unloaded, and warmed up before."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tfrecords
from tests.serving.requests import put, request_to, states, strings, until
from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.serving.prediction import WARMUP_FILE
from tfrec.serving.versions import ServedModels


@pytest.fixture
def watched(tiny_models: Path, tmp_path: Path) -> Iterator[tuple[ServedModels, Path]]:
    put(tiny_models, tmp_path, "shop", "1")
    models = ServedModels(tmp_path)
    models.load_first()
    yield models, tmp_path
    models.close()


def test_a_new_version_replaces_the_old(tiny_models: Path, watched: tuple[ServedModels, Path]):
    models, folder = watched
    put(tiny_models, folder, "shop", "007")
    models.poll()
    until(lambda: states(models) == {7: "AVAILABLE", 1: "END"})
    with models.using("shop") as (_, version):
        assert version == 7
    with pytest.raises(ServingError, match=r"Specific\(shop, 1\)"), models.using("shop", 1):
        pass


@pytest.mark.parametrize("name", ["abc", "3x", "v1", ".tmp2", "-5", "²", "99999999999999999999"])
def test_what_is_no_number_is_no_version(tiny_models: Path, watched: tuple[ServedModels, Path], name: str):
    models, folder = watched
    put(tiny_models, folder, "shop", name)
    models.poll()
    assert states(models) == {1: "AVAILABLE"}


def test_a_version_in_use_is_unloaded_only_when_its_requests_are_done(
    tiny_models: Path, watched: tuple[ServedModels, Path]
):
    models, folder = watched
    with models.using("shop") as (servable, version):
        put(tiny_models, folder, "shop", "2")
        models.poll()
        assert states(models) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert version == 1
        assert servable.call("similar", {}, ["item_ids"])["item_ids"].shape == (1, 6)
    until(lambda: states(models)[1] == "END")


def test_a_deleted_newest_version_brings_the_older_back(tiny_models: Path, watched: tuple[ServedModels, Path]):
    models, folder = watched
    put(tiny_models, folder, "shop", "2")
    models.poll()
    until(lambda: states(models)[1] == "END")
    shutil.rmtree(folder / "shop" / "2")
    models.poll()
    until(lambda: states(models) == {2: "END", 1: "AVAILABLE"})


def test_a_failed_version_leaves_the_old_one_and_is_tried_again_once_its_files_have_changed_and_rested(
    tiny_models: Path, watched: tuple[ServedModels, Path]
):
    models, folder = watched
    (folder / "shop" / "2").mkdir()
    for _ in range(3):
        models.poll()
        assert states(models) == {2: "END", 1: "AVAILABLE"}
    assert models.statuses("shop")[0].error_code == 5
    source = tiny_models / "shop" / "1"
    shutil.copy(source / "saved_model.pb", folder / "shop" / "2")  # a copy under way: without its variables
    models.poll()
    assert states(models) == {2: "END", 1: "AVAILABLE"}
    shutil.copytree(source / "variables", folder / "shop" / "2" / "variables")
    models.poll()  # the files have changed since the last look, so they may be changing still
    assert states(models) == {2: "END", 1: "AVAILABLE"}
    models.poll()
    until(lambda: states(models) == {2: "AVAILABLE", 1: "END"})


def test_a_graph_without_its_variables_is_not_loaded_and_one_that_has_none_is(tiny_models: Path, tmp_path: Path):
    """TensorFlow loads it, if nothing needs them at once, and fails at each request."""
    for name in ("shop", "plain"):
        put(tiny_models, tmp_path, name, "1", source=f"{name}/1")
        shutil.rmtree(tmp_path / name / "1" / "variables")
    models = ServedModels(tmp_path)
    models.poll()
    assert "variables.index" in models.statuses("shop")[0].error_message
    assert models.is_available("plain")
    models.close()


def test_a_folder_whose_name_is_no_text_is_no_servable(tiny_models: Path, watched: tuple[ServedModels, Path]):
    models, folder = watched
    shutil.copytree(tiny_models / "shop" / "1", folder / os.fsdecode(b"caf\xe9") / "1")
    models.poll()
    assert models.names == ["shop"]


def test_an_empty_folder_unloads_and_a_missing_one_changes_nothing(
    tiny_models: Path, watched: tuple[ServedModels, Path]
):
    models, folder = watched
    (folder / "shop").rename(folder / ".away")
    models.poll()
    assert states(models) == {1: "AVAILABLE"}
    (folder / "shop").mkdir()
    models.poll()
    until(lambda: states(models) == {1: "END"})
    assert not models.is_available("shop")


def test_a_new_servable_is_found_while_running(tiny_models: Path, watched: tuple[ServedModels, Path]):
    models, folder = watched
    put(tiny_models, folder, "other", "5")
    models.poll()
    assert states(models, "other") == {5: "AVAILABLE"}


# --- warm-up ----------------------------------------------------------------------------------------------------------


def put_warmed(tiny_models: Path, folder: Path, content: bytes) -> Path:
    put(tiny_models, folder, "m", "1", source="m/1")
    path = folder / "m" / "1" / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return folder


def warm_up_log(request: Any) -> bytes:
    log = wire.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return log.SerializeToString()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_warm_up_requests_run_before_a_version_is_available(tiny_models: Path, tmp_path: Path, caplog, count: int):
    put_warmed(tiny_models, tmp_path, tfrecords.written([warm_up_log(request_to())] * count))
    models = ServedModels(tmp_path)
    with caplog.at_level("INFO", "tfrec.serving.versions"):
        models.load_first()
    assert f"({count} warm-up requests)" in caplog.text
    models.close()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"this is no TFRecord file at all", "corrupted record at 0"),
        (tfrecords.written([warm_up_log(request_to())])[:-3], "corrupted record at 0"),
        (tfrecords.written([b"\xff\xff\xff"]), "Failed to parse warmup record"),
        (tfrecords.written([b""]), "Unsupported log_type"),
        (tfrecords.written([warm_up_log(request_to(inputs={"x": strings("a")}))]), "Signature input alias: user_id"),
        (tfrecords.written([warm_up_log(request_to())] * 1001), "exceeds the maximum"),
    ],
    ids=["no TFRecord", "cut off", "no PredictionLog", "empty log", "failing request", "too many"],
)
def test_a_failing_warm_up_fails_the_load(tiny_models: Path, tmp_path: Path, content: bytes, text: str):
    with pytest.raises(ServingError, match=text):
        ServedModels(put_warmed(tiny_models, tmp_path, content)).load_first()
