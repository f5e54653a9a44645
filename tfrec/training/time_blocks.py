"""Splits the log into blocks of time and finds the items that existed at a time."""

import itertools

import numpy as np

from tfrec.errors import SchemaError
from tfrec.features.feature_tables import target_type
from tfrec.features.sequences import BehaviourSequences
from tfrec.features.shop import Shop
from tfrec.training.config import TrainingConfig


def time_blocks(sequences: BehaviourSequences, config: TrainingConfig) -> list[tuple[float, float]]:
    """Returns start and end (hours) of the blocks of time that give ranking examples, each with as many orders.

    Raises:
        SchemaError: (nearly) all orders have the same time.
    """
    hours = np.sort(sequences.hour[sequences.event_type == target_type(sequences)])
    if len(hours) < 2 or hours[0] == hours[-1]:
        raise SchemaError(
            "All orders are of one moment, so nothing can be learned from time. Check the recipe's columns."
        )
    shares = np.linspace(1 - config.block_share, 1, config.num_blocks + 1)
    cuts = np.quantile(hours, shares)
    cuts[-1] = hours[-1] + 1e-3
    blocks = [(float(a), float(b)) for a, b in itertools.pairwise(cuts) if b > a > hours[0]]
    if not blocks:
        raise SchemaError(
            "Nearly all orders are of one moment, so there is no earlier time to learn the later from. "
            "Check the recipe's columns."
        )
    return blocks


def end_of_training(shop: Shop) -> float:
    """Returns the end of training, hours since 1970-01-01 UTC."""
    return shop.prepared.test_from.timestamp() / 3600.0


def offered_items(shop: Shop, hour: float) -> np.ndarray:
    """Returns `[N + 1]` bool: items that may be offered to a query at the past time `hour`: known and on sale.

    Stock does not count: it is known for the present only.
    """
    return known_items(shop.train, hour) & (shop.vocabularies.catalogue.on_sale_from <= hour)


def known_items(sequences: BehaviourSequences, hour: float) -> np.ndarray:
    """Returns `[N + 1]` bool: items that exist at `hour`.

    These are the items of earlier events or, where the shop has a catalogue, all items of the catalogue.
    """
    size = sequences.vocabularies.items.size
    ever = np.bincount(sequences.item, minlength=size) > 0
    if not ever[1:].all():  # items without events: the shop has a catalogue besides its log
        return np.arange(size) > 0
    return np.bincount(sequences.item[sequences.hour < hour], minlength=size) > 0
