"""Encodes embedded events in time into the state of interest after each of them."""

from typing import Any

import tensorflow as tf

from tfrec.models.size_of import size_of

_CLOSED = -1e4  # a gate of which the sigmoid is 0 in 32 bits


@tf.keras.utils.register_keras_serializable("tfrec")
class BehaviourTower(tf.keras.layers.Layer):
    """`[B, T, d]` embedded events, oldest first → `[B, T, units]`: an LSTM's state after each event.

    All positions come out at once, so that training labels each of them in one pass (eleven times the labels a second
    of one window a label). No XLA, no unrolling: both are slower for this layer on CPUs. Under a mask the state is 0
    before the first real event, and behind the last one what it was there.

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

    def call(self, events: tf.Tensor, mask: tf.Tensor | None = None, training: bool | None = None) -> tf.Tensor:
        """Returns `[B, T, units]`.

        Args:
            events: `[B, T, d]`.
            mask: `[B, T]`, True at real events, which stand side by side; None = all are.
            training: whether gradients are wanted; without, a mask costs less.
        """
        if mask is None:
            return self._lstm(events)
        if training:  # the layer would trace two versions, one of them for cuDNN; its cell alone computes the same
            start = tf.zeros([size_of(events), self.units], events.dtype)
            return tf.keras.backend.rnn(self._lstm.cell, events, [start, start], mask=mask)[1]
        return self._states(events, mask)

    def _states(self, events: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Returns what the layer returns under a mask, within rounding, in less time; no gradients.

        Its loop runs many operations a step, `BlockLSTM` is one for all steps. That operation has no mask: at padding a
        further input closes the gate through which an event enters the state. Its gradient is not the layer's.
        """
        cell = self._lstm.cell
        closed = tf.concat([tf.fill([1, self.units], _CLOSED), tf.zeros([1, 3 * self.units])], axis=1)
        is_padding = tf.cast(~mask, events.dtype)[..., None]
        by_step = tf.transpose(tf.concat([events, is_padding], axis=2), [1, 0, 2])
        start, no_peephole = tf.zeros([size_of(events), self.units], events.dtype), tf.zeros([self.units])
        found = tf.raw_ops.BlockLSTMV2(  # its gates have the order of Keras: input, forget, cell, output
            seq_len_max=tf.shape(by_step, tf.int64)[0],
            x=by_step,
            cs_prev=start,
            h_prev=start,
            w=tf.concat([cell.kernel, closed, cell.recurrent_kernel], axis=0),
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            b=cell.bias,
            cell_clip=0.0,
            use_peephole=False,
        )
        step = tf.range(size_of(mask, 1))[None, :]
        last = tf.reduce_max(tf.where(mask, step, 0), axis=1, keepdims=True)
        states = tf.transpose(tf.stop_gradient(found.h), [1, 0, 2])
        return tf.gather(states, tf.minimum(step, last), batch_dims=1)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {**super().get_config(), "units": self.units}
