"""Reads of the facts which items fit which: the relation `fits`, which forbids what does not."""

import dataclasses

import numpy as np
import pandas as pd

RELATION = "fits"
"""Relation of the facts that is read: case – fits – phone."""


@dataclasses.dataclass(frozen=True)
class Fits:
    """What items fit, by codes. `N` items, row 0 = none.

    Two items of which one takes part as a head fit one another if they share a code; all others do.

    Attributes:
        codes: `[N + 1, F]` int32 what the item fits, and, where something fits it, the item itself; 0 behind the end.
        is_head: `[N + 1]` bool: the item fits something, so that it does not go with everything.
    """

    codes: np.ndarray
    is_head: np.ndarray

    @property
    def num_codes(self) -> int:
        """Number of codes, with 0; 1 = no item takes part."""
        return int(self.codes.max(initial=0)) + 1


def fits_of_facts(facts: pd.DataFrame, item_ids: np.ndarray) -> Fits:
    """Returns what the items fit by a table of `FACT_COLUMNS`; other relations and heads that are no item are ignored.

    A tail is an item, or a word for what items fit in common: two heads with the same word fit one another.

    Args:
        facts: the facts.
        item_ids: `[N]` the catalogue.
    """
    items = pd.Index(item_ids, dtype=object)
    facts = facts[(facts["relation"] == RELATION) & facts["head"].isin(items)]
    row = items.get_indexer(facts["head"].astype(object)) + 1
    code, names = pd.factorize(facts["tail"].astype(object))
    code += 1
    itself = items.get_indexer(names) + 1
    own = np.concatenate([row, itself[itself > 0]]).astype(np.int64)
    codes = np.concatenate([code, np.flatnonzero(itself > 0) + 1]).astype(np.int32)
    pairs = np.unique(np.stack([own, codes], axis=1), axis=0)
    place = np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0])
    table = np.zeros((len(items) + 1, int(place.max(initial=-1)) + 1), np.int32)
    table[pairs[:, 0], place] = pairs[:, 1]
    is_head = np.zeros(len(items) + 1, bool)
    is_head[row] = True
    return Fits(table, is_head)
