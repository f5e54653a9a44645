"""Combines trained models and present feature tables into what the servables are made of."""

import dataclasses

import numpy as np

from tfrec.baselines.fitted import FittedBaseline
from tfrec.features.feature_tables import FeatureConfig, FeatureTables, compute_feature_tables, target_type
from tfrec.features.sequences import BehaviourSequences
from tfrec.features.shop import Shop
from tfrec.features.stored_users import keep_users
from tfrec.models.baseline_sources import BaselineSources
from tfrec.models.ranking import RankingModel
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.moment import Moment
from tfrec.training.config import TrainingConfig
from tfrec.training.time_blocks import end_of_training, known_items


@dataclasses.dataclass(frozen=True)
class TrainedFunnel:
    """All that the servables are made of.

    Attributes:
        retrieval: the two towers.
        ranking: the fusing model.
        feature_tables: tables at the end of training.
        is_offered: `[N + 1]` bool.
        learned_until: the models learned from events before this moment, hours since 1970-01-01 UTC; the tables may
            be younger.
    """

    retrieval: RetrievalModel
    ranking: RankingModel
    feature_tables: FeatureTables
    is_offered: np.ndarray
    learned_until: float

    def sources(
        self,
        shop: Shop,
        config: SourceConfig,
        *,
        features: FeatureConfig = FeatureConfig(),
        users: np.ndarray | None = None,
    ) -> CandidateSources:
        """Returns the candidate sources for serving.

        Args:
            shop: gives the catalogue.
            config: settings of the sources.
            features: settings of the feature tables.
            users: `[n]` indices of the users that are stored; None = all.
        """
        tables = self.feature_tables if users is None else keep_users(self.feature_tables, users)
        return build_sources(shop, self.retrieval, tables, self.is_offered, config, features)


def funnel_of_the_present(
    shop: Shop,
    retrieval: RetrievalModel,
    ranking: RankingModel,
    config: TrainingConfig,
    *,
    learned_until: float,
    feature_tables: FeatureTables | None = None,
) -> TrainedFunnel:
    """Returns the models with what the shop knows at the end of its training period.

    Args:
        shop: gives tables and catalogue.
        retrieval: retrieval model of the shop's vocabularies.
        ranking: ranking model of the shop's heads.
        config: training settings; those of the feature tables are used.
        learned_until: what the models learned from, hours.
        feature_tables: tables as of the end of the training period; None = computed here.
    """
    end = end_of_training(shop)
    return TrainedFunnel(
        retrieval=retrieval,
        ranking=ranking,
        feature_tables=feature_tables or compute_feature_tables(shop.train, as_of=end, config=config.features),
        is_offered=offered_now(shop),
        learned_until=learned_until,
    )


def build_sources(
    shop: Shop,
    model: RetrievalModel,
    feature_tables: FeatureTables,
    is_offered: np.ndarray,
    config: SourceConfig,
    features: FeatureConfig = FeatureConfig(),
) -> CandidateSources:
    """Returns candidate sources with the tables of `feature_tables` and the embeddings of `model`.

    `is_offered` is `[N + 1]`; `features` are the settings of the tables.
    """
    moment = Moment(
        shop.vocabularies.catalogue,
        feature_tables,
        candidate_embeddings=model.candidate_embeddings(),
        encoded_items=model.encoded_items(),
        query_tower=model.query_tower,
        is_offered=is_offered,
        cart_type=_code_or_target(shop.train, "cart"),
        config=config,
        target_type=target_type(shop.train),
        features=features,
    )
    return CandidateSources(moment, view_type=_code_or_target(shop.train, "view"))


def build_baseline_sources(shop: Shop, fitted: FittedBaseline) -> BaselineSources:
    """Returns the sources of a fitted baseline for serving: no part of it was trained by gradients."""
    return BaselineSources(
        shop.vocabularies,
        shop.users,
        fitted,
        is_offered=offered_now(shop),
        view_type=_code_or_target(shop.train, "view"),
        segments=shop.train.segments,
    )


def offered_now(shop: Shop) -> np.ndarray:
    """Returns `[N + 1]` bool: items that are known, on sale and in stock at the end of training."""
    end = end_of_training(shop)
    return known_items(shop.train, end) & shop.vocabularies.catalogue.is_available(end)


def _code_or_target(sequences: BehaviourSequences, name: str) -> int:
    """Returns the code of an event type, or the target's where the log does not have it."""
    return sequences.type_code(name) if sequences.has_type(name) else target_type(sequences)
