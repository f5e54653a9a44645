"""Selects dearer, acceptable substitutes of the anchor (upsell), and orders them by what they are worth."""

import tensorflow as tf

from tfrec.models.graph_tables import rows_of_table
from tfrec.models.sources.shortlist import Shortlist
from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.config import UpsellConfig
from tfrec.strategy.objectives import chosen_objective, orders_by_amount, worth_of_sale


def only_upgrades(
    eligible: tf.Tensor,
    shortlist: Shortlist,
    *,
    anchor: tf.Tensor,
    min_price_ratio: tf.Tensor,
    max_price_ratio: tf.Tensor,
    price: tf.Tensor,
    category_paths: tf.Tensor,
    content: tf.Tensor,
    config: UpsellConfig = UpsellConfig(),
) -> tf.Tensor:
    """Returns `eligible [B, L]` with what is clearly dearer than the anchor, not too dear, and of its category.

    An anchor of unknown category is compared by content instead; an anchor that is unknown altogether has no
    upgrades.

    Args:
        eligible: bool mask of the items of `shortlist`.
        shortlist: the items in question.
        anchor: `[B]` int32.
        min_price_ratio: `[B]` float32; 0 or less = that of `config` where it is below the dearest, else 1. Whatever it
            is, an upgrade is dearer.
        max_price_ratio: `[B]` float32; 0 or less = that of `config`.
        price: `[N + 1]` float32; 0 = unknown.
        category_paths: `[N + 1, depth]` int32 index of the category path at each level; 0 = unknown.
        content: `[N + 1, c]` unit content vectors.
        config: price band and similarity where the request and the catalogue name none.

    Examples:
        The anchor costs 10; item 2 is dearer, item 3 more than twice as dear, item 4 of another category:

        >>> from tfrec.models.sources.shortlist import whole_catalogue
        >>> only_upgrades(
        ...     tf.constant([[False, True, True, True, True]]), whole_catalogue(5),
        ...     anchor=tf.constant([1]), min_price_ratio=tf.constant([0.0]), max_price_ratio=tf.constant([2.0]),
        ...     price=tf.constant([0.0, 10.0, 15.0, 30.0, 15.0]), content=tf.zeros([5, 2]),
        ...     category_paths=tf.constant([[0], [7], [7], [7], [8]]),
        ... ).numpy()
        array([[False, False,  True, False, False]])
    """
    ratio = tf.where(max_price_ratio > 0, max_price_ratio, config.max_price_ratio)
    anchor_price, its_price = tf.gather(price, anchor)[:, None], tf.gather(price, shortlist.item)
    usual_step = tf.where(
        ratio > config.min_price_ratio, config.min_price_ratio, 1.0
    )  # none where the band is narrower
    step = tf.where(min_price_ratio > 0, min_price_ratio, usual_step)
    dearer = (its_price > anchor_price) & (its_price >= anchor_price * step[:, None])
    dearer &= its_price <= anchor_price * ratio[:, None]
    anchor_leaf = tf.gather(category_paths, anchor)[:, -1:]
    same_leaf = tf.equal(tf.gather(category_paths, shortlist.item)[..., -1], anchor_leaf)
    similar = shortlist.products(rows_of_table(content, anchor), content) >= config.min_content_similarity
    comparable = tf.where(anchor_leaf > 0, same_leaf, similar)
    return eligible & dearer & comparable & ((anchor > 0)[:, None] & (anchor_price > 0))


def by_objective(
    slate: CandidateSlate,
    *,
    chance: tf.Tensor,
    upgrade_of: tf.Tensor,
    objective: tf.Tensor,
    price: tf.Tensor,
    profit: tf.Tensor,
    config: UpsellConfig = UpsellConfig(),
) -> CandidateSlate:
    """Returns the slate with scores by what each upgrade is expected to bring beyond the anchor.

    The expected extra profit is the chance times the difference of the profits; extra revenue likewise. Rows without an
    anchor in `upgrade_of` stay as they are, as do all by the objective `purchase`.

    Args:
        slate: candidates in any order.
        chance: `[B, C]` float32 probability that the item is taken, or, by incremental margin, what the offer adds.
        upgrade_of: `[B]` int32 item that is on the page; 0 or less = none.
        objective: `[B]` int32 place in `OBJECTIVES`, from 1; 0 = that of `config`.
        price: `[N + 1]` float32.
        profit: `[N + 1]` float32, what a sale earns.
        config: names the objective where the request has none.

    Examples:
        Item 3 is taken half as often as item 2, and earns four times as much beyond item 1:

        >>> slate = CandidateSlate(
        ...     item=tf.constant([[2, 3]]), score=tf.constant([[0.3, 0.1]]), probability=tf.constant([[0.2, 0.1]])
        ... )
        >>> prices = tf.constant([0.0, 10.0, 15.0, 30.0])
        >>> by_objective(
        ...     slate, chance=slate.probability, upgrade_of=tf.constant([1]), objective=tf.constant([2]), price=prices,
        ...     profit=prices / 2,
        ... ).score.numpy()
        array([[1., 2.]], dtype=float32)
    """
    anchor, objective = tf.maximum(upgrade_of, 0)[:, None], chosen_objective(objective, default=config.objective)
    worth, anchor_worth = (
        worth_of_sale(items, objective=objective, price=price, profit=profit) for items in (slate.item, anchor)
    )
    extra = chance * (worth - anchor_worth)
    is_by_amount = orders_by_amount(objective)[:, None]
    is_upgrade = (anchor > 0) & is_by_amount & (slate.score > -float("inf"))
    return CandidateSlate(
        item=slate.item, score=tf.where(is_upgrade, extra, slate.score), probability=slate.probability
    )
