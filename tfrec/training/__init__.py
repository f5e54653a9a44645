"""Shop → trained funnel.

The retrieval model walks through time. It learns from all events before a first moment; then, block by block, its
embeddings and the tables of what was known at the block's beginning make examples of the block's orders for the
ranking model, before it learns from the block itself. So no candidate source has seen the answers that the ranking
model is fitted to, and the last retrieval model has seen everything.
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
