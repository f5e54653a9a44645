"""Trains the funnel of a prepared shop.

The retrieval model is trained block of time by block of time. It first learns from all events before the first block.
Then, for each block, its embeddings and the feature tables as of the block's start make ranking examples from the
block's orders, and only afterwards does it learn from the block itself. So no candidate source has seen the answers
that the ranking model is fitted to, and the final retrieval model has seen all events.
"""

from tfrec.training.config import TrainingConfig, WarmStartConfig
from tfrec.training.examples import make_examples
from tfrec.training.fit import fit_ranking, train
from tfrec.training.funnel import TrainedFunnel, build_baseline_sources, build_sources
from tfrec.training.optimizer import LazyAdam
from tfrec.training.refresh import refresh
from tfrec.training.store import load_trained, save_trained
from tfrec.training.warm_start import warm_start

__all__ = [
    "LazyAdam",
    "TrainedFunnel",
    "TrainingConfig",
    "WarmStartConfig",
    "build_baseline_sources",
    "build_sources",
    "fit_ranking",
    "load_trained",
    "make_examples",
    "refresh",
    "save_trained",
    "train",
    "warm_start",
]
