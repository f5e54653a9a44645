"""Measures two loaded versions on the same requests, asked in turn on the same machine."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfrec.release.certificate import CertifiedQuery
from tfrec.release.typical import as_batch
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.servable import Servable


class Latency(NamedTuple):
    """Median milliseconds of a request."""

    first: float
    second: float

    @property
    def ratio(self) -> float:
        """How many times as long the first takes."""
        return self.first / max(self.second, 1e-9)


def measure_side_by_side(
    first: Servable, second: Servable, queries: Sequence[CertifiedQuery], *, rounds: int = 8
) -> Latency:
    """Returns the median time of a request to each, the two asked alternately: what else runs slows both.

    Args:
        first: asked first in even rounds.
        second: asked first in odd rounds.
        queries: queries of signatures that both have; each is asked once a round.
        rounds: after one that does not count, in which graphs are set up.
    """
    requests = [(query.signature, as_batch(SIGNATURES[query.signature], [query.arguments])) for query in queries]
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for signature, inputs in requests:
            order = (0, 1) if number % 2 else (1, 0)
            for which in order:
                began = time.perf_counter()
                (first, second)[which].call(signature, inputs)
                if number:
                    spent[which].append(1e3 * (time.perf_counter() - began))
    return Latency(float(np.median(spent[0])), float(np.median(spent[1])))
