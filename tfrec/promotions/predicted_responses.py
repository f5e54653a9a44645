"""Predicts each user's responses: an order, and what each offer of the shop's coupon test would change."""

import pandas as pd

from tfrec.analysis.repurchase import predict_churn
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.offer_log import read_shop_test
from tfrec.promotions.uplift import fit_uplift
from tfrec.schema.tables import Tables

_OUTCOMES = ("conversion", "visit", "spend", "margin")


def predict_responses(prepared: Prepared, tables: Tables) -> dict[str, pd.Series]:
    """Returns name → response by `user_id`: `order` (chance of one in 90 days), and the effect of each tested offer.

    Effects are on conversion, or the first outcome that the test has of visit, spend and margin.

    Args:
        prepared: the shop, whose extra table `coupon_test` is read where it has one.
        tables: the part of its log that orders are predicted from.

    Raises:
        SchemaError: nothing was bought, or the test cannot be read.
    """
    responses = {"order": predict_churn(tables).users["returns"]}
    if "coupon_test" in prepared.manifest.extras:
        log = read_shop_test(prepared)
        trial, _ = log.trial()
        outcome = next(name for name in _OUTCOMES if name in trial.outcomes)
        model = fit_uplift(trial, outcome=outcome)
        scores = model.predict(trial.features)
        for k, offer in enumerate(model.arm_names):
            responses[offer] = pd.Series(scores[:, k], index=log.table["user_id"].to_numpy())
    return responses
