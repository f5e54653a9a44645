"""Updates only the rows of a sparse gradient by Adam, whatever the size of the catalogue."""

from typing import Any

import tensorflow as tf

from tfrec.errors import ConfigError


class LazyAdam(tf.keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015) whose sparse steps update only the rows of the batch, moments included.

    Keras' own Adam decays the moments of each row in each step and updates all rows: several passes over the table,
    which for 200,000 items costs more than the rest of the step. Dense weights are updated by one fused operation.

    Args:
        learning_rate: a number, or a schedule.
        **kwargs: of `tf.keras.optimizers.Adam`, but for `amsgrad`; `jit_compile` is off, for XLA would compile again
            for each number of rows that a step touches.

    Raises:
        ConfigError: `amsgrad` is asked for.
    """

    def __init__(self, learning_rate: Any = 0.001, **kwargs: Any) -> None:
        if kwargs.get("amsgrad"):
            raise ConfigError("LazyAdam keeps no highest moments. Use tf.keras.optimizers.Adam for `amsgrad`.")
        super().__init__(learning_rate, **{**kwargs, "jit_compile": False})

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Applies the gradient of one variable `[n, d]`; the rows of a sparse one are distinct, Keras sees to that."""
        step = tf.cast(self.iterations + 1, variable.dtype)
        power_1 = tf.pow(tf.cast(self.beta_1, variable.dtype), step)
        power_2 = tf.pow(tf.cast(self.beta_2, variable.dtype), step)
        rate = tf.cast(self.learning_rate, variable.dtype)
        index = self._index_dict[self._var_key(variable)]
        m, v = self._momentums[index], self._velocities[index]
        if not isinstance(gradient, tf.IndexedSlices):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )
            return
        rows, values = gradient.indices, gradient.values
        m_rows = self.beta_1 * tf.gather(m, rows) + (1 - self.beta_1) * values
        v_rows = self.beta_2 * tf.gather(v, rows) + (1 - self.beta_2) * tf.square(values)
        m.scatter_update(tf.IndexedSlices(m_rows, rows))
        v.scatter_update(tf.IndexedSlices(v_rows, rows))
        rate = rate * tf.sqrt(1 - power_2) / (1 - power_1)
        variable.scatter_sub(tf.IndexedSlices(rate * m_rows / (tf.sqrt(v_rows) + self.epsilon), rows))
