"""What the request itself asks, and what the item costs: features without candidates."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.models.query import Query
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column, log_price
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases


class RequestFacts:
    """Facts of the request and of the item's price; it brings no candidates and has no evidence."""

    FEATURES: ClassVar[Mapping[str, str]] = {
        "price": "log price",
        "is_discovery": "1 where only items new to the user are wanted",
        "is_outside": "1 where only items of other categories than the cart's are wanted",
    }

    def __init__(self, moment: Moment) -> None:
        self.variables: list[tf.Variable] = []
        self._price = moment.price

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns nothing to look up."""
        return Entries(tf.zeros([size_of(query.user), 0], tf.int32))

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns nothing."""
        return {}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns no list."""
        return {}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns the price, and the kinds of request."""
        return {
            "price": log_price(tf.gather(self._price, candidates.item)),
            "is_discovery": query.is_discovery[:, None],
            "is_outside": tf.cast(query.outside_level > 0, tf.float32)[:, None],
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns none: it is for no item."""
        return []
