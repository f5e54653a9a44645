"""Where the real data lies, for the tests that need it."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of the real data sets: `TFREC_DATA_HOME`, else `../shared/data`; skips where there is none."""
    home = Path(os.environ.get("TFREC_DATA_HOME", Path(__file__).parents[2] / "shared" / "data"))
    if not home.is_dir():
        pytest.skip("no real data: set TFREC_DATA_HOME")
    return home
