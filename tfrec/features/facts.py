"""Turns the facts table into words of each item, over one and two hops."""

import numpy as np
import pandas as pd

from tfrec.features.vocabulary import Vocabulary
from tfrec.schema.tables import FACT_COLUMNS, ITEM_COLUMNS, OPTIONAL_ITEM_COLUMNS, conform

MOST_WORDS = 32
"""Most words that an item gets from facts; its own facts come before those of their tails."""

_MOST_OF_A_TAIL = 16  # facts used of an item's tail: a country with a thousand towns is not informative about a lamp


def facts_of_attributes(items: pd.DataFrame) -> pd.DataFrame:
    """Returns `FACT_COLUMNS` of the attributes of items, the columns beside the schema's: shirt – colour – red.

    Args:
        items: `ITEM_COLUMNS`, any of `OPTIONAL_ITEM_COLUMNS`, and attributes as text, `""` where one is unknown.
    """
    names = [name for name in items.columns if name not in {*ITEM_COLUMNS, *OPTIONAL_ITEM_COLUMNS}]
    facts = items.melt(id_vars="item_id", value_vars=names, var_name="relation", value_name="tail")
    facts = facts[facts["tail"] != ""].rename(columns={"item_id": "head"})
    return conform(facts.sort_values(["head", "relation"], ignore_index=True), FACT_COLUMNS, table="facts")


def words_of_facts(facts: pd.DataFrame, items: Vocabulary) -> pd.DataFrame:
    """Returns `row` (item index, from 1) and `word`, each pair once, an item's own facts first.

    Of lamp – made by – Lumen and Lumen – based in – Lyon the lamp has the words `made by=Lumen` and, by the second
    hop, `made by/based in=Lyon`. A word that only one item has cannot generalise and is left out.

    Args:
        facts: a table of `FACT_COLUMNS`; facts of other heads are used where the head is an item's tail.
        items: item ids.
    """
    first_hop = facts.assign(row=items.encode(facts["head"]), hop=0)
    first_hop = first_hop[first_hop["row"] > 0]
    further = facts[facts.groupby("head").cumcount() < _MOST_OF_A_TAIL] if len(first_hop) else facts[:0]
    second_hop = first_hop.merge(further, left_on="tail", right_on="head", suffixes=("", "_further"))
    second_hop = second_hop[second_hop["tail_further"] != second_hop["head"]]
    first = first_hop["relation"] + "=" + first_hop["tail"]
    second = second_hop["relation"] + "/" + second_hop["relation_further"] + "=" + second_hop["tail_further"]
    words = pd.DataFrame(
        {
            "row": np.concatenate([first_hop["row"], second_hop["row"]]).astype(np.int64),
            "word": np.concatenate([first.to_numpy(object), second.to_numpy(object)]),
            "hop": np.repeat([0, 1], [len(first_hop), len(second_hop)]),
        }
    )
    words = words.sort_values(["row", "hop"], kind="stable").drop_duplicates(["row", "word"])
    words = words[words.groupby("word")["row"].transform("size") >= 2]
    return words[words.groupby("row").cumcount() < MOST_WORDS][["row", "word"]].reset_index(drop=True)
