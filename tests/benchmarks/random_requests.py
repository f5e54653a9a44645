"""Counts what slates break of their guarantees under random requests with random rules.

Requests and rules are those of `tests/strategy/test_random_rules.py`, on the tiny shop of the strategies' tests:
variants, accessories that fit some hosts alone, items that are sold out or not yet on sale. Its models are not trained:
guarantees must hold whatever the models say.
"""

import dataclasses
import traceback
from collections import Counter

import numpy as np
from tqdm import tqdm

from tests.strategy.served_shop import build_served_shop
from tests.strategy.test_funnel import SLATES, World, rows_of
from tests.strategy.test_random_rules import BATCH, Ruled, check, random_requests, random_rules
from tfrec.features.rule_tables import RuleTables

_DRAWS = 8
"""Batches of the tests' requests that are answered in one call, by the same rules."""

VARIANTS, CHOSEN_PRODUCT, MISFITS, ANY = "variants", "product of the cart", "does not fit", "any guarantee"


@dataclasses.dataclass(frozen=True)
class Broken:
    """What random requests found.

    Attributes:
        num_requests: how many were made.
        num_offers: items offered in all.
        counts: kind → slates that break it: `VARIANTS`, two of a product; `CHOSEN_PRODUCT`, a variant of the cart's or
            the page's product; `MISFITS`, an offer that does not fit what is in the cart; `ANY`, one of these, a rule,
            or a slate shorter than what could stand.
        example: the first check that failed, with its request; "" where none did.
    """

    num_requests: int
    num_offers: int
    counts: dict[str, int]
    example: str


def count_broken(num_requests: int, *, seed: int = 0) -> Broken:
    """Returns what at least `num_requests` random requests break, spread evenly over the signatures."""
    served = build_served_shop()
    world, rng = World(served.shop), np.random.default_rng(seed)
    tables = served.shop.prepared.train
    segment_of = tables.users.set_index("user_id")["segment"].to_dict()
    merchandising = served.served.funnel.merchandising
    counts: Counter[str] = Counter(dict.fromkeys((VARIANTS, CHOSEN_PRODUCT, MISFITS, ANY), 0))
    asked, offers, example = 0, 0, ""
    with tqdm(total=num_requests, desc="random requests", unit="request", disable=None) as bar:
        while asked < num_requests:
            for signature in SLATES:
                rules, compiled = random_rules(rng, tables, tables.items)
                merchandising.assign(compiled)
                ruled = Ruled(world, rules, segment_of)
                drawn = [random_requests(rng, signature, tables.items) for _ in range(_DRAWS)]
                inputs = {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}
                sent = {
                    name: value.astype(object) if value.dtype.kind == "U" else value for name, value in inputs.items()
                }
                answer = served.served.answer(signature, sent)["item_ids"]
                for row, slate in zip(rows_of(inputs), answer.tolist(), strict=True):
                    offered = [item for item in slate if item]
                    offers += len(offered)
                    counts.update(broken_by_variants(world, signature, row, offered))
                    try:
                        check(world, signature, row, rules, ruled, offered)
                    except AssertionError as error:
                        counts[ANY] += 1
                        example = example or _where(error, signature, row, offered)
                asked += _DRAWS * BATCH
                bar.update(_DRAWS * BATCH)
    merchandising.assign(RuleTables.none(len(tables.items) + 1, 2))
    return Broken(asked, offers, dict(counts), example)


def broken_by_variants(world: World, signature: str, row: dict, offered: list[str]) -> list[str]:
    """Returns what a slate breaks of the rules for variants and fitting, by the tables alone."""
    products = [world.product[item] for item in offered]
    found = [VARIANTS] if len(set(products)) < len(products) else []
    if signature in ("cross_sell", "complete_cart"):
        chosen = {*row["cart_item_ids"], *([row["item_id"]] if signature == "cross_sell" else [])} & set(world.product)
        if {world.product[item] for item in chosen} & set(products):
            found.append(CHOSEN_PRODUCT)
        if not all(world.fit(item, other) for item in offered for other in chosen):
            found.append(MISFITS)
    return found


def _where(error: AssertionError, signature: str, row: dict, offered: list[str]) -> str:
    line = traceback.extract_tb(error.__traceback__)[-1].line
    return f"{signature}: `{line}` fails for {row}; offered {offered}"
