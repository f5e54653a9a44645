"""A servable as a method of evaluations."""

import numpy as np
import pandas as pd

from tfrec.features.merchandising import BEFORE_ALL_RULES
from tfrec.release.served_ranker import served_ranker
from tfrec.schema.signatures import SIGNATURES


class Asked:
    """As much of `Cases` as a ranker reads."""

    query_ids = np.array(["2", "1"], object)

    def __len__(self):
        return 2

    def to_queries(self):
        return pd.DataFrame({"query_id": ["1", "2"], "user_id": ["ann", "bob"]})


class Answering:
    """Offers `b` before `a` to all, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def call(self, signature, inputs, output_filter=()):
        self.asked.append(inputs)
        size = len(inputs["user_id"])
        known = {
            "item_ids": np.array([["b", "a", ""]] * size, object),
            "scores": np.array([[2.0, 1.0, -np.inf]] * size, np.float32),
        }
        outputs = {}
        for spec in SIGNATURES[signature].outputs:
            nothing = np.full((size, 3), "", object) if spec.dtype == "string" else np.zeros((size, 3), spec.dtype)
            outputs[spec.name] = known.get(spec.name, nothing)
        return outputs


def test_models_are_judged_without_the_rules_of_the_shop():
    """What the shop blocks today would count against the version that ranks it first."""
    servable = Answering()
    slate = served_ranker(servable)(Asked(), 2, "recommend")
    assert slate.item_ids.tolist() == [["b", "a"], ["b", "a"]]
    assert [inputs["at_minute"].tolist() for inputs in servable.asked] == [[BEFORE_ALL_RULES] * 2]
