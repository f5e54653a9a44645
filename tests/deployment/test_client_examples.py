"""The examples of other languages ask a served shop, and print the same offers."""

import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.test_client import free_port
from tests.serving.requests import put
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.server import EmbeddedServer

EXAMPLES = Path(__file__).parents[2] / "serving" / "examples"
IN_CI = {"node", "php", "curl", "jq", "bash"}
"""What `.ci/install_examples` installs; what else is missing is skipped there too."""
CART = "item_0,item_2,item_3"
OFFERED = [  # three of five wanted: the row is short
    ["item_1", "-1.0000", "11.00", "bought_together", ""],
    ["item_4", "-4.0000", "14.00", "bought_together", ""],
    ["item_5", "-5.0000", "15.00", "bought_together", ""],
]
REST = {
    "curl": ["bash", "curl/recommend.sh"],
    "python": ["python3", "python/recommend.py"],
    "php": ["php", "php/recommend.php"],
}
GRPC = {"node": ["node", "node/recommend.js"]}


@pytest.fixture(scope="module")
def server(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("examples")
    put(tiny_models, folder, "shop", "1", source="shop/1")
    with EmbeddedServer(folder, port=0, rest_port=0) as running:
        yield running


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            if os.environ.get("CI") == "true" and tool in IN_CI:
                pytest.fail(f"{tool} is missing: .ci/install_examples")
            pytest.skip(f"no {tool}")


def run(command: list[str], target: str, *, folder: Path = EXAMPLES) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, target, CART], cwd=folder, capture_output=True, text=True, check=False)


def rows(ran: subprocess.CompletedProcess[str]) -> list[list[str]]:
    assert ran.returncode == 0, ran.stderr
    return [line.split("\t") for line in ran.stdout.splitlines()]


def prepare(language: str) -> None:
    need({"curl": "curl", "python": "python3"}.get(language, language), *(["jq"] if language == "curl" else []))
    if language == "node" and not (EXAMPLES / "node" / "node_modules").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the packages of the Node example are missing: .ci/install_examples")
        pytest.skip("no node_modules: run .ci/install_examples")


@pytest.mark.parametrize("language", [*REST, *GRPC])
def test_offers_are_printed_without_the_padding_of_a_short_row(server: EmbeddedServer, language: str):
    prepare(language)
    port = server.rest_port if language in REST else server.port
    found = rows(run({**REST, **GRPC}[language], f"127.0.0.1:{port}"))
    assert [[row[0], float(row[1]), float(row[2]), *row[3:]] for row in found] == [
        [row[0], float(row[1]), float(row[2]), *row[3:]] for row in OFFERED
    ]


@pytest.mark.parametrize("language", [*REST, *GRPC])
def test_without_a_server_there_are_no_offers_and_no_trace(language: str):
    prepare(language)
    ran = run({**REST, **GRPC}[language], f"127.0.0.1:{free_port()}")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "no offers" in ran.stderr
    assert "Traceback" not in ran.stderr and "Fatal" not in ran.stderr


def test_the_curl_program_states_the_cause_once():
    prepare("curl")
    ran = run(REST["curl"], f"127.0.0.1:{free_port()}")
    assert re.fullmatch(r"no offers: curl: \(7\) [^\n]+\n", ran.stderr), ran.stderr


@pytest.mark.parametrize("language", [*REST, *GRPC])
def test_a_servable_that_is_not_loaded_is_named(tiny_models: Path, tmp_path: Path, language: str):
    prepare(language)
    put(tiny_models, tmp_path, "m", "1", source="m/1")
    with EmbeddedServer(tmp_path, port=0, rest_port=0) as other:
        ran = run({**REST, **GRPC}[language], f"127.0.0.1:{other.rest_port if language in REST else other.port}")
    assert ran.returncode == 1
    assert re.search(r"no offers.*shop", ran.stderr, re.DOTALL)
    assert language != "curl" or "curl:" not in ran.stderr  # the server's own words say it


@pytest.mark.slow
def test_the_go_program_is_sound_and_prints_offers(server: EmbeddedServer, tmp_path: Path):
    need("go")
    folder = EXAMPLES / "go"
    environment = {**os.environ, "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    for command in (["vet", "."], ["build", "-o", str(tmp_path / "recommend"), "."]):
        ran = subprocess.run(["go", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    unformatted = subprocess.run(["gofmt", "-l", "."], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert unformatted == ""
    assert rows(run([str(tmp_path / "recommend")], f"127.0.0.1:{server.rest_port}", folder=folder)) == OFFERED
    assert run([str(tmp_path / "recommend")], f"127.0.0.1:{free_port()}", folder=folder).returncode == 1


def test_the_java_program_is_well_formed(tmp_path: Path):
    """Of what Maven would fetch and generate nothing is here, so that names of gRPC and of the messages are unknown."""
    need("javac")
    source = EXAMPLES / "java" / "src" / "main" / "java" / "shop" / "Recommend.java"
    options = ["-XDrawDiagnostics", "-Xmaxerrs", "1000", "-d", str(tmp_path)]
    ran = subprocess.run(["javac", *options, str(source)], capture_output=True, text=True, check=False)
    found = set(re.findall(r"compiler\.err\.[\w.]+", ran.stderr))
    assert found <= {"compiler.err.doesnt.exist", "compiler.err.cant.resolve.location"}, ran.stderr


def test_the_grpcurl_program_asks_over_grpc(server: EmbeddedServer):
    need("grpcurl", "jq")
    found = rows(run(["bash", "grpcurl/recommend.sh"], f"127.0.0.1:{server.port}"))
    assert found == [[row[0], *row[3:]] for row in OFFERED]


def test_the_php_program_is_well_formed():
    need("php")
    ran = subprocess.run(["php", "-l", EXAMPLES / "php" / "recommend.php"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("script", ["curl", "grpcurl"])
def test_shell_programs_are_well_formed(script: str):
    ran = subprocess.run(
        ["bash", "-n", EXAMPLES / script / "recommend.sh"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_the_request_over_rest_has_every_input_of_the_contract():
    request = json.loads((EXAMPLES / "requests" / "complete_cart.json").read_text(encoding="utf-8"))
    inputs = SIGNATURES[request["signature_name"]].inputs
    assert list(request["inputs"]) == [spec.name for spec in inputs]
    for spec in inputs:
        value = request["inputs"][spec.name][0]
        (value,) = value if spec.rank == 2 else (value,)
        assert value == (3e38 if spec.padding == math.inf else spec.padding)  # JSON has no infinity


def test_the_proto_file_has_the_numbers_of_the_messages():
    text = re.sub(r"//.*", "", (EXAMPLES / "protos" / "predict.proto").read_text(encoding="utf-8"))
    messages = wire.PredictRequest.DESCRIPTOR.file.message_types_by_name
    named: list[str] = []
    checked = 0
    for line in text.splitlines():
        if opened := re.match(r"\s*(?:message|oneof|enum|service) (\w+) \{", line):
            named.append(opened[1])
        elif line.strip() == "}":
            named.pop()
        elif field := re.match(r"\s+(?:[\w.<>, ]+) (\w+) = (\d+);", line):
            message = next(name for name in reversed(named) if name != "version_choice")
            assert messages[message].fields_by_name[field[1]].number == int(field[2])
            checked += 1
    assert checked == 17
    package = next(iter(re.findall(r"package (.+);", text)))
    assert f"{package}.PredictionService" == wire.PREDICTION_SERVICE
