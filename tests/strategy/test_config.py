"""The settings of the strategies: what they refuse, how they are written, and that they reach the served graph."""

import dataclasses

import numpy as np
import pytest

from tfrec.errors import ConfigError
from tfrec.strategy.config import (
    SimilarConfig,
    SlateConfig,
    StrategyConfig,
    ThresholdConfig,
    UpsellConfig,
    VarietyConfig,
)
from tfrec.strategy.funnel import Funnel
from tfrec.training.export import ServedFunnel
from tfrec.training.settings_file import read_config


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (UpsellConfig, "max_price_ratio", 1.0),
        (UpsellConfig, "min_price_ratio", 0.9),
        (UpsellConfig, "min_price_ratio", 2.5),
        (UpsellConfig, "objective", "profit"),
        (UpsellConfig, "min_content_similarity", 1.5),
        (UpsellConfig, "diversity", 1.1),
        (SlateConfig, "diversity", -0.1),
        (SlateConfig, "outside_cart_level", -1),
        (SimilarConfig, "content_weight", -0.1),
        (SimilarConfig, "candidates", 0),
        (VarietyConfig, "pool", 0),
        (ThresholdConfig, "max_gap_ratio", 1.0),
        (ThresholdConfig, "max_items", 0),
        (ThresholdConfig, "max_items", 5),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(kind, name, value):
    with pytest.raises(ConfigError, match=name):
        kind(**{name: value})


def test_the_price_band_is_one_line_of_toml(tmp_path):
    (tmp_path / "train.toml").write_text("[strategy.upsell]\nmax_price_ratio = 1.5\n")
    assert read_config(tmp_path / "train.toml").strategy.upsell == UpsellConfig(max_price_ratio=1.5)
    assert read_config(settings=["strategy.upsell.max_price_ratio=1.5"]) == read_config(tmp_path / "train.toml")


@pytest.mark.parametrize("text", ["strategy.upsell.max_price_ratoi=1.5", "strategy.upsell.max_price_ratio=1"])
def test_a_misspelt_or_impossible_setting_is_an_error(text):
    with pytest.raises(ConfigError, match="max_price_ratio"):
        read_config(settings=[text])


def test_signatures_without_settings_of_their_own_have_none():
    strategy = StrategyConfig(cross_sell=SlateConfig(0.4, 1), upsell=UpsellConfig(diversity=0.2))
    assert strategy.slates_of("cross_sell") == SlateConfig(0.4, 1)
    assert strategy.slates_of("upsell") == SlateConfig(0.2)
    assert strategy.slates_of("recommend") == strategy.slates_of("similar") == SlateConfig()


@pytest.mark.slow
@pytest.mark.parametrize("signature", ["recommend", "cross_sell", "complete_cart", "upsell"])
def test_a_published_default_answers_as_a_request_that_names_it(served_shop, signature):
    own = UpsellConfig(diversity=0.6) if signature == "upsell" else SlateConfig(diversity=0.6)
    if signature in ("cross_sell", "complete_cart"):
        own = SlateConfig(diversity=0.6, outside_cart_level=2)
    funnel = served_shop.served.funnel
    served = ServedFunnel(
        served_shop.shop, Funnel(funnel.sources, funnel.ranking, strategy=StrategyConfig(**{signature: own}))
    )

    def ask(served, **inputs):
        cart = np.array([["", "i3"], ["", "i14"]], object)
        asked = {"cart_item_ids": cart, "k": np.array([12, 12], np.int32)}
        asked |= {"item_id": np.array(["i6", "i2"], object)} if signature in ("upsell", "cross_sell") else {}
        asked |= {"max_price_ratio": np.full(2, 20, np.float32)} if signature == "upsell" else {}
        kinds = {"diversity": np.float32, "outside_cart_level": np.int32}
        asked |= {name: np.full(2, value, kinds[name]) for name, value in inputs.items()}
        return served.answer(signature, asked)["item_ids"].tolist()

    has_level = isinstance(own, SlateConfig) and own.outside_cart_level
    named = {"diversity": 0.6, **({"outside_cart_level": 2} if has_level else {})}
    without = dict.fromkeys(named, -1)
    plain = ask(served_shop.served)
    assert ask(served) == ask(served_shop.served, **named) != plain
    assert ask(served, **without) == plain == ask(served_shop.served, **without)


@pytest.mark.slow
def test_the_served_graph_keeps_to_the_settings(served_shop):
    shop, funnel = served_shop.shop, served_shop.served.funnel

    def ask(strategy, signature, **inputs):
        served = ServedFunnel(shop, Funnel(funnel.sources, funnel.ranking, strategy=strategy))
        return dataclasses.replace(served_shop, served=served).ask(signature, **inputs)

    price = dict(zip(shop.vocabularies.items.tokens, shop.vocabularies.catalogue.price[1:], strict=True))
    anchors = [item for item in price if price[item] > 0]
    dearest = []
    for ratio in (1.2, 4.0):
        strategy = StrategyConfig(upsell=UpsellConfig(max_price_ratio=ratio))
        offered = ask(strategy, "upsell", item_id=anchors, k=np.array([50], np.int32))["item_ids"]
        ratios = [
            price[item] / price[anchor] for anchor, row in zip(anchors, offered, strict=True) for item in row if item
        ]
        assert max(ratios) <= ratio
        dearest.append(max(ratios))
    assert dearest[0] < dearest[1]
    apart = [
        ask(StrategyConfig(similar=similar), "similar", item_id=anchors[:1], k=np.array([5], np.int32))["scores"]
        for similar in (SimilarConfig(), SimilarConfig(embedding_weight=0.0, content_weight=2.0))
    ]
    assert not np.allclose(*apart)
