import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from tfrec.errors import SourceError
from tfrec.publish import claiming
from tfrec.workflow import train_shop


def test_the_error_for_a_second_writer_names_the_first(tmp_path):
    with claiming(tmp_path / "models"):
        with pytest.raises(SourceError, match=f"process {os.getpid()} on .*another folder"):
            claiming(tmp_path / "models").__enter__()
        with claiming(tmp_path / "others"):
            pass
    with claiming(tmp_path / "models"):
        pass


def test_a_writer_that_was_killed_holds_nothing(tmp_path):
    code = "import sys, time, pathlib, tfrec.publish as s\nwith s.claiming(pathlib.Path(sys.argv[1])):\n"
    code += "    print('held', flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SourceError, match=f"process {other.pid} "):
            claiming(tmp_path).__enter__()
        other.send_signal(signal.SIGKILL)
        other.wait()
    with claiming(tmp_path):
        pass


def test_a_file_in_the_folders_place_is_kept(tmp_path):
    (tmp_path / "models").write_text("mine")
    with pytest.raises(SourceError, match="is a file"):
        claiming(tmp_path / "models").__enter__()
    assert (tmp_path / "models").read_text() == "mine"


def test_without_locks_there_is_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with claiming(tmp_path):
        assert "knows no file locks" in caplog.text


def test_training_leaves_the_folder_of_another_alone(tiny_prepared, tmp_path):
    with claiming(tmp_path / "models"), pytest.raises(SourceError, match="another tfrec"):
        train_shop(tiny_prepared, tmp_path / "models", show_progress=False)
    assert [entry.name for entry in (tmp_path / "models").iterdir()] == [".writer"]


def test_a_first_run_takes_no_folder_of_another(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SourceError, match=r"none that tfrec wrote there: mine\.txt"):
        claiming(tmp_path).__enter__()
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("sign", [".writer", "trained/manifest.json", "other/3/saved_model.pb", "study.db"])
def test_a_folder_that_tfrec_grew_is_gone_on_with(tmp_path, sign):
    (tmp_path / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / sign).touch()
    (tmp_path / "notes.txt").write_text("mine")
    with claiming(tmp_path, signs=("study.db",)):
        pass
    assert (tmp_path / "notes.txt").read_text() == "mine"
