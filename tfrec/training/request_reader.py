"""Reads the inputs of signatures: raw ids and texts → a query or a request in indices, in the graph."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfrec.features.shop import Shop
from tfrec.models.graph_tables import codes_of
from tfrec.models.query import Query
from tfrec.models.rows import without_repeats
from tfrec.models.shared_graphs import rare_graph
from tfrec.models.size_of import size_of
from tfrec.models.user_history import UserHistory, numbered
from tfrec.schema.inputs import OBJECTIVES, STANDARD_WIDGETS, VARIETIES, WIDGETS
from tfrec.strategy.attributes import AttributeLimits
from tfrec.strategy.constraints import Limits, only_without
from tfrec.strategy.request import Request

_OLDEST = 24.0 * 365 * 100  # hours: an event of an endless age counts as one of a hundred years
_ROUNDED = 3e-7  # of a threshold, as 32 bits are not exact: an item of just the price that is lacking counts


class RequestReader:
    """The look-ups at the edge of a servable. What a signature does not take counts as left out.

    Attributes:
        items: item id → index.
        lookups: all of them, for the SavedModel that holds them.
        texts: what they are filled from, likewise.
        item_ids: `[N + 1]` string, index → item id.

    Args:
        shop: gives the vocabularies.
        user_ids: `[U]` ids of the users that the servable stores.
        view_type: event code of what has no type.
    """

    def __init__(self, shop: Shop, user_ids: np.ndarray, *, view_type: int) -> None:
        self._view_type = view_type
        vocabularies = shop.vocabularies
        attributes = vocabularies.catalogue.attributes
        tokens = {
            "items": vocabularies.items.tokens,
            "users": user_ids,
            "categories": vocabularies.categories.tokens,
            "types": np.array(vocabularies.event_types, dtype=object),
            "segments": shop.train.segments.names.tokens,
            "attributes": attributes.texts,
            "relations": attributes.relations,
        }
        texts = {name: _texts(values, f"{name}_texts") for name, values in tokens.items()}
        self.texts, self.item_ids = list(texts.values()), texts["items"]
        self.items = _lookup_table(texts["items"])
        self._users = _lookup_table(texts["users"])
        self._categories = _lookup_table(texts["categories"])
        self._types = _lookup_table(texts["types"])
        self._segments = _lookup_table(texts["segments"])
        self._attributes = _lookup_table(texts["attributes"])
        self._relations = _lookup_table(texts["relations"])
        self.lookups = [self.items, self._users, self._categories, self._types, self._segments]
        self.lookups += [self._attributes, self._relations] if len(attributes.texts) else []
        texts, numbers = tf.TensorSpec([None, None], tf.string), tf.TensorSpec([None, None], tf.float32)
        self._events_graph = rare_graph(self._events, texts, texts, numbers, texts)

    def query(self, inputs: Mapping[str, tf.Tensor]) -> Query:
        """Returns who asks, and what was seen and put into the cart."""
        user = inputs["user_id"]
        nothing = tf.fill([size_of(user), 0], "")
        recent = inputs.get("recent_item_ids", nothing)
        types = inputs.get("recent_event_types", nothing)
        ages = inputs.get("recent_ages", tf.zeros(tf.shape(nothing)))
        item = self.items.lookup(recent)
        code = self._types.lookup(_as_wide_as(types, recent, ""))
        return Query(
            user=self._users.lookup(user),
            recent_item=item,
            recent_type=tf.where(code > 0, code, self._view_type),
            recent_age=tf.clip_by_value(_as_wide_as(ages, recent, 0.0), 0.0, _OLDEST),
            cart=self.items.lookup(inputs.get("cart_item_ids", nothing)),
            is_discovery=tf.cast(tf.equal(self._bought_before(inputs), "never"), tf.float32),
            outside_level=inputs.get("outside_cart_level", tf.zeros(tf.shape(user), tf.int32)),
            history=self._history(inputs),
        )

    def request(self, inputs: Mapping[str, tf.Tensor]) -> Request:
        """Returns the request for slates; one that names no `k` asks for no items."""
        user = inputs["user_id"]
        nothing, none = tf.fill(tf.shape(user), ""), tf.zeros(tf.shape(user), tf.int32)
        anchor = self.items.lookup(inputs["item_id"]) if "item_id" in inputs else none
        shown = self.items.lookup(inputs["shown_item_ids"]) if "shown_item_ids" in inputs else none[:, None][:, :0]
        return Request(
            query=self.query(inputs),
            limits=self._limits(inputs, anchor),
            anchor=anchor,
            min_price_ratio=inputs.get("min_price_ratio", tf.zeros(tf.shape(user))),
            max_price_ratio=inputs.get("max_price_ratio", tf.zeros(tf.shape(user))),
            objective=codes_of(inputs.get("objective", nothing), OBJECTIVES),
            k=tf.maximum(inputs["k"], 0) if "k" in inputs else none,
            diversity=inputs.get("diversity", tf.zeros(tf.shape(user))),
            variety=codes_of(inputs.get("diversity_by", nothing), VARIETIES),
            minute=inputs["at_minute"],
            is_adult=inputs["is_adult"] > 0,
            gap=self._gap(inputs, user),
            only_own=tf.equal(self._bought_before(inputs), "only"),
            shown=shown,
        )

    def widgets(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `[B, W]` int32 places of the page's widgets in `WIDGETS`, from 1, each once, and their sizes.

        Padding, repeats and unknown names are 0, behind the others.
        """
        names, most = inputs["widgets"], tf.maximum(inputs["k"], 0)[:, None]
        code, size = codes_of(names, WIDGETS), _as_wide_as(inputs["widget_sizes"], names, 0)
        code = without_repeats(code)
        order = tf.argsort(tf.cast(tf.equal(code, 0), tf.int32), axis=1, stable=True)
        code, size = tf.gather(code, order, batch_dims=1), tf.gather(size, order, batch_dims=1)
        standard = tf.constant([[WIDGETS.index(name) + 1 for name in STANDARD_WIDGETS]])
        width = tf.maximum(size_of(code, 1), len(STANDARD_WIDGETS))
        code, size = (tf.pad(part, [[0, 0], [0, width - size_of(part, 1)]]) for part in (code, size))
        standard = tf.pad(standard, [[0, 0], [0, width - len(STANDARD_WIDGETS)]])
        is_named = tf.reduce_any(tf.not_equal(names, ""), axis=1, keepdims=True)
        code, size = tf.where(is_named, code, standard), tf.where(is_named, size, 0)
        widest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(code > 0, tf.int32), axis=1), [1]], axis=0))
        return code[:, :widest], tf.where(code > 0, tf.where(size > 0, size, most), 0)[:, :widest]

    def _bought_before(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return inputs.get("bought_before", tf.fill(tf.shape(inputs["user_id"]), ""))

    def _gap(self, inputs: Mapping[str, tf.Tensor], user: tf.Tensor) -> tf.Tensor:
        """Returns `[B]` float32: what the carts lack to the thresholds, 0 or less where they lack nothing."""
        if "threshold" not in inputs:
            return tf.zeros(tf.shape(user))
        threshold = inputs["threshold"]
        gap = threshold - tf.maximum(inputs["cart_total"], 0.0)
        return tf.where(threshold > 0, gap - _ROUNDED * threshold, 0.0)

    def _limits(self, inputs: Mapping[str, tf.Tensor], anchor: tf.Tensor) -> Limits:
        excluded = self.items.lookup(inputs["exclude_item_ids"])
        if "include_categories" not in inputs:
            return only_without(excluded)
        categories = inputs["include_categories"]
        code = self._categories.lookup(categories)
        return Limits(
            excluded=excluded,
            categories=tf.where((code == 0) & (categories != ""), -1, code),
            min_price=inputs["min_price"],
            max_price=inputs["max_price"],
            attributes=self._attribute_limits(inputs, anchor),
        )

    def _attribute_limits(self, inputs: Mapping[str, tf.Tensor], anchor: tf.Tensor) -> AttributeLimits:
        included, excluded = inputs["include_attributes"], inputs["exclude_attributes"]
        shared = inputs.get("same_as_anchor", included[:, :0])
        return AttributeLimits(
            included=self._codes(self._attributes, included),
            relations=self._relations_of(included),
            excluded=self._codes(self._attributes, excluded),
            shared=self._relations_of(shared),
            anchor=anchor,
        )

    def _relations_of(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n]` int32 relations of attributes, or of their own names; 0 for padding, -1 for unknown."""
        number = self._codes(self._relations, tf.strings.regex_replace(texts, r"=\C*", ""))
        return tf.where((number == 0) & (texts != ""), -1, number)

    def _codes(self, lookup: tf.lookup.StaticHashTable, texts: tf.Tensor) -> tf.Tensor:
        """Returns what `lookup` has for `texts`; 0 without asking where the shop has no attributes."""
        return lookup.lookup(texts) if lookup in self.lookups else tf.zeros(tf.shape(texts), tf.int32)

    def _history(self, inputs: Mapping[str, tf.Tensor]) -> UserHistory:
        sent, segment = inputs["history_item_ids"], inputs["user_segment"]
        parts = [inputs[f"history_{name}"] for name in ("event_types", "order_ages", "orders")]
        is_known = tf.reduce_any(tf.not_equal(sent, ""), axis=1)

        def nothing() -> list[tf.Tensor]:  # as most requests send: all that follows has no columns then
            none = tf.zeros([size_of(sent), 0], tf.int32)
            return [none, none, tf.zeros([size_of(sent), 0]), none]

        item, kind, age, group = tf.cond(tf.reduce_any(is_known), lambda: self._events_graph(sent, *parts), nothing)
        return UserHistory(
            item=item,
            kind=kind,
            age=age,
            group=group,
            is_known=is_known,
            segment=tf.where(tf.equal(segment, ""), -1, self._segments.lookup(segment)),
        )

    def _events(self, sent: tf.Tensor, types: tf.Tensor, ages: tf.Tensor, orders: tf.Tensor) -> list[tf.Tensor]:
        """Returns items, types, ages and orders `[B, M]` of histories of `sent [B, M]` item ids; traced once."""
        return [
            self.items.lookup(sent),
            self._types.lookup(_as_wide_as(types, sent, "")),
            tf.clip_by_value(_as_wide_as(ages, sent, 0.0), 0.0, _OLDEST),
            numbered(_as_wide_as(orders, sent, "")),
        ]


class _TextsInitializer(tf.lookup.KeyValueTensorInitializer):
    """Fills a table text → index from texts in a variable.

    Constants would be part of the saved graph, which a server copies for each signature: several times the texts.

    Args:
        texts: `[M]` string variable.
    """

    def __init__(self, texts: tf.Variable) -> None:
        super().__init__([""], [0], tf.string, tf.int32)
        self.texts = texts

    def initialize(self, table: tf.lookup.StaticHashTable) -> tf.Operation:
        """Fills the table."""
        keys = self.texts.read_value()
        return tf.raw_ops.LookupTableImportV2(
            table_handle=table.resource_handle, keys=keys, values=tf.range(tf.size(keys))
        )


def _texts(tokens: np.ndarray, name: str) -> tf.Variable:
    """Returns the texts behind the empty one, which stands for none, as a variable."""
    return tf.Variable(["", *tokens.tolist()], trainable=False, name=name)


def _lookup_table(texts: tf.Variable) -> tf.lookup.StaticHashTable:
    """Returns a table text → index, 0 for unknown texts. It holds the empty text, as it must not be empty."""
    return tf.lookup.StaticHashTable(_TextsInitializer(texts), default_value=0)


def _as_wide_as(values: tf.Tensor, items: tf.Tensor, padding: str | float) -> tf.Tensor:
    """Cuts or pads `values [B, n]` to the width of `items [B, R]`."""
    width = size_of(items, 1)
    missing = tf.maximum(width - size_of(values, 1), 0)
    return tf.pad(values[:, :width], [[0, 0], [0, missing]], constant_values=padding)
