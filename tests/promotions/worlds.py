"""Promotion worlds whose true uplift is known."""

import numpy as np

from tfrec.promotions.trial import Trial


def coupon_world(n: int = 8000, seed: int = 0, treated_share: float = 0.5) -> tuple[Trial, np.ndarray]:
    """Bargain hunters (feature 0 > 0) gain 0.3 by the coupon, others lose 0.1; feature 1 only moves the base rate."""
    rng = np.random.default_rng([seed, 99])
    features = rng.normal(size=(n, 4))
    truth = np.where(features[:, 0] > 0, 0.3, -0.1)
    arms = (rng.random(n) < treated_share).astype(np.int64)
    base = 0.3 + 0.15 * np.tanh(features[:, 1])
    visit = (rng.random(n) < base + truth * arms).astype(float)
    spend = visit * rng.lognormal(3.0, 0.5, n)
    chances = np.tile([1 - treated_share, treated_share], (n, 1))
    return Trial(features, arms, ("none", "coupon"), chances, {"visit": visit, "spend": spend}), truth


def two_offer_world(n: int = 9000, seed: int = 0) -> Trial:
    """Men (feature 0 = 1) answer offer m only, women offer w only: +0.25; the wrong offer does nothing."""
    rng = np.random.default_rng([seed, 98])
    is_man = rng.integers(2, size=n)
    features = np.stack([is_man, rng.normal(size=n)], axis=1).astype(float)
    arms = rng.integers(3, size=n)
    gain = 0.25 * ((arms == 1) & (is_man == 1) | (arms == 2) & (is_man == 0))
    visit = (rng.random(n) < 0.2 + gain).astype(float)
    return Trial(features, arms, ("none", "m", "w"), np.full((n, 3), 1 / 3), {"visit": visit})
