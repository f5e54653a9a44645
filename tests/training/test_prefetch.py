import threading
import time

import pytest

from tfrec.training.prefetch import background_thread, prefetched


def test_the_next_call_is_under_way_while_a_result_is_used_and_no_further_one():
    begun = [threading.Event() for _ in range(3)]

    def call(number):
        begun[number].set()
        return number

    with background_thread() as pool:
        results = prefetched(pool, [lambda number=number: call(number) for number in range(3)])
        assert begun[0].wait(10)  # before a result is asked for
        assert not begun[1].is_set()
        assert next(results) == 0
        assert begun[1].wait(10)
        assert not begun[2].is_set()
        assert list(results) == [1, 2]
    with background_thread() as pool:
        assert list(prefetched(pool, [])) == []


def test_an_error_reaches_who_asks():
    def fail():
        raise ValueError("no tables")

    with background_thread() as pool, pytest.raises(ValueError, match="no tables"):
        next(prefetched(pool, [fail, fail]))


def test_who_leaves_early_waits_for_nothing():
    go_on = threading.Event()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), background_thread() as pool:
        prefetched(pool, [go_on.wait, go_on.wait])
        raise KeyboardInterrupt
    assert not go_on.is_set()
    assert time.monotonic() - began < 10
    go_on.set()
