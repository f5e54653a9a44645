"""Removes from outcomes what covariates from before an experiment explain (CUPED)."""

import numpy as np

from tfrec.errors import SchemaError


def adjust_by_covariate(
    control: np.ndarray, treatment: np.ndarray, control_covariate: np.ndarray, treatment_covariate: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both arms' outcomes `[n]` less what the covariates explain (CUPED); the overall mean is kept."""
    x_c, x_t = (_columns(x) for x in (control_covariate, treatment_covariate))
    if len(x_c) != len(control) or len(x_t) != len(treatment):
        raise SchemaError(
            f"A covariate needs one row a user: got {len(x_c)} and {len(x_t)} rows for "
            f"{len(control)} and {len(treatment)} users. Take the covariate from the same table, in the same order."
        )
    x = np.concatenate([x_c, x_t])
    centre = x.mean(axis=0)
    # θ from within the arms, so that the effect itself does not enter it.
    within = np.concatenate([x_c - x_c.mean(axis=0), x_t - x_t.mean(axis=0)])
    y = np.concatenate([control - control.mean(), treatment - treatment.mean()])
    theta = np.linalg.lstsq(within, y, rcond=None)[0]
    return control - (x_c - centre) @ theta, treatment - (x_t - centre) @ theta


def _columns(values: np.ndarray) -> np.ndarray:
    """Returns covariates `[n, q]`; `[n]` values become one column."""
    values = np.asarray(values, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values
