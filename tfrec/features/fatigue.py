"""Learns how much less an item is clicked each time that it was shown before and not clicked (ad fatigue)."""

import numpy as np
import pandas as pd

MOST = 10
"""Times shown that are distinguished; more count as so many."""
_VISITS_APART = pd.Timedelta(days=30)  # after so long without it an item is new to a shopper again
_PRIOR = 20.0  # clicks that the setting weighs against those of the log


def learn_fatigue(impressions: pd.DataFrame, *, factor: float) -> np.ndarray:
    """Returns `[MOST + 1]` float32: what is left of the chance of a click after n showings without one, from 1 at 0.

    Clicks after n showings are compared with as many first showings of the same items, each at its item's own rate:
    popular items are shown more often. The rates are not those of one shopper but of those who did not click before,
    which is what is known when the next slate is chosen.

    Args:
        impressions: `user_id`, `item_id`, `timestamp`, `clicked` (1, 0, NaN unknown), up to the moment of training.
            Guests and unknown outcomes are left out; where nothing is left, the answer is `factor ** n`.
        factor: what is left after each showing where the log cannot say; it weighs as much as twenty clicks.

    Examples:
        A shopper in whose log nothing was shown twice:

        >>> learn_fatigue(pd.DataFrame(columns=["user_id", "item_id", "timestamp", "clicked"]), factor=0.5)[:3]
        array([1.  , 0.5 , 0.25], dtype=float32)
    """
    expected: np.ndarray = np.zeros(MOST + 1)
    clicks: np.ndarray = np.zeros(MOST + 1)
    shown = impressions[(impressions["user_id"] != "") & impressions["clicked"].notna()]
    if len(shown):
        shown = shown.sort_values("timestamp", kind="stable")
        clicked = shown["clicked"].to_numpy(float) > 0
        before = _showings_before(shown, clicked)
        item = pd.factorize(shown["item_id"])[0]
        first = before == 0
        shows, hits = (np.bincount(item[first], weights, item.max() + 1) for weights in (None, clicked[first]))
        rate = hits / np.maximum(shows, 1)
        is_known = shows[item] > 0
        expected = np.bincount(before[is_known], rate[item[is_known]], MOST + 1)
        clicks = np.bincount(before[is_known], clicked[is_known], MOST + 1)
    prior = factor ** np.arange(MOST + 1)
    left = (clicks + _PRIOR * prior) / (expected + _PRIOR)
    left[0] = 1.0
    return np.minimum.accumulate(left).astype(np.float32)


def _showings_before(shown: pd.DataFrame, clicked: np.ndarray) -> np.ndarray:
    """Returns `[n]` how many times each row's item was shown to its user since the last click, or the last long pause.

    Rows are in the order of time.
    """
    pair = shown.groupby(["user_id", "item_id"], sort=False).ngroup().to_numpy()
    order = np.argsort(pair, kind="stable")
    ordered, time = pair[order], shown["timestamp"].to_numpy()[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (ordered[1:] != ordered[:-1]) | clicked[order][:-1] | (time[1:] - time[:-1] > _VISITS_APART)
    place = np.arange(len(order))
    since = place - np.maximum.accumulate(np.where(begins, place, 0))
    before = np.empty(len(order), np.int64)
    before[order] = np.minimum(since, MOST)
    return before
