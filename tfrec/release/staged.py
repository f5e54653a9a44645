"""Loads and queries folders that are not visible yet in a fresh process."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from tfrec.errors import ServingError, TfrecError
from tfrec.release.replay import Difference, check_folder


class Staged(NamedTuple):
    """A copy of a version on this machine."""

    servable: str
    version: int
    folder: Path


def check_staged(copies: Sequence[Staged]) -> list[Difference]:
    """Returns how the copies differ from their certificates.

    Raises:
        ServingError: one has no certificate, or the process failed.
    """
    words = [word for copy in copies for word in (copy.servable, str(copy.version), str(copy.folder))]
    ran = subprocess.run(
        [sys.executable, "-m", "tfrec.release.staged", *words], capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        messages = ran.stderr.strip().splitlines() or [f"status {ran.returncode}"]
        raise ServingError(f"The copies cannot be checked: {messages[-1]}")
    return [Difference(**row) for row in json.loads(ran.stdout.splitlines()[-1])]


def compare_copies(copies: Iterable[Staged]) -> list[Difference]:
    """Returns how the copies differ from their certificates, loaded into this process.

    Raises:
        ServingError: one has no certificate.
    """
    return [
        difference
        for copy in copies
        for difference in check_folder(copy.folder, servable=copy.servable, version=copy.version)
    ]


def main(arguments: Sequence[str]) -> int:
    """Checks `SERVABLE VERSION FOLDER ...` and prints the differences as JSON on the last line."""
    words = zip(*(arguments[start::3] for start in range(3)), strict=True)
    try:
        problems = compare_copies(Staged(servable, int(version), Path(folder)) for servable, version, folder in words)
    except TfrecError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    print(json.dumps([asdict(difference) for difference in problems]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
