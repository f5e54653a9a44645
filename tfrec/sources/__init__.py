"""Turns raw files into stored tables of text, each row with the file and the line that it comes from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
