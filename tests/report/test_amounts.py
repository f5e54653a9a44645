import pytest

from tfrec.report.amounts import figure, money


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(43_241.68, "43,241.68 EUR", id="thousands"),
        pytest.param(-0.129, "-0.13 EUR", id="cents"),
        pytest.param(0.00431, "0.0043 EUR", id="less than a cent"),
        pytest.param(0.0, "0.00 EUR", id="nothing"),
        pytest.param(float("nan"), "– EUR", id="unknown"),
    ],
)
def test_money_has_thousands_decimals_and_a_currency(value, text):
    assert money(value, "EUR") == text


def test_figures_have_no_exponents():
    assert figure(4_321_987.6) == "4,321,988"
    assert figure(0.0000123456) == "0.00001235"
    assert figure(3.0) == "3"
    assert figure(2.5, is_signed=True) == "+2.5"
