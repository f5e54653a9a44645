"""Settings that are tried: how they are written, what is refused, and what becomes of them."""

import pandas as pd
import pytest

from tfrec.errors import ConfigError
from tfrec.jobs.strategy_settings import USUAL_GRID, describe, read_grid, settings_of, with_setting
from tfrec.strategy.config import SlateConfig, StrategyConfig, UpsellConfig


def test_a_grid_is_all_combinations():
    assert read_grid("diversity=0,.1 objective=margin") == [
        {"diversity": 0.0, "objective": "margin"},
        {"diversity": 0.1, "objective": "margin"},
    ]


def test_a_file_lists_settings(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[[settings]]\ndiversity = 0.2\noutside_cart_level = 1\n[[settings]]\nmax_price_ratio = 3\n")
    assert read_grid(str(file)) == [{"diversity": 0.2, "outside_cart_level": 1}, {"max_price_ratio": 3.0}]


@pytest.mark.parametrize(
    ("grid", "named"),
    [
        ("", "empty"),
        ("diversity", "NAME=VALUE"),
        ("diversity=,", "NAME=VALUE"),
        ("diversty=1", "Did you mean 'diversity'"),
        ("diversity=much", "diversity must be a number; got 'much'"),
        ("diversity=nan", "a number; got 'nan'"),
        ("outside_cart_level=1.5", "a whole number; got '1.5'"),
        ("diversity=0 diversity=1", "twice"),
        ("diversity=" + ",".join(["0"] * 501), "at most 500"),
        ("nowhere.toml", "no file of settings nowhere.toml"),
    ],
)
def test_a_wrong_grid_is_refused_with_what_to_do(grid, named):
    with pytest.raises(ConfigError, match=named):
        read_grid(grid)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("diversity = 0.1\n", "must hold"),
        ("[[settings]]\n", "must hold"),
        ("[[settings]]\ndiversity = true\n", "1: diversity must be a number; got True"),
        ("[[settings]]\nobjective = 1\n", "a text; got 1"),
        ("[[settings]]\ndiversity = [0.1]\n", "a number"),
        ("settings = 1 2", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, named):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named) as raised:
        read_grid(str(file))
    assert "settings.toml" in str(raised.value)


def test_each_signature_is_tried_with_its_own_settings_once_beside_those_in_service():
    settings = read_grid("diversity=0,0.5 objective=margin,purchase")
    assert settings_of("cross_sell", settings, StrategyConfig()) == [{}, {"diversity": 0.5}]
    assert len(settings_of("upsell", settings, StrategyConfig())) == 4  # margin without variety is in service
    configured = StrategyConfig(cross_sell=SlateConfig(diversity=0.5))
    assert settings_of("cross_sell", settings, configured) == [{}, {"diversity": 0.0}]
    for signature in ("recommend", "cross_sell", "upsell", "complete_cart"):
        assert len(settings_of(signature, read_grid(USUAL_GRID), StrategyConfig())) > 2


@pytest.mark.parametrize(
    ("signature", "grid"),
    [("cross_sell", "diversity=2"), ("upsell", "objective=profit"), ("upsell", "max_price_ratio=1.05")],
)
def test_a_value_out_of_range_is_refused_before_anything_is_asked(signature, grid):
    with pytest.raises(ConfigError, match=f"{signature} with {grid.replace('=', ' ')}"):
        settings_of(signature, read_grid(grid), StrategyConfig(upsell=UpsellConfig(min_price_ratio=1.1)))


def test_requests_ask_for_a_setting_and_for_none_of_it():
    queries = pd.DataFrame({"query_id": ["a", "b"]})
    asked = with_setting(queries, {"diversity": 0.0, "outside_cart_level": 0, "objective": "margin"})
    assert asked["diversity"].tolist() == asked["outside_cart_level"].tolist() == [-1, -1]  # 0 would be the default
    assert asked["objective"].tolist() == ["margin", "margin"]
    assert with_setting(queries, {"diversity": 0.5})["diversity"].tolist() == [0.5, 0.5]
    assert with_setting(queries, {}).columns.tolist() == ["query_id"]
    assert describe({"diversity": 0.5, "objective": "margin"}) == "diversity 0.5, objective margin"
    assert describe({}) == "as in service"
