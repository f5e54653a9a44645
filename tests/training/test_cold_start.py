"""Items without purchases but with facts, users without purchases but with friends: tested through the served graph."""

import dataclasses

import numpy as np
import pytest

from tests.training.small import SMALL, ask
from tests.worlds import bought, make_shop
from tfrec.training import refresh, save_trained, train, warm_start

pytestmark = pytest.mark.slow

NUM_ITEMS, NUM_USERS = 40, 24  # no user has bought every item of a colour, so the ranker learns of what is new
NEW = {"new even": 0, "new odd": 1}  # → the colour of what they are like
CONFIG = dataclasses.replace(SMALL, retrieval=dataclasses.replace(SMALL.retrieval, id_dropout=0.4), retrieval_epochs=8)


# --- items without a sale


def colour_shop(*, new=(), fact_of_new=None):
    """Even users buy even items, odd users odd ones; only its facts contain an item's colour.

    An item is made of wool or of oak, and made by a maker of its own, who has a home: even ones in Lyon.
    """
    rng = np.random.default_rng(0)
    rows = []
    for user in range(NUM_USERS):
        colour = [item for item in range(NUM_ITEMS) if item % 2 == user % 2]
        for turn in range(6):
            basket = rng.permutation(colour)[: 3 + turn % 3]
            rows += bought(f"u{user}", turn * 7 + user / 100, *(f"i{item}" for item in basket))
    items = {name: {"price": 5.0} for name in [*(f"i{item}" for item in range(NUM_ITEMS)), *new]}
    facts = [fact for item in range(NUM_ITEMS) for fact in (*made_of(f"i{item}", item), *made_by(f"i{item}", item))]
    facts += [fact for name in new if fact_of_new for fact in fact_of_new(name, NEW[name])]
    return make_shop(rows, items, facts=facts)


def made_of(name, colour):
    return [(name, "made of", ("wool", "oak")[colour % 2])]


def made_by(name, colour):
    return [(name, "made by", f"maker of {name}"), (f"maker of {name}", "based in", ("Lyon", "Oslo")[colour % 2])]


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("facts")
    trained = train(colour_shop(), CONFIG, work=folder / "work", show_progress=False)
    (folder / "trained").mkdir()
    save_trained(trained, CONFIG, folder / "trained")
    return folder / "trained"


def suits(shop, funnel):
    """Share of the users of whom the new item of their own colour stands first: by the towers, and in the slate."""
    users, k = [f"u{user}" for user in range(NUM_USERS)], [NUM_ITEMS + len(NEW)]
    shares = []
    for signature in ("retrieve", "cross_sell"):
        rows = ask(shop, funnel, signature, user_id=users, k=k)["item_ids"].tolist()
        firsts = [min(NEW, key=row.index) for row in rows]
        shares.append(np.mean([NEW[first] == user % 2 for user, first in enumerate(firsts)]))
    return shares


@pytest.mark.parametrize("facts", [made_of, made_by], ids=["one hop", "two hops"])
def test_items_never_sold_are_found_by_a_fact_that_they_share(colours, facts):
    shop = colour_shop(new=NEW, fact_of_new=facts)
    assert min(suits(shop, refresh(shop, colours)[0])) > 0.9


def test_without_facts_nothing_is_known_of_items_never_sold(colours):
    shop = colour_shop(new=NEW)
    assert max(suits(shop, refresh(shop, colours)[0])) < 0.7


def test_what_is_like_an_item_by_facts_is_similar(colours):
    shop = colour_shop(new=NEW, fact_of_new=made_of)
    funnel = refresh(shop, colours)[0]
    rows = ask(shop, funnel, "similar", item_id=["i0", "i1", *NEW], k=[8])["item_ids"]
    of = {**NEW, **{f"i{item}": item % 2 for item in range(NUM_ITEMS)}}
    assert [{of[item] for item in row} for row in rows] == [{0}, {1}, {0}, {1}]


# --- users without history

CROWDS = {"north": 4, "south": 1}  # → new users a day, each of whom buys what the crowd likes
NEWCOMERS = {"new north": "north", "new south": "south"}
FRIENDLY = dataclasses.replace(SMALL, ranking_queries=1200)


def crowd_shop(*, days=60, newcomers=(), with_friends=True):
    """Most of what is bought is bought in the north; users know users of their own crowd, but for those of day 1."""
    rng = np.random.default_rng(0)
    rows, crowds, friends = [], {crowd: [] for crowd in CROWDS}, []
    for day in range(days):
        for crowd, size in CROWDS.items():
            for number in range(size):
                name = f"{crowd} {day} {number}"
                if day != 1:
                    friends += [(name, other) for other in rng.permutation(crowds[crowd])[:3]]
                    crowds[crowd].append(name)
                for time in (day + number / 10, day + 3 + number / 10):
                    rows += bought(name, time, *(f"{crowd} item {item}" for item in rng.choice(10, 3, replace=False)))
    for name in newcomers:
        friends += [(name, other) for other in crowds[NEWCOMERS[name]][-5:]]
    return make_shop(rows, friends=friends if with_friends else ())


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("friends")
    trained = train(crowd_shop(), FRIENDLY, work=folder / "work", show_progress=False)
    (folder / "trained").mkdir()
    save_trained(trained, FRIENDLY, folder / "trained")
    return folder / "trained"


@pytest.mark.parametrize("update", [refresh, warm_start])
def test_who_never_bought_is_offered_what_the_friends_bought(crowds, update):
    """Newcomers registered after the training; a stranger without friends is offered the shop's favourites."""
    if update is refresh:
        shop = crowd_shop(newcomers=NEWCOMERS)
        funnel, _ = refresh(shop, crowds)
    else:
        shop = crowd_shop(days=63, newcomers=NEWCOMERS)
        funnel = warm_start(shop, crowds, FRIENDLY, work=crowds.parent / "warm", show_progress=False)
    answer = ask(shop, funnel, "recommend", user_id=[*NEWCOMERS, "stranger"], k=[4])
    north, south, unknown = ([item.split()[0] for item in row] for row in answer["item_ids"])
    assert set(north) == {"north"} and set(south) == {"south"}
    assert unknown.count("north") >= 3
    assert "friends" in answer["sources"][1] and "friends" not in answer["sources"][2]


def test_users_without_friends_get_what_they_got_before(crowds):
    """A stranger, a guest, and users without friends: whether the shop has relations changes none of their scores."""
    shops = [crowd_shop(with_friends=False), crowd_shop(newcomers=NEWCOMERS)]
    users = ["stranger", "", "south 1 0", "north 1 2"]
    carts = [["south item 1"], ["north item 2"], [""], ["south item 3"]]
    asked = {"user_id": users, "cart_item_ids": carts, "k": [10]}
    before, after = (ask(shop, refresh(shop, crowds)[0], "complete_cart", **asked) for shop in shops)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)
