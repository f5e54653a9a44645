"""Writes the verdict on the coupon test, which stands once on a page: in the section on promotions."""

import numpy as np

from tfrec.experiments.read_out import Finding, ReadOut
from tfrec.pages.blocks import Figure, Table, with_interval
from tfrec.pages.charts import bar_chart
from tfrec.report.words import Language

_VERDICTS = {
    "ship": "experiments.better_beyond_chance_nothing_decides",
    "do not ship": "experiments.worse_beyond_chance",
    "too small": "experiments.too_small",
    "undecided": "experiments.undecided_test_too_small_decide",
    "invalid": "experiments.invalid",
}


def verdict_sentences(read: ReadOut, say: Language) -> list[str]:
    """Returns what the test shows of each offer that was sent to everybody in its arm."""
    lines = []
    for finding in read.of("primary"):
        value, low, high = _scaled(finding)
        unit = " " + say("experiments.points") if _unit(finding) else ""
        lines.append(
            say(
                "experiments.coupon_test_95_interval_n",
                arm=finding.arm,
                verdict=say(_VERDICTS[read.verdicts[finding.arm]]),
                metric=say.name(finding.metric),
                value=value,
                unit=unit,
                low=low,
                high=high,
                n=finding.comparison.difference.n,
            )
        )
    return lines


def effects_figure(read: ReadOut, say: Language) -> Figure:
    """Returns the relative change of each outcome by each offer."""
    shown = [finding for finding in read.findings if np.isfinite(finding.comparison.relative.low)]
    svg = bar_chart(
        [f"{finding.arm}, {say.name(finding.metric)}" for finding in shown],
        [finding.comparison.relative.value for finding in shown],
        lows=[finding.comparison.relative.low for finding in shown],
        highs=[finding.comparison.relative.high for finding in shown],
        label=say("experiments.relative_change_against_control"),
        form="{:+.0%}",
        strong=[finding.verdict in ("better", "worse") for finding in shown],
    )
    caption = say(
        "experiments.coupon_test_read_b_test",
        n=max(finding.comparison.difference.n for finding in read.findings),
    )
    return Figure(svg, caption, say("experiments.what_test_said"))


def findings_table(read: ReadOut, say: Language) -> Table:
    """Returns each outcome by each offer: control, difference, p-value, verdict."""
    words = {
        "better": say("experiments.better"),
        "worse": say("experiments.worse"),
        "undecided": say("experiments.undecided"),
    }
    rows = tuple(
        (
            f"{finding.arm}, {say.name(finding.metric)}",
            f"{finding.comparison.control.value * _scale(finding):,.2f}{_unit(finding)}",
            with_interval(*_scaled(finding), "{:+,.2f}"),
            f"{finding.comparison.difference.n:,}",
            f"{finding.adjusted_p_value:.3f}",
            words.get(finding.verdict, finding.verdict),
        )
        for finding in read.findings
    )
    heads = (
        say("experiments.arm_metric"),
        say("experiments.control"),
        say("heads.difference"),
        "n",
        say("experiments.p_adjusted"),
        say("experiments.verdict"),
    )
    sizes = ", ".join(f"{name}: {count:,}" for name, count in read.sample_ratio.counts.items())
    caption = say("experiments.per_user_intervals_95_users", sizes=sizes, p=read.sample_ratio.p_value)
    return Table(heads, rows, caption)


def _scaled(finding: Finding) -> tuple[float, float, float]:
    difference, scale = finding.comparison.difference, _scale(finding)
    return difference.value * scale, difference.low * scale, difference.high * scale


def _scale(finding: Finding) -> float:
    return 100.0 if finding.metric in ("conversion", "visit") else 1.0


def _unit(finding: Finding) -> str:
    return " %" if finding.metric in ("conversion", "visit") else ""
