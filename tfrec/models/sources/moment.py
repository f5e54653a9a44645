"""`Moment`: what was known at one moment, for the candidate sources."""

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import CHANNELS, FeatureConfig, FeatureTables
from tfrec.features.vocabulary import Catalogue
from tfrec.models.attribute_tables import AttributeTables
from tfrec.models.graph_tables import in_half_precision, table
from tfrec.models.profiles import Profiles
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources.item_table import item_table
from tfrec.models.towers import QueryTower
from tfrec.schema.event_types import EVENT_TYPES

PURCHASE = EVENT_TYPES.index("purchase") + 1
"""Code of a purchase in any shop."""
ORDER_CHANNELS = CHANNELS[: CHANNELS.index("nearby_ease") + 1]
"""Kinds of item-to-item weights that are learned from orders, as `Moment.bought_together` has them."""


class Moment:
    """What was known at one moment: arrays, and the tables that several sources read.

    Attributes:
        catalogue: the items' attributes, `N + 1` rows.
        feature_tables: what the log had until then.
        encoded_items: `[N + 1, d]`, what the query tower reads.
        query_tower: query tower of the retrieval model.
        is_offered: `[N + 1]` bool: items that may be offered at all.
        cart_type: event code that stands for an item in the cart.
        profiles: what is known of users.
        config: settings of the sources.
        is_listed: whether sources bring lists; else evidence has a column for each item of the catalogue.
        is_indexed: whether some sources search an index; to be set before a graph is traced.
        bought_together: the weights that were learned from orders.
        by_popularity: `[N]` int32 the items, those bought most in 28 days first; None in a small catalogue.
        popularity: `[N + 1, 4]` times bought in the last 7, 28, 84 days, and ever; of variants see `PooledVariants`.
        sold: `[N + 1, 2]` times bought in the last 28 days, and ever, each item's own.
        price: `[N + 1]` prices; 0 = unknown.
        profit: `[N + 1]` what a sale earns, see `Catalogue.profit`.
        categories: `[N + 1, depth]` index of the category path at each level; 0 = unknown.
        groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.
        fits: `[N + 1, F]` int32 codes of what items fit, see `Fits`.
        fits_something: `[N + 1]` bool, likewise.
        attributes: what requests may limit items by.

    Args:
        candidate_embeddings: `[N + 1, d]` of the retrieval model; the others are attributes.
        target_type: event code of what is to be predicted.
        features: settings of the feature tables.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        feature_tables: FeatureTables,
        *,
        candidate_embeddings: np.ndarray,
        encoded_items: np.ndarray,
        query_tower: QueryTower,
        is_offered: np.ndarray,
        cart_type: int,
        config: SourceConfig = SourceConfig(),
        target_type: int = PURCHASE,
        features: FeatureConfig = FeatureConfig(),
    ) -> None:
        self.catalogue, self.feature_tables = catalogue, feature_tables
        self.encoded_items, self.query_tower, self.cart_type = encoded_items, query_tower, cart_type
        self.is_offered, self.config = is_offered, config
        self.is_listed, self.is_indexed = len(is_offered) > config.dense_items, False
        self.bought_together = item_table(
            feature_tables,
            channels=slice(len(ORDER_CHANNELS)),
            width=self.neighbours_kept(config.cart_neighbours),
            name="cart",
        )
        self.popularity = table(feature_tables.popularity, "popularity")
        self.sold = table(feature_tables.sold, "sold")
        by_popularity = np.argsort(-feature_tables.popularity[1:, 1], kind="stable").astype(np.int32) + 1
        self.by_popularity = table(by_popularity, "by_popularity") if self.is_listed else None
        self._embeddings = table(in_half_precision(candidate_embeddings), "candidate_embeddings")
        self._content = table(in_half_precision(catalogue.content), "content")
        self.price = table(catalogue.price, "price")
        self.profit = table(catalogue.profit, "profit")
        self.categories = table(catalogue.categories, "categories")
        self.groups = table(catalogue.group, "groups")
        self.fits = table(catalogue.fits.codes, "fits")
        self.fits_something = table(catalogue.fits.is_head, "fits_something")
        self.attributes = AttributeTables(catalogue.attributes)
        self._offered = table(is_offered, "is_offered")
        self.profiles = Profiles(feature_tables, target_type=target_type, config=features)

    @property
    def num_rows(self) -> int:
        """Number of items, with padding."""
        return len(self.is_offered)

    def neighbours_kept(self, width: int) -> int:
        """Returns how many of `width` neighbours of an item are kept, by the size of the catalogue."""
        return width if self.num_rows <= self.config.many_items else (width + 1) // 2

    def halve(self, *, embeddings: bool, content: bool) -> None:
        """Stores what is no longer read as a whole in half precision; to be called before a graph is traced.

        Args:
            embeddings: the candidate embeddings.
            content: the content vectors.
        """
        if embeddings:
            self._embeddings = table(self._embeddings.numpy().astype(np.float16), "candidate_embeddings")
        if content:
            self._content = table(self._content.numpy().astype(np.float16), "content")

    # TensorFlow copies a variable whose rows are gathered whenever it is read whole, as these are: rows are gathered of
    # the tensor that was read.

    @property
    def embeddings(self) -> tf.Tensor:
        """`[N + 1, d]` candidate embeddings; float16 once they are searched by an index."""
        return self._embeddings.value()

    @property
    def content(self) -> tf.Tensor:
        """`[N + 1, c]` unit vectors of title, category, brand and facts; float16 once an index searches them."""
        return self._content.value()

    @property
    def offered(self) -> tf.Tensor:
        """`[N + 1]` bool: items that may be offered at all."""
        return self._offered.value()

    @property
    def variables(self) -> list[tf.Variable]:
        """The shared tables."""
        own = [value for value in vars(self).values() if isinstance(value, tf.Variable)]
        return [*own, *self.bought_together.variables, *self.attributes.variables, *self.profiles.variables]
