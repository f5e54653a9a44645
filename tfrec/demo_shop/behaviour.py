"""Simulates the clean log: sessions with an intention, views, carts, orders, ratings, searches.

A session has an intention: a mission (five leaf categories in a circle) and a step width d in 1..4. From leaf p of the
circle the shopper goes on to p + d, p + 2d, ... (mod 5). Whoever knows the *order* of the last two leaves knows d and
so the next leaf; whoever knows only *which* leaves were visited cannot distinguish d from −d.
"""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.demo_shop.catalogue import (
    BRANDS,
    DAYS_OF_SUPPLY,
    LEAF_NOUNS,
    LEAVES,
    LEAVES_PER_MISSION,
    MISSION_OF_LEAF,
    MISSIONS,
    Catalogue,
    choose_partner,
)
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.shoppers import SEGMENTS, Shoppers, choose_items, draw_rows
from tfrec.demo_shop.slates import SLATE_SIZE, SlateLog
from tfrec.schema.event_types import EVENT_TYPES

STAY_ON_COURSE = 0.8
"""Probability that the next leaf is the intention's; otherwise a new intention begins."""

MORE_STEPS = 2.8
"""Mean number of leaves that a visit goes on to after the first, but for the longest visits."""
SECOND_LOOK, DEARER_LOOK = 0.3, 0.6
"""Probability that another item of the leaf is looked at besides, and that only a dearer one is considered then."""
CART, CONVERT = 0.26, 0.6
"""Probability that what a step ends with is put in the cart, and that a visit ends with an order."""

_EVENTS_PER_SESSION = 9.25  # measured, without impressions; sets the number of sessions
_MAX_STEPS = 9
_SEARCH, _RATE = 0.4, 0.15
_SWITCH_STAPLE = 0.12
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 7, 9, 9, 9, 10, 12, 11, 9, 9, 10, 11, 13, 16, 18, 15, 9, 4], dtype=float)
_WEEKDAYS = np.array([1.1, 0.95, 0.9, 0.95, 1.0, 1.25, 1.35])  # Monday first


@dataclasses.dataclass(frozen=True)
class Sessions:
    """All visits, ascending in time; arrays `[S]`.

    Attributes:
        user: user code, also of guests (who they are stays hidden in the log).
        day: start in days since the start of the log.
        is_guest: the visitor did not log in.
        first_leaf: leaf category the visit begins with.
    """

    user: np.ndarray
    day: np.ndarray
    is_guest: np.ndarray
    first_leaf: np.ndarray

    def __len__(self) -> int:
        """Returns the number of sessions, S."""
        return len(self.user)


def draw_sessions(config: DemoShopConfig, shoppers: Shoppers, discounts: np.ndarray) -> Sessions:
    """Draws who visits when (growth, season, weekday, hour) and what for (taste, season, `[leaf, day]` discounts)."""
    rng = config.generator("sessions")
    num_sessions = int((config.num_events - SLATE_SIZE * config.num_slates) / _EVENTS_PER_SESSION)
    stay = shoppers.activity * (1 - shoppers.joined_day / config.days)
    user = rng.choice(len(shoppers), num_sessions, p=stay / stay.sum())
    cumulative = np.array([visit_density(config, kind.gift_season).cumsum() for kind in SEGMENTS])
    cumulative /= cumulative[:, -1:]
    day = np.empty(num_sessions)
    for code in range(len(SEGMENTS)):
        rows = np.flatnonzero(shoppers.segment[user] == code)
        curve = np.concatenate([[0.0], cumulative[code]])
        low = np.interp(shoppers.joined_day[user[rows]], np.arange(config.days + 1), curve)
        share = low + rng.random(len(rows)) * (1 - low)
        # Up to here the day is whole: the hour has its own law.
        day[rows] = np.minimum(np.searchsorted(curve, share, side="right") - 1, config.days - 1)
    hour = rng.choice(24, num_sessions, p=_HOURS / _HOURS.sum()) + rng.random(num_sessions)
    day = np.minimum(day + hour / 24, config.days - 0.1)
    order = np.argsort(day, kind="stable")
    user, day = user[order], day[order]
    whole = day.astype(int)
    sale = discounts[whole // 7] * np.where(shoppers.tier[user] == 0, 6.0, 3.0)[:, None]
    weight = shoppers.leaf_taste[user] * mission_season(config)[whole][:, MISSION_OF_LEAF] * np.exp(sale)
    return Sessions(user, day, rng.random(num_sessions) < config.guest_share, draw_rows(weight, rng))


def draw_discounts(config: DemoShopConfig) -> np.ndarray:
    """Returns `[weeks, L]` the discount on a leaf category in a week: mostly 0, else .1, .2 or .3."""
    rng = config.generator("discounts")
    shape = (config.days // 7 + 1, len(LEAVES))
    return np.where(rng.random(shape) < 0.08, rng.choice([0.1, 0.2, 0.3], shape), 0.0)


def visit_density(config: DemoShopConfig, gift_season: float) -> np.ndarray:
    """Returns `[days]` the relative number of visits a day: growth × weekday × gift season."""
    dates = _dates(config)
    growth = 1 + 0.5 * np.arange(config.days) / config.days
    return growth * _WEEKDAYS[dates.dayofweek] * np.where(_is_gift_season(dates), gift_season, 1.0)


def mission_season(config: DemoShopConfig) -> np.ndarray:
    """Returns `[days, M]` the factor of the season on each mission."""
    dates = _dates(config)
    factor = np.ones((config.days, len(MISSIONS)))
    gift = _is_gift_season(dates)
    factor[gift, MISSIONS.index("play and sound")] = 2.2
    factor[gift, MISSIONS.index("cosy home")] = 1.7
    factor[np.isin(dates.month, (4, 5, 6, 7)), MISSIONS.index("sport")] = 1.7
    factor[np.isin(dates.month, (8, 9)), MISSIONS.index("home office")] = 1.7
    factor[np.isin(dates.month, (3, 4, 10)), MISSIONS.index("wardrobe")] = 1.4
    return factor


def simulate_log(
    config: DemoShopConfig,
    catalogue: Catalogue,
    shoppers: Shoppers,
    sessions: Sessions,
    slates: SlateLog,
    discounts: np.ndarray,
) -> pd.DataFrame:
    """Returns the clean log, ascending in time.

    Columns: time (datetime64[s]), user (code, -1 guest), item (code, -1 none), event_type, order (code, -1 none),
    session (code, -1 none), quantity, price (NaN none), stars (NaN none), query.
    """
    rng = config.generator("behaviour")
    visits, carts = browse(catalogue, shoppers, sessions, rng)
    staples = replenish(config, catalogue, shoppers, sessions, rng)
    is_ordering = rng.random(len(sessions)) < CONVERT
    is_ordering[staples["session"].to_numpy()] = True
    add_ons = complete(catalogue, sessions, carts[is_ordering[carts["session"]]], rng)
    carts = pd.concat([carts, staples, add_ons], ignore_index=True).drop_duplicates(["session", "item"])
    orders = carts[is_ordering[carts["session"]]].assign(place=100.0, event_type="purchase")
    log = pd.concat(
        [
            visits.assign(event_type="view"),
            add_ons[rng.random(len(add_ons)) < 0.5].assign(event_type="view", place=lambda rows: rows["place"] - 0.01),
            carts.assign(event_type="cart"),
            orders,
            _searches(catalogue, sessions, rng),
            _slate_events(slates),
        ],
        ignore_index=True,
    ).drop_duplicates(["session", "item", "event_type", "place"])
    log = _on_the_clock(config, log, sessions, rng)
    log["order"] = _number_orders(log)
    log["user"] = np.where(sessions.is_guest[log["session"]], -1, sessions.user[log["session"]])
    is_bought = (log["event_type"] == "purchase").to_numpy()
    leaf = catalogue.leaf[log["item"]]
    extra = rng.poisson(np.where(DAYS_OF_SUPPLY[leaf] > 0, 0.5, 0.06))
    log["quantity"] = np.where(is_bought, 1 + extra, 1)
    week = ((log["time"].to_numpy() - config.starts_at) // np.timedelta64(7, "D")).astype(int)
    paid = (catalogue.price[log["item"]] * (1 - discounts[week, leaf])).round(2)
    log["price"] = np.where(log["item"] >= 0, paid, np.nan)
    log["stars"] = np.nan
    ratings = _ratings(config, catalogue, shoppers, log[is_bought & (log["user"] >= 0)], rng)
    log = pd.concat([log, ratings], ignore_index=True).sort_values("time", kind="stable", ignore_index=True)
    return log[["time", "user", "item", "event_type", "order", "session", "quantity", "price", "stars", "query"]]


def browse(
    catalogue: Catalogue, shoppers: Shoppers, sessions: Sessions, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the views and what was put in the cart of them: session, item, place (order within the session).

    Views also have `next_leaf`: where the intention goes from there.
    """
    length = np.minimum(1 + rng.poisson(MORE_STEPS, len(sessions)), _MAX_STEPS)
    leaf = sessions.first_leaf.copy()
    width = rng.integers(1, LEAVES_PER_MISSION, len(sessions))
    visits, carts = [], []
    for step in range(_MAX_STEPS):
        live = np.flatnonzero(length > step)
        if step:
            on_course = _on_course(leaf[live], width[live])
            elsewhere = draw_rows(shoppers.leaf_taste[sessions.user[live]], rng)
            is_on_course = rng.random(len(live)) < STAY_ON_COURSE
            leaf[live] = np.where(is_on_course, on_course, elsewhere)
            width[live] = np.where(is_on_course, width[live], rng.integers(1, LEAVES_PER_MISSION, len(live)))
        item = _look(catalogue, shoppers, sessions, live, leaf[live], rng)
        then = _on_course(leaf[live], width[live])
        visits.append(_rows(live, item, step).assign(next_leaf=then))
        looks = np.flatnonzero((item >= 0) & (rng.random(len(live)) < SECOND_LOOK))
        floor = np.where(rng.random(len(looks)) < DEARER_LOOK, catalogue.price[item[looks]], 0.0)
        second = _look(catalogue, shoppers, sessions, live[looks], leaf[live[looks]], rng, above_price=floor)
        is_other = (second >= 0) & (second != item[looks])
        others = looks[is_other]
        visits.append(_rows(live[others], second[is_other], step + 0.2).assign(next_leaf=then[others]))
        item = item.copy()
        item[others] = second[is_other]
        into_cart = rng.random(len(live)) < CART
        carts.append(_rows(live[into_cart], item[into_cart], step + 0.4))
    views, added = pd.concat(visits), pd.concat(carts)
    return views[views["item"] >= 0], added[added["item"] >= 0].drop_duplicates(["session", "item"])


def replenish(
    config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers, sessions: Sessions, rng: np.random.Generator
) -> pd.DataFrame:
    """Consumables run out at intervals; the user's next visit after that brings them into the cart again."""
    user = shoppers.staple_user
    zeros = np.zeros(len(user))
    item = choose_items(catalogue, shoppers, leaf=shoppers.staple_leaf, user=user, day=zeros, rng=rng)
    rounds = int(np.ceil(config.days / (DAYS_OF_SUPPLY[DAYS_OF_SUPPLY > 0].min() * 0.6)))
    gaps = shoppers.staple_interval[:, None] * np.exp(rng.normal(0, 0.2, (len(user), rounds)))
    gaps[:, 0] *= rng.random(len(user))
    due = shoppers.joined_day[user, None] + gaps.cumsum(axis=1)
    need, turn = np.nonzero(due < config.days)
    due_day = due[need, turn]
    of_users = np.flatnonzero(~sessions.is_guest)
    # One sorted key for "user, then time": a search finds the user's next visit.
    span = config.days + 1.0
    order = of_users[np.lexsort((sessions.day[of_users], sessions.user[of_users]))]
    keys = sessions.user[order] * span + sessions.day[order]
    place = np.searchsorted(keys, user[need] * span + due_day)
    is_found = place < len(order)
    visit = order[np.minimum(place, len(order) - 1)]
    is_found &= (sessions.user[visit] == user[need]) & (item[need] >= 0)
    need, visit = need[is_found], visit[is_found]
    bought = item[need]
    switches = np.flatnonzero(rng.random(len(need)) < _SWITCH_STAPLE)
    bought[switches] = _look(catalogue, shoppers, sessions, visit[switches], shoppers.staple_leaf[need[switches]], rng)
    is_kept = (bought >= 0) & catalogue.is_sold(bought, sessions.day[visit])
    return _rows(visit[is_kept], bought[is_kept], 40.0).drop_duplicates(["session", "item"])


def complete(catalogue: Catalogue, sessions: Sessions, anchors: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Follows the complement edges from each anchor that will be ordered: session, item, place, anchor."""
    parts = []
    session, item = anchors["session"].to_numpy(), anchors["item"].to_numpy()
    for edge, (start, _) in enumerate(catalogue.edges):
        rows = np.flatnonzero((catalogue.leaf[item] == start) & (rng.random(len(item)) < catalogue.edge_strength[edge]))
        chosen = choose_partner(catalogue, edge, item[rows], sessions.day[session[rows]], rng)
        rows, chosen = rows[chosen >= 0], chosen[chosen >= 0]
        parts.append(_rows(session[rows], chosen, 60.0 + edge / 10).assign(anchor=item[rows]))
    return pd.concat(parts, ignore_index=True).drop_duplicates(["session", "item"])


def transition_table() -> pd.DataFrame:
    """Returns the true course of intentions: previous_leaf, leaf, next_leaf, probability."""
    first, second = np.divmod(np.arange(len(LEAVES) * LEAVES_PER_MISSION), LEAVES_PER_MISSION)
    start = first // LEAVES_PER_MISSION * LEAVES_PER_MISSION
    second = start + second
    is_move = first != second
    first, second, start = first[is_move], second[is_move], start[is_move]
    third = start + (2 * second - first - start) % LEAVES_PER_MISSION
    names = np.array(LEAVES)
    return pd.DataFrame(
        {
            "previous_leaf": names[first],
            "leaf": names[second],
            "next_leaf": names[third],
            "probability": STAY_ON_COURSE,
        }
    )


def discount_table(config: DemoShopConfig, discounts: np.ndarray) -> pd.DataFrame:
    """Returns the true sales of `[leaf, day]` discounts: leaf, from (date), days, discount."""
    week, leaf = np.nonzero(discounts)
    start = np.datetime_as_string(config.as_time(week * 7.0), unit="D")
    return pd.DataFrame({"leaf": np.array(LEAVES)[leaf], "from": start, "days": 7, "discount": discounts[week, leaf]})


def _dates(config: DemoShopConfig) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(config.as_time(np.arange(config.days, dtype=float)))


def _is_gift_season(dates: pd.DatetimeIndex) -> np.ndarray:
    return ((dates.month == 12) & (dates.day <= 24)) | ((dates.month == 11) & (dates.day >= 20))


def _on_course(leaf: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Returns `[R]` the leaf to which the intention goes from leaf codes `[R]` with step widths `[R]`."""
    start = leaf // LEAVES_PER_MISSION * LEAVES_PER_MISSION
    return start + (leaf - start + width) % LEAVES_PER_MISSION


def _look(
    catalogue: Catalogue,
    shoppers: Shoppers,
    sessions: Sessions,
    rows: np.ndarray,
    leaf: np.ndarray,
    rng: np.random.Generator,
    *,
    above_price: np.ndarray | None = None,
) -> np.ndarray:
    return choose_items(
        catalogue,
        shoppers,
        leaf=leaf,
        user=sessions.user[rows],
        day=sessions.day[rows],
        rng=rng,
        above_price=above_price,
    )


def _rows(session: np.ndarray, item: np.ndarray, place: float) -> pd.DataFrame:
    return pd.DataFrame({"session": session, "item": item, "place": float(place)})


def _searches(catalogue: Catalogue, sessions: Sessions, rng: np.random.Generator) -> pd.DataFrame:
    rows = np.flatnonzero(rng.random(len(sessions)) < _SEARCH)
    noun = pd.Series(np.char.lower(np.array(LEAF_NOUNS)))[sessions.first_leaf[rows]].reset_index(drop=True)
    of_leaf = [np.flatnonzero(catalogue.leaf == code) for code in range(len(LEAVES))]
    some_item = np.array([items[0] for items in of_leaf])[sessions.first_leaf[rows]]
    brand = pd.Series(np.char.lower(np.array(BRANDS)))[catalogue.brand[some_item]].reset_index(drop=True)
    kind = rng.choice(4, len(rows), p=(0.6, 0.2, 0.1, 0.1))
    text = np.select([kind == 1, kind == 2, kind == 3], [brand + " " + noun, "cheap " + noun, "best " + noun], noun)
    return _rows(rows, np.full(len(rows), -1), -1).assign(event_type="search", query=text)


def _slate_events(slates: SlateLog) -> pd.DataFrame:
    """Impressions come at the start of a visit; a clicked item is viewed at once."""
    session = np.repeat(slates.session, slates.items.shape[1])
    item, is_clicked = slates.items.ravel(), slates.clicks.ravel().astype(bool)
    shown = _rows(session, item, -3).assign(event_type="impression")
    return pd.concat([shown, _rows(session[is_clicked], item[is_clicked], -2).assign(event_type="view")])


def _on_the_clock(
    config: DemoShopConfig, log: pd.DataFrame, sessions: Sessions, rng: np.random.Generator
) -> pd.DataFrame:
    """Gives each row a time: 5 seconds and a random pause after the row before; lines of an order share theirs."""
    kind = log["event_type"].map({name: code for code, name in enumerate(EVENT_TYPES)})
    log = log.iloc[np.lexsort((kind, log["place"], log["session"]))].reset_index(drop=True)
    session, place = log["session"].to_numpy(), log["place"].to_numpy()
    is_first = np.diff(session, prepend=-1) != 0
    is_together = ~is_first & (np.diff(place, prepend=-9) == 0) & log["event_type"].isin(["purchase", "impression"])
    pause = np.where(is_first | is_together, 0, 5 + rng.exponential(40, len(log)).astype(int))
    total = pause.cumsum()
    offset = total - np.maximum.accumulate(np.where(is_first, total, 0))
    log["time"] = config.as_time(sessions.day[session]) + offset.astype("timedelta64[s]")
    return log[log["time"] < config.ends_at].reset_index(drop=True)


def _number_orders(log: pd.DataFrame) -> np.ndarray:
    is_bought = (log["event_type"] == "purchase").to_numpy()
    order = np.full(len(log), -1)
    order[is_bought] = pd.factorize(log["session"][is_bought])[0]
    return order


def _ratings(
    config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers, bought: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Returns ratings of some buyers, 3 to 20 days later: better where the style fits and the tier is high."""
    rated = bought[rng.random(len(bought)) < _RATE].drop_duplicates(["user", "item"])
    user, item = rated["user"].to_numpy(), rated["item"].to_numpy()
    joy = 3.3 + 0.9 * (shoppers.style[user] == catalogue.style[item]) + 0.3 * catalogue.tier[item]
    delay = (86_400 * rng.uniform(3, 20, len(rated))).astype("timedelta64[s]")
    ratings = pd.DataFrame(
        {
            "time": rated["time"].to_numpy() + delay,
            "user": user,
            "item": item,
            "event_type": "rating",
            "order": -1,
            "session": -1,
            "quantity": 1,
            "price": np.nan,
            "stars": np.clip(np.round(joy + rng.normal(0, 0.8, len(rated))), 1, 5),
        }
    )
    return ratings[ratings["time"] < config.ends_at]
