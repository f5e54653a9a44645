"""Estimates the value of another policy from logged decisions with propensities, with an interval.

All estimators need that the logging policy gave every action of the new policy a positive chance (overlap), and that
the propensities are those that were really drawn from. Then IPS is unbiased, SNIPS trades a little bias for much
variance, DR is unbiased and narrows with a good reward model.
"""

import dataclasses
from typing import ClassVar

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import KFold

from tfrec.errors import ConfigError, SchemaError
from tfrec.statistics.estimates import Estimate, normal_estimate


@dataclasses.dataclass(frozen=True)
class DecisionLog:
    """Decisions of a logging policy, one row each.

    Attributes:
        actions: `[n]` integer code of what was shown.
        propensities: `[n]` probability with which the logging policy showed just that.
        rewards: `[n]` what came of it (click, margin ...).
        clusters: `[n]` user of each decision, so that a user's decisions count as one draw; None = independent rows.

    Raises:
        SchemaError: lengths differ, or a propensity is not in (0, 1].
    """

    actions: np.ndarray
    propensities: np.ndarray
    rewards: np.ndarray
    clusters: np.ndarray | None = None

    def __post_init__(self) -> None:
        columns = [self.propensities, self.rewards, *([] if self.clusters is None else [self.clusters])]
        if any(len(column) != len(self.actions) for column in columns):
            raise SchemaError("`actions`, `propensities`, `rewards` and `clusters` must have one length.")
        _check_propensities(self.propensities)

    def __len__(self) -> int:
        """Returns the number of decisions."""
        return len(self.actions)


@dataclasses.dataclass(frozen=True)
class SlateLog:
    """Slates of `L` slots whose actions were drawn independently slot by slot.

    Attributes:
        propensities: `[n, L]` probability of each slot's logged action.
        slot_rewards: `[n, L]` reward of each slot, or None where only the slate's is known.
        rewards: `[n]` reward of the slate.
        clusters: `[n]` user of each slate; None = independent rows.

    Raises:
        SchemaError: shapes differ, or a propensity is not in (0, 1].
    """

    propensities: np.ndarray
    rewards: np.ndarray
    slot_rewards: np.ndarray | None = None
    clusters: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.propensities.ndim != 2 or len(self.rewards) != len(self.propensities):
            raise SchemaError(
                f"A slate log needs `propensities` [n, L] and `rewards` [n]; got {self.propensities.shape} "
                f"and {self.rewards.shape}."
            )
        if self.slot_rewards is not None and self.slot_rewards.shape != self.propensities.shape:
            raise SchemaError(f"`slot_rewards` must be {self.propensities.shape}; got {self.slot_rewards.shape}.")
        _check_propensities(self.propensities)


@dataclasses.dataclass(frozen=True)
class PolicyValue:
    """The value of a policy, estimated from another one's log.

    Attributes:
        estimator: which formula.
        value: mean reward a decision (a slate) under the new policy, with interval.
        logged: mean reward under the logging policy.
        gain: new − logged, paired on the same rows.
        effective_n: `(Σw)² / Σw²`, the number of unweighted rows that would be as informative.
        largest_weight: the largest importance weight; one row of great weight makes an interval untrustworthy.
        weight_mean: mean weight; 1 when the propensities are right.
    """

    JSON_KEYS: ClassVar = (
        "estimator", "value", "logged", "gain", "effective_n", "largest_weight", "weight_mean", "is_trustworthy",
    )  # fmt: skip

    estimator: str
    value: Estimate
    logged: Estimate
    gain: Estimate
    effective_n: float
    largest_weight: float
    weight_mean: float

    @property
    def is_trustworthy(self) -> bool:
        """Whether the weights leave at least 100 effective rows and average near 1 (within 4 standard errors)."""
        spread = np.sqrt(max(self.value.n / max(self.effective_n, 1e-9) - 1, 0) / max(self.value.n, 1))
        return bool(self.effective_n >= 100 and abs(self.weight_mean - 1) <= 4 * spread * self.weight_mean + 1e-9)


def evaluate_policy(
    log: DecisionLog, target: np.ndarray, *, predicted: np.ndarray | None = None, level: float = 0.95
) -> tuple[PolicyValue, ...]:
    """Returns every estimate that the inputs allow: IPS and SNIPS, with `predicted` also DM and DR.

    Args:
        log: logged decisions.
        target: `[n, A]` probabilities of the new policy for each row's context.
        predicted: `[n, A]` expected rewards by a model that was not fitted on the same rows (`cross_fit_rewards`).
        level: confidence level.
    """
    results = [inverse_propensity(log, target, level=level), self_normalised(log, target, level=level)]
    if predicted is not None:
        results.append(direct_method(log, target, predicted, level=level))
        results.append(doubly_robust(log, target, predicted, level=level))
    return tuple(results)


def inverse_propensity(
    log: DecisionLog, target: np.ndarray, *, clip: float = np.inf, level: float = 0.95
) -> PolicyValue:
    """Returns IPS: `V = mean(w r)`, `w = π(a|x) / p` (Horvitz & Thompson 1952), weights clipped at `clip`.

    `target` is `[n, A]`, the probabilities of all actions under the policy that is judged.
    """
    weights = np.minimum(_weights(log, target), clip)
    return _value("IPS", weights * log.rewards, log.rewards, weights, log.clusters, level)


def self_normalised(log: DecisionLog, target: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns SNIPS: `V = Σ w r / Σ w` (Swaminathan & Joachims 2015b), interval by the delta method.

    `target` is `[n, A]`.
    """
    weights = _weights(log, target)
    mean = max(float(weights.mean()), 1e-12)
    value = float((weights * log.rewards).mean() / mean)
    return _value("SNIPS", value + weights * (log.rewards - value) / mean, log.rewards, weights, log.clusters, level)


def direct_method(log: DecisionLog, target: np.ndarray, predicted: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns DM: `V = mean Σ_a π(a|x) q(x, a)`, as accurate as the model; `target` and `predicted` are `[n, A]`.

    It has no interval: the spread of the rows does not include the model's bias, which is most of its error.
    """
    _check_predicted(target, predicted)
    weights = _weights(log, target)
    value = _value("DM", (target * predicted).sum(axis=1), log.rewards, weights, log.clusters, level)
    return dataclasses.replace(value, value=_without_interval(value.value), gain=_without_interval(value.gain))


def doubly_robust(log: DecisionLog, target: np.ndarray, predicted: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns DR: `V = mean(Σ_a π(a|x) q(x, a) + w (r − q(x, a_logged)))` (Dudík, Langford & Li 2011).

    `target` and `predicted` are `[n, A]`.
    """
    _check_predicted(target, predicted)
    weights = _weights(log, target)
    residual = log.rewards - predicted[np.arange(len(log)), log.actions]
    terms = (target * predicted).sum(axis=1) + weights * residual
    return _value("DR", terms, log.rewards, weights, log.clusters, level)


def cross_fit_rewards(
    contexts: np.ndarray, log: DecisionLog, estimator: BaseEstimator, *, num_actions: int, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Returns `[n, A]` expected rewards, each row by a model that never saw its fold.

    One model over `[context, one-hot action, context × action]` for linear estimators' sake; rows of one user stay in
    one fold where the log names users.
    """
    result = np.zeros((len(log), num_actions))
    if log.clusters is not None:
        unique, codes = np.unique(log.clusters, return_inverse=True)
        fold_of = np.random.default_rng(seed).integers(folds, size=len(unique))[codes]
        splits = [(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(folds)]
    else:
        splits = list(KFold(folds, shuffle=True, random_state=seed).split(contexts))
    for train, test in splits:
        model = clone(estimator).fit(_joint(contexts[train], log.actions[train], num_actions), log.rewards[train])
        for action in range(num_actions):
            rows = _joint(contexts[test], np.full(len(test), action), num_actions)
            result[test, action] = model.predict_proba(rows)[:, 1] if is_classifier(model) else model.predict(rows)
    return result


def slate_inverse_propensity(log: SlateLog, target: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns slate IPS: `mean(Π_l w_l · r)`: no assumption on the reward, and a variance that explodes with `L`.

    Args:
        log: logged slates.
        target: `[n, L]` the new policy's probability of each slot's logged action.
        level: confidence level.
    """
    weights = _slot_weights(log, target).prod(axis=1)
    return _value("slate IPS", weights * log.rewards, log.rewards, weights, log.clusters, level)


def slate_pseudo_inverse(log: SlateLog, target: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns the pseudo-inverse estimate: `mean((1 + Σ_l (w_l − 1)) · r)` for a logging policy independent by slot.

    `target` is `[n, L]`, the probabilities of what was shown. Unbiased where the slate's reward is a sum over slots,
    whose parts need not be seen (Swaminathan et al. 2017).
    """
    weights = 1 + (_slot_weights(log, target) - 1).sum(axis=1)
    return _value("slate pseudo-inverse", weights * log.rewards, log.rewards, weights, log.clusters, level)


def slate_independent(log: SlateLog, target: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns independent IPS: `mean Σ_l w_l r_l`: a slot's reward depends on its own action (Li et al. 2018).

    `target` is `[n, L]`.

    Raises:
        SchemaError: the log has no slot rewards.
    """
    weights = _slot_weights(log, target)
    slots = _slot_rewards(log)
    terms = (weights * slots).sum(axis=1)
    return _value("slate independent IPS", terms, slots.sum(axis=1), weights.mean(axis=1), log.clusters, level)


def slate_cascade(log: SlateLog, target: np.ndarray, *, level: float = 0.95) -> PolicyValue:
    """Returns reward-interaction IPS: `mean Σ_l (Π_{j≤l} w_j) r_l`: a slot's reward depends on it and the slots above.

    `target` is `[n, L]`. The cascade assumption of a shopper who reads from the top (McInerney et al. 2020).

    Raises:
        SchemaError: the log has no slot rewards.
    """
    weights = np.cumprod(_slot_weights(log, target), axis=1)
    slots = _slot_rewards(log)
    terms = (weights * slots).sum(axis=1)
    return _value("slate cascade IPS", terms, slots.sum(axis=1), weights[:, -1], log.clusters, level)


def effective_sample_size(weights: np.ndarray) -> float:
    """Returns `(Σw)² / Σw²` of `[n]` weights (Kish 1965)."""
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0


def clip_probabilities(target: np.ndarray, *, floor: float) -> np.ndarray:
    """Returns `(1 − A·floor)·π + floor`: a policy that keeps exploring, so that its own log can be evaluated later.

    Raises:
        ConfigError: `floor` outside [0, 1/A).
    """
    num_actions = target.shape[1]
    if not 0 <= floor < 1 / num_actions:
        raise ConfigError(f"`floor` must lie in [0, {1 / num_actions:.3g}) for {num_actions} actions; got {floor}.")
    return (1 - num_actions * floor) * target + floor


def _value(
    name: str, terms: np.ndarray, rewards: np.ndarray, weights: np.ndarray, clusters: np.ndarray | None, level: float
) -> PolicyValue:
    return PolicyValue(
        estimator=name,
        value=_mean(terms, clusters, level),
        logged=_mean(rewards, clusters, level),
        gain=_mean(terms - rewards, clusters, level),
        effective_n=effective_sample_size(weights),
        largest_weight=float(weights.max()),
        weight_mean=float(weights.mean()),
    )


def _without_interval(found: Estimate) -> Estimate:
    return dataclasses.replace(found, low=float("nan"), high=float("nan"), std_error=float("nan"))


def _mean(terms: np.ndarray, clusters: np.ndarray | None, level: float) -> Estimate:
    """Returns the mean with an interval; with clusters, by the variance of cluster totals and t quantiles."""
    n, mean = len(terms), float(terms.mean())
    if clusters is None:
        return normal_estimate(mean, float(terms.std(ddof=1) / np.sqrt(n)), n, level=level)
    totals = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=terms - mean)
    m = len(totals)
    error = float(np.sqrt((totals**2).sum() * m / max(m - 1, 1)) / n)
    half = float(stats.t.ppf(0.5 + level / 2, max(m - 1, 1))) * error
    return Estimate(mean, mean - half, mean + half, error, n, level)


def _weights(log: DecisionLog, target: np.ndarray) -> np.ndarray:
    if target.ndim != 2 or len(target) != len(log):
        raise SchemaError(
            f"`target` must be [n, A] probabilities with {len(log)} rows; got shape {target.shape}. "
            "A deterministic policy is one-hot."
        )
    if log.actions.min() < 0 or log.actions.max() >= target.shape[1]:
        raise SchemaError(f"`actions` must lie in 0..{target.shape[1] - 1}; got up to {log.actions.max()}.")
    if not np.allclose(target.sum(axis=1), 1, atol=1e-6) or (target < 0).any():
        raise SchemaError("Each row of `target` must be a distribution over the actions (non-negative, sum 1).")
    return target[np.arange(len(log)), log.actions] / log.propensities


def _slot_weights(log: SlateLog, target: np.ndarray) -> np.ndarray:
    if target.shape != log.propensities.shape:
        raise SchemaError(f"`target` must be {log.propensities.shape}, one value a slot; got {target.shape}.")
    return target / log.propensities


def _slot_rewards(log: SlateLog) -> np.ndarray:
    if log.slot_rewards is None:
        raise SchemaError("This estimator needs `slot_rewards` [n, L]. Without them use `slate_pseudo_inverse`.")
    return log.slot_rewards


def _joint(contexts: np.ndarray, actions: np.ndarray, num_actions: int) -> np.ndarray:
    chosen = np.eye(num_actions)[actions]
    width = contexts.shape[1] * num_actions  # 0 where nothing is known of visitors
    crossed = (contexts[:, :, None] * chosen[:, None, :]).reshape(len(contexts), width)
    return np.concatenate([contexts, chosen, crossed], axis=1)


def _check_predicted(target: np.ndarray, predicted: np.ndarray) -> None:
    if predicted.shape != target.shape:
        raise SchemaError(f"`predicted` must have the shape of `target` {target.shape}; got {predicted.shape}.")


def _check_propensities(propensities: np.ndarray) -> None:
    if not ((propensities > 0) & (propensities <= 1)).all():
        raise SchemaError(
            "Every propensity must lie in (0, 1]: it is the chance with which the shown action was drawn. "
            "Drop rows that were shown by rule alone, or log propensities at serving."
        )
