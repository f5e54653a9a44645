import os
import subprocess
import sys

import pytest

from tfrec import publish
from tfrec.errors import SourceError
from tfrec.publish import next_version, publishing, recover


def test_what_was_written_appears_at_the_end(tmp_path):
    target = tmp_path / "deep" / "result"
    with publishing(target) as work:
        (work / "a").write_text("new")
        assert not target.exists() and work.parent == target.parent and work.name.startswith(".")
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("a", "new")]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("can_swap", [True, False], ids=["names swapped", "set aside"])
def test_a_new_result_takes_the_place_of_the_old(tmp_path, monkeypatch, can_swap):
    if not can_swap:
        monkeypatch.setattr(publish, "_exchange", lambda left, right: False)
    target = tmp_path / "result"
    for text in ("old", "new"):
        with publishing(target) as work:
            (work / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_result(tmp_path):
    target = tmp_path / "result"
    with publishing(target) as work:
        (work / "old").touch()
    with pytest.raises(RuntimeError), publishing(target) as work:
        (work / "half").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_place_is_not_overwritten(tmp_path):
    (tmp_path / "result").write_text("mine")
    with pytest.raises(SourceError, match="is a file"), publishing(tmp_path / "result"):
        pass
    assert (tmp_path / "result").read_text() == "mine"


def test_a_result_set_aside_by_an_interrupted_run_comes_back(tmp_path):
    (tmp_path / ".old-result").mkdir()
    (tmp_path / ".old-result" / "old").touch()
    recover(tmp_path / "result")
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    (tmp_path / ".old-result").mkdir()  # interrupted after the new one was in place
    recover(tmp_path / "result")
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_work_of_the_dead_goes_and_of_the_living_stays(tmp_path):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead, living = (tmp_path / f".tmp-result-{pid}" for pid in (int(ended.stdout), os.getppid()))
    dead.mkdir()
    living.mkdir()
    recover(tmp_path / "result")
    assert [path.name for path in tmp_path.iterdir()] == [living.name]


def test_the_next_version_is_above_every_number(tmp_path):
    assert next_version(tmp_path / "nothing yet") == 1
    for name in ("1", "9", "10", ".tmp-11-5", "latest"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 11
