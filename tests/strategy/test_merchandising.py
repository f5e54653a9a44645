"""What each kind of rule does to a small slate, by hand; and what rules refuse to say."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.worlds import make_tables
from tfrec.errors import ConfigError
from tfrec.features.merchandising import SLATES, read_rules
from tfrec.features.rule_tables import RuleTables, compile_rules
from tfrec.models.sources.shortlist import shortlist_of, whole_catalogue
from tfrec.schema.calendar import ShopCalendar
from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.merchandising import Merchandising, Occasion

ITEMS = {
    "beer": {"brand": "Acme", "category": "Drinks > Beer", "stock": 3.0},
    "wine": {"brand": "Acme", "category": "Drinks > Wine", "stock": 50.0},
    "milk": {"brand": "Farm", "category": "Food > Dairy"},
    "cheese": {"brand": "Farm", "category": "Food > Dairy", "stock": 9.0},
    "bread": {"brand": "Mill", "category": "Food > Bread", "stock": 7.0},
    "soap": {"category": "Home"},
}
NAMES = list(ITEMS)
TABLES = make_tables(
    [{"user_id": user, "day": 0, "item_id": "milk", "order_id": user} for user in "abc"],
    ITEMS,
    segments={"a": "north", "b": "north", "c": "south"},
)


def compiled(tmp_path, text, **options):
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    calendar = options.pop("calendar", ShopCalendar())
    rules = read_rules(tmp_path / "rules.toml")
    return compile_rules(rules, TABLES.items, TABLES.users, calendar=calendar, **options)


def in_force(tables, *, signature="recommend", at="2026-12-01", segment=0, is_adult=False, beside=()):
    merchandising = Merchandising(tables)
    occasion = Occasion(
        signature=tf.constant([SLATES.index(signature)]),
        minute=tf.constant([int(pd.Timestamp(at).timestamp() // 60)]),
        is_adult=tf.constant([is_adult]),
        beside=tf.constant([[NAMES.index(name) + 1 for name in beside]], tf.int32, shape=[1, len(beside)]),
    )
    return merchandising, merchandising.in_force(occasion, tf.constant([segment]))


def allowed(tables, **asked):
    merchandising, rules = in_force(tables, **asked)
    catalogue, some = whole_catalogue(len(NAMES) + 1), shortlist_of([tf.range(1, len(NAMES) + 1)[None, :]])
    everything = tf.constant([[False] + [True] * len(NAMES)])
    left = [merchandising.allowed(everything, items, rules).numpy()[0] for items in (catalogue, some)]
    assert left[0].tolist() == left[1].tolist()
    return [name for name, is_left in zip(NAMES, left[0][1:], strict=True) if is_left]


def selected(tables, ranked, *, k=10, groups=None, **asked):
    merchandising, rules = in_force(tables, **asked)
    slate = CandidateSlate(
        item=tf.constant([[NAMES.index(name) + 1 for name in ranked]]),
        score=tf.constant([np.arange(len(ranked), 0, -1).tolist()], tf.float32),
        probability=tf.fill([1, len(ranked)], 0.5),
    )
    groups = tf.constant([0] + [(groups or {}).get(name, 0) for name in NAMES])
    chosen = merchandising.select(slate, k=tf.constant([k]), rules=rules, groups=groups)
    assert (np.diff(chosen.score.numpy()[0][chosen.item.numpy()[0] > 0]) <= 0).all()
    assert ((chosen.probability.numpy() > 0) == (chosen.item.numpy() > 0)).all()
    return [NAMES[item - 1] for item in chosen.item.numpy()[0] if item]


BLOCK_BEER = '[[rules]]\ndo = "block"\nitems = ["beer"]\nreason = "recall"\n'


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ('do = "block"\nitems = ["beer"]', ["wine", "milk", "cheese", "bread", "soap"]),
        ('do = "block"\nbrands = ["Acme"]', ["milk", "cheese", "bread", "soap"]),
        ('do = "block"\ncategories = ["Food"]', ["beer", "wine", "soap"]),
        ('do = "block"\ncategories = ["Food > Dairy"]\nitems = ["soap"]', ["beer", "wine", "bread"]),
        ('do = "min_stock"\npieces = 8', ["wine", "milk", "cheese", "soap"]),
        ('do = "min_stock"\npieces = 8\ncategories = ["Drinks"]', ["wine", "milk", "cheese", "bread", "soap"]),
        ('do = "adults_only"\ncategories = ["Drinks"]', ["milk", "cheese", "bread", "soap"]),
    ],
    ids=["item", "brand", "top category", "category and item", "stock", "stock of a category", "adults"],
)
def test_what_is_forbidden_is_not_offered(tmp_path, rule, left):
    assert allowed(compiled(tmp_path, f'[[rules]]\n{rule}\nreason = "why"')) == left


def test_adults_are_offered_what_is_theirs(tmp_path):
    tables = compiled(tmp_path, '[[rules]]\ndo = "adults_only"\ncategories = ["Drinks"]\nreason = "law"')
    assert allowed(tables, is_adult=True) == NAMES


@pytest.mark.parametrize(
    ("at", "is_blocked"),
    [
        ("2026-11-30 22:59", False),
        ("2026-11-30 23:00", True),  # midnight in Berlin
        ("2026-12-24 22:59", True),
        ("2026-12-24 23:00", False),
    ],
)
def test_days_are_meant_whole_on_the_shops_clock(tmp_path, at, is_blocked):
    text = BLOCK_BEER + "start = 2026-12-01\nend = 2026-12-24\n"
    tables = compiled(tmp_path, text, calendar=ShopCalendar("Europe/Berlin"))
    assert ("beer" not in allowed(tables, at=at)) == is_blocked


def test_rule_without_dates_is_in_force_by_the_clock_of_the_machine(tmp_path):
    merchandising = Merchandising(compiled(tmp_path, BLOCK_BEER + "start = 2020-01-01\n"))
    zero = tf.constant([0])
    occasion = Occasion(signature=zero, minute=zero, is_adult=tf.constant([False]), beside=zero[:, None])
    assert merchandising.in_force(occasion, zero).active.numpy().tolist() == [[False, True]]


def test_rule_for_a_segment_and_a_signature_holds_there_alone(tmp_path):
    tables = compiled(tmp_path, BLOCK_BEER + 'segments = ["south"]\nsignatures = ["upsell", "similar"]\n')
    blocked = [
        (signature, segment)
        for signature in SLATES
        for segment in range(3)
        if "beer" not in allowed(tables, signature=signature, segment=segment)
    ]
    assert blocked == [("upsell", 2), ("similar", 2)]  # segments: none, north, south


@pytest.mark.parametrize("do", ["never_beside", "wall"])
def test_two_sides_are_kept_from_one_another_either_way_round(tmp_path, do):
    rule = f'[[rules]]\ndo = "{do}"\nbrands = ["Acme"]\nbeside_categories = ["Food > Dairy"]\nreason = "quarrel"'
    tables = compiled(tmp_path, rule)
    assert allowed(tables) == NAMES
    assert allowed(tables, beside=["cheese"]) == ["milk", "cheese", "bread", "soap"]
    assert allowed(tables, beside=["soap", "wine"]) == ["beer", "wine", "bread", "soap"]


def test_wall_stands_within_a_slate_and_never_beside_does_not(tmp_path):
    rule = '[[rules]]\ndo = "{}"\nbrands = ["Acme"]\nbeside_brands = ["Farm"]\nreason = "quarrel"'
    cap = '\n[[rules]]\ndo = "cap"\nmost = 9\nreason = "so that the slate is chosen by rules"'
    assert selected(compiled(tmp_path, rule.format("wall")), NAMES) == ["beer", "wine", "bread", "soap"]
    assert selected(compiled(tmp_path, rule.format("wall")), ["soap", "milk", "beer"]) == ["soap", "milk"]
    assert selected(compiled(tmp_path, rule.format("never_beside") + cap), NAMES) == NAMES


@pytest.mark.parametrize(
    ("rule", "offered"),
    [
        ('most = 1\nby = "brand"', ["beer", "milk", "bread", "soap"]),
        ('most = 1\nby = "category"\nlevel = 1', ["beer", "milk", "soap"]),
        ('most = 1\nby = "category"', ["beer", "wine", "milk", "bread", "soap"]),
        ('most = 1\nbrands = ["Acme"]', ["beer", "milk", "cheese", "bread", "soap"]),
        ('most = 2\ncategories = ["Food"]', ["beer", "wine", "milk", "cheese", "soap"]),
        ("most = 2", ["beer", "wine"]),
    ],
    ids=["each brand", "each top category", "each leaf", "one brand", "one category together", "all together"],
)
def test_caps_count_in_the_slate(tmp_path, rule, offered):
    assert selected(compiled(tmp_path, f'[[rules]]\ndo = "cap"\n{rule}\nreason = "why"'), NAMES) == offered


def test_one_variant_of_a_product_is_taken_and_caps_choose_which(tmp_path):
    tables = compiled(tmp_path, '[[rules]]\ndo = "cap"\nmost = 1\nby = "brand"\nreason = "why"')
    assert selected(tables, ["beer", "wine", "bread"], groups={"wine": 7, "bread": 7}) == ["beer", "bread"]


@pytest.mark.parametrize(
    ("place", "k", "offered"),
    [
        (1, 4, ["soap", "beer", "wine", "milk"]),
        (3, 4, ["beer", "wine", "soap", "milk"]),
        (4, 4, ["beer", "wine", "milk", "soap"]),
        (5, 4, ["beer", "wine", "milk", "cheese"]),
        (40, 50, ["beer", "wine", "milk", "cheese", "bread", "soap"]),
    ],
    ids=["first", "third", "last", "behind the end of the slate", "behind all that there is"],
)
def test_pinned_item_stands_at_its_place(tmp_path, place, k, offered):
    tables = compiled(tmp_path, f'[[rules]]\ndo = "pin"\nitems = ["soap"]\nplace = {place}\nreason = "campaign"')
    assert selected(tables, NAMES, k=k) == offered


def test_pins_come_before_what_they_leave_no_room_for(tmp_path):
    pins = [
        f'[[rules]]\ndo = "pin"\nitems = ["{item}"]\nplace = {place}\nreason = "x"\n'
        for item, place in (("cheese", 2), ("wine", 4))
    ]
    cap = '[[rules]]\ndo = "cap"\nmost = 1\nby = "brand"\nreason = "variety"'
    assert selected(compiled(tmp_path, "".join(pins) + cap), NAMES) == ["bread", "cheese", "soap", "wine"]


def test_buried_items_come_last_and_only_to_fill(tmp_path):
    tables = compiled(tmp_path, '[[rules]]\ndo = "bury"\nbrands = ["Acme"]\nreason = "margin"')
    assert selected(tables, NAMES, k=3) == ["milk", "cheese", "bread"]
    assert selected(tables, NAMES) == ["milk", "cheese", "bread", "soap", "beer", "wine"]


def test_boost_raises_odds_and_amounts_alike(tmp_path):
    tables = compiled(tmp_path, '[[rules]]\ndo = "boost"\nbrands = ["Farm"]\nfactor = 4\nreason = "campaign"')
    merchandising, rules = in_force(tables)
    slate = CandidateSlate(tf.constant([[1, 3, 4]]), tf.constant([[2.0, 1.0, -1.0]]), tf.zeros([1, 3]))
    odds = merchandising.boosted(slate, rules, is_amount=tf.constant([False])).score.numpy()[0]
    np.testing.assert_allclose(odds, [2.0, 1 + np.log(4), -1 + np.log(4)], rtol=1e-6)
    amounts = merchandising.boosted(slate, rules, is_amount=tf.constant([True])).score.numpy()[0]
    np.testing.assert_allclose(amounts, [2.0, 4.0, -0.25], rtol=1e-6)


def test_tables_come_back_from_their_bytes(tmp_path):
    tables = compiled(tmp_path, BLOCK_BEER + '[[rules]]\ndo = "cap"\nmost = 1\nby = "brand"\nreason = "x"')
    merchandising = Merchandising(RuleTables.none(7, 2))
    merchandising.assign_from(tf.constant(tables.to_bytes()))
    for name, value in vars(merchandising.tables()).items():
        np.testing.assert_array_equal(value, getattr(tables, name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('do = "block"\nitems = ["bear"]\nreason = "x"', r"Rule 1 \(block: x\): The shop has no item 'bear'.*'beer'"),
        ('do = "block"\nbrands = ["Acne"]\nreason = "x"', "no brand 'Acne'.*'Acme'"),
        ('do = "block"\ncategories = ["Drink"]\nreason = "x"', "no category 'Drink'"),
        ('do = "block"\nitems = ["beer"]\nsegments = ["nord"]\nreason = "x"', "no segment 'nord'.*'north'"),
        ('do = "block"\nitems = ["beer"]\nsignatures = ["upsel"]\nreason = "x"', "no signature 'upsel'.*'upsell'"),
        ('do = "blok"\nitems = ["beer"]\nreason = "x"', "`do` must be one of .*'blok'"),
        ('do = "block"\nitems = ["beer"]', "the key 'reason' is missing"),
        ('do = "block"\nitems = ["beer"]\nreason = " "', "`reason` must say why"),
        ('do = "block"\nreason = "x"', "must name what it is about"),
        ('do = "block"\nitems = ["beer"]\nplace = 2\nreason = "x"', "`place` belongs to pin, not to `block`"),
        ('do = "pin"\nitems = ["beer", "wine"]\nplace = 2\nreason = "x"', "`items` names 2"),
        ('do = "pin"\nitems = ["beer"]\nreason = "x"', "`pin` needs `place`"),
        ('do = "boost"\nitems = ["beer"]\nfactor = 0.5\nreason = "x"', "above 1; got 0.5.*`bury`"),
        ('do = "cap"\nmost = 1\nby = "colour"\nreason = "x"', "`by` must be one of"),
        ('do = "cap"\nmost = 1\nby = "category"\nlevel = 3\nreason = "x"', "`level` must be at most 2"),
        ('do = "wall"\nbrands = ["Acme"]\nreason = "x"', "other side"),
        ('do = "block"\nitems = ["beer"]\nstart = "soon"\nreason = "x"', "`start` must be a day or a moment.*'soon'"),
        ('do = "block"\nitems = ["beer"]\nstart = 2026-12-02\nend = 2026-12-01\nreason = "x"', "come before `end`"),
        ('do = "block"\nitem = ["beer"]\nreason = "x"', "unknown key 'item'.*'items'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        compiled(tmp_path, f"[[rules]]\n{text}")


PIN = '[[rules]]\ndo = "pin"\nitems = ["beer"]\nplace = 1\nreason = "campaign"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PIN + BLOCK_BEER, "Rules 1 and 2 contradict.*pinned is blocked.*'beer'"),
        (PIN + PIN.replace("beer", "wine"), "two items are pinned to place 1"),
        (PIN + PIN.replace("1", "2"), "pinned twice"),
        (PIN + '[[rules]]\ndo = "bury"\nbrands = ["Acme"]\nreason = "x"', "pinned is buried"),
        (
            '[[rules]]\ndo = "boost"\nbrands = ["Acme"]\nreason = "x"\n'
            '[[rules]]\ndo = "bury"\ncategories = ["Drinks > Beer"]\nreason = "y"',
            "boosted is buried",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        compiled(tmp_path, text)


def test_rules_of_different_days_segments_or_signatures_do_not_contradict(tmp_path):
    for part in (
        ("start = 2026-12-01", "end = 2026-11-30"),
        ('segments = ["north"]', 'segments = ["south"]'),
        ('signatures = ["upsell"]', 'signatures = ["similar"]'),
    ):
        compiled(tmp_path, f"{PIN}{part[0]}\n{BLOCK_BEER}{part[1]}\n")


def test_names_that_have_gone_since_are_passed_over_where_that_is_asked(tmp_path):
    tables = compiled(tmp_path, BLOCK_BEER.replace('"beer"', '"gone", "beer"'), ignore_unknown=True)
    assert "beer" not in allowed(tables)


def test_stock_rule_without_stock_says_so(tmp_path):
    (tmp_path / "rules.toml").write_text('[[rules]]\ndo = "min_stock"\npieces = 3\nreason = "x"', encoding="utf-8")
    with pytest.raises(ConfigError, match="no stock"):
        compile_rules(
            read_rules(tmp_path / "rules.toml"),
            TABLES.items.assign(stock=np.float32("nan")),
            TABLES.users,
            calendar=ShopCalendar(),
        )
