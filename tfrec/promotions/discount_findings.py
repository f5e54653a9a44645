"""Analyses the coupon test of a prepared shop at several discounts: response, and the level that pays."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from tfrec.errors import SchemaError
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.curves import PolicyWorth, worth_of_choice
from tfrec.promotions.discounts import DiscountChoice, PriceResponse, choose_discounts, fit_price_response
from tfrec.promotions.learned_offers import check_learnable, few_threads
from tfrec.promotions.offer_log import discount_rate, read_shop_test
from tfrec.promotions.response import cross_fit_responses
from tfrec.statistics.estimates import normal_estimate

_FOLDS = 3
_RESAMPLES = 25  # refits for the standard error of one slope: known within a seventh
_STEP = 0.05  # levels that are compared: every five points up to the largest that was tested
_GROUPS = ("little", "medium", "much")


@dataclasses.dataclass(frozen=True)
class DiscountFindings:
    """Results of a coupon test at several discount levels.

    Attributes:
        response: how the chance to buy depends on the discount.
        choice: the level of highest expected profit for each user, of every five points up to the largest tested.
        order_value: mean value of an order at full price.
        margin: share of the full price that is profit, from the users without an offer.
        groups: `group` (users in thirds by how much they are expected to respond, out of fold: little, medium, much),
            `discount`, `n`, `rate` bought, `low`, `high`: what they really did.
        worth: the tested level that is expected to pay best for each user, chosen out of fold, judged by the test's own
            margins (doubly robust).
    """

    JSON_KEYS: ClassVar = (
        "order_value",
        "margin",
        "groups",
        ("average_slope", "response.average_slope"),
        ("span", "response.span"),
        "choice",
        "worth",
    )

    response: PriceResponse
    choice: DiscountChoice
    order_value: float
    margin: float
    groups: pd.DataFrame
    worth: PolicyWorth


def judge_discounts(prepared: Prepared, *, seed: int = 0) -> DiscountFindings:
    """Analyses the discount levels of the shop's coupon test.

    Arms are named by their percentage (`coupon_10`); the log needs spend and margin.

    Raises:
        SchemaError: arms are no discounts, margin or spend is not known, or an arm has too few users.
        SourceError: there is no such table.
    """
    log = read_shop_test(prepared)
    rates = np.array([0.0, *(discount_rate(name) for name in log.arm_names[1:])])
    if not (rates[1:] > 0).all() or not {"spend", "margin"} <= set(log.outcomes):
        raise SchemaError(
            "Discount levels need a test whose arms are named by their percentage (coupon_10), with spend and margin; "
            f"got {', '.join(log.arm_names)} with {', '.join(log.outcomes)}."
        )
    trial, _ = log.trial()
    check_learnable(trial, "spend")
    spend, bought = trial.outcome("spend"), (trial.outcome("spend") > 0).astype(np.float64)
    given = rates[trial.arms]
    full = spend / (1 - given)
    control = trial.arms == 0
    order_value = float(full[bought > 0].mean())
    margin = float(trial.outcome("margin")[control].sum() / max(spend[control].sum(), 1e-9))
    terms = {"prices": order_value, "margins": margin}
    with few_threads(len(trial)):
        response = fit_price_response(trial.features, given, bought, resamples=_RESAMPLES, seed=seed)
        grid = np.arange(0.0, response.span[1] + 1e-9, _STEP)
        choice = choose_discounts(response, trial.features, levels=tuple(grid), **terms)
        chosen, steep = np.zeros(len(trial), dtype=np.int64), np.zeros(len(trial))
        for rest, inside in KFold(_FOLDS, shuffle=True, random_state=seed).split(trial.features):
            fold_response = fit_price_response(trial.features[rest], given[rest], bought[rest], resamples=2, seed=seed)
            fold_choice = choose_discounts(fold_response, trial.features[inside], levels=tuple(rates), **terms)
            chosen[inside] = np.searchsorted(np.sort(rates), fold_choice.levels[fold_choice.chosen])
            ends = [fold_response.probability(trial.features[inside], level) for level in (0.0, rates.max())]
            rise = ends[1] - ends[0]
            # Thirds within the fold: models of different folds are not on one scale.
            steep[inside] = np.argsort(np.argsort(rise, kind="stable"), kind="stable") / len(inside)
        worth = worth_of_choice(
            np.argsort(rates)[chosen], trial, responses=cross_fit_responses(trial, outcome="margin", seed=seed)
        )
    group = np.minimum((steep * len(_GROUPS)).astype(int), len(_GROUPS) - 1)
    return DiscountFindings(response, choice, order_value, margin, _groups(group, given, bought), worth)


def _groups(group: np.ndarray, given: np.ndarray, bought: np.ndarray) -> pd.DataFrame:
    rows = []
    for code, name in enumerate(_GROUPS):
        for level in np.unique(given):
            outcomes = bought[(group == code) & (given == level)]
            estimate = normal_estimate(
                outcomes.mean(), float(outcomes.std(ddof=1) / np.sqrt(len(outcomes))), len(outcomes)
            )
            rows.append((name, float(level), estimate.n, estimate.value, max(estimate.low, 0.0), estimate.high))
    return pd.DataFrame(rows, columns=["group", "discount", "n", "rate", "low", "high"])
