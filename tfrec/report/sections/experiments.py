"""Writes the section on A/B tests: the length of the next one, and the verdict of the last."""

import numpy as np

from tfrec.experiments.design import Duration
from tfrec.experiments.read_out import Finding, ReadOut
from tfrec.report.blocks import Absent, Figure, Section, Table, with_interval
from tfrec.report.charts import bar_chart, line_chart
from tfrec.report.experiments import WANTED, ExperimentFindings
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_VERDICTS = {
    "ship": "better beyond chance, nothing that decides is worse",
    "do not ship": "worse beyond chance",
    "undecided": "undecided: the test is too small to decide",
    "invalid": "invalid",
}


def experiments_section(findings: Findings, say: Language) -> Section:
    """Returns what an experiment needs here, and what the coupon test says as one."""
    title, experiments = say("A/B tests: how long, and what they said"), findings.experiments
    if isinstance(experiments, Absent):
        none = say("The log is too short to plan an experiment from: {reason}", reason=experiments.reason)
        return Section("experiments", title, (none,), is_absent=True)
    sentences = [_weeks(metric, one, say) for metric, one in experiments.durations.items()]
    figures, tables = [_durations(experiments, say)], [_table(experiments, say)]
    footnotes = [
        say(
            "Found = with 80 % power at 95 % confidence, half of the users in each arm; the shop's last weeks replayed "
            "as if they were the experiment. CUPED takes out what a user's four weeks before explain."
        )
    ]
    if experiments.read is not None:
        sentences += _verdict(experiments.read, say)
        figures.append(_effects(experiments.read, say))
        tables.append(_findings(experiments.read, say))
        footnotes.append(
            say(
                "The metric that decides is corrected to one error over all arms (Holm), the others to one "
                "false-discovery rate; amounts with heavy tails by the bootstrap, capped at the 99th percentile of "
                "those that are not 0."
            )
        )
    return Section("experiments", title, tuple(sentences), tuple(figures), tuple(tables), tuple(footnotes))


def _weeks(metric: str, found: Duration, say: Language) -> str:
    last = found.table.iloc[-1]
    if found.weeks < 0:
        return say(
            "A change of {wanted:.0%} in {metric} is too small for this shop: after {weeks} weeks and {users:,} users "
            "only {found:.0%} would be found. Test bolder changes.",
            wanted=found.wanted,
            metric=say.name(metric),
            weeks=int(last["weeks"]),
            users=int(last["users"]),
            found=last["detectable"],
        )
    row = found.table[found.table["weeks"] == found.weeks].iloc[0]
    return say(
        "To find a change of {wanted:.0%} in {metric}, run {weeks} whole weeks: about {users:,} users.",
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
        chance_name=say("wanted"),
        label=say("smallest change that is found"),
        x_label=say("weeks"),
        form="{:.0%}",
        x_form="{:.0f}",
    )
    caption = say(
        "Longer tests find smaller changes: n = {first:,} users after one week, {last:,} after {weeks:g}.",
        first=int(users.iloc[0]),
        last=int(users.iloc[-1]),
        weeks=float(weeks[-1]),
    )
    return Figure(svg, caption, say("How long?"))


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
    heads = (say("Metric, weeks"), say("Users"), say("Mean a user"), say("Found with CUPED"), say("Without CUPED"))
    return Table(heads, rows, say("Smallest relative change found, by metric and weeks; users are those of both arms."))


def _verdict(read: ReadOut, say: Language) -> list[str]:
    if read.sample_ratio.is_alarm:
        return [
            say("Beware: the arms of the coupon test do not have the sizes they should; do not rely on its effects.")
        ]
    lines = []
    for finding in read.of("primary"):
        value, low, high = _scaled(finding)
        unit = " " + say("points") if _unit(finding) else ""
        lines.append(
            say(
                "Coupon test, {arm}: {verdict}. {metric} {value:+,.2f}{unit} (95 % interval {low:+,.2f} to "
                "{high:+,.2f}, n = {n:,}).",
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
        label=say("relative change against control"),
        form="{:+.0%}",
        strong=[finding.verdict in ("better", "worse") for finding in shown],
    )
    caption = say(
        "Coupon test read as an A/B test; strong: beyond chance after control for many looks. Whiskers: 95 % "
        "intervals, n = {n:,} users at most.",
        n=max(finding.comparison.difference.n for finding in read.findings),
    )
    return Figure(svg, caption, say("What the test said"))


def _findings(read: ReadOut, say: Language) -> Table:
    words = {
        "better": say("better"), "worse": say("worse"), "undecided": say("undecided")
    }  # fmt: skip
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
    heads = (say("Arm, metric"), say("Control"), say("Difference"), "n", say("p, adjusted"), say("Verdict"))
    sizes = ", ".join(f"{name}: {count:,}" for name, count in read.sample_ratio.counts.items())
    caption = say("Per user; intervals 95 %. Users of the arms: {sizes} (sample-ratio p = {p:.3f}).", sizes=sizes,
                  p=read.sample_ratio.p_value)  # fmt: skip
    return Table(heads, rows, caption)


def _scaled(finding: Finding) -> tuple[float, float, float]:
    difference, scale = finding.comparison.difference, _scale(finding)
    return difference.value * scale, difference.low * scale, difference.high * scale


def _scale(finding: Finding) -> float:
    return 100.0 if finding.metric in ("conversion", "visit") else 1.0


def _unit(finding: Finding) -> str:
    return " %" if finding.metric in ("conversion", "visit") else ""
