"""Computes estimates with intervals: means, ratios, heavy tails, paired and resampled differences, shares."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
