"""`Query`: a batch of queries as tensors."""

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


_INDICES = tf.TensorSpec([None], tf.int32)
_LISTS = tf.TensorSpec([None, None], tf.int32)
_SCORES = tf.TensorSpec([None, None], tf.float32)

QUERY_SPEC = Query.Spec(
    user=_INDICES,
    recent_item=_LISTS,
    recent_type=_LISTS,
    recent_age=_SCORES,
    cart=_LISTS,
    is_discovery=tf.TensorSpec([None], tf.float32),
    outside_level=_INDICES,
)

QUERY_FIELDS = ("user", "recent_item", "recent_type", "recent_age", "cart", "is_discovery", "outside_level")
"""Names of the tensors of a `Query`."""
