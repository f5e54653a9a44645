"""Keras models and layers: the two towers, the ranking model, the candidate sources."""

from tfrec.models.behaviour_tower import BehaviourTower
from tfrec.models.image_tower import ImageTower
from tfrec.models.retrieval import RetrievalConfig, RetrievalModel

__all__ = ["BehaviourTower", "ImageTower", "RetrievalConfig", "RetrievalModel"]
