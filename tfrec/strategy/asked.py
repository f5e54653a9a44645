"""`Asked`: what each strategy asks the funnel for, made of a request; rows of several strategies make one batch."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from tfrec.models.query import QUERY_SPEC, Query, changed
from tfrec.models.size_of import size_of
from tfrec.schema.event_types import EVENT_TYPES
from tfrec.strategy.attributes import ATTRIBUTES_SPEC
from tfrec.strategy.config import SlateConfig
from tfrec.strategy.constraints import Limits
from tfrec.strategy.merchandising import OCCASION_SPEC, Occasion
from tfrec.strategy.request import Relation, Request, excluding, occasion_of, relation_of

_Value = TypeVar("_Value", bound=tf.experimental.ExtensionType)
_PURCHASE = EVENT_TYPES.index("purchase") + 1
_UNKNOWN = -1


class Asked(tf.experimental.ExtensionType):
    """What is wanted of the funnel, by whatever strategy.

    Attributes:
        query: who asks, what was seen, what is in the cart.
        limits: what may be offered.
        relation: how it must relate to the anchor, or to the cart.
        occasion: what the shop's rules ask.
        shown: `[B, n]` int32 items that were shown and not clicked, once for each time; 0 = padding.
        k: `[B]` int32 number of items.
        diversity: `[B]` float32.
        variety: `[B]` int32 kind of variety, see `Request`.
        earns: `[B]` int32 objective by which offers are chosen for what they earn together, a place in `OBJECTIVES`,
            from 1; 0 = none: each strategy has its own order.
    """

    query: Query
    limits: Limits
    relation: Relation
    occasion: Occasion
    shown: tf.Tensor
    k: tf.Tensor
    diversity: tf.Tensor
    variety: tf.Tensor
    earns: tf.Tensor


_INDICES, _LISTS = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)
_NUMBERS, _FLAGS = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.bool)

ASKED_SPEC = Asked.Spec(
    query=QUERY_SPEC,
    limits=Limits.Spec(
        excluded=_LISTS, categories=_LISTS, min_price=_NUMBERS, max_price=_NUMBERS, attributes=ATTRIBUTES_SPEC
    ),
    relation=Relation.Spec(
        not_like=_LISTS,
        upgrade_of=_INDICES,
        similar_to=_INDICES,
        min_price_ratio=_NUMBERS,
        max_price_ratio=_NUMBERS,
        objective=_INDICES,
        goes_beside=_LISTS,
        goes_with=_INDICES,
        gap=_NUMBERS,
        only_own=_FLAGS,
    ),
    occasion=OCCASION_SPEC,
    shown=_LISTS,
    k=_INDICES,
    diversity=_NUMBERS,
    variety=_INDICES,
    earns=_INDICES,
)


def ask(strategy: str, request: Request, *, view_type: int) -> Asked:
    """Returns what a strategy asks for.

    Args:
        strategy: one of `tfrec.schema.signatures.WIDGETS`, or `bundle`.
        request: the requests.
        view_type: event code of a view.
    """
    return _STRATEGIES[strategy](request, view_type)


def by_default(asked: Asked, config: SlateConfig) -> Asked:
    """Returns the same with the settings of `config` where the request names none.

    0 names none; what is below 0 is "without", whatever the settings.
    """
    level, diversity = asked.query.outside_level, asked.diversity
    level = tf.where(tf.equal(level, 0), config.outside_cart_level, level)
    return replaced(
        asked,
        query=changed(asked.query, outside_level=level),
        diversity=tf.where(tf.equal(diversity, 0.0), config.diversity, diversity),
    )


def beside(asked: Asked, items: tf.Tensor) -> Asked:
    """Returns the same with `items [B, n]` in the cart: nothing like them is wanted, and all must go with them."""
    limits, relation, occasion = asked.limits, asked.relation, asked.occasion
    return replaced(
        asked,
        query=changed(asked.query, cart=tf.concat([asked.query.cart, items], axis=1)),
        limits=replaced(limits, excluded=tf.concat([limits.excluded, items], axis=1)),
        relation=replaced(
            relation,
            not_like=tf.concat([relation.not_like, items], axis=1),
            goes_beside=tf.concat([relation.goes_beside, items], axis=1),
        ),
        occasion=replaced(occasion, beside=tf.concat([occasion.beside, items], axis=1)),
    )


def about_line(asked: Asked, line: tf.Tensor) -> Asked:
    """Returns the same about one line of the cart alone, as about an item on its page.

    The cart stays out of what is offered, and so does whatever stands in for a line of it.

    Args:
        asked: what `cross_sell` asks of a cart.
        line: `[B]` int32 item of the line; 0 = none.
    """
    query, relation = asked.query, asked.relation
    return replaced(
        asked,
        query=changed(query, cart=line[:, None]),
        relation=replaced(relation, not_like=query.cart, goes_with=line),
    )


def stacked(parts: Sequence[Asked]) -> Asked:
    """Returns the rows of all parts, one part below the other; lists are padded to the widest."""
    return tf.nest.map_structure(_stack, *parts, expand_composites=True)


def rows_of(value: _Value, rows: tf.Tensor) -> _Value:
    """Returns the rows `rows [n]` of whatever has a row a query."""
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), value, expand_composites=True)


def replaced(value: _Value, **parts: Any) -> _Value:
    """Returns the value with some of its parts replaced."""
    kind = type(value)
    return kind(**{name: parts.get(name, getattr(value, name)) for name in kind.__annotations__})


def with_view(query: Query, anchor: tf.Tensor, *, view_type: int) -> Query:
    """Returns the query with the view of the anchor as its latest event, once.

    A shop that sends its events as they come has the view of the page among them; in training it was one event.
    """
    place = tf.range(size_of(query.recent_item, 1))[None, :]
    latest = tf.reduce_max(tf.where(query.recent_item > 0, place, -1), axis=1, keepdims=True)
    is_same = tf.equal(place, latest) & tf.equal(query.recent_item, anchor[:, None])
    is_same &= tf.equal(query.recent_type, view_type)
    seen = tf.fill([size_of(anchor), 1], view_type)
    return changed(
        query,
        recent_item=tf.concat([tf.where(is_same, 0, query.recent_item), anchor[:, None]], axis=1),
        recent_type=tf.concat([query.recent_type, seen], axis=1),
        recent_age=tf.concat([query.recent_age, tf.zeros([size_of(anchor), 1])], axis=1),
    )


def _asked(
    strategy: str, request: Request, query: Query, relation: Relation, *excluded: tf.Tensor, rules_of: str = ""
) -> Asked:
    """Returns what is asked, by the rules of the signature `rules_of`; `excluded` are items `[B, n]`."""
    return Asked(
        query=query,
        limits=excluding(request, *excluded),
        relation=relation,
        occasion=occasion_of(rules_of or strategy, request),
        shown=request.shown,
        k=request.k,
        diversity=request.diversity,
        variety=request.variety,
        earns=tf.zeros_like(request.k),
    )


def _recommend(request: Request, view_type: int) -> Asked:
    return _asked("recommend", request, request.query, relation_of(request))


def _buy_again(request: Request, view_type: int) -> Asked:
    relation = relation_of(request, only_own=tf.ones_like(request.only_own))
    return _asked("buy_again", request, request.query, relation, rules_of="recommend")


def _complete_cart(request: Request, view_type: int) -> Asked:
    relation = relation_of(request, goes_beside=request.query.cart, gap=request.gap)
    return _asked("complete_cart", request, request.query, relation)


def _cross_sell(request: Request, view_type: int) -> Asked:
    query, anchor = request.query, request.anchor
    cart = tf.concat([query.cart, anchor[:, None]], axis=1)
    just_bought = tf.where(tf.equal(query.recent_type, _PURCHASE), query.recent_item, 0)
    query = changed(query, cart=cart, is_discovery=tf.ones_like(query.is_discovery))
    relation = relation_of(request, not_like=anchor[:, None], goes_beside=cart, goes_with=anchor)
    return _asked("cross_sell", request, query, relation, just_bought)


def _bundle(request: Request, view_type: int) -> Asked:
    """What goes with the anchor alone; `beside` then adds what was chosen. The cart and its variants are left out."""
    query, anchor = request.query, request.anchor
    cart = tf.concat([query.cart, anchor[:, None]], axis=1)
    just_bought = tf.where(tf.equal(query.recent_type, _PURCHASE), query.recent_item, 0)
    query = changed(query, cart=anchor[:, None], is_discovery=tf.ones_like(query.is_discovery))
    relation = relation_of(request, not_like=anchor[:, None], goes_beside=cart, goes_with=anchor)
    return _asked("bundle", request, query, relation, just_bought)


def _upsell(request: Request, view_type: int) -> Asked:
    relation = relation_of(
        request,
        upgrade_of=_known(request.anchor),
        min_price_ratio=request.min_price_ratio,
        max_price_ratio=request.max_price_ratio,
        objective=request.objective,
    )
    return _asked("upsell", request, with_view(request.query, request.anchor, view_type=view_type), relation)


def _similar(request: Request, view_type: int) -> Asked:
    relation = relation_of(request, similar_to=_known(request.anchor))
    return _asked("similar", request, with_view(request.query, request.anchor, view_type=view_type), relation)


_STRATEGIES: dict[str, Callable[[Request, int], Asked]] = {
    "recommend": _recommend,
    "cross_sell": _cross_sell,
    "upsell": _upsell,
    "complete_cart": _complete_cart,
    "similar": _similar,
    "buy_again": _buy_again,
    "bundle": _bundle,
}


def _known(anchor: tf.Tensor) -> tf.Tensor:
    return tf.where(anchor > 0, anchor, _UNKNOWN)


def _stack(*parts: tf.Tensor) -> tf.Tensor:
    rank = parts[0].shape.rank
    if all(part is parts[0] for part in parts):
        return tf.tile(parts[0], [len(parts), *[1] * (rank - 1)])
    if rank == 1:
        return tf.concat(parts, axis=0)
    widest = tf.reduce_max(tf.stack([size_of(part, 1) for part in parts]))
    inner = [[0, 0]] * (rank - 2)
    rows = [tf.pad(part, [[0, 0], [0, widest - size_of(part, 1)], *inner]) for part in parts]
    return tf.concat(rows, axis=0)
