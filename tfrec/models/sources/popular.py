"""What is bought a lot: in the shop, in the user's segment, in these weeks of the year before."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfrec.models.graph_tables import table
from tfrec.models.query import Query
from tfrec.models.size_of import size_of
from tfrec.models.sources.best_items import Score
from tfrec.models.sources.feature_values import Column, Unscaled, quarter_of_the_best
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found, Ranking, rank
from tfrec.models.user_history import Purchases

_LONGER = 100  # times as many items are listed where limits leave too few


class Popular:
    """Popularity for everybody and by segment.

    Its evidence: `segment [B]` int32 of the user; popularity itself is a table of items.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "bought_7": "times bought in the last 7 days, log",
        "bought_28": "times bought in the last 28 days, log",
        "bought_84": "times bought in the last 84 days, log",
        "bought_ever": "times bought, log",
        "bought_season": "times bought in these weeks a year before, log",
        "bought_segment": "times that the shop would have bought in 28 days, bought all as the user's segment, log",
        "segment_lift": "the same less times bought in the last 28 days, log",
        "trend": "log of times bought in the last 28 days less log of a third of those in 84",
        "first_age": "days since it was first seen in the log, 120 at most, log",
        "last_age": "days since it was last bought, log",
    }

    def __init__(self, moment: Moment) -> None:
        config = moment.config
        tables = moment.feature_tables
        lately, season = tables.popularity[:, 1], tables.season
        scale = lately.sum() / season.sum() if lately.any() and season.any() else 1.0
        self._has_segments = len(tables.segment_popularity) > 1
        self._score = table((lately + scale * season).astype(lately.dtype), "popular_score")
        self._season = table(season, "season")
        self._by_segment = table(tables.segment_popularity, "segment_popularity")
        self._first_age, self._last_age = table(tables.first_age, "first_age"), table(tables.last_age, "last_age")
        self.variables = [self._score, self._season, self._by_segment, self._first_age, self._last_age]
        # What is bought most does not depend on the query: it is ranked once.
        every_segment = np.broadcast_to(self._score.numpy(), tables.segment_popularity.shape)
        by_segment = [every_segment] + [tables.segment_popularity] * self._has_segments
        mosts = (config.popular, config.popular_segment)
        scores = [tf.constant(score * moment.is_offered, tf.float32) for score in by_segment]
        self._best = [rank(score, most, scores=_of_no_item) for score, most in zip(scores, mosts, strict=False)]
        # Where the towers search an index, what limits leave is looked for in longer lists before the whole catalogue.
        self._longer = [
            rank(score, _LONGER * most, scores=_of_no_item) for score, most in zip(scores, mosts, strict=False)
        ]
        self._moment = moment
        self._most, self._most_of_segment = config.popular, config.popular_segment

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns what is bought most, in the shop and in the user's segment."""
        segment = self._moment.profiles.segment(query)
        if not self._moment.is_listed:
            return Entries(tf.zeros([size_of(segment), 0], tf.int32), {"segment": segment})
        longest = self._longer if self._moment.is_indexed else [None, None]
        found, mosts = {"segment": segment}, (self._most, self._most_of_segment)
        scores: tuple[Score, ...] = (
            lambda items: tf.gather(self._score, items) + tf.zeros([size_of(segment), 1]),
            lambda items: self._in_segment(found, tf.broadcast_to(items, [size_of(segment), size_of(items, 1)])),
        )
        rankings = [
            self._ranking(segment, best, most, _offered(score, self._moment), longer)
            for best, longer, most, score in zip(self._best, longest, mosts, scores, strict=False)
        ]
        return Entries(tf.concat([one.item for one in rankings], axis=1), {"segment": segment}, tuple(rankings))

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the users' segments."""
        return entries.values

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns two lists: by what the shop bought lately, now and a year ago, and by what the segment did."""
        shape = [size_of(found["segment"]), shortlist.size]
        scores = {"popular": tf.broadcast_to(tf.gather(self._score, shortlist.item), shape)}
        if self._has_segments:
            scores["popular_segment"] = self._in_segment(found, tf.broadcast_to(shortlist.item, shape))
        return scores

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns counts, their trend, and ages."""
        item = candidates.item
        bought = tf.unstack(tf.gather(self._moment.popularity, item), axis=-1)
        counts = [*bought, bought[2] / 3.0, tf.gather(self._season, item)]
        ages = [tf.minimum(tf.gather(self._first_age, item), 120.0), tf.gather(self._last_age, item)]
        of_segment = [self._in_segment(found, item)] if self._has_segments else []
        values = [*counts, *ages, *of_segment]
        logs = tf.unstack(tf.math.log1p(tf.stack(values)), num=len(values))
        names = ("bought_7", "bought_28", "bought_84", "bought_ever", "third", "bought_season", "first_age", "last_age")
        by_name = dict(zip(names, logs, strict=False))
        nothing = tf.zeros(tf.shape(item))
        return {
            "trend": by_name["bought_28"] - by_name.pop("third"),
            "bought_segment": logs[-1] if of_segment else nothing,
            "segment_lift": logs[-1] - by_name["bought_28"] if of_segment else nothing,
            **by_name,
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns a quarter of the two lists' scores, each relative to its best."""
        parts = [tf.gather(self._score, candidates.item)]
        if self._has_segments:
            parts.append(self._in_segment(found, candidates.item))
        return [Unscaled(part, quarter_of_the_best) for part in parts]

    def _ranking(self, segment: tf.Tensor, best: Ranking, most: int, scores: Score, longer: Ranking | None) -> Ranking:
        """Returns the rows of `segment [B]` of a ranking of each segment."""
        item = tf.gather(best.item.numpy(), segment)
        wanted, is_whole = tf.fill(tf.shape(segment), most), tf.gather(best.is_whole.numpy(), segment)
        more = None if longer is None else lambda: self._ranking(segment, longer, most, scores, None)
        return Ranking(item, wanted, is_whole, scores, more)

    def _in_segment(self, found: Found, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m]` times that the shop would have bought in four weeks, bought all as the user's segment.

        Of a user whose segment is unknown: times bought.
        """
        segment = tf.broadcast_to(found["segment"][:, None], tf.shape(items))
        return tf.gather_nd(self._by_segment, tf.stack([segment, items], axis=-1))


def _offered(score: Score, moment: Moment) -> Score:
    """Returns the scores of what may be offered; 0 of other items."""
    return lambda items: tf.where(tf.gather(moment.offered, items), score(items), 0.0)


def _of_no_item(items: tf.Tensor) -> tf.Tensor:
    """Stands for the scores of lists that are made once, for each segment: those of a batch are its users'."""
    return tf.zeros(tf.shape(items))
