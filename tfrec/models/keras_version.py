"""Checks that `tf.keras` is Keras 2; the error explains how to get it.

TensorFlow chooses its Keras once, when `tf.keras` is first touched; TensorFlow Recommenders 0.7.7 needs Keras 2.
"""

import os

from tfrec.errors import EnvironmentSetupError, install_hint

_SWITCH = "TF_USE_LEGACY_KERAS"


def require_keras_2() -> None:
    """Checks that `tf.keras` is Keras 2.

    Raises:
        EnvironmentSetupError: TensorFlow or tf-keras is not installed, or `tf.keras` is Keras 3 already.
    """
    try:
        import tensorflow as tf

        version = getattr(tf.keras, "__version__", "2")  # Keras 2 has no version here
    except ImportError as error:
        raise EnvironmentSetupError(
            f"Models need TensorFlow with tf-keras (Keras 2); {error}. {install_hint('train')}."
        ) from error
    if version.startswith("2"):
        return
    if os.environ.get(_SWITCH) in ("1", "true", "True"):
        what_to_do = "Write `import tfrec` above every import of TensorFlow, or set it before Python starts"
    else:
        what_to_do = f"Take {_SWITCH}={os.environ.get(_SWITCH, '')} out of the environment, or set it to 1"
    raise EnvironmentSetupError(
        f"Models need Keras 2, but `tf.keras` is Keras {version}: TensorFlow chose before {_SWITCH}=1 was set. "
        f"{what_to_do}, then restart Python."
    )
