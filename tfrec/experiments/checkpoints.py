"""Gives a verdict on each of many running experiments from their summaries (count, mean, variance)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError, nearest_hint
from tfrec.experiments.assignment import check_sample_ratio
from tfrec.experiments.read_out import holm
from tfrec.experiments.sequential import Verdict, read_sequentially
from tfrec.statistics.two_samples import compare_moments

COLUMNS = ("count_c", "mean_c", "variance_c", "count_t", "mean_t", "variance_t")
"""Cumulative figures of control (c) and treatment (t)."""

TIME = "time_since_start"
COMPARISON_COLUMNS = (
    "experiment_id", "variant_id", "metric_id", "checkpoints", "n", "control", "treatment", "difference", "low", "high",
    "p_value", "adjusted_p_value", "always_low", "always_high", "always_p_value", "has_faded", "fixed", "sequential",
    "fixed_ever", "decided_at", "called_at", "sample_ratio_p", "is_alarm",
)  # fmt: skip
"""Of `CheckpointVerdicts.comparisons`."""
_KEYS = ("experiment_id", "variant_id", "metric_id")


@dataclasses.dataclass(frozen=True)
class CheckpointVerdicts:
    """Verdicts on a log of checkpoints.

    Attributes:
        experiments: one row an experiment: `experiment_id`, `variants`, `metrics`, `checkpoints`, `n` (users of all
            its comparisons), `sample_ratio_p`, `is_alarm`, `fixed` and `sequential` (verdicts over its comparisons:
            better, worse, mixed, undecided; invalid on an alarm), and of the most significant comparison
            `variant_id`, `metric_id`, `relative`, `low`, `high` (always-valid, relative to control), `decided_at`, and
            `has_faded`: decided on the way, and no longer clear at the end (the effect drifts).
        comparisons: one row an experiment, variant and metric, with `n`, `control`, `treatment`, `difference`, fixed
            and always-valid ends, p-values, verdicts and the time at which each was first reached.
        skipped: checkpoints set aside: without a variance, or with fewer users than before.
        level: confidence level of each experiment as a whole.
    """

    experiments: pd.DataFrame
    comparisons: pd.DataFrame
    skipped: int
    level: float

    @property
    def num_peeked(self) -> int:
        """Experiments that some single look would have called, and that stay undecided when looking is paid for."""
        is_called = self.experiments["fixed_ever"]
        return int((is_called & (self.experiments["sequential"] == "undecided")).sum())


def is_checkpoint_log(table: pd.DataFrame) -> bool:
    """Returns whether a table holds checkpoints rather than users."""
    return set(COLUMNS) <= set(map(str, table.columns))


def judge_checkpoints(
    table: pd.DataFrame,
    *,
    metrics: tuple[str, ...] = (),
    down: tuple[str, ...] = (),
    shares: Mapping[str, float] | None = None,
    level: float = 0.95,
    threshold: float = 0.001,
) -> CheckpointVerdicts:
    """Reads every experiment of a log.

    An experiment's comparisons (variants × metrics) share its error: at the end by Holm (1979), on the way by
    Bonferroni over the always-valid intervals. The sample-ratio alarm is that of the worst variant.

    Args:
        table: `COLUMNS`, cumulative, and where there are several `experiment_id`, `variant_id`, `metric_id`,
            `time_since_start`.
        metrics: the metrics that decide; all when left out.
        down: metrics of which less is better.
        shares: `control` and `treatment` share by design; even when left out.
        level: confidence level of each experiment.
        threshold: threshold of the sample-ratio alarm.

    Raises:
        SchemaError: a column is missing, a metric unknown, or nothing can be read.
    """
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise SchemaError(f"A log of checkpoints needs {', '.join(COLUMNS)}; missing: {', '.join(missing)}.")
    log = _usable(table)
    metric_ids = sorted(log["metric_id"].unique())
    for name in (*metrics, *down):
        if name not in metric_ids:
            raise SchemaError(f"No metric is called {name!r}.{nearest_hint(name, metric_ids)}")
    log = log[log["metric_id"].isin(metrics)] if metrics else log
    if log.empty:
        raise SchemaError("No checkpoint has two users an arm and a variance. Wait for more data.")
    rows = []
    for experiment, own in log.groupby("experiment_id", sort=True):
        parts = list(own.groupby(["variant_id", "metric_id"], sort=True))
        fixed = [_last(part, level) for _, part in parts]
        adjusted = holm(np.array([one["p_value"] for one in fixed]))
        each = 1 - (1 - level) / len(parts)
        for ((variant, metric), part), at_end, p in zip(parts, fixed, adjusted, strict=True):
            sign = -1.0 if metric in down else 1.0
            path = read_sequentially(*(part[name].to_numpy() for name in COLUMNS), level=each)
            ratio = check_sample_ratio(
                {"control": int(part["count_c"].iloc[-1]), "treatment": int(part["count_t"].iloc[-1])},
                shares=shares,
                threshold=threshold,
            )
            times = part[TIME].to_numpy()
            rows.append(
                {
                    "experiment_id": experiment, "variant_id": variant, "metric_id": metric, "checkpoints": len(part),
                    **at_end, "adjusted_p_value": float(p), "always_low": path.low[-1], "always_high": path.high[-1],
                    "always_p_value": path.p_values[-1],
                    "has_faded": path.decided_at >= 0 and path.low[-1] <= 0 <= path.high[-1],
                    "fixed": _verdict(p < 1 - level, at_end["difference"] * sign),
                    "sequential": _verdict(path.decided_at >= 0, path.differences[path.decided_at] * sign),
                    "fixed_ever": path.naive_at >= 0,
                    "decided_at": times[path.decided_at] if path.decided_at >= 0 else np.nan,
                    "called_at": times[path.naive_at] if path.naive_at >= 0 else np.nan,
                    "sample_ratio_p": ratio.p_value, "is_alarm": ratio.is_alarm,
                }
            )  # fmt: skip
    comparisons = pd.DataFrame(rows)[list(COMPARISON_COLUMNS)]
    experiments = pd.DataFrame([_whole(own) for _, own in comparisons.groupby("experiment_id", sort=True)])
    return CheckpointVerdicts(experiments, comparisons, len(table) - len(_usable(table)), level)


def _usable(table: pd.DataFrame) -> pd.DataFrame:
    """Checkpoints with a variance, in the order of time; where users get lost on the way, those are set aside."""
    log = table.copy()
    for name in _KEYS:
        log[name] = log[name].astype("str") if name in log.columns else "all"
    if TIME not in log.columns:
        log[TIME] = np.arange(len(log), dtype=np.float64)
    log = log.dropna(subset=list(COLUMNS))
    log = log[(log["count_c"] >= 2) & (log["count_t"] >= 2) & (log["variance_c"] + log["variance_t"] > 0)]
    log = log.sort_values([*_KEYS, TIME], kind="stable")
    reached = log.groupby(list(_KEYS))[["count_c", "count_t"]].cummax()
    return log[(log[["count_c", "count_t"]] >= reached).all(axis=1)]


def _last(part: pd.DataFrame, level: float) -> dict[str, Any]:
    comparison = compare_moments(*(float(part[name].iloc[-1]) for name in COLUMNS), level=level)
    return {
        "n": comparison.difference.n, "control": comparison.control.value, "treatment": comparison.treatment.value,
        "difference": comparison.difference.value, "low": comparison.difference.low, "high": comparison.difference.high,
        "p_value": comparison.difference.p_value,
    }  # fmt: skip


def _verdict(is_clear: bool, gain: float) -> Verdict:
    if not is_clear:
        return "undecided"
    return "better" if gain > 0 else "worse"


def _whole(own: pd.DataFrame) -> dict[str, Any]:
    lead = own.loc[own["always_p_value"].add(own["adjusted_p_value"] * 1e-6).idxmin()]
    base = lead["control"] if lead["control"] else np.nan
    is_alarm = bool(own["is_alarm"].any())
    decided = own["sequential"] != "undecided"
    variants = own.drop_duplicates("variant_id")
    return {
        "experiment_id": lead["experiment_id"],
        "variants": len(variants),
        "metrics": own["metric_id"].nunique(),
        "checkpoints": int(own["checkpoints"].max()),
        "n": int(own.groupby("variant_id")["n"].max().sum()),
        "sample_ratio_p": float(own["sample_ratio_p"].min()),
        "is_alarm": is_alarm,
        "fixed": "invalid" if is_alarm else _together(own["fixed"]),
        "sequential": "invalid" if is_alarm else _together(own["sequential"]),
        "fixed_ever": bool(own["fixed_ever"].any()),
        "variant_id": lead["variant_id"],
        "metric_id": lead["metric_id"],
        "relative": float(lead["difference"] / base),
        "low": float(lead["always_low"] / base),
        "high": float(lead["always_high"] / base),
        "decided_at": float(lead["decided_at"]),
        "has_faded": not is_alarm and bool(decided.any() and own.loc[decided, "has_faded"].all()),
    }


def _together(verdicts: pd.Series) -> str:
    decided = set(verdicts) - {"undecided"}
    if not decided:
        return "undecided"
    return decided.pop() if len(decided) == 1 else "mixed"
