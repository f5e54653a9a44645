"""A prepared shop's logged impressions → what other rules for the first place would have earned, with intervals."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from tfrec.errors import SchemaError
from tfrec.experiments.effects import Estimate, normal_estimate
from tfrec.experiments.off_policy import (
    DecisionLog,
    PolicyValue,
    clip_probabilities,
    cross_fit_rewards,
    doubly_robust,
)
from tfrec.ingest.prepared import Prepared

_NEEDED = ("product", "position", "probability", "clicked")
_MAX_ACTIONS = 200
_MAX_LEVELS = 30
_EXPLORED = 0.1  # share of visits in which a rule shows any item, so that its own log can be judged later

RULES = ("uniform", "popular", "personal")
"""Any item alike; the item of highest click rate; the item of highest predicted click rate for such a visitor."""


@dataclasses.dataclass(frozen=True)
class PlacementFindings:
    """What logged impressions tell of other rules.

    Attributes:
        num_slates: decisions in the log: what stood in the first place.
        num_items: different items there.
        known: what is known of a visitor.
        logged: clicks a slate in the first place as it was.
        values: rule (one of `RULES`) → its value by the doubly robust estimator.
        items: `item_id`, `n`, `rate`, `low`, `high`: click rate in the first place, highest first.
    """

    num_slates: int
    num_items: int
    known: tuple[str, ...]
    logged: Estimate
    values: dict[str, PolicyValue]
    items: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return {
            "num_slates": self.num_slates,
            "num_items": self.num_items,
            "known": list(self.known),
            "logged": self.logged.to_dict(),
            "values": {name: value.to_dict() for name, value in self.values.items()},
            "items": self.items.to_dict("records"),
        }

    def summary(self) -> str:
        """Returns the findings in plain words."""
        return "\n".join(f"{name}: {value.summary()}" for name, value in self.values.items())


def judge_placements(prepared: Prepared, *, seed: int = 0) -> PlacementFindings:
    """Returns what three rules for the first place would have earned, judged on the log of another rule.

    The extra table `impressions` has a row an item shown: `product`, `position` (1 = first), `probability` (of just
    this item in the first place, as it was drawn), `clicked`; text columns tell what was known of the visitor. A rule
    is made from predictions of a model that never saw the row, keeps 10 % of visits for exploration, and is judged by
    the doubly robust estimator (Dudík, Langford & Li 2011); visits of one user count as one draw.

    Raises:
        SchemaError: a column is missing, or there are too few impressions.
        SourceError: there is no such table.
    """
    path = prepared.extra("impressions")
    log = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    missing = [name for name in _NEEDED if name not in log.columns]
    if missing:
        raise SchemaError(f"The extra table impressions needs {', '.join(_NEEDED)}; missing: {', '.join(missing)}.")
    log = log[log["position"] == 1].reset_index(drop=True)
    actions, names = pd.factorize(log["product"].astype("str"), sort=True)
    if len(log) < 200 or not 2 <= len(names) <= _MAX_ACTIONS:
        raise SchemaError(
            f"Rules are judged on 200 or more logged first places with 2 to {_MAX_ACTIONS} different items; got "
            f"{len(log):,} with {len(names):,}."
        )
    known = [
        str(name)
        for name in log.columns
        if name not in ("product", "session", "customer", "user_id")
        and not pd.api.types.is_numeric_dtype(log[name])
        and not pd.api.types.is_datetime64_any_dtype(log[name])
        and 2 <= log[name].nunique() <= _MAX_LEVELS
    ]
    contexts = pd.get_dummies(log[known].astype("str")).to_numpy(np.float64) if known else np.zeros((len(log), 0))
    decisions = DecisionLog(
        actions, log["probability"].to_numpy(np.float64), log["clicked"].to_numpy(np.float64), _clusters(log)
    )
    personal = cross_fit_rewards(contexts, decisions, Ridge(10.0), num_actions=len(names), seed=seed)
    popular = cross_fit_rewards(np.zeros((len(log), 0)), decisions, Ridge(1.0), num_actions=len(names), seed=seed)
    targets = {
        "uniform": np.full(personal.shape, 1 / len(names)),
        "popular": _best(popular),
        "personal": _best(personal),
    }
    values = {name: doubly_robust(decisions, target, personal) for name, target in targets.items()}
    return PlacementFindings(
        num_slates=len(log),
        num_items=len(names),
        known=tuple(known) if known else (),
        logged=values["uniform"].logged,
        values=values,
        items=_rates(decisions, names),
    )


def _best(predicted: np.ndarray) -> np.ndarray:
    greedy = np.eye(predicted.shape[1])[predicted.argmax(axis=1)]
    return clip_probabilities(greedy, floor=_EXPLORED / predicted.shape[1])


def _clusters(log: pd.DataFrame) -> np.ndarray | None:
    """The user of each row; a guest is nobody else's cluster."""
    user = next((name for name in ("customer", "user_id") if name in log.columns), None)
    if user is None:
        return None
    ids = log[user].fillna("").astype("str")
    return ids.where(ids != "", "guest " + log.index.astype("str")).to_numpy(dtype=str)


def _rates(log: DecisionLog, names: pd.Index) -> pd.DataFrame:
    rows = []
    for code, name in enumerate(names):
        own = log.rewards[log.actions == code]
        weights = 1 / log.propensities[log.actions == code]
        rate = float(np.average(own, weights=weights))
        error = float(np.sqrt((weights**2 * (own - rate) ** 2).sum()) / weights.sum())
        found = normal_estimate(rate, error, len(own))
        rows.append((str(name), found.n, found.value, max(found.low, 0.0), found.high))
    frame = pd.DataFrame(rows, columns=["item_id", "n", "rate", "low", "high"])
    return frame.sort_values("rate", ascending=False, ignore_index=True)
