"""What the names of an offer test's arms say, and what they do not."""

import numpy as np
import pandas as pd
import pytest

from tfrec.cli import main
from tfrec.promotions.offer_log import discount_rate, read_file_test, unclear_discounts


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("coupon_10", 0.1), ("coupon10", 0.1), ("Coupon 25", 0.25), ("10%", 0.1), ("7.5 %", 0.075), ("12,5%", 0.125),
        ("10_off", 0.1), ("15 percent", 0.15), ("discount-5", 0.05), ("coupon_10_mail", 0.1), ("2%", 0.02),
        ("mail_v1", 0.0), ("mail_v2", 0.0), ("mail_v10", 0.0), ("coupon_1", 0.0), ("coupon_2", 0.0), ("offer_10", 0.0),
        ("$10 off", 0.0), ("coupon_10_eur", 0.0), ("coupon_2024", 0.0), ("100%", 0.0), ("letter", 0.0), ("", 0.0),
    ],
)  # fmt: skip
def test_a_discount_is_only_what_a_name_states(name, rate):
    assert discount_rate(name) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("names", "unclear"),
    [
        pytest.param(["mail_v1", "mail_v2"], [], id="versions"),
        pytest.param(["Mens E-Mail", "Womens E-Mail"], [], id="no numbers"),
        pytest.param(["offer_10", "offer_25"], ["offer_10", "offer_25"], id="bare numbers"),
        pytest.param(["coupon_10", "letter"], ["letter"], id="one of two states it"),
        pytest.param(["coupon_10", "coupon_25"], [], id="both state it"),
    ],
)
def test_what_does_not_say_is_asked(names, unclear):
    assert unclear_discounts(names) == unclear


def offer_test(path, *arms):
    rng = np.random.default_rng(0)
    arm = np.resize(["none", *arms], 900)
    table = pd.DataFrame({"user_id": range(900), "arm": arm, "recency": rng.random(900)})
    table.assign(spend=np.where(rng.random(900) < 0.2, 50.0, 0.0)).to_csv(path, index=False)
    return path


def test_versions_of_a_mail_take_nothing_off(tmp_path):
    log = read_file_test(offer_test(tmp_path / "test.csv", "mail_v1", "mail_v2"))
    assert log.cost_kind == "offers"
    assert "discount" not in log.table
    assert read_file_test(offer_test(tmp_path / "test.csv", "coupon_10", "25%")).cost_kind == "discount"


def test_a_plan_asks_what_an_offer_takes_off(tmp_path, capsys):
    test = offer_test(tmp_path / "test.csv", "offer_10", "offer_25")
    arguments = ["campaign", "plan", test, "--budget", "100", "--name", "s", "--out", tmp_path / "s"]
    assert main([str(part) for part in arguments]) == 2
    assert "--face-value offer_10=MONEY,offer_25=MONEY" in capsys.readouterr().err
