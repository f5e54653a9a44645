"""`Query`: a batch of queries as tensors."""

from typing import Any, Optional

import tensorflow as tf

from tfrec.models.user_history import HISTORY_SPEC, PURCHASES_SPEC, Purchases, UserHistory


class Query(tf.experimental.ExtensionType):
    """A batch of queries in indices; 0 is padding or unknown.

    Attributes:
        user: `[B]` int32; 0 = guest.
        recent_item: `[B, R]` int32, oldest first.
        recent_type: `[B, R]` int32 codes.
        recent_age: `[B, R]` float32 hours.
        cart: `[B, n]` int32.
        is_discovery: `[B]` float32; 1 where only items new to the user are wanted.
        outside_level: `[B]` int32 level of the category path at which cart and answer differ; 0 or less = no limit.
        history: events of the users, in place of what is stored of them; None = of no user.
        bought: what the users bought by these or by what is stored; None = not looked up yet.
    """

    user: tf.Tensor
    recent_item: tf.Tensor
    recent_type: tf.Tensor
    recent_age: tf.Tensor
    cart: tf.Tensor
    is_discovery: tf.Tensor
    outside_level: tf.Tensor
    history: Optional[UserHistory] = None  # noqa: UP045 - extension types read no `X | None`
    bought: Optional[Purchases] = None  # noqa: UP045


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
    history=HISTORY_SPEC,
    bought=PURCHASES_SPEC,
)


def changed(query: Query, **values: Any) -> Query:
    """Returns the query with some of its parts replaced."""
    return Query(**{name: values.get(name, getattr(query, name)) for name in Query.__annotations__})
