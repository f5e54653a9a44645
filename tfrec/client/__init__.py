"""Asks a shop's servable over gRPC, without TensorFlow or pandas in the process."""

from tfrec.client.answer_log import AnswerLog
from tfrec.client.async_client import AsyncRecommenderClient
from tfrec.client.breaker import Breaker
from tfrec.client.client import RecommenderClient
from tfrec.client.experiment import Arm, Experiment
from tfrec.client.exploration import Exploration
from tfrec.client.offers import OfferedItem, Offers, Origin

__all__ = [
    "AnswerLog",
    "Arm",
    "AsyncRecommenderClient",
    "Breaker",
    "Experiment",
    "Exploration",
    "OfferedItem",
    "Offers",
    "Origin",
    "RecommenderClient",
]
