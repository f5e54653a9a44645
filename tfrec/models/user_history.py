"""Computes what users bought from the events of a request, as `tfrec.features.feature_tables` does from a log."""

import tensorflow as tf

from tfrec.features.feature_tables import FeatureConfig
from tfrec.features.own_items import OWN_FADES, own_scores
from tfrec.models.size_of import size_of

_DAY = 24.0


class UserHistory(tf.experimental.ExtensionType):
    """Earlier events of the users of a batch, in indices, oldest first; they stand in for what is stored of them.

    Attributes:
        item: `[B, M]` int32; 0 = padding or unknown.
        kind: `[B, M]` int32 codes of event types; 0 = that of what is to be predicted.
        age: `[B, M]` float32 hours.
        group: `[B, M]` int32, equal for events of one order or session of the row.
        is_known: `[B]` bool: the request brings events of this user.
        segment: `[B]` int32 segment of the user; -1 = not sent.
    """

    item: tf.Tensor
    kind: tf.Tensor
    age: tf.Tensor
    group: tf.Tensor
    is_known: tf.Tensor
    segment: tf.Tensor

    def with_type(self, code: int) -> "UserHistory":
        """Returns the history with the event type `code` where none was sent."""
        kind = tf.where(self.item > 0, tf.where(self.kind > 0, self.kind, code), 0)
        return UserHistory(self.item, kind, self.age, self.group, self.is_known, self.segment)


class Purchases(tf.experimental.ExtensionType):
    """What the users of a batch bought. `M` items, `L` lines of orders.

    Attributes:
        item: `[B, M]` int32 items, the most frequent first; 0 behind the end.
        facts: `[B, M, 4 + len(OWN_FADES)]` float32: times bought; days since; times fading with each later order by
            `OWN_FADES`; mean days between, 0 where bought once; orders of the user since.
        score: `[B, M]` float32 how likely the user's next order holds the item, see `own_scores`.
        line_item: `[B, L]` int32 items of the orders, each once an order; 0 = no line.
        line_order: `[B, L]` int32 orders of the user since that of the line.
        num_orders: `[B]` float32.
    """

    item: tf.Tensor
    facts: tf.Tensor
    score: tf.Tensor
    line_item: tf.Tensor
    line_order: tf.Tensor
    num_orders: tf.Tensor


PURCHASES_SPEC = Purchases.Spec(
    item=tf.TensorSpec([None, None], tf.int32),
    facts=tf.TensorSpec([None, None, 4 + len(OWN_FADES)], tf.float32),
    score=tf.TensorSpec([None, None], tf.float32),
    line_item=tf.TensorSpec([None, None], tf.int32),
    line_order=tf.TensorSpec([None, None], tf.int32),
    num_orders=tf.TensorSpec([None], tf.float32),
)
HISTORY_SPEC = UserHistory.Spec(
    item=tf.TensorSpec([None, None], tf.int32),
    kind=tf.TensorSpec([None, None], tf.int32),
    age=tf.TensorSpec([None, None], tf.float32),
    group=tf.TensorSpec([None, None], tf.int32),
    is_known=tf.TensorSpec([None], tf.bool),
    segment=tf.TensorSpec([None], tf.int32),
)


def no_purchases(size: tf.Tensor) -> Purchases:
    """Returns those of `size` users who bought nothing."""
    none = tf.zeros([size, 0], tf.int32)
    scores, facts = tf.zeros([size, 0]), tf.zeros([size, 0, PURCHASES_SPEC.facts.shape[2]])
    return Purchases(item=none, facts=facts, score=scores, line_item=none, line_order=none, num_orders=tf.zeros([size]))


def numbered(names: tf.Tensor) -> tf.Tensor:
    """Returns `[B, M]` int32 numbers from 1, equal where a row has equal `names [B, M]`; "" is equal to nothing."""
    shape = tf.shape(names)
    place = tf.reshape(tf.range(tf.size(names)), shape)
    _, named = tf.unique(tf.reshape(names, [-1]))
    key = tf.reshape(tf.cast(named, tf.int64), shape) + tf.cast(tf.size(names), tf.int64) * tf.cast(
        1 + tf.range(shape[0])[:, None], tf.int64
    )
    key = tf.where(tf.equal(names, ""), tf.cast(place - tf.size(names), tf.int64), key)
    _, number = tf.unique(tf.reshape(key, [-1]))
    return tf.reshape(number, shape) + 1


def purchases_of(history: UserHistory, *, target_type: int, config: FeatureConfig = FeatureConfig()) -> Purchases:
    """Returns what the users bought by their histories, to the definitions of `FeatureTables`.

    Lines of all rows are sorted and summed together, so the time grows with the events of the batch.

    Args:
        history: events of the users.
        target_type: code of the event type that counts as a purchase.
        config: gives the lengths of the lists.
    """
    size = size_of(history.item)
    is_line = (history.item > 0) & tf.equal(history.kind, target_type)
    at = tf.cast(tf.where(is_line), tf.int32)  # [E, 2], row by row, oldest first
    row = at[:, 0]
    item, group = tf.gather_nd(history.item, at), tf.gather_nd(history.group, at)
    days = tf.gather_nd(history.age, at) / _DAY
    most = tf.reduce_max(tf.concat([group, [0]], axis=0)) + 1
    key = tf.cast(row, tf.int64) * tf.cast(most, tf.int64) + tf.cast(group, tf.int64)
    _, order = tf.unique(key)  # [E] from 0, by the order's first line
    num_orders = tf.reduce_max(tf.concat([order, [-1]], axis=0)) + 1
    order_row = tf.math.unsorted_segment_max(row, order, num_orders)
    since = _orders_since(tf.math.unsorted_segment_min(days, order, num_orders), order_row)
    items = tf.reduce_max(tf.concat([item, [0]], axis=0)) + 1
    # [bought]: each item once an order, however many lines it has there.
    (bought_order, bought_item), line_bought = _distinct(order, item, items)
    bought_row, bought_since = tf.gather(order_row, bought_order), tf.gather(since, bought_order)
    (own_row, own_item), of_bought = _distinct(bought_row, bought_item, items)
    of_line = tf.gather(of_bought, line_bought)
    count = size_of(own_item)

    def total(values: tf.Tensor) -> tf.Tensor:
        return tf.math.unsorted_segment_sum(values, of_bought, count)

    times = total(tf.ones_like(bought_since))
    age = tf.math.unsorted_segment_min(days, of_line, count)
    first_age = tf.math.unsorted_segment_max(days, of_line, count)
    interval = tf.where(times > 1.0, (first_age - age) / tf.maximum(times - 1.0, 1.0), 0.0)
    habits = [total(fade**bought_since) for fade in OWN_FADES]
    orders_ago = tf.math.unsorted_segment_min(bought_since, of_bought, count)
    score = own_scores(tf.stack(habits, axis=1), times)
    facts = tf.stack([times, age, *habits, interval, orders_ago], axis=1)
    by_count = _sorted_by(own_row, -times, age, own_item)
    own_row, own_item, facts, score = (tf.gather(part, by_count) for part in (own_row, own_item, facts, score))
    latest = _sorted_by(bought_row, bought_since, bought_item)
    bought_row, bought_item, bought_since = (
        tf.gather(part, latest) for part in (bought_row, bought_item, bought_since)
    )
    orders = tf.math.unsorted_segment_sum(tf.ones_like(since), order_row, size)
    return Purchases(
        item=_rows(own_item, own_row, size)[:, : config.own_items],
        facts=_rows(facts, own_row, size)[:, : config.own_items],
        score=_rows(score, own_row, size)[:, : config.own_items],
        line_item=_rows(bought_item, bought_row, size)[:, : config.own_lines],
        line_order=_rows(tf.cast(bought_since, tf.int32), bought_row, size)[:, : config.own_lines],
        num_orders=orders,
    )


def _sorted_by(*keys: tf.Tensor) -> tf.Tensor:
    """Returns `[E]` places in ascending order of the first key `[E]`, among equals of the next, then as they are."""
    order = tf.argsort(keys[-1], stable=True)
    for key in keys[-2::-1]:
        order = tf.gather(order, tf.argsort(tf.gather(key, order), stable=True))
    return order


def _orders_since(age: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Returns `[O]` float32 how many orders of its user came after each; of one age the later in the list is later."""
    by_time = _sorted_by(row, -age)
    sorted_row = tf.gather(row, by_time)
    last = tf.searchsorted(sorted_row, sorted_row, side="right") - 1
    since = last - tf.range(size_of(row))
    return tf.cast(tf.scatter_nd(by_time[:, None], since, tf.shape(row)), tf.float32)


def _distinct(one: tf.Tensor, other: tf.Tensor, others: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns the distinct pairs `[D]` of `one [E]` and `other [E]` (below `others`), and each pair's place `[E]`."""
    wide = tf.cast(others, tf.int64)
    key, place = tf.unique(tf.cast(one, tf.int64) * wide + tf.cast(other, tf.int64))
    return (tf.cast(key // wide, tf.int32), tf.cast(key % wide, tf.int32)), place


def _rows(values: tf.Tensor, row: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns `[B, m, ...]`, zeros behind the end: values `[E, ...]` laid out by their ascending `row [E]`."""
    column = tf.range(size_of(row)) - tf.searchsorted(row, row)
    most = tf.reduce_max(tf.concat([column, [0]], axis=0)) + 1
    shape = tf.concat([[size, most], tf.shape(values)[1:]], axis=0)
    laid_out = tf.scatter_nd(tf.stack([row, column], axis=1), values, shape)
    return tf.ensure_shape(laid_out, [None, None, *values.shape[1:]])
