"""Turns scores of items into a policy over slates and estimates its value from logged slates.

A policy fills the places one after the other, each with `softmax(scores)` over the items left (Plackett-Luce).
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import special
from sklearn.linear_model import Ridge

from tfrec.errors import SchemaError
from tfrec.experiments.bandit import Bandit, LinearThompson, LinUcb, Replay, replay
from tfrec.experiments.logged_slates import LoggedSlates
from tfrec.experiments.off_policy import (
    PolicyValue,
    cross_fit_rewards,
    evaluate_policy,
    slate_cascade,
    slate_independent,
    slate_inverse_propensity,
)
from tfrec.statistics.estimates import Estimate

RULES = ("uniform", "popular", "personal")
"""Any item alike; items by their click rate; items by the click rate predicted for such a visitor."""

_SHARPNESS = 2.0  # a rule shows items in proportion to the square of their click rate
_LEAST_RATE = 1e-3
_MOST_SLATES = 50_000_000  # ordered slates that are enumerated for places' chances, over all rows
_FEWEST_BATCHES = 50


@dataclasses.dataclass(frozen=True)
class JudgedPolicy:
    """What a policy would have earned.

    Attributes:
        name: name of the policy.
        slate: estimates of the reward of the whole slate.
        first: estimates of the reward of the first place.
    """

    JSON_KEYS: ClassVar = ("name", "slate", "first", ("read", "best.estimator"))

    name: str
    slate: tuple[PolicyValue, ...]
    first: tuple[PolicyValue, ...]

    @property
    def best(self) -> PolicyValue:
        """The estimate to read: the narrowest trustworthy one of the whole slate, else of the first place by DR."""
        of_slate = [value for value in self.slate if value.is_trustworthy]
        if of_slate:
            return min(of_slate, key=lambda value: value.value.std_error)
        return next((value for value in self.first if value.estimator == "DR"), self.first[0])


@dataclasses.dataclass(frozen=True)
class PolicyStudy:
    """What other policies would have earned on a log.

    Attributes:
        num_slates: slates judged.
        num_places: places of a slate.
        num_items: different items.
        known: what is known of a visitor.
        logged: reward of a slate as it was.
        policies: the policies, in the order given.
        bandits: name → its replay over the first place.
    """

    num_slates: int
    num_places: int
    num_items: int
    known: tuple[str, ...]
    logged: Estimate
    policies: tuple[JudgedPolicy, ...]
    bandits: dict[str, Replay]

    @property
    def winner(self) -> JudgedPolicy | None:
        """The policy whose gain has the highest lower end, of those better beyond chance; None where none is."""
        good = [policy for policy in self.policies if self._is_better(policy.best)]
        return max(good, key=lambda policy: policy.best.gain.low) if good else None

    def _is_better(self, found: PolicyValue) -> bool:
        """Returns whether a policy is better beyond chance, corrected for the number of policies (Bonferroni)."""
        bound = special.ndtri(1 - (1 - found.gain.level) / 2 / len(self.policies))
        return found.is_trustworthy and found.gain.value > bound * found.gain.std_error


def study_policies(
    log: LoggedSlates, scores: Mapping[str, np.ndarray], *, has_bandits: bool = True, seed: int = 0, level: float = 0.95
) -> PolicyStudy:
    """Judges policies on a log, each by every estimator that the log allows, and replays bandits on the first place.

    Args:
        log: the slates.
        scores: name → `[n, A]` scores of the items for each slate; −inf is never shown.
        has_bandits: replay Thompson sampling with and without contexts, and LinUCB.
        seed: random seed of folds and draws.
        level: confidence level.

    Raises:
        SchemaError: scores are not `[n, A]`.
    """
    first = log.first_place()
    features = log.features()
    predicted = cross_fit_rewards(features, first, Ridge(10.0), num_actions=len(log.item_ids), seed=seed)
    judged = tuple(_judge(name, log, table, predicted, level) for name, table in scores.items())
    logged = slate_inverse_propensity(log.slates(), log.propensities, level=level).logged
    return PolicyStudy(
        num_slates=len(log),
        num_places=log.actions.shape[1],
        num_items=len(log.item_ids),
        known=tuple(map(str, log.contexts.columns)),
        logged=logged,
        policies=judged,
        bandits=replay_bandits(log, seed=seed, level=level) if has_bandits else {},
    )


def rule_scores(log: LoggedSlates, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns rule → `[n, A]` scores, by click rates of the first place predicted from other folds' rows."""
    first = log.first_place()
    A = len(log.item_ids)
    personal = cross_fit_rewards(log.features(), first, Ridge(10.0), num_actions=A, seed=seed)
    popular = cross_fit_rewards(np.zeros((len(log), 0)), first, Ridge(1.0), num_actions=A, seed=seed)
    return {
        "uniform": np.zeros((len(log), A)),
        "popular": _SHARPNESS * np.log(np.maximum(popular, _LEAST_RATE)),
        "personal": _SHARPNESS * np.log(np.maximum(personal, _LEAST_RATE)),
    }


def scores_from_table(log: LoggedSlates, table: pd.DataFrame, *, item: str = "item_id") -> np.ndarray:
    """Returns `[n, A]` scores from a table of items, `score`, and any columns of the log's contexts.

    Example: columns `item_id, device, score` give each device its own policy.

    Raises:
        SchemaError: a column is missing, a score is missing or doubled, or an item was never logged.
    """
    for name in (item, "score"):
        if name not in table.columns:
            raise SchemaError(f"A table of scores needs {item} and score; it has {', '.join(map(str, table.columns))}.")
    keys = [name for name in log.contexts.columns if name in table.columns]
    table = table.assign(**{name: table[name].astype("str") for name in [item, *keys]})
    unknown = sorted(set(table[item]) - set(log.item_ids))
    if unknown:
        raise SchemaError(
            f"The log never shows {unknown[0]!r} (and {len(unknown) - 1} more): what was never shown cannot be judged. "
            "Leave it out, or show it at random for a while first."
        )
    if table.duplicated([*keys, item]).any():
        raise SchemaError(f"A score comes twice for the same {', '.join([item, *keys])}.")
    if keys:
        wide = table.pivot(index=keys, columns=item, values="score").reindex(columns=log.item_ids)
        index = pd.MultiIndex.from_frame(log.contexts[keys]) if len(keys) > 1 else pd.Index(log.contexts[keys[0]])
        scores = wide.reindex(index).to_numpy(np.float64)
    else:
        one = table.set_index(item)["score"].reindex(log.item_ids).to_numpy(np.float64)
        scores = np.broadcast_to(one, (len(log), len(one))).copy()
    if np.isnan(scores).any():
        lost = log.item_ids[np.isnan(scores).any(axis=0)]
        raise SchemaError(
            f"No score for {str(lost[0])!r}{' in some context' if keys else ''}. Score every item of the log; -inf is "
            "never shown."
        )
    return scores


def slate_chances(scores: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Returns `[n, L]` the chance of each place's item given those above, for `[n, A]` scores and `[n, L]` items."""
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    chosen = np.take_along_axis(weight, actions, axis=1)
    above = np.concatenate([np.zeros((len(actions), 1)), chosen.cumsum(axis=1)[:, :-1]], axis=1)
    left = weight.sum(axis=1, keepdims=True) - above
    return np.divide(chosen, left, out=np.zeros_like(chosen), where=left > 1e-12)


def place_chances(scores: np.ndarray, actions: np.ndarray) -> np.ndarray | None:
    """Returns `[n, L]` the chance that each place's item stands there, whatever is above; None where that is too much.

    Exact, by enumerating the ordered slates once for each distinct row of scores.
    """
    distinct, code = np.unique(scores, axis=0, return_inverse=True)
    A, L = scores.shape[1], actions.shape[1]
    slates = np.prod(np.arange(A, A - L, -1, dtype=np.float64))
    if slates * len(distinct) > _MOST_SLATES:
        return None
    orders = np.array(list(itertools.permutations(range(A), L)))
    marginal = np.zeros((len(distinct), A, L))
    for row, own in enumerate(distinct):
        chance = slate_chances(np.broadcast_to(own, (len(orders), A)), orders).prod(axis=1)
        for place in range(L):
            marginal[row, :, place] = np.bincount(orders[:, place], weights=chance, minlength=A)
    return marginal[code.reshape(-1)[:, None], actions, np.arange(L)]


def replay_bandits(log: LoggedSlates, *, seed: int = 0, level: float = 0.95) -> dict[str, Replay]:
    """Returns each bandit's replay over the first place, in the order of the log."""
    first, features = log.first_place(), log.features()
    A, d = len(log.item_ids), features.shape[1]
    made: dict[str, tuple[Bandit, np.ndarray]] = {
        "Thompson sampling, no context": (LinearThompson(A, 0, seed=seed), features[:, :0])
    }
    if d:
        made["Thompson sampling"] = (LinearThompson(A, d, seed=seed), features)
        made["LinUCB"] = (LinUcb(A, d, alpha=0.5, seed=seed), features)
    batch = max(1, min(200, len(log) // _FEWEST_BATCHES))
    return {
        name: replay(
            bandit, known, first.actions, first.rewards, first.propensities, batch=batch, level=level, seed=seed
        )
        for name, (bandit, known) in made.items()
    }


def _judge(name: str, log: LoggedSlates, scores: np.ndarray, predicted: np.ndarray, level: float) -> JudgedPolicy:
    if scores.shape != (len(log), len(log.item_ids)):
        raise SchemaError(f"Scores must be [{len(log)}, {len(log.item_ids)}]; those of {name} are {scores.shape}.")
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    first = evaluate_policy(
        log.first_place(), weight / weight.sum(axis=1, keepdims=True), predicted=predicted, level=level
    )
    if log.actions.shape[1] == 1:
        return JudgedPolicy(name, (), first)
    target = slate_chances(scores, log.actions)
    slate = [
        slate_inverse_propensity(log.slates(), target, level=level),
        slate_cascade(log.slates(), target, level=level),
    ]
    places = log.places()
    chances = place_chances(scores, log.actions) if places is not None else None
    if places is not None and chances is not None:
        slate.append(slate_independent(places, chances, level=level))
    return JudgedPolicy(name, tuple(slate), first)
