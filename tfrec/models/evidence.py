"""`Query` and `Evidence`: a batch of queries, and the scores of each source for each item, as tensors."""

import tensorflow as tf


class Query(tf.experimental.ExtensionType):
    """A batch of queries in indices; 0 is padding or unknown.

    Attributes:
        user: `[B]` int32; 0 = guest.
        recent_item: `[B, R]` int32, oldest first.
        recent_type: `[B, R]` int32 codes.
        recent_age: `[B, R]` float32 hours.
        cart: `[B, n]` int32.
        is_discovery: `[B]` float32; 1 where only items new to the user are wanted.
        outside_level: `[B]` int32 level of the category path at which cart and answer must differ; 0 = no limit.
    """

    user: tf.Tensor
    recent_item: tf.Tensor
    recent_type: tf.Tensor
    recent_age: tf.Tensor
    cart: tf.Tensor
    is_discovery: tf.Tensor
    outside_level: tf.Tensor


class Evidence(tf.experimental.ExtensionType):
    """Scores of each source for each item of the catalogue; tensors are `[B, N + 1]` unless noted.

    Attributes:
        cart: `[B, N + 1, 4]` summed weights of the cart: EASE, fading EASE, EASE of strong dropout, of near lines.
        cart_best: int64: weight and place of the strongest single weight of the cart, see `ItemTable.decode_best`.
        history: summed EASE weights of the user's own items over the square root of their number.
        history_best: int64, as `cart_best`.
        visit: `[B, N + 1, 4]`: weights of this visit's items, summed, the latest counting most: EASE, sequential rules;
            probability of following the latest item, and the one before it. `[B, 1, 4]` zeros without visits.
        own_row: int32: row of what is known of the user's purchases of the item, see `CandidateSources.own_at`; 0 where
            the user never bought it.
        own_orders: `[B, N + 1]` share of the user's orders that hold it; those like the cart count most.
        friends: how much the user's friends bought it, see `features.friends`; `[B, 1]` zeros where the shop has no
            relations.
        towers: inner product of query and candidate embedding.
        content: similarity to the mean content of cart or visit.
        cart_entries: `[B, n]` items of the cart that contribute.
        history_entries: `[B, h]` own items that contribute.
        user: `[B]` int32 who asks; 0 = guest.
    """

    cart: tf.Tensor
    cart_best: tf.Tensor
    history: tf.Tensor
    history_best: tf.Tensor
    visit: tf.Tensor
    own_row: tf.Tensor
    own_orders: tf.Tensor
    friends: tf.Tensor
    towers: tf.Tensor
    content: tf.Tensor
    cart_entries: tf.Tensor
    history_entries: tf.Tensor
    user: tf.Tensor


_INDICES = tf.TensorSpec([None], tf.int32)
_LISTS = tf.TensorSpec([None, None], tf.int32)
_SCORES = tf.TensorSpec([None, None], tf.float32)
_FOUR_SCORES = tf.TensorSpec([None, None, 4], tf.float32)
_BEST = tf.TensorSpec([None, None], tf.int64)

QUERY_SPEC = Query.Spec(
    user=_INDICES,
    recent_item=_LISTS,
    recent_type=_LISTS,
    recent_age=_SCORES,
    cart=_LISTS,
    is_discovery=tf.TensorSpec([None], tf.float32),
    outside_level=_INDICES,
)
EVIDENCE_SPEC = Evidence.Spec(
    cart=_FOUR_SCORES,
    cart_best=_BEST,
    history=_SCORES,
    history_best=_BEST,
    visit=_FOUR_SCORES,
    own_row=_LISTS,
    own_orders=_SCORES,
    friends=_SCORES,
    towers=_SCORES,
    content=_SCORES,
    cart_entries=_LISTS,
    history_entries=_LISTS,
    user=_INDICES,
)
