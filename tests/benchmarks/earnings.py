"""Measures what a demo shop earns with the slates of several recommenders, on the same simulated visits.

Every recommender fills pages, and is asked the same on every page of every visit: as many places in as many widgets.
One that answers signature by signature fills them with `one_by_one`: what stands in the first slate of a page is not
repeated in the second.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tests.benchmarks.results import Figure, Held
from tests.benchmarks.shopper_choices import CART_PAGE, ITEM, START, Page, Visit, buy
from tests.benchmarks.simulated_visits import World
from tfrec.statistics.cluster_bootstrap import bootstrap_means

K = 5
"""Items of a slate."""
MONEY = ("revenue", "margin")
WAYS = ("complete", "compare", "go on")
SIGNATURES = ("recommend", "upsell", "cross_sell", "complete_cart")
Slates = Callable[[str, pd.DataFrame, int], np.ndarray]
"""(signature, queries, k) → `[Q, k]` item ids, best first; `""` behind the end of a short row."""
Recommender = Callable[[tuple[str, ...], pd.DataFrame, int], dict[str, np.ndarray]]
"""(widgets, queries, k) → widget → `[Q, k]` item ids in its places, likewise; no item twice in a row of the page."""


@dataclasses.dataclass(frozen=True)
class Earnings:
    """What a recommender's slates earn on `V` visits.

    Attributes:
        base: `[V, 2]` revenue and margin without slates, EUR.
        added: `[V, 2, signatures, ways]` what slates of each signature add in each way, EUR.
        taken: number of items that were taken.
    """

    base: np.ndarray
    added: np.ndarray
    taken: int

    @property
    def whole(self) -> np.ndarray:
        """`[V, 2]` revenue and margin of each visit."""
        return self.base + self.added.sum(axis=(2, 3))


def measure(world: World, recommender: Recommender) -> Earnings:
    """Returns what the slates of a recommender earn on all visits of a world."""
    slates = slates_of_visits(world, recommender)
    goods, V = world.goods, len(world.visits)
    base, added, taken = np.zeros((V, 2)), np.zeros((V, 2, len(SIGNATURES), len(WAYS))), 0
    for at, visit in enumerate(world.visits):
        if visit.is_ordering:
            base[at] = goods.revenue(visit.anyway, visit.day), goods.profit(visit.anyway, visit.day)
        for one in buy(visit, slates[at], goods):
            place = SIGNATURES.index(one.signature), WAYS.index(one.way)
            instead = [one.instead] if one.instead >= 0 else []
            added[(at, 0, *place)] += goods.revenue([one.item], visit.day) - goods.revenue(instead, visit.day)
            added[(at, 1, *place)] += goods.profit([one.item], visit.day) - goods.profit(instead, visit.day)
            taken += 1
    return Earnings(base, added, taken)


def slates_of_visits(world: World, recommender: Recommender) -> list[list[dict[str, list[int]]]]:
    """Returns for each visit and page widget → codes of the items shown."""
    code = {item: at for at, item in enumerate(world.item_ids.tolist())}
    slates: list[list[dict[str, list[int]]]] = [[{} for _ in visit.pages] for visit in world.visits]
    for widgets in (START, ITEM, CART_PAGE):
        places, queries = _queries(world, widgets)
        found = recommender(widgets, queries, K)
        for row, (visit, page) in enumerate(places):
            slates[visit][page] = {name: [code[item] for item in found[name][row] if item] for name in widgets}
    return slates


def one_by_one(slates: Slates) -> Recommender:
    """Returns the recommender that fills each widget by the signature of its name, from top to bottom."""

    def fill(widgets: tuple[str, ...], queries: pd.DataFrame, k: int) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for widget in widgets:
            # As many more as stand above, so that k are left.
            asked = slates(widget, queries, k * len(widgets))
            above = (
                [set(row) for row in np.concatenate(list(found.values()), axis=1)] if found else [set()] * len(asked)
            )
            found[widget] = np.full((len(queries), k), "", object)
            for row, items in enumerate(asked):
                left = [item for item in items if item and item not in above[row]][:k]
                found[widget][row, : len(left)] = left
        return found

    return fill


def joined(parts: Sequence[Earnings]) -> Earnings:
    """Returns the earnings on the visits of all parts, one after the other."""
    return Earnings(
        np.concatenate([part.base for part in parts]),
        np.concatenate([part.added for part in parts]),
        sum(part.taken for part in parts),
    )


def all_knowing(world: World) -> Recommender:
    """Returns the recommender that knows every answer beforehand: about the most that any slates could earn.

    It shows what the shopper wants with what is chosen, the dearest item that is liked better than the page's, and the
    dearest that one more step would find; what brings most comes first.
    """
    goods = world.goods

    def answer(visit: Visit, page: Page) -> list[int]:
        chosen = {*page.cart, page.item}
        gains = {item: goods.price[item] for anchor, item in visit.wanted if anchor in chosen}
        if page.is_carted and page.compares:
            better = (goods.leaf == goods.leaf[page.item]) & (visit.liking > visit.liking[page.item])
            if better.any():
                item = int(np.where(better, goods.price, -1).argmax())
                gains[item] = goods.price[item] - goods.price[page.item]
        if page.is_found and page.next_leaf >= 0:
            found = (goods.leaf == page.next_leaf) & (visit.liking > visit.reference[page.next_leaf])
            if found.any():
                item = int(np.where(found, goods.price, -1).argmax())
                gains[item] = goods.price[item]
        return sorted((item for item in gains if gains[item] > 0), key=lambda item: -gains[item])

    def slates(signature: str, queries: pd.DataFrame, k: int) -> np.ndarray:
        found = np.full((len(queries), k), "", object)
        for row, query in enumerate(queries["query_id"]):
            visit, page = (int(part) for part in query.split(":"))
            items = answer(world.visits[visit], world.visits[visit].pages[page])[:k]
            found[row, : len(items)] = world.item_ids[items]
        return found

    return one_by_one(slates)


def compare(
    earned: Mapping[str, Sequence[Earnings]],
    users: Sequence[np.ndarray],
    *,
    ours: str,
    bar: float,
    beside: str = "",
    most: str = "",
) -> list[Held]:
    """Returns how much more is earned with `ours` than with each other recommender, and what slates earn at all.

    Differences are of the same visits, as shares of the mean of the other; intervals are of a bootstrap over users,
    the other's mean held fixed.

    Args:
        earned: recommender → its earnings on the visits of each shop.
        users: for each shop `[V]` who visits.
        ours: recommender that is compared.
        bar: share by which it should be ahead.
        beside: recommender that is compared without a bar; `""` = none.
        most: recommender that is no opponent but shows how much could be earned; `""` = none.
    """
    groups = np.concatenate([[f"{shop}:{user}" for user in part] for shop, part in enumerate(users)])
    whole = {name: joined(parts) for name, parts in earned.items()}
    rows = []
    for money, unit in enumerate(MONEY):
        for other in (name for name in earned if name not in (ours, most)):
            mine, theirs = whole[ours].whole[:, money], whole[other].whole[:, money]
            each = tuple(
                _ahead(part.whole[:, money], its.whole[:, money])
                for part, its in zip(earned[ours], earned[other], strict=True)
            )
            estimate = bootstrap_means(((mine - theirs) / theirs.mean())[:, None], groups)[0]
            base = whole[ours].base[:, money].mean()
            note = f"{mine.mean():.2f} EUR a visit, {theirs.mean():.2f} with {other}, {base:.2f} without slates"
            if len(each) > 1:
                note += "; each shop: " + ", ".join(f"{value:+.3f}" for value in each)
            what = f"simulated shoppers, {unit} a visit: share by which it is above that with {other}"
            figure = Figure(estimate.value, estimate.low, estimate.high, each)
            rows.append(Held(what, figure, len(mine), None if other == beside else bar, note=note))
    for money, unit in enumerate(MONEY):
        base = whole[ours].base[:, money].mean()
        shares = {name: one.added.sum(axis=(2, 3))[:, money] / base for name, one in whole.items()}
        estimate = bootstrap_means(shares[ours][:, None], groups)[0]
        note = ", ".join(f"{name} {share.mean():.3f}" for name, share in shares.items() if name != ours)
        what = f"simulated shoppers, {unit} a visit: share that slates add to that without slates"
        rows.append(Held(what, Figure(estimate.value, estimate.low, estimate.high), len(groups), note=note))
    for money, unit in enumerate(MONEY):
        for place, signature in enumerate(SIGNATURES):
            by = {name: one.added[:, money, place].sum(axis=1) for name, one in whole.items()}
            estimate = bootstrap_means(by[ours][:, None], groups)[0]
            ways = dict(zip(WAYS, whole[ours].added[:, money, place].mean(axis=0), strict=True))
            note = ", ".join(f"{name} {value.mean():.3f}" for name, value in by.items() if name != ours)
            note += "; of it " + ", ".join(f"{way} {value:.3f}" for way, value in ways.items())
            what = f"simulated shoppers, {unit} a visit that slates of `{signature}` add, EUR"
            rows.append(Held(what, Figure(estimate.value, estimate.low, estimate.high), len(groups), note=note))
    return rows


def _ahead(mine: np.ndarray, theirs: np.ndarray) -> float:
    return float(mine.mean() / theirs.mean() - 1)


def _queries(world: World, widgets: tuple[str, ...]) -> tuple[list[tuple[int, int]], pd.DataFrame]:
    """Returns (visit, page) of each page that has these widgets, and the queries that these pages send."""
    names = world.item_ids.astype(object)
    places, rows = [], []
    for at, visit in enumerate(world.visits):
        for number, page in enumerate(visit.pages):
            if page.widgets != widgets:
                continue
            seen = [*page.seen, page.item] if page.item >= 0 else page.seen
            row = {
                "query_id": f"{at}:{number}",
                "user_id": visit.user_id,
                "cart_item_ids": [names[item] for item in page.cart],
                "recent_item_ids": [names[item] for item in seen],
            }
            rows.append(row | ({"item_id": names[page.item]} if page.item >= 0 else {}))
            places.append((at, number))
    return places, pd.DataFrame(rows)
