"""Keeps the slates of each setting that was tried, so that an interrupted comparison goes on after them.

A file is called `MODELS-REQUESTS.npz`, digests of what answered and of what was asked; it appears by one rename.
"""

import dataclasses
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.models_folder import MANIFEST, TRAINED, digest_of_code
from tfrec.publish import replacing
from tfrec.schema.slate import Slate

_PROBABILITIES = "probabilities"


@dataclasses.dataclass(frozen=True)
class KeptSlates:
    """Slates that were computed, in a folder of their own.

    Attributes:
        folder: where they lie; made with the first of them.
        models: digest of what answers: other models, or other code, answer otherwise.
    """

    folder: Path
    models: str

    @classmethod
    def beside(cls, out: Path, *, models: Path) -> "KeptSlates":
        """Returns the slates that are kept until `out` is written, hidden beside it; those of other models there go.

        Args:
            out: file that the comparison leads to.
            models: folder that `train_shop` wrote.
        """
        manifest = (models / TRAINED / MANIFEST).read_bytes()
        kept = cls(out.parent / f".{out.name}.kept", _digest(manifest, digest_of_code().encode()))
        if kept.folder.is_dir():
            for path in kept.folder.glob("*.npz"):
                if not path.name.startswith(f"{kept.models}-"):
                    path.unlink(missing_ok=True)
        return kept

    def slates(self, signature: str, queries: pd.DataFrame, k: int, compute: Callable[[], Slate]) -> Slate:
        """Returns the slates of queries: those that are kept, else those that `compute` gives, which are kept then.

        Args:
            signature: which signature is asked.
            queries: ids and all inputs, those of the setting among them.
            k: items wanted.
            compute: asks; the slates have `probabilities`.
        """
        asked = json.dumps([signature, k, queries.to_json(orient="split", double_precision=15)])
        place = self.folder / f"{self.models}-{_digest(asked.encode())}.npz"
        slate = _read(place)
        if slate is None:
            slate = compute()
            with replacing(place) as work, work.open("wb") as file:
                np.savez(
                    file,
                    item_ids=np.asarray(slate.item_ids, str),
                    scores=slate.scores,
                    probabilities=slate.extras[_PROBABILITIES],
                )
        return slate

    def clear(self) -> None:
        """Removes all of them, once the comparison is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(place: Path) -> Slate | None:
    """Returns the slates that are kept at a place; None where there are none, or the file is damaged."""
    try:
        with np.load(place, allow_pickle=False) as kept:
            return Slate(kept["item_ids"].astype(object), kept["scores"], {_PROBABILITIES: kept[_PROBABILITIES]})
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]
