"""Requests that TF Serving merges are answered as if each had come alone."""

import numpy as np
import pytest

from tests.serving.merged_requests import answer_merged
from tfrec.client.queries import build_inputs
from tfrec.jobs.fallback import fit_baseline
from tfrec.schema.signatures import SETS, SIGNATURES
from tfrec.serving.servable import Servable
from tfrec.training.export import build_served_baseline, export_fallback

pytestmark = pytest.mark.slow

NUM_REQUESTS, NUM_CALLERS = 320, 16


@pytest.fixture(scope="module")
def servables(tiny_trained, tmp_path_factory):
    """Every servable, the fall-back too."""
    out = tmp_path_factory.mktemp("fallback")
    shop = tiny_trained.shop
    export_fallback(build_served_baseline(shop, fit_baseline(shop, "ease_personal")), out, about={})
    places = {name: tiny_trained.models / name / "1" for name in ("shop", "retrieval", "ranking")}
    places["fallback"] = out / "fallback" / "1"
    opened = {name: Servable.load(place, is_graph_rewritten=False) for name, place in places.items()}
    yield opened
    for servable in opened.values():
        servable.close()


def requests_to(shop, signature, *, is_safe):
    """One query each: lists of up to seven items; without the leading padding value where not `is_safe`."""
    rng = np.random.default_rng(11)
    items, users = shop.vocabularies.items.tokens, shop.users.tokens
    made = []
    for _ in range(NUM_REQUESTS):
        num_events, num_past = rng.integers(0, 6), rng.integers(0, 9)
        values = {
            "user_id": "" if rng.random() < 0.5 else str(rng.choice(users)),
            "cart_item_ids": rng.choice(items, rng.integers(0, 8), replace=False).tolist(),
            "item_id": str(rng.choice(items)),
            "history_item_ids": rng.choice(items, num_past).tolist(),
            "history_event_types": rng.choice(["view", "purchase"], num_past).tolist(),
            "history_order_ages": np.sort(rng.exponential(900.0, num_past))[::-1].tolist(),
            "history_orders": rng.choice(["o1", "o2", ""], num_past).tolist(),
            "recent_item_ids": rng.choice(items, num_events).tolist(),
            "recent_event_types": rng.choice(["view", "cart", "purchase"], num_events).tolist(),
            "recent_ages": rng.exponential(2.0, num_events).tolist(),
            "exclude_item_ids": rng.choice(items, rng.integers(0, 4), replace=False).tolist(),
            "include_categories": ["Home"] if rng.random() < 0.2 else [],
            "candidate_item_ids": rng.choice(items, rng.integers(1, 9), replace=False).tolist(),
            "shown_item_ids": rng.choice(items, rng.integers(0, 5)).tolist(),
            "cart_total": float(rng.uniform(0, 60)),
            "threshold": float(rng.choice([0, 50, 400])),
            "widgets": rng.choice(["upsell", "cross_sell", "recommend"], rng.integers(0, 4), replace=False).tolist(),
            "k": int(rng.integers(5, 13)) if signature.name not in SETS else int(rng.integers(1, 4)),
        }
        given = {spec.name: values[spec.name] for spec in signature.inputs if spec.name in values}
        inputs, _ = build_inputs(signature, given)
        if not is_safe:
            inputs = {
                name: array[:, 1:] if array.ndim > 1 and array.shape[1] > 1 else array for name, array in inputs.items()
            }
        made.append(inputs)
    return made


def offered(outputs):
    return [item for item in outputs["item_ids"][0] if item]


def count_different(servable, signature, requests):
    def answer(inputs):
        return servable.call(signature.name, inputs)

    different = 0
    for start in range(0, NUM_REQUESTS, NUM_CALLERS):
        together = requests[start : start + NUM_CALLERS]
        for alone, merged in zip(
            map(answer, together), answer_merged(together, answer, allowed_batch_sizes=(8, 32)), strict=True
        ):
            is_same = offered(alone) == offered(merged)
            if is_same and len(offered(alone)):
                scores = [outputs["scores"][0][: len(offered(alone))] for outputs in (alone, merged)]
                is_same = np.allclose(*scores, rtol=1e-4, atol=1e-4)
            different += not is_same
    return different


SERVED = [("shop", name) for name in SIGNATURES if SIGNATURES[name].servable == "shop"]
SERVED += [("retrieval", "retrieve"), ("ranking", "rank"), ("fallback", "complete_cart"), ("fallback", "recommend")]


@pytest.mark.parametrize(("name", "signature"), SERVED, ids=["-".join(pair) for pair in SERVED])
def test_no_merged_request_is_answered_differently(servables, tiny_trained, name, signature):
    contract = SIGNATURES[signature]
    requests = requests_to(tiny_trained.shop, contract, is_safe=True)
    assert count_different(servables[name], contract, requests) == 0


def test_without_the_leading_padding_value_merged_requests_are_answered_wrongly(servables, tiny_trained):
    """What the contract's rule is for: TF Serving repeats a list's own first element."""
    contract = SIGNATURES["complete_cart"]
    requests = requests_to(tiny_trained.shop, contract, is_safe=False)
    assert count_different(servables["shop"], contract, requests) > NUM_REQUESTS // 10


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_list_of_the_client_begins_with_padding(name):
    inputs, _ = build_inputs(SIGNATURES[name], {})
    for spec in SIGNATURES[name].inputs:
        if spec.rank == 2:
            assert inputs[spec.name].shape == (1, 1)
            assert inputs[spec.name][0, 0] == spec.padding


def test_candidates_keep_their_order_and_padding_goes_behind(servables, tiny_trained):
    items = tiny_trained.shop.vocabularies.items.tokens
    sent = np.array([["", items[3], "", "unknown", items[1]]], object)
    outputs = servables["ranking"].call("rank", {"candidate_item_ids": sent})
    assert outputs["item_ids"].tolist() == [[items[3], "unknown", items[1], "", ""]]
    assert np.isneginf(outputs["scores"][0]).tolist() == [False, True, False, True, True]
