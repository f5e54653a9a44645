import numpy as np

from tfrec.statistics.areas import auc_interval


def test_interval_of_an_area_holds_it_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    truth, inside = 0.760, 0  # chance that one normal exceeds another shifted by 1
    for _ in range(400):
        positives, negatives = rng.normal(1, 1, 60), rng.normal(0, 1, 90)
        auc = float((positives[:, None] > negatives).mean())
        low, high = auc_interval(auc, 60, 90)
        inside += low <= truth <= high
    assert 0.92 <= inside / 400 <= 0.98
