import pytest

from tfrec.errors import ConfigError
from tfrec.statistics.estimates import normal_estimate


def test_estimates_of_another_sign_or_unit_keep_their_order():
    gain = normal_estimate(2.0, 0.5, 100)
    loss = gain.scaled(-10)
    assert (loss.value, loss.std_error) == (-20.0, 5.0)
    assert loss.low == pytest.approx(-29.8, abs=0.01)  # −20 − 1.96 · 5
    assert gain.is_positive and loss.is_negative
    assert loss.p_value == pytest.approx(gain.p_value) == pytest.approx(6.33e-5, rel=0.01)  # of the normal, at 4


def test_estimates_print_as_a_figure_with_its_interval():
    assert str(normal_estimate(0.325, 0.008, 3000)) == ".325 [.309, .341]"
    assert str(normal_estimate(0.0, 0.0, 0)) == "–"


def test_level_is_a_share():
    with pytest.raises(ConfigError, match="level"):
        normal_estimate(1, 1, 10, level=95)
