"""Computes the losses that the towers are trained with.

Each returns `[Q]` losses. `sampled_softmax`, `bpr_max` and `gbce` set a query against the distinct labels of its batch
and take the same five columns:

    queries: `[Q, d]`, divided by the temperature.
    candidates: `[Q, d]` of the labels.
    label: `[Q]` int32 item indices.
    group: `[Q]` equal for one order or session, whose items are no negatives of each other.
    probability: `[Q]` share of the label among all labels.

A label stands there once, however often it was drawn: fewer columns, less variance, and no accidental hits. `parts`
cuts the batch in so many, at most, of `_LEAST_IN_PART` labels or more, which are negatives within their part alone: the
cost of a part grows with the square of its size.
"""

from collections.abc import Callable

import tensorflow as tf

from tfrec.models.replicas import this_replica
from tfrec.models.size_of import size_of

_NO_CANDIDATE = -1e9
_TINY = 1e-24
_LEAST_IN_PART = 768  # labels: with fewer, an item has too few negatives


def sampled_softmax(*columns: tf.Tensor, parts: int = 1) -> tf.Tensor:
    """Returns `[Q]` cross-entropies: `−log softmax(q·c − log P(c among them))`.

    The in-batch softmax with the logQ correction (Yi et al. 2019), but of distinct labels: one drawn `Q` times with
    probability `p` is in the batch with `P = 1 − (1 − p)^Q` (as `tf.nn.sampled_softmax_loss` has it).
    """

    def of_part(*part: tf.Tensor) -> tf.Tensor:
        positive, negatives, log_chance = _logits_of_part(*part, corrected=True)
        return tf.nn.softplus(tf.reduce_logsumexp(negatives, axis=1) - positive + log_chance)

    return _in_parts(of_part, columns, parts)


def bpr_max(*columns: tf.Tensor, parts: int = 1, temperature: float = 1.0, regularisation: float = 1.0) -> tf.Tensor:
    """Returns `[Q]`: `−log Σ_j s_j σ(r_i − r_j) + λ Σ_j s_j r_j²`, `s` the softmax over the negatives.

    The negatives that score highest count most, so that gradients do not vanish with many of them (Hidasi & Karatzoglou
    2018).

    Args:
        columns: of the batch.
        parts: number of parts that it is cut into.
        temperature: temperature that the queries were divided by: `λ` holds the scores before that.
        regularisation: `λ`.
    """

    def of_part(*part: tf.Tensor) -> tf.Tensor:
        positive, negatives, _ = _logits_of_part(*part, corrected=False)
        is_negative = negatives > _NO_CANDIDATE / 2
        scores = tf.where(is_negative, negatives, 0.0)
        share = tf.nn.softmax(negatives, axis=1)
        likelihood = tf.reduce_sum(share * tf.sigmoid(positive[:, None] - scores), axis=1)
        size = tf.reduce_sum(share * tf.square(scores * temperature), axis=1)
        loss = -tf.math.log(likelihood + _TINY) + regularisation * size
        return tf.where(tf.reduce_any(is_negative, axis=1), loss, 0.0)

    return _in_parts(of_part, columns, parts)


def gbce(*columns: tf.Tensor, num_items: int, parts: int = 1, calibration: float = 0.75) -> tf.Tensor:
    """Returns `[Q]`: `−(β log σ(r_i) + Σ_j log(1 − σ(r_j)))` over the number of terms.

    gSASRec's (Petrov & Macdonald 2023): `β = α (t (1 − 1/α) + 1/α)`, `α` the share of the catalogue among the
    negatives. Cosines begin around zero, where a sigmoid says evens: one positive beside a thousand negatives would
    teach nothing but to push everything apart. So `r = q·c − log(P(c among them) N / β)`: corrected for the chance to
    be drawn, as in NCE, and with the prior odds where SigLIP (Zhai et al. 2023) sets its bias.

    Args:
        columns: of the batch.
        num_items: `N`, of the catalogue.
        parts: number of parts that the batch is cut into.
        calibration: `t`: 0 is binary cross-entropy, which sampling makes overconfident, 1 undoes that wholly.
    """

    def of_part(*part: tf.Tensor) -> tf.Tensor:
        positive, negatives, log_chance = _logits_of_part(*part, corrected=True)
        count = tf.reduce_sum(tf.cast(negatives > _NO_CANDIDATE / 2, tf.float32), axis=1)
        share = tf.minimum(tf.maximum(count, 1.0) / max(num_items - 1, 1), 1.0)
        beta = share * (calibration * (1.0 - 1.0 / share) + 1.0 / share)
        odds = tf.math.log(float(num_items) / beta)
        of_positive = beta * tf.nn.softplus(odds + log_chance - positive)
        return (of_positive + tf.reduce_sum(tf.nn.softplus(negatives - odds[:, None]), axis=1)) / (count + 1.0)

    return _in_parts(of_part, columns, parts)


def full_softmax(
    queries: tf.Tensor, candidates: tf.Tensor, label: tf.Tensor, group: tf.Tensor, is_met: tf.Tensor
) -> tf.Tensor:
    """Returns `[Q]` cross-entropies over the whole catalogue: `−log softmax(q·c)[label]`, no sampling to correct.

    Args:
        queries: `[Q, d]`, divided by the temperature.
        candidates: `[N + 1, d]`.
        label: `[Q]` int32 rows of `candidates`.
        group: `[Q]` equal for one order or session, whose items are no negatives of each other.
        is_met: `[N + 1]` items that are negatives; there is no negative feedback on the others yet.
    """
    logits = tf.matmul(queries, candidates, transpose_b=True)
    logits = tf.where(is_met[None, :], logits, _NO_CANDIDATE)
    mates = tf.where(tf.equal(group[:, None], group[None, :]) & tf.not_equal(label[:, None], label[None, :]))
    cells = tf.stack([tf.cast(mates[:, 0], tf.int32), tf.gather(label, mates[:, 1])], axis=1)
    logits = tf.tensor_scatter_nd_update(logits, cells, tf.fill([size_of(cells)], _NO_CANDIDATE))
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)


def _in_parts(of_part: Callable[..., tf.Tensor], columns: tuple[tf.Tensor, ...], parts: int) -> tf.Tensor:
    """Returns `[Q]` losses of the columns cut into parts of even size, each part by itself.

    Replicas, who have the columns of the whole batch, share out the parts; losses of the others' are 0.
    """
    size = size_of(columns[0])
    replica, num_replicas = this_replica()
    even = -(-size // tf.clip_by_value(size // _LEAST_IN_PART, 1, parts))
    sizes = tf.clip_by_value(size - even * tf.range(parts), 0, even)  # those behind are empty
    split = (tf.split(column, sizes) for column in columns)
    return tf.concat(
        [
            of_part(*part) if number % num_replicas == replica else tf.zeros([sizes[number]])
            for number, part in enumerate(zip(*split, strict=True))
        ],
        axis=0,
    )


def _logits_of_part(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    label: tf.Tensor,
    group: tf.Tensor,
    probability: tf.Tensor,
    *,
    corrected: bool,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scores `[Q]` of the labels, `[Q, C]` of the distinct labels, `[Q]` log P of the query's own.

    Far below everything where a column is of the query's own group, its label among them; less log P if `corrected`.
    """
    distinct, column = tf.unique(label)
    num_queries, num_columns = tf.size(label), tf.size(distinct)
    tries = tf.cast(num_queries, tf.float32)
    share = tf.math.unsorted_segment_max(probability, column, num_columns)
    log_chance = tf.math.log(-tf.math.expm1(tries * tf.math.log1p(-tf.clip_by_value(share, 1e-9, 1 - 1e-6))))
    _, row = tf.unique(group)
    cells = tf.stack([row, column], axis=1)
    is_mate = tf.scatter_nd(cells, tf.ones([num_queries]), [num_queries, num_columns])
    offset = tf.where(is_mate > 0, _NO_CANDIDATE, -log_chance[None, :] if corrected else 0.0)
    first = tf.math.unsorted_segment_min(tf.range(num_queries), column, num_columns)
    logits = tf.matmul(queries, tf.gather(candidates, first), transpose_b=True) + tf.gather(offset, row)
    return tf.reduce_sum(queries * candidates, axis=1), logits, tf.gather(log_chance, column)
