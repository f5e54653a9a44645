"""The funnel that `cross_sell` is timed against has none of the strategies, and honours what a request excludes."""

import numpy as np
import pytest

from tests.benchmarks.plain_funnel import PlainFunnel
from tests.strategy.test_funnel import World
from tfrec.training.export import ServedFunnel


@pytest.fixture(scope="module")
def plain(served_shop):
    funnel = served_shop.served.funnel
    return ServedFunnel(served_shop.shop, PlainFunnel(funnel.sources, funnel.ranking))


@pytest.mark.slow
def test_the_plain_funnel_offers_substitutes_and_variants_that_cross_sell_leaves_out(served_shop, plain):
    world = World(served_shop.shop)
    request = {
        "item_id": np.array(["i21"], object),  # one of six variants
        "exclude_item_ids": np.array([["i1", "i3"]], object),
        "k": np.array([60], np.int32),
    }
    shipped, bare = (
        {item for item in one.answer("cross_sell", request)["item_ids"][0].tolist() if item}
        for one in (served_shop.served, plain)
    )
    assert shipped < bare
    leaf, product = world.category["i21"], world.product["i21"]
    left_out = bare - shipped
    assert {item for item in bare if world.category[item] == leaf} <= left_out
    assert any(world.product[item] == product for item in left_out)
    assert not bare & {"i1", "i3", "i21"} and bare <= world.offered
