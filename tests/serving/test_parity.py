"""One request, one answer, whoever runs the graph: the trainer, a reloaded SavedModel, the server, the C API."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tfrec.schema.inputs import OBJECTIVES, PLACES_BY, WIDGETS
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.servable import Servable

pytestmark = pytest.mark.slow

NUM_QUERIES = 200
PLACES = ("reloaded", "server", "c_api")
BY_THE_LIBRARY = ("complete_cart", "retrieve", "rank")  # the server runs all of them through the same library

_IN_ANOTHER_PROCESS = """
import json, sys
import numpy as np
from tfrec.serving.servable import Servable
from pathlib import Path
models, queries, out = sys.argv[1:]
answers = {}
for name, (servable, inputs) in json.loads(Path(queries).read_text()).items():
    with Servable.load(Path(models) / servable / "1") as loaded:
        arrays = {key: np.array(rows, object if dtype == "string" else dtype) for key, (dtype, rows) in inputs.items()}
        answers |= {f"{name}/{key}": value.astype(str) if value.dtype == object else value
                    for key, value in loaded.call(name, arrays).items()}
np.savez(out, **answers)
print("tensorflow" in sys.modules)
"""


def queries_of(shop):
    """200 queries of users and guests: carts of up to five items, some unknown; recent events; limits."""
    rng = np.random.default_rng(3)
    items, users = shop.vocabularies.items.tokens, shop.users.tokens
    attributes = shop.vocabularies.catalogue.attributes
    assert len(attributes.relations)

    def some(values, share):
        chosen = rng.choice([*values, "unknown=value"], (NUM_QUERIES, 2))
        return np.where(rng.random(chosen.shape) < share, chosen, "").astype(object)

    def lists(most):
        rows = np.full((NUM_QUERIES, most), "", object)
        for row, size in zip(rows, rng.integers(0, most + 1, NUM_QUERIES), strict=True):
            row[:size] = rng.choice(items, size, replace=False)
        rows[rng.random(rows.shape) < 0.05] = "unknown-value"
        return rows

    recent, history = lists(4), lists(9)
    history[: NUM_QUERIES // 2] = ""  # of half the users nothing is sent
    values = {
        "user_id": np.where(rng.random(NUM_QUERIES) < 0.3, "", rng.choice(users, NUM_QUERIES)).astype(object),
        "history_item_ids": history,
        "history_event_types": rng.choice(np.array(["view", "purchase", ""], object), history.shape),
        "history_order_ages": -np.sort(-rng.exponential(900, history.shape)).astype(np.float32),
        "history_orders": rng.choice(np.array(["o1", "o2", ""], object), history.shape),
        "user_segment": rng.choice(np.array(["", "nowhere"], object), NUM_QUERIES),
        "recent_item_ids": recent,
        "recent_event_types": rng.choice(np.array(["view", "cart", "purchase", ""], object), recent.shape),
        "recent_ages": rng.exponential(20, recent.shape).astype(np.float32),
        "cart_item_ids": lists(5),
        "item_id": rng.choice(items, NUM_QUERIES).astype(object),
        "exclude_item_ids": lists(2),
        "include_categories": np.where(rng.random((NUM_QUERIES, 1)) < 0.2, "Home", "").astype(object),
        "include_attributes": some(attributes.texts, 0.1),
        "exclude_attributes": some(attributes.texts, 0.3),
        "same_as_anchor": some(attributes.relations, 0.1),
        "min_price": rng.uniform(0, 10, NUM_QUERIES).astype(np.float32),
        "max_price": rng.uniform(100, 2000, NUM_QUERIES).astype(np.float32),
        "outside_cart_level": rng.integers(0, 3, NUM_QUERIES).astype(np.int32),
        "cart_total": rng.uniform(0, 60, NUM_QUERIES).astype(np.float32),
        "threshold": rng.choice([0, 0, 50, 400], NUM_QUERIES).astype(np.float32),
        "min_price_ratio": rng.uniform(0, 1.3, NUM_QUERIES).astype(np.float32),
        "objective": rng.choice(np.array(["", *OBJECTIVES], object), NUM_QUERIES),
        "places_by": rng.choice(np.array(["", *PLACES_BY], object), NUM_QUERIES),
        "max_price_ratio": rng.uniform(1.5, 4, NUM_QUERIES).astype(np.float32),
        "bought_before": rng.choice(np.array(["", "only", "never"], object), NUM_QUERIES),
        "shown_item_ids": lists(4),
        "widgets": np.stack([rng.permutation(np.array(WIDGETS, object))[:3] for _ in range(NUM_QUERIES)]),
        "widget_sizes": rng.integers(0, 5, (NUM_QUERIES, 3)).astype(np.int32),
        "k": rng.integers(1, 15, NUM_QUERIES).astype(np.int32),
        "diversity": rng.choice([0, 0, 0.3], NUM_QUERIES).astype(np.float32),
        "diversity_by": rng.choice(np.array(["", "content", "unexplored", "calibrated"], object), NUM_QUERIES),
        "at_minute": rng.choice([0, 29_000_000], NUM_QUERIES).astype(np.int32),
        "is_adult": rng.integers(0, 2, NUM_QUERIES).astype(np.int32),
        "candidate_item_ids": np.stack([rng.choice(items, 12, replace=False) for _ in range(NUM_QUERIES)]).astype(
            object
        ),
    }
    return {name: {spec.name: values[spec.name] for spec in signature.inputs} for name, signature in SIGNATURES.items()}


@pytest.fixture(scope="module")
def answers(tiny_trained, tmp_path_factory):
    """Where it ran → signature → outputs."""
    import tensorflow as tf

    from tfrec.client import RecommenderClient
    from tfrec.serving.server import EmbeddedServer
    from tfrec.training.export import build_served_funnel

    # Python's graphs run as written: to optimise one takes longer than to run it a hundred times.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    queries = queries_of(tiny_trained.shop)
    served = build_served_funnel(tiny_trained.shop, tiny_trained.trained, tiny_trained.config)
    reloaded = {
        name: tf.saved_model.load(str(tiny_trained.models / name / "1")) for name in ("shop", "retrieval", "ranking")
    }
    result = {"trainer": {}, "reloaded": {}, "server": {}, "c_api": {}}
    for name, inputs in queries.items():
        tensors = {
            key: tf.constant(value.tolist(), None if value.dtype == object else value.dtype)
            for key, value in inputs.items()
        }
        result["trainer"][name] = _plain(served.functions[name](**tensors))
        result["reloaded"][name] = _plain(reloaded[SIGNATURES[name].servable].signatures[name](**tensors))
    with (
        EmbeddedServer(tiny_trained.models, port=0) as server,
        RecommenderClient(f"localhost:{server.port}", deadline=60) as client,
    ):
        for name, inputs in queries.items():
            result["server"][name] = client.ask(name, inputs)
    folder = tmp_path_factory.mktemp("parity")
    plain = {
        name: (
            SIGNATURES[name].servable,
            {
                key: ("string" if value.dtype == object else str(value.dtype), value.tolist())
                for key, value in inputs.items()
            },
        )
        for name, inputs in queries.items()
        if name in BY_THE_LIBRARY
    }
    (folder / "queries.json").write_text(json.dumps(plain))
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            _IN_ANOTHER_PROCESS,
            str(tiny_trained.models),
            str(folder / "queries.json"),
            str(folder / "out.npz"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "False", "Python TensorFlow was imported beside the C API"
    with np.load(folder / "out.npz") as stored:
        for key in stored.files:
            name, output = key.split("/")
            result["c_api"].setdefault(name, {})[output] = stored[key]
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    return result


def _plain(outputs):
    arrays = {key: value.numpy() for key, value in outputs.items()}
    return {
        key: np.vectorize(bytes.decode, otypes=[object])(value) if value.dtype == object and value.size else value
        for key, value in arrays.items()
    }


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name in SIGNATURES for place in PLACES if place != "c_api" or name in BY_THE_LIBRARY],
)
def test_every_place_gives_the_trainers_ids_and_scores(answers, name, place):
    expected, got = answers["trainer"][name], answers[place][name]
    assert set(got) == set(expected)
    assert len(got["item_ids"]) == NUM_QUERIES
    assert (expected["item_ids"] != "").sum() > NUM_QUERIES  # there is something to compare
    is_tie = tied(expected, got)
    assert is_tie.sum() <= NUM_QUERIES // 100
    for output, values in expected.items():
        values, found = values[~is_tie], got[output][~is_tie]
        if values.dtype == object:
            assert (found.astype(str) == values.astype(str)).all(), output
        else:
            np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5, err_msg=output)


def tied(first, second):
    """Returns rows `[B]` whose slates part where two items score the same but for rounding: either may follow."""
    differs = first["item_ids"].astype(str) != second["item_ids"].astype(str)
    rows, place = np.arange(len(differs)), differs.argmax(axis=1)
    scores = (answer["scores"][rows, place] for answer in (first, second))
    return differs.any(axis=1) & np.isclose(*scores, rtol=1e-6, atol=0)


def test_answers_do_not_depend_on_who_else_is_in_the_batch(tiny_trained):
    inputs = queries_of(tiny_trained.shop)["complete_cart"]
    with Servable.load(tiny_trained.models / "shop" / "1") as servable:
        together = servable.call("complete_cart", inputs)
        for row in range(0, NUM_QUERIES, 20):
            alone = servable.call("complete_cart", {name: value[row : row + 1] for name, value in inputs.items()})
            offered = [[item for item in found if item] for found in (alone["item_ids"][0], together["item_ids"][row])]
            assert offered[0] == offered[1]
            width = len(offered[0])
            np.testing.assert_allclose(
                alone["scores"][0, :width], together["scores"][row, :width], rtol=1e-5, atol=1e-5
            )
