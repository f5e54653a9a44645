"""Keeps what a training has finished in a folder, so that an interrupted training resumes."""

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfrec.errors import ConfigError
from tfrec.features.shop import Shop
from tfrec.models.retrieval import RetrievalModel
from tfrec.publish import replacing
from tfrec.training.config import TrainingConfig


def claim(work: Path, shop: Shop, config: TrainingConfig) -> None:
    """Makes `work` the folder of this shop and config; what another training left there is deleted.

    Raises:
        ConfigError: the folder holds files that no training wrote.
    """
    identity = json.dumps([shop.prepared.manifest.fingerprint, dataclasses.asdict(config)], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()
    mark = work / "identity"
    if work.exists() and not mark.exists() and any(work.iterdir()):
        raise ConfigError(
            f"{work} is not a work folder of training, so it is not emptied. Name a new or an empty folder."
        )
    if mark.exists() and mark.read_text() != digest:
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest)


def keep_weights(model: RetrievalModel, work: Path) -> None:
    """Saves the present weights; those of an earlier run stay, since its model may have been trained further."""
    path = _weights(work)
    if not path.exists():
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, *model.get_weights())


@contextlib.contextmanager
def weights_kept(model: RetrievalModel, work: Path) -> Iterator[None]:
    """Sets the model to the saved weights within a `with` block."""
    present = model.get_weights()
    with np.load(_weights(work)) as stored:
        model.set_weights([stored[name] for name in stored.files])
    try:
        yield
    finally:
        model.set_weights(present)


def _weights(work: Path) -> Path:
    return work / "weights-before-last-block.npz"
