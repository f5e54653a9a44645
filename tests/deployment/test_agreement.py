"""Names, ports, paths and labels of `serving/` and `k8s/` are those of the code; a change of one side fails."""

import re

import pytest
import yaml
from tensorflow.core.protobuf import config_pb2

from tests.deployment.config_messages import CLASSES
from tests.deployment.manifests import (
    K8S,
    OVERLAYS,
    PLACES,
    SERVING,
    containers,
    flags,
    named,
    objects,
    pod_templates,
    server_of,
)
from tests.deployment.test_container import alerts, panels, parsed
from tfrec.cli import build_parser
from tfrec.release.canary import REQUESTS
from tfrec.release.follow import STABLE
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.models_config import BATCH_SIZES, CONFIG, FALLBACK, SERVABLES, serving_config
from tfrec.serving.servable import SESSION_CONFIG

GRPC_PORT, REST_PORT = 8500, 8501
METRICS = "/monitoring/prometheus/metrics"


def test_models_config_is_what_label_writes():
    written = serving_config({STABLE: 1}, versions=[], base_path="/models", has_fallback=True)
    assert (SERVING / CONFIG).read_text() == written


def test_servables_of_the_contract_are_those_of_the_configuration():
    assert {signature.servable for signature in SIGNATURES.values()} == set(SERVABLES)


def test_batch_sizes_are_those_that_warm_up_asks():
    batching = parsed("batching.config", CLASSES["BatchingParameters"]())
    assert tuple(batching.allowed_batch_sizes) == BATCH_SIZES


def server_flags():
    """The server's flags: of the image, of the compose file, of each Deployment."""
    image = re.search(r"^CMD (\[.*?\])", (SERVING / "Dockerfile").read_text().replace("\\\n", ""), re.M)[1]
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["server"]["command"]
    yield "image", flags(yaml.safe_load(image))
    yield "compose", flags(compose)
    yield "base", flags(server_of("base")["args"])
    yield "canary", flags(server_of("overlays/canary", "tfrec-serving-canary")["args"])


@pytest.mark.parametrize(("where", "given"), list(server_flags()), ids=[where for where, _ in server_flags()])
def test_servers_run_with_the_same_flags(where, given):
    _, first = next(server_flags())
    assert first.items() <= given.items()
    assert (given["port"], given["rest_api_port"]) == (str(GRPC_PORT), str(REST_PORT))
    assert given["model_config_file"] == f"/models/{CONFIG}"
    assert given["allow_version_labels_for_unavailable_models"] == "true"
    assert "enable_batching" not in given  # measured as slower: serving/batching.config
    if where != "image":  # sized by hand
        assert {"tensorflow_session_parallelism", "grpc_max_threads"} <= set(given)


@pytest.mark.parametrize("place", PLACES)
def test_session_parallelism_is_the_limit_of_cores(place):
    server = server_of(place)
    assert flags(server["args"])["tensorflow_session_parallelism"] == server["resources"]["limits"]["cpu"]


def test_the_embedded_server_optimises_graphs_as_the_container_does():
    assert parsed("session.config", config_pb2.ConfigProto()).SerializeToString() == SESSION_CONFIG


def test_monitoring_path_is_the_one_that_is_scraped():
    config = parsed("monitoring.config", CLASSES["MonitoringConfig"]())
    assert config.prometheus_config.enable and config.prometheus_config.path == METRICS
    prometheus = yaml.safe_load((SERVING / "monitoring" / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    assert (job["metrics_path"], job["job_name"]) == (METRICS, "tfrec-serving")
    assert job["static_configs"] == [{"targets": [f"server:{REST_PORT}"]}]
    (endpoint,) = named("base", "ServiceMonitor", "tfrec")["spec"]["endpoints"]
    assert endpoint["path"] == METRICS


@pytest.mark.parametrize("place", PLACES)
def test_ports_are_the_same_from_container_to_service_policy_and_monitor(place):
    services = [one for one in objects(place) if one["kind"] == "Service"]
    for one in services:
        name = one["metadata"]["name"]
        ports = {port["name"]: port["containerPort"] for port in server_of(place, name)["ports"]}
        assert ports == {"grpc": GRPC_PORT, "metrics": REST_PORT}
        assert {port["targetPort"]: port["port"] for port in one["spec"]["ports"]} == ports
        assert one["spec"]["clusterIP"] == "None"
        opened = [rule["ports"] for rule in named(place, "NetworkPolicy", name)["spec"]["ingress"]]
        assert {port["port"] for rule in opened for port in rule} == set(ports.values())
        probed = server_of(place, name)
        assert {probed[f"{kind}Probe"]["grpc"]["port"] for kind in ("startup", "readiness")} == {GRPC_PORT}
    monitor = named(place, "ServiceMonitor", "tfrec")["spec"]
    labels = monitor["selector"]["matchLabels"].items()
    assert services and all(labels <= one["metadata"]["labels"].items() for one in services)
    assert monitor["endpoints"][0]["port"] == "metrics"


@pytest.mark.parametrize("place", OVERLAYS)
def test_commands_of_pods_are_verbs_with_arguments_that_exist(place):
    parser = build_parser()
    asked = [
        (one["name"], one["args"])
        for _, template in pod_templates(place)
        for one in containers(template)
        if one["image"].rpartition("/")[2].startswith("tfrec:") and "args" in one
    ]
    assert len(asked) >= 2
    for _, words in asked:
        parser.parse_args(words)


@pytest.mark.parametrize("place", PLACES)
def test_pods_pull_into_the_folder_that_the_server_reads(place):
    for one in objects(place):
        if one["kind"] == "Deployment":
            spec = one["spec"]["template"]["spec"]
            (server,) = spec["containers"]
            mounts = {mount["mountPath"]: mount for mount in server["volumeMounts"]}
            assert mounts["/models"]["readOnly"] and mounts["/models"]["name"] == "models"
            for tool in spec["initContainers"]:
                assert tool["args"][tool["args"].index("--to") + 1] == "/models"
                assert {"name": "models", "mountPath": "/models"} in tool["volumeMounts"]


@pytest.mark.parametrize(("name", "label"), [("tfrec-serving", STABLE), ("tfrec-serving-canary", "canary")])
def test_servers_follow_their_label(name, label):
    template = named("overlays/canary", "Deployment", name)["spec"]["template"]
    for one in template["spec"]["initContainers"]:
        assert {"name": "LABEL", "value": label} in one["env"]
        assert one["args"][one["args"].index("--label") + 1] == "$(LABEL)"


def test_training_writes_where_servers_read():
    (train,) = containers(dict(pod_templates("base"))["tfrec-training"])
    assert {"name": "BASE_PATH", "value": "/models"} in train["env"]
    script = train["command"][1].rpartition("/")[2]
    place = named_like("base", "ConfigMap", "tfrec-training")
    assert place["data"][script] == (K8S / "base" / script).read_text()
    assert set(named_like("base", "ConfigMap", "tfrec-place")["data"]) == {"STORE", "RECIPE"}


def named_like(place, kind, start):
    (found,) = [one for one in objects(place) if one["kind"] == kind and one["metadata"]["name"].startswith(start)]
    return found


def test_the_controller_names_the_jobs_under_which_servers_are_counted():
    words = dict(pod_templates("overlays/canary"))["tfrec-canary-controller"]["spec"]["containers"][0]["args"]
    given = flags([word for word in words if word.startswith("--")])
    services = {one["metadata"]["name"] for one in objects("overlays/canary") if one["kind"] == "Service"}
    assert {given["job"], given["stable-job"]} == services  # without `jobLabel` a Service's name is the job
    assert given["server"] == f"dns:///{given['job']}:{GRPC_PORT}"
    defaults = build_parser().parse_args(["canary", "x", "--server", "y:1"])
    assert (defaults.job, defaults.stable_job) == (given["job"], given["stable-job"])


def test_autoscaling_uses_the_metric_that_the_adapter_makes():
    (metric,) = named("base", "HorizontalPodAutoscaler", "tfrec-serving")["spec"]["metrics"]
    (rule,) = yaml.safe_load((K8S / "adapter" / "values.yaml").read_text())["rules"]["custom"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert ":tensorflow:serving:request_latency_sum" in rule["metricsQuery"]


def test_alerts_of_the_cluster_are_those_of_the_compose_file():
    groups = {group["name"]: group for group in named("base", "PrometheusRule", "tfrec-serving")["spec"]["groups"]}
    (group,) = yaml.safe_load((SERVING / "monitoring" / "alerts.yml").read_text())["groups"]
    assert groups["tfrec-serving"] == group
    runbook = (SERVING / "README.md").read_text()
    assert [rule["alert"] for rule in groups["tfrec-cluster"]["rules"] if f"`{rule['alert']}`" not in runbook] == []


def test_expressions_name_servables_and_metrics_that_exist():
    metrics = {
        REQUESTS,
        *(f":tensorflow:serving:request_latency_{part}" for part in ("bucket", "sum")),
        ":tensorflow:cc:saved_model:load_attempt_count",
        ":tensorflow:cc:saved_model:load_latency",
    }
    for expression in [*alerts().values(), *panels()]:
        assert set(re.findall(r":tensorflow[a-z_:]+", expression)) <= metrics, expression
        for names in re.findall(r'model_name=~?"([^"]*)"', expression):
            assert set(names.split("|")) <= {*SERVABLES, FALLBACK}, expression


def test_the_image_and_the_runbook_name_the_same_server():
    (tag,) = re.findall(r"^ARG TF_SERVING_TAG=(\S+)", (SERVING / "Dockerfile").read_text(), re.M)
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text())
    assert compose["services"]["server"]["image"] == f"tfrec-serving:{tag}"
    for place in OVERLAYS:
        assert server_of(place)["image"].endswith(f"/tfrec-serving:{tag}")


def test_commands_of_the_runbook_exist():
    text = (SERVING / "README.md").read_text()
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.S))
    parser = build_parser()
    found = re.findall(r"^(tfrec [^#&\n]*)", blocks, re.M)
    assert len(found) >= 10
    for line in found:
        parser.parse_args(line.split()[1:])
