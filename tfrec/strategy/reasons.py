"""Derives the reason of each offer from the evidence: a code, the contributing item, a count, the strongest source."""

import tensorflow as tf

from tfrec.models.query import Query
from tfrec.models.ranking import RankingModel
from tfrec.models.rows import count_items
from tfrec.models.sources import CandidateSources, Evidence
from tfrec.models.sources.cart import Cart
from tfrec.models.sources.history import History
from tfrec.models.sources.own_items import OwnItems
from tfrec.models.sources.source import Candidates
from tfrec.strategy.faithfulness import LEAST_FALL, falls_without

REPEAT_COUNT = 2.0  # bought at least so often: a habit, a better reason than the cart


class Reasons(tf.experimental.ExtensionType):
    """Why items are offered, `[B, k]` each.

    Attributes:
        code: string, a key of `schema.signatures.REASONS`; `""` where there is no item.
        item: int32 item that the reason refers to; 0 = none.
        count: int32 how often the evidence was seen; 0 where it is no count.
        source: string, a value of `schema.signatures.SOURCES`.
    """

    code: tf.Tensor
    item: tf.Tensor
    count: tf.Tensor
    source: tf.Tensor


def explain(
    sources: CandidateSources, evidence: Evidence, items: tf.Tensor, *, query: Query, ranking: RankingModel
) -> Reasons:
    """Returns reasons of `[B, n]` items that are backed by the evidence which ranked these.

    A reason of evidence that the request could do without is named only where the score falls without it.

    In this order: a habit of the user; bought together with an item of the cart (orders counted); bought by the user
    once; goes with what the user chose before; bought lately (times counted); never sold yet; fits the behaviour.
    What friends bought is a source but no reason: a slate must not reveal to a shopper who bought what.
    """
    cart, history, own = (sources.by_name[name] for name in ("cart", "history", "own"))
    assert isinstance(cart, Cart) and isinstance(history, History) and isinstance(own, OwnItems)
    of_cart, of_past = evidence.by_source["cart"], evidence.by_source["history"]
    candidates = Candidates(items, evidence.shortlist.columns(items))
    cart_weight, cart_item, cart_count = cart.table.decode_best(candidates.at(of_cart["best"]), of_cart["cart"])
    past_weight, past_item, _ = history.table.decode_best(candidates.at(of_past["best"]), of_past["own"])
    own_count = own.own_at(evidence.by_source["own"], candidates)[0]
    lately, ever = tf.unstack(tf.gather(sources.moment.sold, items), axis=-1)
    cart_size, num_own = count_items(of_cart["cart"]), count_items(of_past["own"])
    of_history = candidates.at(of_past["weight"]) * tf.sqrt(num_own)[:, None]
    falls = falls_without(
        ranking,
        sources.features(query, evidence, items),
        cart_left=_left(tf.reduce_sum(candidates.at(of_cart["weights"]), axis=-1), cart_weight),
        cart_size=cart_size,
        history_left=_left(of_history, past_weight),
        num_own=num_own,
    )
    own_counts, together, because = (fall > LEAST_FALL for fall in falls)
    zeros, is_item = tf.zeros_like(items), items > 0
    as_own, as_lately = tf.cast(own_count, tf.int32), tf.cast(lately, tf.int32)
    cases = [
        (~is_item, "", zeros, zeros),
        ((own_count >= REPEAT_COUNT) & own_counts, "bought_by_you", zeros, as_own),
        ((cart_weight > 0) & (cart_count > 0) & together, "bought_together", cart_item, cart_count),
        ((own_count > 0) & own_counts, "bought_by_you", zeros, as_own),
        ((past_weight > 0) & because, "because_of", past_item, zeros),
        (lately > 0, "popular_now", zeros, as_lately),
        (ever <= 0, "new", zeros, zeros),
        (tf.ones_like(is_item), "for_you", zeros, zeros),
    ]
    applies, names, its_item, its_count = zip(*cases, strict=True)
    first = tf.argmax(tf.cast(tf.stack(applies, axis=-1), tf.int32), axis=-1, output_type=tf.int32)  # [B, k]
    return Reasons(
        code=tf.gather(tf.constant(names), first),
        item=tf.gather(tf.stack(its_item, axis=-1), first, batch_dims=2),
        count=tf.gather(tf.stack(its_count, axis=-1), first, batch_dims=2),
        source=tf.where(is_item, sources.strongest_source(evidence, items), ""),
    )


def _left(total: tf.Tensor, strongest: tf.Tensor) -> tf.Tensor:
    """Returns `[B, k]` share, in [0, 1], of a sum of weights that is left without the strongest of them."""
    return tf.where(total > strongest, 1.0 - tf.math.divide_no_nan(strongest, total), 0.0)


def explained_by_anchor(reasons: Reasons, items: tf.Tensor, *, upgrade_of: tf.Tensor, similar_to: tf.Tensor) -> Reasons:
    """Returns the reasons with the anchor in place of the evidence, in the rows of strategies that are about it.

    Args:
        reasons: of `items`.
        items: `[B, k]` int32; 0 = no item.
        upgrade_of: `[B]` int32 anchor of `upsell`; 0 or less = none.
        similar_to: `[B]` int32 anchor of `similar`; 0 or less = none. A row that has neither stays as it is.

    Examples:
        >>> texts, numbers = tf.constant([["new", ""]]), tf.constant([[0, 0]])
        >>> reasons = Reasons(code=texts, item=numbers, count=numbers, source=texts)
        >>> reasons = explained_by_anchor(
        ...     reasons, tf.constant([[4, 0]]), upgrade_of=tf.constant([9]), similar_to=tf.constant([0])
        ... )
        >>> reasons.code.numpy(), reasons.item.numpy()
        (array([[b'upgrade_of', b'']], dtype=object), array([[9, 0]], dtype=int32))
    """
    anchor = tf.maximum(tf.maximum(upgrade_of, similar_to), 0)[:, None]
    code = tf.where(upgrade_of > 0, "upgrade_of", "similar_to")[:, None]
    applies = (anchor > 0) & (items > 0)
    return Reasons(
        code=tf.where(applies, code, reasons.code),
        item=tf.where(applies, anchor, reasons.item),
        count=tf.where(applies, 0, reasons.count),
        source=tf.where(applies, "content", reasons.source),
    )
