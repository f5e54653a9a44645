"""`tfrec` as a process of its own, stopped by a signal in the middle of its work."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

_PATIENCE = 180.0  # seconds until a process that never gets there is stopped all the same


class Stopped(NamedTuple):
    """How a stopped process ended."""

    status: int
    stderr_text: str


def stop_tfrec(*arguments: object, once: str | Callable[[], bool], by: signal.Signals = signal.SIGINT) -> Stopped:
    """Runs `tfrec`, stops it just after it printed `once`, or as soon as `once()` holds, and returns how it ended."""
    command = [sys.executable, "-m", "tfrec", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    stderr_text = ""
    try:
        if isinstance(once, str):
            while once not in stderr_text and (line := process.stderr.readline()):
                stderr_text += line
            time.sleep(0.3)
        else:
            until = time.monotonic() + _PATIENCE
            while not once() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
        process.send_signal(by)
        stderr_text += process.communicate(timeout=60)[1]
        return Stopped(process.returncode, stderr_text)
    finally:
        process.kill()
