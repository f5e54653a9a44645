"""Compares a funnel trained up to a moment with the baseline of the same moment on what followed."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tfrec.baselines.registry import default_method
from tfrec.errors import SchemaError
from tfrec.evaluation.evaluate import by_slates
from tfrec.ingest.prepared import Prepared
from tfrec.release.comparison import (
    SignatureComparison,
    by_baseline,
    compare_methods,
    held_out_questions,
    to_json,
)
from tfrec.release.served_ranker import served_ranker

logger = logging.getLogger(__name__)

_MAX_QUERIES, _SEEDS = 500, (0, 1)


class FallbackCheck(NamedTuple):
    """Outcome of `check_against_fallback`.

    Attributes:
        comparisons: one for each signature that the log has cases for, the funnel first.
        method: method of the fall-back.
        since: beginning of the period that was asked, ISO.
    """

    comparisons: tuple[SignatureComparison, ...]
    method: str
    since: str

    @property
    def worse(self) -> list[SignatureComparison]:
        """The signatures in which the fall-back answers better."""
        return [comparison for comparison in self.comparisons if comparison.is_worse()]

    def to_json(self) -> str:
        """Returns what is kept in the version's `assets.extra`."""
        return to_json(self.comparisons, method=self.method, since=self.since)


def check_against_fallback(
    prepared: Prepared, answer: Callable[[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]], *, since: pd.Timestamp
) -> FallbackCheck | None:
    """Compares a funnel with the baseline that `tfrec baseline` would have published, and logs the result.

    Args:
        prepared: the shop; its test period is not read.
        answer: answer function of a funnel that knows nothing from `since` on: signature and inputs → outputs,
            arrays `[B, ...]`.
        since: beginning of the last block of the training period.

    Returns:
        None where the log has nothing to ask, or nothing that a baseline learns from.
    """
    before, after = prepared.train.until(since), prepared.train.since(since)
    questions = held_out_questions(before, after, max_queries=_MAX_QUERIES, seeds=_SEEDS)
    method = default_method(before)
    try:
        baseline = by_baseline(before, method)
    except SchemaError as error:
        logger.info("The funnel is not compared with a fall-back: %s", error)
        return None
    if not questions:
        return None
    funnel = by_slates(served_ranker(_OneByOne(answer)))
    check = FallbackCheck(tuple(compare_methods(funnel, baseline, questions)), method, since.isoformat())
    for comparison in check.comparisons:
        logger.log(
            logging.WARNING if comparison.is_worse() else logging.INFO,
            "Last block of training, %s%s",
            comparison.sentence("funnel", method),
            ": the fall-back answers better" if comparison.is_worse() else "",
        )
    if check.worse:
        logger.warning(
            "Publish the fall-back (tfrec baseline), and let `tfrec gate MODELS --label stable` decide what is served."
        )
    return check


class _OneByOne:
    """Graphs of this process as what `served_ranker` asks, one call at a time."""

    def __init__(self, answer: Callable[[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
        self._answer, self._lock = answer, threading.Lock()

    def call(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns outputs `[B, k]`."""
        with self._lock:
            return self._answer(signature, inputs)
