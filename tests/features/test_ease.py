import numpy as np
import pytest
import scipy.sparse

from tfrec.errors import ConfigError
from tfrec.features.ease import fit_ease, fit_ease_in_parts
from tfrec.features.item_weights import truncate


@pytest.fixture(scope="module")
def checkerboard():
    """Even orders hold even items, odd orders odd ones, each but one of them, 20 items."""
    rows = [[item % 2 == order % 2 and item != order % 20 for item in range(20)] for order in range(60)]
    return scipy.sparse.csr_matrix(np.array(rows, np.float32))


@pytest.fixture(scope="module")
def random_orders():
    """300 orders over 40 items; the first are bought most."""
    rng = np.random.default_rng(3)
    return scipy.sparse.csr_matrix((rng.random((300, 40)) < np.linspace(0.35, 0.1, 40)).astype(np.float32))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_ease_beats_every_other_linear_model_on_its_own_objective(checkerboard, dropout):
    """No nudge that keeps the diagonal 0 lowers ‖X − XB‖² + l2‖B‖² + p/(1 − p) Σ_i n_i ‖B_i‖²."""
    dense = checkerboard.toarray()
    weights = fit_ease(checkerboard, l2=5.0, dropout=dropout).astype(np.float64)
    penalty = 5.0 + dropout / (1 - dropout) * dense.sum(axis=0)

    def loss(candidate):
        return ((dense - dense @ candidate) ** 2).sum() + (penalty[:, None] * candidate**2).sum()

    rng = np.random.default_rng(0)
    for _ in range(50):
        nudge = rng.normal(size=weights.shape) * 1e-3
        np.fill_diagonal(nudge, 0)
        assert loss(weights + nudge) > loss(weights)


def test_neighbourhoods_as_wide_as_the_catalogue_are_ease_itself(random_orders):
    exact = truncate(fit_ease(random_orders, l2=10.0, dropout=0.3), n=8)
    near = truncate(fit_ease_in_parts(random_orders, l2=10.0, dropout=0.3, n=8, head=0, neighbourhood=39), n=8)
    assert (near.neighbours == exact.neighbours).mean() > 0.99
    np.testing.assert_allclose(near.weights, exact.weights, atol=1e-5)


def test_head_as_wide_as_the_catalogue_is_ease_itself(random_orders):
    exact = fit_ease(random_orders, l2=10.0, dropout=0.3)
    whole = fit_ease_in_parts(random_orders, l2=10.0, dropout=0.3, n=39, head=40, neighbourhood=5)
    np.testing.assert_allclose(whole.toarray(), exact, atol=1e-5)


def test_frequent_items_are_solved_together_and_rare_ones_in_neighbourhoods(random_orders):
    settings = {"l2": 10.0, "n": 39, "neighbourhood": 5}
    weights = fit_ease_in_parts(random_orders, head=10, **settings).toarray()
    near = fit_ease_in_parts(random_orders, head=0, **settings).toarray()
    often = np.sort(np.argsort(-random_orders.toarray().sum(axis=0), kind="stable")[:10])
    together = np.ix_(often, often)
    np.testing.assert_allclose(weights[together], fit_ease(random_orders[:, often], l2=10.0), atol=1e-5)
    assert (weights[together] < 0).any()  # negative weights are kept
    weights[together] = near[together] = 0
    np.testing.assert_array_equal(weights, near)


def test_each_frequent_item_keeps_its_strongest_weights_in_row_and_column(random_orders):
    exact = fit_ease(random_orders, l2=10.0)
    kept = fit_ease_in_parts(random_orders, l2=10.0, n=3, head=40, neighbourhood=5).toarray()
    for item in range(40):
        assert set(np.argsort(-np.abs(exact[item]))[:3]) <= set(np.flatnonzero(kept[item]))
        assert set(np.argsort(-exact[:, item])[:3]) <= set(np.flatnonzero(kept[:, item]))
    assert np.count_nonzero(kept) <= 2 * 3 * 40
    np.testing.assert_allclose(kept[kept != 0], exact[kept != 0], atol=1e-5)


def test_few_pairs_are_held_when_memory_is_short(checkerboard, caplog):
    cells = (np.ones(38, np.float32), (np.repeat(np.arange(19), 2), np.repeat(np.arange(20), 2)[1:-1]))
    stray = scipy.sparse.csr_matrix(cells, shape=(19, 20))  # neighbours once together: the first to be dropped
    orders = scipy.sparse.vstack([checkerboard, stray]).tocsr()
    held = fit_ease_in_parts(orders, l2=5.0, n=5, head=0, max_pairs=20 * 9).tocoo()
    assert "left out" in caplog.text
    assert held.nnz == 20 * 5
    assert (held.row % 2 == held.col % 2).all()


def test_bad_settings_say_what_to_do(checkerboard):
    for fit in (fit_ease, fit_ease_in_parts):
        with pytest.raises(ConfigError, match="`l2` must be above 0"):
            fit(checkerboard, l2=0)
        with pytest.raises(ConfigError, match="dropout"):
            fit(checkerboard, dropout=1.0)
    with pytest.raises(ConfigError, match="`head` must be 0 or above"):
        fit_ease_in_parts(checkerboard, head=-1)
    with pytest.raises(ConfigError, match="fit_ease_in_parts"):
        fit_ease(scipy.sparse.csr_matrix((2, 100_000), dtype=np.float32))
