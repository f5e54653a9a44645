"""Proposes recipes: recognises exports of known shop systems, and guesses what the columns of other files mean."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
