"""Encodes embedded events in time into the state of interest after each of them."""

from typing import Any

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tfrec")
class BehaviourTower(tf.keras.layers.Layer):
    """`[B, T, d]` embedded events, oldest first → `[B, T, units]`: an LSTM's state after each event.

    All positions come out at once, so that training labels each of them in one pass (eleven times the labels a second
    of one window a label). Masked positions are skipped: the state behind padding is the state before it. No XLA, no
    unrolling: both are slower for this layer on CPUs.

    Args:
        units: width of the state.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self._lstm = tf.keras.layers.LSTM(units, return_sequences=True)

    def build(self, input_shape: Any) -> None:
        """Checks that the input is `[B, T, d]`."""
        if tf.TensorShape(input_shape).rank != 3:
            raise ValueError(
                f"BehaviourTower needs embedded events [B, T, d]; got shape {tf.TensorShape(input_shape)}. "
                "Embed the items first."
            )
        with tf.name_scope(self._lstm.name):
            self._lstm.build(input_shape)
        super().build(input_shape)

    def call(self, events: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns `[B, T, units]`; `mask [B, T]` is True at real events."""
        if mask is None:
            return self._lstm(events)
        # Masked queries have their padding in front, for which cuDNN has no kernel. The layer would trace two versions
        # all the same, with their gradients, and each SavedModel would hold them; its cell alone computes the same.
        start = tf.zeros([tf.shape(events)[0], self.units], events.dtype)
        _, states, _ = tf.keras.backend.rnn(self._lstm.cell, events, [start, start], mask=mask)
        return states

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {**super().get_config(), "units": self.units}
