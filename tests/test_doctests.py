"""The worked examples in docstrings give what they state."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import tfrec

PACKAGE = Path(tfrec.__file__).parent
MODULES = [
    ".".join(("tfrec", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_state(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_there_are_examples_in_schema_metrics_strategy_and_analysis():
    assert {name.split(".")[1] for name in MODULES} >= {"analysis", "evaluation", "schema", "strategy"}


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
