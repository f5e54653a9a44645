"""Defines the two towers, whose inner product finds what a shopper wants next."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from tfrec.errors import ConfigError, nearest_hint
from tfrec.features.vocabulary import Vocabularies
from tfrec.models.image_tower import ImageTower
from tfrec.models.replicas import of_all_replicas, this_replica
from tfrec.models.retrieval_losses import bpr_max, full_softmax, gbce, sampled_softmax
from tfrec.models.towers import CandidateTower, ItemEncoder, QueryTower, TowerInputs

LOSSES = ("sampled_softmax", "bpr_max", "gbce", "full_softmax")
"""What the towers can be trained with; `make bench-losses` compares them."""
_MOST_ITEMS_IN_FULL = 50_000
_ENCODE_BATCH = 4096


@dataclasses.dataclass(frozen=True)
class RetrievalConfig:
    """Settings of `RetrievalModel`.

    Attributes:
        loss: `sampled_softmax` (in-batch negatives with the logQ correction), `bpr_max`, `gbce`, or `full_softmax` over
            the whole catalogue; `make bench-losses` compares them at equal training time. They need different
            temperatures.
        softmax_parts: parts of a large batch, at most, within which labels are each other's negatives: a sampled loss
            costs less, and the LSTM still has the whole batch's rows at once.
        embedding_dim: width of both towers' embeddings.
        temperature: temperature of the softmax over unit vectors; smaller is sharper.
        id_dropout: share of items that a step treats as never sold, so that content suffices without the id.
        dropout: share of features dropped between layers in training.
        use_lstm: whether the order of behaviour counts.
        use_images: whether pictures count, where the shop has some.
        use_content: whether category, brand, price and title count.
        image_filters: Conv2D filters, a number a block.
        image_features: width of the picture features.
    """

    loss: str = "sampled_softmax"
    softmax_parts: int = 4
    embedding_dim: int = 64
    temperature: float = 0.07
    id_dropout: float = 0.1
    dropout: float = 0.1
    use_lstm: bool = True
    use_images: bool = True
    use_content: bool = True
    image_filters: tuple[int, ...] = (32,)
    image_features: int = 128

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ConfigError(
                f"`loss` must be one of {', '.join(LOSSES)}; got {self.loss!r}.{nearest_hint(self.loss, LOSSES)}"
            )
        if self.embedding_dim < 1 or self.temperature <= 0:
            raise ConfigError(
                f"`embedding_dim` and `temperature` must be positive; got {self.embedding_dim} and {self.temperature}."
            )
        if self.softmax_parts < 1:
            raise ConfigError(f"`softmax_parts` must be at least 1; got {self.softmax_parts}.")
        for name in ("id_dropout", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must lie in [0, 1); got {getattr(self, name)}.")


class RetrievalModel(tfrs.Model):
    """Query and candidate towers, trained on the batches of `tfrec.pipelines.retrieval`.

    The loss is by default the softmax over the batch's distinct labels with the logQ correction (Yi et al. 2019).
    Whatever the loss, items of the label's own order or session are no negatives: a shopper who buys two things at once
    wants both.

    Args:
        vocabularies: the shop's.
        config: settings.
    """

    # Nothing in a step branches on a tensor in Python: AutoGraph would only make its trace slower.
    train_step = tf.autograph.experimental.do_not_convert(tfrs.Model.train_step)

    def __init__(self, vocabularies: Vocabularies, config: RetrievalConfig = RetrievalConfig()) -> None:
        super().__init__()
        self.config = config
        self.vocabularies = vocabularies
        self.num_items = vocabularies.num_items
        image_tower = ImageTower(config.image_filters, config.image_features) if config.use_images else None
        self.item_encoder = ItemEncoder(
            vocabularies,
            embedding_dim=config.embedding_dim,
            id_dropout=config.id_dropout,
            use_content=config.use_content,
            image_tower=image_tower,
        )
        self.candidate_tower = CandidateTower(config.embedding_dim)
        self.query_tower = QueryTower(
            config.embedding_dim, len(vocabularies.event_types), use_lstm=config.use_lstm, dropout=config.dropout
        )
        if config.loss == "full_softmax" and self.num_items > _MOST_ITEMS_IN_FULL:
            raise ConfigError(
                f"`full_softmax` scores each label against all {self.num_items:,} items; it takes up to "
                f"{_MOST_ITEMS_IN_FULL:,}. Set loss = 'sampled_softmax'."
            )

    def call(self, features: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Returns `[R, T, d]` query embeddings after each position of the windows."""
        return self._embed(features, training)[0]

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the mean loss, a scalar, over the labelled positions of a batch of windows `[R, T]`."""
        queries, candidates = self._embed(features, training)
        labelled = tf.reshape(features["label"], [-1]) > 0
        # TFRS fails on a batch without labels (visits that repeat one item): a position of weight 0 stands in.
        weight = tf.cast(labelled, tf.float32)
        labelled |= ~tf.reduce_any(labelled) & (tf.range(tf.size(labelled)) == 0)

        def flat(name: str) -> tf.Tensor:
            return tf.boolean_mask(tf.reshape(features[name], [-1]), labelled)

        label, group = flat("label"), flat("label_group")
        weight = tf.boolean_mask(weight, labelled)
        queries = tf.boolean_mask(tf.reshape(queries, [-1, self.config.embedding_dim]), labelled)
        queries /= self.config.temperature
        if self.config.loss == "full_softmax":
            catalogue = tf.range(self.num_items + 1)
            encoded = self.item_encoder(catalogue, training=training, marks_seen=False)
            is_met = ((self.item_encoder.is_seen > 0) | (not training)) & (catalogue > 0)
            loss = full_softmax(queries, self.candidate_tower(encoded), label, group, is_met)
        else:
            columns = [queries, tf.boolean_mask(candidates, labelled), label, group, flat("label_probability")]
            if this_replica()[1] > 1:
                *columns, weight = _of_whole_batch(*columns, weight)
            loss = self._sampled_loss(*columns)
        return tf.reduce_sum(loss * weight) / tf.cast(tf.size(weight), tf.float32)

    def candidate_embeddings(self) -> np.ndarray:
        """Returns `[N + 1, d]` unit candidate embeddings; row 0 is zero."""
        return self._for_all_items(lambda items: self.candidate_tower(self.item_encoder(items, training=False)))

    def encoded_items(self) -> np.ndarray:
        """Returns `[N + 1, d]` encoded items, which the query tower reads; row 0 is zero."""
        return self._for_all_items(lambda items: self.item_encoder(items, training=False))

    def _embed(self, features: dict[str, tf.Tensor], training: bool | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns query embeddings `[R, T, d]` and candidate embeddings of the labels `[R * T, d]`."""
        item, label = features["item"], features["label"]
        both = tf.concat([tf.reshape(item, [-1]), tf.reshape(label, [-1])], axis=0)
        distinct, place = tf.unique(both)  # each item is encoded once a batch, however often it stands there
        encoded = self.item_encoder(distinct, training=training)
        candidates = self.candidate_tower(encoded)
        num_positions = tf.size(item)
        shape = tf.concat([tf.shape(item), [self.config.embedding_dim]], axis=0)
        sequence = tf.reshape(tf.gather(encoded, place[:num_positions]), shape)
        inputs = TowerInputs(item, features["event_type"], features["gap"], features["group"])
        queries = self.query_tower(sequence, inputs, training=training)
        return queries, tf.gather(candidates, place[num_positions:])

    def _sampled_loss(self, *columns: tf.Tensor) -> tf.Tensor:
        """Returns `[Q]` losses against the batch, by `config.loss`."""
        parts = self.config.softmax_parts
        if self.config.loss == "bpr_max":
            return bpr_max(*columns, parts=parts, temperature=self.config.temperature)
        if self.config.loss == "gbce":
            return gbce(*columns, parts=parts, num_items=self.num_items)
        return sampled_softmax(*columns, parts=parts)

    def _for_all_items(self, embed: tf.types.experimental.GenericFunction) -> np.ndarray:
        """Returns `[N + 1, d]` of all items, computed in blocks to bound the memory; row 0 is zero."""
        rows = [
            embed(tf.range(start, min(start + _ENCODE_BATCH, self.num_items + 1))).numpy()
            for start in range(0, self.num_items + 1, _ENCODE_BATCH)
        ]
        result = np.concatenate(rows)
        result[0] = 0.0
        return result


def _of_whole_batch(*columns: tf.Tensor) -> list[tf.Tensor]:
    """Returns the columns `[Q, ...]` of all replicas, the last of which is the weight, without what only stood in.

    Where a replica has no label a position of weight 0 stands in for it; one is kept where no replica has any.
    """
    gathered = [of_all_replicas(column) for column in columns]
    is_real = gathered[-1] > 0
    kept = is_real | (~tf.reduce_any(is_real) & (tf.range(tf.size(is_real)) == 0))
    return [tf.boolean_mask(column, kept) for column in gathered]
