import numpy as np
import pytest
import tensorflow as tf

from tfrec.models.sources.shortlist import shortlist_of, whole_catalogue
from tfrec.strategy.attributes import AttributeLimits
from tfrec.strategy.complements import of_other_categories, only_new, without_substitutes
from tfrec.strategy.config import UpsellConfig
from tfrec.strategy.constraints import Limits, eligible_items
from tfrec.strategy.upsell import only_upgrades

INF = float("inf")
# row 0 = no item; a camera, a dear camera, a card, an unsold thing, a thing of unknown price and category
PRICE = tf.constant([0.0, 100, 240, 20, 30, 0])
PATHS = tf.constant([[0, 0], [1, 2], [1, 2], [1, 3], [4, 4], [0, 0]])
EVERYTHING = whole_catalogue(6)
OFFERED = tf.constant([False, True, True, True, False, True])


def no_attributes(size):
    nothing = tf.zeros([size, 0], tf.int32)
    return AttributeLimits(
        included=nothing, relations=nothing, excluded=nothing, shared=nothing, anchor=tf.zeros([size], tf.int32)
    )


def eligible(*, excluded=(), categories=(), min_price=0.0, max_price=INF):
    limits = Limits(
        excluded=tf.constant([list(excluded)], tf.int32, shape=[1, len(excluded)]),
        categories=tf.constant([list(categories)], tf.int32, shape=[1, len(categories)]),
        min_price=tf.constant([min_price]),
        max_price=tf.constant([max_price]),
        attributes=no_attributes(1),
    )
    return np.flatnonzero(
        eligible_items(limits, EVERYTHING, is_offered=OFFERED, price=PRICE, category_paths=PATHS)[0]
    ).tolist()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [1, 2, 3, 5]),
        ({"excluded": (2, 0, 5)}, [1, 3]),
        ({"categories": (1,)}, [1, 2, 3]),
        ({"categories": (3, 0)}, [3]),
        ({"categories": (2, 3)}, [1, 2, 3]),
        ({"categories": (4,)}, []),
        ({"categories": (-1,)}, []),
        ({"categories": (-1, 3)}, [3]),
        ({"categories": (0, 0)}, [1, 2, 3, 5]),
        ({"categories": (9, 3)}, [3]),
        ({"min_price": 100.0}, [1, 2]),
        ({"max_price": 100.0}, [1, 3]),
        ({"min_price": 21.0, "max_price": 239.0}, [1]),
        ({"min_price": 50.0, "max_price": 10.0}, []),
    ],
    ids=[
        "no limits",
        "excluded",
        "top category",
        "leaf category and padding",
        "two categories",
        "category of what is not offered",
        "unknown category",
        "unknown category beside a known one",
        "padding alone",
        "category without items beside a known one",
        "cheapest price",
        "dearest price, unknown prices out",
        "band",
        "empty band",
    ],
)
def test_limits(limits, expected):
    assert eligible(**limits) == expected


def test_each_row_keeps_to_its_own_limits():
    limits = Limits(
        excluded=tf.constant([[1], [0]]),
        categories=tf.constant([[0], [3]]),
        min_price=tf.constant([0.0, 0]),
        max_price=tf.constant([INF, INF]),
        attributes=no_attributes(2),
    )
    found = eligible_items(limits, EVERYTHING, is_offered=OFFERED, price=PRICE, category_paths=PATHS).numpy()
    assert [np.flatnonzero(row).tolist() for row in found] == [[2, 3, 5], [3]]


def test_a_hundred_thousand_categories_are_as_good_as_one():
    """Compared each with each, these items and categories would take a gigabyte."""
    limits = Limits(
        excluded=tf.zeros([1, 0], tf.int32),
        categories=tf.fill([1, 100_000], 3),
        min_price=tf.zeros(1),
        max_price=tf.fill([1], INF),
        attributes=no_attributes(1),
    )
    many = {"is_offered": tf.tile(OFFERED, [2000]), "price": tf.tile(PRICE, [2000])}
    found = eligible_items(limits, whole_catalogue(12_000), category_paths=tf.tile(PATHS, [2000, 1]), **many)
    assert found.numpy().sum() == 2000


def test_marks_stand_in_their_own_row():
    marks = whole_catalogue(4).marks(tf.constant([[2, 2], [0, 1]])).numpy()
    assert marks.tolist() == [[True, False, True, False], [True, True, False, False]]


def test_complements_are_new_and_no_substitutes():
    everything = tf.ones([3, 6], tf.bool)
    own = tf.constant([[0.0, 0, 2, 0, 0, 0]] + [[0.0] * 6] * 2)
    new = only_new(everything, is_own=own > 0, is_discovery=tf.constant([True, False, True])).numpy()
    assert new[0].tolist() == [True, True, False, True, True, True] and new[1:].all()
    anchor = tf.constant([1, 5, 0])
    left = without_substitutes(everything, EVERYTHING, chosen=anchor[:, None], category_paths=PATHS).numpy()
    assert left[0].tolist() == [True, False, False, True, True, True]
    assert left[1:].all()  # of an unknown category, and no anchor


def upgrades(anchor, ratio=0.0, *, step=0.0, config=UpsellConfig()):
    rows = only_upgrades(
        tf.ones([1, 6], tf.bool),
        EVERYTHING,
        anchor=tf.constant([anchor]),
        min_price_ratio=tf.constant([step]),
        max_price_ratio=tf.constant([ratio]),
        price=tf.constant([0.0, 100, 240, 110, 300, 0]),
        category_paths=tf.constant([[0], [2], [2], [3], [2], [0]]),
        content=tf.zeros([6, 2]),
        config=config,
    )
    return np.flatnonzero(rows[0]).tolist()


def test_upgrades_are_dearer_of_the_same_category_and_not_too_dear():
    assert upgrades(1) == [2]  # 2.5 times as dear at most
    assert upgrades(1, 3.0) == [2, 4]
    assert upgrades(1, 1.5) == []
    assert upgrades(2) == [4]
    assert upgrades(4) == []


def test_the_price_band_is_a_setting_that_a_request_may_override():
    narrow, wide = UpsellConfig(max_price_ratio=2.0), UpsellConfig(max_price_ratio=3.0)
    assert upgrades(1, config=narrow) == []
    assert upgrades(1, config=wide) == [2, 4]
    assert upgrades(1, 2.5, config=narrow) == [2]


def test_what_is_hardly_dearer_is_no_upgrade():
    def of_first(step, config=UpsellConfig(), ratio=0.0):
        found = only_upgrades(
            tf.ones([1, 5], tf.bool),
            whole_catalogue(5),
            anchor=tf.constant([1]),
            min_price_ratio=tf.constant([step]),
            max_price_ratio=tf.constant([ratio]),
            price=tf.constant([0.0, 100, 100, 105, 120]),
            category_paths=tf.constant([[0], [2], [2], [2], [2]]),
            content=tf.zeros([5, 2]),
            config=config,
        )
        return np.flatnonzero(found[0]).tolist()

    assert of_first(0.0) == [4]
    assert of_first(0.0, UpsellConfig(min_price_ratio=1.3)) == []
    assert of_first(1.0) == [3, 4]  # any dearer one, but none of the same price
    assert of_first(0.0, ratio=1.07) == [3]  # the request asks for small steps


def test_no_anchor_and_an_anchor_without_price_have_no_upgrades():
    assert upgrades(0) == [] and upgrades(5) == []


@pytest.mark.parametrize(("least", "expected"), [(0.3, [3]), (0.9, [3]), (-1.0, [2, 3])])
def test_an_anchor_without_category_is_compared_by_content(least, expected):
    content = np.zeros((6, 2), np.float32)
    content[[1, 3]] = [1, 0]
    content[[2, 4]] = [0, 1]
    rows = only_upgrades(
        tf.ones([1, 6], tf.bool),
        EVERYTHING,
        anchor=tf.constant([1]),
        min_price_ratio=tf.constant([0.0]),
        max_price_ratio=tf.constant([0.0]),
        price=tf.constant([0.0, 100, 240, 110, 300, 0]),
        category_paths=tf.zeros([6, 1], tf.int32),
        content=tf.constant(content),
        config=UpsellConfig(min_content_similarity=least),
    )
    assert np.flatnonzero(rows[0]).tolist() == expected


def test_other_categories_are_compared_at_the_given_level():
    everything = tf.ones([4, 6], tf.bool)
    cart = tf.constant([[1, 0], [1, 0], [1, 5], [1, 0]])
    level = tf.constant([1, 2, 1, 0])
    left = of_other_categories(everything, EVERYTHING, chosen=cart, level=level, category_paths=PATHS).numpy()
    top, leaf = PATHS.numpy()[:, 0], PATHS.numpy()[:, 1]
    assert left[0].tolist() == [bool(path) and path != top[1] for path in top]
    assert left[1].tolist() == [bool(path) and path != leaf[1] for path in leaf]
    assert left[2].tolist() == [bool(path) and path not in (top[1], top[5]) for path in top]
    assert left[3].all()  # no limit asked for


@pytest.mark.parametrize("seed", range(20))
def test_a_list_of_items_is_judged_as_in_the_whole_catalogue(seed):
    rng, size = np.random.default_rng(seed), 30
    price = tf.constant(rng.choice([0.0, 10, 20, 30], size), tf.float32)
    paths = tf.constant(rng.integers(0, 4, (size, 2)), tf.int32)
    content = tf.constant(rng.normal(size=(size, 3)), tf.float32)
    anchor = tf.constant(rng.integers(0, size, 4), tf.int32)
    chosen, excluded = (tf.constant(rng.integers(0, size, (4, 3)), tf.int32) for _ in range(2))
    limits = Limits(
        excluded=excluded,
        categories=tf.constant(rng.integers(-1, 3, (4, 2)), tf.int32),
        min_price=tf.constant(rng.choice([0.0, 10], 4), tf.float32),
        max_price=tf.constant(rng.choice([20.0, INF], 4), tf.float32),
        attributes=no_attributes(4),
    )

    def judged(shortlist):
        tables = {"price": price, "category_paths": paths}
        limited = eligible_items(
            limits, shortlist, is_offered=tf.constant([False] + [True] * (size - 1)), price=price, category_paths=paths
        )
        rows = [limited, without_substitutes(limited, shortlist, chosen=anchor[:, None], category_paths=paths)]
        level = tf.constant(rng.integers(0, 3, 4), tf.int32)
        rows.append(of_other_categories(limited, shortlist, chosen=chosen, level=level, category_paths=paths))
        ratio = tf.constant([0.0, 1.0, 2.0, 3.0])
        tables |= {"min_price_ratio": tf.constant([0.0, 1.0, 1.5, 0.0]), "max_price_ratio": ratio}
        rows.append(only_upgrades(limited, shortlist, anchor=anchor, content=content, **tables))
        return [row.numpy() for row in rows]

    state = rng.bit_generator.state
    dense = judged(whole_catalogue(size))
    rng.bit_generator.state = state
    some = tf.constant(rng.integers(0, size, (4, 12)), tf.int32)
    rng.bit_generator.state = state
    shortlist = shortlist_of([some])
    for of_list, of_all in zip(judged(shortlist), dense, strict=True):
        expected = np.take_along_axis(of_all, shortlist.item.numpy(), axis=1)
        assert of_list.tolist() == expected.tolist()
