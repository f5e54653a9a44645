import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfrec.features.attributes import MOST_OF_AN_ITEM, MOST_VALUES, attributes_of_items
from tfrec.models.attribute_tables import AttributeTables
from tfrec.models.sources.shortlist import shortlist_of, whole_catalogue
from tfrec.strategy.attributes import AttributeFilter, AttributeLimits

ITEMS = pd.DataFrame(
    {
        "item_id": ["red shirt", "blue shirt", "striped shirt", "red mug", "book"],
        "brand": ["Acme", "Acme", "Lumen", "Lumen", ""],
        "price": [10.0, 20.0, 30.0, 5.0, 8.0],
        "list_price": [12.0, 20.0, np.nan, 4.0, 9.0],
    }
)
FACTS = pd.DataFrame(
    [
        ("red shirt", "colour", "red"),
        ("blue shirt", "colour", "blue"),
        ("striped shirt", "colour", "red"),
        ("striped shirt", "colour", "blue"),
        ("red mug", "colour", "red"),
        ("red shirt", "size", "M"),
        ("striped shirt", "size", "M"),
        ("no item", "colour", "green"),
        ("book", "odd=relation", "x"),
    ],
    columns=["head", "relation", "tail"],
)
ATTRIBUTES = attributes_of_items(ITEMS, FACTS)
ALL = set(ITEMS["item_id"])


def limits(rows):
    """The limits of queries, each a dict of `include`, `exclude`, `same` and `anchor`, as the graph takes them."""

    def padded(values):
        width = max(map(len, values))
        return tf.constant([row + [0] * (width - len(row)) for row in values], tf.int32, shape=[len(values), width])

    texts, relations = ATTRIBUTES.texts.tolist(), ATTRIBUTES.relations.tolist()
    codes = [
        [[texts.index(text) + 1 if text in texts else 0 for text in row.get(kind, [])] for row in rows]
        for kind in ("include", "exclude")
    ]
    named = [[text.split("=")[0] for text in row.get("include", [])] for row in rows]
    numbers = [
        [[relations.index(name) + 1 if name in relations else -1 for name in row] for row in names]
        for names in (named, [row.get("same", []) for row in rows])
    ]
    anchor = [ITEMS["item_id"].tolist().index(row["anchor"]) + 1 if "anchor" in row else 0 for row in rows]
    return AttributeLimits(
        included=padded(codes[0]),
        relations=padded(numbers[0]),
        excluded=padded(codes[1]),
        shared=padded(numbers[1]),
        anchor=tf.constant(anchor),
    )


def left(rows, attributes=ATTRIBUTES):
    """The items that are left for each query, the same of the whole catalogue as of a list."""
    found = []
    for items in (whole_catalogue(len(ITEMS) + 1), shortlist_of([tf.constant([range(1, len(ITEMS) + 1)] * len(rows))])):
        eligible = tf.constant([[False] + [True] * len(ITEMS)] * len(rows))
        mask = AttributeFilter(AttributeTables(attributes)).within(eligible, items, limits(rows)).numpy()
        found.append([set(ITEMS["item_id"][row[1:]]) for row in mask])
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"include": ["colour=red"]}, {"red shirt", "striped shirt", "red mug"}),
        ({"include": ["colour=red", "colour=blue"]}, {"red shirt", "blue shirt", "striped shirt", "red mug"}),
        ({"include": ["colour=red", "brand=Acme"]}, {"red shirt"}),
        ({"include": ["colour=red", "colour=blue", "brand=Lumen", "size=M"]}, {"striped shirt"}),
        ({"include": ["colour=violet"]}, set()),
        ({"include": ["colour=violet", "colour=red"]}, {"red shirt", "striped shirt", "red mug"}),
        ({"include": ["colour=red", "voltage=12"]}, set()),
        ({"include": ["colour=green"]}, set()),
        ({"include": ["on_sale=yes"]}, {"red shirt", "book"}),
        ({"exclude": ["on_sale=yes"]}, {"blue shirt", "striped shirt", "red mug"}),
        ({"exclude": ["colour=blue", "brand=Acme"]}, {"red mug", "book"}),
        ({"exclude": ["colour=violet", "voltage=12"]}, ALL),
        ({"include": ["colour=red"], "exclude": ["colour=blue"]}, {"red shirt", "red mug"}),
        ({"include": ["colour=red"], "exclude": ["colour=red"]}, set()),
        ({"same": ["brand"], "anchor": "red mug"}, {"striped shirt", "red mug"}),
        ({"same": ["brand", "colour"], "anchor": "striped shirt"}, {"striped shirt", "red mug"}),
        ({"same": ["colour"], "anchor": "red shirt", "include": ["colour=blue"]}, {"striped shirt"}),
        ({"same": ["brand"], "anchor": "book"}, set()),
        ({"same": ["brand"]}, set()),
        ({"same": ["voltage"], "anchor": "red mug"}, set()),
        ({}, ALL),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_items_keep_to_the_attributes_that_are_asked_for(asked, expected):
    alone, beside, without = left([asked])[0], left([{"include": ["brand=Lumen"]}, asked])[1], left([{}, asked])[0]
    assert alone == beside == expected
    assert without == ALL


def test_a_shop_without_attributes_has_nothing_that_is_wanted():
    nothing = attributes_of_items(ITEMS.assign(brand="", list_price=np.nan), FACTS[:0])
    assert len(nothing.texts) == 0
    asked = [{"include": ["colour=red"]}, {"exclude": ["colour=red"]}, {"same": ["brand"], "anchor": "book"}, {}]
    assert left(asked, nothing) == [set(), ALL, set(), ALL]


def test_relations_with_too_many_values_do_not_limit():
    items = pd.DataFrame(
        {"item_id": [f"i{number}" for number in range(2 * MOST_VALUES + 2)], "brand": "", "price": 1.0}
    )
    items["brand"] = items["item_id"]  # an exclusion must hold, however many brands there are
    ids = items["item_id"].tolist()
    facts = [(name, "number", name) for name in ids]  # each its own
    facts += [(name, "maker", f"m{place // 2}") for place, name in enumerate(ids)]  # each of two
    facts += [("i0", "for", f"car {number}") for number in range(MOST_OF_AN_ITEM + 1)]
    facts += [("i1", "in", f"list {number}") for number in range(MOST_OF_AN_ITEM)]
    attributes = attributes_of_items(items, pd.DataFrame(facts, columns=["head", "relation", "tail"]))
    assert attributes.left_out == ("for", "number")
    assert attributes.relations.tolist() == ["brand", "in", "maker"]
