"""Releases versions of servables: certifies, publishes, verifies, gates and rolls them back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
