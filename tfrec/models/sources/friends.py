"""What the user's friends bought; a shop that knows of no friends pays nothing for it."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.models.graph_tables import table
from tfrec.models.query import Query
from tfrec.models.rows import rows_of
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column, Unscaled, of_the_best, relative, signed_root
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases


class Friends:
    """Items that the friends of users bought, see `tfrec.features.friends`.

    Its evidence: `bought [B, L]`; empty where no user has a friend with purchases.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "friends": "how much the user's friends bought it, fading with age",
        "friends_relative": "the same over the list's largest",
    }

    def __init__(self, moment: Moment) -> None:
        tables = moment.feature_tables
        self.variables: list[tf.Variable] = []
        if len(tables.friend_item):
            names = ("friend_splits", "friend_item", "friend_score")
            self.variables = [table(getattr(tables, name), name) for name in names]

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns what the users' friends bought."""
        if not self.variables:
            return Entries(tf.zeros([size_of(query.user), 0], tf.int32))
        splits, item, score = self.variables
        at, inside = rows_of(splits, query.user)
        items, scores = tf.where(inside, tf.gather(item, at), 0), tf.where(inside, tf.gather(score, at), 0.0)
        return Entries(items, {"score": scores})

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns how much they bought it."""
        if not self.variables:
            return {}
        return {"bought": shortlist.sums_at(columns, entries.values["score"])}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns one list; none in a shop without friends."""
        return {"friends": found["bought"]} if found else {}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns how much they bought it, plain and relative."""
        if not found:
            return dict.fromkeys(self.FEATURES, tf.zeros(tf.shape(candidates.item)))
        bought = candidates.at(found["bought"])
        return {"friends": Unscaled(bought, signed_root), "friends_relative": Unscaled(bought, relative)}

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns how much they bought it, relative to the best."""
        return [Unscaled(candidates.at(found["bought"]), of_the_best)] if found else []
