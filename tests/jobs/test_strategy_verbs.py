"""`tfrec strategy` on trained models: figures as JSON and as a picture, and a file that is published untrained."""

import dataclasses
import json

import pytest

from tfrec.cli import main
from tfrec.jobs.model_updates import planned_warm_start
from tfrec.models_folder import read_models_manifest
from tfrec.training.settings_file import read_config

GRID = ["--grid", "diversity=0.3 objective=purchase", "--max-queries", "60"]


def test_settings_are_compared_and_drawn(models, tmp_path, capsys):
    picture = tmp_path / "trade_off.svg"
    assert main(["strategy", "evaluate", str(models), *GRID, "--plot", str(picture), "--json"]) == 0
    found = {one["signature"]: one for one in json.loads(capsys.readouterr().out)["signatures"]}
    assert list(found) == ["recommend", "cross_sell", "upsell", "complete_cart"]
    present, varied = found["cross_sell"]["tried"]
    assert (present["setting"], present["gains"]) == ({}, {}) and varied["setting"] == {"diversity": 0.3}
    assert varied["gains"]["distance"]["value"] > 0
    assert 0 < present["estimates"]["acceptance"]["value"] <= present["estimates"]["add_on_rate"]["value"] < 1
    assert present["estimates"]["margin"]["value"] < present["estimates"]["revenue"]["value"]
    text = picture.read_text(encoding="utf-8")
    assert "cross_sell" in text and "acceptance" in text
    kept = json.loads((models / "strategies.json").read_text(encoding="utf-8"))  # for `tfrec report`
    assert {one["signature"]: one for one in kept["signatures"]} == found


def test_what_is_tuned_is_published_without_a_training(models, tiny_prepared, tmp_path, capsys):
    file = tmp_path / "strategy.toml"
    tune = ["strategy", "tune", str(models), "--signature", "cross_sell", *GRID, "--out", str(file)]
    assert main([*tune, "--maximise", "acceptance", "--at-least", "distance=1000"]) == 0
    printed = capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("*strategy*")] == [file.name]  # nothing kept for an interruption
    assert "None of 1 settings keeps 100000% of distance" in printed and "settings in service stay" in printed
    old = read_models_manifest(models)
    assert read_config(file, under=old.config) == read_config(under=old.config)

    file.write_text("[strategy.cross_sell]\ndiversity = 0.3\n", encoding="utf-8")
    config = read_config(file, under=old.config)
    assert config.strategy.cross_sell.diversity == 0.3
    planned = planned_warm_start(tiny_prepared, models, models, config)
    assert planned.identity == old.identity  # nothing is left to learn
    assert dataclasses.replace(config, strategy=read_config(under=old.config).strategy) == read_config(under=old.config)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evaluate", "--signature", "similar"], "--signature"),
        (["evaluate", "--signature", "cross_sell", "--grid", "objective=margin"], "nothing to compare"),
        (["tune", "--out", "tuned.txt"], ".toml"),
        (["tune", "--out", "tuned.toml", "--maximise", "profit"], "margin, revenue"),
        (["tune", "--out", "tuned.toml", "--at-least", "acceptance"], "NAME=NUMBER"),
    ],
)
def test_what_cannot_be_tried_is_refused(models, arguments, named, capsys):
    action, *options = arguments
    assert main(["strategy", action, str(models), *options]) == 2
    assert named in capsys.readouterr().err


def test_a_file_of_another_hand_is_refused_before_anything_is_asked(models, capsys):
    (models / "strategies.json").write_text('{"mine": 1}')
    assert main(["strategy", "evaluate", str(models)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (models / "strategies.json").read_text() == '{"mine": 1}'
