"""Counts the items that pages ask for."""

import numpy as np

from tfrec.schema.inputs import STANDARD_WIDGETS


def page_sizes(is_named: np.ndarray, widget_sizes: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Returns how many items each page has at most: those of all its widgets, `[B]` int64.

    Args:
        is_named: `[B, W]` whether a widget stands here. A row of none has the standard widgets.
        widget_sizes: `[B, V]` numbers of items of each, 0 or missing = `k`.
        k: `[B]` numbers of items of a widget that has no size.

    Examples:
        >>> page_sizes(np.array([[True, True], [False, False]]), np.array([[4], [0]]), np.array([3, 3])).tolist()
        [7, 9]
    """
    most = np.maximum(k, 0)
    given = widget_sizes[:, : is_named.shape[1]]
    sizes = np.pad(given, ((0, 0), (0, is_named.shape[1] - given.shape[1])))
    named = (np.where(sizes > 0, sizes, most[:, None]) * is_named).sum(axis=1)
    return np.where(is_named.any(axis=1), named, most * len(STANDARD_WIDGETS))
