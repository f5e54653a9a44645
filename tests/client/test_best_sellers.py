"""With no server at all a page shows best sellers, within the limits of its query."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.client.best_seller_files import write_best_sellers
from tests.client.test_client import aborting, faked, free_port  # noqa: F401
from tfrec import errors
from tfrec.cli import main
from tfrec.client import AsyncRecommenderClient, Exploration, RecommenderClient
from tfrec.client.best_sellers import read_best_sellers
from tfrec.schema.signatures import SIGNATURES


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client of a server that is not there, with best sellers."""
    models = write_best_sellers(tmp_path_factory.mktemp("models"))
    with RecommenderClient(f"127.0.0.1:{free_port()}", best_sellers=models, fallback="fallback", retries=0) as client:
        yield client


def test_without_a_server_the_answer_is_of_best_sellers_and_marked(alone: RecommenderClient):
    offers = alone.recommend(user_id="u", k=3)
    assert offers.item_ids.tolist() == ["lamp", "mug", "ball"]
    assert (offers.servable, offers.model_version) == ("best_sellers", 3)
    assert next(item.reason_sentence() for item in offers) == "bought 9 times lately"
    assert offers.prices.tolist() == [20.0, 5.0, 12.5]
    assert repr(offers).startswith("Offers (best_sellers 3)")


def test_without_a_server_the_lines_of_a_cart_stay_in_their_order(alone: RecommenderClient):
    lines = alone.arrange_cart(cart_item_ids=[["ball", "unknown"], ["lamp"]])
    assert lines["item_ids"].tolist() == [["ball", "unknown"], ["lamp", ""]]
    assert lines["scores"].tolist() == [[0, 0], [0, float("-inf")]]
    assert not lines["complement_item_ids"].any()


@pytest.mark.parametrize(
    ("signature", "arguments", "expected"),
    [
        ("recommend", {"include_categories": ["Home"]}, ["lamp", "mug", "bulb"]),
        ("recommend", {"include_categories": ["Home > Kitchen", "Sport"]}, ["mug", "ball", "net"]),
        ("recommend", {"exclude_item_ids": ["lamp"], "cart_item_ids": ["ball"]}, ["mug", "bulb", "net"]),
        ("recommend", {"exclude_item_ids": [b"lamp"], "include_categories": [b"Home"]}, ["mug", "bulb"]),
        ("recommend", {"min_price": 5, "max_price": 20}, ["lamp", "mug", "ball"]),
        ("recommend", {"k": 0}, []),
        ("cross_sell", {"cart_item_ids": ["lamp"], "outside_cart_level": 1}, ["ball", "net"]),
        ("cross_sell", {"cart_item_ids": ["lamp"], "outside_cart_level": 2}, ["mug", "ball", "net"]),
        ("similar", {"item_id": "bulb"}, ["lamp", "mug", "ball", "net"]),
        ("similar", {"item_id": "net"}, ["ball", "lamp", "mug", "bulb"]),
        ("upsell", {"item_id": "unknown"}, ["lamp", "mug", "ball", "bulb", "net"]),
        ("complete_cart", {"include_categories": ["Garden"]}, []),
        ("recommend", {"include_attributes": ["brand=Acme"]}, []),
        ("recommend", {"exclude_attributes": ["brand=Acme"]}, []),
        ("similar", {"item_id": "lamp", "same_as_anchor": ["brand"]}, []),
        ("recommend", {"bought_before": "only"}, []),
        ("recommend", {"bought_before": "never", "k": 1}, ["lamp"]),
        ("bundle", {"item_id": "lamp"}, []),
        ("page", {"item_id": "net", "k": 1}, ["ball", "lamp", "mug"]),
    ],
)
def test_limits_of_the_query_hold(alone: RecommenderClient, signature: str, arguments: Any, expected: list[str]):
    assert getattr(alone, signature)(**arguments).item_ids.tolist() == expected


def test_widgets_of_a_page_share_what_there_is(alone: RecommenderClient):
    page = alone.page(widgets=["recommend", "buy_again", "similar"], widget_sizes=[1, 0, 2], item_id="bulb", k=5)
    found = {name: offers.item_ids.tolist() for name, offers in page.by_widget().items()}
    assert found == {"recommend": ["lamp"], "similar": ["mug", "ball"]}
    assert len(page.by_widget()["buy_again"]) == 0  # a template asks for each of its widgets
    with pytest.raises(KeyError):
        page.by_widget()["nonsense"]


def test_no_set_is_put_together_for_a_threshold(alone: RecommenderClient):
    outputs = alone.ask("complete_cart", {"cart_total": 40.0, "threshold": 50.0, "k": 2})
    assert outputs["item_ids"].tolist() == [["lamp", "mug"]]
    assert outputs["threshold_sets"].tolist() == [[0, 0]]


@pytest.mark.parametrize("name", [name for name, one in SIGNATURES.items() if one.is_slate])
def test_every_output_of_a_signature_is_there(alone: RecommenderClient, name: str):
    outputs = [spec.name for spec in SIGNATURES[name].outputs]
    given = {"item_id": "lamp"} if "item_id" in [spec.name for spec in SIGNATURES[name].inputs] else {}
    assert list(alone.ask(name, given, outputs=outputs)) == outputs


def test_a_deadline_that_has_passed_at_once_is_named(faked: Any):  # noqa: F811
    with (
        RecommenderClient(f"127.0.0.1:{free_port()}") as client,
        pytest.raises(errors.DeadlineExceededError, match="shop/recommend"),
    ):
        client.recommend(deadline=1e-9)


def test_rows_of_a_batch_have_their_own_limits_and_ids(alone: RecommenderClient):
    offers = alone.complete_cart(cart_item_ids=[["lamp"], ["mug", "ball"]], k=[1, 2])
    assert offers.item_ids.tolist() == [["mug", ""], ["lamp", "bulb"]]
    assert len({one.recommendation_id for one in offers.queries()}) == 2
    with pytest.raises(errors.SchemaError, match="recommendation_id"):
        _ = offers.recommendation_id


def test_a_server_that_hangs_costs_the_deadline_until_the_breaker_opens(faked: Any, tmp_path: Path):  # noqa: F811
    release, calls = threading.Event(), []

    def hanging(request: bytes, context: grpc.ServicerContext) -> bytes:
        calls.append(request)
        release.wait(10)
        return b""

    target = faked(hanging)
    with RecommenderClient(target, deadline=0.2, best_sellers=write_best_sellers(tmp_path)) as client:
        start = time.monotonic()
        for _ in range(5):
            assert client.recommend(k=1).servable == "best_sellers"
        assert 0.9 < time.monotonic() - start < 2.5
        num = len(calls)
        start = time.monotonic()
        for _ in range(20):
            assert client.recommend(k=1).item_ids.tolist() == ["lamp"]
        assert time.monotonic() - start < 0.2
        assert len(calls) == num
    release.set()


def test_what_is_no_question_of_the_shop_and_what_is_wrong_is_still_an_error(faked: Any, tmp_path: Path):  # noqa: F811
    models = write_best_sellers(tmp_path)
    with (
        RecommenderClient(faked(aborting(grpc.StatusCode.INVALID_ARGUMENT, "wrong")), best_sellers=models) as client,
        pytest.raises(errors.RequestRefusedError),
    ):
        client.recommend()
    with (
        RecommenderClient(f"127.0.0.1:{free_port()}", best_sellers=models) as client,
        pytest.raises(errors.ServerUnreachableError),
    ):
        client.ask("retrieve", {"user_id": "u"})


def test_asyncio_has_them_too_and_draws_of_them(tmp_path: Path):
    async def ask() -> Any:
        async with AsyncRecommenderClient(
            f"127.0.0.1:{free_port()}", best_sellers=write_best_sellers(tmp_path), explore=Exploration()
        ) as client:
            return await client.recommend(k=2)

    offers = asyncio.run(ask())
    assert set(offers.item_ids) == {"lamp", "mug"}
    assert offers.servable == "best_sellers"
    assert round(float(offers.propensities[0]), 6) in (round(2 / 3, 6), round(1 / 3, 6))


def test_the_newest_version_of_the_shop_else_of_the_fallback_is_read(tmp_path: Path):
    write_best_sellers(tmp_path, servable="fallback", version=20)
    assert read_best_sellers(tmp_path).version == 20
    for version in (9, 10):
        write_best_sellers(tmp_path, version=version)
    assert read_best_sellers(tmp_path).version == 10
    assert read_best_sellers(tmp_path / "shop" / "9").version == 9
    assert read_best_sellers(tmp_path / "shop" / "9" / "assets.extra" / "best_sellers.json").version == 9


@pytest.mark.parametrize("content", [None, "{", '{"format": 2}', '{"format": 1, "version": 1, "items": [["a"]]}'])
def test_a_list_that_is_not_there_or_cannot_be_read_is_named(tmp_path: Path, content: str | None):
    path = tmp_path / "best_sellers.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(errors.SourceError, match=r"best_sellers\.json"):
        RecommenderClient("localhost:1", best_sellers=path)


def test_the_command_line_says_who_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    models = str(write_best_sellers(tmp_path))
    ask = ["ask", f"127.0.0.1:{free_port()}", "recommend", "--best-sellers", models, "--k", "1", "--json"]
    assert main(ask) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["offers"][0]["item_id"] == "lamp"
    assert "`shop` did not answer; this is `best_sellers`" in said.err
    assert main([*ask, "--categories", "Garden"]) == 0
    assert json.loads(capsys.readouterr().out)["offers"] == []
    assert main(ask[:-1]) == 0
    table = capsys.readouterr().out
    assert "lamp" in table and "–" in table and "%" not in table  # a list of what sold most knows no chances
