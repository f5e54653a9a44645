"""Chooses the discount level that pays best for each user from a log in which discounts varied."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy import special
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError
from tfrec.statistics.estimates import Estimate, normal_estimate

_LIGHT = 10.0  # scale of main effects: their penalty is 1/100 of that on the discount's personal part


@dataclasses.dataclass(frozen=True)
class PriceResponse:
    """How the chance to buy depends on the discount, user by user.

    `logit P(buy | x, d) = a + b·x + h·ê(x) + d·max(0, g + G·x)`, `ê(x)` the discount that such users usually got: a
    larger discount never lowers the chance.

    Attributes:
        centre: `[p]` means of the features.
        scale: `[p]` their standard deviations.
        main: `[p + 2]` intercept, `b` and `h`.
        usual: `[p + 1]` intercept and slope of `ê`.
        slope: `[p + 1]` `g` and `G`, per unit of discount (1 = 100 %).
        average_slope: mean change of the chance to buy for 10 points more discount, with interval.
        span: smallest and largest discount that the log holds; outside it the model would extrapolate.
    """

    centre: np.ndarray
    scale: np.ndarray
    main: np.ndarray
    usual: np.ndarray
    slope: np.ndarray
    average_slope: Estimate
    span: tuple[float, float]

    def probability(self, features: np.ndarray, discounts: np.ndarray | float) -> np.ndarray:
        """Returns `[n]` chance to buy at `discounts` (`[n]`, or one for all)."""
        x = (features - self.centre) / self.scale
        base = self.main[0] + x @ self.main[1:-1] + self.main[-1] * (self.usual[0] + x @ self.usual[1:])
        steep = np.maximum(self.slope[0] + x @ self.slope[1:], 0.0)
        return special.expit(base + steep * discounts)


@dataclasses.dataclass(frozen=True)
class DiscountChoice:
    """The discount level for each user.

    Attributes:
        levels: `[L]` levels that were compared, ascending, the first 0.
        chosen: `[n]` position of the best level.
        profit: `[n, L]` expected profit at each level.
        values: `[n, L − 1]` expected profit of each level above none, for `allocate`.
        costs: `[n, L − 1]` expected discount given at each level, for `allocate`.
        gain: expected profit of the personal levels over no discount, summed.
        gain_over_uniform: the same over the best single level for all.
        uniform: the best single level.
    """

    JSON_KEYS: ClassVar = ("levels", "users", "gain", "gain_over_uniform", "uniform")

    levels: np.ndarray
    chosen: np.ndarray
    profit: np.ndarray
    values: np.ndarray
    costs: np.ndarray
    gain: float
    gain_over_uniform: float
    uniform: float

    @property
    def users(self) -> np.ndarray:
        """`[L]` number of users whose best level each is."""
        return np.bincount(self.chosen, minlength=len(self.levels))


def fit_price_response(
    features: np.ndarray,
    discounts: np.ndarray,
    bought: np.ndarray,
    *,
    resamples: int = 50,
    folds: int = 5,
    level: float = 0.95,
    seed: int = 0,
) -> PriceResponse:
    """Fits how the chance to buy responds to the discount.

    Penalised logistic regression on features, discount and their products; the personal part of the slope is penalised
    100 times as much as the main effects, the penalty chosen by cross-validated log loss. The usual discount of alike
    users `ê(x)` is a feature (Hirano & Imbens 2004), so that "good customers got more" does not pass for response. What
    steered the discount and is not among the features still biases the slope: draw some discounts at random.

    Args:
        features: `[n, p]` known before the offer.
        discounts: `[n]` share of the price, in [0, 1).
        bought: `[n]` 0/1.
        resamples: bootstrap refits for the interval of the average slope.
        folds: cross-validation folds.
        level: confidence level.
        seed: random seed of folds and bootstrap.

    Raises:
        SchemaError: shapes differ, discounts outside [0, 1), or they never vary.
    """
    features = np.asarray(features, dtype=np.float64)
    if not len(features) == len(discounts) == len(bought):
        raise SchemaError(f"Rows differ: {len(features)} features, {len(discounts)} discounts, {len(bought)} outcomes.")
    if (discounts < 0).any() or (discounts >= 1).any():
        raise SchemaError("`discounts` are shares of the price in [0, 1): 0.15 is 15 %. Divide percentages by 100.")
    if np.ptp(discounts) == 0:
        raise SchemaError(f"Every row has the discount {discounts[0]:g}; a response needs a log in which it varied.")
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    x = (features - centre) / scale
    splitter = KFold(folds, shuffle=True, random_state=seed)
    usual_model = RidgeCV(np.logspace(-2, 4, 7))
    usual = cross_val_predict(usual_model, x, discounts, cv=splitter)
    usual_model.fit(x, discounts)
    design = _design(x, usual, discounts)
    search = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 6), cv=splitter, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False,
        max_iter=1000,
    ).fit(design, bought)  # fmt: skip
    strength = float(search.C_)
    fitted = _unpack(search.intercept_[0], search.coef_[0], x.shape[1])
    rng = np.random.default_rng([seed, 3])
    slopes = []
    for _ in tqdm(range(resamples), desc="price response", leave=False, disable=len(x) < 20_000):
        weights = rng.poisson(1.0, len(x))
        again = LogisticRegression(C=strength, max_iter=1000).fit(design, bought, sample_weight=weights)
        slopes.append(_average_slope(_unpack(again.intercept_[0], again.coef_[0], x.shape[1]), x, usual, discounts))
    average = _average_slope(fitted, x, usual, discounts)
    return PriceResponse(
        centre=centre,
        scale=scale,
        main=fitted[0],
        usual=np.concatenate([[usual_model.intercept_], usual_model.coef_]),
        slope=fitted[1],
        average_slope=normal_estimate(average, float(np.std(slopes, ddof=1)), len(x), level=level),
        span=(float(np.min(discounts)), float(np.max(discounts))),
    )


def choose_discounts(
    response: PriceResponse,
    features: np.ndarray,
    *,
    prices: np.ndarray | float,
    margins: np.ndarray | float,
    levels: Sequence[float] = (0.0, 0.05, 0.1, 0.15, 0.2),
) -> DiscountChoice:
    """Returns the level of highest expected profit, `P(buy | x, d) · price · (margin − d)`, for each user.

    Args:
        response: response from `fit_price_response`.
        features: `[n, p]`.
        prices: price without discount, `[n]` or one.
        margins: share of the price that is profit without discount, `[n]` or one.
        levels: discounts to compare; 0 is added.

    Raises:
        ConfigError: a level outside what the log holds.
    """
    grid = np.unique(np.concatenate([[0.0], np.asarray(levels, dtype=np.float64)]))
    if grid[-1] > response.span[1] + 1e-9:
        raise ConfigError(
            f"`levels` go up to {grid[-1]:.0%}, the log only to {response.span[1]:.0%}. A response beyond what was "
            "seen is an extrapolation: test the larger discount first."
        )
    price = np.broadcast_to(np.asarray(prices, dtype=np.float64), (len(features),))
    margin = np.broadcast_to(np.asarray(margins, dtype=np.float64), (len(features),))
    chance = np.stack([response.probability(features, level) for level in grid], axis=1)
    profit = chance * price[:, None] * (margin[:, None] - grid)
    chosen = profit.argmax(axis=1)
    best = profit[np.arange(len(profit)), chosen].sum()
    uniform = int(profit.sum(axis=0).argmax())
    return DiscountChoice(
        levels=grid,
        chosen=chosen,
        profit=profit,
        values=profit[:, 1:] - profit[:, :1],
        costs=chance[:, 1:] * price[:, None] * grid[1:],
        gain=float(best - profit[:, 0].sum()),
        gain_over_uniform=float(best - profit[:, uniform].sum()),
        uniform=float(grid[uniform]),
    )


def _design(x: np.ndarray, usual: np.ndarray, discounts: np.ndarray) -> np.ndarray:
    discount = discounts[:, None]
    return np.concatenate([_LIGHT * x, _LIGHT * usual[:, None], _LIGHT * discount, x * discount], axis=1)


def _unpack(intercept: float, coefficients: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    main = np.concatenate([[intercept], coefficients[: num + 1] * _LIGHT])
    slope = np.concatenate([[coefficients[num + 1] * _LIGHT], coefficients[num + 2 :]])
    return main, slope


def _average_slope(
    fitted: tuple[np.ndarray, np.ndarray], x: np.ndarray, usual: np.ndarray, discounts: np.ndarray
) -> float:
    main, slope = fitted
    steep = slope[0] + x @ slope[1:]
    chance = special.expit(main[0] + x @ main[1:-1] + main[-1] * usual + steep * discounts)
    return float((chance * (1 - chance) * steep).mean() * 0.1)
