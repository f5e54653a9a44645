"""Fits regressions of the next orders and their value on the orders so far, from earlier moments of the same log."""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, PoissonRegressor, TweedieRegressor
from sklearn.preprocessing import StandardScaler

from tfrec.analysis.order_days import describe_orders, orders_after

_MIN_EITHER = 50  # buyers who ordered again, and who did not, that a fit needs
_POWER = 1.6  # between Poisson (1) and gamma (2): many zeros, then a skewed sum of money (Smyth & Jørgensen 2002)
_MAX_ROWS = 200_000
_MAX_MOMENTS = 9


@dataclasses.dataclass(frozen=True)
class OrderRegressions:
    """Regressions that predict a buyer's next horizon.

    Attributes:
        scaler: of the features.
        low: `[d]` least value of each feature that was fitted on; beyond it no line is extended.
        high: `[d]` greatest value.
        will_order: logistic regression of an order at all.
        orders: Poisson regression of the number of order days.
        value: Tweedie regression of their value; None where nothing has a price.
        horizon_days: what they predict.
        num_fitted: rows that they rest on: buyers at one moment or several.
    """

    scaler: StandardScaler
    low: np.ndarray
    high: np.ndarray
    will_order: LogisticRegression
    orders: PoissonRegressor
    value: TweedieRegressor | None
    horizon_days: float
    num_fitted: int

    def predict(self, days: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
        """Returns `returns` (chance of an order), `expected_orders`, `expected_value` of each buyer after `now`."""
        features = describe_orders(days, now, self.horizon_days)
        inside = self.scaler.transform(np.clip(features.to_numpy(np.float64), self.low, self.high))
        value = np.zeros(len(features)) if self.value is None else self.value.predict(inside)
        columns = {
            "returns": self.will_order.predict_proba(inside)[:, 1],
            "expected_orders": self.orders.predict(inside),
            "expected_value": value,
        }
        return pd.DataFrame(columns, index=features.index)


def fit_regressions(
    days: pd.DataFrame, now: pd.Timestamp, horizon_days: float, *, seed: int = 0
) -> OrderRegressions | None:
    """Returns regressions fitted on buyers as they stood at earlier moments, and on what they did after.

    None where the log before `now` is shorter than twice the horizon, or fewer than 50 buyers ordered again, or did
    not, in the last horizon.

    The last moment is one horizon before now; further ones a third of a horizon apart, as long as a whole horizon lies
    before them. Several moments even out what is particular to one season.

    Args:
        days: `user_id`, `day`, `value`, as `purchase_days` gives them.
        now: end of what is known.
        horizon_days: what is predicted.
        seed: random seed of the sample where there are over 200,000 rows.
    """
    parts = [_past(days, moment, horizon_days) for moment in _moments(days, now, horizon_days)]
    if not parts:
        return None
    again = int((parts[0][1]["orders"] > 0).sum())
    if min(again, len(parts[0][1]) - again) < _MIN_EITHER:
        return None
    features = np.concatenate([part[0].to_numpy(np.float64) for part in parts])
    later = pd.concat([part[1] for part in parts], ignore_index=True)
    if len(features) > _MAX_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(features), _MAX_ROWS, replace=False))
        features, later = features[rows], later.iloc[rows]
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    orders, value = later["orders"].to_numpy(), later["value"].to_numpy()
    money = None
    if value.any():
        unit = value.mean()  # the penalty and the solver's tolerance then do not depend on the currency
        money = TweedieRegressor(power=_POWER, alpha=0.01, link="log", solver="newton-cholesky", max_iter=100).fit(
            scaled, value / unit
        )
        money.intercept_ += np.log(unit)
    return OrderRegressions(
        scaler=scaler,
        low=features.min(axis=0),
        high=features.max(axis=0),
        will_order=LogisticRegression(solver="newton-cholesky").fit(scaled, orders > 0),
        orders=PoissonRegressor(alpha=0.01, solver="newton-cholesky", max_iter=100).fit(scaled, orders),
        value=money,
        horizon_days=horizon_days,
        num_fitted=len(features),
    )


def _moments(days: pd.DataFrame, now: pd.Timestamp, horizon_days: float) -> list[pd.Timestamp]:
    horizon = pd.Timedelta(days=horizon_days)
    earliest = days["day"].min() + horizon
    moments: list[pd.Timestamp] = []
    moment = now - horizon
    while moment >= earliest and len(moments) < _MAX_MOMENTS:
        moments.append(moment)
        moment -= horizon / 3
    return moments


def _past(days: pd.DataFrame, moment: pd.Timestamp, horizon_days: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the buyers before `moment`: what describes them then, and what they ordered after it."""
    features = describe_orders(days[days["day"] < moment], moment, horizon_days)
    return features, orders_after(days, features.index, moment, horizon_days)
