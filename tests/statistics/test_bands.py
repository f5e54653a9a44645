import numpy as np

from tfrec.statistics.bands import uniform_band


def test_the_whole_curve_lies_inside_as_often_as_stated_and_less_often_in_intervals_of_points():
    rng = np.random.default_rng(0)
    truth = np.linspace(0.0, 2.0, 25)
    inside = pointwise = 0
    for _ in range(300):
        sample = rng.normal(size=(200, 25)).cumsum(axis=1) + truth
        curve = sample.mean(axis=0)
        weights = rng.poisson(1.0, (300, 200))
        draws = weights @ sample / weights.sum(axis=1, keepdims=True)
        low, high = uniform_band(curve, draws)
        inside += bool(((low <= truth) & (truth <= high)).all())
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        pointwise += bool(((low <= truth) & (truth <= high)).all())
    assert 0.91 <= inside / 300 <= 0.985
    assert pointwise / 300 < 0.88


def test_points_without_spread_have_no_width():
    low, high = uniform_band(np.array([1.0, 2.0]), np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 1.0]]))
    assert low[0] == high[0] == 1.0
    assert low[1] < 2.0 < high[1]
