"""Builds the indexes of a big catalogue, with the lists that the latest events of users need."""

import logging

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.models.index_config import IndexConfig
from tfrec.models.query import Query
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.item_index import IndexFacts

logger = logging.getLogger(__name__)

_MOST_IN_CART = 5


def build_indexes(sources: CandidateSources, tables: FeatureTables, config: IndexConfig) -> dict[str, IndexFacts]:
    """Builds the indexes of sources that would compare more than `config.min_items` items with each query.

    Args:
        sources: candidate sources, of which no graph is traced yet.
        tables: tables of all users, whose latest events are the queries that the indexes are measured on.
        config: settings.

    Returns:
        Name of a search → its index.
    """
    if sources.num_rows <= config.min_items:
        return {}
    queries = latest_queries(tables, most=config.queries, seed=config.seed)
    if queries is None:
        logger.info("No index is built: there is no event of a user to measure it on.")
        return {}
    indexes = sources.build_indexes(queries, config)
    for name, facts in indexes.items():
        message = (
            "Index of %s: %d of %d lists of %d items are read, and %d of these items compared exactly. "
            "They hold %.1f %% of the 100 nearest of %d items."
        )
        read = (facts.probes, facts.lists, facts.list_length, facts.rescored)
        logger.info(message, name, *read, 100 * facts.recall_at_100, facts.items)
    return indexes


def latest_queries(tables: FeatureTables, *, most: int, seed: int) -> Query | None:
    """Returns the latest order or visit of up to `most` users; None = no user has any.

    Of every second user it is the cart, after the earlier events; of the others the visit of a guest.
    """
    users = np.flatnonzero((tables.recent_item > 0).any(axis=1))
    if not len(users):
        return None
    if len(users) > most:
        users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
    item, group = tables.recent_item[users], tables.recent_group[users]
    is_last = (item > 0) & (group == group[:, -1:]) & (np.arange(item.shape[1]) >= item.shape[1] - _MOST_IN_CART)
    has_cart = np.arange(len(users))[:, None] % 2 == 1
    is_recent = is_last != has_cart
    cart = np.where(is_last & has_cart, item, 0)[:, -_MOST_IN_CART:]
    item, kind = (np.where(is_recent, part, 0) for part in (item, tables.recent_type[users]))
    return Query(
        user=tf.zeros([len(users)], tf.int32),
        recent_item=tf.constant(item, tf.int32),
        recent_type=tf.constant(kind, tf.int32),
        recent_age=tf.constant(tables.recent_age[users], tf.float32),
        cart=tf.constant(cart, tf.int32),
        is_discovery=tf.zeros([len(users)]),
        outside_level=tf.zeros([len(users)], tf.int32),
    )
