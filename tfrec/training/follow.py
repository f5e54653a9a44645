"""Takes part in a training that another machine runs."""

from pathlib import Path

import tensorflow as tf

from tfrec.features.shop import Shop
from tfrec.pipelines.stored_examples import StoredExamples, read_examples
from tfrec.training.config import TrainingConfig
from tfrec.training.examples import stored_examples
from tfrec.training.fit import fit_ranking, shared_towers
from tfrec.training.time_blocks import training_stages
from tfrec.training.tower_training import TowerTraining
from tfrec.training.workers import Workers, check_loss


def follow(shop: Shop, config: TrainingConfig, *, work: Path, workers: Workers) -> None:
    """Computes this worker's rows of each step of `train`, which the first worker runs, and keeps nothing.

    Args:
        shop: the same shop.
        config: the same settings.
        work: the first worker's folder, on a volume that both see.
        workers: of this process.

    Raises:
        SchemaError: the log is too short to train on.
        ConfigError: several workers cannot train with this loss.
        EnvironmentSetupError: another worker is gone.
    """
    tf.keras.utils.set_random_seed(config.seed)
    check_loss(config, workers)
    workers.wait()  # until the work folder is this training's
    stages = training_stages(shop.train, config)
    towers = TowerTraining(shared_towers(shop, config, workers), config, work, workers=workers)
    for _ in towers.learn_stages(shop.train, stages, show=False):
        pass  # the first worker makes ranking examples between the stages
    workers.wait()
    parts = [read_examples(stored_examples(work, stage.number)) for stage in stages if stage.block]
    fit_ranking(StoredExamples.joined(parts), config, show_progress=False, workers=workers)
