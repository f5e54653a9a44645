"""Predicts when a user buys again: each item, and anything at all (churn)."""

import dataclasses
import logging
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import optimize, special
from sklearn.metrics import brier_score_loss, roc_auc_score

from tfrec.analysis.dropout import RISKS, can_fit, drops_out, fit_dropout, outlook, risk_names, visits_of
from tfrec.analysis.order_days import check_horizon, days_before, purchase_days
from tfrec.analysis.order_regressions import fit_regressions
from tfrec.schema.tables import Tables
from tfrec.statistics.areas import auc_interval
from tfrec.statistics.proportions import wilson

logger = logging.getLogger(__name__)

_AGES = np.array([0, 3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 730.0])  # days; hazards are constant between
_PRIOR_REPEATS = 5.0  # an item's hazard at an age is drawn towards its mean as if by so many repeats


@dataclasses.dataclass(frozen=True)
class Holdout:
    """How predictions made `horizon_days` before the end fared.

    Attributes:
        num: predictions.
        num_positive: how many came true.
        auc: chance that one that came true was given more than one that did not; NaN where all or none did.
        auc_low: lower end of its interval (95 %).
        auc_high: upper end.
        brier: mean squared error of the probabilities.
        naive_brier: that of giving everyone the share that came true before.
        calibration: one row a tenth of the predictions: `predicted` (mean), `actual` (share) with `low`, `high`, `num`.
    """

    num: int
    num_positive: int
    auc: float
    auc_low: float
    auc_high: float
    brier: float
    naive_brier: float
    calibration: pd.DataFrame

    @property
    def lacks_skill(self) -> bool:
        """Whether the predictions may be no better than chance: the interval of the AUC reaches down to 0.5."""
        return bool(self.auc_low <= 0.5)  # False for NaN: all or none came true, which shows nothing


@dataclasses.dataclass(frozen=True)
class BuyAgain:
    """When users will buy items again that they bought before.

    Attributes:
        pairs: one row a user and item, most probable first: `user_id`, `item_id`, `num_purchases` (different days),
            `last_days` (since the last), `interval_days` (mean between them; NaN for one), `probability` (of buying
            within the horizon), `due_days` (until the chance to have bought reaches a half; NaN beyond two years).
        horizon_days: what `probability` refers to.
        holdout: how the same did one horizon earlier; None where the history is too short.
    """

    JSON_KEYS: ClassVar = ("num_pairs", "horizon_days", "holdout", ("pairs", "strongest"))

    pairs: pd.DataFrame
    horizon_days: float
    holdout: Holdout | None

    @property
    def num_pairs(self) -> int:
        """Number of pairs of user and item."""
        return len(self.pairs)

    @property
    def strongest(self) -> pd.DataFrame:
        """The thousand most probable pairs."""
        return self.pairs.head(1000)

    def of(self, user_id: str, *, num: int = 10) -> pd.DataFrame:
        """Returns a user's `num` most probable items."""
        return self.pairs[self.pairs["user_id"] == user_id].head(num)


@dataclasses.dataclass(frozen=True)
class Churn:
    """Which users are still customers.

    Attributes:
        users: one row a buyer, indexed by `user_id`: `num_repeats` (order days after the first), `recency_days`,
            `age_days` (since the first order), `alive` (probability of not having dropped out), `returns` (probability
            of an order within the horizon), `churn_risk` = 1 − returns, `risk` (low, medium, high; bounds .3 and .7),
            `expected_orders` (within the horizon). `alive` is NaN where the regression predicts.
        model: `"dropout"` (MBG/NBD) or `"regression"`.
        parameters: `r`, `alpha` (weeks), `a`, `b` of MBG/NBD with `low`, `high` (95 %; NaN where the orders do not
            determine them: a near 0 means that no user seems to drop out).
        num_fitted: users they were fitted on.
        horizon_days: what `returns` and `expected_orders` refer to.
        holdout: how `returns` did one horizon earlier; None where the history is too short.
        holdout_orders: predicted and actual number of order days in it.
    """

    JSON_KEYS: ClassVar = (
        "num_users", "risks", "expected_orders", "horizon_days", "model", ("parameters", "parameter_records"),
        "num_fitted", "holdout", "holdout_orders",
    )  # fmt: skip

    users: pd.DataFrame
    model: str
    parameters: pd.DataFrame
    num_fitted: int
    horizon_days: float
    holdout: Holdout | None
    holdout_orders: tuple[float, int] | None

    @property
    def num_users(self) -> int:
        """Number of buyers."""
        return len(self.users)

    @property
    def risks(self) -> dict[str, int]:
        """Churn risk → number of buyers."""
        return {name: int((self.users["risk"] == name).sum()) for _, name in RISKS}

    @property
    def expected_orders(self) -> float:
        """Orders expected of all buyers within the horizon."""
        return float(self.users["expected_orders"].sum())

    @property
    def parameter_records(self) -> dict[str, dict[str, float]]:
        """The model's parameters with the ends of their intervals."""
        return self.parameters.to_dict("index")


def predict_repurchase(
    tables: Tables, *, now: pd.Timestamp | None = None, horizon_days: float = 28.0, min_probability: float = 0.0
) -> BuyAgain:
    """Returns when each user will buy each item again that was bought before.

    A survival model with constant hazards between ages (days since the last purchase of the item). The hazard of all
    items at an age, times the item's own level, is what the item's own repeats at that age are drawn towards; users,
    and users with an item, differ by gamma frailties z, whose posterior mean is `(repeats + s) / (expected + s)`, with
    s of highest marginal likelihood (of users in visits, since what is bought together comes back together). Purchases
    that were not repeated yet count as censored, not as short intervals. With H the hazard between now and a day,
    `P(bought by then) = 1 − exp(−z_user · z_pair · H)`.

    Args:
        tables: the shop; purchases of known users count, one a day and item.
        now: what is later is not known; default: the last event.
        horizon_days: what probabilities refer to.
        min_probability: less probable pairs are left out of the result.

    Raises:
        SchemaError: no user bought anything.

    Sources: Holford 1980 (piecewise exponential); Clayton 1978 (gamma frailty).
    """
    check_horizon(horizon_days)
    days, now = purchase_days(tables, now, ["user_id", "item_id"])
    pairs = _hazards(days, now, horizon_days)
    cut = now - pd.Timedelta(days=horizon_days)
    holdout = None
    before = days_before(tables, cut, ["user_id", "item_id"])
    if len(before) and before["day"].iloc[0] < cut - pd.Timedelta(days=horizon_days):
        then = _hazards(before, cut, horizon_days)
        bought = pd.MultiIndex.from_frame(days.loc[days["day"] >= cut, ["user_id", "item_id"]])
        is_bought = pd.MultiIndex.from_frame(then[["user_id", "item_id"]]).isin(bought)
        holdout = _check(then["probability"].to_numpy(), is_bought)
    pairs = pairs[pairs["probability"] >= min_probability]
    order = ["probability", "user_id", "item_id"]
    return BuyAgain(pairs.sort_values(order, ascending=[False, True, True], ignore_index=True), horizon_days, holdout)


def predict_churn(
    tables: Tables, *, now: pd.Timestamp | None = None, horizon_days: float = 90.0, seed: int = 0
) -> Churn:
    """Returns for each buyer how likely they are still a customer, and how many orders will come.

    The MBG/NBD model: an active user orders at rate λ ~ Gamma(r, α), and after every order, the first one too, drops
    out with probability p ~ Beta(a, b). With x repeats, the last at t_x, seen for T weeks:
    `P(alive) = 1 / (1 + a/(b+x) · ((α+T)/(α+t_x))^(r+x))`,
    `P(order within t) = P(alive) · (1 − ((α+T)/(α+T+t))^(r+x))`.
    BG/NBD (Fader, Hardie & Lee 2005) lets no user drop out at the first order, so that one-time buyers never churn.
    The four numbers maximise the likelihood; the hold-out fits them on the past alone. Where hardly anybody drops out
    by the fit, every silent user would count as alive: then a logistic and a Poisson regression on the orders so far
    predict, as long as the log is twice the horizon.

    Args:
        tables: the shop; order days of known users count.
        now: what is later is not known; default: the last event.
        horizon_days: what `returns` and `expected_orders` refer to.
        seed: random seed of the sample that the numbers are fitted on where there are over 50,000 buyers.

    Raises:
        SchemaError: fewer than ten users bought anything, or none came back.

    Source: Batislam, Denizel & Filiztekin 2007.
    """
    check_horizon(horizon_days)
    days, now = purchase_days(tables, now, ["user_id"])
    visits = visits_of(days, now)
    parameters, num_fitted = fit_dropout(visits, seed)
    users, model = _outlook(days, now, parameters, horizon_days, seed)
    cut = now - pd.Timedelta(days=horizon_days)
    before = days_before(tables, cut, ["user_id"])
    holdout = orders = None
    if (
        len(before)
        and before["day"].iloc[0] < cut - pd.Timedelta(days=horizon_days)
        and can_fit(visits_of(before, cut))
    ):
        fitted, _ = fit_dropout(visits_of(before, cut), seed)
        then, _ = _outlook(before, cut, fitted, horizon_days, seed)
        later = days[days["day"] >= cut].groupby("user_id").size().reindex(then.index).fillna(0)
        holdout = _check(then["returns"].to_numpy(), (later > 0).to_numpy())
        orders = (float(then["expected_orders"].sum()), int(later.sum()))
    return Churn(users, model, parameters, num_fitted, horizon_days, holdout, orders)


def _outlook(
    days: pd.DataFrame, now: pd.Timestamp, parameters: pd.DataFrame, horizon_days: float, seed: int
) -> tuple[pd.DataFrame, str]:
    """Returns the outlook of each buyer, and the model that predicts it."""
    users = outlook(visits_of(days, now), parameters["value"].to_numpy(), horizon_days)
    fitted = None if drops_out(parameters["value"]) else fit_regressions(days, now, horizon_days, seed=seed)
    if fitted is None:
        return users, "dropout"
    expected = fitted.predict(days, now).reindex(users.index)
    returns = expected["returns"].to_numpy()
    columns = {
        "alive": np.nan, "returns": returns, "churn_risk": 1 - returns, "risk": risk_names(1 - returns),
        "expected_orders": expected["expected_orders"],
    }  # fmt: skip
    return users.assign(**columns), "regression"


def _hazards(days: pd.DataFrame, now: pd.Timestamp, horizon_days: float) -> pd.DataFrame:
    """Returns the pairs with their probabilities, from purchases before `now`."""
    users, user_names = pd.factorize(days["user_id"])
    items, item_names = pd.factorize(days["item_id"])
    at = ((now - days["day"]) / pd.Timedelta(days=1)).to_numpy()  # days ago
    order = np.lexsort((-at, items, users))
    users, items, at = users[order], items[order], at[order]
    follows = np.append((users[1:] == users[:-1]) & (items[1:] == items[:-1]), False)
    length = np.where(follows, at - np.append(at[1:], 0), at)  # of the spell until the next purchase, or until now
    pair = np.append(0, np.cumsum(~follows[:-1]))
    exposure = np.clip(length[:, None], _AGES[:-1], _AGES[1:]) - _AGES[:-1]  # [spells, ages]
    age = np.clip(np.searchsorted(_AGES, length, side="left") - 1, 0, len(_AGES) - 2)
    shape = np.bincount(age[follows], minlength=len(_AGES) - 1) / np.maximum(exposure.sum(axis=0), 1e-9)
    level = _frailty(items, follows, exposure @ shape, len(item_names))
    repeats = np.zeros((len(item_names), len(_AGES) - 1))
    np.add.at(repeats, (items[follows], age[follows]), 1)
    at_risk = np.zeros_like(repeats)
    np.add.at(at_risk, items, exposure)
    prior = level[:, None] * shape
    hazard = (repeats + _PRIOR_REPEATS * (prior > 0)) / (at_risk + _PRIOR_REPEATS / np.maximum(prior, 1e-12))
    expected = (exposure * hazard[items]).sum(axis=1)
    # What is bought in one order comes back together or not at all: 50 items of a visit are one observation, not 50.
    visits = pd.Series(at).groupby(users).nunique().to_numpy()
    bulk = np.bincount(users, minlength=len(user_names)) / visits
    z_user = _frailty(users, follows, expected, len(user_names), bulk=bulk)
    z_pair = _frailty(pair, follows, expected * z_user[users], pair[-1] + 1)
    last = np.flatnonzero(~follows)
    rate = hazard[items[last]] * (z_user[users[last]] * z_pair)[:, None]
    count = np.bincount(pair)
    first = at[np.append(0, last[:-1] + 1)]
    probability = -np.expm1(-(_accumulated(rate, at[last] + horizon_days) - _accumulated(rate, at[last])))
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = np.where(count > 1, (first - at[last]) / (count - 1), np.nan)
    return pd.DataFrame(
        {
            "user_id": pd.Series(user_names, dtype="str").array.take(users[last]),
            "item_id": pd.Series(item_names, dtype="str").array.take(items[last]),
            "num_purchases": count,
            "last_days": at[last],
            "interval_days": interval,
            "probability": probability,
            "due_days": _due(rate, at[last]),
        }
    )


def _frailty(
    groups: np.ndarray, is_repeat: np.ndarray, expected: np.ndarray, num: int, *, bulk: np.ndarray | float = 1.0
) -> np.ndarray:
    """Returns `[num]` posterior mean of each group's gamma frailty of mean 1; `bulk` repeats count as one."""
    seen = np.bincount(groups, weights=is_repeat, minlength=num) / bulk
    due = np.bincount(groups, weights=expected, minlength=num) / bulk
    is_due = due > 0
    o, e = seen[is_due], due[is_due]

    def loss(log_shape: float) -> float:  # of the negative binomial that gamma frailties of shape s make of the counts
        s = np.exp(log_shape)
        return -float((special.gammaln(s + o) - special.gammaln(s) - s * np.log1p(e / s) - o * np.log(e + s)).sum())

    shape = float(np.exp(optimize.minimize_scalar(loss, bounds=(-4, 8), method="bounded").x)) if len(o) else 1.0
    return (seen + shape) / (due + shape)


def _accumulated(rate: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Returns `[n]` the hazard summed from age 0 to `age`; after the last age it stays as it was."""
    inside = np.clip(age[:, None], _AGES[:-1], np.append(_AGES[1:-1], np.inf)) - _AGES[:-1]
    return (inside * rate).sum(axis=1)


def _due(rate: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Returns `[n]` days until the chance to have bought is a half; NaN beyond the last age."""
    target = _accumulated(rate, age) + np.log(2)
    until = np.concatenate([np.zeros((len(rate), 1)), np.cumsum(rate * np.diff(_AGES), axis=1)], axis=1)
    step = np.minimum((until < target[:, None]).sum(axis=1), len(_AGES) - 1)
    rows = np.arange(len(rate))
    inside = (target - until[rows, step - 1]) / np.maximum(rate[rows, step - 1], 1e-12)
    return np.where(until[:, -1] >= target, _AGES[step - 1] + inside - age, np.nan)


def _check(probability: np.ndarray, is_true: np.ndarray) -> Holdout:
    positives = int(is_true.sum())
    negatives = len(is_true) - positives
    auc = float(roc_auc_score(is_true, probability)) if positives and negatives else float("nan")
    low, high = auc_interval(auc, positives, negatives) if np.isfinite(auc) else (float("nan"),) * 2
    rank = np.argsort(np.argsort(probability, kind="stable"), kind="stable")
    tenth = rank * 10 // max(len(rank), 1)
    table = pd.DataFrame({"predicted": probability, "actual": is_true.astype(float)}).groupby(tenth).mean()
    # With fewer than ten predictions some tenths hold none.
    num = np.bincount(tenth, minlength=10)[table.index]
    ends = wilson(np.bincount(tenth, weights=is_true, minlength=10)[table.index], num)
    share = positives / max(len(is_true), 1)
    return Holdout(
        num=len(is_true),
        num_positive=positives,
        auc=auc,
        auc_low=low,
        auc_high=high,
        brier=float(brier_score_loss(is_true, probability)),
        naive_brier=share * (1 - share),
        calibration=table.assign(low=ends[0], high=ends[1], num=num).reset_index(drop=True),
    )
