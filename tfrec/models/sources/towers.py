"""What the two towers bring: the nearest candidates of the query's embedding, sold or never sold."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfrec.models.graph_tables import rows_of_table
from tfrec.models.query import Query
from tfrec.models.query_embedder import QueryEmbedder
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.nearest_items import NearestItems
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases

_LOWEST = -1e9


class Towers:
    """Candidates by inner product of the two towers; of the items without purchases some in a list of their own.

    They rank every item, so that a slate is never short while enough may be offered. Their evidence: `cosine [B, L]`
    and `embedding [B, d]` of the query.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "towers": "inner product of query and candidate embedding",
        "towers_relative": "the same less the list's highest",
    }

    def __init__(self, moment: Moment) -> None:
        config = moment.config
        self._embedder = QueryEmbedder(
            moment.profiles, moment.encoded_items, moment.query_tower, cart_type=moment.cart_type
        )
        self._moment = moment
        self._most, self._most_unsold = config.towers, config.unsold
        unsold = moment.is_offered & (moment.feature_tables.popularity[:, -1] == 0)
        unsold = np.flatnonzero(unsold[1:]).astype(np.int32) + 1
        self._has_unsold = len(unsold) > 0
        self.searches = {"towers": NearestItems(moment, lambda: moment.embeddings, score=_above_zero, name="towers")}
        if self._has_unsold:
            self.searches["unsold"] = NearestItems(
                moment,
                lambda: moment.embeddings,
                score=_above_zero,
                items=unsold,
                is_searched=lambda items: tf.gather(moment.offered, items) & self._is_unsold(items),
                name="unsold",
            )

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables of the query tower, and those of the searches."""
        return [*self._embedder.variables, *(one for search in self.searches.values() for one in search.variables)]

    def vector(self, query: Query) -> tf.Tensor:
        """Returns `[B, d]` query embeddings: the user's latest events, then the visit's, then the cart."""
        return self._embedder(query)

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the nearest items of all, and of those never sold."""
        embedding = self.vector(query)
        if not self._moment.is_listed:
            return Entries(tf.zeros([size_of(embedding), 0], tf.int32), {"embedding": embedding})
        wanted = {
            "towers": tf.maximum(tf.fill([size_of(embedding)], self._most), at_least),
            "unsold": self._most_unsold,
        }
        rankings = [search.ranking(embedding, wanted[name]) for name, search in self.searches.items()]
        return Entries(
            tf.concat([ranking.item for ranking in rankings], axis=1), {"embedding": embedding}, tuple(rankings)
        )

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the inner products."""
        embedding, has_all = entries.values["embedding"], not self._moment.is_indexed
        cosine = shortlist.products(embedding, self._moment.embeddings, has_all=has_all)
        return {**entries.values, "cosine": cosine}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns two lists: of all items and of those never sold."""
        score = _above_zero(found["cosine"])
        if not self._has_unsold:
            return {"towers": score}
        return {"towers": score, "unsold": tf.where(self._is_unsold(shortlist.item), score, 0.0)}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns the inner product, and its distance to the list's highest."""
        nearest = rows_of_table(self._moment.embeddings, candidates.item)
        cosine = tf.reduce_sum(nearest * found["embedding"][:, None, :], axis=2)
        # Padding has the inner product 0, more than many an item: a row's highest must not depend on its padding.
        highest = tf.reduce_max(tf.where(candidates.item > 0, cosine, _LOWEST), axis=1, keepdims=True)
        highest = tf.where(highest > _LOWEST, highest, 0.0)  # a row without any candidate
        return {"towers": cosine, "towers_relative": cosine - highest}

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns half the inner product where it is above 0."""
        return [tf.maximum(candidates.at(found["cosine"]), 0.0) * 0.5]

    def _is_unsold(self, items: tf.Tensor) -> tf.Tensor:
        return tf.equal(tf.gather(self._moment.popularity, items)[..., -1], 0.0)


def _above_zero(cosine: tf.Tensor) -> tf.Tensor:
    """Returns scores of cosines of any shape: every item is a candidate."""
    return cosine + 2.0
