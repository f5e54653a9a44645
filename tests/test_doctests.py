"""The worked examples in docstrings give what they state."""

import doctest
import importlib
import inspect

import pytest

PLAIN = (
    "tfrec.analysis.behaviour",
    "tfrec.analysis.expressions",
    "tfrec.analysis.interests",
    "tfrec.analysis.intervals",
    "tfrec.analysis.itemsets",
    "tfrec.evaluation.metrics",
    "tfrec.schema.item_names",
    "tfrec.schema.signatures",
    "tfrec.schema.slate",
    "tfrec.schema.tables",
    "tfrec.schema.wire",
)
IN_GRAPH = (
    "tfrec.strategy.candidate_slate",
    "tfrec.strategy.complements",
    "tfrec.strategy.constraints",
    "tfrec.strategy.diversity",
    "tfrec.strategy.reasons",
    "tfrec.strategy.upsell",
)


@pytest.mark.parametrize("name", [*PLAIN, *(pytest.param(name, marks=pytest.mark.slow) for name in IN_GRAPH)])
def test_examples_give_what_they_state(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_every_metric_has_an_example():
    metrics = importlib.import_module("tfrec.evaluation.metrics")
    functions = [
        function
        for name, function in inspect.getmembers(metrics, inspect.isfunction)
        if function.__module__ == metrics.__name__ and not name.startswith(("_", "rank_", "on_"))
    ]
    assert len(functions) == 10
    for function in functions:
        assert ">>>" in function.__doc__, function.__name__
