import numpy as np

from tfrec.statistics.proportions import wilson


def test_wilson_interval_of_a_known_case():
    low, high = wilson(np.array([0, 81]), np.array([0, 263]))
    assert (low[0], high[0]) == (0.0, 1.0)
    assert (round(low[1], 4), round(high[1], 4)) == (0.2553, 0.3662)  # Newcombe 1998, table I
