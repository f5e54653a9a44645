from .ease import fit_ease, fit_ease_in_parts
from .feature_tables import FeatureConfig, FeatureTables, compute_feature_tables
from .item_weights import ItemWeights
from .sequences import BehaviourSequences, encode_events
from .shop import Shop, encode_shop, load_shop
from .stored_sequences import StoredSequences, store_sequences
from .vocabulary import Catalogue, Vocabularies, Vocabulary, build_vocabularies

__all__ = [
    "BehaviourSequences",
    "Catalogue",
    "FeatureConfig",
    "FeatureTables",
    "ItemWeights",
    "Shop",
    "StoredSequences",
    "Vocabularies",
    "Vocabulary",
    "build_vocabularies",
    "compute_feature_tables",
    "encode_events",
    "encode_shop",
    "fit_ease",
    "fit_ease_in_parts",
    "load_shop",
    "store_sequences",
]
