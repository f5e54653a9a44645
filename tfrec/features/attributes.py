"""Collects the attributes, `relation=value`, by which requests may limit what is offered: brands, facts, sales."""

import dataclasses

import numpy as np
import pandas as pd

BRAND = "brand"
ON_SALE = ("on_sale", "yes")
"""Attribute of items whose list price is above their price."""
MOST_VALUES = 1000
"""A relation with more values limits only where an item shares each with another on average: numbers do not. Brands
always do."""
MOST_OF_AN_ITEM = 64
"""A relation of which an item has more values does not limit: the time of an answer grows with the longest list."""


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What requests may limit items by, by codes. `N` items, row 0 = none; `P` attributes of all items together.

    Attributes:
        texts: `[V]` object, `relation=value`; the text in place `i` has code `i + 1`.
        relations: `[R]` object names; the relation in place `i` has number `i + 1`.
        relation_of: `[V + 1]` int32 number of the relation of each code, ascending.
        splits: `[N + 2]` int32: item `i` has `codes[splits[i]:splits[i + 1]]`, ascending.
        codes: `[P]` int32.
        left_out: names of relations that do not limit, as they have too many values.
    """

    texts: np.ndarray
    relations: np.ndarray
    relation_of: np.ndarray
    splits: np.ndarray
    codes: np.ndarray
    left_out: tuple[str, ...] = ()


def attributes_of_items(items: pd.DataFrame, facts: pd.DataFrame) -> Attributes:
    """Returns the attributes of items: brand, facts of which the item is the head, and `ON_SALE`.

    A relation whose name holds a `=` is ignored; see `MOST_VALUES` and `MOST_OF_AN_ITEM` for those that are left out.

    Args:
        items: `ITEM_COLUMNS`, and `list_price` where the shop states it.
        facts: a table of `FACT_COLUMNS`, attributes of items among them.

    Examples:
        >>> items = pd.DataFrame({"item_id": ["lamp", "mug"], "brand": ["Lumen", ""], "price": [9.0, 5.0]})
        >>> facts = pd.DataFrame({"head": ["mug", "lamp"], "relation": "colour", "tail": ["red", "red"]})
        >>> attributes = attributes_of_items(items, facts)
        >>> attributes.texts.tolist(), attributes.splits.tolist(), attributes.codes.tolist()
        (['brand=Lumen', 'colour=red'], [0, 0, 2, 3], [1, 2, 2])
    """
    index = pd.Index(items["item_id"], dtype=object)
    stated = facts[facts["head"].isin(index) & ~facts["relation"].str.contains("=", regex=False)]
    branded = items[items["brand"] != ""]
    reduced = items[items["list_price"] > items["price"]] if "list_price" in items.columns else items[:0]
    pairs = pd.DataFrame(
        {
            "item": np.concatenate([stated["head"], branded["item_id"], reduced["item_id"]]),
            "relation": np.concatenate(
                [stated["relation"], np.repeat([BRAND, ON_SALE[0]], [len(branded), len(reduced)]).astype(object)]
            ),
            "value": np.concatenate([stated["tail"], branded["brand"], np.repeat([ON_SALE[1]], len(reduced))]),
        },
        dtype=object,
    ).drop_duplicates()
    left_out = _too_many(pairs)
    pairs = pairs[~pairs["relation"].isin(left_out)]
    # Texts of one relation are neighbours in this order: all begin with its name and the first `=`.
    code, texts = pd.factorize((pairs["relation"] + "=" + pairs["value"]).to_numpy(object), sort=True)
    names = np.array([text.partition("=")[0] for text in texts], object)
    number, relations = pd.factorize(names, sort=True)
    row = index.get_indexer(pd.Index(pairs["item"], dtype=object)) + 1
    order = np.lexsort((code, row))
    return Attributes(
        texts=texts,
        relations=relations,
        relation_of=np.concatenate([[0], number + 1]).astype(np.int32),
        splits=np.searchsorted(row[order], np.arange(len(index) + 2)).astype(np.int32),
        codes=(code[order] + 1).astype(np.int32),
        left_out=left_out,
    )


def _too_many(pairs: pd.DataFrame) -> tuple[str, ...]:
    """Returns the relations of which there are too many values, in all or of one item."""
    by_relation = pairs.groupby("relation")
    values = by_relation["value"].nunique()
    of_an_item = pairs.groupby(["relation", "item"]).size().groupby(level="relation").max()
    are_numbers = (values > MOST_VALUES) & (by_relation.size() < 2 * values) & (values.index != BRAND)
    return tuple(values.index[are_numbers | (of_an_item.reindex(values.index) > MOST_OF_AN_ITEM)])
