"""Facts become words of items, beside those of their titles."""

import numpy as np
import pandas as pd
import pytest

from tests.worlds import bought, make_shop
from tfrec.features.facts import MOST_WORDS, words_of_facts
from tfrec.features.vocabulary import TITLE_LENGTH, Vocabulary
from tfrec.schema.tables import FACT_COLUMNS

LAMP, SHADE, CHAIR, TABLE = "lamp", "shade", "chair", "table"
FACTS = [
    (LAMP, "made by", "Lumen"),
    (SHADE, "made by", "Lumen"),
    (CHAIR, "made by", "Sella"),
    (TABLE, "made by", "Mensa"),
    ("Lumen", "based in", "Lyon"),
    ("Sella", "based in", "Turin"),
    ("Mensa", "based in", "Turin"),
    ("Turin", "lies in", "Italy"),
    ("stranger", "made by", "Lumen"),
    (LAMP, "goes with", SHADE),
    (SHADE, "goes with", LAMP),
]


def words_of(facts, *items):
    """Item → its words, in their order."""
    known = Vocabulary(np.array(items, object))
    words = words_of_facts(pd.DataFrame(facts, columns=list(FACT_COLUMNS)), known)
    return words.groupby(known.decode(words["row"].to_numpy()))["word"].agg(list).to_dict()


def test_words_of_two_hops_by_hand():
    """A word that one item alone has is left out; a third hop is not taken; nothing is said of an item by itself."""
    assert words_of(FACTS, LAMP, SHADE, CHAIR, TABLE) == {
        LAMP: ["made by=Lumen", "made by/based in=Lyon", "goes with/made by=Lumen"],
        SHADE: ["made by=Lumen", "made by/based in=Lyon", "goes with/made by=Lumen"],
        CHAIR: ["made by/based in=Turin"],
        TABLE: ["made by/based in=Turin"],
    }


def test_a_repeated_fact_counts_once():
    assert words_of([*FACTS[2:4], FACTS[2], (CHAIR, "seats", "one"), (CHAIR, "seats", "one")], CHAIR, TABLE) == {}


def test_an_item_has_no_more_words_than_the_limit_and_its_own_come_first():
    own = [(item, "tag", f"t{number}") for item in (LAMP, SHADE) for number in range(MOST_WORDS - 5)]
    far = [(item, "of", "line") for item in (LAMP, SHADE)] + [("line", "tag", f"f{number}") for number in range(20)]
    words = words_of([*far, *own], LAMP, SHADE)[LAMP]
    assert len(words) == MOST_WORDS
    assert [word.startswith("of/") for word in words] == [False] * (MOST_WORDS - 4) + [True] * 4


def test_no_known_head_gives_no_word():
    assert words_of(FACTS, "sofa") == {} == words_of([], LAMP)


def make(facts=(), *, titles=("desk lamp", "lamp shade", "", "")):
    items = {item: {"title": title} for item, title in zip((LAMP, SHADE, CHAIR, TABLE), titles, strict=True)}
    return make_shop(bought("ann", 0, LAMP), items, facts=facts)


def test_facts_stand_behind_the_title_in_the_bag_of_words():
    vocabularies = make(FACTS).vocabularies
    words = vocabularies.words.decode(vocabularies.catalogue.title_words)
    assert words.shape == (5, TITLE_LENGTH + 3)
    assert words[1, : TITLE_LENGTH + 1].tolist() == ["lamp", *[""] * (TITLE_LENGTH - 1), "made by=Lumen"]
    assert words[3, TITLE_LENGTH:].tolist() == ["made by/based in=Turin", "", ""]
    assert not words[0].any()


def test_items_alike_by_facts_alone_are_alike_in_content():
    content = make(FACTS).vocabularies.catalogue.content
    alike = content @ content.T
    assert alike[3, 4] == pytest.approx(1, abs=1e-5)
    assert alike[1, 2] > 0.5 > abs(alike[1, 3])


def test_a_fact_is_one_word_in_content_however_many_it_has():
    """The tails share the word `blue`, the relations all words: neither makes lamp and chair alike."""
    facts = [(LAMP, "is of", "blue glass"), (SHADE, "is of", "blue glass")]
    facts += [(CHAIR, "is of", "blue wool"), (TABLE, "is of", "blue wool")]
    content = make(facts).vocabularies.catalogue.content
    alike = content @ content.T
    assert alike[1, 2] == pytest.approx(1, abs=1e-5) and alike[3, 4] == pytest.approx(1, abs=1e-5)
    assert abs(alike[1, 3]) < 1e-5


def test_facts_without_information_change_nothing():
    """Not one bit: words of no other item, heads that are no items."""
    plain, unrelated = make().vocabularies, make([FACTS[2], FACTS[3], FACTS[8]]).vocabularies
    assert unrelated.words.tokens.tolist() == plain.words.tokens.tolist()
    expected, found = ({**vars(one.catalogue), **vars(one.catalogue.fits)} for one in (plain, unrelated))
    for name in expected.keys() - {"fits", "attributes"}:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
