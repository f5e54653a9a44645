"""Embeds items and queries: the item encoder, the candidate tower and the query tower."""

import dataclasses
from typing import Any

import tensorflow as tf

from tfrec.features.vocabulary import NUM_PRICE_BUCKETS, Vocabularies
from tfrec.models.behaviour_tower import BehaviourTower
from tfrec.models.image_tower import ImageTower
from tfrec.models.replicas import of_all_replicas, this_replica
from tfrec.models.rows import masked_mean
from tfrec.models.size_of import size_of
from tfrec.pipelines.retrieval import GAP_BOUNDARIES


@dataclasses.dataclass(frozen=True)
class TowerInputs:
    """A shopper's latest events, oldest first; index 0 is padding, on either side.

    Attributes:
        item: `[B, T]` int32 item indices.
        event_type: `[B, T]` int32 codes.
        gap: `[B, T]` int32 bucket of the time since the event before.
        group: `[B, T]` int32; equal for events of one order, cart or session.
    """

    item: tf.Tensor
    event_type: tf.Tensor
    gap: tf.Tensor
    group: tf.Tensor


class ItemEncoder(tf.keras.layers.Layer):
    """`[M]` item indices → `[M, d]`: an id embedding plus an embedding of the content.

    `e(i) = seen(i)·id(i) + content(category path, brand, price bucket, title words, picture, vector)`. The id part is
    dropped for whole items in training with `id_dropout`, so that the content part learns to stand for items that
    have none (DropoutNet, Volkovs et al. 2017); items that no training step has seen (`is_seen` is 0) have none.

    Args:
        vocabularies: the shop's; the catalogue's arrays become constants of the layer.
        embedding_dim: `d`.
        id_dropout: share of items whose id part is dropped in a training step.
        use_content: False leaves the id embedding alone (an ablation, and all there is without a catalogue).
        image_tower: turns pictures into features; None leaves pictures out.

    Attributes:
        tables: name → embedding with a row a token: `item`, and those of `category`, `brand`, `price`, `title` that
            the catalogue has.
    """

    def __init__(
        self,
        vocabularies: Vocabularies,
        *,
        embedding_dim: int,
        id_dropout: float,
        use_content: bool,
        image_tower: ImageTower | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        catalogue = vocabularies.catalogue
        self.is_seen = tf.Variable(
            tf.zeros(vocabularies.items.size),
            trainable=False,
            name="is_seen",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,  # all of them set the same rows
        )
        self._id_dropout = id_dropout
        self.tables = {"item": _embedding(vocabularies.items.size, embedding_dim, "item_id")}
        self._codes: dict[str, tf.Tensor] = {}
        if use_content:
            for name, codes, size in (
                ("category", catalogue.categories, vocabularies.categories.size),
                ("brand", catalogue.brand[:, None], vocabularies.brands.size),
                ("price", catalogue.price_bucket[:, None], NUM_PRICE_BUCKETS + 1),
                ("title", catalogue.title_words, vocabularies.words.size),
            ):
                if codes.any():
                    self.tables[name] = _embedding(size, embedding_dim, name)
                    self._codes[name] = tf.constant(codes)
        self.image_tower = image_tower if catalogue.images is not None else None
        if self.image_tower is not None:
            self._images = tf.constant(catalogue.images)
            self._has_image = tf.constant(catalogue.has_image, tf.float32)
            self.image_dense = tf.keras.layers.Dense(embedding_dim, name="image")

        self.vector_dense = None
        if use_content and catalogue.vectors is not None:
            self._vectors = tf.constant(catalogue.vectors)
            self.vector_dense = tf.keras.layers.Dense(embedding_dim, use_bias=False, name="vector")

    def call(self, items: tf.Tensor, training: bool | None = None, *, marks_seen: bool = True) -> tf.Tensor:
        """Returns `[M, d]` for `[M]` indices; in training they count as seen from then on, by default."""
        if training and marks_seen:
            met = items if this_replica()[1] == 1 else of_all_replicas(items)
            self.is_seen.scatter_update(tf.IndexedSlices(tf.ones(tf.shape(met)), met))
        keep = tf.gather(self.is_seen, items)
        if training and self._id_dropout > 0:
            keep *= tf.cast(tf.random.uniform(tf.shape(items)) >= self._id_dropout, tf.float32)
        result = self.tables["item"](items) * keep[:, None]
        for name, codes in self._codes.items():
            result += _mean_of_rows(self.tables[name], tf.gather(codes, items))
        if self.image_tower is not None:
            features = self.image_tower(tf.gather(self._images, items), training=training)
            result += self.image_dense(features) * tf.gather(self._has_image, items)[:, None]
        if self.vector_dense is not None:  # zeros where an item has none, so that the product adds nothing
            result += self.vector_dense(tf.gather(self._vectors, items))
        return result


class CandidateTower(tf.keras.layers.Layer):
    """`[M, d]` encoded items → `[M, d]` candidate embeddings of unit length."""

    def __init__(self, embedding_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._dense = tf.keras.layers.Dense(embedding_dim, kernel_initializer="identity", name="candidate")

    def call(self, encoded: tf.Tensor) -> tf.Tensor:
        """Returns unit vectors `[..., d]`."""
        return tf.math.l2_normalize(self._dense(encoded), axis=-1)


class QueryTower(tf.keras.layers.Layer):
    """A shopper's latest events → `[B, T, d]` query embeddings of unit length, one after each event.

    `q_t = normalize(W·[LSTM_t, mean of the encoded items of the same order, cart or session up to t])`: the LSTM
    carries the order of behaviour, the mean carries the cart, whose items have no order.

    Args:
        embedding_dim: `d`.
        num_event_types: codes are 1..num_event_types.
        use_lstm: False leaves the mean alone (an ablation).
    """

    def __init__(
        self, embedding_dim: int, num_event_types: int, *, use_lstm: bool, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._type = _embedding(num_event_types + 1, embedding_dim, "event_type")
        self._gap = _embedding(len(GAP_BOUNDARIES) + 1, embedding_dim, "gap")
        self._behaviour = BehaviourTower(embedding_dim) if use_lstm else None
        # One mask for all positions of a window (Gal & Ghahramani 2016): fewer random numbers, the same effect.
        self._dropout = tf.keras.layers.Dropout(dropout, noise_shape=(None, 1, None))
        self._dense = tf.keras.layers.Dense(embedding_dim, name="query")

    def call(self, encoded: tf.Tensor, inputs: TowerInputs, training: bool | None = None) -> tf.Tensor:
        """Returns `[B, T, d]`.

        Args:
            encoded: `[B, T, d]` encoded items of `inputs.item`.
            inputs: the events.
            training: whether dropout is on.

        Raises:
            ValueError: `encoded` is not of rank 3.
        """
        if encoded.shape.rank != 3:
            raise ValueError(
                f"QueryTower needs encoded items [B, T, d]; got shape {encoded.shape}. Encode `inputs.item` first."
            )
        mask = inputs.item > 0
        pooled = _mean_of_group_so_far(encoded, inputs.group, mask)
        parts = [pooled]
        if self._behaviour is not None:
            events = encoded + self._type(inputs.event_type) + self._gap(inputs.gap)
            # Windows of training have their padding behind, where the state is not used: no mask, a fifth faster.
            parts.append(self._behaviour(self._dropout(events, training=training), mask=None if training else mask))
        hidden = self._dropout(tf.concat(parts, axis=-1), training=training)
        return tf.math.l2_normalize(self._dense(hidden) + pooled, axis=-1)

    def last(self, encoded: tf.Tensor, inputs: TowerInputs) -> tf.Tensor:
        """Returns `[B, d]`: what `call` returns at the last position, without the work for the others."""
        mask = inputs.item > 0
        is_same = tf.equal(inputs.group, inputs.group[:, -1:]) & mask
        pooled = masked_mean(encoded, is_same)
        parts = [pooled]
        if self._behaviour is not None:
            events = encoded + self._type(inputs.event_type) + self._gap(inputs.gap)
            parts.append(self._behaviour(events, mask=mask)[:, -1])
        return tf.math.l2_normalize(self._dense(tf.concat(parts, axis=-1)) + pooled, axis=-1)


def _mean_of_group_so_far(encoded: tf.Tensor, group: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns `[B, T, d]`: at each position the mean over the earlier and present events of the same group."""
    length = size_of(group, 1)
    same = tf.equal(group[:, :, None], group[:, None, :])  # [B, T, T]
    past = tf.linalg.band_part(tf.ones([length, length], tf.bool), -1, 0)
    weight = tf.cast(same & past[None] & mask[:, None, :], tf.float32)
    weight /= tf.maximum(tf.reduce_sum(weight, axis=-1, keepdims=True), 1.0)
    return tf.matmul(weight, encoded)


def _mean_of_rows(table: tf.keras.layers.Embedding, codes: tf.Tensor) -> tf.Tensor:
    """Returns `[M, d]`: the mean of the rows `codes [M, n]`; code 0 is padding."""
    if codes.shape[1] == 1:
        return table(codes[:, 0]) * tf.cast(codes > 0, tf.float32)
    place = tf.where(codes > 0)
    return tf.sparse.segment_mean(
        table.embeddings,
        tf.gather_nd(codes, place),
        place[:, 0],
        num_segments=size_of(codes),
        sparse_gradient=True,
    )


def _embedding(size: int, dim: int, name: str) -> tf.keras.layers.Embedding:
    layer = tf.keras.layers.Embedding(
        size, dim, embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=0.05), name=name
    )
    layer.build(None)  # its rows are also read without calling it
    return layer
