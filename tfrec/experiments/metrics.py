"""Chooses how each metric is compared, by the values of its column."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.experiments.read_out import HeavyTailMetric, MeanMetric, Metric, RatioMetric
from tfrec.experiments.shop_metrics import BEFORE
from tfrec.experiments.user_tables import require

_HEAVY = 3.0  # skewness from which the normal interval of a mean is no longer trusted
_SMALL = 200_000  # users up to which 2,000 resamples of adjusted values are quick


def choose_metrics(
    users: pd.DataFrame, names: Sequence[str], *, down: Sequence[str] = (), cap_quantile: float = 0.99
) -> dict[str, Metric]:
    """Returns name → metric.

    `a/b` is the ratio of sums; an amount that is never negative and heavily skewed is compared with random new
    assignments; all others are means. A column `NAME_before` is the covariate of `NAME` (CUPED).

    Heavy tails are capped, for one buyer can rule a shop: one of Online Retail has 11 % of the value, and hides any
    effect on the others.

    Args:
        users: the table that will be read out.
        names: metrics in any order.
        down: of which less is better.
        cap_quantile: amounts with heavy tails are capped at that quantile of those that are not 0; 1 caps nothing.

    Raises:
        SchemaError: a column is missing, or holds no numbers.
    """
    require(users, [name for name in down if "/" not in name], what="The table of users")
    found: dict[str, Metric] = {}
    for name in names:
        is_good_up = name not in down
        if "/" in name and name not in users.columns:
            top, _, bottom = (part.strip() for part in name.partition("/"))
            _check_numbers(users, [top, bottom])
            found[name] = RatioMetric(name, top, bottom, is_good_up=is_good_up)
            continue
        _check_numbers(users, [name])
        before = name + BEFORE if name + BEFORE in users.columns else ""
        values = users[name].to_numpy(np.float64)
        if _is_heavy(values):
            covariate = before if len(values) <= _SMALL else ""
            found[name] = HeavyTailMetric(name, covariate, cap_quantile=cap_quantile, is_good_up=is_good_up)
        else:
            found[name] = MeanMetric(name, before, is_good_up=is_good_up)
    return found


def _is_heavy(values: np.ndarray) -> bool:
    if np.isin(values, (0.0, 1.0)).all() or (values < 0).any():
        return False
    return float(pd.Series(values).skew()) > _HEAVY


def _check_numbers(users: pd.DataFrame, columns: Sequence[str]) -> None:
    require(users, list(columns), what="The table of users")
    for name in columns:
        if not pd.api.types.is_numeric_dtype(users[name]):
            raise SchemaError(f"The metric {name!r} must be numbers; got {users[name].dtype}. Correct the column.")
        if users[name].isna().any():
            raise SchemaError(
                f"The metric {name!r} is missing for {int(users[name].isna().sum()):,} users. Who did nothing has 0."
            )
