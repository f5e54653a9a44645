"""A folder for what a training has finished, so that an interrupted one goes on."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

from tfrec.errors import ConfigError
from tfrec.features.shop import Shop
from tfrec.training.config import TrainingConfig


def claim(work: Path, shop: Shop, config: TrainingConfig) -> None:
    """Makes `work` the folder of this shop and config; what another left there goes.

    Raises:
        ConfigError: the folder holds something that no training wrote.
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
