"""Prepared folder → `Shop`: tables, vocabularies and behaviour sequences, all that a modeller's script needs."""

import dataclasses
import logging
from pathlib import Path

import pandas as pd

from tfrec.features.segments import encode_segments, users_in_segments
from tfrec.features.sequences import BehaviourSequences, encode_events
from tfrec.features.vocabulary import Vocabularies, Vocabulary, build_vocabularies
from tfrec.ingest.prepared import Prepared, read_prepared

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Shop:
    """A shop as models see it; nothing from `prepared.test_from` on is in `vocabularies` or `train`.

    Attributes:
        prepared: the tables, training and test apart.
        vocabularies: item, category, brand and word indices, and the catalogue as arrays.
        train: the training events as behaviour sequences.
    """

    prepared: Prepared
    vocabularies: Vocabularies
    train: BehaviourSequences

    @property
    def users(self) -> Vocabulary:
        """The users known from training, then those of whom nothing is known but their segment."""
        return self.train.users

    def train_until(self, moment: pd.Timestamp) -> BehaviourSequences:
        """Returns the training sequences with the events strictly before `moment`."""
        return encode_events(
            self.prepared.train.until(moment).events, self.vocabularies, self.users, self.train.segments
        )


def load_shop(path: str | Path) -> Shop:
    """Returns the shop prepared in the folder `path` (see `tfrec prepare`).

    Raises:
        SourceError: there is no prepared shop; the message says what to run.
    """
    return encode_shop(read_prepared(path))


def encode_shop(prepared: Prepared) -> Shop:
    """Returns a prepared shop with its vocabularies and training sequences."""
    vocabularies = build_vocabularies(prepared.train.items, prepared.images)
    in_segments = users_in_segments(prepared.train.users)
    users = Vocabulary.of(pd.concat([prepared.train.events["user_id"], in_segments["user_id"]]))
    segments = encode_segments(in_segments, users)
    train = encode_events(prepared.train.events, vocabularies, users, segments)
    return Shop(prepared=prepared, vocabularies=vocabularies, train=train)
