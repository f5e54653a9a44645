"""Tuning: trials on the validation period alone, resumed where they stopped, settings that `tfrec train` reads."""

import dataclasses
import time

import numpy as np
import pytest

from tests.training.small import SMALL
from tfrec.cli import main
from tfrec.errors import ConfigError
from tfrec.ingest.prepared import read_prepared
from tfrec.jobs import tuned_settings, tuning
from tfrec.jobs.tuning import GROUPS, Schedule, tune_shop, validation_shop
from tfrec.training.settings_file import read_config

pytestmark = pytest.mark.slow

SHORT = Schedule(retrieval_epochs=1, num_blocks=1, ranking_queries=80, ranking_epochs=2, validation_queries=60)


def tune(prepared, out, trials, **settings):
    return tune_shop(prepared, out, trials=trials, config=SMALL, schedule=SHORT, show_progress=False, **settings)


@pytest.fixture(scope="module")
def tuned(tiny_prepared, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned")
    return tune(tiny_prepared, out, 3), out


def test_the_best_is_never_below_the_first_and_its_file_trains(tuned):
    result, _ = tuned
    assert result.trials == 3
    assert result.value >= result.default_value > 0
    config = read_config(result.file)
    for name, value in result.best.items():
        place = config
        for part in name.split("."):
            place = getattr(place, part)
        assert place == pytest.approx(tuple(value) if isinstance(value, list) else value)
    assert set(result.best) == {*GROUPS["ranking"], *GROUPS["features"]}


def test_a_study_goes_on_after_an_interruption(tiny_prepared, tuned, monkeypatch):
    result, out = tuned
    fit, calls = tuning.fit_ranking, []

    def interrupted(*arguments, **named):
        calls.append(len(calls))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(*arguments, **named)

    monkeypatch.setattr(tuning, "fit_ranking", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(tiny_prepared, out, 5)
    monkeypatch.setattr(tuning, "fit_ranking", fit)
    began = time.monotonic()
    again = tune(tiny_prepared, out, 5)
    assert again.trials == 5
    assert again.default_value == result.default_value
    assert again.value >= result.value
    assert len(list((out / "snapshots").iterdir())) == 1  # the towers were trained once, in the first run
    assert time.monotonic() - began < 120


def test_nothing_of_the_test_period_is_read(tiny_prepared):
    prepared = read_prepared(tiny_prepared)
    shop = validation_shop(prepared)
    assert shop.test_from == prepared.validation_from
    assert shop.train.events["timestamp"].max() < prepared.validation_from
    assert shop.test.events["timestamp"].min() >= prepared.validation_from
    assert shop.test.events["timestamp"].max() < prepared.test_from


def test_items_that_a_log_without_a_catalogue_met_later_are_unknown(tiny_prepared):
    prepared = read_prepared(tiny_prepared)
    sold = prepared.train.items["item_id"].isin(prepared.train.events["item_id"])
    bare = dataclasses.replace(prepared, train=dataclasses.replace(prepared.train, items=prepared.train.items[sold]))
    known = validation_shop(bare).train
    assert set(known.items["item_id"]) == set(known.events["item_id"]) - {""}
    assert len(validation_shop(prepared).train.items) == len(prepared.train.items)


@pytest.mark.parametrize(
    "settings",
    [{"groups": ("rnaking",)}, {"trials": 0}, {"minutes": 0.0}],
    ids=["unknown group", "no trial", "no time"],
)
def test_bad_settings_say_so(settings, tiny_prepared, tmp_path):
    with pytest.raises(ConfigError, match="`groups` must be some of"):
        tune_shop(tiny_prepared, tmp_path, **settings)


def test_ndcg_counts_ties_against_and_missing_truths_as_nothing():
    class Same:
        def __call__(self, features, training=False):
            return features[..., 0], None

    scores = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 0.0], [3.0, 2.0, 1.0]], np.float32)
    truth = np.array([[True, False, False], [True, False, False], [False, False, False]])
    asked = tuning.AskedQueries(scores[..., None], np.ones((3, 3), bool), truth)
    expected = (1.0 + 1 / np.log2(3.0) + 0.0) / 3
    assert tuning._ndcg(Same(), asked) == pytest.approx(expected, abs=1e-6)


def test_the_verb_tunes_and_says_what_matters(tiny_prepared, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tuning.Schedule, "shortened", lambda self, config: SHORT_OF(config))
    arguments = ["tune", str(tiny_prepared), "--out", str(tmp_path / "tuned"), "--trials", "2", "--minutes", "5"]
    assert main([*arguments, "--groups", "ranking", "--set", "retrieval.embedding_dim=8"]) == 0
    printed = capsys.readouterr().out
    assert "2 trials" in printed
    assert "--config" in printed
    assert (tmp_path / "tuned" / "best.toml").exists()


def SHORT_OF(config):  # noqa: N802
    names = ("retrieval_epochs", "num_blocks", "ranking_queries", "ranking_epochs")
    return dataclasses.replace(config, **{name: getattr(SHORT, name) for name in names})


def test_the_file_keeps_tables_apart(tmp_path):
    params = {"ranking_rate": 0.003, "ranking.hidden": "64", "features.l2": 7.5}
    tuned_settings.write_best(tmp_path / "best.toml", params, {**GROUPS["ranking"], **GROUPS["features"]})
    config = read_config(tmp_path / "best.toml")
    assert (config.ranking_rate, config.ranking.hidden, config.features.l2) == (0.003, (64,), 7.5)
