"""Scores candidates with features, and predicts probabilities of click, cart and purchase."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from tfrec.errors import ConfigError
from tfrec.models.replicas import mean_of_all_replicas
from tfrec.models.sources.registry import FEATURES

_CLIP = 5.0  # standard deviations; one wild feature value must not decide alone
_NO_CANDIDATE = -1e9
_LEAST_VARIANCE = 1e-8  # below, it is rounding


@dataclasses.dataclass(frozen=True)
class RankingConfig:
    """Settings of `RankingModel`.

    Attributes:
        cross_layers: number of DCN-v2 cross layers.
        hidden: widths of the dense layers.
        dropout: share of hidden units dropped in training.
        probability_weight: weight of the heads' cross-entropies beside the listwise loss.
    """

    cross_layers: int = 2
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.1
    probability_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.cross_layers < 0 or not self.hidden or min(self.hidden) < 1:
            raise ConfigError(
                "`cross_layers` must not be negative and `hidden` must name positive widths; "
                f"got {self.cross_layers} and {self.hidden}."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"`dropout` must lie in [0, 1); got {self.dropout}.")


class ListwiseSoftmax(tf.keras.losses.Loss):
    """Softmax cross-entropy over each list: `−Σ y/Σy · log softmax(score)` (ListNet, Cao et al. 2007).

    `y_true [b, C]` holds gains, −1 where there is no candidate; `y_pred [b, C]` scores. A list without a positive
    gain counts 0.
    """

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns `[b]` losses."""
        is_candidate = y_true >= 0
        gain = tf.where(is_candidate, y_true, 0.0)
        total = tf.reduce_sum(gain, axis=1, keepdims=True)
        log_probability = tf.nn.log_softmax(tf.where(is_candidate, y_pred, _NO_CANDIDATE), axis=1)
        return -tf.reduce_sum(gain / tf.maximum(total, 1e-6) * log_probability, axis=1)


class PointwiseCrossEntropy(tf.keras.losses.Loss):
    """Sigmoid cross-entropy summed over each list: `y_true [b, C]` in {0, 1}, −1 where there is no candidate."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns `[b]` losses."""
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.maximum(y_true, 0.0), logits=y_pred)
        return tf.reduce_sum(tf.where(y_true >= 0, loss, 0.0), axis=1)


class RankingModel(tfrs.Model):
    """Fuses what the candidate sources say, trained on the batches of `tfrec.pipelines.ranking`.

    Standardised features go through cross layers (DCN-v2, Wang et al. 2021) beside themselves, then dense layers. One
    output is the score, trained listwise on the gains: what is missing in the cart, what comes next in the visit. One
    output a head is a logit trained pointwise over all candidates shown or not, so that an unclicked item is no
    dislike. Both are `tfrs.tasks.Ranking`.

    Args:
        heads: names of what can follow, ascending the funnel: of `click`, `cart`, `purchase`.
        config: settings.
    """

    has_log_scores = True  # odds are exponentials of scores

    # Nothing in a step branches on a tensor in Python: AutoGraph would only make its trace slower.
    train_step = tf.autograph.experimental.do_not_convert(tfrs.Model.train_step)

    def __init__(self, heads: tuple[str, ...], config: RankingConfig = RankingConfig()) -> None:
        super().__init__()
        if not heads:
            raise ConfigError("`heads` must name at least one thing that can follow, such as 'purchase'.")
        self.heads, self.config = tuple(heads), config
        self.mean = tf.Variable(tf.zeros(len(FEATURES)), trainable=False, name="feature_mean")
        self.deviation = tf.Variable(tf.ones(len(FEATURES)), trainable=False, name="feature_deviation")
        cross = tfrs.layers.feature_interaction.Cross
        self._cross = [cross(kernel_initializer="glorot_uniform") for _ in range(config.cross_layers)]
        self._dense = [tf.keras.layers.Dense(width, activation="relu") for width in config.hidden]
        self._dropout = tf.keras.layers.Dropout(config.dropout)
        self._score = tf.keras.layers.Dense(1, name="score")
        self._logits = tf.keras.layers.Dense(len(heads), name="logits", bias_initializer=_rare)
        each = tf.keras.losses.Reduction.NONE  # a list by itself: replicas share out the mean
        self.score_task = tfrs.tasks.Ranking(loss=ListwiseSoftmax(reduction=each))
        self.head_tasks = [tfrs.tasks.Ranking(loss=PointwiseCrossEntropy(reduction=each), name=head) for head in heads]

    def adapt(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Scales each feature by its `mean [F]` and `variance [F]` over real candidates; call it once before `fit`.

        A feature that never varies gets an infinite deviation: it stays 0 whatever it is later, for no weight of it
        is ever learned (a log turns one year old, a shop's first users get a segment). Both are weights: Keras's
        `Normalization` layer derives what it divides by from its variables once, and loses it when a checkpoint is
        read.
        """
        self.mean.assign(mean.astype(np.float32))
        self.deviation.assign(np.where(variance > _LEAST_VARIANCE, np.sqrt(variance), np.inf).astype(np.float32))

    def call(self, features: tf.Tensor, training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores `[b, C]` and logits `[b, C, H]` of `features [b, C, F]`.

        Raises:
            ValueError: the last axis does not hold the features of `tfrec.models.sources.registry.FEATURES`.
        """
        if features.shape[-1] != len(FEATURES):
            raise ValueError(
                f"RankingModel needs [b, C, {len(FEATURES)}] features (see `tfrec.models.sources.registry.FEATURES`); "
                f"got shape {features.shape}."
            )
        # Layers of a matrix run one operation; of three axes fifteen, for as long as a short list takes.
        base = self.standardise(tf.reshape(features, [-1, len(FEATURES)]))
        crossed = base
        for layer in self._cross:
            crossed = layer(base, crossed)
        hidden = tf.concat([base, crossed], axis=-1) if self._cross else base
        for dense in self._dense:
            hidden = self._dropout(dense(hidden), training=training)
        shape = tf.shape(features)[:-1]
        logits = tf.reshape(self._logits(hidden), tf.concat([shape, [len(self.heads)]], axis=0))
        return tf.reshape(self._score(hidden), shape), logits

    def standardise(self, features: tf.Tensor) -> tf.Tensor:
        """Returns `[..., F]` `(features − mean) / deviation`, clipped to five deviations."""
        return tf.clip_by_value((features - self.mean) / self.deviation, -_CLIP, _CLIP)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the listwise loss plus the heads' cross-entropies, a scalar, of lists `[B, C]`."""
        score, logits = self(inputs["features"], training=training)
        labels = tf.where(inputs["is_candidate"][..., None], inputs["labels"], -1.0)
        gains = tf.where(inputs["is_candidate"], inputs["gains"], -1.0)
        loss = self.score_task(labels=gains, predictions=score, compute_metrics=False)
        for position, task in enumerate(self.head_tasks):
            head = task(labels=labels[..., position], predictions=logits[..., position], compute_metrics=False)
            loss += self.config.probability_weight * head / len(self.head_tasks)
        return mean_of_all_replicas(loss, tf.reduce_any(inputs["is_candidate"], axis=1))


def _rare(shape: tuple[int, ...], dtype: tf.DType | None = None) -> tf.Tensor:
    """Bias of a rare event: about one candidate in two hundred follows."""
    return tf.fill(shape, tf.constant(-5.0, dtype or tf.float32))
