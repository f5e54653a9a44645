"""What is described alike: similarity of title, category, brand and facts to the cart, or to the visit."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.models.graph_tables import rows_of_table
from tfrec.models.query import Query
from tfrec.models.rows import latest, masked_mean
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.nearest_items import NearestItems
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases


class Content:
    """Candidates by similarity of content to the mean of the cart, of the visit where the cart is empty.

    Its evidence: `similarity [B, L]` and `mean [B, c]`.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "content": "similarity of content to the mean of the cart, of the visit where the cart is empty",
        "content_max": "similarity of content to the most similar item of visit and cart",
    }

    def __init__(self, moment: Moment) -> None:
        config = moment.config
        self._moment = moment
        self.searches = {"content": NearestItems(moment, lambda: moment.content, score=_tied, name="content")}
        self._most, self._most_recent = config.content, config.recent_items

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables of the search."""
        return self.searches["content"].variables

    def vector(self, query: Query) -> tf.Tensor:
        """Returns `[B, c]` mean content of the cart, of the visit where the cart is empty."""
        content = self._moment.content
        mean = masked_mean(rows_of_table(content, query.cart), query.cart > 0)
        visit = masked_mean(rows_of_table(content, query.recent_item), query.recent_item > 0)
        return tf.where(tf.reduce_any(query.cart > 0, axis=1, keepdims=True), mean, visit)

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the most similar items."""
        mean = self.vector(query)
        if not self._moment.is_listed:
            return Entries(tf.zeros([size_of(mean), 0], tf.int32), {"mean": mean})
        ranking = self.searches["content"].ranking(mean, self._most)
        return Entries(ranking.item, {"mean": mean}, (ranking,))

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the similarities."""
        mean = entries.values["mean"]
        similarity = _tied(shortlist.products(mean, self._moment.content, has_all=not self._moment.is_indexed))
        return {**entries.values, "similarity": similarity}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns one list, by similarity."""
        return {"content": found["similarity"]}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns the similarity to the mean, and the largest to one item."""
        own = rows_of_table(self._moment.content, candidates.item)
        similarity = _tied(tf.reduce_sum(own * found["mean"][:, None, :], axis=2))
        items = latest(tf.concat([query.recent_item, query.cart], axis=1), self._most_recent)
        similar = tf.matmul(own, rows_of_table(self._moment.content, items), transpose_b=True)
        similar = tf.where((items > 0)[:, None, :], similar, 0.0)
        return {
            "content": similarity,
            "content_max": tf.reduce_max(tf.pad(similar, [[0, 0], [0, 0], [0, 1]]), axis=2),
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns the similarity relative to the best."""
        return [candidates.at(found["similarity"])]


def _tied(similarity: tf.Tensor) -> tf.Tensor:
    """Returns similarities without their last bits, which differ with the batch's size.

    Items that are described alike tie, and rounding must not choose among them.
    """
    return tf.round(similarity * 1e4) / 1e4
