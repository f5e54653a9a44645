"""Recommends items and promotions from a shop's own log: cross-sell, upsell, cart completion.

`import tfrec` is cheap: TensorFlow and pandas load on first use of what needs them
(`tfrec.models`, `tfrec.pipelines`, `tfrec.load` ...). TensorFlow Recommenders 0.7.7 needs Keras 2, so the switch
`TF_USE_LEGACY_KERAS=1` is set here, before TensorFlow can load.
"""

import importlib
import os
import sys
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
if "tensorflow" not in sys.modules:
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "3"
    )  # start-up notes, among them an "error" on machines without a GPU

__version__ = "0.1.0"

_LAZY_MODULES = (
    "analysis",
    "baselines",
    "client",
    "collect",
    "demo_shop",
    "errors",
    "evaluation",
    "experiments",
    "features",
    "ingest",
    "layouts",
    "jobs",
    "models",
    "pipelines",
    "promotions",
    "release",
    "report",
    "schema",
    "serving",
    "sources",
    "statistics",
    "strategy",
    "tracking",
    "training",
    "workflow",
)
_LAZY_NAMES = {"load": ("tfrec.features.shop", "load_shop"), "Shop": ("tfrec.features.shop", "Shop")}

__all__ = ["Shop", "__version__", "load", *_LAZY_MODULES]


def __getattr__(name: str) -> Any:
    if name in _LAZY_NAMES:
        module, attribute = _LAZY_NAMES[name]
        return getattr(importlib.import_module(module), attribute)
    if name in _LAZY_MODULES:
        return importlib.import_module(f"tfrec.{name}")
    raise AttributeError(f"module 'tfrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
