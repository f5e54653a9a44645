"""Generates facts of items and friends of users, as true and as incomplete as those of a shop."""

import numpy as np
import pandas as pd

from tfrec.demo_shop.catalogue import MISSION_OF_LEAF, MISSIONS, Catalogue
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.pictures import NUM_STYLES, STYLES
from tfrec.demo_shop.shoppers import Shoppers

RECIPE_SECTIONS = """\
[facts]
files = "demo_shop/facts.csv"

[facts.columns]
head = "subject"
relation = "relation"
tail = "object"

[relations]
files = "demo_shop/friends.csv"

[relations.columns]
user_id = "customer"
other_id = "friend"
"""
"""What a recipe of the demo shop needs beside the shipped one where these files are."""

_FACT_KNOWN, _FACT_WRONG, _IN_COLLECTION = 0.85, 0.05, 0.4  # shares of the items
_COLLECTIONS_OF_A_PATTERN = 3  # in each mission
_PACKINGS = ("carton", "tube", "pouch", "sleeve", "crate", "film")
_NUM_FRIENDS, _FRIENDS_ALIKE = 3.0, 0.8  # made by each user; made friends among those alike


def fact_table(config: DemoShopConfig, catalogue: Catalogue) -> pd.DataFrame:
    """Returns subject, relation, object: patterns of items, which no title contains, and their packing.

    Of some items it is known by their collection alone: item – belongs to – collection, collection – has pattern –
    striped. Facts are missing or wrong here and there; the packing of an item affects no shopper.
    """
    rng = config.generator("facts")
    N = len(catalogue)
    style = np.where(rng.random(N) < _FACT_WRONG, rng.integers(NUM_STYLES, size=N), catalogue.style)
    is_known, is_in_collection = rng.random(N) < _FACT_KNOWN, rng.random(N) < _IN_COLLECTION
    kind = (MISSION_OF_LEAF[catalogue.leaf] * NUM_STYLES + style) * _COLLECTIONS_OF_A_PATTERN
    collection = kind + rng.integers(_COLLECTIONS_OF_A_PATTERN, size=N)
    named = np.array(
        [f"collection {number}" for number in rng.permutation(len(MISSIONS) * NUM_STYLES * _COLLECTIONS_OF_A_PATTERN)]
    )
    pattern = np.array(STYLES)
    every = np.arange(len(named))
    parts = [
        (catalogue.ids[is_known & ~is_in_collection], "has pattern", pattern[style[is_known & ~is_in_collection]]),
        (catalogue.ids[is_known & is_in_collection], "belongs to", named[collection[is_known & is_in_collection]]),
        (named, "has pattern", pattern[every // _COLLECTIONS_OF_A_PATTERN % NUM_STYLES]),
        (catalogue.ids, "is packed in", np.array(_PACKINGS)[rng.integers(len(_PACKINGS), size=N)]),
    ]
    tables = [pd.DataFrame({"subject": head, "relation": word, "object": tail}) for head, word, tail in parts]
    return pd.concat(tables, ignore_index=True)


def friend_table(config: DemoShopConfig, shoppers: Shoppers) -> pd.DataFrame:
    """Returns customer, friend, each pair once: most friends share favourite mission and style, some share nothing."""
    rng = config.generator("friends")
    U = len(shoppers)
    user = np.repeat(np.arange(U), rng.poisson(_NUM_FRIENDS, U))
    kind = shoppers.mission_taste.argmax(axis=1) * NUM_STYLES + shoppers.style
    by_kind = np.argsort(kind, kind="stable")
    start, stop = (np.searchsorted(kind[by_kind], kind[user], side=side) for side in ("left", "right"))
    alike = by_kind[start + (rng.random(len(user)) * (stop - start)).astype(int)]
    friend = np.where(rng.random(len(user)) < _FRIENDS_ALIKE, alike, rng.integers(U, size=len(user)))
    ends = np.sort(np.stack([user, friend], axis=1)[user != friend], axis=1)
    ends = np.unique(ends, axis=0)
    return pd.DataFrame({"customer": shoppers.ids[ends[:, 0]], "friend": shoppers.ids[ends[:, 1]]})
