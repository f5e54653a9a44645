"""Applies business rules to slates, as TensorFlow functions in the served graph."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
