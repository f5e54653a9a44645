"""The randomised trials that the promotion benchmarks read: the e-mail promotion and the demo shop's coupon test."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.promotions.offer_log import OfferLog, read_file_test
from tfrec.promotions.trial import Trial, fit_encoder, read_trial

EMAIL_FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
COUPON_OUTCOMES = ["visit", "conversion", "spend", "margin"]


def data_home() -> Path:
    """Returns `TFREC_DATA_HOME`, else `../shared/data` beside the repository."""
    return Path(os.environ.get("TFREC_DATA_HOME", Path(__file__).parents[3] / "shared" / "data"))


def read_email_promotion(home: Path) -> Trial:
    """Returns the e-mail promotion half: no e-mail, men's, women's."""
    log = pd.read_csv(home / "email_promotion" / "hillstrom_half.csv.gz")
    encoder = fit_encoder(log, EMAIL_FEATURES)
    return read_trial(
        log, arm="segment", control="No E-Mail", outcomes=["visit", "conversion", "spend"], encoder=encoder
    )


def read_coupon_log(shop: Path) -> OfferLog:
    """Returns the same test as `tfrec campaign plan` reads it, from one file with a row a user."""
    features = pd.read_csv(shop / "coupon_features.csv", dtype={"customer": "str"})
    test = pd.read_csv(shop / "coupon_test.csv", dtype={"customer": "str"})
    features.merge(test, on="customer", validate="one_to_one").to_csv(shop / "test.csv", index=False)
    attributes = [str(column) for column in features.columns if column != "customer"]
    return read_file_test(shop / "test.csv", user="customer", attributes=attributes)


def read_coupon_test(shop: Path) -> tuple[Trial, pd.DataFrame]:
    """Returns the coupon test of a demo shop and its true uplift, a row a user and arm.

    Beside the outcomes of the log, `discount` is what the coupon took off the order.
    """
    features = pd.read_csv(shop / "coupon_features.csv", dtype={"customer": "str"})
    test = pd.read_csv(shop / "coupon_test.csv", dtype={"customer": "str"})
    log = features.merge(test, on="customer", validate="one_to_one")
    rate = log["arm"].map({"none": 0.0, "coupon_10": 0.10, "coupon_25": 0.25}).to_numpy()
    log["discount"] = log["spend"] * rate / (1 - rate)
    encoder = fit_encoder(log, [column for column in features.columns if column != "customer"])
    trial = read_trial(log, arm="arm", control="none", outcomes=[*COUPON_OUTCOMES, "discount"], encoder=encoder)
    truth = pd.read_csv(shop / "truth" / "uplift.csv", dtype={"user": "str"})
    order = {user: row for row, user in enumerate(log["customer"])}
    truth = truth.assign(row=truth["user"].map(order)).sort_values(["arm", "row"], kind="stable")
    assert (truth.groupby("arm")["row"].apply(np.asarray).map(len) == len(log)).all()
    return trial, truth
