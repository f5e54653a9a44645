"""What a campaign may cost: bounds that are kept as often as they promise, in worlds whose costs are known."""

import numpy as np
import pytest

from tfrec.errors import ConfigError
from tfrec.promotions.spending import bound_mean, predict_spending


def coupon_uses(rng, shape, share, cap):
    """Used by `share`, for a log-normal amount below the cap."""
    return np.where(rng.random(shape) < share, np.minimum(rng.lognormal(2.0, 0.6, shape), cap), 0.0)


@pytest.mark.parametrize("n", [pytest.param(n, id=f"{n} users") for n in (8, 40, 200, 1_000)])
@pytest.mark.parametrize("share", [pytest.param(0.03, id="rare"), pytest.param(0.3, id="usual")])
def test_the_mean_lies_below_its_bound_as_often_as_promised(n, share):
    rng = np.random.default_rng([n, int(100 * share)])
    truth = coupon_uses(rng, 2_000_000, share, 20.0).mean()
    draws = coupon_uses(rng, (1_500, n), share, 20.0)
    upper = [bound_mean(own, 20.0, tail=0.05, side=1)[0] for own in draws]
    lower = [bound_mean(own, 20.0, tail=0.05, side=-1)[0] for own in draws]
    assert np.mean(np.array(upper) < truth) <= 0.065
    assert np.mean(np.array(lower) > truth) <= 0.065


@pytest.mark.parametrize(("n", "planned"), [(60, 60), (300, 2_000), (2_000, 300)])
def test_a_campaign_costs_more_than_its_ceiling_in_one_of_twenty(n, planned):
    rng = np.random.default_rng([n, planned])
    faces, sending = np.array([20.0, 30.0]), np.array([0.5, 0.0])
    over = inside = 0
    for _ in range(600):
        arms, plan = rng.integers(3, size=3 * n), rng.integers(-1, 2, size=planned)
        rule = np.where(rng.random(3 * n) < 0.5, 0, 1)
        taken = np.where(
            arms == 1, coupon_uses(rng, 3 * n, 0.1, 20.0), (arms == 2) * coupon_uses(rng, 3 * n, 0.2, 30.0)
        )
        found = predict_spending(plan, rule, arms, taken, face_values=faces, send_costs=sending)
        spent = (
            coupon_uses(rng, (plan == 0).sum(), 0.1, 20.0).sum() + coupon_uses(rng, (plan == 1).sum(), 0.2, 30.0).sum()
        )
        spent += 0.5 * (plan == 0).sum()
        over += spent > found.ceiling
        inside += found.expected.low <= spent <= found.expected.high
        assert found.ceiling <= found.worst == 20.5 * (plan == 0).sum() + 30.0 * (plan == 1).sum()
    assert over / 600 <= 0.07
    assert inside / 600 >= 0.93


def test_a_test_without_the_chosen_users_gives_no_ceiling_below_the_worst():
    arms = np.array([0, 1, 1, 0])
    found = predict_spending(
        np.zeros(50, dtype=int), np.full(4, -1), arms, np.array([0.0, 3.0, 0.0, 0.0]),
        face_values=np.array([10.0]), send_costs=np.array([0.1]),
    )  # fmt: skip
    assert found.ceiling == found.worst == pytest.approx(505.0)


def test_without_discounts_only_sending_is_known():
    arms, none_sent = np.array([0, 1]), np.array([0, -1])
    sent = predict_spending(none_sent, none_sent, arms, None, face_values=np.zeros(1), send_costs=np.array([0.5]))
    assert (sent.worst, sent.expected.value, sent.ceiling) == (0.5, 0.5, 0.5)
    faced = predict_spending(none_sent, none_sent, arms, None, face_values=np.array([9.0]), send_costs=np.array([0.5]))
    assert faced.worst == 9.5 and not faced.is_known


def test_a_risk_out_of_range_is_named():
    with pytest.raises(ConfigError, match=r"must lie in \(0, 0.5\]; got 0"):
        predict_spending(np.array([0]), np.array([0]), np.array([1]), None, face_values=np.zeros(1),
                         send_costs=np.zeros(1), risk=0.0)  # fmt: skip
