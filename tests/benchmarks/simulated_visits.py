"""Simulates visits to a demo shop by its generator, with the chances of `shopper_choices.py`.

A visit is of another year of the same shop: the same items, users, tastes, complements and discounts; who comes, when,
for what, what is viewed, put in the cart, bought again, added and ordered are drawn again, by the generator's own
functions. Those of the evaluation period are kept. So nothing of a visit is in the log that models learned from.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.benchmarks.shopper_choices import CART_PAGE, GO_ON, ITEM, START, Goods, Page, Visit
from tfrec.demo_shop import DemoShopConfig
from tfrec.demo_shop.behaviour import (
    CART,
    CONVERT,
    DEARER_LOOK,
    SECOND_LOOK,
    STAY_ON_COURSE,
    Sessions,
    browse,
    complete,
    draw_discounts,
    draw_sessions,
    replenish,
)
from tfrec.demo_shop.catalogue import LEAVES, Catalogue, build_catalogue
from tfrec.demo_shop.shoppers import Shoppers, draw_rows, draw_shoppers, taste_scores

_OTHER_YEARS = 1_000_000
"""What is added to a shop's seed to get those of its other years."""


@dataclasses.dataclass(frozen=True)
class World:
    """A demo shop with all that its generator knows, and visits to it.

    Attributes:
        item_ids: `[N]` raw ids of the items.
        goods: what is sold.
        visits: the visits, those of a year ascending in time.
    """

    item_ids: np.ndarray
    goods: Goods
    visits: tuple[Visit, ...]


def simulate_visits(config: DemoShopConfig, num_visits: int) -> World:
    """Returns the first `num_visits` visits of the evaluation periods of other years of a demo shop."""
    catalogue, shoppers, discounts = build_catalogue(config), draw_shoppers(config), draw_discounts(config)
    visits: list[Visit] = []
    year = 0
    while len(visits) < num_visits:
        other = dataclasses.replace(config, seed=config.seed + _OTHER_YEARS + year)
        visits.extend(_visits_of_year(other, catalogue, shoppers, discounts))
        year += 1
    goods = Goods(catalogue.leaf, catalogue.price, catalogue.margin, discounts)
    return World(catalogue.ids, goods, tuple(visits[:num_visits]))


def _visits_of_year(
    config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers, discounts: np.ndarray
) -> Iterator[Visit]:
    """Yields the visits of the evaluation period of a year whose seed is that of `config`."""
    rng = config.generator("simulated visits")
    whole = draw_sessions(config, shoppers, discounts)
    kept = np.flatnonzero(whole.day >= config.split_day)
    sessions = Sessions(whole.user[kept], whole.day[kept], whole.is_guest[kept], whole.first_leaf[kept])
    views, carts = browse(catalogue, shoppers, sessions, rng)
    staples = replenish(config, catalogue, shoppers, whole, rng)
    staples = staples[staples["session"].isin(kept)]
    staples = staples.assign(session=np.searchsorted(kept, staples["session"]))
    S = len(sessions)
    is_ordering = rng.random(S) < CONVERT
    is_ordering[staples["session"].to_numpy()] = True
    added, wanted = (complete(catalogue, sessions, carts, rng) for _ in range(2))
    bought = pd.concat([carts, staples, added], ignore_index=True)
    liking, reference = _likings(catalogue, shoppers, sessions, rng)
    pages = _pages(shoppers, sessions, views, carts, rng)
    anyway, pairs = _items_by_session(bought, S), _pairs_by_session(wanted, S)
    for at in range(S):
        yield Visit(
            user=int(sessions.user[at]),
            user_id="" if sessions.is_guest[at] else str(shoppers.ids[sessions.user[at]]),
            day=float(sessions.day[at]),
            is_ordering=bool(is_ordering[at]),
            pages=tuple(pages[at]),
            anyway=tuple(dict.fromkeys(anyway[at])),
            wanted=frozenset(pairs[at]),
            liking=liking[at],
            reference=reference[at],
        )


def _likings(
    catalogue: Catalogue, shoppers: Shoppers, sessions: Sessions, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[S, N]` likings of all items, and `[S, L]` that of an item of each category drawn at random."""
    items = np.arange(len(catalogue))
    liking = taste_scores(catalogue, shoppers, items=items, user=sessions.user, day=sessions.day)
    liking = (liking + rng.gumbel(size=liking.shape)).astype(np.float32)
    lot = np.where(np.isfinite(liking), rng.random(liking.shape), -1.0)
    reference = np.empty((len(sessions), len(LEAVES)), np.float32)
    for leaf in range(len(LEAVES)):
        of_leaf = np.flatnonzero(catalogue.leaf == leaf)
        drawn = of_leaf[lot[:, of_leaf].argmax(axis=1)]
        reference[:, leaf] = liking[np.arange(len(sessions)), drawn]
    return liking, reference


def _pages(
    shoppers: Shoppers, sessions: Sessions, views: pd.DataFrame, carts: pd.DataFrame, rng: np.random.Generator
) -> list[list[Page]]:
    """Returns the pages of each session: the start, those of the items viewed, and the cart unless it is empty."""
    S = len(sessions)
    views = views.sort_values(["session", "place"], kind="stable", ignore_index=True)
    carts = carts.sort_values(["session", "place"], kind="stable", ignore_index=True)
    start = pd.DataFrame({"session": np.arange(S), "item": -1, "place": -1.0, "next_leaf": sessions.first_leaf})
    last = views.drop_duplicates("session", keep="last")
    end = last[last["session"].isin(carts["session"])].assign(item=-1, place=np.inf)
    table = pd.concat([start, views, end]).sort_values(["session", "place"], kind="stable", ignore_index=True)
    P = len(table)
    elsewhere = draw_rows(shoppers.leaf_taste[sessions.user[table["session"]]], rng)
    table["next_leaf"] = np.where(rng.random(P) < STAY_ON_COURSE, table["next_leaf"], elsewhere)
    table.loc[rng.random(P) >= GO_ON, "next_leaf"] = -1
    # A step ends with its last look, and that item may be put in the cart.
    steps = pd.MultiIndex.from_arrays([carts["session"], carts["item"], np.floor(carts["place"])])
    is_carted = pd.MultiIndex.from_arrays([table["session"], table["item"], np.floor(table["place"])]).isin(steps)
    compares, dearer, found = rng.random((3, P)) < np.array([[SECOND_LOOK], [DEARER_LOOK], [CART]])
    patience = rng.random((P, len(ITEM)))
    in_cart: list[list[tuple[float, int]]] = [[] for _ in range(S)]
    for session, place, item in zip(carts["session"], carts["place"], carts["item"], strict=True):
        in_cart[session].append((place, int(item)))
    pages: list[list[Page]] = [[] for _ in range(S)]
    for at, (session, item, place, leaf) in enumerate(
        zip(table["session"], table["item"], table["place"], table["next_leaf"], strict=True)
    ):
        before = pages[session]
        pages[session].append(
            Page(
                widgets=START if not before else CART_PAGE if place == np.inf else ITEM,
                item=int(item),
                seen=tuple(page.item for page in before if page.item >= 0),
                cart=tuple(carted for moment, carted in in_cart[session] if moment < place),
                is_carted=bool(is_carted[at]),
                patience=tuple(patience[at]),
                compares=bool(compares[at]),
                only_dearer=bool(dearer[at]),
                next_leaf=int(leaf),
                is_found=bool(found[at]),
            )
        )
    return pages


def _items_by_session(rows: pd.DataFrame, num_sessions: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(num_sessions)]
    for session, item in zip(rows["session"], rows["item"], strict=True):
        found[session].append(int(item))
    return found


def _pairs_by_session(rows: pd.DataFrame, num_sessions: int) -> list[list[tuple[int, int]]]:
    found: list[list[tuple[int, int]]] = [[] for _ in range(num_sessions)]
    for session, anchor, item in zip(rows["session"], rows["anchor"], rows["item"], strict=True):
        found[session].append((int(anchor), int(item)))
    return found
