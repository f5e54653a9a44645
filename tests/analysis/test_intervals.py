import numpy as np

from tfrec.analysis.intervals import auc_interval, wilson


def test_wilson_interval_of_a_known_case():
    low, high = wilson(np.array([0, 81]), np.array([0, 263]))
    assert (low[0], high[0]) == (0.0, 1.0)
    assert (round(low[1], 4), round(high[1], 4)) == (0.2553, 0.3662)  # Newcombe 1998, table I


def test_interval_of_an_area_holds_it_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    truth, inside = 0.760, 0  # chance that one normal exceeds another shifted by 1
    for _ in range(400):
        positives, negatives = rng.normal(1, 1, 60), rng.normal(0, 1, 90)
        auc = float((positives[:, None] > negatives).mean())
        low, high = auc_interval(auc, 60, 90)
        inside += low <= truth <= high
    assert 0.92 <= inside / 400 <= 0.98
