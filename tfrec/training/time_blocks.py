"""Splits the log into blocks of time, plans what is learned before each, and finds the items that existed at a time."""

import dataclasses
import itertools
from typing import TypeVar

import numpy as np

from tfrec.errors import SchemaError
from tfrec.features.feature_tables import target_type
from tfrec.features.sequences import BehaviourSequences, SequenceShards
from tfrec.features.shop import Shop
from tfrec.training.config import TrainingConfig

Shards = TypeVar("Shards", bound=SequenceShards)


@dataclasses.dataclass(frozen=True)
class Stage:
    """What the towers learn, and the block of time whose queries they are asked then, before they learn the answers.

    Attributes:
        number: number of the stage, from 0.
        label: text of the progress bar.
        until: the towers learn from events before this hour; None = from all.
        epochs: passes over these events; 0 = the towers have learned from them already.
        block: start and end (hours) of the block that gives ranking examples then; None = none.
        most: example queries at most.
        since: see `tfrec.pipelines.retrieval`.
        replay: see `tfrec.pipelines.retrieval`.
    """

    number: int
    label: str
    until: float | None
    epochs: int
    block: tuple[float, float] | None = None
    most: int = 0
    since: float | None = None
    replay: float = 0.0

    def past(self, sequences: Shards) -> Shards:
        """Returns the events that are learned from."""
        return sequences if self.until is None else sequences.before(self.until)


def training_stages(sequences: BehaviourSequences, config: TrainingConfig) -> list[Stage]:
    """Returns the stages of a training: one for each block of time, then one for all events.

    Example: orders at the hours 0, 1, ..., 10, `num_blocks` 2 and `block_share` 0.4 give the blocks [6, 8) and [8, 10];
    the towers learn what is before 6 for `retrieval_epochs` and are asked [6, 8), then what is before 8 for
    `block_epochs` and are asked [8, 10], then everything for `block_epochs`.

    Raises:
        SchemaError: as `time_blocks`.
    """
    blocks = time_blocks(sequences, config)
    names = [f"retrieval, block {number + 1} of {len(blocks) + 1}" for number in range(len(blocks) + 1)]
    most = -(-config.ranking_queries // len(blocks))
    stages = [
        Stage(
            number=number,
            label=names[number],
            until=block[0],
            epochs=config.block_epochs if number else config.retrieval_epochs,
            block=block,
            most=most,
        )
        for number, block in enumerate(blocks)
    ]
    return [*stages, Stage(number=len(blocks), label=names[-1], until=None, epochs=config.block_epochs)]


def warm_stages(since: float, end: float, config: TrainingConfig) -> list[Stage]:
    """Returns the stages of a warm start: the new days are one block, asked before the towers learn them.

    Args:
        since: the towers have learned from events before this hour.
        end: end of the training period, hours.
        config: training settings; those of `warm` count.
    """
    warm = config.warm
    asked = Stage(
        number=0, label="", until=since, epochs=0, block=(since, end) if warm.ranking_epochs else None,
        most=warm.ranking_queries,
    )  # fmt: skip
    learned = Stage(
        number=1, label="retrieval, new days", until=None, epochs=warm.epochs, since=since, replay=warm.replay
    )
    return [asked, learned]


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
    return known_items(shop.train, hour) & shop.vocabularies.catalogue.is_on_sale(hour)


def known_items(sequences: BehaviourSequences, hour: float) -> np.ndarray:
    """Returns `[N + 1]` bool: items that exist at `hour`.

    These are the items of earlier events or, where the shop has a catalogue, all items of the catalogue.
    """
    size = sequences.vocabularies.items.size
    ever = np.bincount(sequences.item, minlength=size) > 0
    if not ever[1:].all():  # items without events: the shop has a catalogue besides its log
        return np.arange(size) > 0
    return np.bincount(sequences.item[sequences.hour < hour], minlength=size) > 0
