"""Encodes product pictures into features: Conv2D, pooling, Dense."""

from typing import Any

import tensorflow as tf

from tfrec.models.size_of import size_of


@tf.keras.utils.register_keras_serializable("tfrec")
class ImageTower(tf.keras.layers.Layer):
    """`[B, H, W, C]` pictures → `[B, features]`.

    For each of `filters`: `Conv2D(filters, (3, 3), relu)` → `MaxPooling2D((2, 2))`; then `Flatten` →
    `Dense(features, relu)`. With the defaults and 28×28×1 pictures this is the document's model up to its 128
    features; `with_sigmoid_head` adds its last layer for pre-training on bought / not bought.

    Args:
        filters: numbers of filters of each convolution block.
        features: width of the result.
        dropout: share of features dropped in training.
    """

    def __init__(
        self, filters: tuple[int, ...] = (32,), features: int = 128, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.features, self.dropout = tuple(filters), features, dropout
        self._blocks = []
        for width in self.filters:
            self._blocks += [
                tf.keras.layers.Conv2D(width, (3, 3), activation="relu"),
                tf.keras.layers.MaxPooling2D((2, 2)),
            ]
        self._dense = tf.keras.layers.Dense(features, activation="relu")
        self._dropout = tf.keras.layers.Dropout(dropout)

    def build(self, input_shape: Any) -> None:
        """Checks that the pictures are `[B, H, W, C]` and large enough for every block."""
        shape = tf.TensorShape(input_shape)
        if shape.rank != 4:
            raise ValueError(
                f"ImageTower needs pictures [B, H, W, C]; got shape {shape}. Add a channel axis to grey pictures."
            )
        smallest = 1
        for _ in self.filters:
            smallest = 2 * smallest + 2
        if shape[1] is not None and min(shape[1], shape[2]) < smallest:
            raise ValueError(
                f"ImageTower with {len(self.filters)} blocks needs pictures of at least {smallest}×{smallest}; "
                f"got {shape[1]}×{shape[2]}. Use fewer blocks or larger pictures."
            )
        super().build(input_shape)

    def call(self, images: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns `[B, features]`; integer pictures are read as 0..255, floats as 0..1."""
        hidden = tf.cast(images, tf.float32) / 255.0 if images.dtype.is_integer else images
        for block in self._blocks:
            hidden = block(hidden)
        hidden = tf.reshape(hidden, [size_of(hidden), hidden.shape[1] * hidden.shape[2] * hidden.shape[3]])
        return self._dropout(self._dense(hidden), training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {**super().get_config(), "filters": self.filters, "features": self.features, "dropout": self.dropout}


def with_sigmoid_head(tower: ImageTower, image_shape: tuple[int, int, int]) -> tf.keras.Model:
    """Returns the document's whole model: the tower and `Dense(1, sigmoid)`, compiled with Adam and cross-entropy."""
    pictures = tf.keras.Input(image_shape)
    probability = tf.keras.layers.Dense(1, activation="sigmoid", name="bought")(tower(pictures))
    model = tf.keras.Model(pictures, probability, name="bought_or_not")
    model.compile(optimizer=tf.keras.optimizers.Adam(), loss="binary_crossentropy", metrics=["AUC"])
    return model
