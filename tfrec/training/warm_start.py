"""Continues training stored models on new days, at a fraction of the cost of a training.

The order of `train` is kept: first the new days' queries are answered by the old towers and the old feature tables,
which have not seen the answers, to make ranking examples; then the towers learn the new days.
"""

from pathlib import Path

import tensorflow as tf

from tfrec.errors import ConfigError, SchemaError
from tfrec.features.shop import Shop
from tfrec.pipelines.stored_examples import StoredExamples
from tfrec.training.checkpoints import claim
from tfrec.training.config import TrainingConfig
from tfrec.training.examples import block_examples, prefetched_tables
from tfrec.training.fit import continue_ranking
from tfrec.training.funnel import TrainedFunnel, funnel_of_the_present
from tfrec.training.prefetch import background_thread
from tfrec.training.store import load_models
from tfrec.training.time_blocks import end_of_training, warm_stages
from tfrec.training.tower_training import TowerTraining


def warm_start(
    shop: Shop, folder: Path, config: TrainingConfig, *, work: Path, show_progress: bool = True
) -> TrainedFunnel:
    """Returns the stored models after training on events that they have not seen; vocabularies may have grown.

    Args:
        shop: the present shop.
        folder: folder that `save_trained` wrote for the old models.
        config: training settings; `retrieval` and `ranking` must be those of the old models, whose shape they give.
        work: folder for checkpoints.
        show_progress: whether progress bars are shown.

    Raises:
        ConfigError: the settings give models of another shape.
        SchemaError: the shop has no event that is new to the models.
        SourceError: the folder holds no trained models.
    """
    tf.keras.utils.set_random_seed(config.seed)
    models = load_models(shop, folder)
    for part in ("retrieval", "ranking"):
        old, new = getattr(models.config, part), getattr(config, part)
        if old != new:
            raise ConfigError(
                f"A warm start keeps the shape of the old models: their `{part}` is {old}, but {new} is asked for. "
                "Leave these settings out, or train from scratch without --warm-start."
            )
    since, end, warm = models.learned_until, end_of_training(shop), config.warm
    if not (shop.train.hour >= since).any():
        raise SchemaError(
            "The shop has no event that the models have not learned from. Prepare it with newer events first, "
            "or let new items and users in with: tfrec refresh MODELS PREPARED"
        )
    claim(work, shop, config)
    stages = warm_stages(since, end, config)
    parts = []
    with background_thread() as pool:
        tables = prefetched_tables(pool, shop, stages, config, work=work)
        towers = TowerTraining(models.retrieval, config, work, rate=warm.rate_share * config.retrieval_rate)
        for stage in towers.learn_stages(shop.train, stages, show=show_progress):
            if stage.block:
                heads = models.ranking.heads
                parts.append(
                    block_examples(
                        work, stage, shop, models.retrieval, config, show=show_progress, tables=tables, heads=heads
                    )
                )
        if any(map(len, parts)):
            rate = warm.ranking_rate_share * config.ranking_rate
            continue_ranking(
                models.ranking,
                StoredExamples.joined(parts),
                config,
                epochs=warm.ranking_epochs,
                rate=rate,
                show_progress=show_progress,
            )
        return funnel_of_the_present(
            shop, models.retrieval, models.ranking, config, learned_until=end, feature_tables=next(tables)
        )
