import numpy as np
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.promotions.allocation import allocate
from tfrec.promotions.discounts import choose_discounts, fit_price_response


def _log(n: int = 20_000, seed: int = 0, is_confounded: bool = False):
    """Bargain hunters (x0 = 1) answer discounts steeply, others not at all; x1 moves the base rate."""
    rng = np.random.default_rng(seed)
    hunter = rng.integers(2, size=n).astype(float)
    base = rng.normal(size=n)
    discount = rng.choice([0.0, 0.1, 0.2, 0.3], size=n)
    if is_confounded:  # good customers got more
        discount = np.clip(np.round(0.15 + 0.08 * base + rng.normal(0, 0.06, n), 2), 0, 0.3)
    logit = -1.5 + 0.8 * base + 8.0 * hunter * discount
    bought = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return np.stack([hunter, base], axis=1), discount, bought


def test_only_bargain_hunters_get_a_discount():
    x, discount, bought = _log()
    response = fit_price_response(x, discount, bought, resamples=10)
    choice = choose_discounts(response, x, prices=100.0, margins=0.5, levels=[0.1, 0.2, 0.3])
    given = choice.levels[choice.chosen]
    assert given[x[:, 0] == 1].mean() > 0.15
    assert given[x[:, 0] == 0].mean() < 0.03
    assert choice.gain > 0
    assert choice.gain_over_uniform > 0


def test_probabilities_are_those_of_the_world():
    x, discount, bought = _log(40_000)
    response = fit_price_response(x, discount, bought, resamples=5)
    for level in (0.0, 0.3):
        hunters = response.probability(np.array([[1.0, 0.0]]), level)[0]
        assert hunters == pytest.approx(1 / (1 + np.exp(1.5 - 8 * level)), abs=0.05)


@pytest.mark.slow
def test_selected_discounts_do_not_pass_for_response():
    x, discount, bought = _log(40_000, is_confounded=True)
    raw = np.polyfit(discount, bought, 1)[0] * 0.1
    response = fit_price_response(x, discount, bought, resamples=20)
    # Truth: the average derivative over hunters only; the raw slope counts the good customers' base rate too.
    chance = 1 / (1 + np.exp(-(-1.5 + 0.8 * x[:, 1] + 8 * x[:, 0] * discount)))
    truth = float((chance * (1 - chance) * 8 * x[:, 0]).mean() * 0.1)
    assert raw > 1.5 * truth
    assert response.average_slope.value == pytest.approx(truth, rel=0.25)


def test_larger_discount_never_lowers_the_chance():
    x, discount, bought = _log(3000, seed=2)
    response = fit_price_response(x, discount, 1 - bought, resamples=3)  # a world turned upside down
    low, high = response.probability(x, 0.0), response.probability(x, 0.3)
    assert (high >= low).all()


def test_levels_go_into_the_budgeted_allocation():
    x, discount, bought = _log()
    choice = choose_discounts(
        fit_price_response(x, discount, bought, resamples=3), x, prices=100.0, margins=0.5, levels=[0.1, 0.2]
    )
    plan = allocate(choice.values, choice.costs, budget=1000.0)
    assert plan.cost <= 1000.0
    assert x[plan.offers >= 0, 0].mean() > 0.95


def test_errors_name_the_cause():
    x, discount, bought = _log(500)
    with pytest.raises(SchemaError, match="Divide percentages"):
        fit_price_response(x, discount * 100, bought)
    with pytest.raises(SchemaError, match="varied"):
        fit_price_response(x, np.zeros(500), bought)
    response = fit_price_response(x, discount, bought, resamples=3)
    with pytest.raises(ConfigError, match="test the larger discount"):
        choose_discounts(response, x, prices=1.0, margins=0.5, levels=[0.5])
