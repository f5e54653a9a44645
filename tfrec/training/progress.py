"""Shows epochs and queries on a progress bar, and reports losses to a listener."""

import contextlib
import contextvars
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import tensorflow as tf
from tqdm import tqdm

Listener: TypeAlias = Callable[[str, int, float], None]
"""Called with what was trained, the epoch from 0, and its mean loss."""

_SECONDS_BETWEEN_LINES = 60.0
_PLURALS = {"epoch": "epochs", "query": "queries"}

_LISTENER: contextvars.ContextVar[Listener | None] = contextvars.ContextVar("losses_to", default=None)


@contextlib.contextmanager
def losses_to(listener: Listener) -> Iterator[None]:
    """Reports the loss of every epoch that is trained in the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


class ProgressBar(tqdm):
    """A bar on a terminal; elsewhere, as in the log of a job, a line a minute and one at the end.

    Args:
        is_shown: whether anything is shown at all; the others are those of `tqdm`.
    """

    def __init__(self, *, is_shown: bool, desc: str, **options: Any) -> None:
        super().__init__(disable=None if is_shown else True, desc=desc, **options)
        self._said_at = self._began_at = time.monotonic()
        self._writes_lines = is_shown and bool(self.disable)
        self._size, self._unit, self._text = options["total"], options["unit"], ""
        if self.disable:  # a hidden bar drops these
            self.desc, self.n = desc, options.get("initial", 0)

    def update(self, n: float | None = 1) -> bool | None:
        """Moves the bar; where there is none, writes a line if the last one is a minute ago."""
        if not self.disable:
            moved: bool | None = super().update(n)
            return moved
        self.n += n or 0
        if time.monotonic() - self._said_at >= _SECONDS_BETWEEN_LINES:
            self._write_line()
        return None

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Sets what stands behind the numbers."""
        self._text = s
        if not self.disable:
            super().set_postfix_str(s, refresh)

    def close(self) -> None:
        """Ends the bar; where there is none, writes the last line."""
        if self._writes_lines and self.n:
            self._write_line()
            self._writes_lines = False
        super().close()

    def _write_line(self) -> None:
        if not self._writes_lines:
            return
        self._said_at = time.monotonic()
        took, text = self._said_at - self._began_at, f", {self._text}" if self._text else ""
        line = f"{self.desc.strip()}: {self.n:,} of {self._size:,} {_PLURALS[self._unit]} after {took:.0f} s{text}"
        print(line, file=sys.stderr, flush=True)


def progress_bar(label: str, total: int, show: bool, *, initial: int = 0, unit: str = "epoch") -> ProgressBar:
    """Returns a bar of `total` units, hidden unless `show`; lines of text where standard error is no terminal."""
    return ProgressBar(is_shown=show, desc=f"{label:<28}", total=total, unit=unit, initial=initial, leave=True)


class Tick(tf.keras.callbacks.Callback):
    """Moves a progress bar by one an epoch and shows the loss."""

    def __init__(self, bar: ProgressBar) -> None:
        super().__init__()
        self._bar = bar

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the bar and notifies the listener."""
        loss = float((logs or {}).get("loss", float("nan")))
        self._bar.set_postfix_str(f"loss {loss:.3f}")
        self._bar.update(1)
        if (listener := _LISTENER.get()) is not None:
            listener(self._bar.desc, epoch, loss)
