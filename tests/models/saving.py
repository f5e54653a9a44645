"""A Keras model written and read again, without its classes being named: they are registered."""

from pathlib import Path

import tensorflow as tf


def reloaded(model: tf.keras.Model, folder: Path) -> tf.keras.Model:
    """Returns the model as `tf.keras.models.load_model` reads it."""
    path = folder / "model.keras"
    model.save(path)
    return tf.keras.models.load_model(path)
