"""Back to the previous good version: by label, or by moving the newest aside."""

import json

import pytest

from tests.release.small_models import change_weight, put_version
from tfrec.cli import main
from tfrec.release.gate import VERDICTS
from tfrec.release.place import Place
from tfrec.release.publish import publish_versions
from tfrec.serving.models_config import CONFIG, SERVABLES, serving_config
from tfrec.serving.versions import ServedModels


@pytest.fixture
def labelled(models, certified):
    """Versions 1 to 3; stable is the third."""
    put_version(models, certified, 2)
    put_version(models, certified, 3)
    text = serving_config({"stable": 3, "canary": 3}, versions=[3], base_path="/srv/models")
    (models / CONFIG).write_text(text)
    return models


def stable(target):
    config = Place(target).config()["shop"]
    return config.labels["stable"], config.base


def test_a_label_goes_back_to_the_version_before_and_the_others_stay(labelled, capsys):
    assert main(["rollback", str(labelled)]) == 0
    assert stable(labelled) == (2, "/srv/models")
    assert Place(labelled).config()["shop"].labels["canary"] == 3
    assert "version 2, which was 3" in capsys.readouterr().out


def test_versions_that_a_gate_refused_or_that_changed_are_passed_over(labelled, certified):
    put_version(labelled, certified, 4)
    (labelled / CONFIG).write_text(serving_config({"stable": 4}, versions=[], base_path="/srv/models"))
    (labelled / VERDICTS).mkdir()
    (labelled / VERDICTS / "3.json").write_text(json.dumps({"passed": False}))
    change_weight(labelled / "ranking" / "2")
    assert main(["rollback", str(labelled)]) == 0
    assert stable(labelled) == (1, "/srv/models")


def test_a_version_may_be_named(labelled):
    assert main(["rollback", str(labelled), "--label", "canary", "--to", "1"]) == 0
    assert Place(labelled).config()["shop"].labels == {"stable": 3, "canary": 1}


def test_in_a_store_the_label_goes_back_too(labelled, store):
    publish_versions(labelled, store)
    publish_versions(labelled, store, version=2)
    assert main(["rollback", store]) == 0
    assert stable(store)[0] == 2


@pytest.mark.parametrize("kind", ["folder", "store"])
def test_without_labels_the_newest_version_moves_aside(models, certified, request, kind, tmp_path):
    put_version(models, certified, 2)
    place = str(models)
    if kind == "store":
        place = request.getfixturevalue("store")
        publish_versions(models, place, version=1)
        publish_versions(models, place, version=2)
    assert main(["rollback", place]) == 0
    assert {name: Place(place).versions(name) for name in SERVABLES} == {key: [1] for key in SERVABLES}
    if kind == "folder":
        assert (models / "shop" / ".withdrawn" / "2" / "saved_model.pb").is_file()
        served = ServedModels(models)
        served.load_first()
        with served.using("shop") as (_, version):
            assert version == 1
        served.close()


def test_the_only_version_is_never_taken_away(models, capsys):
    assert main(["rollback", str(models)]) == 2
    assert "no good version" in capsys.readouterr().err
    assert Place(models).versions("shop") == [1]


def test_an_unknown_label_names_those_that_there_are(labelled, capsys):
    assert main(["rollback", str(labelled), "--label", "beta"]) == 2
    assert "canary, stable" in capsys.readouterr().err
