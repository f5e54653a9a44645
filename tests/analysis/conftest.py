"""Real shops, for the tests of the analyses."""

from pathlib import Path

import pytest

from tests.benchmarks.whole_shop import read_whole_shop
from tfrec.schema.tables import Tables


@pytest.fixture(scope="session")
def online_retail(data_home: Path) -> Tables:
    """All of Online Retail; skips where it is not there."""
    return _read("online_retail", data_home)


@pytest.fixture(scope="session")
def groceries(data_home: Path) -> Tables:
    """All of Groceries; skips where it is not there."""
    return _read("groceries", data_home)


def _read(name: str, home: Path) -> Tables:
    if not (home / name).is_dir():
        pytest.skip(f"no {name} there: set TFREC_DATA_HOME to a folder that holds it")
    return read_whole_shop(name, home)
