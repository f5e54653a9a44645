"""Shops of buyers whose orders, dropout and spending follow a known law, for tests and benchmarks."""

import numpy as np
import pandas as pd

from tests.analysis.shops import shop
from tfrec.schema.tables import Tables

CDNOW = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "p": 6.25, "q": 3.74, "v": 15.44}
"""Parameters of the CDNOW sample: Fader, Hardie & Lee 2005 (orders), Fader & Hardie 2013 (values)."""


def buyers_who_leave(
    *, num: int, weeks: float, seed: int, joined_within: float = 12.0, first_may_be_last: bool = True, **law: float
) -> tuple[Tables, pd.Series]:
    """Returns a shop whose buyers order at their own rates until they drop out (MBG/NBD, Gamma–Gamma), and who has not.

    Args:
        num: buyers.
        weeks: length of the log.
        seed: random seed.
        joined_within: weeks in which all place their first order.
        first_may_be_last: whether a buyer may drop out at the first order; if not, orders follow BG/NBD.
        **law: what differs from `CDNOW`; rates are per week.
    """
    rng = np.random.default_rng(seed)
    law = {**CDNOW, **law}
    rates, drops = rng.gamma(law["r"], 1 / law["alpha"], num), rng.beta(law["a"], law["b"], num)
    scales = 1 / rng.gamma(law["q"], 1 / law["v"], num)
    rows, active = [], {}
    for number in range(num):
        week = rng.uniform(0, joined_within)
        rows.append((f"u{number}", week * 7, rng.gamma(law["p"], scales[number])))
        is_active = not first_may_be_last or rng.random() > drops[number]
        while is_active:
            week += rng.exponential(1 / rates[number])
            if week >= weeks:
                break
            rows.append((f"u{number}", week * 7, rng.gamma(law["p"], scales[number])))
            is_active = rng.random() > drops[number]
        active[f"u{number}"] = is_active
    return _shop(rows, weeks * 7), pd.Series(active)


def buyers_who_stay(*, num: int, days: float, seed: int, scale: float = 1.0) -> Tables:
    """Returns a shop whose buyers never leave: each orders at random times, every 10 to 120 days in the mean.

    Args:
        num: buyers.
        days: length of the log.
        seed: random seed.
        scale: what all prices are multiplied with.
    """
    rng = np.random.default_rng(seed)
    gaps, means = rng.uniform(10, 120, num), rng.lognormal(4, 0.8, num) * scale
    rows = []
    for number in range(num):
        day = rng.uniform(0, 60)
        while day < days:
            rows.append((f"u{number}", day, means[number] * rng.lognormal(0, 0.3)))
            day += gaps[number] * rng.gamma(0.8, 1 / 0.8)
    return _shop(rows, days)


def _shop(rows: list[tuple[str, float, float]], days: float) -> Tables:
    events = pd.DataFrame(rows, columns=["user_id", "days", "price"]).assign(item_id="x", event_type="purchase")
    events.loc[len(events)] = {"user_id": "", "days": days, "price": np.nan, "item_id": "x", "event_type": "view"}
    return shop(events.to_dict("list"))
