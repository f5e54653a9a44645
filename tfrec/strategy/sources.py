"""`Sources`: what a funnel asks of candidate sources, those of a trained model or of a baseline."""

from typing import Any, Protocol

import tensorflow as tf

from tfrec.models.attribute_tables import AttributeTables
from tfrec.models.query import Query
from tfrec.models.sources.best_items import Score
from tfrec.models.sources.candidate_sources import Allows


class Sources(Protocol):
    """What a funnel asks of candidate sources; what they know of a batch is theirs alone."""

    num_rows: int
    view_type: int
    price: tf.Variable
    profit: tf.Variable
    categories: tf.Variable
    groups: tf.Variable
    fits: tf.Variable
    fits_something: tf.Variable
    num_fits: int
    attributes: AttributeTables
    largest_group: int
    num_segments: int
    has_margins: bool

    @property
    def is_offered(self) -> tf.Tensor:
        """`[N + 1]` bool: items that may be offered at all."""

    @property
    def content(self) -> tf.Tensor:
        """`[N + 1, c]` unit content vectors."""

    @property
    def popularity(self) -> tf.Tensor:
        """`[N + 1]` float32 times bought lately."""

    @property
    def variables(self) -> list[tf.Variable]:
        """Every table and weight that they may read."""

    def segment(self, query: Query) -> tf.Tensor:
        """Returns `[B]` int32 segments of the users; 0 = unknown."""

    def informed(self, query: Query) -> Query:
        """Returns the query with what the users bought, looked up once for all that ask for it."""

    def organic(self, query: Query, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` float32: how likely each of `items [B, C]` is bought next without being offered."""

    def interests(self, query: Query) -> tf.Tensor:
        """Returns `[B, P]` float32: times that the users bought of each top category."""

    def gather_evidence(
        self,
        query: Query,
        allows: Allows | None = None,
        *,
        at_least: tf.Tensor | int = 0,
        also: tf.Tensor | None = None,
    ) -> Any:
        """Returns what they know for the queries, and for the items `also [B, n]`."""

    def best_of_catalogue(
        self, query: Query, allows: Allows, score: Score, wanted: tf.Tensor, *, is_popularity: bool = False
    ) -> tf.Tensor:
        """Returns `[B, m]` int32: of all items that may be offered, `wanted [B]` with the highest scores; 0 = none.

        `is_popularity`: the score is `popularity`, or `-inf` for some.
        """

    def best_of(self, query: Query, allows: Allows, score: Score, wanted: tf.Tensor, *, items: tf.Tensor) -> tf.Tensor:
        """Returns the same of `items [B, n]` alone."""

    def nearest_by_index(self, anchor: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor | None:
        """Returns `[B, m]` int32 items near to the anchors `[B]`, `wanted [B]` at least; None = there is no index."""

    def candidates(self, evidence: Any, *, at_least: tf.Tensor | int = 0, also: tf.Tensor | None = None) -> tf.Tensor:
        """Returns `[B, C]` int32 candidates, those of `also [B, n]` among them that may be offered."""

    def features(self, query: Query, evidence: Any, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C, F]` features of `items [B, C]`."""

    def completes(self, chosen: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]`: how strongly the category of each of `items [B, C]` completes that of `chosen [B]`."""

    def similarity(
        self,
        anchor: tf.Tensor,
        items: tf.Tensor,
        *,
        embedding_weight: float = 1.0,
        content_weight: float = 1.0,
    ) -> tf.Tensor:
        """Returns `[B, C]` similarities of `items [B, C]` to the anchor `[B]`."""
