"""Trains the two towers block of time by block of time, with a checkpoint after each epoch."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from tfrec.features.sequences import BehaviourSequences, SequenceShards
from tfrec.features.stored_sequences import store_sequences
from tfrec.models.retrieval import RetrievalModel
from tfrec.pipelines.retrieval import INT_COLUMNS, retrieval
from tfrec.training.config import TrainingConfig
from tfrec.training.optimizer import LazyAdam
from tfrec.training.progress import Tick, progress_bar
from tfrec.training.time_blocks import Stage
from tfrec.training.workers import ALONE, Workers

logger = logging.getLogger(__name__)

_LEAST_BATCHES, _LEAST_POSITIONS = 64, 512


class TowerTraining:
    """Fits the retrieval model to ever longer histories; an interrupted training resumes after the last finished epoch.

    Args:
        model: retrieval model to be trained in place.
        config: training settings.
        work: folder of the checkpoints.
        rate: learning rate; None = `config.retrieval_rate`.
        workers: compute the steps; the model was made in their scope.
    """

    def __init__(
        self,
        model: RetrievalModel,
        config: TrainingConfig,
        work: Path,
        *,
        rate: float | None = None,
        workers: Workers = ALONE,
    ) -> None:
        self._model, self._config, self._work, self._workers = model, config, work, workers
        with workers.scope():
            self._optimizer = LazyAdam(config.retrieval_rate if rate is None else rate)
            model.compile(optimizer=self._optimizer)
        self._finished = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._planned = 0
        checkpoint = tf.train.Checkpoint(model=model, optimizer=self._optimizer, finished=self._finished)
        self._manager = tf.train.CheckpointManager(checkpoint, str(work / "retrieval"), max_to_keep=1)
        self._checkpoint = checkpoint
        checkpoint.save_counter  # noqa: B018 - made here, not by the first worker alone within a step of all
        self._is_prepared = False

    def learn_stages(self, sequences: BehaviourSequences, stages: Sequence[Stage], *, show: bool) -> Iterator[Stage]:
        """Trains stage by stage; yields each when the towers have learned its events, and nothing later.

        Args:
            sequences: all events of the training period; they are kept in the work folder and read from there.
            stages: of `training_stages` or `warm_stages`.
            show: whether progress bars are shown.
        """
        if not self._workers.is_first:
            self._workers.wait()  # the first worker writes the files
        stored = store_sequences(self._work / "sequences", sequences)
        if self._workers.is_first:
            self._workers.wait()
        for stage in stages:
            if stage.epochs:
                self.learn(
                    stage.past(stored),
                    stage.epochs,
                    label=stage.label,
                    show=show,
                    since=stage.since,
                    replay=stage.replay,
                )
            yield stage

    def learn(
        self,
        sequences: SequenceShards,
        epochs: int,
        *,
        label: str,
        show: bool,
        since: float | None = None,
        replay: float = 0.0,
    ) -> None:
        """Trains for `epochs` epochs over `sequences`, less those that an earlier run finished.

        Args:
            sequences: events to learn from.
            epochs: passes over the events.
            label: text of the progress bar.
            show: whether the progress bar is shown.
            since: see `tfrec.pipelines.retrieval`.
            replay: see `tfrec.pipelines.retrieval`.
        """
        config = self._config

        def batches(first_epoch: int) -> tf.data.Dataset:
            return retrieval(
                sequences,
                batch_size=_batch_size(sequences, config),
                sequence_length=config.sequence_length,
                seed=config.seed + self._planned,
                first_epoch=first_epoch,
                since=since,
                replay=replay,
            )

        self._prepare()
        done = max(int(self._finished) - self._planned, 0)
        if done < epochs:
            with progress_bar(label, epochs, show, initial=done) as bar:
                for epoch in range(done, epochs):  # one by one: epochs that look for new days differ in length
                    self._workers.fit(
                        self._model,
                        batches(epoch),
                        epochs=epoch + 1,
                        initial_epoch=epoch,
                        verbose=0,
                        callbacks=[Tick(bar), _Save(self)],
                    )
        self._planned += epochs

    def save(self) -> None:
        """Counts an epoch and writes a checkpoint, the first worker's."""
        self._finished.assign_add(1)
        if self._workers.is_first:
            self._manager.save()

    def _prepare(self) -> None:
        """Creates all variables, so that `fit` traces its step once, not twice; restores what an earlier run left."""
        if self._is_prepared:
            return
        self._is_prepared = True
        with self._workers.scope():
            create_variables(self._model)
            self._optimizer.build(self._model.trainable_variables)
        if self._manager.latest_checkpoint and self._workers.is_first:
            self._checkpoint.restore(self._manager.latest_checkpoint).assert_existing_objects_matched()
            logger.info("Resuming after %d finished epochs.", int(self._finished))
        self._workers.copy_from_first([*self._model.variables, *self._optimizer.variables, self._finished])


def create_variables(model: RetrievalModel) -> None:
    """Calls a model once, on a window of padding, so that there are variables that stored weights can fill."""
    padding = dict.fromkeys(INT_COLUMNS, tf.zeros([1, 4], tf.int32))
    model.compute_loss({**padding, "label_probability": tf.zeros([1, 4])}, training=False)


class _Save(tf.keras.callbacks.Callback):
    def __init__(self, training: TowerTraining) -> None:
        super().__init__()
        self._training = training

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._training.save()


def _batch_size(sequences: SequenceShards, config: TrainingConfig) -> int:
    """Positions in a batch; smaller for a short log, so that an epoch has `_LEAST_BATCHES` batches all the same."""
    least = max(_LEAST_POSITIONS, config.sequence_length)
    return min(config.retrieval_batch, max(least, len(sequences) // _LEAST_BATCHES))
