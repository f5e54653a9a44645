"""Computes confidence intervals of areas under a ROC curve from counts."""

import numpy as np


def auc_interval(auc: float, positives: int, negatives: int, *, z: float = 1.96) -> tuple[float, float]:
    """Returns the ends of the interval of an area under the ROC curve (Hanley & McNeil 1982, equation 2).

    Examples:
        >>> [round(end, 2) for end in auc_interval(0.8, 50, 50)]
        [0.71, 0.89]
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    spread = z * float(np.sqrt(max(variance, 0.0) / max(positives * negatives, 1)))
    return max(auc - spread, 0.0), min(auc + spread, 1.0)
