"""Bandits that learn from the rewards of their own choices: Thompson sampling and LinUCB.

Arms are strategies of a page, or offers of a promotion. A bandit is judged by replay of a randomised log before it goes
live, and reports the probability of each choice, so that its own log serves `off_policy` later.
"""

import dataclasses
from typing import Any, Protocol, Self

import numpy as np
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.off_policy import clip_probabilities
from tfrec.schema.json_values import to_json
from tfrec.statistics.estimates import Estimate, normal_estimate

# Streams of their own: a log simulated from the same seed must not share its draws with those that choose from it.
_BANDIT_STREAM, _REPLAY_STREAM = 1, 2
_POSTERIOR_DRAWS = 256  # standard error of a propensity of 0.5: 0.03


class Bandit(Protocol):
    """What chooses an arm for a context and learns from the reward."""

    def probabilities(self, contexts: np.ndarray) -> np.ndarray:
        """Returns `[B, A]` chances of each arm for `[B, d]` contexts."""

    def update(self, contexts: np.ndarray, arms: np.ndarray, rewards: np.ndarray) -> None:
        """Learns from `[B]` shown arms and their rewards."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What to show, with the chance it had.

    Attributes:
        arms: `[B]` arm codes.
        propensities: `[B]` their probabilities; log them.
    """

    arms: np.ndarray
    propensities: np.ndarray


def choose(bandit: Bandit, contexts: np.ndarray, *, rng: np.random.Generator) -> Choice:
    """Draws an arm for each of the `[n, d]` contexts from the bandit's probabilities."""
    chances = bandit.probabilities(contexts)
    arms = (rng.random(len(chances))[:, None] > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
    return Choice(arms, chances[np.arange(len(arms)), arms])


class _LinearArms:
    """Ridge regression of the reward on `[1, context]` for each arm, with forgetting."""

    def __init__(self, num_arms: int, dim: int, *, ridge: float, forgetting: float, floor: float, seed: int) -> None:
        if num_arms < 2 or dim < 0:
            raise ConfigError(f"A bandit needs at least two arms and dim ≥ 0; got {num_arms} and {dim}.")
        if not 0 < forgetting <= 1 or not ridge > 0:
            raise ConfigError(f"`forgetting` must lie in (0, 1] and `ridge` be positive; got {forgetting}, {ridge}.")
        if not 0 <= floor < 1 / num_arms:
            raise ConfigError(f"`floor` must lie in [0, 1/{num_arms}); got {floor}.")
        self.floor, self.forgetting, self.ridge = floor, forgetting, ridge
        self.precision = np.repeat(np.eye(dim + 1)[None] * ridge, num_arms, axis=0)  # [A, d+1, d+1]
        self.moment = np.zeros((num_arms, dim + 1))  # [A, d+1]
        self.square, self.count = 0.0, 0.0
        self._rng = np.random.default_rng([seed, _BANDIT_STREAM])

    def update(self, contexts: np.ndarray, arms: np.ndarray, rewards: np.ndarray) -> None:
        """Adds a batch of `[n, d]` contexts, `[n]` arms and rewards.

        With `forgetting` < 1 older batches count less (live prices and seasons move).
        """
        x = self._design(contexts)
        if self.forgetting < 1:
            prior = np.eye(x.shape[1]) * self.ridge
            self.precision = self.forgetting * (self.precision - prior) + prior
            self.moment *= self.forgetting
            self.square, self.count = self.square * self.forgetting, self.count * self.forgetting
        for arm in np.unique(arms):
            rows_of_arm = x[arms == arm]
            self.precision[arm] += rows_of_arm.T @ rows_of_arm
            self.moment[arm] += rows_of_arm.T @ rewards[arms == arm]
        self.square += float((rewards**2).sum())
        self.count += len(rewards)

    def expected(self, contexts: np.ndarray) -> np.ndarray:
        """Returns `[B, A]` expected rewards."""
        return self._design(contexts) @ self._coefficients().T

    def state(self) -> dict[str, Any]:
        """Returns the learned state for JSON; `restore` reads it."""
        return to_json({"precision": self.precision, "moment": self.moment, "square": self.square, "count": self.count})

    def restore(self, state: dict[str, Any]) -> Self:
        """Takes up the state that `state` gave.

        Raises:
            SchemaError: the state is of another number of arms or features.
        """
        precision = np.asarray(state["precision"], dtype=np.float64)
        if precision.shape != self.precision.shape:
            raise SchemaError(
                f"The saved bandit has arms and features {precision.shape[:2]}, this one {self.precision.shape[:2]}. "
                "Start a new one when the arms change."
            )
        self.precision, self.moment = precision, np.asarray(state["moment"], dtype=np.float64)
        self.square, self.count = float(state["square"]), float(state["count"])
        return self

    def _coefficients(self) -> np.ndarray:
        return np.linalg.solve(self.precision, self.moment[:, :, None])[:, :, 0]

    def _design(self, contexts: np.ndarray) -> np.ndarray:
        if contexts.ndim != 2 or contexts.shape[1] != self.moment.shape[1] - 1:
            raise SchemaError(f"`contexts` must be [B, {self.moment.shape[1] - 1}]; got shape {contexts.shape}.")
        return np.concatenate([np.ones((len(contexts), 1)), contexts], axis=1)

    def _noise(self) -> float:
        """Returns the standard deviation of a reward about the arms' fits, 1 before any data."""
        if self.count < 2 * self.moment.size:
            return 1.0
        explained = float((self.moment * self._coefficients()).sum())
        return float(np.sqrt(max(self.square - explained, 1e-12) / self.count))


class LinearThompson(_LinearArms):
    """Thompson sampling with a Gaussian posterior for each arm (Agrawal & Goyal 2013).

    `β_a ~ N(Λ_a⁻¹ b_a, v² σ² Λ_a⁻¹)`; the arm of the largest draw is shown. `σ` is estimated from the rewards.

    Args:
        num_arms: A.
        dim: d, features of a context; 0 for a bandit without context.
        spread: `v`; 1 is the posterior, less explores less.
        ridge: prior precision.
        forgetting: weight that older batches keep at each update.
        floor: smallest chance of each arm, for later off-policy evaluation.
        seed: random seed of the draws.
    """

    def __init__(
        self,
        num_arms: int,
        dim: int,
        *,
        spread: float = 1.0,
        ridge: float = 1.0,
        forgetting: float = 1.0,
        floor: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(num_arms, dim, ridge=ridge, forgetting=forgetting, floor=floor, seed=seed)
        self.spread = spread

    def probabilities(self, contexts: np.ndarray) -> np.ndarray:
        """Returns `[B, A]` chances that an arm's draw is the largest, by 256 posterior draws, with the floor."""
        x, mean = self._design(contexts), self._coefficients()
        # Λ = L Lᵀ, so L⁻ᵀ z has covariance Λ⁻¹.
        lower = np.linalg.cholesky(self.precision)
        noise = self._rng.standard_normal((*mean.shape, _POSTERIOR_DRAWS))
        drawn = np.linalg.solve(np.swapaxes(lower, 1, 2), noise) * self.spread * self._noise() + mean[:, :, None]
        values = np.einsum("bd,adm->bma", x, drawn)
        best = values.argmax(axis=2)  # [B, draws]
        shares = (best[:, :, None] == np.arange(len(mean))).mean(axis=1)
        return clip_probabilities(shares, floor=self.floor)


class LinUcb(_LinearArms):
    """LinUCB with disjoint arms (Li et al. 2010): shows `argmax x·β_a + α σ sqrt(xᵀ Λ_a⁻¹ x)`.

    Args:
        num_arms: A.
        dim: d, features of a context.
        alpha: width of the confidence bound; 0 is greedy.
        ridge: prior precision.
        forgetting: weight that older batches keep at each update.
        floor: smallest chance of each arm.
        seed: unused by the bound, kept so that all bandits are made alike.
    """

    def __init__(
        self,
        num_arms: int,
        dim: int,
        *,
        alpha: float = 1.0,
        ridge: float = 1.0,
        forgetting: float = 1.0,
        floor: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(num_arms, dim, ridge=ridge, forgetting=forgetting, floor=floor, seed=seed)
        self.alpha = alpha

    def probabilities(self, contexts: np.ndarray) -> np.ndarray:
        """Returns `[B, A]`: the arm of the highest bound, with the floor for the others."""
        x = self._design(contexts)
        spread = np.sqrt(np.einsum("bd,ade,be->ba", x, np.linalg.inv(self.precision), x))
        best = (self.expected(contexts) + self.alpha * self._noise() * spread).argmax(axis=1)
        return clip_probabilities(np.eye(len(self.moment))[best], floor=self.floor)


@dataclasses.dataclass(frozen=True)
class Replay:
    """A bandit run over a logged experiment.

    Attributes:
        reward: mean reward of the rows where bandit and log agreed.
        logged: mean reward of the log.
        gain: reward − logged.
        best_arm: the single arm with the highest reward had it been shown to all.
        best_arm_reward: that reward, weighted by inverse propensities; a bandit without context can at most reach it.
        accepted: rows where bandit and log agreed.
        offered: rows replayed.
        curve: `[P]` running mean reward after each batch.
        shares: `[A]` share of each arm among accepted rows.
    """

    reward: Estimate
    logged: Estimate
    gain: Estimate
    best_arm: int
    best_arm_reward: Estimate
    accepted: int
    offered: int
    curve: np.ndarray
    shares: np.ndarray


def replay(
    bandit: Bandit,
    contexts: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    propensities: np.ndarray | None = None,
    *,
    batch: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Replay:
    """Runs a bandit over randomised logged decisions, in order (Li et al. 2011).

    A row counts, and teaches, only where the bandit draws the logged arm; with unequal propensities it is then kept
    with chance `min p / p`, which makes the kept rows a fair sample of what the bandit would have seen. It learns
    once a batch.

    Args:
        bandit: is changed by the run.
        contexts: `[n, d]`.
        actions: `[n]` logged arms.
        rewards: `[n]`.
        propensities: `[n]` chances of the logged arms; None = uniform.
        batch: rows between two updates.
        level: confidence level.
        seed: random seed of the draws.

    Raises:
        SchemaError: lengths differ, or nothing was accepted.
    """
    if not len(contexts) == len(actions) == len(rewards):
        raise SchemaError(f"Rows differ: {len(contexts)} contexts, {len(actions)} actions, {len(rewards)} rewards.")
    rng = np.random.default_rng([seed, _REPLAY_STREAM])
    keep = np.ones(len(actions)) if propensities is None else propensities.min() / propensities
    is_kept = rng.random(len(actions)) < keep
    accepted: list[np.ndarray] = []
    curve = []
    total = 0.0
    starts = range(0, len(actions), batch)
    for start in tqdm(starts, desc="replay", disable=len(starts) < 500, leave=False):
        rows = np.arange(start, min(start + batch, len(actions)))
        chosen = choose(bandit, contexts[rows], rng=rng).arms
        hits = rows[(chosen == actions[rows]) & is_kept[rows]]
        if len(hits):
            bandit.update(contexts[hits], actions[hits], rewards[hits])
            accepted.append(hits)
            total += float(rewards[hits].sum())
        curve.append(total / max(sum(map(len, accepted)), 1))
    if not accepted:
        raise SchemaError("No logged row matched the bandit's choices. Log more uniformly, or raise `floor`.")
    index = np.concatenate(accepted)
    reward, logged = _mean_of(rewards[index], level), _mean_of(rewards, level)
    weights = np.ones(len(actions)) if propensities is None else 1 / propensities
    by_arm = {int(arm): _weighted_mean(rewards, weights * (actions == arm), level) for arm in np.unique(actions)}
    best = max(by_arm, key=lambda arm: by_arm[arm].value)
    gain = normal_estimate(
        reward.value - logged.value, float(np.hypot(reward.std_error, logged.std_error)), len(index), level=level
    )
    return Replay(
        reward=reward,
        logged=logged,
        gain=gain,
        best_arm=best,
        best_arm_reward=by_arm[best],
        accepted=len(index),
        offered=len(actions),
        curve=np.asarray(curve),
        shares=np.bincount(actions[index], minlength=int(actions.max()) + 1) / len(index),
    )


def _weighted_mean(values: np.ndarray, weights: np.ndarray, level: float) -> Estimate:
    mean = float(np.average(values, weights=weights))
    error = float(np.sqrt((weights**2 * (values - mean) ** 2).sum()) / weights.sum())
    return normal_estimate(mean, error, int((weights > 0).sum()), level=level)


def _mean_of(values: np.ndarray, level: float) -> Estimate:
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return normal_estimate(float(values.mean()), error, len(values), level=level)
