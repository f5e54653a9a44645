"""Draws a band about a curve from bootstrap draws, which holds the whole curve with the stated level."""

import numpy as np


def uniform_band(curve: np.ndarray, draws: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends `[G]` of the sup-t band `curve ± c · s` (Montiel Olea & Plagborg-Møller 2019).

    `s` is the standard deviation of the draws at each point, and `c` the quantile `level` of the largest deviation of a
    draw in units of `s`, `max_g |draw_g − curve_g| / s_g`. So the whole true curve lies inside in `level` of samples; a
    band of intervals for each point alone, some 2 `s` wide, holds it far less often.

    Args:
        curve: `[G]` the estimate.
        draws: `[R, G]` the same of each resample.
        level: confidence level of the whole band.
    """
    spread = draws.std(axis=0, ddof=1)
    usable = spread > 0
    if not usable.any():
        return curve.copy(), curve.copy()
    largest = (np.abs(draws[:, usable] - curve[usable]) / spread[usable]).max(axis=1)
    half = float(np.quantile(largest, level)) * spread
    return curve - half, curve + half
