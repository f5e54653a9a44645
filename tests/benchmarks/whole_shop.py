"""Reads a whole shop, test period included, for tests and benchmarks of the analyses."""

import os
import tempfile
from pathlib import Path

from tfrec.ingest.prepare import prepare_shop
from tfrec.report import whole_log
from tfrec.schema.tables import Tables


def data_home() -> Path:
    """Returns `TFREC_DATA_HOME`, else `../shared/data` beside the repository."""
    return Path(os.environ.get("TFREC_DATA_HOME", Path(__file__).parents[3] / "shared" / "data"))


def read_whole_shop(recipe: str, home: Path) -> Tables:
    """Returns the shop with the events before and after the split."""
    with tempfile.TemporaryDirectory() as folder:
        return whole_log(prepare_shop(recipe, Path(folder) / "shop", data_home=home))
