"""Holds the settings of training as one checked value."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfrec.errors import ConfigError
from tfrec.features.feature_tables import FeatureConfig
from tfrec.features.stored_users import StoredUsers
from tfrec.models.index_config import IndexConfig
from tfrec.models.ranking import RankingConfig
from tfrec.models.retrieval import RetrievalConfig
from tfrec.models.source_config import SourceConfig
from tfrec.strategy.config import StrategyConfig

_EARLIER_NAMES = {"knowledge": "features"}
"""Name in models folders and TOML files of earlier releases → name of the field of `TrainingConfig`."""


def with_present_names(table: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested values of a `TrainingConfig` with fields that were renamed under their present names."""
    present = {old: new for old, new in _EARLIER_NAMES.items() if new not in table}
    return {present.get(name, name): value for name, value in table.items()}


@dataclasses.dataclass(frozen=True)
class WarmStartConfig:
    """Settings of `warm_start`.

    Attributes:
        epochs: epochs of the retrieval model over the windows that reach new events.
        replay: share of the older windows mixed into each epoch.
        rate_share: learning rate as a share of `retrieval_rate`.
        ranking_queries: number of example queries of the new days, asked before these are learned.
        ranking_epochs: epochs of the ranking model over them; 0 leaves it unchanged.
        ranking_rate_share: learning rate as a share of `ranking_rate`.
    """

    epochs: int = 2
    replay: float = 0.1
    rate_share: float = 0.5
    ranking_queries: int = 1000
    ranking_epochs: int = 1
    ranking_rate_share: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.ranking_queries < 1 or self.ranking_epochs < 0:
            raise ConfigError(
                "`warm.epochs` and `warm.ranking_queries` must be at least 1, `warm.ranking_epochs` at least 0; "
                f"got {self.epochs}, {self.ranking_queries} and {self.ranking_epochs}."
            )
        if not 0 <= self.replay <= 1:
            raise ConfigError(f"`warm.replay` must lie in [0, 1]; got {self.replay}.")
        for name in ("rate_share", "ranking_rate_share"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"`warm.{name}` must be positive; got {getattr(self, name)}.")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Settings of `train`.

    Attributes:
        retrieval: settings of the retrieval model.
        ranking: settings of the ranking model.
        features: settings of the feature tables: item weights, popularity, profiles.
        sources: number of candidates of each source.
        index: settings of the indexes of big catalogues, which change no weight.
        strategy: settings of the strategies, which change no weight.
        users: whose tables the servables store: `all`, `none`, or `recent=N`, the N users with the latest events; they
            change no weight, and requests can bring the events of the others.
        warm: settings of a warm start from older models.
        retrieval_epochs: epochs over the events before the first block.
        block_epochs: epochs over all events before each further block, and at the end.
        ranking_epochs: epochs over the ranking examples.
        image_epochs: epochs of pre-training the picture tower on bought / not bought.
        retrieval_batch: largest number of labelled positions in a batch; a short log has smaller ones, 64 an epoch.
        ranking_batch: candidate lists in a batch.
        retrieval_rate: learning rate of the retrieval model.
        ranking_rate: initial learning rate of the ranking model; it falls to a tenth.
        sequence_length: number of events that the LSTM reads.
        num_blocks: number of blocks of time that give ranking examples.
        block_share: share of the orders that lies in these blocks.
        ranking_queries: example queries in all, carts and visits; orders before their first item come on top, one for
            three carts.
        seed: random seed of the training.
    """

    retrieval: RetrievalConfig = RetrievalConfig()
    ranking: RankingConfig = RankingConfig()
    features: FeatureConfig = FeatureConfig()
    sources: SourceConfig = SourceConfig()
    index: IndexConfig = IndexConfig()
    strategy: StrategyConfig = StrategyConfig()
    users: str = "all"
    warm: WarmStartConfig = WarmStartConfig()
    retrieval_epochs: int = 6
    block_epochs: int = 1
    ranking_epochs: int = 4
    image_epochs: int = 3
    retrieval_batch: int = 4096
    ranking_batch: int = 64
    retrieval_rate: float = 0.004
    ranking_rate: float = 0.002
    sequence_length: int = 32
    num_blocks: int = 4
    block_share: float = 0.45
    ranking_queries: int = 18000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.block_share < 1:
            raise ConfigError(f"`block_share` must lie between 0 and 1; got {self.block_share}.")
        StoredUsers.parse(self.users)
        for name in ("retrieval_epochs", "ranking_epochs", "num_blocks", "ranking_queries"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1; got {getattr(self, name)}.")
