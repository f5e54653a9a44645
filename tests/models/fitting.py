"""Retrieval models fitted to small worlds, and what they rank first."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.shop import Shop
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.query import Query
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.candidate_sources import Allows
from tfrec.models.sources.registry import FEATURES
from tfrec.models.sources.shortlist import Shortlist
from tfrec.pipelines import retrieval
from tfrec.training import build_sources


def fit_retrieval(
    shop: Shop,
    config: RetrievalConfig,
    *,
    epochs: int,
    rate: float = 0.01,
    batch_size: int = 256,
    sequence_length: int = 16,
) -> RetrievalModel:
    tf.keras.utils.set_random_seed(7)
    model = RetrievalModel(shop.vocabularies, config)
    model.compile(optimizer=tf.keras.optimizers.Adam(rate))
    batches = retrieval(shop.train, batch_size=batch_size, sequence_length=sequence_length)
    model.fit(batches, epochs=epochs, verbose=0)
    return model


def sources_of(
    shop: Shop, model: RetrievalModel, config: SourceConfig = SourceConfig(), **settings: Any
) -> CandidateSources:
    """Candidate sources with everything before the shop's test period known and everything offered."""
    as_of = shop.prepared.test_from.timestamp() / 3600
    feature_tables = compute_feature_tables(shop.train, as_of=as_of, config=FeatureConfig(**settings))
    return build_sources(shop, model, feature_tables, np.arange(shop.vocabularies.items.size) > 0, config)


def allowing(eligible: np.ndarray) -> Allows:
    """Returns a rule that allows the items `[B, N + 1]`, as columns of any list."""

    def allows(shortlist: Shortlist, is_own: tf.Tensor) -> tf.Tensor:
        item = tf.broadcast_to(shortlist.item, [len(eligible), shortlist.size])
        return tf.gather(tf.constant(eligible), item, batch_dims=1)

    return allows


def features_of(sources, query, candidates):
    """Returns feature name → `[B, C]`."""
    values = sources.features(query, sources.gather_evidence(query), tf.constant(candidates)).numpy()
    return dict(zip(FEATURES, np.moveaxis(values, -1, 0), strict=True))


def query_of(
    shop: Shop,
    users: list[str],
    *,
    carts: list[list[str]] | None = None,
    recent: list[list[str]] | None = None,
    kind: str = "view",
    discovery: bool = False,
    outside_level: int = 0,
) -> Query:
    """A batch of queries by names; what was seen is a minute old and older by a minute an event."""
    cart = _padded(shop, carts or [[] for _ in users], front=False)
    seen = _padded(shop, recent or [[] for _ in users], front=True)
    ages = np.broadcast_to(np.arange(seen.shape[1], 0, -1) / 60.0, seen.shape)
    return Query(
        user=tf.constant(shop.users.encode(users)),
        recent_item=tf.constant(seen),
        recent_type=tf.constant(np.where(seen > 0, shop.train.type_code(kind), 0).astype(np.int32)),
        recent_age=tf.constant(ages.astype(np.float32)),
        cart=tf.constant(cart),
        is_discovery=tf.fill([len(users)], float(discovery)),
        outside_level=tf.fill([len(users)], outside_level),
    )


def _padded(shop: Shop, lists: list[list[str]], *, front: bool) -> np.ndarray:
    width = max(map(len, lists))
    rows = np.zeros((len(lists), width), np.int32)
    for row, names in enumerate(lists):
        codes = shop.vocabularies.items.encode(names)
        rows[row, width - len(names) if front else 0 :][: len(names)] = codes
    return rows
