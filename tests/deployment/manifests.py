"""Kubernetes objects as `kubectl kustomize` makes them of base and overlays, and their containers."""

import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SERVING, K8S = ROOT / "serving", ROOT / "k8s"
PLACES = ("base", "overlays/dev", "overlays/prod", "overlays/canary")
OVERLAYS = PLACES[1:]

Object = Mapping[str, Any]


def tool(name: str) -> str:
    """A command that pip installed beside this Python; missing, the test fails."""
    path = Path(sys.executable).parent / name
    assert path.is_file(), f"{path} is not there: pip install -e '.[dev]'"
    return str(path)


@functools.cache
def rendered(place: str) -> str:
    """What `kubectl apply --kustomize k8s/PLACE` would send."""
    ran = subprocess.run([tool("kubectl"), "kustomize", K8S / place], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and not ran.stderr, ran.stderr
    return ran.stdout


def objects(place: str) -> list[Object]:
    return list(yaml.safe_load_all(rendered(place)))


def named(place: str, kind: str, name: str) -> Object:
    (found,) = [one for one in objects(place) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_templates(place: str) -> Iterator[tuple[str, Object]]:
    """Yields the name of each workload and its pods' template."""
    for one in objects(place):
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            yield one["metadata"]["name"], spec["jobTemplate"]["spec"]["template"]
        elif "template" in spec:
            yield one["metadata"]["name"], spec["template"]


def containers(template: Object) -> list[Object]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def server_of(place: str, name: str = "tfrec-serving") -> Object:
    (server,) = named(place, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return server


def flags(arguments: list[str]) -> dict[str, str]:
    """Returns `--name=value` words as name → value."""
    return dict(word.removeprefix("--").split("=", 1) for word in arguments)
