"""Trains a small world as one of the workers that `TF_CONFIG` names, or alone: `one_worker.py WORK OUT`.

OUT gets the loss of each step and, of the first worker, the weights of the towers.
"""

import dataclasses
import sys
from pathlib import Path

from tfrec.training.workers import workers_of_environment

WORKERS = workers_of_environment()  # before TensorFlow computes anything

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tests.training.small import SMALL  # noqa: E402
from tests.worlds import checkerboard  # noqa: E402
from tfrec.training import train  # noqa: E402
from tfrec.training.follow import follow  # noqa: E402

CONFIG = dataclasses.replace(SMALL, retrieval_epochs=3, ranking_epochs=2, num_blocks=1, ranking_queries=60)


class _Losses(tf.keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        self.found.append(float(logs["loss"]))


def main(work: Path, out: Path) -> None:
    """Trains, with the losses of every `fit` noted."""
    losses, fit = _Losses(), tf.keras.Model.fit

    def noted(model: tf.keras.Model, *args: object, callbacks: list[object], **options: object) -> object:
        return fit(model, *args, callbacks=[*callbacks, losses], **options)

    tf.keras.Model.fit = noted
    shop, _ = checkerboard(num_items=12)
    weights: list[np.ndarray] = []
    if WORKERS.is_first:
        weights = train(shop, CONFIG, work=work, show_progress=False, workers=WORKERS).retrieval.get_weights()
    else:
        follow(shop, CONFIG, work=work, workers=WORKERS)
    np.savez(out, losses=np.array(losses.found), **{f"weights_{at}": one for at, one in enumerate(weights)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
