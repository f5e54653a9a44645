"""A baseline behind the served signatures: its own order, true reasons, chances that hold, published in seconds."""

import dataclasses
import json

import numpy as np
import pytest

from tests.strategy.served_shop import ServedShop
from tests.worlds import bought, make_shop, viewed
from tfrec.baselines.registry import REGISTRY, SERVED, fit_method
from tfrec.cli import main
from tfrec.errors import ConfigError, SchemaError
from tfrec.evaluation.metrics import on_catalogue
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.evaluation.sessions import next_item_cases
from tfrec.ingest.prepared import read_prepared
from tfrec.jobs.fallback import calibrate, fit_baseline, publish_baseline

pytestmark = pytest.mark.slow

WIDTH = 20


@pytest.fixture(scope="module")
def demo(tiny_prepared):
    import tfrec

    return tfrec.load(tiny_prepared)


def served(shop, method):
    from tfrec.training.export import build_served_baseline

    return ServedShop(shop, build_served_baseline(shop, fit_baseline(shop, method)))


def lists(table, name):
    width = max(len(values) for values in table[name])
    return np.array([[*values, *[""] * (width - len(values))] for values in table[name]], object).astype(str)


@pytest.mark.parametrize("method", SERVED)
def test_the_served_order_is_that_of_the_baseline(demo, method):
    """Each place holds an item of the score that NumPy has at that place, over all that may be offered."""
    train, test = demo.prepared.train, demo.prepared.test
    of_sessions = REGISTRY[method].of_sessions
    cases = next_item_cases(train, test) if of_sessions else cart_completion_cases(train, test, seed=0)
    cases = cases[:60]
    scorer, history = fit_method(train, method)
    scores = on_catalogue(scorer, history.item_ids)(cases)
    scores = np.array(scores if isinstance(scores, np.ndarray) else scores.toarray())
    shop = served(demo, method)
    queries = cases.to_queries()
    sent = {"user_id": cases.user_ids.astype(str), "k": np.full(len(cases), WIDTH, np.int32)}
    if of_sessions:
        answer = shop.ask("recommend", recent_item_ids=lists(queries, "recent_item_ids"), **sent)
    else:
        answer = shop.ask("complete_cart", cart_item_ids=lists(queries, "cart_item_ids"), **sent)
        scores[cases.excluded.nonzero()] = -np.inf
    is_offered = shop.served.funnel.sources.is_offered.numpy()
    scores[:, ~is_offered[demo.vocabularies.items.encode(cases.item_ids)]] = -np.inf
    wanted = -np.sort(-scores, axis=1)[:, :WIDTH]
    at = cases.item_ids.get_indexer(answer["item_ids"].ravel()).reshape(wanted.shape)
    assert (at >= 0).all()
    result = np.take_along_axis(scores, at, axis=1)
    size = np.abs(wanted).max()
    np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=max(1e-7 * size, 1e-9))
    np.testing.assert_allclose(answer["scores"], wanted, rtol=1e-5, atol=max(1e-7 * size, 1e-9))
    assert len(np.unique(np.sort(at, axis=1), axis=0)) > 1 or method in ("popularity", "recent_popularity")


def test_a_guest_without_a_cart_is_offered_what_is_popular():
    shop = served(small_shop(), "ease_personal")
    answer = shop.ask("recommend", user_id=[""], k=np.array([2], np.int32))
    assert answer["item_ids"][0].tolist() == ["milk", "bread"]
    assert answer["probabilities"][0] == pytest.approx([12 / 30, 8 / 30], rel=1e-3)  # of all that was bought


def test_reasons_name_what_the_method_used():
    shop = served(small_shop(), "ease_personal")
    answer = shop.ask(
        "complete_cart", user_id=["", "ann"], cart_item_ids=[["milk"], [""]], k=np.array([1, 1], np.int32)
    )
    assert answer["item_ids"][:, 0].tolist() == ["bread", "milk"]
    assert answer["reasons"][:, 0].tolist() == ["bought_together", "bought_by_you"]
    assert answer["reason_item_ids"][:, 0].tolist() == ["milk", ""]
    assert answer["reason_counts"][:, 0].tolist() == [8, 4]
    assert answer["sources"][:, 0].tolist() == ["cart", "own"]
    deaf = served(small_shop(), "popularity")
    result = deaf.ask("complete_cart", user_id=["ann"], cart_item_ids=[["milk"]], k=np.array([3], np.int32))
    assert set(result["reasons"][0]) <= {"popular_now", "for_you"}


@pytest.mark.parametrize("method", ["ease_personal", "popularity", "personal_frequency"])
def test_chances_rise_with_the_score_and_add_up_to_the_hits(method):
    """Of the top ten's chances the sum is about the share of carts whose hidden item is among the ten."""
    shop = habits(seed=1)
    cases = cart_completion_cases(shop.prepared.train, shop.prepared.test, seed=3)
    result = served(shop, method).ask(
        "complete_cart",
        user_id=cases.user_ids.astype(str),
        cart_item_ids=lists(cases.to_queries(), "cart_item_ids"),
        k=np.full(len(cases), 10, np.int32),
    )
    assert (np.diff(result["probabilities"], axis=1) <= 0).all()
    is_apart = np.diff(result["scores"], axis=1) < -1e-3 * np.abs(result["scores"]).max()
    assert (np.diff(result["probabilities"], axis=1)[is_apart] < 0).all()
    hidden = cases.item_ids.to_numpy()[cases.truths[:, 0]].astype(str)
    hit_rate = (result["item_ids"] == hidden[:, None]).any(axis=1).mean()
    assert len(cases) > 200 and 0.2 < hit_rate < 0.95
    assert result["probabilities"].sum(axis=1).mean() == pytest.approx(hit_rate, rel=0.2)


def test_too_few_orders_give_every_item_the_same_small_chance():
    found = calibrate(small_shop().prepared.train, "popularity")
    assert found.probabilities(np.array([0.0])) == pytest.approx([1 / 6], rel=0.01)


def test_an_unknown_method_is_refused_and_the_nearest_named(tiny_prepared, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'ease_personal'"):
        publish_baseline(tiny_prepared, tmp_path, "ease_persnal")
    assert not list(tmp_path.iterdir())


def test_sessions_are_asked_for_where_there_are_none():
    with pytest.raises(SchemaError, match="markov_chain learns from sessions"):
        fit_baseline(small_shop(), "markov_chain")


def test_each_publication_has_a_number_of_its_own_and_the_strategies_of_the_trained_models(tiny_prepared, tmp_path):
    from tfrec.models_folder import planned_manifest
    from tfrec.serving.servable import Servable
    from tfrec.strategy.config import StrategyConfig, UpsellConfig
    from tfrec.training import TrainingConfig

    first = publish_baseline(tiny_prepared, tmp_path, "popularity")
    config = TrainingConfig(strategy=StrategyConfig(upsell=UpsellConfig(max_price_ratio=1.3)))
    (tmp_path / "trained").mkdir()
    manifest = dataclasses.asdict(planned_manifest(tiny_prepared, config))
    (tmp_path / "trained" / "manifest.json").write_text(json.dumps(manifest))
    second = publish_baseline(tiny_prepared, tmp_path, "rp3beta")
    assert (first.version, second.version) == (1, 2)
    about = json.loads((tmp_path / "fallback" / "2" / "assets.extra" / "tfrec.json").read_text())
    assert (about["servable"], about["method"]) == ("fallback", "rp3beta")
    with Servable.load(tmp_path / "fallback" / "2") as servable:
        assert set(servable.signatures) >= {"recommend", "cross_sell", "upsell", "complete_cart", "similar"}
    assert dearest_upgrade(tmp_path / "fallback" / "2", tiny_prepared) <= 1.3
    assert dearest_upgrade(tmp_path / "fallback" / "1", tiny_prepared) > 1.3


def dearest_upgrade(version, prepared):
    """Price of the dearest upgrade as a multiple of its anchor's, over all anchors."""
    from tfrec.serving.servable import Servable

    items = read_prepared(prepared).train.items
    price = dict(zip(items["item_id"], items["price"], strict=True))
    anchors = items["item_id"].to_numpy(object)
    with Servable.load(version, is_graph_rewritten=False) as servable:
        answer = servable.call("upsell", {"item_id": anchors, "k": np.array([50], np.int32)})
    offered = zip(anchors, answer["item_ids"], strict=True)
    return max(price[item] / price[anchor] for anchor, row in offered for item in row if item)


def small_shop():
    """Milk goes with bread, tea with cake; ann buys milk alone, again and again; soap and wood are no one's habit."""
    rows = []
    for day in range(8):
        rows += bought("", day, "milk", "bread", order=f"m{day}")
        rows += bought("", day + 0.1, "tea", "cake", order=f"t{day}") if day % 2 else []
    for day in range(4):
        rows += bought("ann", day + 0.2, "milk")
    rows += bought("bob", 3.3, "soap") + bought("eve", 4.3, "wood")
    return make_shop(rows)


def habits(*, seed):
    """Sixty items; each user has a few of them often, with what goes with them; the last tenth of time is the test."""
    rng = np.random.default_rng(seed)
    rows = []
    taste = rng.dirichlet(np.full(60, 0.08), size=80)
    for day in range(50):
        for user in rng.choice(80, 40, replace=False):
            items = rng.choice(60, 2, p=taste[user] * 0.9 + 0.1 / 60)
            items = {int(item) for item in items} | {int(item) // 2 * 2 for item in items}
            rows += bought(f"u{user}", day + user / 100, *(f"i{item}" for item in sorted(items)))
    return make_shop(rows, {f"i{item}": {} for item in range(60)}, test_from_day=40)


def test_the_page_gives_what_else_is_seen_in_the_anchors_category():
    """Upsell uses the item on the page: what was bought with it comes first among the dearer ones."""
    rows = []
    for day in range(6):
        rows += bought("", day, "lamp", "lamp_gold", order=f"a{day}")
        rows += bought("", day + 0.1, "lamp_red", "chair", order=f"b{day}") + bought(
            "", day, "lamp_red", order=f"c{day}"
        )
    rows += viewed("", 1, "lamp")
    about = {"lamp": 10, "lamp_gold": 15, "lamp_red": 12, "chair": 12}
    items = {name: {"price": float(price), "category": name.split("_")[0]} for name, price in about.items()}
    shop = served(make_shop(rows, items), "cosine")
    assert shop.ask("upsell", item_id=["lamp"])["item_ids"][0].tolist()[:2] == ["lamp_gold", "lamp_red"]
    assert "chair" not in shop.ask("similar", item_id=["lamp"])["item_ids"][0].tolist()[:2]


def test_the_command_publishes_and_says_what_is_next(tiny_prepared, tmp_path, capsys):
    assert main(["baseline", str(tiny_prepared), "--out", str(tmp_path), "--method", "popularity"]) == 0
    result = capsys.readouterr().out
    assert f"SavedModel: {tmp_path}/fallback/1" in result and "tfrec serve" in result
    assert main(["baseline", str(tiny_prepared), "--out", str(tmp_path), "--method", "rp3"]) == 2
    assert "There is no baseline 'rp3'. Did you mean" in capsys.readouterr().err
    assert main(["baseline", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "prepare" in capsys.readouterr().err


def test_a_report_finds_the_served_baseline_equal_to_its_own_row(tiny_prepared, tmp_path):
    from tfrec.baselines import CART_BASELINES
    from tfrec.workflow import evaluate_models

    method = "0.8 EASE + 0.2 personal"
    publish_baseline(tiny_prepared, tmp_path, "ease_personal")
    report = evaluate_models(
        tmp_path,
        baselines={method: CART_BASELINES[method]},
        session_baselines={},
        seeds=[0],
        max_queries=1_000,
        servable="fallback",
        show_progress=False,
    )
    rows = {row.method: row.cells for row in report.sections[0].rows}
    for column in ("all HR@10", "all HR@20", "discover HR@10"):
        assert rows["ease_personal (served)"][column].value == rows[method][column].value
