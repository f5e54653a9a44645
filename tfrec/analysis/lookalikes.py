"""Finds the users who are most like an audience without being in it."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from tfrec.analysis.audiences import Audience
from tfrec.analysis.behaviour import FEATURES, describe_behaviour, fit_space
from tfrec.analysis.interests import Interests
from tfrec.errors import ConfigError
from tfrec.schema.tables import Tables
from tfrec.statistics.areas import auc_interval


@dataclasses.dataclass(frozen=True)
class Lookalikes:
    """Users who are like an audience without being in it.

    Attributes:
        user_ids: `[n]` most alike first.
        scores: `[n]` similarity in [0, 1]: logistic score of being in the audience, at even odds.
        num_seeds: users of the audience with an embedding.
        auc: chance that a member kept back scores above a user outside the audience; .5 = no better than chance.
        auc_low: lower end of its interval (95 %, Hanley & McNeil 1982).
        auc_high: upper end.
    """

    JSON_KEYS: ClassVar = ("num_users", "num_seeds", "auc", "auc_low", "auc_high", "is_informative")

    user_ids: np.ndarray
    scores: np.ndarray
    num_seeds: int
    auc: float
    auc_low: float
    auc_high: float

    @property
    def num_users(self) -> int:
        """Number of look-alikes."""
        return len(self.user_ids)

    @property
    def is_informative(self) -> bool:
        """Whether members are distinguished from others better than by chance."""
        return self.auc_low > 0.5


def embed_behaviour(tables: Tables, *, interests: Interests | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[n]` buyers and `[n, d]` what is known of them: figures of behaviour and interests in top categories.

    Figures are in standard deviations from the mean, interests are scores in [0, 1]. Users without a purchase are left
    out, because most of their figures are not known.

    Args:
        tables: the shop.
        interests: of the same shop; left out where none can be measured.
    """
    behaviour = describe_behaviour(tables)
    buyers = behaviour[behaviour["num_orders"] > 0]
    places = fit_space(buyers, FEATURES).place(buyers)
    if interests is not None:
        top = interests.categories[interests.categories["level"] == 0]
        scores = top.pivot_table(index="user_id", columns="category", values="score", aggfunc="max")
        places = np.hstack([places, scores.reindex(buyers.index).fillna(0.0).to_numpy(np.float64)])
    return buyers.index.to_numpy(dtype=str), places


def read_embeddings(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[n]` users and `[n, d]` embeddings of a table with `user_id` and a column a number.

    Raises:
        ConfigError: there is no column of numbers, or one has gaps.
    """
    numbers = table.drop(columns="user_id").select_dtypes("number")
    if not numbers.shape[1]:
        raise ConfigError("`embeddings` must have a column of numbers beside `user_id`; there is none.")
    values = numbers.to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise ConfigError("`embeddings` must have a number in every cell. Leave users without one out.")
    return table["user_id"].to_numpy(dtype=str), values


def find_lookalikes(
    audience: Audience, *, user_ids: Sequence[str] | np.ndarray, embeddings: np.ndarray, num: int, seed: int = 0
) -> Lookalikes:
    """Returns the `num` users outside the audience whose embeddings are most like those inside.

    A logistic regression on the unit-length embeddings separates members from others, the two sides weighted alike; its
    accuracy is measured by three-fold cross-validation.

    Args:
        audience: the seeds.
        user_ids: `[n]` users of the embeddings.
        embeddings: `[n, d]`, such as the query tower gives.
        num: how many to return.
        seed: random seed of the folds.

    Raises:
        ConfigError: shapes differ, or fewer than 10 members or 10 others have an embedding.
    """
    from sklearn.linear_model import LogisticRegression  # a second of import that other uses do not need
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    names = np.asarray(user_ids, dtype=str)
    if embeddings.ndim != 2 or len(embeddings) != len(names):
        raise ConfigError(f"`embeddings` must be [{len(names)}, d], a row a user; got {embeddings.shape}.")
    is_member = np.isin(names, audience.user_ids)
    members, others = int(is_member.sum()), int((~is_member).sum())
    if min(members, others) < 10:
        raise ConfigError(f"Look-alikes need 10 members and 10 others with embeddings; got {members} and {others}.")
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    auc = float(cross_val_score(model, unit, is_member, cv=folds, scoring="roc_auc").mean())
    low, high = auc_interval(auc, members, others)
    scores = model.fit(unit, is_member).predict_proba(unit)[:, 1]
    best = np.flatnonzero(~is_member)[np.argsort(-scores[~is_member], kind="stable")[:num]]
    return Lookalikes(names[best], scores[best], members, auc, low, high)
