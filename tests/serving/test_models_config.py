"""`models.config`: the embedded server follows it as TF Serving does."""

import json
from pathlib import Path

import pytest

from tests.serving.requests import call, put, request_to, states, until
from tfrec.cli import main
from tfrec.client import RecommenderClient
from tfrec.errors import ConfigError, RequestRefusedError, ServingError, SourceError
from tfrec.schema import wire
from tfrec.serving.models_config import CONFIG, read_serving_config, serving_config
from tfrec.serving.server import EmbeddedServer
from tfrec.serving.versions import ServedModels

ENTRY = 'config {{ name: "shop" base_path: "/m/shop" model_platform: "tensorflow" {} }}'


def write(folder: Path, *entries: str) -> Path:
    (folder / ".tmp").write_text(f"model_config_list {{ {' '.join(entries)} }}", encoding="utf-8")
    (folder / ".tmp").rename(folder / CONFIG)
    return folder / CONFIG


def answered(server: EmbeddedServer, label: str) -> int | str:
    """The version that answers, or the status."""
    code, _, content = call(
        server.port, wire.PREDICTION_SERVICE, "Predict", request_to("shop", "similar", label=label, inputs={})
    )
    return wire.PredictResponse.FromString(content).model_spec.version.value if code == "OK" else code


def test_what_label_writes_is_read(tmp_path: Path):
    (tmp_path / CONFIG).write_text(serving_config({"stable": 3, "canary": 4}, versions=[5], base_path="/models/"))
    found = read_serving_config(tmp_path / CONFIG)
    assert list(found) == ["shop", "retrieval", "ranking"]
    assert found["ranking"].labels == {"stable": 3, "canary": 4}
    assert found["shop"].wanted([1, 3, 5, 6]) == [3, 5]


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        pytest.param("", [7], id="no policy: the newest"),
        pytest.param("model_version_policy { latest { num_versions: 2 } }", [3, 7], id="latest two"),
        pytest.param("model_version_policy { latest { } }", [7], id="latest without a number"),
        pytest.param("model_version_policy { all { } }", [1, 3, 7], id="all"),
        pytest.param("model_version_policy { specific { versions: 3 versions: 9 } }", [3], id="specific"),
    ],
)
def test_version_policies_are_tf_servings(policy: str, wanted: list[int], tmp_path: Path):
    found = read_serving_config(write(tmp_path, ENTRY.format(policy)))
    assert found["shop"].wanted([7, 1, 3]) == wanted


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param([ENTRY.format("")] * 2, "Illegal to list model shop multiple times", id="twice"),
        pytest.param(['config { name: "shop" base_path: "shop" }'], "absolute path or URI", id="relative path"),
        pytest.param(['config { nam: "shop" }'], "no ModelServerConfig", id="typing error"),
        pytest.param([], "names no servable", id="empty"),
    ],
)
def test_a_file_that_tf_serving_refuses_is_refused(entries: list[str], message: str, tmp_path: Path):
    with pytest.raises(SourceError, match=message):
        read_serving_config(write(tmp_path, *entries))


def test_requests_name_labels_and_labels_move_while_serving(tiny_models: Path, tmp_path: Path):
    for version in ("1", "2", "3"):
        put(tiny_models, tmp_path, "shop", version)
    both = "model_version_policy { specific { versions: 1 versions: 2 } }"
    write(tmp_path, ENTRY.format(f'{both} version_labels {{ key: "stable" value: 1 }}'))
    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.02) as server:
        assert states(server.models) == {1: "AVAILABLE", 2: "AVAILABLE"}
        assert (answered(server, "stable"), answered(server, "canary")) == (1, "INVALID_ARGUMENT")
        with RecommenderClient(f"localhost:{server.port}", version_label="stable", deadline=10) as client:
            assert client.similar(item_id="item_0").model_version == 1
        with RecommenderClient(f"localhost:{server.port}", deadline=10) as client:
            assert client.similar(item_id="item_0").model_version == 2  # the newest that is named
        with (
            RecommenderClient(f"localhost:{server.port}", version_label="canary", deadline=10) as client,
            pytest.raises(RequestRefusedError, match="tfrec label MODELS"),
        ):
            client.similar(item_id="item_0")
        write(tmp_path, ENTRY.format(f'{both} version_labels {{ key: "stable" value: 2 }}'))
        until(lambda: answered(server, "stable") == 2)
        # A label never moves to a version that is not loaded; a new one may name it, and then finds nothing.
        labels = 'version_labels { key: "stable" value: 9 } version_labels { key: "canary" value: 9 }'
        write(tmp_path, ENTRY.format(f"{both} {labels}"))
        until(lambda: answered(server, "canary") == "NOT_FOUND")
        assert answered(server, "stable") == 2
        (tmp_path / CONFIG).write_text("model_config_list { oops", encoding="utf-8")
        latest = "model_version_policy { latest { num_versions: 1 } }"
        write(tmp_path, ENTRY.format(f'{latest} version_labels {{ key: "stable" value: 3 }}'))
        until(lambda: answered(server, "stable") == 3)
        until(lambda: states(server.models) == {3: "AVAILABLE", 2: "END", 1: "END"})
        assert answered(server, "canary") == "INVALID_ARGUMENT"


def test_the_command_line_asks_for_a_label(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for version in ("1", "2"):
        put(tiny_models, tmp_path, "shop", version)
    write(tmp_path, ENTRY.format('model_version_policy { all { } } version_labels { key: "stable" value: 1 }'))
    with EmbeddedServer(tmp_path, port=0) as server:
        ask = ["ask", f"localhost:{server.port}", "similar", "--item", "item_0", "--json"]
        for more, version in ((["--version-label", "stable"], 1), (["--version", "2"], 2), ([], 2)):
            assert main([*ask, *more]) == 0
            assert json.loads(capsys.readouterr().out)["model_version"] == version


def test_a_newer_version_that_the_file_does_not_name_is_reported_and_not_served(
    tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    put(tiny_models, tmp_path, "shop", "1")
    write(tmp_path, ENTRY.format("model_version_policy { specific { versions: 1 } }"))
    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.02) as server:
        put(tiny_models, tmp_path, "shop", "2")
        until(lambda: "version 2 is there, but" in caplog.text)
        assert states(server.models) == {1: "AVAILABLE"}
    assert caplog.text.count("version 2 is there") == 1


def test_a_file_whose_versions_are_not_there_ends_the_start(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    write(tmp_path, ENTRY.format("model_version_policy { specific { versions: 5 } }"))
    with pytest.raises(ServingError, match=r"names shop, of which .* holds no such version"):
        EmbeddedServer(tmp_path, port=0).start()


def test_a_file_that_is_written_later_is_followed(tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for version in ("1", "2"):
        put(tiny_models, tmp_path, "shop", version)
    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.02) as server:
        assert states(server.models) == {2: "AVAILABLE"}
        specific = "model_version_policy { specific { versions: 1 } }"
        write(tmp_path, ENTRY.format(f'{specific} version_labels {{ key: "stable" value: 1 }}'))
        until(lambda: answered(server, "stable") == 1)
        until(lambda: states(server.models) == {2: "END", 1: "AVAILABLE"})
        (tmp_path / CONFIG).unlink()
        until(lambda: "is gone" in caplog.text)
        assert states(server.models) == {2: "END", 1: "AVAILABLE"}


def test_a_file_that_names_only_what_is_not_there_unloads_nothing(
    tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    put(tiny_models, tmp_path, "shop", "1")
    write(tmp_path, ENTRY.format("model_version_policy { specific { versions: 1 } }"))
    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.02) as server:
        write(tmp_path, ENTRY.format("model_version_policy { specific { versions: 9 } }"))
        until(lambda: "names version 9 of shop" in caplog.text)
        assert states(server.models) == {1: "AVAILABLE"}


@pytest.mark.parametrize("path", ["/x/..", "/"])
def test_a_path_that_leads_out_of_the_folder_is_refused(path: str, tmp_path: Path):
    write(tmp_path, f'config {{ name: "shop" base_path: "{path}" model_platform: "tensorflow" }}')
    with pytest.raises(SourceError, match="end in the name of a folder"):
        read_serving_config(tmp_path / CONFIG)


def test_each_complaint_is_said_once(tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    put(tiny_models, tmp_path, "shop", "1")
    models = ServedModels(tmp_path)
    models.load_first()
    versions = "model_version_policy { specific { versions: 77 } } version_labels { key: 'stable' value: 77 }"
    write(tmp_path, ENTRY.format(versions))
    for _ in range(3):
        models.poll()
    (tmp_path / CONFIG).unlink()
    for _ in range(3):
        models.poll()
    models.close()
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == len(set(said)) == 3, said  # no such version, no such label, the file is gone


def test_a_client_asks_for_a_version_or_a_label(tmp_path: Path):
    with pytest.raises(ConfigError, match="version or a label"):
        RecommenderClient("localhost:1", version=1, version_label="stable")
