import numpy as np
import pandas as pd
import pytest

from tfrec.errors import SchemaError
from tfrec.promotions.trial import Trial, check_balance, fit_encoder, read_trial

USERS = pd.DataFrame(
    {
        "spent": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 5000.0],
        "age": [30.0, np.nan, 50, 40, 40, 40, 40, 35, 45, 40],
        "men": [1, 0] * 5,
        "women": [1, 1, 1, 0, 0, 0, 0, 1, 1, 1],
        "town": ["rural", "urban"] * 5,
        "offer": ["none", "b", "a", "none", "b", "a", "none", "b", "a", "none"],
        "visit": [0, 1, 1, 0, 1, 1, 0, np.nan, 1, 0],
    }
)
COLUMNS = ["spent", "age", "men", "women", "town"]


def test_encoder_reads_heavy_missing_and_text_columns():
    users = pd.concat([USERS] * 5, ignore_index=True).assign(spent=[5000.0] + [1.0 + i % 7 for i in range(49)])
    encoder = fit_encoder(users, COLUMNS, crosses=[("men", "women")])
    assert encoder.names == ("log spent", "age", "men", "women", "town = rural", "town = urban", "men × women")
    matrix = encoder.encode(users)
    assert matrix[0, 0] == pytest.approx(np.log(5001))
    assert matrix[1, 1] == 40.0  # the median
    assert matrix[0, 4:6].tolist() == [1.0, 0.0]
    assert matrix[0, 6] == 1.0


def test_encoder_takes_unknown_levels_as_none_of_the_known():
    matrix = fit_encoder(USERS, ["town"]).encode(pd.DataFrame({"town": ["moon", "urban"]}))
    assert matrix.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_trial_puts_control_first_and_counts_a_missing_outcome_as_zero():
    trial = read_trial(USERS, arm="offer", control="none", outcomes=["visit"], encoder=fit_encoder(USERS, COLUMNS))
    assert trial.arm_names == ("none", "a", "b")
    assert trial.arms[:3].tolist() == [0, 2, 1]
    assert trial.outcome("visit")[7] == 0
    assert trial.propensities[0].tolist() == pytest.approx([0.4, 0.3, 0.3])


def test_pairs_keep_the_conditional_chances():
    trial = read_trial(USERS, arm="offer", control="none", outcomes=["visit"], encoder=fit_encoder(USERS, COLUMNS))
    assert trial.against_control(2).propensities[0].tolist() == pytest.approx([4 / 7, 3 / 7])
    assert trial.any_offer().propensities[0].tolist() == pytest.approx([0.4, 0.6])
    assert trial.any_offer().arms.sum() == 6


def _trial(is_biased: bool) -> Trial:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 6))
    arms = (rng.random(4000) < (0.5 + 0.15 * is_biased * np.sign(features[:, 2]))).astype(np.int64)
    return Trial(features, arms, ("none", "coupon"), np.full((4000, 2), 0.5), {"visit": rng.random(4000)})


def test_offers_that_went_to_better_customers_are_caught():
    biased = check_balance(_trial(True))
    assert not biased.is_credible
    assert biased.table.feature[0] == "feature 2"
    assert check_balance(_trial(False)).is_credible


def test_errors_name_the_cause():
    with pytest.raises(SchemaError, match="Did you mean 'spent'"):
        fit_encoder(USERS, ["spend"])
    with pytest.raises(SchemaError, match="numeric"):
        fit_encoder(USERS, COLUMNS, crosses=[("men", "town")])
    encoder = fit_encoder(USERS, COLUMNS)
    with pytest.raises(SchemaError, match="never is 'control'"):
        read_trial(USERS, arm="offer", control="control", outcomes=["visit"], encoder=encoder)
    with pytest.raises(SchemaError, match="propensity is 0"):
        Trial(np.ones((1, 1)), np.array([1]), ("a", "b"), np.array([[1.0, 0.0]]), {})
