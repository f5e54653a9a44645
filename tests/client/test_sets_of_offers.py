"""Pages, bundles and sets that reach a threshold, as the client gives them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tfrec import errors
from tfrec.client import RecommenderClient
from tfrec.serving.server import EmbeddedServer


@pytest.fixture(scope="module")
def client(tiny_models: Path) -> Iterator[RecommenderClient]:
    with (
        EmbeddedServer(tiny_models, port=0) as server,
        RecommenderClient(f"127.0.0.1:{server.port}", deadline=10) as connected,
    ):
        yield connected


def test_a_page_reads_by_widget_and_a_bundle_with_its_total(client: RecommenderClient):
    page = client.page(k=2)
    assert {name: len(offers) for name, offers in page.by_widget().items()} == {"recommend": 2}
    assert page.by_widget()["recommend"].recommendation_id == page.recommendation_id
    assert [item.widget for item in page] == ["recommend"] * 2
    bundle = client.bundle(item_id="item_0", k=2)
    assert [item.total_price for item in bundle] == [7.0, 7.0]
    assert bundle.to_pandas()["total_prices"].tolist() == [7.0, 7.0]
    with pytest.raises(errors.SchemaError, match="Only those of `page`"):
        bundle.by_widget()
    with pytest.raises(errors.SchemaError, match="queries"):
        client.page(k=[1, 2]).by_widget()
    assert client.page(k=0).by_widget() == {}


def test_items_of_a_set_that_reaches_the_threshold_are_numbered(client: RecommenderClient):
    offers = client.complete_cart(cart_total=42.0, threshold=50.0, k=2)
    assert [item.threshold_set for item in offers] == [1, 1]
    assert offers.to_pandas()["threshold_sets"].tolist() == [1, 1]
    assert client.recommend(k=2).threshold_sets.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widgets": ["upsell", "recommend", "upsell"]}, "named once"),
        ({"widgets": ["upsel"]}, "`widgets` is one of recommend"),
        ({"widgets": ["upsell"], "widget_sizes": [1, 2]}, "1 widgets and 2 sizes"),
        ({"widget_sizes": [1]}, "0 widgets and 1 sizes"),
    ],
)
def test_a_page_that_cannot_be_is_refused(client: RecommenderClient, arguments: Any, message: str):
    with pytest.raises(errors.SchemaError, match=message):
        client.page(**arguments)
