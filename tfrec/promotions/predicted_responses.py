"""Predicts each user's responses: an order, and what each offer of the shop's coupon test would change or earn."""

import pandas as pd

from tfrec.analysis.repurchase import predict_churn
from tfrec.errors import SchemaError
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.learned_offers import few_threads, quick_learner
from tfrec.promotions.offer_log import PROFIT, OfferLog, read_shop_test
from tfrec.promotions.uplift import cross_fit_uplift
from tfrec.schema.tables import Tables

_OUTCOMES = ("conversion", "visit", "spend", "margin")


def known_offers(prepared: Prepared) -> tuple[str, ...]:
    """Returns what responses can be predicted to: `order`, and the offers of the shop's coupon test."""
    offers = read_shop_test(prepared).arm_names[1:] if "coupon_test" in prepared.manifest.extras else ()
    return ("order", *offers)


def predict_responses(prepared: Prepared, tables: Tables, *, orders: bool = True) -> dict[str, pd.Series]:
    """Returns name → response by `user_id`: `order` (chance of one in 90 days), and the effect of each tested offer.

    Effects are on conversion, or the first outcome that the test has of visit, spend and margin; each user of the test
    is scored by models that did not learn from the user. Of other users the effect is not known.

    Args:
        prepared: the shop, whose extra table `coupon_test` is read where it has one.
        tables: the part of its log that orders are predicted from.
        orders: predict `order` too, which a log of few buyers does not allow.

    Raises:
        SchemaError: nothing was bought, or the test cannot be read.
    """
    responses = {"order": predict_churn(tables).users["returns"]} if orders else {}
    if "coupon_test" in prepared.manifest.extras:
        responses |= offer_effects(read_shop_test(prepared))
    return responses


def predict_profits(prepared: Prepared) -> dict[str, pd.Series]:
    """Returns offer → the profit that it would bring by each user of the coupon test, by `user_id`; {} without a test.

    Raises:
        SchemaError: the test cannot be read, or knows no margin.
    """
    return offer_profits(read_shop_test(prepared)) if "coupon_test" in prepared.manifest.extras else {}


def offer_effects(log: OfferLog) -> dict[str, pd.Series]:
    """Returns offer → its effect on each user of the test, by `user_id`, from models that did not see the user.

    A model that has seen a user's outcome promises far more than comes true.
    """
    trial, _ = log.trial()
    return _effects(log, next(name for name in _OUTCOMES if name in trial.outcomes))


def offer_profits(log: OfferLog) -> dict[str, pd.Series]:
    """Returns offer → the change of margin after discounts, in money, as `offer_effects` does.

    Raises:
        SchemaError: the test knows no margin.
    """
    if "margin" not in log.outcomes:
        raise SchemaError(
            "The profit of an offer needs a coupon test with a column `margin`, after the discount; it has "
            f"{', '.join(log.outcomes)}. Add it, or ask for the response alone."
        )
    return _effects(log.with_profit(outcome="margin", worth=1.0), PROFIT)


def _effects(log: OfferLog, outcome: str) -> dict[str, pd.Series]:
    trial, _ = log.trial()
    with few_threads(len(trial)):
        found = cross_fit_uplift(trial, outcome=outcome, learner=quick_learner(), folds=3)
    ids = log.table["user_id"].to_numpy()
    return {offer: pd.Series(found.scores[:, k], index=ids) for k, offer in enumerate(found.arm_names)}
