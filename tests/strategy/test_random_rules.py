"""Random rules and random requests: no rule is broken, and no slate is short while an item could be added.

`--random-requests N` asks more than the sample of CI, a million if need be.
"""

import numpy as np
import pandas as pd
import pytest

from tests.strategy.test_funnel import SLATES, World, rows_of
from tfrec.errors import ConfigError
from tfrec.features.merchandising import MerchandisingRule, MerchandisingRules
from tfrec.features.rule_tables import RuleTables, compile_rules
from tfrec.schema.signatures import signature_named

BATCH, SAMPLE = 32, 1600
NOW = pd.Timestamp("2026-11-29")
KINDS = ("block", "adults_only", "min_stock", "never_beside", "wall", "pin", "boost", "bury", "cap")
SEGMENTS = ("north", "south")


def random_rule(rng, items):
    """One rule of any kind about some items, a brand or a category, often dated or limited."""

    def side(prefix=""):
        kind = rng.choice(["items", "brands", "categories"])
        if kind == "items":
            return {f"{prefix}items": tuple(rng.choice(items["item_id"], rng.integers(1, 6), replace=False).tolist())}
        if kind == "brands":
            return {f"{prefix}brands": (str(rng.choice(["B0", "B1", "B2", "B3"])),)}
        return {f"{prefix}categories": (str(rng.choice(["T0", "T1", "T2", "T0 > L3", "T1 > L4"])),)}

    do = str(rng.choice(KINDS))
    values = side()
    if do == "pin":
        values = {"items": (str(rng.choice(items["item_id"])),), "place": int(rng.integers(1, 6))}
    if do == "min_stock":
        values |= {"pieces": 3.0}
    if do in ("never_beside", "wall"):
        values |= side("beside_")
    if do == "cap":
        by = str(rng.choice(["rule", "brand", "category"]))
        values = {"most": int(rng.integers(1, 4)), "by": by, **(values if rng.random() < 0.5 else {})}
        values |= {"level": int(rng.integers(0, 3))} if by == "category" else {}
    if rng.random() < 0.3:
        values |= {"start": "2026-12-01"} if rng.random() < 0.5 else {"end": "2026-11-30"}
    if rng.random() < 0.3:
        values |= {"segments": (str(rng.choice(SEGMENTS)),)}
    if rng.random() < 0.3:
        values |= {"signatures": tuple(rng.choice(SLATES, 3, replace=False).tolist())}
    return MerchandisingRule(do=do, reason="random", **values)


def random_rules(rng, tables, items):
    """Up to eight rules that do not contradict one another, and their tables."""
    kept, compiled = [], RuleTables.none(len(items) + 1, 2)
    for _ in range(rng.integers(1, 9)):
        try:
            more = (*kept, random_rule(rng, items))
            compiled = compile_rules(MerchandisingRules(more), items, tables.users, calendar=tables.calendar)
            kept = more
        except ConfigError as error:
            assert "contradict" in str(error)
    return kept, compiled


def random_requests(rng, signature, items):
    ids = np.array([*items["item_id"], "", "unknown"], dtype=str)
    inputs = {
        "user_id": rng.choice(["u1", "u2", "u3", "u7", "newcomer", ""], BATCH),
        "cart_item_ids": rng.choice(ids, (BATCH, 3)),
        "item_id": rng.choice(ids, BATCH),
        "exclude_item_ids": rng.choice(ids, (BATCH, 4)),
        "include_attributes": rng.choice([*[""] * 8, "brand=B1", "colour=red", "colour=blue"], (BATCH, 2)),
        "exclude_attributes": rng.choice([*[""] * 8, "brand=B2", "colour=white"], (BATCH, 2)),
        "same_as_anchor": rng.choice([*[""] * 5, "brand"], (BATCH, 1)),
        "max_price": rng.choice([np.inf, np.inf, 40.0], BATCH).astype(np.float32),
        "cart_total": rng.choice([0.0, 12.0], BATCH).astype(np.float32),
        "threshold": rng.choice([0.0, 0.0, 30.0], BATCH).astype(np.float32),
        "max_price_ratio": rng.choice([0.0, 9.0], BATCH).astype(np.float32),
        "min_price_ratio": rng.choice([0.0, 1.0], BATCH).astype(np.float32),
        "k": rng.choice([1, 3, 5, 10, 60], BATCH).astype(np.int32),
        "diversity": rng.choice([0.0, 0.0, 0.5], BATCH).astype(np.float32),
        "at_minute": rng.choice([minute_of(NOW), minute_of(NOW + pd.Timedelta(days=9))], BATCH).astype(np.int32),
        "is_adult": rng.integers(0, 2, BATCH).astype(np.int32),
    }
    names = {spec.name for spec in signature_named(signature).inputs}
    return {name: value for name, value in inputs.items() if name in names}


def minute_of(moment):
    return int(moment.timestamp() // 60)


class Ruled:
    """The rules in words of item ids."""

    def __init__(self, world, rules, segment_of):
        self.world, self.rules, self.segment_of = world, rules, segment_of
        self.brand = world.items["brand"].to_dict()
        self.stock = world.items["stock"].to_dict()

    def in_force(self, signature, row):
        day = pd.Timestamp(row["at_minute"] * 60, unit="s")
        return [
            rule
            for rule in self.rules
            if (not rule.start or pd.Timestamp(rule.start) <= day)
            and (not rule.end or day < pd.Timestamp(rule.end) + pd.Timedelta(days=1))
            and (not rule.segments or self.segment_of.get(row["user_id"]) in rule.segments)
            and (not rule.signatures or signature in rule.signatures)
        ]

    def is_about(self, item, items, brands, categories):
        path = self.world.category.get(item, "")
        return (
            item in items
            or self.brand.get(item) in brands
            or any(path == one or path.startswith(one + " > ") for one in categories)
        )

    def on_side(self, rule, item, side):
        if side == "other":
            return self.is_about(item, rule.beside_items, rule.beside_brands, rule.beside_categories)
        everything = not (rule.items or rule.brands or rule.categories)
        return everything or self.is_about(item, rule.items, rule.brands, rule.categories)

    def parts(self, rule, left, right):
        """Whether a wall keeps two items from one another."""
        ways = (("own", "other"), ("other", "own"))
        return any(self.on_side(rule, left, one) and self.on_side(rule, right, two) for one, two in ways)

    def forbids(self, rule, item, row):
        about = self.on_side(rule, item, "own")
        if rule.do == "block":
            return about
        if rule.do == "adults_only":
            return about and not row["is_adult"]
        if rule.do == "min_stock":
            return about and self.stock[item] < rule.pieces
        if rule.do in ("wall", "never_beside"):
            context = {*row.get("cart_item_ids", []), row.get("item_id", "")} & set(self.brand)
            return any(self.parts(rule, item, other) for other in context)
        return False

    def fits(self, rules, slate, item):
        """Whether an item could stand in a slate with the others."""
        if self.world.product[item] in {self.world.product[other] for other in slate}:
            return False
        for rule in rules:
            if rule.do == "wall" and any(self.parts(rule, item, other) for other in slate):
                return False
            key = self.key(rule, item) if rule.do == "cap" else None
            if key and sum(self.key(rule, other) == key for other in slate) >= rule.most:
                return False
        return True

    def key(self, rule, item):
        if not self.on_side(rule, item, "own"):
            return None
        if rule.by == "brand":
            return self.brand[item]
        if rule.by == "category":
            path = self.world.category[item].split(" > ")
            return " > ".join(path[: rule.level] if rule.level else path)
        return "rule"


@pytest.fixture(scope="module")
def branded(served_shop):
    """The items of the served shop, with its brands."""
    items = served_shop.shop.prepared.train.items
    assert items["brand"].nunique() == 5  # and none
    return items


def check(world, signature, row, rules, ruled, offered):
    active = ruled.in_force(signature, row)
    allowed = {
        item for item in world.eligible(signature, row) if not any(ruled.forbids(rule, item, row) for rule in active)
    }
    assert set(offered) <= allowed
    assert len(set(offered)) == len(offered)
    for place, item in enumerate(offered):
        assert ruled.fits(active, offered[:place], item)
    wanted = row["k"]
    is_by_content = signature == "upsell" and not world.category.get(row.get("item_id", ""))
    if len(offered) < wanted and not is_by_content:  # an anchor without category is compared by content
        assert not [item for item in allowed - set(offered) if ruled.fits(active, offered, item)]
    pins = {rule.items[0]: rule.place for rule in active if rule.do == "pin" and rule.place <= wanted}
    for item, place in pins.items():
        if item in offered:
            assert offered.index(item) == min(place, len(offered)) - 1 or len(offered) < max(pins.values())
        elif item in allowed and not is_by_content:  # only other pins leave it no room
            assert not ruled.fits(active, [other for other in pins if other in offered], item)
    buried = [any(rule.do == "bury" and ruled.on_side(rule, item, "own") for rule in active) for item in offered]
    unpinned = [is_buried for item, is_buried in zip(offered, buried, strict=True) if item not in pins]
    assert unpinned == sorted(unpinned)


@pytest.mark.slow
@pytest.mark.parametrize("signature", SLATES)
def test_no_rule_is_broken_and_no_slate_is_short(request, served_shop, branded, signature):
    total = request.config.getoption("--random-requests") or SAMPLE
    shop, rng, world = served_shop.shop, np.random.default_rng(11), World(served_shop.shop)
    tables = shop.prepared.train
    segment_of = tables.users.set_index("user_id")["segment"].to_dict()
    merchandising = served_shop.served.funnel.merchandising
    try:
        for _ in range(max(total // (BATCH * len(SLATES)), 1)):
            rules, compiled = random_rules(rng, tables, branded)
            merchandising.assign(compiled)
            ruled = Ruled(world, rules, segment_of)
            inputs = random_requests(rng, signature, branded)
            as_sent = {
                name: value.astype(object) if value.dtype.kind == "U" else value for name, value in inputs.items()
            }
            answer = served_shop.served.answer(signature, as_sent)
            for at, row in enumerate(rows_of(inputs)):
                offered = [item for item in answer["item_ids"][at] if item]
                assert np.isfinite(answer["scores"][at][: len(offered)]).all()
                assert (np.diff(answer["scores"][at][: len(offered)]) <= 0).all()
                check(world, signature, row, rules, ruled, offered)
    finally:
        merchandising.assign(RuleTables.none(len(branded) + 1, 2))
