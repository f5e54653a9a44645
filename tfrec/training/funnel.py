"""Trained models and the tables of a moment → what the servables are made of."""

import dataclasses

import numpy as np

from tfrec.features.knowledge import Knowledge, target_type
from tfrec.features.sequences import BehaviourSequences
from tfrec.features.shop import Shop
from tfrec.models.ranking import RankingModel
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.sources import CandidateSources, SourceConfig


@dataclasses.dataclass(frozen=True)
class TrainedFunnel:
    """All that the servables are made of.

    Attributes:
        retrieval: the two towers.
        ranking: the fusing model.
        knowledge: tables at the end of training.
        is_offered: `[N + 1]` bool.
    """

    retrieval: RetrievalModel
    ranking: RankingModel
    knowledge: Knowledge
    is_offered: np.ndarray

    def sources(self, shop: Shop, config: SourceConfig) -> CandidateSources:
        """Returns the candidate sources for serving."""
        return build_sources(shop, self.retrieval, self.knowledge, self.is_offered, config)


def build_sources(
    shop: Shop, model: RetrievalModel, knowledge: Knowledge, is_offered: np.ndarray, config: SourceConfig
) -> CandidateSources:
    """Returns candidate sources with the tables of `knowledge` and the embeddings of `model`."""
    return CandidateSources(
        shop.vocabularies,
        knowledge,
        candidate_embeddings=model.candidate_embeddings(),
        encoded_items=model.encoded_items(),
        query_tower=model.query_tower,
        is_offered=is_offered,
        cart_type=_code_or_target(shop.train, "cart"),
        view_type=_code_or_target(shop.train, "view"),
        config=config,
    )


def _code_or_target(sequences: BehaviourSequences, name: str) -> int:
    """The code of an event type, or the target's where the log does not know it (towers never learned that code)."""
    return sequences.type_code(name) if sequences.has_type(name) else target_type(sequences)
