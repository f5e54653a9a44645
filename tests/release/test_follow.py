"""A server's folder follows a label of a store; the label moves when the server has loaded the version."""

import time

import pytest

from tests.release.small_models import change_weight, put_version
from tfrec.cli import main
from tfrec.errors import ServingError, SourceError
from tfrec.release.follow import follow_place
from tfrec.release.place import Place
from tfrec.release.publish import publish_versions
from tfrec.release.verify import verify_server
from tfrec.serving.models_config import CONFIG, FALLBACK, serving_config
from tfrec.serving.server import EmbeddedServer

unchecked = pytest.mark.usefixtures("unchecked")


@pytest.fixture
def store_with(models, certified, store):
    """Publishes labels → versions, making versions as needed; returns the store's URL."""

    def publish(**labels):
        for version in labels.values():
            if not (models / "shop" / str(version)).exists():
                put_version(models, certified, version)
        (models / CONFIG).write_text(serving_config(labels, versions=[], base_path="/models"))
        publish_versions(models, store)
        return store

    return publish


def served(folder):
    config = Place(folder).config()
    return dict(config["shop"].labels), sorted(config["shop"].specific), Place(folder).versions("shop")


@unchecked
def test_the_version_of_the_label_is_pulled_and_nothing_else(store_with, tmp_path):
    url = store_with(stable=1, canary=2)
    assert follow_place(url, tmp_path / "a").version == 1
    assert follow_place(url, tmp_path / "b", label="canary").version == 2
    assert served(tmp_path / "a") == ({"stable": 1}, [1], [1])
    assert served(tmp_path / "b") == ({"canary": 2}, [2], [2])
    assert follow_place(url, tmp_path / "a").pulled == ()


@unchecked
def test_a_store_without_the_label_gives_stable_under_its_name(store_with, tmp_path):
    follow_place(store_with(stable=1), tmp_path / "pod", label="canary")
    assert served(tmp_path / "pod") == ({"canary": 1}, [1], [1])


@unchecked
def test_the_version_before_stays_and_older_ones_are_removed(store_with, tmp_path):
    for version in (1, 2, 3):
        done = follow_place(store_with(stable=version), tmp_path / "pod")
    assert served(tmp_path / "pod") == ({"stable": 3}, [3], [2, 3])
    assert {number for _, number in done.removed} == {1}
    follow_place(store_with(stable=1), tmp_path / "pod")  # what was removed may come back
    assert served(tmp_path / "pod")[0] == {"stable": 1}


def test_a_changed_copy_is_refused_and_what_is_served_stays(models, certified, tmp_path):
    (models / CONFIG).write_text(serving_config({"stable": 1}, versions=[], base_path="/models"))
    follow_place(str(models), tmp_path / "pod")
    put_version(models, certified, 2)
    change_weight(models / "shop" / "2")
    (models / CONFIG).write_text(serving_config({"stable": 2}, versions=[], base_path="/models"))
    with pytest.raises(ServingError, match="as certified"):
        follow_place(str(models), tmp_path / "pod")
    assert served(tmp_path / "pod") == ({"stable": 1}, [1], [1])


def test_a_half_copy_is_refused(store_with, tmp_path):
    url = store_with(stable=1)
    place = Place(url)
    place._fs.rm_file(f"{place._root}/ranking/.published/1.json")
    with pytest.raises(SourceError, match="ranking/1, which is not there whole"):
        follow_place(url, tmp_path / "pod")
    assert not (tmp_path / "pod" / CONFIG).exists()


@unchecked
def test_the_fallback_is_served_alone_where_no_version_is_good_enough(models, certified, tmp_path):
    put_version(models, certified, 1, servables=(FALLBACK,))
    (models / CONFIG).write_text(serving_config({}, versions=[], base_path="/models", has_fallback=True))
    assert follow_place(str(models), tmp_path / "pod").version is None
    assert list(Place(tmp_path / "pod").config()) == [FALLBACK]


@unchecked
def test_a_running_server_changes_over_without_a_failed_request(store_with, tmp_path, monkeypatch):
    pod = tmp_path / "pod"
    follow_place(store_with(stable=1), pod)
    written = []
    original = Place.write_config
    monkeypatch.setattr(Place, "write_config", lambda self, text: (written.append(text), original(self, text)))
    with EmbeddedServer(pod, port=0, poll_seconds=0.05) as server:
        target = f"127.0.0.1:{server.port}"
        url = store_with(stable=2)
        written.clear()
        follow_place(url, pod, server=target)
        assert written == [
            serving_config({"stable": 1}, versions=[2], base_path=str(pod)),
            serving_config({"stable": 2}, versions=[], base_path=str(pod)),
        ]
        assert wait_for_label(target, url)


def wait_for_label(target, url):
    until = time.monotonic() + 10
    while verify_server(target, url, label="stable").differences:
        assert time.monotonic() < until
        time.sleep(0.05)
    return True


@unchecked
def test_a_server_that_does_not_load_keeps_the_old_label(store_with, tmp_path):
    pod = tmp_path / "pod"
    follow_place(store_with(stable=1), pod)
    with pytest.raises(ServingError):
        follow_place(store_with(stable=2), pod, server="127.0.0.1:9", load_timeout=0.2)
    assert served(pod)[0] == {"stable": 1}


@unchecked
def test_the_command_says_what_it_pulled(store_with, tmp_path, capsys):
    assert main(["follow", store_with(stable=1), "--to", str(tmp_path / "pod"), "--once"]) == 0
    out = capsys.readouterr().out
    assert f"pulled:  {tmp_path / 'pod'}/shop/1" in out and "stable: version 1" in out
    assert main(["follow", str(tmp_path / "nothing"), "--to", str(tmp_path / "pod"), "--once"]) == 2
