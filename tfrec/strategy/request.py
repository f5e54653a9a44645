"""`Request`: a batch of requests in indices, and the limits, relations and occasions that strategies make of one."""

import tensorflow as tf

from tfrec.features.merchandising import SLATES
from tfrec.models.query import Query
from tfrec.strategy.constraints import Limits
from tfrec.strategy.merchandising import Occasion


class Request(tf.experimental.ExtensionType):
    """A batch of requests in indices.

    Attributes:
        query: who asks, what was seen, what is in the cart.
        limits: what may be offered; `excluded` without the cart.
        anchor: `[B]` int32 item on the page; 0 = none.
        min_price_ratio: `[B]` float32; 0 = default.
        max_price_ratio: `[B]` float32; 0 = default.
        objective: `[B]` int32 place in `schema.signatures.OBJECTIVES`, from 1; 0 = default.
        k: `[B]` int32.
        diversity: `[B]` float32; 0 = default, below 0 = none.
        variety: `[B]` int32 place in `schema.signatures.VARIETIES`, from 1; 0 = by content.
        minute: `[B]` int32 moment at which rules are in force, see `Occasion`.
        is_adult: `[B]` bool: the shopper is known to be of age.
        gap: `[B]` float32 amount that the cart lacks to a threshold; 0 or less = none.
        only_own: `[B]` bool: only what the user bought before is wanted.
        shown: `[B, n]` int32 items that were shown and not clicked, once for each time; 0 = padding.
    """

    query: Query
    limits: Limits
    anchor: tf.Tensor
    min_price_ratio: tf.Tensor
    max_price_ratio: tf.Tensor
    objective: tf.Tensor
    k: tf.Tensor
    diversity: tf.Tensor
    variety: tf.Tensor
    minute: tf.Tensor
    is_adult: tf.Tensor
    gap: tf.Tensor
    only_own: tf.Tensor
    shown: tf.Tensor


class Relation(tf.experimental.ExtensionType):
    """How what is offered must relate to an item, or to the cart.

    Attributes:
        not_like: `[B, m]` int32 items whose leaf categories are not offered; 0 = padding.
        upgrade_of: `[B]` int32 item of which only dearer substitutes are offered; 0 = none, -1 = an unknown item, which
            has none.
        similar_to: `[B]` int32 item that stands-ins are offered for, nearest first; 0 = none, -1 = an unknown item,
            which has none.
        min_price_ratio: `[B]` float32 price of the cheapest upgrade over the item's; 0 = default.
        max_price_ratio: `[B]` float32 price of the dearest upgrade over the item's; 0 = default.
        objective: `[B]` int32 by what upgrades are ordered, see `Request`.
        goes_beside: `[B, n]` int32 items of which no other variant is offered, and only what fits them; 0 = padding.
        goes_with: `[B]` int32 item whose complements are offered before all else; 0 = none.
        gap: `[B]` float32 amount that the cart lacks; what brings it is offered before all else; 0 or less = none.
        only_own: `[B]` bool: nothing is offered that the user has not bought before.
    """

    not_like: tf.Tensor
    upgrade_of: tf.Tensor
    similar_to: tf.Tensor
    min_price_ratio: tf.Tensor
    max_price_ratio: tf.Tensor
    objective: tf.Tensor
    goes_beside: tf.Tensor
    goes_with: tf.Tensor
    gap: tf.Tensor
    only_own: tf.Tensor


def excluding(request: Request, *excluded: tf.Tensor) -> Limits:
    """Returns the request's limits, without cart, anchor and `excluded`."""
    limits = request.limits
    never = [limits.excluded, request.query.cart, request.anchor[:, None], *excluded]
    return Limits(
        excluded=tf.concat(never, axis=1),
        categories=limits.categories,
        min_price=limits.min_price,
        max_price=limits.max_price,
        attributes=limits.attributes,
    )


def relation_of(request: Request, **values: tf.Tensor) -> Relation:
    """Returns a relation of `values`; what is left out asks for nothing."""
    none = tf.zeros_like(request.anchor)
    nothing = {
        "not_like": none[:, None][:, :0],
        "upgrade_of": none,
        "similar_to": none,
        "min_price_ratio": tf.zeros(tf.shape(none)),
        "max_price_ratio": tf.zeros(tf.shape(none)),
        "objective": none,
        "goes_beside": none[:, None][:, :0],
        "goes_with": none,
        "gap": tf.zeros(tf.shape(none)),
        "only_own": request.only_own,
    }
    return Relation(**{**nothing, **values})


def occasion_of(signature: str, request: Request) -> Occasion:
    """Returns what the rules ask of a request."""
    return Occasion(
        signature=tf.fill(tf.shape(request.anchor), SLATES.index(signature)),
        minute=request.minute,
        is_adult=request.is_adult,
        beside=tf.concat([request.query.cart, request.anchor[:, None]], axis=1),
    )
