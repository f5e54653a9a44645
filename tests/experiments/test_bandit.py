import json

import numpy as np
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.bandit import LinearThompson, LinUcb, choose, replay
from tfrec.experiments.off_policy import DecisionLog, inverse_propensity
from tfrec.schema.json_values import to_json

BANDITS = [LinearThompson, LinUcb]


def _log(n: int, seed: int = 0):
    """Uniform log of two arms: even users like arm 0, odd users arm 1 (pay 0.6 against 0.2)."""
    rng = np.random.default_rng(seed)
    odd = rng.integers(2, size=n)
    actions = rng.integers(2, size=n)
    rewards = (rng.random(n) < np.where(actions == odd, 0.6, 0.2)).astype(float)
    return odd[:, None] * 2.0 - 1, actions, rewards


@pytest.mark.parametrize("kind", BANDITS)
def test_bandit_learns_who_likes_what_and_beats_the_best_single_arm(kind):
    result = replay(kind(2, 1), *_log(20_000), batch=100)
    assert result.reward.value > 0.55
    assert result.gain.is_positive
    assert result.best_arm_reward.value < 0.45
    assert result.curve[-1] > result.curve[2]
    assert result.accepted == pytest.approx(10_000, rel=0.05)
    json.dumps(to_json(result), allow_nan=False)


@pytest.mark.parametrize("kind", BANDITS)
def test_replay_on_an_unequal_log_gives_the_same_value(kind):
    rng = np.random.default_rng(1)
    x, _, _ = _log(60_000, 1)
    chance = np.where(x[:, 0] > 0, 0.25, 0.6)
    actions = (rng.random(len(x)) < chance).astype(int)
    rewards = (rng.random(len(x)) < np.where(actions == (x[:, 0] > 0), 0.6, 0.2)).astype(float)
    result = replay(kind(2, 1), x, actions, rewards, np.where(actions == 1, chance, 1 - chance))
    assert result.reward.value == pytest.approx(0.6, abs=0.03)
    assert result.best_arm_reward.value == pytest.approx(0.4, abs=0.03)  # either arm for all, whoever got it in the log


def test_replay_meets_all_users_alike_though_the_log_favoured_some():
    rng = np.random.default_rng(6)
    x = np.where(rng.random(40_000) < 0.5, 1.0, -1.0)[:, None]
    chance = np.where(x[:, 0] > 0, 0.9, 0.3)  # of arm 1, which is the right one for all
    actions = (rng.random(len(x)) < chance).astype(int)
    pays = np.where(actions == 1, np.where(x[:, 0] > 0, 0.9, 0.1), 0.0)
    rewards = (rng.random(len(x)) < pays).astype(float)
    result = replay(LinUcb(2, 1, floor=0.0), x, actions, rewards, np.where(actions == 1, chance, 1 - chance))
    assert result.reward.value == pytest.approx(0.5, abs=0.03)  # unweighted it would be 0.7


@pytest.mark.parametrize("kind", BANDITS)
def test_forgetting_follows_a_taste_that_turns(kind):
    x, actions, rewards = _log(20_000)
    _, _, turned = _log(20_000, 3)
    rewards[10_000:] = np.where(actions[10_000:] == (x[10_000:, 0] > 0), turned[10_000:] * 0, 1 - turned[10_000:] * 0.2)
    keeps = replay(kind(2, 1), x, actions, rewards).reward.value
    forgets = replay(kind(2, 1, forgetting=0.8), x, actions, rewards).reward.value
    assert forgets > keeps


def test_logged_propensities_of_a_live_bandit_serve_off_policy_evaluation():
    rng = np.random.default_rng(0)
    bandit = LinearThompson(2, 1, floor=0.1)
    x, _, _ = _log(6000, 2)
    actions, chances, rewards = [], [], []
    for start in range(0, 6000, 200):
        shown = choose(bandit, x[start : start + 200], rng=rng)
        pay = np.where(shown.arms == (x[start : start + 200, 0] > 0), 0.6, 0.2)
        got = (rng.random(200) < pay).astype(float)
        bandit.update(x[start : start + 200], shown.arms, got)
        actions.append(shown.arms), chances.append(shown.propensities), rewards.append(got)
    log = DecisionLog(np.concatenate(actions), np.concatenate(chances), np.concatenate(rewards))
    always_0 = inverse_propensity(log, np.tile([1.0, 0.0], (6000, 1))).value
    assert always_0.low <= 0.4 <= always_0.high


@pytest.mark.parametrize("kind", BANDITS)
def test_probabilities_are_a_distribution_above_the_floor(kind):
    bandit = kind(3, 2, floor=0.05)
    contexts = np.random.default_rng(0).normal(size=(50, 2))
    bandit.update(contexts, np.zeros(50, dtype=int), np.ones(50))
    chances = bandit.probabilities(contexts)
    assert chances.sum(axis=1) == pytest.approx(np.ones(50))
    assert chances.min() >= 0.05 - 1e-12


@pytest.mark.parametrize("kind", BANDITS)
def test_state_survives_json(kind):
    bandit = kind(2, 1, seed=4)
    x, actions, rewards = _log(500)
    bandit.update(x, actions, rewards)
    again = kind(2, 1, seed=4).restore(json.loads(json.dumps(bandit.state())))
    assert again.expected(x) == pytest.approx(bandit.expected(x))
    with pytest.raises(SchemaError, match="arms and features"):
        kind(3, 1).restore(bandit.state())


def test_a_bandit_that_sees_the_context_earns_more():
    x, actions, rewards = _log(6000)
    blind = np.zeros_like(x)
    seeing, blinded = (replay(LinUcb(2, 1), contexts, actions, rewards).reward for contexts in (x, blind))
    assert seeing.low > blinded.high


def test_errors_name_the_cause():
    with pytest.raises(ConfigError, match="two arms"):
        LinUcb(1, 2)
    with pytest.raises(ConfigError, match="floor"):
        LinearThompson(2, 1, floor=0.6)
    with pytest.raises(SchemaError, match="contexts"):
        LinUcb(2, 1).probabilities(np.ones((3, 4)))
