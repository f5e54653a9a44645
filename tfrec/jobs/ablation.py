"""Measures what pictures and the LSTM add: trains the funnel once more without each and evaluates both."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.client.queries import build_inputs
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import rank_in_slate
from tfrec.evaluation.protocol import cold_item_cases
from tfrec.evaluation.report import EvaluationReport
from tfrec.evaluation.sections import Method, list_section
from tfrec.evaluation.sessions import next_item_cases
from tfrec.ingest.prepared import Prepared, read_prepared
from tfrec.models_folder import prepared_of, read_models_manifest
from tfrec.release.served_ranker import served_ranker
from tfrec.schema.signatures import SIGNATURES
from tfrec.schema.slate import Slate
from tfrec.schema.tables import sold_items
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.training.settings_file import config_from
from tfrec.workflow import SERVED_NAME, train_shop

if TYPE_CHECKING:
    from tfrec.models.retrieval import RetrievalConfig

logger = logging.getLogger(__name__)

SHORT_HISTORY = 10
"""Events in training up to which a user's history is short."""
_FOLDER = ".ablations"
_BATCH = 256


@dataclasses.dataclass(frozen=True)
class _Study:
    """A part of the retrieval model that is left out, and the cases in which it should be missed."""

    name: str
    without: Callable[["RetrievalConfig"], "RetrievalConfig"]
    cases: Cases
    title: str
    note: str
    k: int
    servable: str
    ask: Callable[[Servable], Method]


def ablate(
    models: Path,
    report: EvaluationReport,
    *,
    prepared: Path | None = None,
    max_queries: int = 5_000,
    show_progress: bool = True,
) -> EvaluationReport:
    """Returns the report with what pictures and the LSTM add.

    Pictures are judged by items never sold in training: which of them completes a cart is asked of `rank`, with all
    of them as candidates, as a page of new arrivals would. The LSTM is judged by the next item of shoppers with
    short histories, by `recommend` over the whole catalogue. Trained variants are kept and reused.

    Args:
        models: folder that `train_shop` wrote.
        report: report of `evaluate_models`.
        prepared: the shop; None = where it lay when the models were trained.
        max_queries: session queries at most.
        show_progress: progress bars.
    """
    place = prepared or prepared_of(models)
    shop = read_prepared(place)
    config = config_from(read_models_manifest(models).config)
    sections = []
    for study in (_of_pictures(shop), _of_the_lstm(shop, max_queries, show_progress)):
        if not len(study.cases):
            logger.warning("%s: the test period has no such cases.", study.title)
            continue
        variant = dataclasses.replace(config, retrieval=study.without(config.retrieval))
        folder = models / _FOLDER / study.name.replace(" ", "_")
        train_shop(place, folder, variant, show_progress=show_progress)
        with (
            Servable.load(newest_version(models, study.servable)) as whole,
            Servable.load(newest_version(folder, study.servable)) as reduced,
        ):
            methods = {study.name: (study.ask(reduced), True), SERVED_NAME: (study.ask(whole), False)}
            sections.append(list_section(study.cases, methods, title=study.title, note=study.note, k=study.k))
    return dataclasses.replace(report, sections=(*report.sections, *sections))


def unsold_cases(shop: Prepared) -> tuple[Cases, np.ndarray]:
    """Returns the carts in which an item never sold in training is hidden, ranked among such; and `[n]` ids."""
    cases = cold_item_cases(shop.train, shop.test, seed=0)
    unsold = ~np.isin(cases.item_ids, sold_items(shop.train))
    only_unsold = scipy.sparse.csr_matrix(np.broadcast_to(unsold, (len(cases), len(unsold))).astype(np.float32))
    return dataclasses.replace(cases, candidates=only_unsold), np.asarray(cases.item_ids[unsold], dtype=object)


def rank_all(servable: Servable, cases: Cases, item_ids: np.ndarray) -> Slate:
    """Returns all of `[n]` `item_ids` in the order of the signature `rank`, for each case's user and cart."""
    queries: pd.DataFrame = cases.to_queries()
    rows, scores = [], []
    for start in range(0, len(queries), _BATCH):
        part = queries.iloc[start : start + _BATCH]
        arguments = {name: part[name].tolist() for name in ("user_id", "cart_item_ids") if name in part}
        inputs, _ = build_inputs(SIGNATURES["rank"], arguments)
        inputs["candidate_item_ids"] = item_ids[None, :]
        score = servable.call("rank", inputs, output_filter=("scores",))["scores"]
        order = np.argsort(-score, axis=1, kind="stable")
        rows.append(item_ids[order])
        scores.append(np.take_along_axis(score, order, axis=1))
    return Slate(np.concatenate(rows), np.concatenate(scores))


def _of_pictures(shop: Prepared) -> _Study:
    cases, ids = unsold_cases(shop)
    return _Study(
        name="without pictures",
        without=lambda config: dataclasses.replace(config, use_images=False),
        cases=cases,
        title="What pictures add: items never sold before",
        note=f"{len(cases):,} carts, {len(ids):,} items never sold in training are ranked; trained alike.",
        k=10,
        servable="ranking",
        ask=lambda servable: lambda cases, k: rank_in_slate(rank_all(servable, cases, ids), cases),
    )


def _of_the_lstm(shop: Prepared, max_queries: int, show_progress: bool) -> _Study:
    cases = _short_history_cases(shop, max_queries)

    def ask(servable: Servable) -> Method:
        ranker = served_ranker(servable, show_progress=show_progress)
        return lambda cases, k: rank_in_slate(ranker(cases, k, cases.signature), cases)

    return _Study(
        name="without the LSTM",
        without=lambda config: dataclasses.replace(config, use_lstm=False),
        cases=cases,
        title="What the LSTM adds: the next item of shoppers with short histories",
        note=f"{len(cases):,} queries, ranked over {len(cases.item_ids):,} items; trained alike.",
        k=20,
        servable="shop",
        ask=ask,
    )


def _short_history_cases(shop: Prepared, max_queries: int) -> Cases:
    """Returns next-item cases of guests and of users with at most `SHORT_HISTORY` training events, sampled, seeded."""
    cases = next_item_cases(shop.train, shop.test)
    events = shop.train.events["user_id"].value_counts()
    num_events = events.reindex(cases.user_ids).fillna(0).to_numpy()
    rows = np.flatnonzero((num_events <= SHORT_HISTORY) | (cases.user_ids == ""))
    if len(rows) > max_queries:
        rows = np.sort(np.random.default_rng(0).choice(rows, max_queries, replace=False))
    return cases[rows]
