"""Shop → trained funnel: the only place that compiles and fits.

The retrieval model walks through time. It learns from all events before a first moment; then, block by block, its
embeddings and the tables of what was known at the block's beginning make examples of the block's orders for the
ranking model, before it learns from the block itself. So no candidate source has seen the answers that the ranking
model is fitted to, and the last retrieval model has seen everything.
"""

import dataclasses
import hashlib
import itertools
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError, SourceError
from tfrec.features.knowledge import Knowledge, KnowledgeConfig, gather_knowledge, target_type
from tfrec.features.queries import HEADS, ExampleQueries, example_queries, heads_of
from tfrec.features.sequences import BehaviourSequences
from tfrec.features.shop import Shop
from tfrec.features.vocabulary import Catalogue
from tfrec.models.image_tower import with_sigmoid_head
from tfrec.models.ranking import RankingConfig, RankingModel
from tfrec.models.retrieval import RetrievalConfig, RetrievalModel
from tfrec.models.sources import FEATURES, CandidateSources, Query, SourceConfig
from tfrec.pipelines.ranking import RankingExamples, ranking
from tfrec.pipelines.retrieval import retrieval
from tfrec.strategy.constraints import mark_items

logger = logging.getLogger(__name__)

_EXAMPLE_BATCH = 128
_ADAPT_ROWS = 400_000


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Every dial of `train`, with defaults that work.

    Attributes:
        retrieval: of the retrieval model.
        ranking: of the ranking model.
        knowledge: of item weights and profiles.
        sources: candidates a source.
        retrieval_epochs: over the events before the first block.
        block_epochs: over all events before each further block, and at the end.
        ranking_epochs: over the ranking examples.
        image_epochs: of pre-training the pictures on bought / not bought.
        retrieval_batch: labelled positions a batch.
        ranking_batch: candidate lists a batch.
        retrieval_rate: learning rate.
        ranking_rate: learning rate at the start; it falls to a tenth.
        sequence_length: events that the LSTM reads.
        num_blocks: blocks of time that give ranking examples.
        block_share: share of the orders that lies in these blocks.
        ranking_queries: example queries in all.
        seed: of everything random.
    """

    retrieval: RetrievalConfig = RetrievalConfig()
    ranking: RankingConfig = RankingConfig()
    knowledge: KnowledgeConfig = KnowledgeConfig()
    sources: SourceConfig = SourceConfig()
    retrieval_epochs: int = 6
    block_epochs: int = 1
    ranking_epochs: int = 8
    image_epochs: int = 3
    retrieval_batch: int = 4096
    ranking_batch: int = 64
    retrieval_rate: float = 0.002
    ranking_rate: float = 0.002
    sequence_length: int = 32
    num_blocks: int = 4
    block_share: float = 0.45
    ranking_queries: int = 9000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.block_share < 1:
            raise ConfigError(f"`block_share` must lie between 0 and 1; got {self.block_share}.")
        for name in ("retrieval_epochs", "ranking_epochs", "num_blocks", "ranking_queries"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1; got {getattr(self, name)}.")


@dataclasses.dataclass(frozen=True)
class TrainedFunnel:
    """All that the servables are made of.

    Attributes:
        retrieval: the two towers.
        ranking: the fusing model.
        knowledge: tables at the end of training.
        is_offered: `[N + 1]` bool.
    """

    retrieval: RetrievalModel
    ranking: RankingModel
    knowledge: Knowledge
    is_offered: np.ndarray

    def sources(self, shop: Shop, config: SourceConfig) -> CandidateSources:
        """Returns the candidate sources for serving."""
        return build_sources(shop, self.retrieval, self.knowledge, self.is_offered, config)


def train(
    shop: Shop, config: TrainingConfig = TrainingConfig(), *, work: Path, show_progress: bool = True
) -> TrainedFunnel:
    """Returns the funnel trained on `shop.train`.

    Interrupted and started again with the same shop and config, it goes on after the last finished epoch.

    Args:
        shop: a prepared shop.
        config: dials.
        work: folder for checkpoints; emptied when it belongs to another shop or config.
        show_progress: progress bars.

    Raises:
        SchemaError: the log is too short to learn from.
    """
    tf.keras.utils.set_random_seed(config.seed)
    _claim(work, shop, config)
    blocks = _blocks(shop.train, config)
    model = RetrievalModel(shop.vocabularies, config.retrieval)
    _pretrain_images(model, shop.train.before(blocks[0][0]), config)
    walk = _Walk(model, config, work)
    parts = []
    for number, (start, stop) in enumerate(blocks):
        epochs = config.retrieval_epochs if number == 0 else config.block_epochs
        walk.learn(
            _before(shop, start),
            epochs,
            label=f"retrieval, block {number + 1} of {len(blocks) + 1}",
            show=show_progress,
        )
        parts.append(_cached_examples(work, number, shop, model, start, stop, config, len(blocks), show_progress))
    walk.learn(
        shop.train,
        config.block_epochs,
        label=f"retrieval, block {len(blocks) + 1} of {len(blocks) + 1}",
        show=show_progress,
    )
    ranking_model = fit_ranking(_concatenate(parts), config, show_progress=show_progress)
    end = _hours(shop)
    return TrainedFunnel(
        retrieval=model,
        ranking=ranking_model,
        knowledge=gather_knowledge(shop.train, as_of=end, config=config.knowledge),
        is_offered=_is_known(shop.train, end) & shop.vocabularies.catalogue.is_available(end),
    )


def save_trained(trained: TrainedFunnel, config: TrainingConfig, folder: Path) -> None:
    """Writes weights, tables and config into an existing folder, for `load_trained`."""
    tf.train.Checkpoint(retrieval=trained.retrieval, ranking=trained.ranking).write(str(folder / "weights"))
    np.savez(folder / "knowledge.npz", is_offered=trained.is_offered, **vars(trained.knowledge))
    about = {"config": dataclasses.asdict(config), "heads": trained.ranking.heads}
    (folder / "training.json").write_text(json.dumps(about, indent=2))


def load_trained(shop: Shop, folder: Path) -> tuple[TrainedFunnel, TrainingConfig]:
    """Returns what `save_trained` wrote for the same shop.

    Raises:
        SourceError: the folder holds no trained models.
    """
    try:
        about = json.loads((folder / "training.json").read_text())
    except OSError as error:
        raise SourceError(
            f"{folder} holds no trained models ({error.strerror}). Train first: tfrec train PREPARED --out MODELS"
        ) from error
    config = _config_from(about["config"])
    retrieval_model = RetrievalModel(shop.vocabularies, config.retrieval)
    ranking_model = RankingModel(tuple(about["heads"]), config.ranking)
    for batch in retrieval(shop.train, batch_size=64).take(1):  # creates the variables that the checkpoint fills
        retrieval_model.compute_loss(batch, training=False)
    ranking_model(tf.zeros([1, 1, len(FEATURES)]))
    checkpoint = tf.train.Checkpoint(retrieval=retrieval_model, ranking=ranking_model)
    checkpoint.read(str(folder / "weights")).expect_partial()
    with np.load(folder / "knowledge.npz") as stored:
        is_offered = stored["is_offered"]
        tables = {name: stored[name] for name in stored.files if name != "is_offered"}
    knowledge = Knowledge(**{**tables, "as_of": float(tables["as_of"])})
    return TrainedFunnel(retrieval_model, ranking_model, knowledge, is_offered), config


def _config_from(values: dict[str, dict[str, object]]) -> TrainingConfig:
    """The config whose `dataclasses.asdict` went through JSON, which knows no tuples."""
    kinds = {"retrieval": RetrievalConfig, "ranking": RankingConfig, "knowledge": KnowledgeConfig}
    kinds["sources"] = SourceConfig

    def plain(value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    nested = {
        name: kinds[name](**{key: plain(value) for key, value in inner.items()})
        for name, inner in values.items()
        if name in kinds
    }
    return TrainingConfig(**{**values, **nested})


def fit_ranking(examples: RankingExamples, config: TrainingConfig, *, show_progress: bool = True) -> RankingModel:
    """Returns a ranking model fitted to candidate lists."""
    tf.keras.utils.set_random_seed(config.seed)  # whatever went before: an interrupted run ends as a whole one does
    model = RankingModel(examples.heads, config.ranking)
    rng = np.random.default_rng(config.seed)
    real = examples.features[examples.is_candidate]
    model.adapt(real[rng.permutation(len(real))[:_ADAPT_ROWS]].astype(np.float32))
    batches = ranking(examples, batch_size=config.ranking_batch, seed=config.seed)
    steps = max(1, -(-len(examples) // config.ranking_batch)) * config.ranking_epochs
    rate = tf.keras.optimizers.schedules.CosineDecay(config.ranking_rate, steps, alpha=0.1)
    model.compile(optimizer=tf.keras.optimizers.Adam(rate))
    with _bar("ranking", config.ranking_epochs, show_progress) as bar:
        model.fit(batches, epochs=config.ranking_epochs, verbose=0, callbacks=[_Tick(bar)])
    return model


def build_sources(
    shop: Shop, model: RetrievalModel, knowledge: Knowledge, is_offered: np.ndarray, config: SourceConfig
) -> CandidateSources:
    """Returns candidate sources with the tables of `knowledge` and the embeddings of `model`."""
    return CandidateSources(
        shop.vocabularies,
        knowledge,
        candidate_embeddings=model.candidate_embeddings(),
        encoded_items=model.encoded_items(),
        query_tower=model.query_tower,
        is_offered=is_offered,
        cart_type=_code_or_target(shop.train, "cart"),
        view_type=_code_or_target(shop.train, "view"),
        config=config,
    )


def make_examples(
    sources: CandidateSources, queries: ExampleQueries, heads: tuple[str, ...], *, bar: tqdm
) -> RankingExamples:
    """Returns candidate lists of past queries: each as it is and, where something new followed, for discovery.

    In a discovery list the items that the user bought before are no candidates.
    """
    columns = [HEADS.index(head) for head in heads]

    @tf.function(reduce_retracing=True)
    def list_up(query: Query) -> tuple[tf.Tensor, tf.Tensor]:
        evidence = sources.gather_evidence(query)
        eligible = sources.is_offered[None, :] & ~mark_items(query.cart, num_rows=tf.constant(sources.num_rows))
        eligible &= ~(tf.cast(query.is_discovery, tf.bool)[:, None] & (evidence.own_count > 0))
        candidates = sources.candidates(evidence, eligible)
        return candidates, sources.features(query, evidence, candidates)

    lists: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(queries), _EXAMPLE_BATCH):
        batch = queries.take(np.arange(start, min(start + _EXAMPLE_BATCH, len(queries))))
        for is_discovery in (False, True):
            rows = _wants_new(sources, batch) if is_discovery else np.arange(len(batch))
            if not len(rows):
                continue
            part = batch.take(rows)
            candidates, features = (tensor.numpy() for tensor in list_up(_as_query(part, is_discovery)))
            labels = _match_labels(candidates, part)[..., columns]
            lists.append((features.astype(np.float16), candidates > 0, labels.astype(np.float16)))
        bar.update(len(batch))
    width = max((part[1].shape[1] for part in lists), default=1)
    return RankingExamples(
        features=np.concatenate([_widen(part[0], width) for part in lists])
        if lists
        else np.zeros((0, 1, len(FEATURES)), np.float16),
        is_candidate=np.concatenate([_widen(part[1], width) for part in lists]) if lists else np.zeros((0, 1), bool),
        labels=np.concatenate([_widen(part[2], width) for part in lists])
        if lists
        else np.zeros((0, 1, len(heads)), np.float16),
        heads=heads,
    )


def _code_or_target(sequences: BehaviourSequences, name: str) -> int:
    """The code of an event type, or the target's where the log does not know it (towers never learned that code)."""
    return sequences.type_code(name) if sequences.has_type(name) else target_type(sequences)


class _Walk:
    """The retrieval model's way through time, checkpointed after each epoch."""

    def __init__(self, model: RetrievalModel, config: TrainingConfig, work: Path) -> None:
        self._model, self._config = model, config
        self._optimizer = tf.keras.optimizers.Adam(config.retrieval_rate)
        model.compile(optimizer=self._optimizer)
        self._finished = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._planned = 0
        checkpoint = tf.train.Checkpoint(model=model, optimizer=self._optimizer, finished=self._finished)
        self._manager = tf.train.CheckpointManager(checkpoint, str(work / "retrieval"), max_to_keep=1)
        self._checkpoint = checkpoint
        self._is_restored = False

    def learn(self, sequences: BehaviourSequences, epochs: int, *, label: str, show: bool) -> None:
        """Goes on for `epochs` epochs over `sequences`, less those that an earlier run finished."""
        config = self._config

        def batches(first_epoch: int) -> tf.data.Dataset:
            return retrieval(
                sequences,
                batch_size=config.retrieval_batch,
                sequence_length=config.sequence_length,
                seed=config.seed + self._planned,
                first_epoch=first_epoch,
            )

        self._restore(batches(0))
        done = max(int(self._finished) - self._planned, 0)
        if done < epochs:
            with _bar(label, epochs, show, initial=done) as bar:
                self._model.fit(
                    batches(done), epochs=epochs, initial_epoch=done, verbose=0, callbacks=[_Tick(bar), _Save(self)]
                )
        self._planned += epochs

    def save(self) -> None:
        """Counts an epoch and writes a checkpoint."""
        self._finished.assign_add(1)
        self._manager.save()

    def _restore(self, batches: tf.data.Dataset) -> None:
        if self._is_restored:
            return
        self._is_restored = True
        if self._manager.latest_checkpoint:
            for batch in batches.take(1):  # creates the variables that the checkpoint fills
                self._model.compute_loss(batch, training=False)
            self._optimizer.build(self._model.trainable_variables)
            self._checkpoint.restore(self._manager.latest_checkpoint).assert_existing_objects_matched()
            logger.info("Going on after %d finished epochs.", int(self._finished))


class _Save(tf.keras.callbacks.Callback):
    def __init__(self, walk: _Walk) -> None:
        super().__init__()
        self._walk = walk

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._walk.save()


class _Tick(tf.keras.callbacks.Callback):
    """Moves a progress bar by one an epoch and shows the loss."""

    def __init__(self, bar: tqdm) -> None:
        super().__init__()
        self._bar = bar

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.set_postfix_str(f"loss {float((logs or {}).get('loss', float('nan'))):.3f}")
        self._bar.update(1)


def _bar(label: str, total: int, show: bool, *, initial: int = 0, unit: str = "epoch") -> tqdm:
    return tqdm(total=total, desc=f"{label:<28}", unit=unit, disable=not show, initial=initial, leave=True)


def _claim(work: Path, shop: Shop, config: TrainingConfig) -> None:
    """Makes `work` the folder of this shop and config; what another left there goes."""
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


def _hours(shop: Shop) -> float:
    """End of training, hours since 1970-01-01 UTC."""
    return shop.prepared.test_from.timestamp() / 3600.0


def _blocks(sequences: BehaviourSequences, config: TrainingConfig) -> list[tuple[float, float]]:
    """Start and end (hours) of the blocks of time that give ranking examples, equal in orders."""
    hours = np.sort(sequences.hour[sequences.event_type == target_type(sequences)])
    if len(hours) < 2 or hours[0] == hours[-1]:
        raise SchemaError(
            "All orders are of one moment, so nothing can be learned from time. Check the recipe's columns."
        )
    shares = np.linspace(1 - config.block_share, 1, config.num_blocks + 1)
    cuts = np.quantile(hours, shares)
    cuts[-1] = hours[-1] + 1e-3
    blocks = [(float(a), float(b)) for a, b in itertools.pairwise(cuts) if b > a > hours[0]]
    if not blocks:
        raise SchemaError(
            "Nearly all orders are of one moment, so there is no earlier time to learn the later from. "
            "Check the recipe's columns."
        )
    return blocks


def _before(shop: Shop, hour: float) -> BehaviourSequences:
    return shop.train.before(hour)


def _is_known(sequences: BehaviourSequences, hour: float) -> np.ndarray:
    """`[N + 1]` items that exist at `hour`: met in the log before; with a catalogue, every item of it."""
    size = sequences.vocabularies.items.size
    ever = np.bincount(sequences.item, minlength=size) > 0
    if not ever[1:].all():  # items never met: the shop has a catalogue beside its log
        return np.arange(size) > 0
    return np.bincount(sequences.item[sequences.hour < hour], minlength=size) > 0


def _on_sale(catalogue: Catalogue, hour: float) -> np.ndarray:
    return catalogue.on_sale_from <= hour


def _cached_examples(
    work: Path,
    number: int,
    shop: Shop,
    model: RetrievalModel,
    start: float,
    stop: float,
    config: TrainingConfig,
    num_blocks: int,
    show: bool,
) -> RankingExamples:
    """The ranking examples of a block, from the work folder where an earlier run left them."""
    path = work / f"examples-{number}.npz"
    heads = heads_of(shop.train)
    if path.exists():
        with np.load(path) as stored:
            return RankingExamples(stored["features"], stored["is_candidate"], stored["labels"], heads)
    rng = np.random.default_rng((config.seed, number))
    most = -(-config.ranking_queries // num_blocks)
    queries = example_queries(shop.train, since=start, until=stop, most=most, rng=rng)
    with _bar(f"ranking examples, block {number + 1}", len(queries), show, unit="query") as bar:
        knowledge = gather_knowledge(shop.train, as_of=start, config=config.knowledge)
        is_offered = _is_known(shop.train, start) & _on_sale(shop.vocabularies.catalogue, start)
        sources = build_sources(shop, model, knowledge, is_offered, config.sources)
        examples = make_examples(sources, queries, heads, bar=bar)
    unfinished = path.with_name(f".tmp-{path.name}")
    with unfinished.open("wb") as file:
        np.savez(file, features=examples.features, is_candidate=examples.is_candidate, labels=examples.labels)
    unfinished.rename(path)
    return examples


def _as_query(queries: ExampleQueries, is_discovery: bool) -> Query:
    return Query(
        user=tf.constant(queries.user),
        recent_item=tf.constant(queries.recent_item),
        recent_type=tf.constant(queries.recent_type),
        recent_age=tf.constant(queries.recent_age),
        cart=tf.constant(queries.cart),
        is_discovery=tf.fill([len(queries)], float(is_discovery)),
    )


def _wants_new(sources: CandidateSources, queries: ExampleQueries) -> np.ndarray:
    """Rows where something that the user never bought followed a cart."""
    own = sources.own_items(tf.constant(queries.user))[0].numpy()
    labels = queries.label_item
    is_own = (labels[:, :, None] == own[:, None, :]).any(axis=2)
    has_cart = (queries.cart > 0).any(axis=1)
    return np.flatnonzero(((labels > 0) & ~is_own & (queries.label_heads[..., -1] > 0)).any(axis=1) & has_cart)


def _match_labels(candidates: np.ndarray, queries: ExampleQueries) -> np.ndarray:
    """`[Q, C, len(HEADS)]`: the labels of the candidates that are among what followed."""
    same = (candidates[:, :, None] == queries.label_item[:, None, :]) & (candidates > 0)[:, :, None]
    return np.minimum(np.einsum("qcp,qph->qch", same.astype(np.float32), queries.label_heads), 1.0)


def _widen(array: np.ndarray, width: int) -> np.ndarray:
    return np.pad(array, [(0, 0), (0, width - array.shape[1])] + [(0, 0)] * (array.ndim - 2))


def _concatenate(parts: list[RankingExamples]) -> RankingExamples:
    width = max(part.features.shape[1] for part in parts)
    return RankingExamples(
        features=np.concatenate([_widen(part.features, width) for part in parts]),
        is_candidate=np.concatenate([_widen(part.is_candidate, width) for part in parts]),
        labels=np.concatenate([_widen(part.labels, width) for part in parts]),
        heads=parts[0].heads,
    )


def _pretrain_images(model: RetrievalModel, past: BehaviourSequences, config: TrainingConfig) -> None:
    """Trains the picture tower on bought / not bought, the document's head, before the towers are trained.

    Bought means more than half of the pictured items that anybody met in `past`; what nobody met yet says nothing.
    """
    tower = model.item_encoder.image_tower
    catalogue = past.vocabularies.catalogue
    if tower is None or catalogue.images is None or config.image_epochs < 1:
        return
    size = past.vocabularies.items.size
    is_met = np.bincount(past.item, minlength=size) > 0
    rows = np.flatnonzero(catalogue.has_image & is_met)
    if not len(rows):
        return
    counts = np.bincount(past.item[past.event_type == target_type(past)], minlength=size)[rows]
    pictures = catalogue.images[rows].astype(np.float32) / 255.0
    bought = (counts > np.median(counts)).astype(np.float32)
    with_sigmoid_head(tower, pictures.shape[1:]).fit(
        pictures, bought, batch_size=128, epochs=config.image_epochs, verbose=0
    )
