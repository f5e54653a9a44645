"""A training or an export that is killed or interrupted leaves the old versions whole, and goes on."""

import functools
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


def is_there(models, pattern):
    return any(models.glob(pattern))


def newest_bytes(models):
    return (newest_version(models, "shop") / "saved_model.pb").read_bytes()


@pytest.mark.slow
def test_training_stopped_at_any_moment_leaves_the_old_models_and_goes_on(models, tiny_prepared):
    """One training, stopped three times: each next run goes on to the moment at which it is stopped."""
    old, old_version = read_models_manifest(models), newest_bytes(models)
    arguments = ["train", tiny_prepared, "--out", models]
    for setting in (*SMALL, "seed=5"):
        arguments += ["--set", setting]
    for pattern, signal_number in (
        (".training/*/retrieval/checkpoint", signal.SIGKILL),
        (".training/*/examples-0/about.json", signal.SIGINT),
        ("retrieval/.tmp-2-*", signal.SIGKILL),
    ):
        assert not any(models.glob(pattern))
        stopped = stop_tfrec(*arguments, once=functools.partial(is_there, models, pattern), by=signal_number)
        assert stopped.status == (-signal.SIGKILL if signal_number == signal.SIGKILL else 130), stopped.stderr_text
        if pattern.startswith(".training"):
            assert read_models_manifest(models) == old
        assert newest_bytes(models) == old_version
        assert is_whole(models)
    assert main([*map(str, arguments)]) == 0
    new = read_models_manifest(models)
    assert new.config["seed"] == 5
    about = json.loads((newest_version(models, "shop") / "assets.extra" / "tfrec.json").read_text())
    assert about["identity"] == new.identity
    assert newest_bytes(models) != old_version
    assert is_whole(models)
    assert not (models / ".training").exists()
    assert not list(models.glob("*/.tmp-*"))


@pytest.mark.slow
def test_an_export_stopped_midway_leaves_the_old_versions_whole(models):
    old = newest_bytes(models)
    for signal_number in (signal.SIGKILL, signal.SIGINT):
        left = set(models.glob("shop/.tmp-*"))
        stop_tfrec("export", models, once=lambda left=left: set(models.glob("shop/.tmp-*")) - left, by=signal_number)
        assert newest_bytes(models) == old
        assert is_whole(models)
    assert main(["export", str(models)]) == 0
    assert int(newest_version(models, "shop").name) > 1
    assert is_whole(models)
    assert not list(models.glob("*/.tmp-*"))
