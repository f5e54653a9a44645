"""Makes ranking examples of past queries, with candidates and features as of the time of each query."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfrec.features.feature_tables import FeatureTables, compute_feature_tables
from tfrec.features.queries import HEADS, ExampleQueries, example_queries, heads_of
from tfrec.features.shop import Shop
from tfrec.models.query import Query
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.registry import FEATURES
from tfrec.models.sources.shortlist import Shortlist
from tfrec.pipelines.ranking_examples import RankingExamples
from tfrec.pipelines.stored_examples import StoredExamples, read_examples, store_examples
from tfrec.strategy.complements import of_other_categories, only_new
from tfrec.training.config import TrainingConfig
from tfrec.training.funnel import build_sources
from tfrec.training.prefetch import prefetched
from tfrec.training.progress import progress_bar
from tfrec.training.time_blocks import Stage, end_of_training, offered_items

_EXAMPLE_BATCH = 128
_ANY_QUERY = Query.Spec(
    user=tf.TensorSpec([None], tf.int32),
    recent_item=tf.TensorSpec([None, None], tf.int32),
    recent_type=tf.TensorSpec([None, None], tf.int32),
    recent_age=tf.TensorSpec([None, None], tf.float32),
    cart=tf.TensorSpec([None, None], tf.int32),
    is_discovery=tf.TensorSpec([None], tf.float32),
    outside_level=tf.TensorSpec([None], tf.int32),
    history=None,
    bought=None,
)
"""Traced once for batches of all shapes: a trace takes a second."""


def block_examples(
    work: Path,
    stage: Stage,
    shop: Shop,
    model: RetrievalModel,
    config: TrainingConfig,
    *,
    show: bool,
    tables: Iterator[FeatureTables],
    heads: tuple[str, ...] | None = None,
) -> StoredExamples:
    """Returns the ranking examples of a stage's block, from the work folder where an earlier run left them.

    Args:
        work: folder.
        stage: gives the block; the feature tables are those of its start.
        shop: gives events and catalogue.
        model: has not learned from any event of the block.
        config: settings.
        show: whether a progress bar is shown.
        tables: of `prefetched_tables`; gives those of the block's start, and is not asked where the examples are there.
        heads: heads of the ranking model; None = those that the log can train.
    """
    path = stored_examples(work, stage.number)
    heads = heads or heads_of(shop.train)
    if path.exists():
        return read_examples(path)
    queries = block_queries(stage, shop, config)
    with progress_bar(f"ranking examples, block {stage.number + 1}", len(queries), show, unit="query") as bar:
        bar.set_postfix_str("item weights first")
        sources = sources_at(shop, model, start_of(stage), config, feature_tables=next(tables))
        bar.set_postfix_str("")
        bar.unpause()  # queries a second, without the time for the weights
        parts = make_examples(sources, queries, heads, bar=bar)
        return store_examples(path, parts, heads=heads, num_features=len(FEATURES), seed=config.seed)


def prefetched_tables(
    pool: ThreadPoolExecutor, shop: Shop, stages: Sequence[Stage], config: TrainingConfig, *, work: Path
) -> Iterator[FeatureTables]:
    """Returns the feature tables that the stages need, computed in a background thread, then those of the end.

    Those of a block whose examples are stored are left out.

    Args:
        pool: of `background_thread`.
        shop: gives events.
        stages: of `training_stages` or `warm_stages`.
        config: settings.
        work: folder of the stored examples.
    """
    asked = [stage for stage in stages if stage.block and not stored_examples(work, stage.number).exists()]
    moments = [*map(start_of, asked), end_of_training(shop)]
    return prefetched(
        pool,
        [functools.partial(compute_feature_tables, shop.train, as_of=at, config=config.features) for at in moments],
    )


def block_queries(stage: Stage, shop: Shop, config: TrainingConfig) -> ExampleQueries:
    """Returns the example queries of a stage's block in random order, in which their lists are stored and read."""
    assert stage.block is not None
    start, stop = stage.block
    rng = np.random.default_rng((config.seed, stage.number))
    queries = example_queries(shop.train, since=start, until=stop, most=stage.most, rng=rng)
    return queries.take(rng.permutation(len(queries)))


def sources_at(
    shop: Shop,
    model: RetrievalModel,
    moment: float,
    config: TrainingConfig,
    *,
    feature_tables: FeatureTables | None = None,
) -> CandidateSources:
    """Returns the candidate sources as of a past moment (hours); `feature_tables` None = computed here."""
    feature_tables = feature_tables or compute_feature_tables(shop.train, as_of=moment, config=config.features)
    return build_sources(shop, model, feature_tables, offered_items(shop, moment), config.sources)


def start_of(stage: Stage) -> float:
    """Returns the start of a stage's block, hours."""
    assert stage.block is not None
    return stage.block[0]


def stored_examples(work: Path, number: int) -> Path:
    """Returns where the examples of a block are kept once they are made."""
    return work / f"examples-{number}"


def make_examples(
    sources: CandidateSources, queries: ExampleQueries, heads: tuple[str, ...], *, bar: tqdm
) -> Iterator[RankingExamples]:
    """Yields candidate lists of past queries: each as it is, and limited where what followed meets the limit.

    In a discovery list the items that the user bought before are no candidates; in one for other categories
    (`ExampleQueries.outside_level`) those of the cart's categories. A list may be both.
    """
    columns = [HEADS.index(head) for head in heads]

    list_up = candidate_lister(sources)
    for start in range(0, len(queries), _EXAMPLE_BATCH):
        batch = queries.take(np.arange(start, min(start + _EXAMPLE_BATCH, len(queries))))
        is_new, is_outside = _wants_new(sources, batch), batch.outside_level > 0
        everything = np.ones(len(batch), bool)
        for is_discovery, is_limited in itertools.product((False, True), repeat=2):
            rows = np.flatnonzero((is_new if is_discovery else everything) & (is_outside if is_limited else everything))
            if not len(rows):
                continue
            part = batch.take(rows)
            query = as_query(part, is_discovery=is_discovery, is_limited=is_limited)
            candidates, features = (tensor.numpy() for tensor in list_up(query))
            labels, gains = _match_labels(candidates, part)
            half = [values.astype(np.float16) for values in (features, labels[..., columns], gains)]
            yield RankingExamples(half[0], candidates > 0, half[1], half[2], heads)
        bar.update(len(batch))


def candidate_lister(sources: CandidateSources) -> Callable[[Query], tuple[tf.Tensor, tf.Tensor]]:
    """Returns a function of queries: candidates `[B, C]` and features `[B, C, F]`, the cart left out, as served."""

    # Nothing below branches on a tensor in Python: AutoGraph would take a third of the trace's time, change nothing.
    @tf.function(input_signature=[_ANY_QUERY], autograph=False)
    def list_up(query: Query) -> tuple[tf.Tensor, tf.Tensor]:
        def allows(shortlist: Shortlist, is_own: tf.Tensor) -> tf.Tensor:
            eligible = tf.gather(sources.is_offered, shortlist.item) & ~shortlist.marks(query.cart)
            eligible = only_new(eligible, is_own=is_own, is_discovery=query.is_discovery > 0)
            return of_other_categories(
                eligible, shortlist, chosen=query.cart, level=query.outside_level, category_paths=sources.categories
            )

        evidence = sources.gather_evidence(query, allows)
        candidates = sources.candidates(evidence)
        return candidates, sources.features(query, evidence, candidates)

    return list_up


def as_query(queries: ExampleQueries, *, is_discovery: bool = False, is_limited: bool = False) -> Query:
    """Returns a batch of queries as tensors; `is_limited`: asked for categories that are not in the cart."""
    return Query(
        user=tf.constant(queries.user),
        recent_item=tf.constant(queries.recent_item),
        recent_type=tf.constant(queries.recent_type),
        recent_age=tf.constant(queries.recent_age),
        cart=tf.constant(queries.cart),
        is_discovery=tf.fill([len(queries)], float(is_discovery)),
        outside_level=tf.constant(queries.outside_level * is_limited, tf.int32),
    )


def _wants_new(sources: CandidateSources, queries: ExampleQueries) -> np.ndarray:
    """Returns `[Q]` bool: whether something that the user never bought followed a cart."""
    bought = sources.moment.profiles.purchases(as_query(queries)).item.numpy()
    labels = queries.label_item
    is_own = (labels[:, :, None] == bought[:, None, :]).any(axis=2)
    has_cart = (queries.cart > 0).any(axis=1)
    return ((labels > 0) & ~is_own & (queries.label_heads[..., -1] > 0)).any(axis=1) & has_cart


def _match_labels(candidates: np.ndarray, queries: ExampleQueries) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[Q, C, len(HEADS)]` labels and `[Q, C]` gains of the candidates that are among what followed."""
    same = (candidates[:, :, None] == queries.label_item[:, None, :]) & (candidates > 0)[:, :, None]
    labels = np.einsum("qcp,qph->qch", same.astype(np.float32), queries.label_heads)
    gains = (same * queries.label_gain[:, None, :]).max(axis=2, initial=0.0)
    return np.minimum(labels, 1.0), gains
