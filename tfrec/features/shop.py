"""Loads a prepared folder as a `Shop`: tables, vocabularies and behaviour sequences."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.features.facts import facts_of_attributes, words_of_facts
from tfrec.features.fatigue import learn_fatigue
from tfrec.features.friends import encode_relations, users_with_friends
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
        """The users known from training, then those of whom nothing is known but segment or friends."""
        return self.train.users

    def fatigue(self, factor: float) -> np.ndarray:
        """Returns what `learn_fatigue` makes of the impressions before the test period; `factor` where they are few."""
        shown = self.prepared.impressions
        return learn_fatigue(shown[shown["timestamp"] < self.prepared.test_from], factor=factor)

    def train_until(self, moment: pd.Timestamp) -> BehaviourSequences:
        """Returns the training sequences with the events strictly before `moment`."""
        events = self.prepared.train.until(moment).events
        return encode_events(events, self.vocabularies, self.users, self.train.segments, self.train.friends)


def load_shop(path: str | Path) -> Shop:
    """Returns the shop prepared in the folder `path` (see `tfrec prepare`).

    Raises:
        SourceError: there is no prepared shop; the message says what to run.
    """
    return encode_shop(read_prepared(path))


def encode_shop(prepared: Prepared) -> Shop:
    """Returns a prepared shop with its vocabularies and training sequences."""
    tables = prepared.train
    attributes = facts_of_attributes(tables.items)
    facts = pd.concat([tables.facts, attributes], ignore_index=True) if len(attributes) else tables.facts
    fact_words = words_of_facts(facts, Vocabulary(tables.items["item_id"].to_numpy(object)))
    vocabularies = build_vocabularies(
        tables.items, prepared.images, fact_words, prepared.embeddings, tables.facts, facts
    )
    buyers, in_segments = tables.events["user_id"], users_in_segments(tables.users)
    with_friends = users_with_friends(tables.relations, buyers)
    users = Vocabulary.of(pd.concat([buyers, in_segments["user_id"], with_friends]))
    segments, friends = encode_segments(in_segments, users), encode_relations(tables.relations, users)
    train = encode_events(tables.events, vocabularies, users, segments, friends)
    return Shop(prepared=prepared, vocabularies=vocabularies, train=train)
