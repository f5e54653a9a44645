"""Limits how much one address may send."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MANY = 100_000  # addresses that are remembered


class RateLimit:
    """A token bucket for each address: `burst` at once, then `per_second`.

    Args:
        per_second: requests a second.
        burst: requests at once.
        clock: seconds that never go back.
    """

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_for(self, address: str) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        now = self._clock()
        left, since = self._buckets.pop(address, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._per_second)
        is_allowed = left >= 1
        self._buckets[address] = (left - is_allowed, now)
        if len(self._buckets) > _MANY:
            self._buckets.popitem(last=False)
        return 0.0 if is_allowed else (1 - left) / self._per_second
