"""Reads the policies of a generated shop whose true value is known, to hold estimates against."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.experiments.logged_slates import LoggedSlates


@dataclasses.dataclass(frozen=True)
class KnownPolicy:
    """A policy and what it is really worth.

    Attributes:
        scores: `[n, A]` scores of the items for each logged slate.
        value: mean reward of a slate.
    """

    scores: np.ndarray
    value: float


def known_policies(log: LoggedSlates, path: Path | None) -> dict[str, KnownPolicy]:
    """Returns the policies by name, `known: ` before it; none where the file is missing or of other items.

    Args:
        log: the logged slates.
        path: `policies.json` of the shop's truth, where there is one.
    """
    if path is None or not path.is_file():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    if set(stored["items"]) != set(log.item_ids):
        return {}
    contexts = pd.DataFrame(stored["contexts"])
    keys = [name for name in log.contexts.columns if name in contexts.columns]
    places = pd.Series(range(len(contexts)), index=pd.MultiIndex.from_frame(contexts[keys].astype("str")))
    rows = places.reindex(pd.MultiIndex.from_frame(log.contexts[keys])).to_numpy()
    order = [stored["items"].index(item) for item in log.item_ids]
    return {
        f"known: {name}": KnownPolicy(np.array(own["scores"])[rows][:, order], float(own["value"]))
        for name, own in stored["policies"].items()
        if name != "logging"
    }
