"""Epochs and queries → a progress bar."""

import tensorflow as tf
from tqdm import tqdm


def progress_bar(label: str, total: int, show: bool, *, initial: int = 0, unit: str = "epoch") -> tqdm:
    """Returns a bar of `total` units, hidden unless `show`."""
    return tqdm(total=total, desc=f"{label:<28}", unit=unit, disable=not show, initial=initial, leave=True)


class Tick(tf.keras.callbacks.Callback):
    """Moves a progress bar by one an epoch and shows the loss."""

    def __init__(self, bar: tqdm) -> None:
        super().__init__()
        self._bar = bar

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the bar."""
        self._bar.set_postfix_str(f"loss {float((logs or {}).get('loss', float('nan'))):.3f}")
        self._bar.update(1)
