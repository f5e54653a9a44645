import numpy as np
import pytest

from tests.statistics.samples import hits
from tfrec.errors import ConfigError, SchemaError
from tfrec.statistics.cluster_bootstrap import bootstrap_means


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        estimate = bootstrap_means(hits(0.3, 300, seed)[:, None], np.arange(300), num_resamples=300, seed=seed)[0]
        covered += estimate.low <= 0.3 <= estimate.high
    assert 0.90 <= covered / 200 <= 0.99


def test_queries_of_one_group_are_not_independent_evidence():
    values = hits(0.3, 200, 0)
    alone = bootstrap_means(values[:, None], np.arange(200))[0]
    copied = bootstrap_means(np.repeat(values, 10)[:, None], np.repeat(np.arange(200), 10))[0]
    naive = bootstrap_means(np.repeat(values, 10)[:, None], np.arange(2000))[0]
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert naive.high - naive.low < 0.5 * (alone.high - alone.low)


def test_absent_values_leave_their_query_out_of_their_column_only():
    values = np.array([[1.0, np.nan], [0.0, 1.0], [1.0, np.nan]])
    first, second = bootstrap_means(values, np.arange(3))
    assert (first.value, first.n) == (pytest.approx(2 / 3), 3)
    assert (second.value, second.n) == (1, 1)
    nothing = bootstrap_means(np.full((3, 1), np.nan), np.arange(3))[0]
    assert nothing.n == 0
    assert str(nothing) == "–"


def test_one_group_alone_has_no_interval():
    values, groups = np.array([[0.4, 0.4], [0.4, np.nan], [0.4, 0.6]]), np.array(["a", "a", "b"])
    both, none = bootstrap_means(values[:2], groups[:2])
    assert both.value == pytest.approx(0.4)
    assert np.isnan([both.low, both.high, none.low]).all()
    assert str(both) == ".400"
    assert not np.isnan(bootstrap_means(values, groups)[1].low)


def test_weights_make_a_ratio_of_sums():
    captured, possible = np.array([[9.0], [0.0]]), np.array([[9.0], [1.0]])
    assert bootstrap_means(captured, np.arange(2), weights=possible)[0].value == pytest.approx(0.9)
    nothing = bootstrap_means(captured, np.arange(2), weights=np.zeros((2, 1)))[0]
    assert nothing.n == 0


def test_the_same_seed_gives_the_same_interval():
    values = hits(0.3, 100, 1)[:, None]
    assert bootstrap_means(values, np.arange(100), seed=4) == bootstrap_means(values, np.arange(100), seed=4)
    assert bootstrap_means(values, np.arange(100), seed=4) != bootstrap_means(values, np.arange(100), seed=5)


def test_bad_settings_say_what_to_do():
    values = np.zeros((3, 1))
    with pytest.raises(ConfigError, match="must lie in"):
        bootstrap_means(values, np.arange(3), level=95)
    with pytest.raises(ConfigError, match="at least 1"):
        bootstrap_means(values, np.arange(3), num_resamples=0)
    with pytest.raises(SchemaError, match="a row a query"):
        bootstrap_means(values, np.arange(4))
