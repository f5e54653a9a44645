"""Runs a training on several machines: `TF_CONFIG` names them, the first keeps the results, all compute each step.

The strategy is `tf.distribute.MultiWorkerMirroredStrategy`: every worker holds all weights and computes its rows of
each batch; gradients are summed. The work folder is shared, as a volume of a Kubernetes job is.
"""

import contextlib
import dataclasses
import functools
import json
import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, EnvironmentSetupError
from tfrec.pipelines.worker_rows import worker_rows
from tfrec.training.config import TrainingConfig

logger = logging.getLogger(__name__)

_VARIABLE = "TF_CONFIG"
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
"""What TensorFlow raises in a collective operation whose other end is gone."""


@dataclasses.dataclass(frozen=True)
class Workers:
    """The machines of a training, seen from one of them.

    Attributes:
        index: number of this worker; 0 is the first, which keeps the results.
        count: number of workers.
        strategy: spreads the steps; None = this process trains alone.
    """

    index: int = 0
    count: int = 1
    strategy: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this worker keeps the results."""
        return self.index == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the block in which models and optimizers are made."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def fit(
        self, model: tf.keras.Model, batches: tf.data.Dataset, *, epochs: int, initial_epoch: int = 0, **options: Any
    ) -> None:
        """Fits a model to batches, of which each worker computes its rows.

        Args:
            model: made and compiled in `scope`.
            batches: of all epochs, the same on all workers, in the same order; their number is known where there are
                several workers or epochs.
            epochs: see `tf.keras.Model.fit`.
            initial_epoch: see `tf.keras.Model.fit`.
            **options: of `tf.keras.Model.fit`.

        Raises:
            EnvironmentSetupError: another worker is gone.
        """
        options |= {"epochs": epochs, "initial_epoch": initial_epoch}
        num_epochs = epochs - initial_epoch
        if self.strategy is not None or num_epochs > 1:
            options["steps_per_epoch"] = int(batches.cardinality()) // num_epochs
        if self.strategy is None:
            model.fit(batches, **options)
            return
        own = worker_rows(batches, worker=self.index, num_workers=self.count)
        with self._named_losses():
            # Not `experimental_distribute_dataset`, which would cut the batches once more.
            distributed = self.strategy.distribute_datasets_from_function(lambda _: own)
            model.fit(distributed, **options)

    def wait(self) -> None:
        """Returns when all workers have come here.

        Raises:
            EnvironmentSetupError: another worker is gone.
        """
        self.of_first([np.zeros(1, np.float32)])

    def of_first(self, arrays: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Returns arrays, of the same shapes everywhere, as the first worker has them.

        Raises:
            EnvironmentSetupError: another worker is gone.
        """
        if self.strategy is None:
            return list(arrays)
        own = [tf.constant(array if self.is_first else np.zeros_like(array)) for array in arrays]
        with self._named_losses():
            return [array.numpy() for array in self.strategy.run(_summed, args=(own,))]

    def copy_from_first(self, variables: Iterable[tf.Variable]) -> None:
        """Gives variables, in the same order everywhere, the values that they have at the first worker.

        Raises:
            EnvironmentSetupError: another worker is gone.
        """
        if self.strategy is None:
            return
        kept = list(variables)
        for variable, value in zip(kept, self.of_first([one.numpy() for one in kept]), strict=True):
            variable.assign(value)

    @contextlib.contextmanager
    def _named_losses(self) -> Iterator[None]:
        try:
            yield
        except _LOST as error:
            if "ollective" not in error.message:
                raise
            cause = error.message.strip().splitlines()[-1][:300]
            raise EnvironmentSetupError(
                f"Worker {self.index} of {self.count} cannot reach the others any more ({cause}). Start all workers "
                "again: the training resumes after its last finished epoch."
            ) from error


ALONE = Workers()
"""A training on this machine alone."""


@functools.cache
def workers_of_environment() -> Workers:
    """Returns the workers that `TF_CONFIG` names, as operators of Kubernetes jobs set it; without it, this one alone.

    To be called before TensorFlow has computed anything.

    Raises:
        ConfigError: `TF_CONFIG` is no such text.
    """
    text = os.environ.get(_VARIABLE, "")
    if not text.strip():
        return ALONE
    index, count = read_tf_config(text)
    if count == 1:
        return ALONE
    logger.info("Worker %d of %d; waiting for the others ...", index, count)
    return Workers(index, count, tf.distribute.MultiWorkerMirroredStrategy())


def check_loss(config: TrainingConfig, workers: Workers) -> None:
    """Refuses a loss that several workers cannot share.

    Raises:
        ConfigError: it is `full_softmax`, whose logits each worker would compute for the whole batch.
    """
    if workers.count > 1 and config.retrieval.loss == "full_softmax":
        raise ConfigError(
            "`full_softmax` trains on one machine: set retrieval.loss = 'sampled_softmax', or take TF_CONFIG away."
        )


def read_tf_config(text: str) -> tuple[int, int]:
    """Returns the number of this worker and of all workers; a `chief`, where there is one, is the first.

    Raises:
        ConfigError: the text is no JSON, or names no workers, other tasks or this one not among them.

    Examples:
        >>> read_tf_config('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}')
        (1, 2)
    """
    try:
        value = json.loads(text)
        cluster, task = value.get("cluster", {}), value["task"]
        kind, number = task["type"], int(task["index"])
        sizes = {name: len(addresses) for name, addresses in cluster.items() if addresses}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{_VARIABLE} must be JSON such as {_EXAMPLE}; got {text[:200]!r} ({error!r}).") from error
    if set(sizes) - {"chief", "worker"} or kind not in sizes or not 0 <= number < sizes[kind]:
        raise ConfigError(
            f"{_VARIABLE} must name workers, perhaps a chief, and this task among them, such as {_EXAMPLE}; got "
            f"{text[:200]!r}. Parameter servers and evaluators are not used."
        )
    before = sizes.get("chief", 0) if kind == "worker" else 0
    return before + number, sum(sizes.values())


@tf.function(autograph=False, reduce_retracing=True)
def _summed(arrays: list[tf.Tensor]) -> list[tf.Tensor]:
    # all_reduce wants to know the device of what it is given, which arguments of a graph do not have.
    context = tf.distribute.get_replica_context()
    return [context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(array)) for array in arrays]
