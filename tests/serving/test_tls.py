"""TLS and mutual TLS on both ports."""

import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path

import grpc
import pytest

from tests.serving.requests import put, request_to
from tfrec.errors import ConfigError
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer
from tfrec.serving.tls import ServerTls

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem` has signed `server.pem` and `caller.pem`; `stranger.pem` has signed itself."""
    folder = tmp_path_factory.mktemp("pems")
    for name in ("ca", "stranger"):
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", *files)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "caller"):
        key, wanted = folder / f"{name}.key", folder / f"{name}.csr"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", wanted)
        signed = (
            "-CA",
            folder / "ca.pem",
            "-CAkey",
            folder / "ca.key",
            "-CAcreateserial",
            "-extfile",
            folder / "names",
        )
        openssl("x509", "-req", "-in", wanted, *signed, "-days", "2", "-out", folder / f"{name}.pem")
    return folder


def predicted(server: EmbeddedServer, pems: Path, caller: str | None) -> str:
    pair = (None, None) if caller is None else tuple((pems / f"{caller}{end}").read_bytes() for end in (".key", ".pem"))
    credentials = grpc.ssl_channel_credentials((pems / "ca.pem").read_bytes(), *pair)
    with grpc.secure_channel(f"localhost:{server.port}", credentials) as channel:
        method = channel.unary_unary(f"/{wire.PREDICTION_SERVICE}/Predict")
        try:
            method(request_to("shop", "similar", inputs={}).SerializeToString(), timeout=5)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"


def status(server: EmbeddedServer, pems: Path, caller: str | None) -> str:
    context = ssl.create_default_context(cafile=str(pems / "ca.pem"))
    if caller is not None:
        context.load_cert_chain(pems / f"{caller}.pem", pems / f"{caller}.key")
    address = f"https://localhost:{server.rest_port}/v1/models/shop"
    try:
        with urllib.request.urlopen(address, context=context, timeout=5) as response:
            return "OK" if response.status == 200 else "refused"
    except OSError:
        return "refused"


def test_callers_need_a_certificate_where_an_authority_is_named(tiny_models: Path, tmp_path: Path, pems: Path):
    put(tiny_models, tmp_path, "shop", "1")
    tls = ServerTls(pems / "server.pem", pems / "server.key", pems / "ca.pem")
    with EmbeddedServer(tmp_path, port=0, rest_port=0, tls=tls) as server:
        assert [predicted(server, pems, caller) for caller in ("caller", "stranger", None)] == [
            "OK", "UNAVAILABLE", "UNAVAILABLE",
        ]  # fmt: skip
        assert [status(server, pems, caller) for caller in ("caller", "stranger", None)] == ["OK", "refused", "refused"]


def test_without_an_authority_any_caller_may_ask(tiny_models: Path, tmp_path: Path, pems: Path):
    put(tiny_models, tmp_path, "shop", "1")
    tls = ServerTls(pems / "server.pem", pems / "server.key")
    with EmbeddedServer(tmp_path, port=0, rest_port=0, tls=tls) as server:
        assert (predicted(server, pems, None), status(server, pems, None)) == ("OK", "OK")
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://localhost:{server.rest_port}/v1/models/shop", timeout=5)


@pytest.mark.parametrize(
    ("certificate", "key"),
    [("server.pem", "caller.key"), ("missing.pem", "server.key"), ("names", "server.key")],
    ids=["another's key", "missing", "no PEM"],
)
def test_files_that_do_not_fit_are_refused(pems: Path, certificate: str, key: str):
    with pytest.raises(ConfigError, match="TLS needs a certificate, its key"):
        ServerTls(pems / certificate, pems / key)
