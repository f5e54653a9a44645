"""Defines the Keras models and layers: the two towers, the ranking model, the candidate sources."""

from tfrec.models.keras_version import require_keras_2

require_keras_2()  # TensorFlow Recommenders would say less about what to do

from tfrec.models.behaviour_tower import BehaviourTower  # noqa: E402
from tfrec.models.image_tower import ImageTower  # noqa: E402
from tfrec.models.ranking import RankingConfig, RankingModel  # noqa: E402
from tfrec.models.retrieval import RetrievalConfig, RetrievalModel  # noqa: E402
from tfrec.models.towers import CandidateTower, ItemEncoder, QueryTower, TowerInputs  # noqa: E402

__all__ = [
    "BehaviourTower",
    "CandidateTower",
    "ImageTower",
    "ItemEncoder",
    "QueryTower",
    "RankingConfig",
    "RankingModel",
    "RetrievalConfig",
    "RetrievalModel",
    "TowerInputs",
]
