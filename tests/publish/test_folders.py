import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfrec.errors import SourceError
from tfrec.publish import FolderKind, check_folder, clear_stale, folders, next_version, publishing

KIND = FolderKind("a result", mark="about.json", keys=frozenset({"made"}), files=("about.json", "data/*.csv"))


def publish(target, **texts):
    with publishing(target, KIND) as work:
        for name, text in texts.items():
            (work / name).write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".tfrec.json")


def test_what_was_written_appears_at_the_end(tmp_path):
    target = tmp_path / "deep" / "result"
    with publishing(target, KIND) as work:
        (work / "a").write_text("new")
        assert not target.exists()
        assert work.stat().st_dev == target.parent.stat().st_dev
    assert (target / "a").read_text() == "new"
    assert names(target) == ["a"]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("can_swap", [True, False], ids=["names swapped", "set aside"])
def test_a_new_result_takes_the_place_of_the_old(tmp_path, monkeypatch, can_swap):
    if not can_swap:
        monkeypatch.setattr(folders, "_exchange", lambda left, right: False)
    target = tmp_path / "result"
    publish(target, old="1")
    target.chmod(0o700)
    publish(target, new="2")
    assert names(target) == ["new"]
    assert target.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_result_and_no_parents(tmp_path):
    target = tmp_path / "result"
    publish(target, old="1")
    for place in (target, tmp_path / "not" / "yet"):
        with pytest.raises(RuntimeError), publishing(place, KIND) as work:
            (work / "half").touch()
            raise RuntimeError
    assert names(target) == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "result").mkdir()
    publish(tmp_path / "result", a="1")
    assert names(tmp_path / "result") == ["a"]


def add_file(target):
    (target / "mine.txt").write_text("mine")


def add_folder(target):
    (target / "mine").mkdir()


def add_file_below(target):
    (target / "sub").mkdir()
    (target / "sub" / "a").write_text("mine")


def edit_file(target):
    (target / "a").write_text("2")


def link_file(target):
    (target / "a").unlink()
    (target / "a").symlink_to("/etc/hostname")


def damage_list(target):
    (target / ".tfrec.json").write_text("{")


@pytest.mark.parametrize("change", [add_file, add_folder, add_file_below, edit_file, link_file, damage_list])
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "during the work"])
def test_what_tfrec_did_not_write_refuses_the_folder(tmp_path, change, is_late):
    target = tmp_path / "result"
    publish(target, a="1")
    if not is_late:
        change(target)
    before = contents(tmp_path) if not is_late else None
    with pytest.raises(SourceError, match="Nothing was changed"), publishing(target, KIND) as work:
        assert is_late
        (work / "a").write_text("3")
        change(target)
        before = {path: text for path, text in contents(tmp_path).items() if ".tmp-" not in str(path)}
    assert contents(tmp_path) == before


@pytest.mark.parametrize("can_swap", [True, False], ids=["names swapped", "set aside"])
def test_a_file_that_comes_in_the_last_moment_is_kept(tmp_path, monkeypatch, can_swap):
    target = tmp_path / "result"
    publish(target, a="1")
    swap = folders._exchange if can_swap else lambda left, right: False
    swaps = []

    def come_first(left, right):
        swaps.append(left)
        if len(swaps) == 1:
            add_file(target)
        return swap(left, right)

    monkeypatch.setattr(folders, "_exchange", come_first)
    with pytest.raises(SourceError, match=r"mine\.txt"):
        publish(target, a="2")
    assert names(target) == ["a", "mine.txt"]
    assert (target / "a").read_text() == "1"
    assert list(tmp_path.iterdir()) == [target]


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_another_kind_is_not_replaced(tmp_path):
    publish(tmp_path / "result", a="1")
    with (
        pytest.raises(SourceError, match="as segments: a result"),
        publishing(tmp_path / "result", FolderKind("segments")),
    ):
        pass
    assert names(tmp_path / "result") == ["a"]


def test_of_files_that_are_not_edited_only_the_names_count(tmp_path):
    inner = FolderKind("weights", is_edited=False)
    with publishing(tmp_path / "result", inner) as work:
        (work / "a").write_text("1")
    edit_file(tmp_path / "result")
    check_folder(tmp_path / "result", inner)
    add_file(tmp_path / "result")
    with pytest.raises(SourceError, match=r"mine\.txt"):
        check_folder(tmp_path / "result", inner)


def test_a_file_managers_litter_refuses_nothing(tmp_path):
    publish(tmp_path / "result", a="1")
    (tmp_path / "result" / ".DS_Store").touch()
    publish(tmp_path / "result", b="1")
    assert names(tmp_path / "result") == ["b"]


def test_a_folder_of_an_earlier_release_is_recognised_by_known_names(tmp_path):
    def old(name, mark, *others):
        for file in ("about.json", *others):
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(mark)
        return tmp_path / name

    check_folder(old("plain", '{"made": 1}', "data/a.csv"), KIND)
    refused = {
        "another file": old("another", '{"made": 1}', "data/a.csv", "notes.txt"),
        "below": old("below", '{"made": 1}', "data/own/a.csv"),
        "another mark": old("marked", '{"title": 1}'),
        "no object": old("list", "[1]"),
    }
    for place in refused.values():
        with pytest.raises(SourceError, match="is not replaced"):
            check_folder(place, KIND)


def test_a_file_in_the_place_is_not_overwritten(tmp_path):
    (tmp_path / "result").write_text("mine")
    for place in (tmp_path / "result", tmp_path / "result" / "below"):
        with pytest.raises(SourceError, match="is a file"), publishing(place, KIND):
            pass
    assert (tmp_path / "result").read_text() == "mine"


def test_what_is_read_is_never_replaced(tmp_path):
    publish(tmp_path / "result", a="1")
    (tmp_path / "same").symlink_to("result")
    for given in (tmp_path / "result", tmp_path / "result" / "a", tmp_path / "same"):
        with pytest.raises(SourceError, match="which is read"):
            check_folder(tmp_path / "result", KIND, inputs=[given])
    check_folder(tmp_path / "result", KIND, inputs=[tmp_path, tmp_path / "result 2"])


@pytest.mark.parametrize("depth", [0, 1], ids=["itself", "above"])
def test_the_current_folder_and_the_home_are_never_replaced(tmp_path, monkeypatch, depth):
    for name in ("work", "home"):
        publish(tmp_path / name)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, what in (("work", "the current folder"), ("home", "your home")):
        with pytest.raises(SourceError, match=what if depth == 0 else "current folder"):
            check_folder((tmp_path / name, tmp_path)[depth], KIND)
    with pytest.raises(SourceError, match=r"is not replaced|mounted"):
        check_folder(Path("/"), KIND)


def test_a_mounted_file_system_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path / "volume")
    with pytest.raises(SourceError, match="Name a folder inside it"):
        check_folder(tmp_path / "volume", KIND)
    check_folder(tmp_path / "volume" / "result", KIND)


def test_a_symbolic_link_stays_and_what_it_names_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "result").symlink_to("disk/result")
    for text in ("1", "2"):
        publish(tmp_path / "result", a=text)
    assert (tmp_path / "result").is_symlink()
    assert (tmp_path / "disk" / "result" / "a").read_text() == "2"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SourceError, match=r"(?i)loop|circle"):
        publish(tmp_path / "loop")


def test_two_writers_of_a_target_do_not_meet(tmp_path):
    target = tmp_path / "result"
    with publishing(target, KIND) as work:
        (work / "first").touch()
        with pytest.raises(SourceError, match=f"another tfrec .process {os.getpid()} on"), publishing(target, KIND):
            pass
        publish(tmp_path / "result-2", other="1")
    assert names(target) == ["first"]


def test_one_process_number_twice_on_a_volume_is_no_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with publishing(tmp_path / "one", KIND) as one, publishing(tmp_path / "two", KIND) as two:
        assert one != two
    assert names(tmp_path) == ["one", "two"]


CODE = """
import sys, time
from pathlib import Path
from tfrec.publish import FolderKind, publishing
with publishing(Path(sys.argv[1]), FolderKind("a result")) as work:
    (work / "half").touch()
    print("working", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_work_of_the_dead_goes_and_of_the_living_stays(tmp_path, how):
    target = tmp_path / "result"
    run = [sys.executable, "-c", CODE, str(target)]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        assert other.stdout.readline() == b"working\n"
        clear_stale(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
        with pytest.raises(SourceError, match=f"process {other.pid} "):
            publish(target)
        other.send_signal(how)
        other.wait()
    assert len(list(tmp_path.iterdir())) == (how == signal.SIGKILL)
    publish(target, whole="1")
    assert list(tmp_path.iterdir()) == [target]


def test_a_result_set_aside_by_a_killed_run_comes_back(tmp_path):
    place = tmp_path / f".tmp-result-{'0' * 16}"
    (place / "old" / "result").mkdir(parents=True)
    (place / "old" / "result" / "a").touch()
    (place / ".writer").touch()
    clear_stale(tmp_path)
    assert names(tmp_path) == ["result"]
    assert names(tmp_path / "result") == ["a"]


def test_files_that_only_look_like_work_stay(tmp_path):
    (tmp_path / ".tmp-mine").mkdir()
    (tmp_path / f".tmp-mine-{'0' * 16}").mkdir()
    (tmp_path / f".tmp-mine-{'0' * 16}" / "a").touch()
    (tmp_path / f".tmp-file-{'1' * 16}").touch()
    publish(tmp_path / "mine")
    assert len(list(tmp_path.iterdir())) == 4


def test_a_new_folder_never_replaces_one(tmp_path):
    with (
        pytest.raises(SourceError, match="another process wrote it"),
        publishing(tmp_path / "1", KIND, is_new=True) as work,
    ):
        (work / "late").touch()
        (tmp_path / "1").mkdir()
    assert names(tmp_path / "1") == []


def test_a_name_of_the_greatest_length_is_written(tmp_path):
    publish(tmp_path / ("a" * 255), a="1")
    assert names(tmp_path / ("a" * 255)) == ["a"]


def test_the_list_names_what_is_there(tmp_path):
    publish(tmp_path / "result", a="12")
    listed = json.loads((tmp_path / "result" / ".tfrec.json").read_text())
    assert listed["kind"] == "a result"
    assert listed["entries"]["a"]["size"] == 2


def test_the_next_version_is_above_every_number(tmp_path):
    assert next_version(tmp_path / "nothing yet") == 1
    for name in ("1", "9", "10", ".tmp-11-5", "latest"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 11
