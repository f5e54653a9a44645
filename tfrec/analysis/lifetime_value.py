"""Predicts what each buyer will spend within a horizon: customer lifetime value, net of returns."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from scipy import stats

from tfrec.analysis.dropout import can_fit, drops_out, fit_dropout, outlook, visits_of
from tfrec.analysis.order_days import check_horizon, days_before, orders_after, purchase_days
from tfrec.analysis.order_regressions import fit_regressions
from tfrec.analysis.spending import expected_spending, fit_spending
from tfrec.errors import SchemaError
from tfrec.schema.tables import Tables

Model = Literal["dropout", "regression"]
"""MBG/NBD with Gamma–Gamma; Tweedie regression on the orders so far."""

Reason = Literal["drops_out", "no_dropout", "short_history"]
"""Why a model predicts: buyers drop out; by the fit none does; none does, and no regression can be fitted either."""

_LEVEL = 0.8  # of intervals
_GROUPS = 10  # of buyers by predicted value, whose errors one horizon earlier give the intervals
_MAX_CHECKS = 4


@dataclasses.dataclass(frozen=True)
class ValueHoldout:
    """How predictions made one horizon before the end fared, on what the model had not seen.

    Attributes:
        num: buyers predicted.
        predicted: value predicted of all of them.
        low: lower end of its interval (80 %), from still earlier horizons; NaN where there is none.
        high: upper end.
        actual: value that came.
        rank_correlation: Spearman's, of predicted and actual value.
        rfm_rank_correlation: the same of the mean rank of recency, frequency and value so far.
        mean_absolute_error: of a buyer.
        naive_absolute_error: of going on as before: a buyer's value a day since the first order, which counts as a
            horizon ago at least.
        coverage: share of buyers inside their interval (80 % expected); NaN without intervals.
        groups: one row a tenth of the buyers by predicted value, least first: `num`, `predicted`, `actual` (means).
    """

    num: int
    predicted: float
    low: float
    high: float
    actual: float
    rank_correlation: float
    rfm_rank_correlation: float
    mean_absolute_error: float
    naive_absolute_error: float
    coverage: float
    groups: pd.DataFrame

    @property
    def error(self) -> float:
        """Predicted over actual value of all, less 1; NaN where nothing came."""
        return self.predicted / self.actual - 1 if self.actual > 0 else float("nan")


@dataclasses.dataclass(frozen=True)
class LifetimeValue:
    """What buyers will spend within the horizon, in the shop's currency, net of returns, not discounted.

    Attributes:
        users: one row a buyer, indexed by `user_id`, highest first: `num_orders` (order days), `recency_days`,
            `age_days`, `value` (so far), `expected_orders`, `expected_value`, `low` and `high` (80 % of buyers with
            such a prediction lay within, one horizon earlier; NaN where the history is too short), `share` (of the
            expected value of all).
        total: expected value of all.
        total_low: lower end of its interval (80 %), from the errors of earlier horizons; NaN without any.
        total_high: upper end.
        model: what predicts.
        reason: why.
        parameters: `r`, `alpha`, `a`, `b`, `p`, `q`, `v` of the dropout model; none of the regression.
        spend_correlation: of orders and mean value among buyers with two orders or more; Gamma–Gamma assumes 0.
        horizon_days: what values refer to.
        holdout: how the same did one horizon earlier; None where the history is too short.
    """

    JSON_KEYS: ClassVar = (
        "num_users", "total", "total_low", "total_high", "top_tenth_share", "horizon_days", "model", "reason",
        "parameters", "spend_correlation", "holdout",
    )  # fmt: skip

    users: pd.DataFrame
    total: float
    total_low: float
    total_high: float
    model: Model
    reason: Reason
    parameters: dict[str, float]
    spend_correlation: float
    horizon_days: float
    holdout: ValueHoldout | None

    @property
    def num_users(self) -> int:
        """Number of buyers."""
        return len(self.users)

    @property
    def top_tenth_share(self) -> float:
        """Share of the expected value that the most valuable tenth of the buyers bring."""
        return float(self.users["share"].head(max(len(self.users) // 10, 1)).sum())


@dataclasses.dataclass(frozen=True)
class _Prediction:
    """Expected orders and value of each buyer at a moment, and what made them."""

    users: pd.DataFrame
    model: Model
    reason: Reason
    parameters: dict[str, float]


def predict_value(
    tables: Tables, *, now: pd.Timestamp | None = None, horizon_days: float = 90.0, seed: int = 0
) -> LifetimeValue:
    """Returns what each buyer is expected to spend within the horizon.

    Orders come from MBG/NBD (users order at their own rate until they drop out), their value from Gamma–Gamma (a
    user's mean is drawn towards that of all). Where hardly anybody drops out by the fit, which the orders of wholesale
    buyers bring about, the model's assumption does not hold; then a Tweedie regression of the value on recency,
    frequency and value at earlier moments predicts. Intervals are the errors of the same prediction at earlier
    horizons: of the total by a t distribution of the logarithm of actual over predicted, of a buyer by the actual
    values of the tenth of the buyers with such a prediction.

    Args:
        tables: the shop; order days of known users count, net of returns.
        now: what is later is not known; default: the last event.
        horizon_days: how far ahead, in (0, 730].
        seed: random seed of samples of very large shops.

    Raises:
        SchemaError: fewer than ten users bought something with a price, or none came back.

    Sources: Batislam, Denizel & Filiztekin 2007; Fader & Hardie 2013; Smyth & Jørgensen 2002 (Tweedie).
    """
    check_horizon(horizon_days)
    days, now = purchase_days(tables, now, ["user_id"])
    if not days["value"].any():
        raise SchemaError("Lifetime value needs prices of purchases; there are none. Map `price` in the recipe.")
    prediction = _predict(days, now, horizon_days, seed)
    checks = _earlier(tables, days, now, horizon_days, seed)
    users = prediction.users
    total = float(users["expected_value"].sum())
    low, high = total_interval(total, _sums(checks))
    users = users.assign(**_user_intervals(users["expected_value"].to_numpy(), checks))
    users = users.assign(share=users["expected_value"] / max(total, 1e-12))
    repeated = users[users["num_orders"] > 1]
    mean = repeated["value"] / repeated["num_orders"]
    varies = len(repeated) > 2 and repeated["num_orders"].nunique() > 1 and mean.nunique() > 1
    correlation = float(np.corrcoef(np.log(repeated["num_orders"]), np.log1p(mean))[0, 1]) if varies else float("nan")
    return LifetimeValue(
        users=users.sort_values("expected_value", ascending=False, kind="stable"),
        total=total,
        total_low=low,
        total_high=high,
        model=prediction.model,
        reason=prediction.reason,
        parameters=prediction.parameters,
        spend_correlation=correlation,
        horizon_days=horizon_days,
        holdout=_holdout(checks, horizon_days) if checks else None,
    )


def _predict(days: pd.DataFrame, now: pd.Timestamp, horizon_days: float, seed: int) -> _Prediction:
    visits = visits_of(days, now)
    dropout, _ = fit_dropout(visits, seed)
    value = days.groupby("user_id")["value"].sum().reindex(visits.index)
    leaves = drops_out(dropout["value"])
    fitted = None if leaves else fit_regressions(days, now, horizon_days, seed=seed)
    if fitted is not None:
        expected = fitted.predict(days, now).reindex(visits.index)[["expected_orders", "expected_value"]]
        return _Prediction(_so_far(visits, value).join(expected), "regression", "no_dropout", {})
    orders = outlook(visits, dropout["value"].to_numpy(), horizon_days)["expected_orders"]
    counts = visits["x"].to_numpy(np.float64) + 1
    spending = fit_spending(counts, value.to_numpy() / counts)
    each = expected_spending(spending, counts, value.to_numpy() / counts)
    expected = pd.DataFrame({"expected_orders": orders, "expected_value": orders * each})
    parameters = {**dropout["value"].to_dict(), **spending.to_dict()}
    reason: Reason = "drops_out" if leaves else "short_history"
    return _Prediction(_so_far(visits, value).join(expected), "dropout", reason, parameters)


def _so_far(visits: pd.DataFrame, value: pd.Series) -> pd.DataFrame:
    columns = {
        "num_orders": visits["x"] + 1,
        "recency_days": (visits["T"] - visits["t_x"]) * 7,
        "age_days": visits["T"] * 7,
        "value": value,
    }
    return pd.DataFrame(columns)


def _earlier(
    tables: Tables, days: pd.DataFrame, now: pd.Timestamp, horizon_days: float, seed: int
) -> list[pd.DataFrame]:
    """Returns the predictions one, two ... horizons before now, latest first, with the `actual` value that followed."""
    checks = []
    horizon = pd.Timedelta(days=horizon_days)
    for number in range(1, _MAX_CHECKS + 1):
        cut = now - number * horizon
        before = days_before(tables, cut, ["user_id"])
        if not len(before) or before["day"].iloc[0] > cut - horizon or not can_fit(visits_of(before, cut)):
            break
        try:
            users = _predict(before, cut, horizon_days, seed).users
        except SchemaError:  # too few prices so early
            break
        checks.append(users.assign(actual=orders_after(days, users.index, cut, horizon_days)["value"]))
    return checks


def total_interval(total: float, checked: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Returns the interval (80 %) of a total from how far earlier totals were off.

    Around the total, not around a corrected one: what was too low once need not be too low again. With the n checks of
    which both sides are above 0, the ends are `total · exp(± t · √(Σ log²(actual / predicted) / n))`, t of n degrees
    of freedom; NaN without any.

    Args:
        total: predicted now.
        checked: actual and predicted total of each earlier moment.

    Examples:
        >>> [round(end, 1) for end in total_interval(100.0, [(200.0, 100.0), (50.0, 100.0)])]  # twice and half: 2^1.89
        [27.1, 369.5]
    """
    sums = np.array(checked, dtype=np.float64).reshape(-1, 2)
    sums = sums[(sums > 0).all(axis=1)]
    if not len(sums):
        return float("nan"), float("nan")
    spread = float(np.sqrt(np.mean(np.log(sums[:, 0] / sums[:, 1]) ** 2)))
    factor = float(np.exp(stats.t.ppf((1 + _LEVEL) / 2, len(sums)) * spread))
    return total / factor, total * factor


def _sums(checks: list[pd.DataFrame]) -> list[tuple[float, float]]:
    return [(float(check["actual"].sum()), float(check["expected_value"].sum())) for check in checks]


def _user_intervals(expected: np.ndarray, checks: list[pd.DataFrame]) -> dict[str, np.ndarray]:
    """Returns `low` and `high` of each buyer: the quantiles of actual over predicted of the latest check's tenths."""
    if not checks or len(checks[0]) < 10 * _GROUPS:
        return {"low": np.full(len(expected), np.nan), "high": np.full(len(expected), np.nan)}
    predicted, actual = checks[0]["expected_value"].to_numpy(), checks[0]["actual"].to_numpy()
    group = _tenths(predicted)
    bounds = np.array([predicted[group == number].max() for number in range(_GROUPS - 1)])
    ratio = actual / np.maximum(predicted, 1e-12)
    tail = (1 - _LEVEL) / 2
    ends = np.array([np.quantile(ratio[group == number], (tail, 1 - tail)) for number in range(_GROUPS)])
    own_group = np.searchsorted(bounds, expected, side="left")
    return {"low": expected * ends[own_group, 0], "high": expected * ends[own_group, 1]}


def _tenths(predicted: np.ndarray) -> np.ndarray:
    """Returns `[n]` which tenth each prediction is in, 0 the least."""
    return (stats.rankdata(predicted, "ordinal") - 1) * _GROUPS // len(predicted)


def _holdout(checks: list[pd.DataFrame], horizon_days: float) -> ValueHoldout:
    check, earlier = checks[0], checks[1:]
    predicted, actual = check["expected_value"].to_numpy(), check["actual"].to_numpy()
    low, high = total_interval(float(predicted.sum()), _sums(earlier))
    ends = _user_intervals(predicted, earlier)
    has_ends = np.isfinite(ends["low"])
    # A prediction is hardly ever exactly 0, but most actual values are: an interval of [0, x] holds them.
    inside = (actual >= ends["low"] - 1e-9) & (actual <= ends["high"] + 1e-9)
    ranks = (
        check["num_orders"].rank(pct=True) + check["value"].rank(pct=True) - check["recency_days"].rank(pct=True)
    ).to_numpy()
    rate = (check["value"] / check["age_days"].clip(lower=horizon_days)).to_numpy()  # a day, of the time so far
    table = pd.DataFrame({"predicted": predicted, "actual": actual}).groupby(_tenths(predicted))
    return ValueHoldout(
        num=len(check),
        predicted=float(predicted.sum()),
        low=low,
        high=high,
        actual=float(actual.sum()),
        rank_correlation=_spearman(predicted, actual),
        rfm_rank_correlation=_spearman(ranks, actual),
        mean_absolute_error=float(np.abs(predicted - actual).mean()),
        naive_absolute_error=float(np.abs(rate * horizon_days - actual).mean()),
        coverage=float(inside.mean()) if has_ends.all() else float("nan"),
        groups=table.agg(num=("predicted", "size"), predicted=("predicted", "mean"), actual=("actual", "mean")),
    )


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first, second)[0])
