"""Turns the log of a promotion into a `Trial`: arms, propensities, outcomes and features, as arrays."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.experiments.assignment import SampleRatio, check_sample_ratio

_HEAVY = 5.0  # skewness from which a non-negative column enters as its logarithm


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Turns a table of user attributes into a matrix, the same way at fitting and at scoring.

    Attributes:
        columns: attributes read, in order.
        levels: column → its known levels; text columns become one 0/1 column a level, unknown levels all zeros.
        fills: column → value put in place of a missing number (the median at fitting).
        logs: columns replaced by `log(1 + x)`, because a few users have very large values.
        crosses: pairs of numeric columns whose product enters too.
    """

    columns: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    fills: Mapping[str, float]
    logs: frozenset[str]
    crosses: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the matrix's columns."""
        names: list[str] = []
        for column in self.columns:
            if column in self.levels:
                names += [f"{column} = {level}" for level in self.levels[column]]
            else:
                names.append(f"log {column}" if column in self.logs else column)
        return (*names, *(f"{a} × {b}" for a, b in self.crosses))

    def encode(self, users: pd.DataFrame) -> np.ndarray:
        """Returns `[n, p]` float64.

        Raises:
            SchemaError: an attribute is missing.
        """
        _require(users, self.columns)
        parts = []
        for column in self.columns:
            if column in self.levels:
                text = users[column].astype("str").to_numpy()
                parts.append((text[:, None] == np.array(self.levels[column], dtype=object)[None, :]).astype(np.float64))
                continue
            values = self._numbers(users, column)
            parts.append((np.log1p(np.maximum(values, 0.0)) if column in self.logs else values)[:, None])
        for a, b in self.crosses:
            parts.append((self._numbers(users, a) * self._numbers(users, b))[:, None])
        return np.concatenate(parts, axis=1) if parts else np.empty((len(users), 0))

    def _numbers(self, users: pd.DataFrame, column: str) -> np.ndarray:
        return users[column].astype(np.float64).fillna(self.fills[column]).to_numpy()


def fit_encoder(
    users: pd.DataFrame,
    columns: Sequence[str],
    *,
    crosses: Sequence[tuple[str, str]] = (),
    max_levels: int = 50,
) -> Encoder:
    """Reads from the users how each attribute is to be encoded.

    Numbers stay numbers (median for missing; logarithm where non-negative and heavy-tailed), text becomes 0/1 columns
    of its `max_levels` most frequent levels. Bends and steps are the models' work (`Bend`, trees).

    Args:
        users: the users to learn from.
        columns: attributes known before the promotion.
        crosses: pairs of numeric columns whose product is to enter too.
        max_levels: largest number of levels of a text column.

    Raises:
        SchemaError: an attribute is missing, or a cross names a text column.
    """
    _require(users, columns)
    levels: dict[str, tuple[str, ...]] = {}
    fills: dict[str, float] = {}
    logs = set()
    for column in columns:
        series = users[column]
        if not pd.api.types.is_numeric_dtype(series):
            levels[column] = tuple(sorted(map(str, series.astype("str").value_counts().index[:max_levels])))
            continue
        values = series.astype(np.float64)
        fills[column] = float(values.median()) if values.notna().any() else 0.0
        skewness = abs(float(values.skew()))
        if values.min() >= 0 and skewness > _HEAVY and values.nunique() > 2:
            logs.add(column)
    unusable = {column for pair in crosses for column in pair} - set(fills)
    if unusable:
        raise SchemaError(f"`crosses` must name numeric columns of `columns`; got {', '.join(sorted(unusable))}.")
    return Encoder(tuple(columns), levels, fills, frozenset(logs), tuple(crosses))


@dataclasses.dataclass(frozen=True)
class Trial:
    """A promotion whose offers were drawn with known chances.

    Attributes:
        features: `[n, p]` attributes known before the promotion.
        arms: `[n]` integer: which offer; 0 is no offer.
        arm_names: `A` names, control first.
        propensities: `[n, A]` chance of each arm for each user.
        outcomes: name → `[n]` what came of it (visit, conversion, spend, margin).
        feature_names: `p` names.

    Raises:
        SchemaError: shapes differ, values are missing, or an arm that was given had no chance.
    """

    features: np.ndarray
    arms: np.ndarray
    arm_names: tuple[str, ...]
    propensities: np.ndarray
    outcomes: Mapping[str, np.ndarray]
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n, num_arms = len(self.arms), len(self.arm_names)
        if self.features.ndim != 2 or len(self.features) != n or self.propensities.shape != (n, num_arms):
            raise SchemaError(
                f"A trial of {n} users and {num_arms} arms needs features [{n}, p] and propensities [{n}, {num_arms}]; "
                f"got {self.features.shape} and {self.propensities.shape}."
            )
        if not np.isfinite(self.features).all():
            raise SchemaError("`features` hold missing values. Use `fit_encoder`, which fills them.")
        for name, values in self.outcomes.items():
            if len(values) != n or not np.isfinite(values).all():
                raise SchemaError(
                    f"Outcome {name!r} must be {n} numbers without missing ones. A user without it has 0."
                )
        if n and (self.propensities[np.arange(n), self.arms] <= 0).any():
            raise SchemaError("A user got an arm whose propensity is 0. Log the chances that were really drawn from.")

    def __len__(self) -> int:
        """Returns the number of users."""
        return len(self.arms)

    def outcome(self, name: str) -> np.ndarray:
        """Returns `[n]` one outcome.

        Raises:
            SchemaError: it is unknown.
        """
        if name not in self.outcomes:
            raise SchemaError(f"The trial has no outcome {name!r}.{nearest_hint(name, self.outcomes)}")
        return self.outcomes[name]

    def rows(self, index: np.ndarray) -> "Trial":
        """Returns some users: `[m]` positions, or a mask `[n]`."""
        return dataclasses.replace(
            self,
            features=self.features[index],
            arms=self.arms[index],
            propensities=self.propensities[index],
            outcomes={name: values[index] for name, values in self.outcomes.items()},
        )

    def any_offer(self, name: str = "any offer") -> "Trial":
        """Returns the two-armed trial of any offer against none."""
        return dataclasses.replace(
            self,
            arms=(self.arms > 0).astype(np.int64),
            arm_names=(self.arm_names[0], name),
            propensities=np.stack([self.propensities[:, 0], self.propensities[:, 1:].sum(axis=1)], axis=1),
        )

    def against_control(self, arm: int) -> "Trial":
        """Returns the users of control and one arm, with the chances given that they are in one of the two."""
        return self.between(0, arm)

    def between(self, first: int, second: int) -> "Trial":
        """Returns the users of two arms, the first in the place of control, so that a learner compares them."""
        kept = self.rows(np.flatnonzero((self.arms == first) | (self.arms == second)))
        pair = kept.propensities[:, [first, second]]
        return dataclasses.replace(
            kept,
            arms=(kept.arms == second).astype(np.int64),
            arm_names=(self.arm_names[first], self.arm_names[second]),
            propensities=pair / pair.sum(axis=1, keepdims=True),
        )


@dataclasses.dataclass(frozen=True)
class Balance:
    """Whether the offers were assigned at random.

    Attributes:
        sample_ratio: sizes of the arms against their mean propensities.
        table: per feature and arm the standardised mean difference from control.
        largest: the largest of them.
        expected_largest: the size that chance alone exceeds once in 20 such tables.
    """

    JSON_KEYS: ClassVar = ("sample_ratio", "table", "largest", "expected_largest", "is_credible")

    sample_ratio: SampleRatio
    table: pd.DataFrame
    largest: float
    expected_largest: float

    @property
    def is_credible(self) -> bool:
        """Whether sizes and features look like a blind draw."""
        return not self.sample_ratio.is_alarm and self.largest <= self.expected_largest


def check_balance(trial: Trial, *, threshold: float = 0.001) -> Balance:
    """Compares the arms' features, weighted by inverse propensities, with control's."""
    rows = []
    largest_allowed = 0.0
    spread = trial.features.std(axis=0)
    usable = np.flatnonzero(spread > 0)
    names = trial.feature_names or tuple(f"feature {i}" for i in range(trial.features.shape[1]))
    means, effective = [], []
    for arm in range(len(trial.arm_names)):
        is_arm = trial.arms == arm
        weight = 1 / trial.propensities[is_arm, arm]
        means.append(np.average(trial.features[is_arm], axis=0, weights=weight))
        effective.append(weight.sum() ** 2 / (weight**2).sum())
    tests = max(len(usable) * (len(trial.arm_names) - 1), 1)
    for arm in range(1, len(trial.arm_names)):
        # Bonferroni bound on a standard normal: sqrt(2 log(2 m / 0.05)) is a little above the exact quantile.
        scale = np.sqrt(1 / effective[0] + 1 / effective[arm])
        largest_allowed = max(largest_allowed, float(scale * np.sqrt(2 * np.log(2 * tests / 0.05))))
        for i in usable:
            difference = float((means[arm][i] - means[0][i]) / spread[i])
            rows.append({"feature": names[i], "arm": trial.arm_names[arm], "difference": difference})
    table = pd.DataFrame(rows, columns=["feature", "arm", "difference"])
    table = table.iloc[np.argsort(-table["difference"].abs().to_numpy(), kind="stable")].reset_index(drop=True)
    if table.empty:
        table = pd.DataFrame([{"feature": "none", "arm": trial.arm_names[1], "difference": 0.0}])
    counts = {name: int((trial.arms == arm).sum()) for arm, name in enumerate(trial.arm_names)}
    shares = dict(zip(trial.arm_names, trial.propensities.mean(axis=0).tolist(), strict=True))
    ratio = check_sample_ratio(counts, shares=shares, threshold=threshold)
    return Balance(ratio, table, float(table["difference"].abs().max()), largest_allowed)


def read_trial(
    log: pd.DataFrame,
    *,
    arm: str,
    control: str,
    outcomes: Sequence[str],
    encoder: Encoder,
    propensities: Sequence[str] | None = None,
) -> Trial:
    """Makes a trial from a table with one row a user.

    Args:
        log: attributes, the arm, outcomes, and chances where they differ between users.
        arm: column with the offer's name.
        control: its value for no offer.
        outcomes: columns of outcomes; missing counts as 0.
        encoder: encoder from `fit_encoder`.
        propensities: one column an arm, control first, then the arms in alphabetical order; None where everybody had
            the same chances: then the arms' shares are used, which is more precise than the design's.

    Raises:
        SchemaError: a column or the control arm is missing.
        ConfigError: fewer than two arms.
    """
    _require(log, [arm, *outcomes, *(propensities or ())])
    names = sorted(map(str, log[arm].astype("str").unique()))
    if control not in names:
        raise SchemaError(f"`{arm}` never is {control!r}.{nearest_hint(control, names)}")
    names = [control, *(name for name in names if name != control)]
    if len(names) < 2:
        raise ConfigError(f"A trial needs at least one offer beside {control!r}; the log has none.")
    codes = pd.Categorical(log[arm].astype("str"), categories=names).codes.astype(np.int64)
    if propensities is None:
        chances = np.tile(np.bincount(codes, minlength=len(names)) / len(log), (len(log), 1))
    else:
        if len(propensities) != len(names):
            raise SchemaError(
                f"`propensities` must name a column an arm ({', '.join(names)}); got {list(propensities)}."
            )
        chances = log[list(propensities)].to_numpy(dtype=np.float64)
    values = {name: log[name].fillna(0).to_numpy(dtype=np.float64) for name in outcomes}
    return Trial(encoder.encode(log), codes, tuple(names), chances, values, encoder.names)


def _require(table: pd.DataFrame, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in table.columns:
            raise SchemaError(f"The table has no column {column!r}.{nearest_hint(column, map(str, table.columns))}")
