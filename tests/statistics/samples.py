"""Draws outcomes of known rates."""

import numpy as np


def hits(rate, size, seed):
    return (np.random.default_rng(seed).random(size) < rate).astype(float)
