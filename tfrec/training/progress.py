"""Shows epochs and queries on a progress bar, and reports losses to a listener."""

import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterator
from typing import TypeAlias

import tensorflow as tf
from tqdm import tqdm

logger = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[str, int, float], None]
"""Called with what was trained, the epoch from 0, and its mean loss."""

_LISTENER: contextvars.ContextVar[Listener | None] = contextvars.ContextVar("losses_to", default=None)


@contextlib.contextmanager
def losses_to(listener: Listener) -> Iterator[None]:
    """Reports the loss of every epoch that is trained in the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def progress_bar(label: str, total: int, show: bool, *, initial: int = 0, unit: str = "epoch") -> tqdm:
    """Returns a bar of `total` units, hidden unless `show`, and where standard error is no terminal."""
    bar = tqdm(total=total, unit=unit, disable=None if show else True, initial=initial, leave=True, desc=f"{label:<28}")
    bar.desc = f"{label:<28}"  # a hidden bar drops it
    return bar


class Tick(tf.keras.callbacks.Callback):
    """Moves a progress bar by one an epoch and shows the loss."""

    def __init__(self, bar: tqdm) -> None:
        super().__init__()
        self._bar = bar

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the bar and notifies the listener."""
        loss = float((logs or {}).get("loss", float("nan")))
        self._bar.set_postfix_str(f"loss {loss:.3f}")
        self._bar.update(1)
        if self._bar.disable:
            logger.info("%s: epoch %d, loss %.3f", self._bar.desc.strip(), epoch + 1, loss)
        if (listener := _LISTENER.get()) is not None:
            listener(self._bar.desc, epoch, loss)
