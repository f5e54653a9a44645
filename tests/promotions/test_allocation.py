import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from tfrec.errors import ConfigError, SchemaError
from tfrec.promotions.allocation import allocate, offers_at_price


def _lp_optimum(values, costs, budget, return_floor=0.0, groups=None, least=None):
    """The relaxation, solved by HiGHS."""
    n, num = values.shape
    rows, limits = [costs.ravel()], [budget]
    if return_floor:
        rows.append((return_floor * costs - values).ravel())
        limits.append(0.0)
    for group, count in (least or {}).items():
        rows.append(-np.repeat((groups == group).astype(float), num))
        limits.append(-count)
    one_each = np.kron(np.eye(n), np.ones(num))
    solved = optimize.linprog(
        -values.ravel(), A_ub=np.vstack([*rows, one_each]), b_ub=[*limits, *np.ones(n)],
        bounds=[(0, 1 if v > 0 else 0) for v in values.ravel()],
    )  # fmt: skip
    assert solved.status == 0
    return -solved.fun


def _problem(seed: int, n: int = 60, num: int = 4):
    rng = np.random.default_rng(seed)
    costs = np.round(rng.gamma(2.0, 2.0, (n, num)), 2)
    return np.round(rng.normal(1, 2, (n, num)) * np.sqrt(costs + 0.1), 2), costs


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**9), n=st.integers(1, 40), num=st.integers(1, 5), tightness=st.floats(0, 1.2))
def test_budget_is_never_exceeded_and_sleeping_dogs_are_left_alone(seed, n, num, tightness):
    rng = np.random.default_rng(seed)
    costs = np.round(rng.gamma(1.0, 2.0, (n, num)), int(rng.integers(0, 4)))
    values = np.round(rng.normal(0.5, 2, (n, num)), 2)
    budget = float(tightness * costs.max(axis=1).sum())
    result = allocate(values, costs, budget=budget)
    given_to = np.flatnonzero(result.offers >= 0)
    assert costs[given_to, result.offers[given_to]].sum() <= budget + 1e-9
    assert result.cost <= budget
    assert (values[given_to, result.offers[given_to]] > 0).all()
    assert result.value <= result.bound + 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_bound_is_the_linear_relaxation_and_the_value_lies_close_below(seed):
    values, costs = _problem(seed, n=200)
    budget = 0.15 * costs.min(axis=1).sum()
    result = allocate(values, costs, budget=budget)
    assert result.bound == pytest.approx(_lp_optimum(values, costs, budget), rel=1e-6)
    assert result.gap < 0.02


@pytest.mark.parametrize("seed", range(8))
def test_return_floor_and_group_floors_hold_and_the_bound_stays_the_relaxation(seed):
    values, costs = _problem(seed, n=150)
    groups = np.random.default_rng(seed).choice(["north", "south"], 150)
    values[groups == "south"] *= 0.3
    can = {g: int(((values > 0).any(axis=1) & (groups == g)).sum()) for g in ("north", "south")}
    least = {"south": int(np.ceil(0.5 * can["south"] - 1e-9))}
    budget = 0.4 * costs.min(axis=1).sum() + 10
    result = allocate(values, costs, budget=budget, return_floor=1.2, groups=groups, group_floors={"south": 0.5})
    served = ((result.offers >= 0) & (groups == "south")).sum()
    assert served >= least["south"]
    assert result.value >= 1.2 * result.cost - 1e-6
    assert result.cost <= budget
    optimum = _lp_optimum(values, costs, budget, 1.2, groups, least)
    assert result.bound == pytest.approx(optimum, rel=1e-4)
    assert result.value >= 0.97 * optimum


def test_tiny_problem_is_solved_as_by_hand():
    # Two offers (cost 1 and 3) to three users, budget 4: user 0 gets the dear one, user 1 the cheap one.
    values = np.array([[2.0, 9.0], [3.0, 4.0], [1.0, 1.0]])
    result = allocate(values, np.array([1.0, 3.0]), budget=4.0)
    assert result.offers.tolist() == [1, 0, -1]
    assert (result.value, result.cost) == (12.0, 4.0)


def test_exact_fit_in_cents_is_used_up():
    result = allocate(np.ones((3, 1)), np.array([1.1]), budget=3.3)
    assert result.num_treated == 3
    assert allocate(np.ones((3, 1)), np.array([1.1]), budget=3.29).num_treated == 2


def test_float_just_below_a_sum_is_below_it():
    costs = np.array([[0.1], [0.2]])
    just_below = np.nextafter(0.3, 0)
    result = allocate(np.ones((2, 1)), costs, budget=float(just_below))
    assert result.num_treated == 1
    assert result.cost <= just_below
    assert allocate(np.ones((2, 1)), costs, budget=0.3).num_treated == 2


def test_free_offers_that_help_are_given_even_without_a_budget():
    assert allocate(np.array([[1.0], [-1.0]]), np.array([0.0]), budget=0.0).offers.tolist() == [0, -1]


def test_caps_and_eligibility_are_respected():
    values, costs = _problem(3)
    is_eligible = np.random.default_rng(0).random(values.shape) < 0.5
    result = allocate(values, costs, budget=200.0, is_eligible=is_eligible, max_cost_per_user=3.0)
    rows = np.flatnonzero(result.offers >= 0)
    assert is_eligible[rows, result.offers[rows]].all()
    assert costs[rows, result.offers[rows]].max() <= 3.0
    none = allocate(values, costs, budget=200.0, is_eligible=np.zeros(len(values), dtype=bool))
    assert none.num_treated == 0


def test_floor_never_wakes_a_sleeping_dog():
    values = np.array([[5.0], [-1.0], [-2.0], [0.5]])
    result = allocate(
        values, np.array([1.0]), budget=2.0, groups=np.array(["a", "b", "b", "b"]), group_floors={"b": 1.0}
    )
    assert result.offers.tolist() == [0, -1, -1, 0]


def test_rule_at_the_price_repeats_the_allocation_but_for_the_last_fill():
    values, costs = _problem(5, n=2000)
    result = allocate(values, costs, budget=900.0)
    ruled = offers_at_price(values, costs, price=result.price)
    assert (ruled == result.offers).mean() > 0.995


def test_impossible_floors_say_what_they_would_cost():
    with pytest.raises(ConfigError, match=r"at least 4\.00"):
        allocate(np.ones((4, 1)), np.array([1.0]), budget=3.0, groups=np.array(["a"] * 4), group_floors={"a": 1.0})


def test_errors_name_the_cause():
    with pytest.raises(ConfigError, match="budget"):
        allocate(np.ones((1, 1)), np.ones(1), budget=-1)
    with pytest.raises(SchemaError, match="costs"):
        allocate(np.ones((2, 2)), np.ones(3), budget=1)
    with pytest.raises(SchemaError, match="finite"):
        allocate(np.full((2, 2), np.nan), np.ones(2), budget=1)
    with pytest.raises(ConfigError, match="group_floors"):
        allocate(np.ones((2, 1)), np.ones(1), budget=1, groups=np.array(["a", "b"]), group_floors={"c": 0.5})
