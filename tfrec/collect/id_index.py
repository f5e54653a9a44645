"""Finds out which event ids are known, at 16 bytes an id."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

_RECENT = 100_000
_WIDTH = 16  # bytes of a digest: no two of 10^9 ids meet


def digest_of(event_id: str) -> bytes:
    """Returns the digest under which an id is known."""
    return hashlib.blake2b(event_id.encode(), digest_size=_WIDTH).digest()


class IdIndex:
    """The digests of ids, in sorted arrays of doubling size, and the recent ones in a set."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []
        self._recent: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._recent) + sum(map(len, self._runs))

    def unknown(self, digests: Sequence[bytes]) -> list[bool]:
        """Returns which digests are not in the index; of equal ones only the first."""
        seen: set[bytes] = set()
        recent = self._recent
        fresh = []
        for digest in digests:
            fresh.append(digest not in recent and digest not in seen)
            seen.add(digest)
        if self._runs and any(fresh):
            asked = np.array(digests, dtype=f"S{_WIDTH}")
            for run in self._runs:
                at = np.minimum(np.searchsorted(run, asked), len(run) - 1)
                for place in np.flatnonzero(run[at] == asked):
                    fresh[place] = False
        return fresh

    def add(self, digests: Iterable[bytes]) -> None:
        """Adds digests that are not in the index."""
        self._recent.update(digests)
        if len(self._recent) >= _RECENT:
            self.add_run(sorted_digests(self._recent))
            self._recent = set()

    def add_run(self, run: np.ndarray) -> None:
        """Adds a sorted `[n]` array; arrays of like size are merged, so that there are few."""
        if len(run):
            self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")
            self._runs.append(merged)


def sorted_digests(digests: Iterable[bytes]) -> np.ndarray:
    """Returns `[n]` digests, sorted."""
    return np.sort(np.array(list(digests), dtype=f"S{_WIDTH}"))


def read_digests(content: bytes) -> np.ndarray:
    """Returns the `[n]` array that `tobytes` of a sorted array gave."""
    return np.frombuffer(content, dtype=f"S{_WIDTH}")
