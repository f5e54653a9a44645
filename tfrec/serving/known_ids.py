"""`KnownIds`: which ids of a request a version of a servable knows, for counting those that it does not.

The export writes CRC-32 values of its vocabularies, 4 bytes an id. Two ids may share one: of ids that are unknown to a
vocabulary of a million, one in 4,000 passes for known, which is good enough for counting.
"""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path("assets.extra") / "known_ids.npz"
VOCABULARY_OF: Mapping[str, str] = {
    "user_id": "users",
    "item_id": "items",
    "history_item_ids": "items",
    "recent_item_ids": "items",
    "cart_item_ids": "items",
    "exclude_item_ids": "items",
    "candidate_item_ids": "items",
    "include_categories": "categories",
    "include_attributes": "attributes",
    "exclude_attributes": "attributes",
}
"""Input → the vocabulary that its ids are looked up in."""


class KnownIds:
    """The ids that a version knows.

    Args:
        checksums: vocabulary → its CRC-32 values, ascending.
    """

    def __init__(self, checksums: Mapping[str, np.ndarray]) -> None:
        self._checksums = checksums

    def count(self, inputs: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
        """Returns input → number of ids and of those unknown, of the inputs (`TensorProto`s) that hold ids."""
        counts = {}
        for alias, vocabulary in VOCABULARY_OF.items():
            if alias in inputs and vocabulary in self._checksums:
                asked = _checksums(filter(None, inputs[alias].string_val))
                if not len(asked):
                    counts[alias] = (0, 0)
                    continue
                known = self._checksums[vocabulary]
                places = np.minimum(np.searchsorted(known, asked), max(len(known) - 1, 0))
                is_known = known[places] == asked if len(known) else np.zeros(len(asked), bool)
                counts[alias] = (len(asked), int((~is_known).sum()))
        return counts


def write_known_ids(version_dir: Path, vocabularies: Mapping[str, Iterable[str]]) -> None:
    """Writes what `read_known_ids` reads; vocabularies are `users`, `items`, `categories` and `attributes`."""
    checksums: dict[str, Any] = {
        name: np.unique(_checksums(token.encode("utf-8", "surrogateescape") for token in tokens))
        for name, tokens in vocabularies.items()
    }
    np.savez(version_dir / FILE, **checksums)


def read_known_ids(version_dir: Path) -> KnownIds:
    """Returns the ids that a version knows; without vocabularies where its export did not write them."""
    try:
        with np.load(version_dir / FILE) as file:
            return KnownIds({name: file[name] for name in file.files})
    except (OSError, ValueError):
        return KnownIds({})


def _checksums(ids: Iterable[bytes]) -> np.ndarray:
    return np.fromiter(map(zlib.crc32, ids), np.uint32)
