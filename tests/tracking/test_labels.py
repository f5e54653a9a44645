"""Labels of versions, in MLflow's registry and in TF Serving's `models.config`."""

import shutil

import pytest

from tfrec.errors import ConfigError, SourceError, install_hint
from tfrec.serving.models_config import CONFIG, serving_config
from tfrec.tracking.labels import label_versions
from tfrec.tracking.tracked_runs import read_record, train_tracked

mlflow = pytest.importorskip("mlflow", reason=f"no MLflow. {install_hint('tracking')}.")


@pytest.fixture
def models(tiny_trained, tmp_path, monkeypatch):
    """Two versions of the trained shop, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(tiny_trained.models, tmp_path / "models")
    for servable in ("shop", "retrieval", "ranking"):
        shutil.copytree(tmp_path / "models" / servable / "1", tmp_path / "models" / servable / "2")
    return tmp_path / "models"


def parsed(text):
    """The file as TensorFlow Serving's own messages read it."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def test_tf_serving_reads_the_labels_of_all_servables():
    config = parsed(serving_config({"stable": 3, "canary": 4}, versions=[5], base_path="/models/"))
    assert [entry.name for entry in config.model_config_list.config] == ["shop", "retrieval", "ranking"]
    for entry in config.model_config_list.config:
        assert entry.base_path == f"/models/{entry.name}"
        assert dict(entry.version_labels) == {"stable": 3, "canary": 4}
        assert list(entry.model_version_policy.specific.versions) == [3, 4, 5]


def test_untracked_models_have_the_labels_that_are_given(models):
    assert label_versions(models, {"stable": 1}, base_path="/srv") == {"stable": 1}
    assert '"/srv/shop"' in (models / CONFIG).read_text()
    with pytest.raises(SourceError, match="never tracked"):
        label_versions(models)


def test_a_label_of_a_version_that_is_not_there_is_refused(models):
    """A server would have nothing to serve by such a file."""
    label_versions(models, {"stable": 1})
    before = (models / CONFIG).read_text()
    shutil.rmtree(models / "ranking" / "2")
    for version in (2, 9):
        with pytest.raises(SourceError, match=f"names version {version}, but .* is not there"):
            label_versions(models, {"stable": version})
    assert (models / CONFIG).read_text() == before


def test_the_fallback_is_listed_by_its_newest_version():
    config = parsed(
        serving_config({"stable": 3}, versions=[5], base_path="/models", has_fallback=True)
    ).model_config_list
    assert [entry.name for entry in config.config] == ["shop", "retrieval", "ranking", "fallback"]
    assert config.config[-1].base_path == "/models/fallback"
    assert not config.config[-1].HasField("model_version_policy") and not config.config[-1].version_labels


def test_an_alias_of_the_registry_is_a_label_of_the_server(models, tiny_prepared, tiny_trained):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    assert label_versions(models) == {}
    assert label_versions(models, {"stable": 2}) == {"stable": 2}
    record = read_record(models)
    client = mlflow.MlflowClient(record.tracking_uri)
    (version,) = client.search_model_versions()
    client.set_registered_model_alias(record.registered_model, "champion", version.version)
    assert label_versions(models) == {"stable": 2, "champion": 2}
    assert dict(parsed((models / CONFIG).read_text()).model_config_list.config[0].version_labels)["champion"] == 2
    with pytest.raises(SourceError, match="without tracking"):
        label_versions(models, {"canary": 1})


def test_wrong_labels_say_what_to_do(models):
    with pytest.raises(ConfigError, match="stable or canary"):
        label_versions(models, {"v1": 1})
    with pytest.raises(ConfigError, match="small letters"):
        label_versions(models, {"the best": 1})
    with pytest.raises(SourceError, match="version 7"):
        label_versions(models, {"stable": 7})
    assert not (models / CONFIG).exists()
