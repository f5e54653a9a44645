"""Runs the longer jobs on trained models: baselines, updates, tuning, ablations."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
