"""Scores of queries against candidates → the losses that a retrieval model can be trained with.

All read `y_true [Q, C]`, 1 for the positive, and `y_pred [Q, C]` logits, where whatever is no candidate (an accidental
hit, an item of the same order) has been set far below everything.
"""

import tensorflow as tf

_NO_CANDIDATE = -1e9
_TINY = 1e-24
_LEAST_IN_PART = 768  # labels: with fewer, an item has too few negatives


class BprMax(tf.keras.losses.Loss):
    """`−log Σ_j s_j σ(r_i − r_j) + λ Σ_j s_j r_j²`, `s` the softmax over the negatives (Hidasi & Karatzoglou 2018).

    The negatives that score highest count most, so that gradients do not vanish with many of them.

    Args:
        regularisation: `λ`, of the scores before they are divided by the temperature.
        temperature: that the logits were divided by.
    """

    def __init__(self, regularisation: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__(reduction=tf.keras.losses.Reduction.SUM_OVER_BATCH_SIZE)
        self._regularisation, self._temperature = regularisation, temperature

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns `[Q]` losses."""
        is_negative = (y_true < 0.5) & (y_pred > _NO_CANDIDATE)
        positive = tf.reduce_sum(tf.where(y_true > 0.5, y_pred, 0.0), axis=1, keepdims=True)
        scores = tf.where(is_negative, y_pred, 0.0)
        share = tf.nn.softmax(tf.where(is_negative, y_pred, _NO_CANDIDATE), axis=1) * tf.cast(is_negative, tf.float32)
        likelihood = tf.reduce_sum(share * tf.sigmoid(positive - scores), axis=1)
        size = tf.reduce_sum(share * tf.square(scores * self._temperature), axis=1)
        loss = -tf.math.log(likelihood + _TINY) + self._regularisation * size
        return tf.where(tf.reduce_any(is_negative, axis=1), loss, 0.0)


class GeneralisedCrossEntropy(tf.keras.losses.Loss):
    """gBCE: `−(β log σ(r_i) + Σ_j log(1 − σ(r_j)))` over the number of terms (Petrov & Macdonald 2023, gSASRec).

    `β = α (t (1 − 1/α) + 1/α)` with `α` the share of the catalogue that is sampled as negatives and `t` the
    calibration: 0 is binary cross-entropy, which sampling makes overconfident, 1 undoes that wholly.

    Args:
        num_items: of the catalogue.
        calibration: `t`.
    """

    def __init__(self, num_items: int, calibration: float = 0.75) -> None:
        super().__init__(reduction=tf.keras.losses.Reduction.SUM_OVER_BATCH_SIZE)
        self._num_items, self._calibration = num_items, calibration

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns `[Q]` losses."""
        is_negative = (y_true < 0.5) & (y_pred > _NO_CANDIDATE)
        count = tf.reduce_sum(tf.cast(is_negative, tf.float32), axis=1)
        share = tf.minimum(tf.maximum(count, 1.0) / max(self._num_items - 1, 1), 1.0)
        beta = share * (self._calibration * (1.0 - 1.0 / share) + 1.0 / share)
        positive = tf.reduce_sum(tf.where(y_true > 0.5, y_pred, 0.0), axis=1)
        of_negatives = tf.where(is_negative, tf.nn.softplus(tf.where(is_negative, y_pred, 0.0)), 0.0)
        return (beta * tf.nn.softplus(-positive) + tf.reduce_sum(of_negatives, axis=1)) / (count + 1.0)


def sampled_softmax(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    label: tf.Tensor,
    group: tf.Tensor,
    probability: tf.Tensor,
    *,
    parts: int = 1,
) -> tf.Tensor:
    """Returns `[Q]` cross-entropies against the distinct labels: `−log softmax(q·c − log P(c among them))`.

    The in-batch softmax with the logQ correction (Yi et al. 2019), but each candidate stands there once: a label drawn
    `Q` times with probability `p` is in the batch with `P = 1 − (1 − p)^Q` (as `tf.nn.sampled_softmax_loss` has it for
    distinct samples). Fewer columns, less variance, and no accidental hits.

    Args:
        queries: `[Q, d]`, divided by the temperature.
        candidates: `[Q, d]` of the labels.
        label: `[Q]` int32 item indices.
        group: `[Q]` equal for one order or session, whose items are no negatives of each other.
        probability: `[Q]` share of the label among all labels.
        parts: the batch is cut in so many, at most, of `_LEAST_IN_PART` labels or more, which are negatives within
            their part alone: the cost of a part grows with the square of its size.
    """
    size = tf.size(label)
    even = -(-size // tf.clip_by_value(size // _LEAST_IN_PART, 1, parts))
    sizes = tf.clip_by_value(size - even * tf.range(parts), 0, even)  # those behind are empty
    columns = (tf.split(column, sizes) for column in (queries, candidates, label, group, probability))
    return tf.concat([_softmax_of_part(*part) for part in zip(*columns, strict=True)], axis=0)


def full_softmax(
    queries: tf.Tensor, candidates: tf.Tensor, label: tf.Tensor, group: tf.Tensor, is_met: tf.Tensor
) -> tf.Tensor:
    """Returns `[Q]` cross-entropies over the whole catalogue: `−log softmax(q·c)[label]`, no sampling to correct.

    Args:
        queries: `[Q, d]`, divided by the temperature.
        candidates: `[N + 1, d]`.
        label: `[Q]` int32 rows of `candidates`.
        group: `[Q]` equal for one order or session, whose items are no negatives of each other.
        is_met: `[N + 1]` items that are negatives; nobody has spoken against the others yet.
    """
    logits = tf.matmul(queries, candidates, transpose_b=True)
    logits = tf.where(is_met[None, :], logits, _NO_CANDIDATE)
    mates = tf.where(tf.equal(group[:, None], group[None, :]) & tf.not_equal(label[:, None], label[None, :]))
    cells = tf.stack([tf.cast(mates[:, 0], tf.int32), tf.gather(label, mates[:, 1])], axis=1)
    logits = tf.tensor_scatter_nd_update(logits, cells, tf.fill([tf.shape(cells)[0]], _NO_CANDIDATE))
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)


def _softmax_of_part(
    queries: tf.Tensor, candidates: tf.Tensor, label: tf.Tensor, group: tf.Tensor, probability: tf.Tensor
) -> tf.Tensor:
    distinct, column = tf.unique(label)
    num_queries, num_columns = tf.size(label), tf.size(distinct)
    tries = tf.cast(num_queries, tf.float32)
    share = tf.math.unsorted_segment_max(probability, column, num_columns)
    log_expected = tf.math.log(-tf.math.expm1(tries * tf.math.log1p(-tf.clip_by_value(share, 1e-9, 1 - 1e-6))))
    _, row = tf.unique(group)
    cells = tf.stack([row, column], axis=1)
    is_mate = tf.scatter_nd(cells, tf.ones([num_queries]), [num_queries, num_columns])  # of the group, its label too
    offset = tf.where(is_mate > 0, _NO_CANDIDATE, -log_expected[None, :])
    first = tf.math.unsorted_segment_min(tf.range(num_queries), column, num_columns)
    logits = tf.matmul(queries, tf.gather(candidates, first), transpose_b=True) + tf.gather(offset, row)
    positive = tf.reduce_sum(queries * candidates, axis=1) - tf.gather(log_expected, column)
    return tf.nn.softplus(tf.reduce_logsumexp(logits, axis=1) - positive)
