"""`CircuitBreaker`: stops asking a servable that gave no answer in time several times in a row, for a while."""

import dataclasses
import threading

from tfrec.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Breaker:
    """When a servable is no longer asked, so that not every page waits for a server that hangs.

    Where there is no connection at all, gRPC itself fails at once, and knows when the server is back.

    Attributes:
        failures: calls in a row without an answer before the deadline after which it is not asked.
        seconds: time until a single call tries it again; its answer lets all others through.

    Raises:
        ConfigError: a value is not above 0.
    """

    failures: int = 5
    seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.failures < 1 or not self.seconds > 0:
            raise ConfigError(
                f"`Breaker` takes at least 1 failure and more than 0 seconds; got {self.failures} and {self.seconds}."
            )


class CircuitBreaker:
    """Counts failures of each servable; any number of threads may share it.

    Args:
        rule: when a servable is no longer asked; None = it always is.
    """

    def __init__(self, rule: Breaker | None) -> None:
        self._rule = rule
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._shut_until: dict[str, float] = {}

    def seconds_shut(self, servable: str, *, now: float) -> float:
        """Returns for how long a servable must not be asked; 0 = ask. Of those that ask in time, one is let through.

        Args:
            servable: its name.
            now: monotonic time in seconds.
        """
        if self._rule is None or self._failures.get(servable, 0) < self._rule.failures:
            return 0.0
        with self._lock:
            until = self._shut_until.get(servable, now)
            if now < until:
                return until - now
            self._shut_until[servable] = now + self._rule.seconds  # this call is the trial; others wait for it
            return 0.0

    def note(self, servable: str, *, is_failure: bool, now: float) -> None:
        """Counts how a call ended."""
        if self._rule is None:
            return
        if not is_failure:
            if servable in self._failures:
                with self._lock:
                    self._failures.pop(servable, None)
                    self._shut_until.pop(servable, None)
            return
        with self._lock:
            self._failures[servable] = self._failures.get(servable, 0) + 1
            if self._failures[servable] >= self._rule.failures:
                self._shut_until[servable] = now + self._rule.seconds
