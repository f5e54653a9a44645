"""What several folders of tests share: where the real data lies, tiny SavedModels, a small trained shop."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.databases import PASSWORD, Server, running_mariadb, running_postgres
from tests.demo_shops import prepare_demo_shop


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the number of requests of the tests that ask random ones."""
    parser.addoption("--random-requests", type=int, default=0, help="requests with random rules (default: a sample)")


def pytest_configure() -> None:
    """Lets tests interrupt what they start, though a shell that runs them in the background ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


_LONGEST = {
    "test_workflow",
    "test_interrupted_runs",
    "test_nights",
    "test_gate",
    "test_model_updates",
    "test_tracked_runs",
}
"""Files of few slow tests that take minutes each."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a trained funnel as slow, and puts files with many slow tests first: all processes then end
    together."""
    for item in items:
        if not {"tiny_trained", "trained"}.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (item.path.stem not in _LONGEST, -slow[item.path]))


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of the real data sets: `TFREC_DATA_HOME`, else `../shared/data`; skips where there is none."""
    home = Path(os.environ.get("TFREC_DATA_HOME", Path(__file__).parents[2] / "shared" / "data"))
    if not home.is_dir():
        pytest.skip("no real data: set TFREC_DATA_HOME")
    return home


@pytest.fixture(scope="session")
def data_set(data_home: Path) -> Callable[[str], Path]:
    """Returns the folder of a real data set by its name; skips where it is not there (a clone without the data)."""

    def folder(name: str) -> Path:
        if not (data_home / name).is_dir():
            pytest.skip(f"no {name} there: set TFREC_DATA_HOME to a folder that holds it")
        return data_home / name

    return folder


@pytest.fixture(scope="session")
def built_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], None]], Path]:
    """Returns the folder of a name, filled by the first of the processes that run tests side by side."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def build(name: str, fill: Callable[[Path], None]) -> Path:
        folder, is_whole = shared / name, shared / f"{name}.whole"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                is_whole.touch()
        return folder

    return build


@pytest.fixture(scope="session")
def tiny_models(built_once: Any) -> Path:
    """A folder of tiny SavedModels, see `tests/tiny_models.py`; read-only: copy before changing."""

    def fill(folder: Path) -> None:
        script = Path(__file__).with_name("tiny_models.py")
        built = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr

    return built_once("tiny_models", fill)


class TinyTrained(NamedTuple):
    """A small demo shop with everything that was trained on it and exported."""

    shop: Any  # tfrec.Shop
    trained: Any  # TrainedFunnel, as `load_trained` gives it
    config: Any  # TrainingConfig
    models: Path  # trained/, shop/1, retrieval/1, ranking/1; read-only: copy before changing


@pytest.fixture(scope="session")
def tiny_prepared(built_once: Any) -> Path:
    """A prepared demo shop of 400 items, 300 users and 8,000 events; its raw files lie in `../data`; read-only."""

    def fill(folder: Path) -> None:
        prepare_demo_shop(folder, num_items=400, num_users=300, num_events=8_000, num_slates=200)

    return built_once("tiny_shop", fill) / "prepared"


@pytest.fixture(scope="session")
def tiny_trained(tiny_prepared: Path, built_once: Any) -> TinyTrained:
    """The small demo shop, trained for a few steps; half a minute, once for all tests."""
    import tfrec
    from tfrec.models import RetrievalConfig
    from tfrec.training import TrainingConfig, load_trained
    from tfrec.workflow import train_shop

    config = TrainingConfig(
        retrieval=RetrievalConfig(embedding_dim=16),
        retrieval_epochs=1,
        ranking_epochs=4,
        image_epochs=1,
        num_blocks=1,
        ranking_queries=200,
    )

    def fill(folder: Path) -> None:
        train_shop(tiny_prepared, folder / "models", config, show_progress=False)

    models = built_once("tiny_trained", fill) / "models"
    shop = tfrec.load(tiny_prepared)
    trained, _ = load_trained(shop, models / "trained")
    return TinyTrained(shop, trained, config, models)


@pytest.fixture
def models(tiny_trained: TinyTrained, tmp_path: Path) -> Path:
    """A copy of the models of the small trained shop that a test may change."""
    shutil.copytree(tiny_trained.models, tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A MariaDB server with the empty database `shop`, started once for each process that runs tests."""
    with running_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, started once for each process that runs tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def shop_database(mariadb: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The MariaDB server with a new empty database `shop`, and the password in the environment."""
    mariadb.execute("mysql", "DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop CHARACTER SET utf8mb4")
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    return mariadb
