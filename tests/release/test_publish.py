"""Versions appear whole and proven, or not at all: in folders and in an object store."""

import errno
import shutil

import pytest

from tests.release.small_models import change_weight, put_version
from tfrec.cli import main
from tfrec.errors import ServingError, SourceError
from tfrec.release import publish
from tfrec.release.certificate import hash_files
from tfrec.release.place import Place
from tfrec.release.publish import publish_versions
from tfrec.serving.models_config import CONFIG, FALLBACK, SERVABLES, read_serving_config, serving_config

ALL = (("retrieval", 1), ("ranking", 1), ("shop", 1))


def visible(target):
    """What a server that follows the place would load."""
    return {name: Place(target).versions(name) for name in SERVABLES}


NOTHING = {key: [] for key in SERVABLES}
FIRST = {key: [1] for key in SERVABLES}


@pytest.fixture(params=["folder", "store"])
def target(request, tmp_path):
    return str(tmp_path / "target") if request.param == "folder" else request.getfixturevalue("store")


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_process")
def test_what_is_published_is_the_same_and_a_second_time_nothing_happens(models, target, tmp_path):
    assert publish_versions(models, target).published == ALL
    assert visible(target) == FIRST
    again = publish_versions(models, target)
    assert (again.published, again.kept) == ((), ALL)
    back = tmp_path / "back"
    publish_versions(target, back)
    for name in SERVABLES:
        assert hash_files(back / name / "1") == hash_files(models / name / "1")
        assert (back / name / "1" / "assets.extra" / "certificate.json").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_process")
def test_a_version_that_does_not_answer_as_certified_stays_out(models, target):
    change_weight(models / "ranking" / "1")
    with pytest.raises(ServingError, match="do not answer as certified"):
        publish_versions(models, target)
    assert visible(target) == NOTHING


def test_a_number_never_stands_for_something_else(models, certified, target, tmp_path):
    publish_versions(models, target)
    other = tmp_path / "other"
    put_version(other, certified, 1)
    change_weight(other / "shop" / "1")
    with pytest.raises(SourceError, match="another shop/1"):
        publish_versions(other, target)
    Place(target).withdraw("shop", 1)
    with pytest.raises(SourceError, match="withdrawn"):
        publish_versions(models, target)


def test_an_interrupted_publication_leaves_nothing_visible_and_the_next_one_finishes(models, target, monkeypatch):
    def interrupt(copies):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publish, "check_staged", interrupt)
        with pytest.raises(KeyboardInterrupt):
            publish_versions(models, target)
    assert visible(target) == NOTHING
    assert publish_versions(models, target).published == ALL


def test_a_store_that_breaks_off_before_the_mark_shows_nothing(models, store, monkeypatch):
    sent = Place.send

    def breaks(self, folder, servable, version, names):
        sent(self, folder, servable, version, names)
        if names == ["saved_model.pb"]:
            raise SourceError("the line is cut")

    with monkeypatch.context() as patched:
        patched.setattr(Place, "send", breaks)
        with pytest.raises(SourceError, match="cut"):
            publish_versions(models, store)
    assert visible(store) == NOTHING
    publish_versions(models, store)
    assert visible(store) == FIRST


def test_what_the_store_gives_back_damaged_is_refused(models, store, monkeypatch):
    fetch = Place.fetch

    def damaged(self, servable, version, folder):
        fetch(self, servable, version, folder)
        if self.path is None and servable == "shop":
            next((folder / "variables").glob("variables.data-*")).write_bytes(b"half")

    monkeypatch.setattr(Place, "fetch", damaged)
    with pytest.raises(ServingError, match="do not answer as certified"):
        publish_versions(models, store)
    assert visible(store) == NOTHING


def test_a_pull_of_a_half_version_changes_nothing(models, store, tmp_path):
    """The graph is gone from the store though its mark is there: what is pulled does not load."""
    publish_versions(models, store)
    import s3fs

    s3fs.S3FileSystem().rm_file(f"{store.removeprefix('s3://')}/shop/1/saved_model.pb")
    with pytest.raises(ServingError):
        publish_versions(store, tmp_path / "pulled")
    assert visible(str(tmp_path / "pulled")) == NOTHING


def test_a_full_disk_is_one_clear_error(models, tmp_path, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    assert main(["publish", str(models), "--to", str(tmp_path / "target")]) == 2
    said = capsys.readouterr().err
    assert "is full" in said
    assert "Traceback" not in said
    assert visible(str(tmp_path / "target")) == NOTHING


def test_labels_travel_with_the_versions_that_they_name(models, certified, target, tmp_path):
    put_version(models, certified, 2)
    put_version(models, certified, 3)
    (models / CONFIG).write_text(serving_config({"stable": 1}, versions=[3], base_path=str(models)))
    done = publish_versions(models, target, base_path="/models")
    assert visible(target) == {key: [1, 3] for key in SERVABLES}
    assert done.config
    publish_versions(target, tmp_path / "pulled")
    config = read_serving_config(tmp_path / "pulled" / CONFIG)
    assert config["shop"].labels == {"stable": 1}
    assert config["shop"].base == str(tmp_path / "pulled")
    assert FALLBACK not in config


def test_one_version_alone_may_be_named(models, certified, target):
    put_version(models, certified, 2)
    publish_versions(models, target, version=1)
    assert visible(target) == FIRST
    with pytest.raises(SourceError, match="no version 9"):
        publish_versions(models, target, version=9)


def test_a_store_that_does_not_answer_is_an_error_that_names_it(models, monkeypatch, store):
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(SourceError, match="s3://"):
        publish_versions(models, store)
