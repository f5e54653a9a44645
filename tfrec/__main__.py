"""Runs `main` as a program: `python -m tfrec` and the command `tfrec`."""

import contextlib
import os
import sys
from typing import NoReturn

from tfrec.cli import EXIT_INTERRUPTED, main


def program() -> NoReturn:
    """Runs `main` and ends with its status.

    An interruption that passed through C code (TensorFlow's import runs Python by `PyRun_String`) leaves a mark by
    which Python, at its regular end, exits by the signal although the interruption was handled: status -2, not 130.
    """
    status = main()
    if status == EXIT_INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BrokenPipeError):  # its reader has gone
                stream.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    program()
