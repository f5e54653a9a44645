"""Computes confidence intervals of shares from counts."""

import numpy as np


def wilson(hits: np.ndarray, trials: np.ndarray, *, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of Wilson's interval of the shares `hits / trials`; 0 and 1 where there is no trial.

    `(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)`; unlike p ± z·s it stays in [0, 1] (Wilson 1927).

    Examples:
        Eight of ten, and none of none:

        >>> low, high = wilson(np.array([8, 0]), np.array([10, 0]))
        >>> low.round(2), high.round(2)
        (array([0.49, 0.  ]), array([0.94, 1.  ]))
    """
    trials_f = np.maximum(trials, 1).astype(np.float64)
    share = hits / trials_f
    centre = share + z**2 / (2 * trials_f)
    width = z * np.sqrt(share * (1 - share) / trials_f + z**2 / (4 * trials_f**2))
    scale = 1 + z**2 / trials_f
    has_trials = np.asarray(trials) > 0
    low = np.where(has_trials, np.clip((centre - width) / scale, 0, 1), 0.0)
    return low, np.where(has_trials, np.clip((centre + width) / scale, 0, 1), 1.0)
