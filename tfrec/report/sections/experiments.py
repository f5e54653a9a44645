"""Writes the section on A/B tests: how long the next one must run."""

from collections.abc import Mapping

import numpy as np

from tfrec.experiments.design import Duration
from tfrec.pages.blocks import Figure, Section, Table
from tfrec.pages.charts import line_chart
from tfrec.promotions.experiment_findings import WANTED
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def experiments_section(findings: Findings, say: Language) -> Section:
    """Returns what an experiment needs here; the coupon test is judged in the section on promotions."""
    title, durations = say("experiments.b_tests_how_long_what"), findings.experiments
    if isinstance(durations, Absent):
        none = say("experiments.log_too_short_plan_experiment", reason=durations.reason)
        return Section("experiments", title, (none,), is_absent=True)
    sentences = [_weeks(metric, one, say) for metric, one in durations.items()]
    if not isinstance(findings.coupon_read, Absent):
        sentences.append(
            say("experiments.coupon_test_judged_elsewhere", section=say("promotions.promotions_whom_send_coupon"))
        )
    footnote = say("experiments.found_80_power_95_confidence")
    return Section(
        "experiments",
        title,
        tuple(sentences),
        (_durations(durations, say),),
        (_table(durations, say),),
        (footnote,),
    )


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


def _durations(durations: Mapping[str, Duration], say: Language) -> Figure:
    tables = {metric: one.table for metric, one in durations.items()}
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


def _table(durations: Mapping[str, Duration], say: Language) -> Table:
    rows = tuple(
        (
            f"{say.name(metric)}, {row.weeks:.0f}",
            f"{row.users:,.0f}",
            f"{row.mean:,.3g}",
            f"{row.detectable:.1%}",
            f"{row.detectable_plain:.1%}",
        )
        for metric, one in durations.items()
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
