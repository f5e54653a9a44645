"""Writes numbers for readers: money with thousands separators and its currency, figures without exponents."""

import math


def money(value: float, currency: str = "", *, is_signed: bool = False) -> str:
    """Returns an amount with two decimals, or with two significant digits where it is small, and its currency.

    Examples:
        >>> money(4324.168, "EUR"), money(0.00431), money(-3.2, is_signed=True)
        ('4,324.17 EUR', '0.0043', '-3.20')
    """
    text = _fixed(value, is_signed=is_signed, significant=2, least=2)
    return f"{text} {currency}" if currency else text


def figure(value: float, *, is_signed: bool = False) -> str:
    """Returns a number with four significant digits, from 1,000 on a whole one.

    Examples:
        >>> figure(43241.68), figure(3.14159), figure(0.05831), figure(0.00004)
        ('43,242', '3.142', '0.05831', '0.00004')
    """
    text = _fixed(value, significant=4, least=0, is_signed=is_signed)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fixed(value: float, *, significant: int, least: int, is_signed: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    digits = least
    if value:
        digits = max(least, significant - 1 - math.floor(math.log10(abs(value))))
    return f"{value:{'+' if is_signed else ''},.{min(digits, 12)}f}"
