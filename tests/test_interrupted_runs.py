"""A training or an export that is killed or interrupted leaves the old versions whole, and goes on."""

import json
import signal

import pytest

from tests.interruptions import stop_tfrec
from tests.trained_versions import is_whole
from tfrec.cli import main
from tfrec.models_folder import read_models_manifest
from tfrec.serving.recommend import newest_version

SMALL = [
    "retrieval.embedding_dim=16",
    "retrieval_epochs=1",
    "ranking_epochs=4",
    "image_epochs=1",
    "num_blocks=1",
    "ranking_queries=200",
]


def newest_bytes(models):
    return (newest_version(models, "shop") / "saved_model.pb").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "signal_number"),
    [
        pytest.param("checkpoint", signal.SIGKILL, id="killed after an epoch"),
        pytest.param("examples", signal.SIGINT, id="interrupted after the examples"),
        pytest.param("publishing", signal.SIGKILL, id="killed while publishing"),
    ],
)
def test_training_stopped_at_any_moment_leaves_the_old_models_and_goes_on(
    models, tiny_prepared, tmp_path, moment, signal_number
):
    old, old_version = read_models_manifest(models), newest_bytes(models)
    arguments = ["train", tiny_prepared, "--out", models]
    for setting in (*SMALL, "seed=5"):
        arguments += ["--set", setting]
    patterns = {
        "checkpoint": ".training/*/retrieval/checkpoint",
        "examples": ".training/*/examples-0.npz",
        "publishing": "retrieval/.tmp-2-*",
    }
    stopped = stop_tfrec(*arguments, once=lambda: any(models.glob(patterns[moment])), by=signal_number)
    assert stopped.status == (-signal.SIGKILL if signal_number == signal.SIGKILL else 130), stopped.stderr_text
    assert is_whole(models)
    if moment != "publishing":
        assert read_models_manifest(models) == old
    assert newest_bytes(models) == old_version
    assert main([*map(str, arguments)]) == 0
    new = read_models_manifest(models)
    assert new.config["seed"] == 5
    about = json.loads((newest_version(models, "shop") / "assets.extra" / "tfrec.json").read_text())
    assert about["identity"] == new.identity
    assert not (models / ".training").exists()
    assert not list(models.glob("*/.tmp-*"))


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_an_export_stopped_midway_leaves_the_old_versions_whole(models, signal_number):
    old = newest_bytes(models)
    stop_tfrec("export", models, once=lambda: any(models.glob("shop/.tmp-2-*")), by=signal_number)
    assert newest_bytes(models) == old
    assert is_whole(models)
    assert main(["export", str(models)]) == 0
    assert int(newest_version(models, "shop").name) > 1
    assert is_whole(models)
    assert not list(models.glob("*/.tmp-*"))
