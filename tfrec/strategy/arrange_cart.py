"""Orders the lines of a cart: first those beside which a complement is expected to earn most.

Each line is asked for what `cross_sell` offers beside it alone. Then the pairs of a line and a complement are taken one
after the other, the one that is worth most first: no complement, and no variant of one, stands beside two lines.
"""

from typing import NamedTuple

import tensorflow as tf

from tfrec.models.size_of import size_of
from tfrec.schema.inputs import MOST_LINES
from tfrec.strategy.asked import about_line, replaced, rows_of
from tfrec.strategy.candidate_slate import CandidateSlate, as_wide
from tfrec.strategy.funnel import Funnel
from tfrec.strategy.objectives import chosen_objective, is_incremental, worth_of_sale
from tfrec.strategy.request import Request

_CHOICE = 10  # best offers beside a line: another line may take those before


class Arranged(NamedTuple):
    """The lines of carts in a new order, `[B, n]` each.

    Attributes:
        place: int32 place in the cart of the line that stands here; padding is behind all lines.
        score: float32 what its complement is expected to bring; 0 without one, `-inf` where there is no line.
        complement: int32 item to be offered beside it; 0 = none.
        probability: float32 probability that the complement is taken.
    """

    place: tf.Tensor
    score: tf.Tensor
    complement: tf.Tensor
    probability: tf.Tensor


class Arrangements:
    """Answers requests for the order of a cart's lines.

    Args:
        funnel: ranks and chooses.
    """

    def __init__(self, funnel: Funnel) -> None:
        self._funnel = funnel

    def answer(self, request: Request, is_line: tf.Tensor) -> Arranged:
        """Returns the lines of `request.query.cart [B, n]` in the order of what stands beside them.

        Lines without a complement, those that the shop does not know among them, keep their order behind the others.

        Args:
            request: the requests; `k` is not used.
            is_line: `[B, n]` bool; what is none stands behind all lines.
        """
        funnel = self._funnel
        request = funnel.informed(request)
        line = request.query.cart[:, :MOST_LINES]
        size, width = size_of(line), size_of(line, 1)
        every = replaced(request, k=tf.fill([size], _CHOICE))
        rows = tf.repeat(tf.range(size), width)
        asked = about_line(rows_of(funnel.asked("cross_sell", every), rows), tf.reshape(line, [-1]))
        offered = as_wide(funnel.answered(asked)[0].slate, _CHOICE)
        objective = chosen_objective(request.objective, default=funnel.strategy.arrange_cart.objective)
        objective = rows_of(objective, rows)
        price, profit = funnel.sources.price, funnel.sources.profit
        worth = worth_of_sale(offered.item, objective=objective, price=price, profit=profit)
        chance = funnel.earnings.chance.of(asked.query, offered, is_incremental(objective))
        by_line = CandidateSlate(
            item=tf.reshape(offered.item, [size, width, _CHOICE]),
            score=tf.reshape(chance * worth, [size, width, _CHOICE]),
            probability=tf.reshape(offered.probability, [size, width, _CHOICE]),
        )
        return arranged(by_line, line=line, is_line=is_line, groups=funnel.sources.groups)


def arranged(offered: CandidateSlate, *, line: tf.Tensor, is_line: tf.Tensor, groups: tf.Tensor) -> Arranged:
    """Returns the lines in the order of what the complement beside each is worth; no complement stands twice.

    Of all pairs of a line and an offer the one that is worth most is taken, and so on with what is left of lines and
    offers: greedy, at least half of what the best pairing brings (Preis 1999). Equal ones go by the place in the cart,
    then by the place in the line's slate. What is worth nothing, or costs, is not taken.

    Args:
        offered: `[B, m, K]` offers beside each line, of the first `m` lines; the score is what the offer is worth.
        line: `[B, m]` int32 items of these lines; 0 = unknown or none, beside which nothing is offered.
        is_line: `[B, n]` bool.
        groups: `[N + 1]` int32, equal for the variants of one product; 0 = no variants.

    Examples:
        Item 5 would earn most beside both lines; the first line has another offer, worth less than it is beside the
        second:

        >>> items, worth = tf.constant([[[5, 6], [5, 0]]]), tf.constant([[[4.0, 1.0], [3.0, 0.0]]])
        >>> offered = CandidateSlate(item=items, score=worth, probability=worth / 10)
        >>> lines = arranged(
        ...     offered, line=tf.constant([[1, 2]]), is_line=tf.constant([[True, True]]), groups=tf.zeros([7], tf.int32)
        ... )
        >>> lines.place.numpy(), lines.complement.numpy()
        (array([[0, 1]], dtype=int32), array([[5, 0]], dtype=int32))
    """
    size, width, choice = (size_of(offered.item, axis) for axis in range(3))
    wide = [size, width * choice]
    item, worth, chance = (tf.reshape(part, wide) for part in (offered.item, offered.score, offered.probability))
    line_of = tf.repeat(tf.range(width), choice)[None, :]  # [1, m · K]
    group = tf.gather(groups, item)
    worth = tf.where((item > 0) & (tf.repeat(line, choice, axis=1) > 0), worth, 0.0)
    none, nothing = tf.zeros([size, width], tf.int32), tf.zeros([size, width])

    def take(
        number: tf.Tensor, worth: tf.Tensor, score: tf.Tensor, complement: tf.Tensor, probability: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        best = tf.argmax(worth, axis=1, output_type=tf.int32)[:, None]
        its_worth, its_item, its_chance, its_group = (
            tf.gather(part, best, batch_dims=1) for part in (worth, item, chance, group)
        )
        is_here = tf.equal(tf.range(width)[None, :], best // choice) & (its_worth > 0)
        is_taken = tf.equal(line_of, best // choice) | tf.equal(item, its_item)
        is_taken |= tf.equal(group, its_group) & (group > 0)
        return (
            number + 1,
            tf.where(is_taken, 0.0, worth),
            tf.where(is_here, its_worth, score),
            tf.where(is_here, its_item, complement),
            tf.where(is_here, its_chance, probability),
        )

    _, _, score, complement, probability = tf.while_loop(
        lambda number, *_: number < width, take, (tf.constant(0), worth, nothing, none, nothing)
    )
    missing = [[0, 0], [0, size_of(is_line, 1) - width]]
    score, complement, probability = (tf.pad(part, missing) for part in (score, complement, probability))
    score = tf.where(is_line, score, -float("inf"))
    score, place = tf.math.top_k(score, size_of(score, 1))  # of equal ones the earlier first
    complement, probability = (tf.gather(part, place, batch_dims=1) for part in (complement, probability))
    return Arranged(place, score, complement, probability)
