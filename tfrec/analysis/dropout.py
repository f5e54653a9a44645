"""Fits the MBG/NBD model of visits and dropout (Batislam et al. 2007), and predicts each user's next orders by it."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special

from tfrec.errors import SchemaError

_WEEK = 7.0
_MAX_FITTED = 50_000  # users that the churn model's four numbers are fitted on
_LEAST_DROPOUT = 0.01  # chance to drop out after an order, below which the fit says that none does
RISKS = ((0.3, "low"), (0.7, "medium"), (1.01, "high"))
"""Highest probability of not coming back → name of the risk."""


def visits_of(days: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Returns one row a user: repeats x, last repeat t_x and age T in weeks."""
    grouped = days.groupby("user_id")["day"]
    first, last, count = grouped.min(), grouped.max(), grouped.size()
    week = pd.Timedelta(days=_WEEK)
    return pd.DataFrame({"x": count - 1, "t_x": (last - first) / week, "T": (now - first) / week})


def can_fit(visits: pd.DataFrame) -> bool:
    """Returns whether there are ten users, one of whom came back."""
    return len(visits) >= 10 and bool((visits["x"] > 0).any())


def drops_out(parameters: pd.Series) -> bool:
    """Returns whether the fitted model has users drop out at all: after an order, one in a hundred or more.

    Orders of wholesale buyers, say, are more regular than the model has it; the highest likelihood is then that no
    buyer ever leaves, and every silent user counts as alive.
    """
    return bool(parameters["a"] / (parameters["a"] + parameters["b"]) >= _LEAST_DROPOUT)


def fit_dropout(visits: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, int]:
    """Returns `value`, `low`, `high` of r, alpha, a, b, and the number of users that they rest on."""
    if not can_fit(visits):
        raise SchemaError(
            f"A prediction of the next orders needs at least ten buyers of whom some came back; {len(visits)} bought, "
            f"{int((visits['x'] > 0).sum())} came back."
        )
    if len(visits) > _MAX_FITTED:
        visits = visits.sample(_MAX_FITTED, random_state=seed)
    x, t_x, age = (visits[name].to_numpy(np.float64) for name in ("x", "t_x", "T"))

    def loss(log_parameters: np.ndarray) -> float:
        return -float(log_likelihood(np.exp(log_parameters), x, t_x, age).mean())

    start = np.log([1.0, max(float(np.mean(age)) / 4, 0.1), 1.0, 3.0])
    optimum = optimize.minimize(loss, start, method="L-BFGS-B", bounds=[(-8, 8)] * 4)
    variance = np.diag(np.linalg.pinv(_curvature(loss, optimum.x) * len(x)))
    spread = 1.96 * np.sqrt(np.where((variance > 1e-9) & (variance < 4), variance, np.nan))
    table = {"value": np.exp(optimum.x), "low": np.exp(optimum.x - spread), "high": np.exp(optimum.x + spread)}
    return pd.DataFrame(table, index=["r", "alpha", "a", "b"]), len(visits)


def log_likelihood(parameters: np.ndarray, x: np.ndarray, t_x: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Returns `[n]` log likelihood of MBG/NBD (Batislam et al. 2007, equation 4)."""
    r, alpha, a, b = parameters
    orders = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
    alive = special.betaln(a, b + x + 1) - (r + x) * np.log(alpha + age)
    gone = special.betaln(a + 1, b + x) - (r + x) * np.log(alpha + t_x)
    return orders - special.betaln(a, b) + np.logaddexp(alive, gone)


def _curvature(loss: Any, at: np.ndarray, *, step: float = 1e-3) -> np.ndarray:
    """Returns the Hessian by central differences."""
    size = len(at)
    unit = np.eye(size) * step
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = [loss(at + s * unit[i] + t * unit[j]) * s * t for s in (1, -1) for t in (1, -1)]
            hessian[i, j] = hessian[j, i] = sum(corners) / (4 * step**2)
    return hessian


def outlook(visits: pd.DataFrame, parameters: np.ndarray, horizon_days: float) -> pd.DataFrame:
    """Returns a row per user: chance to be alive, to return within the horizon, the risk's name, and expected orders.

    `parameters` is `[4]`: `r`, `alpha`, `a`, `b`.
    """
    r, alpha, a, b = parameters
    x, t_x, age = (visits[name].to_numpy(np.float64) for name in ("x", "t_x", "T"))
    weeks = horizon_days / _WEEK
    alive = special.expit(-(np.log(a) - np.log(b + x) + (r + x) * np.log((alpha + age) / (alpha + t_x))))
    quiet = ((alpha + age) / (alpha + age + weeks)) ** (r + x)
    # The expectation has a pole at a = 1, where its limit is finite; a hair beside it is near enough.
    a_safe = a if abs(a - 1) > 1e-4 else 1 + 1e-4
    series = special.hyp2f1(r + x, b + x + 1, a_safe + b + x, weeks / (alpha + age + weeks))
    expected = alive * (a_safe + b + x) / (a_safe - 1) * (1 - quiet * series)
    returns = alive * (1 - quiet)
    return pd.DataFrame(
        {
            "num_repeats": visits["x"],
            "recency_days": (visits["T"] - visits["t_x"]) * _WEEK,
            "age_days": visits["T"] * _WEEK,
            "alive": alive,
            "returns": returns,
            "churn_risk": 1 - returns,
            "risk": risk_names(1 - returns),
            "expected_orders": expected,
        },
        index=visits.index,
    )


def risk_names(churn_risk: np.ndarray) -> "pd.api.extensions.ExtensionArray":
    """Returns `[n]` low, medium or high for each probability of not coming back."""
    levels = np.array([name for _, name in RISKS])
    return pd.array(levels[np.searchsorted([bound for bound, _ in RISKS], churn_risk, side="right")], dtype="str")
