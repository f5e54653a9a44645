"""Items are found by words of their titles."""

import pytest

from tfrec.agents.title_search import TitleSearch

TITLES = {
    "1": "White metal lantern",
    "2": "Lantern",
    "3": "Metal sign WHITE rabbit",
    "4": "Café au lait bowl",
    "A5": "Lanterns, set of 3",
}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param("lantern", ["2", "1", "A5"], id="whole words before beginnings, short titles first"),
        pytest.param("WHITE lantern", ["1", "2", "3", "A5"], id="more of the words first"),
        pytest.param("café", ["4"], id="accents"),
        pytest.param("antern", [], id="no middles of words"),
        pytest.param("a5", ["A5"], id="by id"),
        pytest.param("?!", [], id="no words"),
    ],
)
def test_best_match_comes_first(words, found):
    assert TitleSearch(TITLES).find(words, k=10) == found


def test_no_more_than_asked_for():
    assert TitleSearch(TITLES).find("lantern", k=1) == ["2"]
