import sys

import pytest

from tfrec.training import progress
from tfrec.training.progress import progress_bar


def run_bar(steps, *, show=True, initial=0):
    with progress_bar("ranking", 5, show, initial=initial, unit="query") as bar:
        for step in range(steps):
            bar.set_postfix_str(f"loss {step}")
            bar.update(1)


def test_job_without_terminal_writes_a_line_at_the_end(capsys):
    run_bar(3, initial=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "ranking: 5 of 5 queries after 0 s, loss 2"


def test_long_job_writes_a_line_a_minute(capsys, monkeypatch):
    moments = iter(range(0, 1000, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(moments)))
    run_bar(5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" of ")[0] for line in lines] == ["ranking: 3", "ranking: 5"]


@pytest.mark.parametrize(("steps", "show"), [(3, False), (0, True)])
def test_what_is_not_to_be_shown_or_did_nothing_writes_nothing(steps, show, capsys):
    run_bar(steps, show=show)
    assert capsys.readouterr().err == ""


def test_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run_bar(5)
    shown = capsys.readouterr().err
    assert "5/5" in shown and "loss 4" in shown and "queries after" not in shown
