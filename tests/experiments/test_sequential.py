import numpy as np
import pytest

from tfrec.errors import SchemaError
from tfrec.experiments.sequential import always_valid, null_paths, peeking_rates, read_sequentially


def _checkpoints(effect: float, looks: int, per_look: int, seed: int):
    rng = np.random.default_rng(seed)
    control = rng.exponential(1.0, looks * per_look)
    treatment = rng.exponential(1.0, looks * per_look) + effect
    n = np.arange(1, looks + 1) * per_look
    mean = [np.cumsum(x)[n - 1] / n for x in (control, treatment)]
    variance = [np.cumsum(x**2)[n - 1] / n - m**2 for x, m in zip((control, treatment), mean, strict=True)]
    return n, mean[0], variance[0], n, mean[1], variance[1]


def test_peeking_errs_often_and_the_always_valid_interval_keeps_its_promise():
    results = [read_sequentially(*_checkpoints(0.0, 40, 200, seed)) for seed in range(400)]
    naive = np.mean([r.naive_at >= 0 for r in results])
    assert naive > 0.2
    assert np.mean([r.verdict != "undecided" for r in results]) <= 0.05


def test_interval_covers_the_true_effect_at_all_looks_at_once():
    results = [read_sequentially(*_checkpoints(0.1, 30, 200, seed)) for seed in range(300)]
    assert np.mean([((r.low <= 0.1) & (r.high >= 0.1)).all() for r in results]) >= 0.95


def test_large_effect_is_found_early_and_named_by_direction():
    better = read_sequentially(*_checkpoints(0.5, 40, 200, 1))
    assert better.verdict == "better"
    assert better.decided_at < 10
    worse = read_sequentially(*_checkpoints(-0.5, 40, 200, 1))
    assert worse.verdict == "worse"


def test_price_of_peeking_is_a_wider_interval_and_p_values_never_rise():
    result = read_sequentially(*_checkpoints(0.05, 40, 200, 3), planned_n=8000)
    assert ((result.high - result.low) > (result.fixed_high - result.fixed_low)).all()
    assert (result.high - result.low)[19] < 1.8 * (result.fixed_high - result.fixed_low)[19]
    assert (np.diff(result.p_values) <= 0).all()


def test_null_paths_have_the_errors_of_the_checkpoints():
    errors = np.array([0.4, 0.2, 0.1, 0.05])
    paths = null_paths(errors, replays=20_000)
    assert paths.std(axis=0) == pytest.approx(errors, rel=0.03)
    # The estimate at a later look contains the earlier one: correlation sqrt(V_late / V_early).
    assert np.corrcoef(paths[:, 0], paths[:, 1])[0, 1] == pytest.approx(0.5, abs=0.03)
    rates = peeking_rates(paths, errors, tightest_error=0.1)
    assert rates.sequential <= 0.05 < rates.naive
    assert rates.single_look == pytest.approx(0.05, abs=0.01)


def test_wrong_planning_costs_width_but_not_truth():
    errors = 1 / np.sqrt(np.arange(1, 101))
    for planned in (0.01, 0.1, 3.0):
        assert peeking_rates(null_paths(errors, replays=5000), errors, tightest_error=planned).sequential <= 0.05


def test_nested_interval_never_widens():
    rng = np.random.default_rng(0)
    errors = 1 / np.sqrt(np.arange(1, 51))
    result = always_valid(rng.normal(0, errors), errors, tightest_error=0.3, is_nested=True)
    assert (np.diff(result.low) >= 0).all()
    assert (np.diff(result.high) <= 0).all()


def test_errors_name_the_cause():
    n = np.array([100.0, 50.0])
    with pytest.raises(SchemaError, match="never fall"):
        read_sequentially(n, n, n, n, n, n)
    with pytest.raises(SchemaError, match="missing"):
        read_sequentially(*[np.array([np.nan])] * 6)


def test_growing_values_are_replayed_through_their_totals():
    n = np.array([100.0, 200.0, 400.0])
    errors = np.sqrt(np.array([1.0, 4.0, 16.0]) / n)  # the variance of a user's value grows fourfold each time
    paths = null_paths(errors, n=n, replays=20_000)
    assert paths.std(axis=0) == pytest.approx(errors, rel=0.03)
    # Totals at the first and second look share 100·1 of 200·4: correlation sqrt(1/8).
    assert np.corrcoef(paths[:, 0], paths[:, 1])[0, 1] == pytest.approx(np.sqrt(1 / 8), abs=0.03)
