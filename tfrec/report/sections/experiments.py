"""Writes the section on A/B tests: the length of the next one, and the verdict of the last."""

import numpy as np

from tfrec.experiments.design import Duration
from tfrec.experiments.read_out import Finding, ReadOut
from tfrec.pages.blocks import Figure, Section, Table, with_interval
from tfrec.pages.charts import bar_chart, line_chart
from tfrec.promotions.experiment_findings import WANTED, ExperimentFindings
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_VERDICTS = {
    "ship": "experiments.better_beyond_chance_nothing_decides",
    "do not ship": "experiments.worse_beyond_chance",
    "too small": "experiments.too_small",
    "undecided": "experiments.undecided_test_too_small_decide",
    "invalid": "experiments.invalid",
}


def experiments_section(findings: Findings, say: Language) -> Section:
    """Returns what an experiment needs here, and what the coupon test says as one."""
    title, experiments = say("experiments.b_tests_how_long_what"), findings.experiments
    if isinstance(experiments, Absent):
        none = say("experiments.log_too_short_plan_experiment", reason=experiments.reason)
        return Section("experiments", title, (none,), is_absent=True)
    sentences = [_weeks(metric, one, say) for metric, one in experiments.durations.items()]
    figures, tables = [_durations(experiments, say)], [_table(experiments, say)]
    footnotes = [say("experiments.found_80_power_95_confidence")]
    if experiments.read is not None:
        sentences += _verdict(experiments.read, say)
        figures.append(_effects(experiments.read, say))
        tables.append(_findings(experiments.read, say))
        footnotes.append(say("experiments.metric_decides_corrected_one_error"))
    return Section("experiments", title, tuple(sentences), tuple(figures), tuple(tables), tuple(footnotes))


def _weeks(metric: str, found: Duration, say: Language) -> str:
    last = found.table.iloc[-1]
    if found.weeks < 0:
        return say(
            "experiments.change_too_small_shop_after",
            wanted=found.wanted,
            metric=say.name(metric),
            weeks=int(last["weeks"]),
            users=int(last["users"]),
            found=last["detectable"],
        )
    row = found.table[found.table["weeks"] == found.weeks].iloc[0]
    return say(
        "experiments.find_change_run_whole_weeks",
        wanted=found.wanted,
        metric=say.name(metric),
        weeks=found.weeks,
        users=int(row["users"]),
    )


def _durations(found: ExperimentFindings, say: Language) -> Figure:
    tables = {metric: one.table for metric, one in found.durations.items()}
    weeks = next(iter(tables.values()))["weeks"].to_numpy(np.float64)
    users = next(iter(tables.values()))["users"]
    svg = line_chart(
        weeks,
        [(say.name(metric), list(table["detectable"])) for metric, table in tables.items()],
        chance=[WANTED] * len(weeks),
        chance_name=say("experiments.wanted"),
        label=say("experiments.smallest_change_found"),
        x_label=say("experiments.weeks"),
        form="{:.0%}",
        x_form="{:.0f}",
    )
    caption = say(
        "experiments.longer_tests_find_smaller_changes",
        users=int(users.iloc[-1]),
        weeks=float(weeks[-1]),
    )
    return Figure(svg, caption, say("experiments.how_long"))


def _table(found: ExperimentFindings, say: Language) -> Table:
    rows = tuple(
        (
            f"{say.name(metric)}, {row.weeks:.0f}",
            f"{row.users:,.0f}",
            f"{row.mean:,.3g}",
            f"{row.detectable:.1%}",
            f"{row.detectable_plain:.1%}",
        )
        for metric, one in found.durations.items()
        for row in one.table.itertuples()
        if row.weeks in (1, 2, 4, 8)
    )
    heads = (
        say("experiments.metric_weeks"),
        say("heads.users"),
        say("experiments.mean_user"),
        say("experiments.found_cuped"),
        say("experiments.without_cuped"),
    )
    return Table(heads, rows, say("experiments.smallest_relative_change_found_metric"))


def _verdict(read: ReadOut, say: Language) -> list[str]:
    if read.sample_ratio.is_alarm:
        return [say("experiments.beware_arms_coupon_test_do")]
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


def _effects(read: ReadOut, say: Language) -> Figure:
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


def _findings(read: ReadOut, say: Language) -> Table:
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
