"""What several folders of tests share: where the real data lies, tiny SavedModels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of the real data sets: `TFREC_DATA_HOME`, else `../shared/data`; skips where there is none."""
    home = Path(os.environ.get("TFREC_DATA_HOME", Path(__file__).parents[2] / "shared" / "data"))
    if not home.is_dir():
        pytest.skip("no real data: set TFREC_DATA_HOME")
    return home


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny SavedModels, see `tests/tiny_models.py`; read-only: copy before changing."""
    folder = tmp_path_factory.mktemp("tiny_models")
    script = Path(__file__).with_name("tiny_models.py")
    built = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder
