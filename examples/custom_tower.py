"""A query tower of one's own in plain Keras: `python examples/custom_tower.py PREPARED`.

A tower is a Keras layer that turns encoded events `[B, T, d]` into query embeddings `[B, T, d]`, one after each event.
Here a GRU takes the LSTM's place; item encoder, candidate tower, loss, pipeline and training stay as they are.
"""

import sys
from pathlib import Path

import numpy as np

import tfrec  # before TensorFlow: it selects Keras 2, which TensorFlow Recommenders needs

# isort: split
import tensorflow as tf

from tfrec.models.towers import TowerInputs


class GruTower(tf.keras.layers.Layer):
    """Encoded events, oldest first, to unit query embeddings by a GRU beside the latest item."""

    def __init__(self, embedding_dim: int, num_event_types: int) -> None:
        super().__init__()
        self._type = tf.keras.layers.Embedding(num_event_types + 1, embedding_dim)
        self._gru = tf.keras.layers.GRU(embedding_dim, return_sequences=True)
        self._dense = tf.keras.layers.Dense(embedding_dim)

    def call(self, encoded: tf.Tensor, inputs: TowerInputs, training: bool | None = None) -> tf.Tensor:
        """Returns `[B, T, d]`; `inputs` has item, event type, time since the event before, and order or visit."""
        state = self._gru(encoded + self._type(inputs.event_type), mask=inputs.item > 0)
        return tf.math.l2_normalize(self._dense(state) + encoded, axis=-1)


class GruRetrieval(tfrec.models.RetrievalModel):
    """The retrieval model with that tower."""

    def __init__(self, vocabularies: tfrec.features.vocabulary.Vocabularies, config: tfrec.models.RetrievalConfig):
        super().__init__(vocabularies, config)
        self.query_tower = GruTower(config.embedding_dim, len(vocabularies.event_types))


def main(prepared: Path) -> None:
    """Trains the model with that tower and prints the losses and the neighbours of an item."""
    tf.keras.utils.set_random_seed(0)
    shop = tfrec.load(prepared)
    model = GruRetrieval(shop.vocabularies, tfrec.models.RetrievalConfig(embedding_dim=16, use_images=False))
    model.compile(optimizer=tfrec.training.LazyAdam(0.004))
    history = model.fit(tfrec.pipelines.retrieval(shop.train, batch_size=512), epochs=3, verbose=0)
    print("Loss by epoch:", ", ".join(f"{loss:.3f}" for loss in history.history["loss"]))

    embeddings = model.candidate_embeddings()  # [N + 1, d]; row 0 is padding
    nearest = np.argsort(-embeddings[1:] @ embeddings[1])[1:4] + 1
    names = shop.vocabularies.items.tokens
    print(f"Nearest to {names[0]}: {', '.join(names[row - 1] for row in nearest)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
