"""Turns example queries with candidates and features into tf.data batches for the ranking model."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, SchemaError


@dataclasses.dataclass(frozen=True)
class RankingExamples:
    """Candidate lists with features and what followed. `Q` queries, `C` candidates, `F` features, `H` heads.

    Attributes:
        features: `[Q, C, F]` float16 or float32 (half the memory; batches are float32).
        is_candidate: `[Q, C]` bool; False behind the end of a short list.
        labels: `[Q, C, H]` float16 or float32 in [0, 1]: what followed, for the heads' probabilities.
        gains: `[Q, C]` float16 or float32, not negative: what the score is to rank first.
        heads: names of the heads, `H`.
    """

    features: np.ndarray
    is_candidate: np.ndarray
    labels: np.ndarray
    gains: np.ndarray
    heads: tuple[str, ...]

    def __post_init__(self) -> None:
        lists = self.is_candidate.shape
        shapes = (self.features.shape[:2], self.labels.shape, self.gains.shape)
        if shapes != (lists, (*lists, len(self.heads)), lists):
            raise SchemaError(
                "`features` must be [Q, C, F], `labels` [Q, C, H] and `gains` [Q, C] for `is_candidate` [Q, C]; got "
                f"{self.features.shape}, {self.labels.shape}, {self.gains.shape} for {lists} and heads {self.heads}."
            )

    def __len__(self) -> int:
        """Returns the number of queries, Q."""
        return len(self.features)

    def take(self, rows: np.ndarray) -> "RankingExamples":
        """Returns the examples of the queries at `[n]` rows."""
        return RankingExamples(
            self.features[rows], self.is_candidate[rows], self.labels[rows], self.gains[rows], self.heads
        )


def ranking(examples: RankingExamples, *, batch_size: int = 64, seed: int = 0) -> tf.data.Dataset:
    """Returns shuffled batches of candidate lists for `RankingModel.fit`.

    Args:
        examples: lists with features and labels.
        batch_size: lists a batch.
        seed: random seed of shuffling.

    Returns:
        Dictionaries of `features [b, C, F]`, `is_candidate [b, C]`, `labels [b, C, H]`, `gains [b, C]`.

    Raises:
        ConfigError: `batch_size` is not positive.
        SchemaError: there are no examples.
    """
    if batch_size < 1:
        raise ConfigError(f"`batch_size` must be at least 1; got {batch_size}.")
    if not len(examples):
        raise SchemaError("There are no ranking examples. The training period needs orders with two items or visits.")

    def gather(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        features, is_candidate, labels, gains = tf.numpy_function(
            lambda at: (
                examples.features[at].astype(np.float32),
                examples.is_candidate[at],
                examples.labels[at].astype(np.float32),
                examples.gains[at].astype(np.float32),
            ),
            [rows],
            [tf.float32, tf.bool, tf.float32, tf.float32],
            stateful=False,
        )
        features.set_shape([None, None, examples.features.shape[2]])
        is_candidate.set_shape([None, None])
        labels.set_shape([None, None, len(examples.heads)])
        gains.set_shape([None, None])
        return {"features": features, "is_candidate": is_candidate, "labels": labels, "gains": gains}

    rows = tf.data.Dataset.range(len(examples)).shuffle(len(examples), seed=seed, reshuffle_each_iteration=True)
    return rows.batch(batch_size).map(gather, num_parallel_calls=1).prefetch(4)
