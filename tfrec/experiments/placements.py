"""Estimates what other rules and a bandit would have earned on a shop's logged impressions, with intervals."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from tfrec.experiments.logged_slates import LoggedSlates, read_slates
from tfrec.experiments.policies import PolicyStudy, rule_scores, study_policies
from tfrec.experiments.shown_slates import shown_slates
from tfrec.ingest.prepared import Prepared
from tfrec.statistics.estimates import normal_estimate


@dataclasses.dataclass(frozen=True)
class PlacementFindings:
    """Estimates of other ranking rules from logged impressions.

    Attributes:
        study: the rules `uniform`, `popular` and `personal` by every estimator, and bandits by replay.
        items: `item_id`, `n`, `rate`, `low`, `high`: click rate in the first place, highest first.
    """

    JSON_KEYS: ClassVar = (
        ("num_slates", "study.num_slates"), ("num_places", "study.num_places"), ("num_items", "study.num_items"),
        ("known", "study.known"), ("logged", "study.logged"), ("policies", "study.policies"),
        ("bandits", "study.bandits"), "items",
    )  # fmt: skip

    study: PolicyStudy
    items: pd.DataFrame


def judge_placements(prepared: Prepared, *, seed: int = 0) -> PlacementFindings:
    """Returns what three rules would have earned, judged on the log of another rule.

    The log are the shop's impressions, or its extra table of that name, see `shown_slates`. A rule is made from
    predictions of a model that never saw the row; visits of one user count as one draw.

    Raises:
        SchemaError: a column is missing, or there are too few impressions.
        SourceError: there is no such table.
    """
    log = read_slates(shown_slates(prepared))
    return PlacementFindings(study_policies(log, rule_scores(log, seed=seed), seed=seed), _rates(log))


def _rates(log: LoggedSlates) -> pd.DataFrame:
    first = log.first_place()
    rows = []
    for code, name in enumerate(log.item_ids.tolist()):
        rewards = first.rewards[first.actions == code]
        if not len(rewards):
            continue
        weights = 1 / first.propensities[first.actions == code]
        rate = float(np.average(rewards, weights=weights))
        error = float(np.sqrt((weights**2 * (rewards - rate) ** 2).sum()) / weights.sum())
        estimate = normal_estimate(rate, error, len(rewards))
        rows.append((name, estimate.n, estimate.value, max(estimate.low, 0.0), estimate.high))
    frame = pd.DataFrame(rows, columns=["item_id", "n", "rate", "low", "high"])
    return frame.sort_values("rate", ascending=False, ignore_index=True)
