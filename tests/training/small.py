"""Settings that train a small world in seconds, and what its funnel answers."""

import tensorflow as tf

from tfrec.features.feature_tables import FeatureConfig
from tfrec.models import RetrievalConfig
from tfrec.models.ranking import RankingConfig
from tfrec.training import TrainingConfig
from tfrec.training.export import build_served_funnel

SMALL = TrainingConfig(
    retrieval=RetrievalConfig(embedding_dim=8, id_dropout=0.0, dropout=0.0),
    ranking=RankingConfig(hidden=(16,), dropout=0.0),
    features=FeatureConfig(l2=5.0),
    retrieval_epochs=4,
    ranking_epochs=12,
    retrieval_batch=256,
    retrieval_rate=0.01,
    ranking_rate=0.01,
    ranking_batch=32,
    sequence_length=8,
    num_blocks=2,
    ranking_queries=300,
)


def ask(shop, trained, signature, **inputs):
    """Item ids `[B, k]` of the served funnel."""
    functions = build_served_funnel(shop, trained, SMALL).functions
    fed = {name: tf.constant(value) for name, value in inputs.items()}
    return {
        name: value.numpy().astype(str) if value.dtype == tf.string else value.numpy()
        for name, value in functions[signature](**fed).items()
    }
