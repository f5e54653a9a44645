"""Draws audiences by predicted response in tests with known effects: what is promised of them, and what is found."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tests.benchmarks.learners import logit_world
from tests.promotions.worlds import coupon_world
from tfrec.analysis.audiences import UserFacts, find_audience
from tfrec.promotions.learned_offers import few_threads
from tfrec.promotions.offer_log import OfferLog
from tfrec.promotions.predicted_responses import offer_effects
from tfrec.promotions.response import cross_fit_responses
from tfrec.promotions.trial import Trial
from tfrec.statistics.estimates import normal_estimate

USERS = 1_000
KINDS = ("step", "additive, strong", "additive, weak", "the same for all")


class Promise(NamedTuple):
    """Of one audience: the mean of predicted effects, the effect found out of fold with its interval, and the truth."""

    kind: str
    promised: float
    low: float
    high: float
    truth: float

    @property
    def is_kept(self) -> bool:
        """Whether the promise lies inside the interval of the effect that is found."""
        return self.low <= self.promised <= self.high


def draw_audience(seed: int) -> Promise:
    """Returns the promise of an audience whose response lies above the median, in one generated test."""
    kind = KINDS[seed % len(KINDS)]
    trial, truth = _world(kind, seed)
    log = _log(trial)
    with few_threads(len(trial)):
        response = offer_effects(log)["offer"]
        scores = cross_fit_responses(trial, outcome="conversion", seed=1_000 + seed).effects()[:, 0]
    facts = UserFacts(pd.DataFrame({"value": 0.0}, index=response.index), responses={"offer": response})
    middle = float(response.median())
    # Nine decimals, as an expression is typed; a number without a unit is the share itself.
    members = find_audience(facts, expression=f'response("offer") > {middle:.9f}', min_users=1).user_ids
    inside = response.index.isin(members)
    found = normal_estimate(
        scores[inside].mean(), float(scores[inside].std(ddof=1) / np.sqrt(inside.sum())), int(inside.sum())
    )
    return Promise(kind, float(response[inside].mean()), found.low, found.high, float(truth[inside].mean()))


def _world(kind: str, seed: int) -> tuple[Trial, np.ndarray]:
    if kind == "step":
        trial, truth = coupon_world(USERS, seed)
        return Trial(trial.features, trial.arms, ("none", "offer"), trial.propensities,
                     {"conversion": trial.outcome("visit")}), truth  # fmt: skip
    spread = {"additive, strong": 0.6, "additive, weak": 0.2}.get(kind, 0.0)
    return logit_world(seed, spread=spread, n=USERS)


def _log(trial: Trial) -> OfferLog:
    names = [f"x{column}" for column in range(trial.features.shape[1])]
    table = pd.DataFrame(trial.features, columns=names).assign(
        user_id=[f"u{user}" for user in range(len(trial))],
        arm=np.where(trial.arms == 1, "offer", "none"),
        conversion=trial.outcome("conversion"),
    )
    return OfferLog(table, ("none", "offer"), ("conversion",), tuple(names), "offers")
