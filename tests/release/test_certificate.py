"""What each exported version holds: typical queries with their answers, hashes, requests to warm up by."""

import itertools
import json

import numpy as np
import pytest

from tests.tfrecords import read
from tfrec.client.best_sellers import read_best_sellers
from tfrec.release.certificate import hash_files, read_certificate
from tfrec.release.certify import certified_queries
from tfrec.release.trained_traffic import OTHERS
from tfrec.release.training_traffic import read_training_traffic
from tfrec.release.typical import as_batch, typical_queries
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.models_config import BATCH_SIZES, SERVABLES
from tfrec.serving.prediction import WARMUP_FILE
from tfrec.serving.saved_model import read_signature_defs


@pytest.mark.parametrize("name", SERVABLES)
def test_every_signature_has_certified_answers(tiny_trained, name):
    certificate = read_certificate(tiny_trained.models / name / "1")
    asked = {one: list(queries) for one, queries in itertools.groupby(certificate.queries, lambda one: one.signature)}
    assert set(asked) == {one for one, signature in SIGNATURES.items() if signature.servable == name}
    for queries in asked.values():
        answered = [query for query in queries if query.item_ids]
        assert len(answered) >= 3
        assert len({query.item_ids for query in answered}) > 1
    assert certificate.files == hash_files(tiny_trained.models / name / "1")
    assert certificate.data == tiny_trained.shop.prepared.manifest.fingerprint
    assert certificate.packages["tensorflow"].startswith("2.20")


@pytest.mark.parametrize("name", SERVABLES)
def test_every_version_notes_its_training_traffic(tiny_trained, name):
    traffic = read_training_traffic(tiny_trained.models / name / "1")
    train = tiny_trained.shop.prepared.train
    assert len(traffic.checksums) == len(train.items)
    items = train.items["item_id"].tolist()[:20]
    categories = [traffic.categories[traffic.category[traffic.places([item.encode()])[0]]] for item in items]
    assert all(
        path.startswith(category) or category == OTHERS
        for path, category in zip(train.items["category"].tolist()[:20], categories, strict=True)
    )


def test_queries_are_of_the_shops_last_days(tiny_trained):
    train = tiny_trained.shop.prepared.train
    latest = train.purchases[train.purchases["order_id"] != ""].tail(2_000)
    orders = latest.groupby("order_id")["item_id"].agg(set).tolist()
    queries = typical_queries(train)
    assert {len(asked) for asked in queries.values()} == {8}
    for query in queries["complete_cart"]:
        assert any(set(query["cart_item_ids"]) < order for order in orders)
    assert any("recent_item_ids" in query for query in queries["recommend"])
    assert {"user_id" in query for query in queries["recommend"]} == {True, False}


def test_a_query_whose_items_could_change_places_elsewhere_is_no_proof():
    scores = {"a": [3.0, 2.0], "b": [3.0, 3.0 - 1e-6]}

    def answer(name, inputs):
        given = inputs["item_id"]
        items = np.array([["x", "y"]] * len(given), object)
        return {"item_ids": items, "scores": np.array([scores[item] for item in given], np.float32)}

    kept = certified_queries("similar", [{"item_id": "a"}, {"item_id": "b"}], answer)
    assert [query.arguments["item_id"] for query in kept] == ["a"]


@pytest.mark.parametrize("name", SERVABLES)
def test_warm_up_asks_every_signature_in_every_batch_size_with_one_graph_each(tiny_trained, name):
    records = read(tiny_trained.models / name / "1" / WARMUP_FILE)
    requests = [wire.PredictionLog.FromString(record).predict_log.request for record in records]
    names = [one for one, signature in SIGNATURES.items() if signature.servable == name]
    sizes = []
    for request in requests:
        signature = SIGNATURES[request.model_spec.signature_name]
        arrays = {alias: wire.to_ndarray(proto) for alias, proto in request.inputs.items()}
        assert set(arrays) == {spec.name for spec in signature.inputs}
        assert not request.output_filter
        sizes.append((signature.name, len(next(iter(arrays.values())))))
        assert len({len(array) for array in arrays.values()}) == 1
    assert sizes == [(one, size) for one in names for size in BATCH_SIZES]


@pytest.mark.parametrize("name", SERVABLES)
def test_the_default_signature_adds_no_graph(tiny_trained, name):
    """A session optimises a graph for each set of inputs and outputs; `serving_default` has those of another."""
    signatures = read_signature_defs(tiny_trained.models / name / "1").signature_def
    first = next(one for one, signature in SIGNATURES.items() if signature.servable == name)
    assert signatures["serving_default"] == signatures[first]


@pytest.mark.slow
def test_the_fallback_is_certified_too(tiny_prepared, tmp_path):
    from tfrec.jobs.fallback import publish_baseline

    publish_baseline(tiny_prepared, tmp_path)
    certificate = read_certificate(tmp_path / "fallback" / "1")
    assert {query.signature for query in certificate.queries} == {
        one for one, signature in SIGNATURES.items() if signature.servable == "shop"
    }
    best_sellers = read_best_sellers(tmp_path)
    assert best_sellers.version == 1
    assert len(best_sellers.items) >= 200


def test_certificates_are_plain_json(certified):
    content = json.loads((certified / "assets.extra" / "certificate.json").read_text())
    assert set(content) >= {"queries", "files", "data", "vocabularies", "code", "packages"}


def test_a_batch_holds_each_query_in_a_row():
    queries = [{"cart_item_ids": ["a", "b"], "user_id": "u"}, {}]
    inputs = as_batch(SIGNATURES["complete_cart"], queries)
    assert inputs["cart_item_ids"].tolist() == [["", "a", "b"], ["", "", ""]]
    assert inputs["user_id"].tolist() == ["u", ""]
