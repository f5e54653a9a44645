"""Logged slates of a world whose policies' values are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import SchemaError
from tfrec.experiments.logged_slates import read_slates
from tfrec.experiments.policies import (
    place_chances,
    replay_bandits,
    rule_scores,
    scores_from_table,
    slate_chances,
    study_policies,
)

RELEVANCE = np.array([[0.05, 0.1, 0.3, 0.1], [0.3, 0.1, 0.05, 0.1]])  # [context, item]
ATTENTION = np.array([1.0, 0.5])


def slates(n: int = 6_000, seed: int = 0) -> pd.DataFrame:
    """Two contexts, four items, two places; the log draws by weights 1:2:1:1 without replacement."""
    rng = np.random.default_rng(seed)
    context = rng.integers(2, size=n)
    scores = np.log([1.0, 2.0, 1.0, 1.0])
    actions = np.argsort(-(scores + rng.gumbel(size=(n, 4))), axis=1)[:, :2]
    wide = np.broadcast_to(scores, (n, 4))
    clicked = rng.random((n, 2)) < RELEVANCE[context[:, None], actions] * ATTENTION
    return pd.DataFrame(
        {
            "slate": np.repeat(np.arange(n), 2),
            "position": np.tile([1, 2], n),
            "item": np.array(list("abcd"))[actions].ravel(),
            "device": np.repeat(np.array(["desktop", "phone"])[context], 2),
            "probability": slate_chances(wide, actions).ravel(),
            "position_probability": place_chances(wide, actions).ravel(),
            "clicked": clicked.ravel().astype(int),
        }
    )


def true_value(scores: np.ndarray) -> float:
    """Expected clicks of a slate by summing over all ordered slates."""
    total = 0.0
    for context in (0, 1):
        for pair in itertools.permutations(range(4), 2):
            chance = slate_chances(scores[context][None], np.array([pair])).prod()
            total += 0.5 * chance * (RELEVANCE[context, list(pair)] * ATTENTION).sum()
    return float(total)


@pytest.fixture(scope="module")
def log():
    return read_slates(slates())


def test_chances_of_places_are_those_of_the_ordered_slates():
    scores = np.log([[1.0, 2.0, 3.0, 4.0]])
    assert slate_chances(scores, np.array([[3, 2]])).tolist() == [pytest.approx([0.4, 0.5])]
    total = sum(place_chances(scores, np.array([[first, second]]))[0, 1] for first, second in [(0, 1), (1, 0)])
    by_hand = sum(
        slate_chances(scores, np.array([pair])).prod() for pair in itertools.permutations(range(4), 2) if pair[1] < 2
    )
    assert total == pytest.approx(by_hand)


def test_every_estimator_holds_the_true_value_and_the_model_alone_has_no_interval(log):
    table = pd.DataFrame(
        {"item": list("abcd") * 2, "device": ["desktop"] * 4 + ["phone"] * 4, "score": [0, 0, 2, 0, 2, 0, 0, 0]}
    )
    found = study_policies(log, {"new": scores_from_table(log, table, item="item")}, has_bandits=False)
    truth = true_value(np.array([[0, 0, 2, 0], [2, 0, 0, 0.0]]))
    for estimate in found.policies[0].slate:
        assert estimate.value.low < truth < estimate.value.high, estimate.estimator
    assert {one.estimator for one in found.policies[0].slate} == {
        "slate IPS", "slate cascade IPS", "slate independent IPS"
    }  # fmt: skip
    direct = next(one for one in found.policies[0].first if one.estimator == "DM")
    assert np.isnan([direct.value.low, direct.gain.low]).all()
    assert found.winner is found.policies[0]


def test_the_logging_policy_itself_gains_nothing(log):
    table = pd.DataFrame({"item": list("abcd"), "score": np.log([1.0, 2.0, 1.0, 1.0])})
    found = study_policies(log, {"same": scores_from_table(log, table, item="item")}, has_bandits=False)
    for estimate in found.policies[0].slate:
        assert estimate.gain.value == pytest.approx(0.0, abs=1e-9)
    assert found.winner is None


def test_rules_learn_the_taste_of_a_context_and_bandits_too(log):
    found = study_policies(log, rule_scores(log))
    values = {policy.name: policy.best.value.value for policy in found.policies}
    assert values["personal"] > values["popular"]
    assert values["personal"] > values["uniform"]
    bandits = replay_bandits(log)
    assert bandits["LinUCB"].reward.value > bandits["LinUCB"].logged.value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda t: t.drop(columns="probability"), "'probability'", id="no propensity"),
        pytest.param(lambda t: t.drop(columns="clicked"), "what came of it", id="no reward"),
        pytest.param(lambda t: t.assign(item="a"), "2 to 200", id="one item"),
        pytest.param(lambda t: t.head(50), "200 or more", id="few slates"),
        pytest.param(lambda t: t.assign(position=1).assign(position=[1, 1] + [1, 2] * (len(t) // 2 - 1)),
                     "position twice", id="a place twice"),
    ],
)  # fmt: skip
def test_a_bad_log_is_named(change, message):
    with pytest.raises(SchemaError, match=message):
        read_slates(change(slates(500)))


def test_slates_with_a_place_missing_are_left_out():
    table = slates(500)
    assert read_slates(table.drop(index=[3, 7])).skipped == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param({"item": list("abcde"), "score": 1.0}, "never shows 'e'", id="never shown"),
        pytest.param({"item": list("abc"), "score": 1.0}, "No score for 'd'", id="not scored"),
        pytest.param({"item": list("aabcd"), "score": 1.0}, "twice", id="scored twice"),
        pytest.param({"item": list("abcd")}, "needs item and score", id="no scores"),
    ],
)
def test_scores_that_cannot_be_judged_are_named(table, message, log):
    with pytest.raises(SchemaError, match=message):
        scores_from_table(log, pd.DataFrame(table), item="item")
