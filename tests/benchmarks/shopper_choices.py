"""Decides what a shopper of the demo shop buys because of the slates that the pages of a visit show.

The generator states what shoppers do of themselves; what they answer to a slate follows from one assumption: **an item
that is examined gives one more chance, with the generator's own probability, of what shoppers do without it.**

- *Complete*: an anchor in the cart, or on the page and about to get there, makes the shopper want a partner item along
  an edge of the truth, with the edge's strength; a shopper who did not think of it takes that partner where it is
  shown. Another item of the partner's category is not what is wanted.
- *Compare*: with `SECOND_LOOK` a shopper compares what the page holds with the items of its category that are examined,
  with `DEARER_LOOK` with the dearer ones alone, and chooses as the generator's shoppers choose: by taste and a Gumbel
  variable (logit). What is chosen stands in for the page's item, and counts the difference where that one is bought.
  How dear an item may be is a matter of the favourite tier, as in the generator.
- *Go on*: with `GO_ON` a shopper is ready for one more step of the visit from each page, to the category to which the
  intention or taste leads. The best examined item of it is looked at if the shopper likes it better than one of the
  category at random, and is put in the cart with `CART`.

Nothing else is bought because of a slate, nothing on a visit without an order, and at most one item of a category:
what is of the category of something in the cart is not taken; what would have been bought of the category later is
replaced, and the difference counts. How long a visit is, and whether it ends with an order, no slate changes.

Examination is by position: place `r` is examined with the probability `attention(k)[r]`, and whoever examines a place
has examined those above it. All chance is drawn beforehand and belongs to the visit (common random numbers): equal
slates earn equally, and differences of two slates are of these alone.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfrec.demo_shop.behaviour import MORE_STEPS
from tfrec.demo_shop.slates import ATTENTION

GO_ON = MORE_STEPS / (1 + MORE_STEPS)
"""Share of the steps of the generator's visits after which another follows."""
START, ITEM, CART_PAGE = ("recommend",), ("upsell", "cross_sell"), ("complete_cart",)
"""Widgets of a start page, an item page and a cart page, from top to bottom."""
_DECAY = 0.7
"""Factor from one place to the next beyond the generator's three (1, 0.7, 0.5), which fall by about as much."""


def attention(k: int) -> np.ndarray:
    """Returns `[k]` the probability that each place of a widget is examined."""
    beyond = ATTENTION[-1] * _DECAY ** np.arange(1, max(0, k - len(ATTENTION)) + 1)
    return np.concatenate([ATTENTION, beyond])[:k]


@dataclasses.dataclass(frozen=True)
class Goods:
    """What is sold; arrays `[N]` by item code.

    Attributes:
        leaf: category code.
        price: list price.
        margin: share of the list price that is profit.
        discounts: `[weeks, L]` share of the list price that is taken off in a week.
    """

    leaf: np.ndarray
    price: np.ndarray
    margin: np.ndarray
    discounts: np.ndarray

    def revenue(self, items: Sequence[int], day: float) -> float:
        """Returns what is paid for one piece of each item on a day."""
        codes = np.asarray(items, int)
        return float((self.price[codes] * (1 - self._discount(codes, day))).sum())

    def profit(self, items: Sequence[int], day: float) -> float:
        """Returns what is paid for one piece of each item on a day, less what it costs the shop."""
        codes = np.asarray(items, int)
        return float((self.price[codes] * (self.margin[codes] - self._discount(codes, day))).sum())

    def _discount(self, codes: np.ndarray, day: float) -> np.ndarray:
        return self.discounts[int(day) // 7, self.leaf[codes]]


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of a visit and the shopper's chances on it.

    Attributes:
        widgets: signatures of its slates, from top to bottom.
        item: code of the item that it is about; -1 = none.
        seen: codes of the items whose pages were seen before, oldest first.
        cart: codes of what is in the cart by then.
        is_carted: its item is put in the cart from here.
        patience: for each widget a number in [0, 1): place `r` is examined if it is below `attention(k)[r]`.
        compares: the shopper compares its item with others of the category.
        only_dearer: with dearer ones alone.
        next_leaf: category to which one more step would lead; -1 = there is none.
        is_found: what is looked at in that step is put in the cart.
    """

    widgets: tuple[str, ...]
    item: int = -1
    seen: tuple[int, ...] = ()
    cart: tuple[int, ...] = ()
    is_carted: bool = False
    patience: tuple[float, ...] = (0.0, 0.0)
    compares: bool = False
    only_dearer: bool = False
    next_leaf: int = -1
    is_found: bool = False


@dataclasses.dataclass(frozen=True)
class Visit:
    """A visit as the generator simulates it, and what the shopper would like besides.

    Attributes:
        user: code of the shopper, also of a guest.
        user_id: what the shop knows of that; `""` = guest.
        day: days since the start of the log.
        is_ordering: it ends with an order.
        pages: in the order in which they are seen.
        anyway: codes of what is bought without slates, where it ends with an order.
        wanted: (anchor, item) that the shopper wants once the item is examined.
        liking: `[N]` taste and chance of each item; -inf where it is not on sale.
        reference: `[L]` liking of an item of each category that was drawn at random.
    """

    user: int
    user_id: str
    day: float
    is_ordering: bool
    pages: tuple[Page, ...]
    anyway: tuple[int, ...]
    wanted: frozenset[tuple[int, int]]
    liking: np.ndarray
    reference: np.ndarray


@dataclasses.dataclass(frozen=True)
class Taken:
    """An item that is bought because of a slate.

    Attributes:
        signature: whose slate.
        way: `complete`, `compare` or `go on`.
        item: its code.
        instead: code of what would have been bought otherwise; -1 = nothing.
    """

    signature: str
    way: str
    item: int
    instead: int


def buy(visit: Visit, slates: Sequence[Mapping[str, Sequence[int]]], goods: Goods) -> list[Taken]:
    """Returns what is bought because of slates.

    Args:
        visit: the visit.
        slates: for each page widget → codes of the items in its slate, best first; -1 = an empty place.
        goods: the items.
    """
    if not visit.is_ordering:
        return []
    basket = _Basket(set(visit.anyway), goods.leaf)
    for page, shown in zip(visit.pages, slates, strict=True):
        examined = _examined(page, shown, visit.liking)
        basket.chosen.update(page.cart)
        if page.is_carted and page.compares:
            _compare(page, examined, visit, goods, basket)
        anchors = {*basket.chosen, page.item}
        for item, signature in examined.items():
            if any((anchor, item) in visit.wanted for anchor in anchors):
                basket.take(item, signature, "complete", page_item=page.item)
        _go_on(page, examined, visit, goods, basket)
    return basket.taken


@dataclasses.dataclass
class _Basket:
    """What a visit ends with, as far as it is known.

    Attributes:
        bought: codes of what will be bought.
        leaf: `[N]` category codes.
        chosen: codes of what has been put in the cart so far.
        taken: what is bought because of slates.
    """

    bought: set[int]
    leaf: np.ndarray
    chosen: set[int] = dataclasses.field(default_factory=set)
    taken: list[Taken] = dataclasses.field(default_factory=list)

    def has_category(self, leaf: int) -> bool:
        """Returns whether something of a category is in the cart."""
        return any(self.leaf[item] == leaf for item in self.chosen)

    def take(self, item: int, signature: str, way: str, *, page_item: int) -> None:
        """Puts an item in the cart, unless one of its category is there or on the page."""
        leaf = self.leaf[item]
        if self.has_category(leaf) or (page_item >= 0 and self.leaf[page_item] == leaf):
            return
        self.chosen.add(item)
        if item not in self.bought:
            later = min((other for other in self.bought if self.leaf[other] == leaf), default=-1)
            self.replace(later, item, signature, way)

    def replace(self, instead: int, item: int, signature: str, way: str) -> None:
        """Buys an item, instead of another one if that is not -1."""
        self.bought.discard(instead)
        self.bought.add(item)
        self.taken.append(Taken(signature, way, item, instead))


def _examined(page: Page, shown: Mapping[str, Sequence[int]], liking: np.ndarray) -> dict[int, str]:
    """Returns the items that are examined and on sale, in this order, each with the widget that showed it first."""
    found: dict[int, str] = {}
    for widget, patience in zip(page.widgets, page.patience, strict=False):
        items = shown.get(widget, ())
        for item, probability in zip(items, attention(len(items)), strict=True):
            if patience < probability and item >= 0 and liking[item] > -np.inf:
                found.setdefault(int(item), widget)
    return found


def _compare(page: Page, examined: Mapping[int, str], visit: Visit, goods: Goods, basket: _Basket) -> None:
    """Chooses between the page's item and those of its category that are examined."""
    others = [item for item in examined if goods.leaf[item] == goods.leaf[page.item] and item not in basket.bought]
    if page.only_dearer:
        others = [item for item in others if goods.price[item] > goods.price[page.item]]
    best = max([page.item, *others], key=lambda item: visit.liking[item])
    if best != page.item and page.item in basket.bought:
        basket.replace(page.item, best, examined[best], "compare")
        basket.chosen.add(best)


def _go_on(page: Page, examined: Mapping[int, str], visit: Visit, goods: Goods, basket: _Basket) -> None:
    """Takes one more step to what is examined of the category that comes next."""
    found = [item for item in examined if goods.leaf[item] == page.next_leaf]
    if page.is_found and found:
        best = max(found, key=lambda item: visit.liking[item])
        if visit.liking[best] > visit.reference[page.next_leaf]:
            basket.take(best, examined[best], "go on", page_item=page.item)
