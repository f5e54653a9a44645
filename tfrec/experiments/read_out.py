"""Turns a table of users with their arms into a verdict: metrics, guardrails, segments."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Protocol

import numpy as np
import pandas as pd
from scipy import special, stats

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.experiments.assignment import SampleRatio, check_sample_ratio
from tfrec.statistics.covariates import adjust_by_covariate
from tfrec.statistics.estimates import Estimate
from tfrec.statistics.heavy_tails import compare_heavy_tails, winsorise
from tfrec.statistics.two_samples import Comparison, compare_means, compare_ratios

Role = Literal["primary", "secondary", "guardrail", "segment"]
"""What a metric is for: it decides, explains, must not fall, or repeats the first one in a part of the users."""
FindingVerdict = Literal["better", "worse", "undecided", "safe", "broken", "not shown safe"]
"""What an interval shows of one metric; the last three are of guardrails."""
ArmVerdict = Literal["ship", "do not ship", "undecided", "too small", "invalid"]
"""What all metrics that decide show of one arm; `too small` is an arm, or control, of fewer than `FEWEST` users."""


FEWEST = 30
"""Users that each arm needs for a verdict; the normal intervals of fewer are not to be relied on."""


class Metric(Protocol):
    """A way to compare two arms' rows of the user table."""

    @property
    def name(self) -> str:
        """The metric's name in the report."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""

    @property
    def is_good_up(self) -> bool:
        """Whether more is better."""

    def compare(self, control: pd.DataFrame, treatment: pd.DataFrame, *, level: float) -> Comparison:
        """Compares the arms."""


@dataclasses.dataclass(frozen=True)
class MeanMetric:
    """A mean per user (visits, conversion, orders); by CUPED when `covariate` names a pre-period column."""

    name: str
    covariate: str = ""
    is_good_up: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.name, self.covariate) if self.covariate else (self.name,)

    def compare(self, control: pd.DataFrame, treatment: pd.DataFrame, *, level: float) -> Comparison:
        """Compares the means."""
        before = [arm[self.covariate].to_numpy() if self.covariate else None for arm in (control, treatment)]
        return compare_means(
            control[self.name].to_numpy(), treatment[self.name].to_numpy(),
            control_covariate=before[0], treatment_covariate=before[1], level=level,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RatioMetric:
    """A ratio of two sums over users (clicks per impression, value per order), by the delta method."""

    name: str
    numerator: str
    denominator: str
    is_good_up: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.numerator, self.denominator)

    def compare(self, control: pd.DataFrame, treatment: pd.DataFrame, *, level: float) -> Comparison:
        """Compares the ratios."""
        parts = [arm[column].to_numpy() for arm in (control, treatment) for column in self.columns]
        return compare_ratios(*parts, level=level)


@dataclasses.dataclass(frozen=True)
class HeavyTailMetric:
    """A mean with a heavy tail (revenue per user), by a studentised randomisation test.

    `cap_quantile` < 1 winsorises; `covariate` names a pre-period column, whose part is removed first (CUPED).
    """

    name: str
    covariate: str = ""
    cap_quantile: float = 1.0
    resamples: int = 2000
    is_good_up: bool = True
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.name, self.covariate) if self.covariate else (self.name,)

    def compare(self, control: pd.DataFrame, treatment: pd.DataFrame, *, level: float) -> Comparison:
        """Compares the means."""
        sides = [arm[self.name].to_numpy(dtype=np.float64) for arm in (control, treatment)]
        levels = sides = winsorise(*sides, cap_quantile=self.cap_quantile)
        if self.covariate:
            before = [arm[self.covariate].to_numpy(dtype=np.float64) for arm in (control, treatment)]
            if np.ptp(np.concatenate(before)) > 0:
                sides = list(adjust_by_covariate(*sides, *before))
        compared = compare_heavy_tails(*sides, resamples=self.resamples, level=level, seed=self.seed)
        return compared.with_levels(*levels)


@dataclasses.dataclass(frozen=True)
class Guardrail:
    """A metric that must not get worse by more than `margin` (relative to control), e.g. `0.01`."""

    metric: Metric
    margin: float = 0.01


@dataclasses.dataclass(frozen=True)
class Finding:
    """One metric of one treatment arm.

    Attributes:
        arm: treatment arm.
        metric: metric name.
        role: `primary`, `secondary`, `guardrail` or `segment`.
        segment: `column = value`, `""` for all users.
        comparison: both arms, difference, relative change.
        p_value: unadjusted.
        adjusted_p_value: after control for the findings of its role.
        verdict: `better`, `worse`, `undecided`; a guardrail is `safe`, `broken` or `not shown safe`.
    """

    arm: str
    metric: str
    role: Role
    segment: str
    comparison: Comparison
    p_value: float
    adjusted_p_value: float
    verdict: FindingVerdict


@dataclasses.dataclass(frozen=True)
class Heterogeneity:
    """Whether the effect on the first primary metric differs between segments.

    Attributes:
        arm: treatment arm.
        column: segment column.
        p_value: Cochran's Q over the segments' effects.
        adjusted_p_value: after Holm's control over all columns and arms.
    """

    arm: str
    column: str
    p_value: float
    adjusted_p_value: float


@dataclasses.dataclass(frozen=True)
class ReadOut:
    """What an experiment says.

    Attributes:
        sample_ratio: sizes of the arms against the design.
        findings: every metric of every treatment arm, in the order primary, secondary, guardrail, segment.
        heterogeneity: one test per segment column and arm.
        level: confidence level.
        small_segments: arm and `column = value` of segments that are not compared: fewer than `FEWEST` users an arm.
    """

    JSON_KEYS: ClassVar = (
        "sample_ratio", "findings", "heterogeneity", "level", "small_segments", "verdict", "verdicts",
    )  # fmt: skip

    sample_ratio: SampleRatio
    findings: tuple[Finding, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    level: float
    small_segments: tuple[tuple[str, str], ...] = ()

    def is_small(self, arm: str) -> bool:
        """Returns whether the arm, or control, has fewer than `FEWEST` users."""
        counts, arms = self.sample_ratio.counts, {finding.arm for finding in self.findings}
        return min(counts[name] for name in counts if name == arm or name not in arms) < FEWEST

    def of(self, role: Role) -> tuple[Finding, ...]:
        """Returns the findings of one role."""
        return tuple(finding for finding in self.findings if finding.role == role)

    @property
    def verdict(self) -> ArmVerdict:
        """`ship` (some arm), `do not ship` (every arm), `undecided`, `too small`; `invalid` on a sample-ratio alarm."""
        if self.sample_ratio.is_alarm:
            return "invalid"
        by_arm = set(self.verdicts.values())
        if "ship" in by_arm:
            return "ship"
        if by_arm == {"too small"}:
            return "too small"
        by_arm -= {"too small"}
        return "undecided" if "undecided" in by_arm else "do not ship"

    @property
    def verdicts(self) -> dict[str, ArmVerdict]:
        """Each treatment arm's own verdict: one of `ArmVerdict`; all are `invalid` on an alarm."""
        arms = dict.fromkeys(finding.arm for finding in self.findings)
        return {arm: "invalid" if self.sample_ratio.is_alarm else self._verdict_of(arm) for arm in arms}

    def to_table(self) -> pd.DataFrame:
        """Returns one row a finding for CSV or HTML."""
        rows = []
        for f in self.findings:
            difference, relative = f.comparison.difference, f.comparison.relative
            rows.append(
                {
                    "arm": f.arm, "metric": f.metric, "role": f.role, "segment": f.segment,
                    "control": f.comparison.control.value, "treatment": f.comparison.treatment.value,
                    "difference": difference.value, "low": difference.low, "high": difference.high,
                    "relative": relative.value, "relative_low": relative.low, "relative_high": relative.high,
                    "n": difference.n, "p_value": f.p_value, "adjusted_p_value": f.adjusted_p_value,
                    "verdict": f.verdict,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _verdict_of(self, arm: str) -> ArmVerdict:
        if self.is_small(arm):
            return "too small"
        of_arm = [f for f in self.findings if f.arm == arm]
        if any(f.verdict in ("worse", "broken") for f in of_arm if f.role in ("primary", "guardrail")):
            return "do not ship"
        is_better = any(f.verdict == "better" for f in of_arm if f.role == "primary")
        is_safe = all(f.verdict == "safe" for f in of_arm if f.role == "guardrail")
        return "ship" if is_better and is_safe else "undecided"


def read_out(
    users: pd.DataFrame,
    *,
    arm: str,
    control: str,
    primary: Sequence[Metric],
    secondary: Sequence[Metric] = (),
    guardrails: Sequence[Guardrail] = (),
    segments: Sequence[str] = (),
    shares: dict[str, float] | None = None,
    level: float = 0.95,
    sample_ratio_threshold: float = 0.001,
) -> ReadOut:
    """Reads an experiment that has ended.

    Primary findings (all metrics × arms) are corrected to one family-wise error by Holm (1979); secondary ones and
    segments to one false-discovery rate by Benjamini & Hochberg (1995). A guardrail is `safe` only where the interval
    shows that it did not fall by its margin (non-inferiority, one-sided at `(1 − level)/2`), without correction.
    Segments repeat the first primary metric; Cochran's Q tests whether they differ at all.

    Args:
        users: one row a user, everybody assigned (those without events have 0).
        arm: column with the arm.
        control: its value for control.
        primary: metrics that decide.
        secondary: metrics that explain.
        guardrails: metrics that must not get worse.
        segments: columns known before the experiment.
        shares: arm → share by design; equal when left out.
        level: confidence level.
        sample_ratio_threshold: alarm below.

    Raises:
        SchemaError: a column or the control arm is missing, or values are missing.
        ConfigError: no primary metric.
    """
    if not primary:
        raise ConfigError("An experiment needs at least one primary metric, named before it starts. Pass `primary`.")
    _check_columns(users, [arm, *segments, *(c for m in [*primary, *secondary] for c in m.columns)])
    _check_columns(users, [c for guard in guardrails for c in guard.metric.columns])
    parts = {str(name): part for name, part in users.groupby(arm, observed=True)}
    if control not in parts or len(parts) < 2:
        raise SchemaError(
            f"`{arm}` must hold {control!r} and at least one treatment; it holds {', '.join(sorted(parts))}. "
            "Name the control arm as the log does with `control`, or assign more users."
        )
    lonely = [name for name, part in parts.items() if len(part) < 2]
    if lonely:
        raise SchemaError(
            f"The arm {lonely[0]!r} has one user. Each arm needs 2 to be compared, {FEWEST} for a verdict."
        )
    treatments = {name: part for name, part in parts.items() if name != control}
    ratio = check_sample_ratio(
        {name: len(part) for name, part in parts.items()}, shares=shares, threshold=sample_ratio_threshold
    )
    findings: list[Finding] = []
    roles: tuple[tuple[Role, Sequence[Metric], Callable[[np.ndarray], np.ndarray]], ...] = (
        ("primary", primary, holm),
        ("secondary", secondary, stats.false_discovery_control),
    )
    for role, metrics, adjust in roles:
        raw = [
            (name, metric, "", metric.compare(parts[control], part, level=level))
            for name, part in treatments.items()
            for metric in metrics
        ]
        findings += _adjusted(role, raw, adjust, level)
    findings += [
        _guard(name, guard, parts[control], part, level) for name, part in treatments.items() for guard in guardrails
    ]
    by_segment, small_segments = [], []
    for name, part in treatments.items():
        for column in segments:
            for value in sorted(users[column].dropna().unique(), key=str):
                sides = [arm_users[arm_users[column] == value] for arm_users in (parts[control], part)]
                if min(map(len, sides)) >= FEWEST:
                    by_segment.append((name, column, str(value), primary[0].compare(*sides, level=level)))
                else:
                    small_segments.append((name, f"{column} = {value}"))
    findings += _adjusted(
        "segment",
        [(name, primary[0], f"{column} = {value}", c) for name, column, value, c in by_segment],
        stats.false_discovery_control,
        level,
    )
    small = {name for name, part in treatments.items() if min(len(part), len(parts[control])) < FEWEST}
    findings = [_without_verdict(finding) if finding.arm in small else finding for finding in findings]
    return ReadOut(ratio, tuple(findings), _heterogeneity(by_segment), level, tuple(small_segments))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Returns `[m]` p-values adjusted for the family-wise error (Holm 1979): `max_{j≤i} min(1, (m − j + 1) p_(j))`."""
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _adjusted(
    role: Role,
    raw: list[tuple[str, Metric, str, Comparison]],
    adjust: Callable[[np.ndarray], np.ndarray],
    level: float,
) -> list[Finding]:
    if not raw:
        return []
    p_values = np.array([_p_value(comparison.difference) for *_, comparison in raw])
    adjusted = adjust(p_values)
    findings = []
    for (name, metric, segment, comparison), p, q in zip(raw, p_values, adjusted, strict=True):
        verdict: FindingVerdict = "undecided"
        if q < 1 - level:
            verdict = "better" if (comparison.difference.value > 0) == metric.is_good_up else "worse"
        findings.append(Finding(name, metric.name, role, segment, comparison, float(p), float(q), verdict))
    return findings


def _without_verdict(finding: Finding) -> Finding:
    verdict: FindingVerdict = "not shown safe" if finding.role == "guardrail" else "undecided"
    return dataclasses.replace(finding, verdict=verdict)


def _guard(arm: str, guard: Guardrail, control: pd.DataFrame, treatment: pd.DataFrame, level: float) -> Finding:
    if guard.margin < 0:
        raise ConfigError(
            f"A guardrail's margin is a share of control, ≥ 0; got {guard.margin}. 0.01 allows 1 % worse."
        )
    comparison = guard.metric.compare(control, treatment, level=level)
    sign = 1.0 if guard.metric.is_good_up else -1.0
    gain = comparison.difference.scaled(sign)
    allowed = -guard.margin * abs(comparison.control.value)
    verdict: FindingVerdict = "safe" if gain.low > allowed else "broken" if gain.high < allowed else "not shown safe"
    p_value = _one_sided(gain, allowed)
    return Finding(arm, guard.metric.name, "guardrail", "", comparison, p_value, p_value, verdict)


def _heterogeneity(by_segment: list[tuple[str, str, str, Comparison]]) -> tuple[Heterogeneity, ...]:
    tests = []
    for arm, column in dict.fromkeys((name, column) for name, column, _, _ in by_segment):
        differences = [c.difference for name, col, _, c in by_segment if (name, col) == (arm, column)]
        weights = np.array([1 / e.std_error**2 if e.std_error > 0 else 0.0 for e in differences])
        values = np.array([e.value for e in differences])
        if (weights > 0).sum() < 2:
            continue
        centre = np.average(values, weights=weights)
        q = float((weights * (values - centre) ** 2).sum())
        tests.append((arm, column, float(stats.chi2.sf(q, int((weights > 0).sum()) - 1))))
    if not tests:
        return ()
    adjusted = holm(np.array([p for *_, p in tests]))
    return tuple(Heterogeneity(arm, column, p, float(q)) for (arm, column, p), q in zip(tests, adjusted, strict=True))


def _p_value(difference: Estimate) -> float:
    """Returns the p-value by the normal form; where new assignments moved the interval, by the end that faces zero."""
    if difference.std_error == 0 and difference.value != 0:
        return 0.0  # two constants that differ
    z = float(special.ndtri(0.5 + difference.level / 2))
    facing = difference.value - difference.low if difference.value > 0 else difference.high - difference.value
    if not facing > 0:
        return 1.0
    return float(2 * special.ndtr(-abs(difference.value) / (facing / z)))


def _one_sided(gain: Estimate, allowed: float) -> float:
    z = float(special.ndtri(0.5 + gain.level / 2))
    spread = (gain.value - gain.low) / z
    return float(special.ndtr((allowed - gain.value) / spread)) if spread > 0 else float(gain.value <= allowed)


def _check_columns(users: pd.DataFrame, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in users.columns:
            raise SchemaError(
                f"The user table has no column {column!r}.{nearest_hint(column, map(str, users.columns))}"
            )
