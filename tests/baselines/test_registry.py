"""One registry: what reports compare with, and what the command publishes, is listed in it."""

import pytest

from tests.evaluation.small_shop import tables
from tfrec.baselines.blend import BlendedScores
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.registry import REGISTRY, SERVED, check_served, default_method, fit_method
from tfrec.cli import baseline as command
from tfrec.errors import ConfigError

ORDERS = [(f"o{day}", "ann", f"2024-01-{day:02d}", ["a", "b"]) for day in range(1, 9)]
CLICKS = [
    (f"s{day}", "", f"2024-01-{day:02d} 10:0{step}", "view", item)
    for day in range(1, 9)
    for step, item in enumerate("abc")
]


@pytest.fixture(scope="module")
def train():
    return tables(dict.fromkeys("abc", ""), [*ORDERS, ("t1", "", "2024-03-01", ["a", "b"])], CLICKS)[0]


@pytest.mark.parametrize("name", SERVED)
def test_what_is_served_is_a_sum_of_tables_or_a_blend_of_sums(train, name):
    scores = fit_method(train, name)[0].scores
    parts = [scores.first, scores.second] if isinstance(scores, BlendedScores) else [scores]
    assert all(isinstance(part, LinearScores) for part in parts)


def test_the_command_lists_what_it_publishes():
    listed = command.DESCRIPTION.partition("methods:\n")[2]
    names = [name.strip(",") for line in listed.splitlines() for name in line[:49].split()]
    assert sorted(names) == sorted(SERVED)


@pytest.mark.parametrize("name", REGISTRY)
def test_each_method_stands_in_a_table_and_says_what_it_scores_by(name):
    assert REGISTRY[name].titles and REGISTRY[name].meaning


def test_a_method_for_comparison_alone_is_refused_and_those_that_serve_are_named():
    with pytest.raises(ConfigError, match=r"vmis_knn is for comparison alone; .*markov_chain"):
        check_served("vmis_knn")
    with pytest.raises(ConfigError, match="Did you mean 'rp3beta'"):
        check_served("rp3betta")


def test_the_default_of_a_log_can_be_served(train):
    without_orders = tables(dict.fromkeys("abc", ""), clicks=CLICKS)[0]
    assert {default_method(train), default_method(without_orders)} <= set(SERVED)
    assert REGISTRY[default_method(without_orders)].of_sessions
