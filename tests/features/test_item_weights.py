import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tfrec.baselines.cosine import co_purchase_cosine
from tfrec.baselines.rules import rule_confidence, rule_lift
from tfrec.errors import ConfigError, SchemaError
from tfrec.features import item_weights
from tfrec.features.ease import fit_ease, fit_ease_in_parts
from tfrec.features.item_weights import ItemWeights


def orders_of(rows, num_items):
    """Orders as lists of items → the sparse matrix that every fit takes."""
    row = np.repeat(np.arange(len(rows)), [len(items) for items in rows])
    cells = (np.ones(len(row), np.float32), (row, np.concatenate(rows)))
    return scipy.sparse.csr_matrix(cells, shape=(len(rows), num_items))


@pytest.fixture(scope="module")
def checkerboard():
    """Even orders hold even items, odd orders odd ones, each but one of them, 20 items."""
    rows = [[item for item in range(order % 2, 20, 2) if item != order % 20] for order in range(60)]
    return orders_of(rows, 20)


FITS = {
    "ease": lambda orders: fit_ease(orders, l2=5.0),
    "ease in neighbourhoods": lambda orders: fit_ease_in_parts(orders, l2=5.0, n=9, head=0, neighbourhood=9),
    "ease in parts": lambda orders: fit_ease_in_parts(orders, l2=5.0, n=9, head=7, neighbourhood=9),
    "cosine": co_purchase_cosine,
    "confidence": rule_confidence,
    "lift": rule_lift,
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS.keys())
def test_the_item_withheld_from_a_cart_is_found(checkerboard, fit):
    carts = orders_of([[0, 2, 4, 6, 8, 10, 12, 14, 16], [1, 3, 5, 7, 9, 11, 13, 15, 17]], 20)
    scores = item_weights.score(fit(checkerboard), carts)
    scores = scores.toarray() if scipy.sparse.issparse(scores) else scores.copy()
    scores[carts.nonzero()] = -np.inf
    assert scores.argmax(axis=1).tolist() == [18, 19]


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS.keys())
def test_an_item_never_contributes_to_itself(checkerboard, fit):
    weights = fit(checkerboard)
    matrix = weights.to_sparse() if isinstance(weights, ItemWeights) else weights
    assert not np.any(matrix.diagonal())


def test_counts_confidence_and_lift_by_hand():
    orders = orders_of([[0, 1], [0, 1], [0, 1, 2], [0], [3]], 4)
    counts = item_weights.co_purchase_counts(orders).toarray()
    assert counts[0].tolist() == [4, 3, 1, 0]
    assert rule_confidence(orders).toarray()[0, 1] == pytest.approx(3 / 4)
    assert rule_confidence(orders).toarray()[1, 0] == pytest.approx(1)
    lift = rule_lift(orders, min_support=3).toarray()
    assert lift[0, 1] == pytest.approx((3 / 5) / (4 / 5 * 3 / 5))
    assert lift[0, 2] == 0  # seen together in one order only
    assert co_purchase_cosine(orders, shrink=2).toarray()[0, 1] == pytest.approx(3 / (12**0.5 + 2))


def test_truncation_keeps_the_strongest_positive_weights():
    weights = np.array([[0, 0.5, -2, 0.7], [0, 0, 0, 0], [0.1, 0.1, 0, 0.1], [1, 0, 0, 0]], np.float32)
    for form in (weights, scipy.sparse.csr_matrix(weights)):
        table = item_weights.truncate(form, n=2)
        assert table.neighbours.tolist() == [[3, 1], [-1, -1], [0, 1], [0, -1]]
        np.testing.assert_allclose(table.weights, [[0.7, 0.5], [0, 0], [0.1, 0.1], [1, 0]])


def test_truncation_wider_than_the_catalogue_is_padded():
    table = item_weights.truncate(np.array([[0, 1], [1, 0]], np.float32), n=5)
    assert table.neighbours.tolist() == [[1, -1, -1, -1, -1], [0, -1, -1, -1, -1]]


def test_truncated_weights_score_as_the_matrix_they_keep(checkerboard):
    weights = co_purchase_cosine(checkerboard)
    table = item_weights.truncate(weights, n=20)
    np.testing.assert_allclose(table.score(checkerboard).toarray(), (checkerboard @ weights).toarray(), rtol=1e-5)


def test_an_order_counts_an_item_once_whatever_its_lines():
    purchases = pd.DataFrame({"order_id": ["a", "a", "a", "b", ""], "item_id": ["x", "x", "y", "unknown", "x"]})
    matrix = item_weights.order_matrix(purchases, pd.Index(["x", "y"]))
    assert matrix.toarray().tolist() == [[1, 1]]


def test_bad_settings_say_what_to_do(checkerboard):
    with pytest.raises(ConfigError, match="at least 1 neighbour"):
        item_weights.truncate(np.eye(3, dtype=np.float32), n=0)
    with pytest.raises(SchemaError, match="a column for each of the 20 items"):
        item_weights.score(fit_ease(checkerboard), checkerboard[:, :5])


def test_a_table_whose_padding_carries_weight_is_refused():
    with pytest.raises(SchemaError, match="Set the padding"):
        ItemWeights(np.array([[-1], [0]], np.int32), np.array([[1], [1]], np.float32))
