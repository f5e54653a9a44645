"""The section on models, from what `tfrec evaluate` wrote."""

from tfrec.report.sections.models import _duel
from tfrec.report.words import language


def test_a_comparison_on_one_order_has_no_interval():
    duel = {
        "method": "tfrec",
        "baseline": "ease",
        "column": "HR@10",
        "comparison": {"difference": {"value": 0.1, "low": None, "high": None, "num_queries": 5}},
    }
    assert _duel(duel, "Cart", language("en")).endswith("on HR@10: +0.100 (too few orders for an interval).")
    assert "+0.100" in _duel(duel, "Cart", language("zh"))
