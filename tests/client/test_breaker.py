"""A servable that hangs is left alone for a while; then one call tries it."""

import pytest

from tfrec.client import Breaker
from tfrec.client.breaker import CircuitBreaker
from tfrec.errors import ConfigError


def test_failures_in_a_row_shut_and_the_answer_of_one_trial_opens():
    breaker = CircuitBreaker(Breaker(failures=2, seconds=3))
    breaker.note("shop", is_failure=True, now=0)
    breaker.note("shop", is_failure=False, now=1)
    breaker.note("shop", is_failure=True, now=2)
    assert breaker.seconds_shut("shop", now=2) == 0  # never two in a row
    breaker.note("shop", is_failure=True, now=3)
    assert breaker.seconds_shut("shop", now=4) == 2
    assert breaker.seconds_shut("fallback", now=4) == 0
    assert breaker.seconds_shut("shop", now=6) == 0  # the trial
    assert breaker.seconds_shut("shop", now=6) == 3  # another call meanwhile
    breaker.note("shop", is_failure=True, now=7)
    assert breaker.seconds_shut("shop", now=8) == 2
    assert breaker.seconds_shut("shop", now=10) == 0
    breaker.note("shop", is_failure=False, now=10)
    assert breaker.seconds_shut("shop", now=10) == 0


def test_without_a_rule_nothing_shuts():
    breaker = CircuitBreaker(None)
    for now in range(100):
        breaker.note("shop", is_failure=True, now=now)
    assert breaker.seconds_shut("shop", now=100) == 0


@pytest.mark.parametrize("rule", [{"failures": 0}, {"seconds": 0}, {"seconds": float("nan")}])
def test_a_rule_that_cannot_be_is_refused(rule):
    with pytest.raises(ConfigError, match="Breaker"):
        Breaker(**rule)
