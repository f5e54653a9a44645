"""The container's files: read as TF Serving, Docker, Compose, Prometheus and Grafana read them."""

import json
import os
import subprocess

import promql_parser
import pytest
import yaml
from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.deployment.config_messages import CLASSES
from tests.deployment.manifests import SERVING, tool


def parsed(name, message):
    return text_format.Parse((SERVING / name).read_text(), message)


def test_tf_serving_reads_every_text_proto():
    files = {
        "models.config": model_server_config_pb2.ModelServerConfig(),
        "batching.config": CLASSES["BatchingParameters"](),
        "monitoring.config": CLASSES["MonitoringConfig"](),
        "session.config": config_pb2.ConfigProto(),
        "ssl.config.example": CLASSES["SSLConfig"](),
    }
    assert {path.name for path in SERVING.glob("*.config*")} == set(files)
    for name, message in files.items():
        assert parsed(name, message).ListFields(), name


def test_batching_is_as_tf_serving_accepts_it():
    batching = parsed("batching.config", CLASSES["BatchingParameters"]())
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(sizes) and sizes[-1] == batching.max_batch_size.value
    assert batching.num_batch_threads.value >= 1 and batching.pad_variable_length_inputs


@pytest.mark.parametrize("name", ["Dockerfile", "tools.Dockerfile"])
def test_dockerfiles_have_no_findings(name):
    ran = subprocess.run([tool("hadolint"), "--no-color", SERVING / name], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("name", ["Dockerfile", "tools.Dockerfile"])
def test_images_run_as_an_ordinary_user_without_a_shell_between(name):
    lines = [line for line in (SERVING / name).read_text().splitlines() if line and not line.startswith("#")]
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    (entry,) = [line for line in lines if line.startswith("ENTRYPOINT ")]
    assert json.loads(entry.removeprefix("ENTRYPOINT "))[0] in ("/usr/bin/tini", "tfrec")


def test_the_image_of_tools_copies_what_is_there():
    lines = (SERVING / "tools.Dockerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert {"tfrec/", "setup.cfg"} <= set(copied)
    assert [name for name in copied if not (SERVING.parent / name).exists()] == []


def test_compose_file_is_valid():
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", SERVING / "compose.yaml"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_compose_mounts_what_is_there():
    services = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]
    mounts = [mount for one in services.values() for mount in one.get("volumes", []) if isinstance(mount, str)]
    local = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(local) >= 5 and all((SERVING / path).exists() for path in local)
    assert all(":" in one["image"] and not one["image"].endswith(":latest") for one in services.values())


def test_alert_rules_and_panels_are_promql_over_the_metrics_of_tf_serving():
    for expression in [*alerts().values(), *panels()]:
        promql_parser.parse(expression.replace("$__rate_interval", "5m"))


def alerts():
    groups = yaml.safe_load((SERVING / "monitoring" / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels():
    boards = [json.loads(path.read_text()) for path in (SERVING / "monitoring" / "dashboards").glob("*.json")]
    found = [target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(found) >= 8
    return found


def test_every_alert_is_explained_in_the_runbook():
    text = (SERVING / "README.md").read_text()
    assert [name for name in alerts() if f"`{name}`" not in text] == []
