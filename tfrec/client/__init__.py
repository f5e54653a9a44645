"""Asks a shop's servable over gRPC, without TensorFlow or pandas in the process."""

from tfrec.client.client import RecommenderClient
from tfrec.client.offers import OfferedItem, Offers

__all__ = ["OfferedItem", "Offers", "RecommenderClient"]
