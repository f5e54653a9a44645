"""Prepares a shop: reads a raw log into checked, cleaned tables, split in time."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
