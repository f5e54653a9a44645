"""Computes the popularity of items as of a moment: recently, a year before, in each segment of users."""

import numpy as np

POPULARITY_DAYS = (7.0, 28.0, 84.0)
SEGMENT_DAYS = POPULARITY_DAYS[1]
"""Days before the moment that count for the popularity in segments."""

SEASON_DAYS = (350.0, 378.0)
"""Days before the moment that are the same season: two weeks on both sides of 364 days, of the same weekdays."""


def count_purchases(item: np.ndarray, days: np.ndarray, *, size: int) -> np.ndarray:
    """Returns `[size, len(POPULARITY_DAYS) + 1]` float32 times bought in the last days, then ever.

    Args:
        item: `[L]` item of each purchase.
        days: `[L]` days from each purchase to the moment.
        size: item indices, `N + 1`.
    """
    columns = [np.bincount(item[days <= limit], minlength=size) for limit in POPULARITY_DAYS]
    columns.append(np.bincount(item, minlength=size))
    return np.stack(columns, axis=1).astype(np.float32)


def count_season(item: np.ndarray, days: np.ndarray, *, size: int) -> np.ndarray:
    """Returns `[size]` float32 times bought in the same weeks a year before; zeros where the log does not reach back.

    Args:
        item: `[L]` item of each purchase.
        days: `[L]` days from each purchase to the moment.
        size: item indices, `N + 1`.
    """
    latest, earliest = SEASON_DAYS
    if not len(days) or days.max() < earliest:
        return np.zeros(size, np.float32)
    return np.bincount(item[(days > latest) & (days <= earliest)], minlength=size).astype(np.float32)


def popularity_in_segments(
    item: np.ndarray, segment: np.ndarray, days: np.ndarray, *, size: int, num_segments: int, prior: float
) -> np.ndarray:
    """Returns `[num_segments + 1, size]` float32 times that the whole shop would have bought, bought all as a segment.

    `n (count_s + m share) / (n_s + m)` over the last `SEGMENT_DAYS` days: `n` purchases of the shop, `n_s` and
    `count_s` of the segment, `share` of the item in the shop, `m` = `prior`. A small segment is shrunk to the shop;
    row 0 (segment unknown) is the shop's own count.

    Args:
        item: `[L]` item of each purchase.
        segment: `[L]` segment of who bought; 0 unknown.
        days: `[L]` days from each purchase to the moment.
        size: item indices, `N + 1`.
        num_segments: segments, without the 0.
        prior: purchases that the shop's share weighs in each segment.
    """
    is_late = days <= SEGMENT_DAYS
    item, segment = item[is_late], segment[is_late].astype(np.int64)
    cell = np.bincount(segment * size + item, minlength=(num_segments + 1) * size)
    count = cell.reshape(num_segments + 1, size).astype(np.float32)
    ever = count.sum(axis=0)
    total = float(ever.sum())
    if total == 0:
        return count
    share = ever / total
    mine = count.sum(axis=1, keepdims=True)
    result = total * (count + prior * share) / (mine + prior)
    result[0] = ever
    return result.astype(np.float32)
