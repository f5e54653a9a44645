import numpy as np
import pytest

from tfrec.errors import SchemaError
from tfrec.schema.slate import Slate

IDS = np.array([["a", "b", "c"], ["d", "e", ""]], object)
SCORES = np.array([[3.0, 2, 2], [1, 0, -np.inf]])


def test_the_top_of_a_slate_keeps_its_extras():
    slate = Slate(IDS, SCORES, {"prices": SCORES * 10}).top(2)
    assert len(slate) == 2
    assert slate.item_ids.tolist() == [["a", "b"], ["d", "e"]]
    assert slate.extras["prices"].tolist() == [[30, 20], [10, 0]]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((IDS, SCORES[:, :2]), r"`scores` must have the shape of `item_ids` \(2, 3\); got \(2, 2\)"),
        ((IDS, SCORES, {"prices": SCORES[:1]}), "`prices` must have the shape"),
        ((IDS[0], SCORES[0]), r"`item_ids` must be \[B, k\]"),
        ((IDS, SCORES[:, ::-1]), "`scores` must descend along each row"),
    ],
    ids=["short scores", "extras of another shape", "one row", "ascending"],
)
def test_a_slate_checks_itself(columns, words):
    with pytest.raises(SchemaError, match=words):
        Slate(*columns)


def test_rows_that_end_early_and_rows_of_nothing_are_slates():
    Slate(np.full((2, 2), "", object), np.full((2, 2), -np.inf))
    assert len(Slate(np.zeros((0, 5), object), np.zeros((0, 5)))) == 0
