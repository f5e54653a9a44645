"""An answer is as wide as its own query asked for, whatever other queries the server answered beside it."""

from typing import Any

import numpy as np
import pytest

from tfrec.client.answers import read_outputs
from tfrec.client.queries import build_inputs
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES


@pytest.mark.parametrize(
    ("name", "query", "width"),
    [
        ("recommend", {"k": 3}, 3),
        ("recommend", {"k": 0}, 0),
        ("bundle", {"item_id": "lamp", "k": 2}, 2),
        ("page", {"k": 2}, 6),
        ("page", {"widgets": ["similar"], "k": 5}, 5),
        ("page", {"widgets": ["similar", "recommend"], "widget_sizes": [4, 0], "k": 3}, 7),
        ("page", {"widgets": ["similar", "recommend"], "widget_sizes": [4], "k": 3}, 7),
        ("rank", {"candidate_item_ids": ["lamp", "bulb"]}, 2),
    ],
)
def test_an_answer_is_as_wide_as_its_query_asked(name: str, query: dict[str, Any], width: int):
    inputs, _ = build_inputs(SIGNATURES[name], query)
    merged = wire.PredictResponse(outputs={"scores": wire.to_tensor_proto(np.zeros((1, 50), np.float32))})
    assert read_outputs(merged, inputs)["scores"].shape == (1, width)


def test_the_widest_page_decides_for_a_batch():
    query = {"widgets": [["similar"], ["similar", "upsell"], []], "widget_sizes": [[9], [1, 2], []], "k": [1, 1, 4]}
    inputs, _ = build_inputs(SIGNATURES["page"], query)
    merged = wire.PredictResponse(outputs={"scores": wire.to_tensor_proto(np.zeros((3, 50), np.float32))})
    assert read_outputs(merged, inputs)["scores"].shape == (3, 12)
