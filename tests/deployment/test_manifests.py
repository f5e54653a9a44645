"""Base and overlays: valid for three Kubernetes versions, by custom resources' own rules, and by good practice."""

import re

import kubernetes_validate
import promql_parser
import pytest
import yaml

from tests.deployment.manifests import PLACES, SERVING, containers, named, objects, pod_templates, rendered

VERSIONS = ("1.33", "1.35", "1.37")
CUSTOM = {"ServiceMonitor", "PrometheusRule"}

place = pytest.mark.parametrize("place", PLACES)


@place
@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_valid_for_a_version_of_kubernetes(place, version):
    known = [one for one in objects(place) if one["kind"] not in CUSTOM]
    assert len(known) >= 10
    for one in known:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelled_field_is_found():
    wrong = yaml.safe_load_all(rendered("base").replace("runAsNonRoot", "runAsNonroot"))
    (deployment,) = [one for one in wrong if one["kind"] == "Deployment"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


@place
def test_custom_resources_have_what_the_operator_asks(place):
    found = [one for one in objects(place) if one["kind"] in CUSTOM]
    assert {one["kind"] for one in found} == CUSTOM
    assert all(one["apiVersion"] == "monitoring.coreos.com/v1" for one in found)
    for one in found:
        if one["kind"] == "ServiceMonitor":
            assert set(one["spec"]) <= {"selector", "endpoints", "namespaceSelector", "jobLabel"}
            for endpoint in one["spec"]["endpoints"]:
                assert set(endpoint) == {"port", "path", "interval"}
        else:
            for rule in [rule for group in one["spec"]["groups"] for rule in group["rules"]]:
                assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
                promql_parser.parse(rule["expr"])


def findings(name, template):
    """What a linter such as kube-linter would say of a pod."""
    spec = template["spec"]
    pod = spec.get("securityContext", {})
    checks = {
        "runs as root": pod.get("runAsNonRoot") is True and pod.get("runAsUser", 0) > 0,
        "no seccomp profile": pod.get("seccompProfile") == {"type": "RuntimeDefault"},
        "mounts a token": spec.get("automountServiceAccountToken") is False,
        "default account": spec.get("serviceAccountName", "default") != "default",
        "shares the host": not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        "mounts the host": not any("hostPath" in volume for volume in spec.get("volumes", [])),
        "unlimited scratch": all(v["emptyDir"] for v in spec.get("volumes", []) if "emptyDir" in v),
    }
    for one in containers(template):
        security, resources = one.get("securityContext", {}), one.get("resources", {})
        tag = one["image"].rpartition("/")[2].partition(":")[2]
        limits, requests = resources.get("limits", {}), resources.get("requests", {})
        checks |= {
            f"{one['name']}: writable root": security.get("readOnlyRootFilesystem") is True,
            f"{one['name']}: escalation": security.get("allowPrivilegeEscalation") is False,
            f"{one['name']}: capabilities": security.get("capabilities") == {"drop": ["ALL"]},
            f"{one['name']}: privileged": not security.get("privileged"),
            f"{one['name']}: limits": {"cpu", "memory", "ephemeral-storage"} <= set(limits) & set(requests),
            f"{one['name']}: image tag": tag not in ("", "latest"),
            f"{one['name']}: a secret in its environment": not any(
                "value" in env and re.search("KEY|TOKEN|PASSWORD|SECRET", env["name"]) for env in one.get("env", [])
            ),
        }
    return [f"{name}: {what}" for what, passed in checks.items() if not passed]


@pytest.mark.parametrize("place", PLACES[1:])
def test_pods_follow_good_practice(place):
    assert [finding for name, template in pod_templates(place) for finding in findings(name, template)] == []


@place
def test_servers_are_probed_spread_and_not_all_evicted_at_once(place):
    deployments = [one for one in objects(place) if one["kind"] == "Deployment"]
    assert deployments
    for one in deployments:
        spec = one["spec"]["template"]["spec"]
        (server,) = spec["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} <= set(server)
        labels = one["spec"]["template"]["metadata"]["labels"]
        for spread in spec["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
        pause = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pause < spec["terminationGracePeriodSeconds"]
    budget = named(place, "PodDisruptionBudget", "tfrec-serving")["spec"]
    template = named(place, "Deployment", "tfrec-serving")["spec"]["template"]
    assert budget["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


@place
def test_accounts_mount_no_token_and_no_secret_is_present(place):
    found = objects(place)
    assert not [one for one in found if one["kind"] == "Secret"]
    accounts = {one["metadata"]["name"]: one for one in found if one["kind"] == "ServiceAccount"}
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())
    assert {template["spec"]["serviceAccountName"] for _, template in pod_templates(place)} == set(accounts)


@place
def test_every_selector_selects_something(place):
    pods = [template["metadata"]["labels"] for _, template in pod_templates(place)]
    for one in objects(place):
        for labels in selectors(one):
            assert any(labels.items() <= pod.items() for pod in pods), (one["metadata"]["name"], labels)


def selectors(one):
    """Labels of pods in this namespace that an object selects."""
    spec = one.get("spec", {})
    if one["kind"] == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"]
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                if "podSelector" in peer:
                    yield peer["podSelector"]["matchLabels"]
    elif one["kind"] == "Service":
        yield spec["selector"]
    elif one["kind"] in ("Deployment", "PodDisruptionBudget"):
        yield spec["selector"]["matchLabels"]


@place
def test_every_pod_is_behind_a_policy(place):
    policies = [one["spec"] for one in objects(place) if one["kind"] == "NetworkPolicy"]
    for name, template in pod_templates(place):
        labels = template["metadata"]["labels"].items()
        fitting = [one for one in policies if one["podSelector"]["matchLabels"].items() <= labels]
        assert fitting, name
        assert all(set(one["policyTypes"]) == {"Ingress", "Egress"} for one in fitting)


@place
def test_config_maps_and_claims_that_are_named_are_there_or_documented(place):
    found = {(one["kind"], one["metadata"]["name"]) for one in objects(place)}
    outside = {("ConfigMap", "tfrec-recipes"), ("PersistentVolumeClaim", "tfrec-raw")}
    readme = (SERVING / "README.md").read_text()
    for _, kind_and_name in references(place):
        assert kind_and_name in found or kind_and_name in outside, kind_and_name
    for _, name in outside | {("Secret", "tfrec-store")}:
        assert f"`{name}`" in readme


def references(place):
    for name, template in pod_templates(place):
        for one in containers(template):
            for source in one.get("envFrom", []):
                if "configMapRef" in source:
                    yield name, ("ConfigMap", source["configMapRef"]["name"])
        for volume in template["spec"].get("volumes", []):
            if "configMap" in volume:
                yield name, ("ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                yield name, ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
