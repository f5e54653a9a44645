"""What the cluster runs, without one: the nightly script, then a pod's start, by the manifests' own commands."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.deployment.manifests import K8S, ROOT, containers, named, pod_templates
from tfrec.release.place import Place
from tfrec.release.verify import verify_server
from tfrec.serving.server import EmbeddedServer

# A shop of 414 orders is too small for a gate to judge; what is refused is tested in tests/release/test_gate.py.
GATE_OPTIONS = "--margin 0.9 --calibration 1000 --slowdown 50 --max-queries 20"


@pytest.fixture(scope="module")
def environment(tiny_prepared, tmp_path_factory):
    """A folder with `tfrec` on its path, and the script's variables."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "bin").mkdir()
    command = folder / "bin" / "tfrec"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfrec "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "STORE": str(folder / "store"),
        "WORK": str(folder / "work"),
        "RECIPE": "demo_shop",
        "TFREC_DATA_HOME": str(tiny_prepared.parent / "data"),
        "GATE_OPTIONS": GATE_OPTIONS,
        "LABEL": "canary",
    }


def night(environment):
    """Runs the CronJob's command; `/script` is where the manifest mounts `k8s/base`."""
    (train,) = containers(dict(pod_templates("base"))["tfrec-training"])
    words = [word.replace("/script/", f"{K8S / 'base'}/") for word in train["command"]]
    fixed = {one["name"]: one["value"] for one in train["env"] if one["name"] == "BASE_PATH"}
    return subprocess.run(words, env={**environment, **fixed}, capture_output=True, text=True, check=False)


def pull(environment, pod, *, label="stable"):
    """Runs the init container's command; `/models` is the pod's folder."""
    first = named("overlays/prod", "Deployment", "tfrec-serving")["spec"]["template"]["spec"]["initContainers"][0]
    known = {"$(STORE)": environment["STORE"], "$(LABEL)": label, "/models": str(pod)}
    words = [known.get(word, word) for word in first["args"]]
    return subprocess.run(["tfrec", *words], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def nights(environment, tiny_trained):
    """Two nights after the models of the small shop were trained: the first labels stable, the second canary."""
    shutil.copytree(tiny_trained.models, f"{environment['WORK']}/models")
    start = time.monotonic()
    ran = [night(environment) for _ in range(2)]
    print(f"two nights: {time.monotonic() - start:.0f} s")
    return ran


@pytest.mark.slow
def test_a_night_prepares_trains_judges_and_publishes(nights, environment):
    for ran in nights:
        assert ran.returncode == 0, ran.stdout + ran.stderr
    config = Place(environment["STORE"]).config()["shop"]
    assert (config.base, dict(config.labels)) == ("/models", {"stable": 1, "canary": 1})
    assert "stable: version 1" in nights[0].stderr and "canary: version 1" in nights[1].stderr
    assert "there already" in nights[1].stdout  # the store's labels were taken over first


@pytest.mark.slow
def test_a_pod_starts_with_what_was_published_and_refuses_a_changed_copy(nights, environment, tmp_path):
    start = time.monotonic()
    ran = pull(environment, tmp_path / "pod")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(f"pull: {time.monotonic() - start:.0f} s")
    with EmbeddedServer(tmp_path / "pod", port=0) as server:
        done = verify_server(f"127.0.0.1:{server.port}", environment["STORE"], label="stable")
    assert done.num_queries > 0 and done.differences == ()

    variables = next((Place(environment["STORE"]).path / "ranking" / "1" / "variables").glob("*.data-*"))
    whole = variables.read_bytes()
    variables.write_bytes(whole[: len(whole) // 2])
    try:
        ran = pull(environment, tmp_path / "another")
    finally:
        variables.write_bytes(whole)
    assert ran.returncode == 2 and "as certified" in ran.stderr
    assert not (tmp_path / "another" / "models.config").exists()
    assert Place(tmp_path / "another").versions("ranking") == []
