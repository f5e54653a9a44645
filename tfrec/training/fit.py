"""Trains the funnel of a shop; only this file and `tower_training.py` compile and fit models."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import compute_feature_tables, target_type
from tfrec.features.sequences import BehaviourSequences
from tfrec.features.shop import Shop
from tfrec.models.image_tower import ImageTower, with_sigmoid_head
from tfrec.models.ranking import RankingModel
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines.ranking import ranking
from tfrec.pipelines.stored_examples import StoredExamples
from tfrec.training.checkpoints import claim, keep_weights, weights_kept
from tfrec.training.config import TrainingConfig
from tfrec.training.examples import block_examples, prefetched_tables, start_of
from tfrec.training.funnel import TrainedFunnel, funnel_of_the_present
from tfrec.training.prefetch import background_thread
from tfrec.training.progress import Tick, progress_bar
from tfrec.training.time_blocks import end_of_training, offered_items, training_stages
from tfrec.training.tower_training import TowerTraining, create_variables
from tfrec.training.workers import ALONE, Workers, check_loss

_EXAMINED_EXAMPLES = 6_000  # enough for a ranking model that decides whether the funnel is worth serving
_AVERAGED = 0.3  # share of the steps: averaging makes a retrained ranking model differ less from the last one


def train(
    shop: Shop,
    config: TrainingConfig = TrainingConfig(),
    *,
    work: Path,
    show_progress: bool = True,
    examine: Callable[[TrainedFunnel, float], None] | None = None,
    workers: Workers = ALONE,
) -> TrainedFunnel:
    """Returns the funnel trained on `shop.train`.

    Interrupted and started again with the same shop and config, it resumes after the last finished epoch.

    Args:
        shop: a prepared shop.
        config: training settings.
        work: folder for checkpoints; emptied when it belongs to another shop or config.
        show_progress: whether progress bars are shown.
        examine: called with the funnel as it was before the last block of time, with a ranking model fitted to the
            earlier blocks alone, and with the block's start in hours. Not called where there is one block only.
        workers: compute the steps; this is the first, the others run `follow`.

    Raises:
        SchemaError: the log is too short to train on.
        ConfigError: several workers cannot train with this loss.
        EnvironmentSetupError: another worker is gone.
    """
    tf.keras.utils.set_random_seed(config.seed)
    check_loss(config, workers)
    claim(work, shop, config)
    workers.wait()
    stages = training_stages(shop.train, config)
    last = stages[-2]
    model = shared_towers(shop, config, workers)
    pretrain_images(model, stages[0].past(shop.train), config, workers)
    towers = TowerTraining(model, config, work, workers=workers)
    parts = []
    with background_thread() as pool:
        tables = prefetched_tables(pool, shop, stages, config, work=work)
        for stage in towers.learn_stages(shop.train, stages, show=show_progress):
            if examine is not None and stage is last:
                keep_weights(model, work)
            if stage.block:
                parts.append(block_examples(work, stage, shop, model, config, show=show_progress, tables=tables))
        workers.wait()
        ranking_model = fit_ranking(StoredExamples.joined(parts), config, show_progress=show_progress, workers=workers)
        if workers.count > 1:
            model, ranking_model = _own_towers(model), _own_ranking(ranking_model)
        funnel = funnel_of_the_present(
            shop, model, ranking_model, config, learned_until=end_of_training(shop), feature_tables=next(tables)
        )
    if examine is not None and any(map(len, parts[:-1])):
        with weights_kept(model, work):
            examine(_before_last_block(shop, model, parts[:-1], config, start_of(last)), start_of(last))
    return funnel


def shared_towers(shop: Shop, config: TrainingConfig, workers: Workers) -> RetrievalModel:
    """Returns a new retrieval model whose weights belong to all workers; these make their variables in one order."""
    with workers.scope():
        model = RetrievalModel(shop.vocabularies, config.retrieval)
        if workers.count > 1:
            create_variables(model)
    return model


def _own_towers(shared: RetrievalModel) -> RetrievalModel:
    """Returns a copy that belongs to this process alone, as what is exported must."""
    model = RetrievalModel(shared.vocabularies, shared.config)
    create_variables(model)
    model.set_weights(shared.get_weights())
    return model


def _own_ranking(shared: RankingModel) -> RankingModel:
    model = RankingModel(shared.heads, shared.config)
    model(tf.zeros([1, 1, len(FEATURES)]))
    model.set_weights(shared.get_weights())
    return model


def _before_last_block(
    shop: Shop, model: RetrievalModel, parts: list[StoredExamples], config: TrainingConfig, start: float
) -> TrainedFunnel:
    """Returns the funnel that the shop would have had at the beginning of the last block."""
    examples = StoredExamples.joined(parts).sample(_EXAMINED_EXAMPLES, seed=config.seed)
    return TrainedFunnel(
        retrieval=model,
        ranking=fit_ranking(examples, config, show_progress=False),
        feature_tables=compute_feature_tables(shop.train, as_of=start, config=config.features),
        is_offered=offered_items(shop, start),
        learned_until=start,
    )


def fit_ranking(
    examples: StoredExamples,
    config: TrainingConfig,
    *,
    show_progress: bool = True,
    after_epoch: Callable[[int, RankingModel], None] | None = None,
    workers: Workers = ALONE,
) -> RankingModel:
    """Returns a ranking model fitted to candidate lists.

    Args:
        examples: ranking examples.
        config: training settings.
        show_progress: whether a progress bar is shown.
        after_epoch: called with the number of each finished epoch, from 0, and the model; may raise to stop.
        workers: compute the steps.
    """
    tf.keras.utils.set_random_seed(config.seed)  # an interrupted run gives the same result as a whole one
    with workers.scope():
        model = RankingModel(examples.heads, config.ranking)
    model.adapt(examples.moments.mean, examples.moments.variance)
    continue_ranking(
        model,
        examples,
        config,
        epochs=config.ranking_epochs,
        rate=config.ranking_rate,
        show_progress=show_progress,
        after_epoch=after_epoch,
        workers=workers,
    )
    return model


def continue_ranking(
    model: RankingModel,
    examples: StoredExamples,
    config: TrainingConfig,
    *,
    epochs: int,
    rate: float,
    show_progress: bool = True,
    after_epoch: Callable[[int, RankingModel], None] | None = None,
    workers: Workers = ALONE,
) -> None:
    """Fits a ranking model whose features are already scaled to candidate lists.

    The rate falls to a tenth; the weights are the running average of the last steps (Polyak & Juditsky 1992).
    """
    # One call of `fit`, whose end sets the weights to their average; all workers have the order of each epoch.
    each = (
        ranking(examples, batch_size=config.ranking_batch, seed=config.seed, epoch=epoch) for epoch in range(epochs)
    )
    batches = functools.reduce(tf.data.Dataset.concatenate, each)
    steps = max(1, -(-len(examples) // config.ranking_batch)) * epochs
    falling = tf.keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.1)
    momentum = 1.0 - 1.0 / max(1.0, _AVERAGED * steps)
    with workers.scope():
        optimizer = tf.keras.optimizers.Adam(falling, use_ema=True, ema_momentum=momentum)
        model.compile(optimizer=optimizer)
        # With all variables there, `fit` traces its step once, not twice.
        model(tf.zeros([1, 1, examples.num_features]))
        optimizer.build(model.trainable_variables)
    with progress_bar("ranking", epochs, show_progress) as bar:
        callbacks = [Tick(bar)]
        if after_epoch is not None:
            callbacks.append(
                tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: after_epoch(epoch, model))
            )
        workers.fit(model, batches, epochs=epochs, verbose=0, callbacks=callbacks)


def pretrain_images(
    model: RetrievalModel, past: BehaviourSequences, config: TrainingConfig, workers: Workers = ALONE
) -> None:
    """Pre-trains the picture tower on bought / not bought, before the towers are trained.

    An item counts as bought if it was bought more often than half of the pictured items with events in `past`; items
    without events are left out.
    """
    tower = model.item_encoder.image_tower
    catalogue = past.vocabularies.catalogue
    if tower is None or catalogue.images is None or config.image_epochs < 1:
        return
    size = past.vocabularies.items.size
    has_events = np.bincount(past.item, minlength=size) > 0
    rows = np.flatnonzero(catalogue.has_image & has_events)
    if not len(rows):
        return
    counts = np.bincount(past.item[past.event_type == target_type(past)], minlength=size)[rows]
    pictures = catalogue.images[rows].astype(np.float32) / 255.0
    bought = (counts > np.median(counts)).astype(np.float32)
    # A copy is trained, by this process alone: the weights of several workers' model belong to all of them.
    trained = tower if workers.strategy is None else ImageTower.from_config(tower.get_config())
    pretrained = with_sigmoid_head(trained, pictures.shape[1:])
    pretrained.optimizer.build(pretrained.trainable_variables)
    pretrained.fit(pictures, bought, batch_size=128, epochs=config.image_epochs, verbose=0)
    if trained is not tower:
        tower.set_weights(trained.get_weights())
