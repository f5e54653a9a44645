"""Tests, mirroring `tfrec/`."""

import tfrec  # noqa: F401  # before any test imports TensorFlow: it chooses Keras 2
