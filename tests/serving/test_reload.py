"""Reloading the list of servables over gRPC: codes and messages are TF Serving's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from tests.serving.requests import call, put, request_to, states, until
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer

LABELS = 'version_labels {{ key: "{}" value: {} }}'


def entry(name: str = "shop", *more: str, path: str = "", platform: str = "tensorflow") -> str:
    base = path or f"/models/{name}"
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "{platform}" {" ".join(more)} }}'


def reload(server: EmbeddedServer, *entries: str) -> tuple[str, str]:
    text = f"config {{ model_config_list {{ {' '.join(entries)} }} }}"
    request = text_format.Parse(text, wire.ReloadConfigRequest())
    code, details, _ = call(server.port, wire.MODEL_SERVICE, "HandleReloadConfigRequest", request, timeout=30)
    return code, details


def answered(server: EmbeddedServer, name: str = "shop", **spec: Any) -> int | str:
    code, _, content = call(
        server.port, wire.PREDICTION_SERVICE, "Predict", request_to(name, "similar", inputs={}, **spec)
    )
    return wire.PredictResponse.FromString(content).model_spec.version.value if code == "OK" else code


@pytest.fixture
def served(tiny_models: Path, tmp_path: Path) -> Iterator[tuple[EmbeddedServer, Path]]:
    for version in ("1", "2"):
        put(tiny_models, tmp_path, "shop", version)
    put(tiny_models, tmp_path, "fallback", "1")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "models.config").write_text(f"model_config_list {{ {entry()} }}")
    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.02) as server:
        yield server, tmp_path


@pytest.mark.parametrize(
    ("entries", "code", "message"),
    [
        pytest.param(
            [entry(), entry()],
            "INVALID_ARGUMENT",
            "Illegal to list model shop multiple times in config list",
            id="twice",
        ),
        pytest.param(
            [entry("z", path="rel/path")],
            "INVALID_ARGUMENT",
            "Expected model z to have an absolute path or URI; got base_path()=rel/path",
            id="relative path",
        ),
        pytest.param(
            [entry(platform="other")],
            "INVALID_ARGUMENT",
            "Illegal to change a model's platform. For model shop platform was tensorflow and new platform requested "
            "is other",
            id="platform changed",
        ),
        pytest.param(
            [entry(), entry("z", platform="other")],
            "INVALID_ARGUMENT",
            "Model z requests unsupported platform other",
            id="unknown platform",
        ),
        pytest.param(
            [entry(platform="")],
            "INVALID_ARGUMENT",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
            "model name is shop",
            id="no platform",
        ),
    ],
)
def test_a_list_that_tf_serving_refuses_is_refused(
    served: tuple[EmbeddedServer, Path], entries: list[str], code: str, message: str
):
    assert reload(served[0], *entries) == (code, message)
    assert answered(served[0]) == 2


def test_another_kind_of_config_is_refused(served: tuple[EmbeddedServer, Path]):
    code, details, _ = call(served[0].port, wire.MODEL_SERVICE, "HandleReloadConfigRequest", b"")
    assert (code, details) == (
        "INVALID_ARGUMENT",
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
        "supported",
    )


def test_a_new_servable_answers_once_the_call_returns_and_what_is_left_out_is_unloaded(
    served: tuple[EmbeddedServer, Path],
):
    server, _ = served
    assert answered(server, "fallback") == "NOT_FOUND"
    assert reload(server, entry("fallback")) == ("OK", "")
    assert answered(server, "fallback") == 1
    assert answered(server) == "NOT_FOUND"
    until(lambda: states(server.models) == {2: "END"})
    assert reload(server) == ("OK", "")  # an empty list unloads everything
    assert answered(server, "fallback") == "NOT_FOUND"


def test_a_new_servable_that_cannot_be_loaded_is_named(served: tuple[EmbeddedServer, Path]):
    code, details = reload(served[0], entry(), entry("broken"), entry("nowhere"))
    assert code == "UNKNOWN"
    assert details.startswith(
        "2 model(s) did not become available: {{{name: broken version: 1} due to error: Could not"
    )
    assert answered(served[0]) == 2


def test_labels_move_to_loaded_versions_only(served: tuple[EmbeddedServer, Path]):
    server, folder = served
    both = "model_version_policy { specific { versions: 1 versions: 2 } }"
    assert reload(server, entry("shop", both)) == ("OK", "")
    assert reload(server, entry("shop", both, LABELS.format("stable", 1))) == ("OK", "")
    assert answered(server, label="stable") == 1
    assert reload(server, entry("shop", both, LABELS.format("stable", 9))) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 9 of model shop, which is not currently available for inference",
    )
    assert answered(server, label="stable") == 1
    assert reload(server, entry("shop", both, LABELS.format("stable", 2))) == ("OK", "")
    assert answered(server, label="stable") == 2
    (folder / ".new").write_text(f"model_config_list {{ {entry('shop', LABELS.format('canary', 2))} }}")
    (folder / ".new").rename(folder / "models.config")  # from here on the file holds again
    until(lambda: answered(server, label="canary") == 2)
    assert answered(server, label="stable") == "INVALID_ARGUMENT"
