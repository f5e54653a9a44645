import dataclasses
import json

import pytest

from tfrec.errors import ConfigError
from tfrec.features.feature_tables import FeatureConfig
from tfrec.training import TrainingConfig
from tfrec.training.settings_file import config_from, read_config


def test_nothing_given_is_the_defaults():
    assert read_config() == TrainingConfig()


def test_a_file_sets_settings_and_parts(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(
        "retrieval_epochs = 2\n[retrieval]\nembedding_dim = 8\nimage_filters = [16, 32]\n[ranking]\nhidden = [4]\n"
    )
    config = read_config(path)
    assert config.retrieval_epochs == 2
    assert config.retrieval.embedding_dim == 8
    assert config.retrieval.image_filters == (16, 32)
    assert config.ranking.hidden == (4,)
    assert config.features == TrainingConfig().features


def test_a_setting_wins_over_the_file(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text("[retrieval]\nembedding_dim = 8\ndropout = 0.5\n")
    config = read_config(path, ["retrieval.embedding_dim=32", "retrieval.use_images = false", "ranking_rate=1e-3"])
    assert config.retrieval.embedding_dim == 32
    assert config.retrieval.dropout == 0.5
    assert config.retrieval.use_images is False
    assert config.ranking_rate == 0.001


def test_a_config_survives_json():
    config = read_config(settings=["retrieval.image_filters=[8, 16]", "sources.cart=5"])
    assert config_from(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_a_section_of_an_earlier_release_is_read_under_its_present_name():
    """`[features]` was called `[knowledge]`, in TOML files and in the configs that models folders hold."""
    stored = json.loads(json.dumps(dataclasses.asdict(TrainingConfig(features=FeatureConfig(l2=7.0)))))
    stored["knowledge"] = stored.pop("features")
    assert config_from(stored).features.l2 == 7.0
    assert read_config(under=stored, settings=["knowledge.dropout=0.2"]).features == FeatureConfig(l2=7.0, dropout=0.2)
    with pytest.raises(ConfigError, match="knowledge"):  # both names: neither may win in silence
        read_config(settings=["knowledge.l2=5", "features.l2=6"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        pytest.param("retrieval.embeding_dim=3", "embedding_dim", id="unknown key names the nearest"),
        pytest.param("retreival.embedding_dim=3", "retrieval", id="unknown part names the nearest"),
        pytest.param("retrieval.embedding_dim=many", "whole number", id="a word for a number"),
        pytest.param("retrieval.embedding_dim=0", "positive", id="out of range"),
        pytest.param("retrieval_epochs", "name=value", id="no value"),
        pytest.param("=3", "name=value", id="no name"),
        pytest.param("retrieval_epochs.deep=3", "whole number", id="a part of a number"),
    ],
)
def test_a_wrong_setting_is_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        read_config(settings=[setting])


def test_a_part_of_a_value_is_named():
    with pytest.raises(ConfigError, match="no table"):
        read_config(settings=["seed=1", "seed.deep=2"])


def test_a_file_that_is_absent_or_no_toml_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no config"):
        read_config(tmp_path / "absent.toml")
    path = tmp_path / "broken.toml"
    path.write_text("retrieval_epochs = \n")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read_config(path)


def test_a_config_of_another_encoding_is_refused_with_its_line(tmp_path):
    (tmp_path / "train.toml").write_bytes("# réglages\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"UTF-8; line 1 holds the byte 0xe9"):
        read_config(tmp_path / "train.toml")
