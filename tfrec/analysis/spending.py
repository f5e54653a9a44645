"""Fits the Gamma–Gamma model of what an order is worth to each buyer (Fader & Hardie 2013)."""

import numpy as np
import pandas as pd
from scipy import optimize, special

from tfrec.errors import SchemaError

_MIN_BUYERS = 10


def fit_spending(counts: np.ndarray, means: np.ndarray) -> pd.Series:
    """Returns `p`, `q`, `v` of highest likelihood.

    The value of an order of user i is Gamma(p, ν_i), and ν_i ~ Gamma(q, v) differs between users. The model assumes
    that what users spend does not depend on how often they order.

    Args:
        counts: `[n]` orders of each user.
        means: `[n]` mean value of them; those of 0 are left out.

    Raises:
        SchemaError: fewer than ten users bought something that has a price.

    Source: Fader & Hardie 2013, The Gamma-Gamma Model of Monetary Value, equation 1.
    """
    is_priced = means > 0
    x, z = np.asarray(counts, np.float64)[is_priced], np.asarray(means, np.float64)[is_priced]
    if len(x) < _MIN_BUYERS:
        raise SchemaError(f"The value of orders needs at least {_MIN_BUYERS} buyers of something with a price.")
    unit = float(np.median(z))
    z = z / unit

    def loss(logs: np.ndarray) -> float:
        p, q, v = np.exp(logs[0]), 1 + np.exp(logs[1]), np.exp(logs[2])  # q > 1, else the mean is infinite
        parts = (
            special.gammaln(p * x + q) - special.gammaln(p * x) - special.gammaln(q)
            + q * np.log(v) + (p * x - 1) * np.log(z) + p * x * np.log(x) - (p * x + q) * np.log(x * z + v)
        )  # fmt: skip
        return -float(parts.mean())

    optimum = optimize.minimize(loss, np.log([2.0, 2.0, 2.0]), method="L-BFGS-B", bounds=[(-5, 7)] * 3)
    p, q, v = np.exp(optimum.x[0]), 1 + np.exp(optimum.x[1]), np.exp(optimum.x[2])
    return pd.Series({"p": p, "q": q, "v": v * unit})


def expected_spending(parameters: pd.Series, counts: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Returns `[n]` expected value of each user's next order: between the user's own mean and that of all.

    `E = p · (v + x · z) / (p · x + q − 1)` for x orders of mean value z.

    Examples:
        >>> parameters = pd.Series({"p": 2.0, "q": 3.0, "v": 30.0})
        >>> expected_spending(parameters, np.array([0.0, 1.0, 100.0]), np.array([0.0, 90.0, 90.0])).round(1).tolist()
        [30.0, 60.0, 89.4]
    """
    p, q, v = parameters["p"], parameters["q"], parameters["v"]
    return p * (v + counts * means) / (p * counts + q - 1)
