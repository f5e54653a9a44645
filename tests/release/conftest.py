"""A certified version, and an object store on loopback."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.release.small_models import certify, put_version
from tfrec.release import publish
from tfrec.release.staged import compare_copies


@pytest.fixture(scope="session")
def certified(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of the tiny shop with its certificate; read-only."""
    folder = tmp_path_factory.mktemp("certified") / "1"
    shutil.copytree(tiny_models / "shop" / "1", folder)
    certify(folder)
    return folder


@pytest.fixture
def models(certified: Path, tmp_path: Path) -> Path:
    """A folder with version 1 of three small servables."""
    put_version(tmp_path / "models", certified, 1)
    return tmp_path / "models"


@pytest.fixture
def fresh_process() -> None:
    """Copies are checked as they are for a shop: in a process of their own."""


@pytest.fixture(autouse=True)
def checked_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are checked in the tests' process, which has loaded what that needs, unless a test asks for another."""
    if "fresh_process" not in request.fixturenames:
        monkeypatch.setattr(publish, "check_staged", compare_copies)


@pytest.fixture
def unchecked(checked_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are taken as they are, in moments; `test_publish` has them checked."""
    monkeypatch.setattr(publish, "check_staged", lambda copies: [])


@pytest.fixture(scope="session")
def store_port() -> Iterator[int]:
    """Port of an S3-like store."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def store(store_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """URL of an empty place in the store."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"shop-{abs(hash(str(tmp_path)))}"
    s3fs.S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}/live"
