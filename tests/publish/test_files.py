import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from tfrec.errors import SourceError
from tfrec.publish import check_file, write_json, write_page, write_table, write_text, writing

FRAME = pd.DataFrame({"a": [1], "b, c": ["x"]})
WRITERS = {
    "page": ("page.html", lambda path, **how: write_page(path, "<html><head></head>é</html>", "a page", **how)),
    "json": ("findings", lambda path, **how: write_json(path, {"n": 1}, "a page", **how)),
    "csv": ("table.csv", lambda path, **how: write_table(path, FRAME, "a page", **how)),
    "parquet": ("table.parquet", lambda path, **how: write_table(path, FRAME, "a page", **how)),
    "text": ("best.toml", lambda path, **how: write_text(path, "a = 1\n", "a page", **how)),
}
each_format = pytest.mark.parametrize("format_name", WRITERS)


@each_format
def test_our_own_output_is_replaced_and_a_strangers_asks_for_force(tmp_path, format_name):
    name, write = WRITERS[format_name]
    for place in (tmp_path / "deep" / name, tmp_path / name):
        write(place)
        first = place.read_bytes()
        place.chmod(0o600)
        write(place)
        assert place.read_bytes() == first
        assert place.stat().st_mode & 0o777 == 0o600
    for mine in (b"mine", b"PAR1", b"{}", b"a;b\n", b'{"tfrec": "other"}', b"# mine\n", b"\xff\xfe\x00"):
        place.write_bytes(mine)
        with pytest.raises(SourceError, match="--force"):
            write(place)
        assert place.read_bytes() == mine
    write(place, force=True)
    assert place.read_bytes() == first
    place.write_bytes(b"")
    write(place)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["deep", name])


def test_marks_do_not_change_what_is_read(tmp_path):
    write_table(tmp_path / "t.parquet", FRAME, "a table")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), FRAME)
    write_table(tmp_path / "t.csv", FRAME, "a table")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), FRAME)


def test_another_kind_of_ours_asks_for_force(tmp_path):
    write_table(tmp_path / "t.parquet", FRAME, "slates")
    with pytest.raises(SourceError, match="not recognised as rules"):
        write_table(tmp_path / "t.parquet", FRAME, "rules")


@pytest.mark.parametrize("link", ["itself", "symbolic link", "hard link"])
def test_what_is_read_is_never_overwritten(tmp_path, link):
    source = tmp_path / "in.parquet"
    write_table(source, FRAME, "slates")
    before = source.read_bytes()
    target = tmp_path / "out.parquet"
    {
        "itself": lambda: None,
        "symbolic link": lambda: target.symlink_to(source),
        "hard link": lambda: target.hardlink_to(source),
    }[link]()
    with pytest.raises(SourceError, match="read by the same command"):
        write_table(source if link == "itself" else target, FRAME, "slates", inputs=[source], force=True)
    assert source.read_bytes() == before


def test_a_strangers_file_in_a_folder_that_is_read_is_kept_with_force_too(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "events.parquet").write_text("events")
    with pytest.raises(SourceError, match="which is read"):
        write_table(tmp_path / "shop" / "events.parquet", FRAME, "slates", inputs=[tmp_path / "shop"], force=True)
    for _ in range(2):
        write_table(tmp_path / "shop" / "slates.parquet", FRAME, "slates", inputs=[tmp_path / "shop"])


def test_no_device_folder_or_pipe_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place, why in (
        (tmp_path / "pipe", "no regular file"),
        ("/dev/null", "no regular file"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(SourceError, match=why):
            check_file(tmp_path / place, "a page", force=True)


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest.csv").symlink_to("disk/today")
    for _ in range(2):
        write_table(tmp_path / "latest.csv", FRAME, "a table")
    assert (tmp_path / "latest.csv").is_symlink()
    assert (tmp_path / "disk" / "today").read_text() == 'a,"b, c"\n1,x\n'


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path):
    write_text(tmp_path / "a", "x", "a text")
    before = (tmp_path / "a").read_text()
    for place in (tmp_path / "a", tmp_path / "deep" / "b"):
        with pytest.raises(RuntimeError), writing(place, "a text") as work:
            work.write_text("half")
            raise RuntimeError
    assert (tmp_path / "a").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path):
    code = "import sys, time, pathlib, tfrec.publish as p\nwith p.writing(pathlib.Path(sys.argv[1]), 'a text') as w:\n"
    code += "    w.write_text('half'); print('at work', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a")], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"at work\n"
        with pytest.raises(SourceError, match=f"another tfrec .process {other.pid} on"):
            write_text(tmp_path / "a", "x", "a text")
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "b", "x", "a text")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
