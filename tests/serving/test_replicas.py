"""The simulator of replicas against queues whose waits are known."""

import numpy as np
import pytest

from tests.benchmarks.replicas import simulate

MEAN = 0.01


def mean_of(service: np.ndarray, **settings: float) -> float:
    return float(simulate(service, **{"cores": 1, "replicas": 1, "num_requests": 200_000, **settings}).mean())


@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_random_times_wait_as_in_an_m_m_1_queue(busy: float):
    service = np.random.default_rng(1).exponential(MEAN, 100_000)
    assert mean_of(service, rate=busy / MEAN) == pytest.approx(MEAN / (1 - busy), rel=0.05)


def test_equal_times_wait_half_as_long():
    """M/D/1: ρ / (2 μ (1 − ρ)) before the service."""
    assert mean_of(np.array([MEAN]), rate=0.5 / MEAN) == pytest.approx(MEAN * 1.5, rel=0.03)


def test_replicas_share_the_requests_at_random():
    service = np.random.default_rng(1).exponential(MEAN, 100_000)
    assert mean_of(service, rate=4 * 0.7 / MEAN, replicas=4) == pytest.approx(MEAN / 0.3, rel=0.05)


def test_two_cores_of_one_replica_wait_less_than_two_replicas():
    service = np.random.default_rng(1).exponential(MEAN, 100_000)
    together = mean_of(service, rate=1.4 / MEAN, cores=2)
    assert together == pytest.approx(MEAN / (1 - 0.7**2), rel=0.05)  # M/M/2
    assert together < mean_of(service, rate=1.4 / MEAN, replicas=2)


def test_a_request_waits_for_the_slowest_shard():
    service = np.random.default_rng(1).exponential(MEAN, 100_000)
    assert mean_of(service, rate=0.01 / MEAN, shards=3) == pytest.approx(MEAN * (1 + 1 / 2 + 1 / 3), rel=0.05)
