"""Collects events of a running shop, each once by its id: from files, streams and HTTP into MySQL or Parquet."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
