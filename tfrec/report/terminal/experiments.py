"""Writes what `tfrec experiment` prints: designs, arms and verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tfrec.experiments.assignment import SampleRatio
from tfrec.experiments.checkpoints import CheckpointVerdicts
from tfrec.experiments.design import Design, Duration
from tfrec.experiments.read_out import FEWEST, Heterogeneity, ReadOut
from tfrec.experiments.sequential import SequentialReadOut
from tfrec.report.amounts import figure
from tfrec.report.words import Language
from tfrec.schema.text_columns import cut, text_table
from tfrec.statistics.estimates import Estimate

_SHOWN = 100  # experiments of a log of checkpoints
_VERDICTS = ("better", "worse", "mixed", "undecided", "invalid")


def estimate_text(estimate: Estimate, say: Language) -> str:
    """Returns `0.0583 (95 % interval 0.0496 to 0.0671, n = 32,000)`."""
    return say(
        "experiments.estimate",
        value=figure(estimate.value),
        level=estimate.level * 100,
        low=figure(estimate.low),
        high=figure(estimate.high),
        n=estimate.n,
    )


def sample_ratio_text(ratio: SampleRatio, say: Language) -> str:
    """Returns whether the arms have the sizes that they should."""
    sizes = say.listed(
        say("experiments.expected", name=name, n=count, expected=ratio.expected[name])
        for name, count in ratio.counts.items()
    )
    if ratio.is_alarm:
        return say(
            "experiments.sample_ratio_alarm_chance_gives",
            sizes=sizes,
            times=1 / max(ratio.p_value, 1e-300),
        )
    return say("experiments.arms_have_sizes_they_should", sizes=sizes, p=ratio.p_value)


def size_text(size: Design, say: Language, *, treatments: int = 1) -> str:
    """Returns the users that an effect needs."""
    sentence = say(
        "experiments.users_control_treatment_find_change",
        control=size.n_control,
        treatment=size.n_treatment,
        effect=size.relative_effect,
        baseline=figure(size.baseline),
        power=size.power,
        level=size.level * 100,
    )
    if size.variance_kept < 1:
        sentence = say.sentences(sentence, say("experiments.cuped_saves_users", share=1 - size.variance_kept))
    if treatments == 1:
        return sentence
    of_each = say(
        "experiments.treatments_each_needs_users_beside",
        treatments=treatments,
        users=size.n_treatment,
    )
    return f"{sentence}\n{of_each}"


def duration_text(duration: Duration, say: Language) -> str:
    """Returns the weeks that an effect needs."""
    last = duration.table.iloc[-1]
    if duration.weeks < 0:
        return say(
            "experiments.change_too_small_shop_after_weeks",
            wanted=duration.wanted,
            weeks=int(last.weeks),
            users=int(last.users),
            found=last.detectable,
        )
    row = duration.table[duration.table["weeks"] == duration.weeks].iloc[0]
    return say(
        "experiments.run_whole_weeks_about_users",
        weeks=duration.weeks,
        users=int(row.users),
        found=row.detectable,
        wanted=duration.wanted,
        plain=row.detectable_plain,
        daily=row.detectable_daily,
    )


def design_text(metric: str, duration: Duration, size: Design, say: Language, *, following: str) -> str:
    """Returns the plan of an experiment in a shop: weeks, users, and a table of the weeks that were tried.

    Args:
        metric: the metric that decides.
        duration: weeks to run.
        size: users needed.
        say: language.
        following: the command that comes next.
    """
    rows = [
        [
            f"{line.weeks:.0f}",
            f"{line.users:,.0f}",
            figure(line.mean),
            f"{line.correlation:.2f}",
            f"{line.detectable:.1%}",
            f"{line.detectable_plain:.1%}",
            f"{line.detectable_daily:.1%}",
        ]
        for line in duration.table.itertuples()
    ]
    mean = say("experiments.metric_a_user", metric=say.name(metric))
    heads = [
        say("experiments.weeks"),
        say("experiments.users_pair"),
        mean,
        say("experiments.correlation"),
        say("experiments.found_cuped"),
        say("experiments.without_cuped"),
        say("experiments.looked_daily"),
    ]
    weeks = say("experiments.metric_finding", metric=say.name(metric), finding=duration_text(duration, say))
    return "\n".join(
        [weeks, size_text(size, say), "", text_table(heads, rows), "", say("experiments.next", command=following)]
    )


def assignment_text(
    ratio: SampleRatio | None, say: Language, *, left_out: int, path: Any, num_users: int, following: str
) -> str:
    """Returns the sizes of assigned arms, and where the table is.

    Args:
        ratio: sizes of the arms; None where there is one arm or no user.
        say: language.
        left_out: users without an arm.
        path: path of the table.
        num_users: users in it.
        following: the command that reads the experiment afterwards.
    """
    lines = [] if ratio is None else [sample_ratio_text(ratio, say)]
    if left_out:
        lines.append(say("experiments.users_take_no_part", n=left_out))
    lines.append(say("experiments.arms_users", path=path, n=num_users))
    return "\n".join([*lines, say("heads.afterwards", command=following)])


def sequential_text(path: SequentialReadOut, say: Language) -> str:
    """Returns the always-valid verdict."""
    span = say(
        "experiments.always_valid_n",
        low=figure(path.low[-1]),
        high=figure(path.high[-1]),
        level=path.level * 100,
        n=int(path.n[-1]),
    )
    looks = len(path.low)
    if path.has_faded:
        return say(
            "experiments.treatment_was_no_longer_clear",
            verdict=say.name(path.verdict),
            since=path.decided_at + 1,
            looks=looks,
            span=span,
        )
    if path.decided_at >= 0:
        return say(
            "experiments.treatment_since_checkpoint_difference",
            verdict=say.name(path.verdict),
            since=path.decided_at + 1,
            looks=looks,
            span=span,
        )
    sentence = say("experiments.undecided_after_checkpoints_difference_lies", looks=looks, span=span)
    if path.naive_at < 0:
        return sentence
    called = say("experiments.single_look_would_have_called", look=path.naive_at + 1)
    return say.sentences(sentence, called)


def read_out_text(
    result: ReadOut,
    say: Language,
    *,
    paths: Mapping[tuple[str, str], SequentialReadOut],
    unread: Mapping[tuple[str, str], str],
    capped: Sequence[str] = (),
    cap: str = "",
    blank: int = 0,
    out: Any = None,
) -> str:
    """Returns the verdict of each arm, its findings, and what looking every day gives.

    Args:
        result: the result.
        say: language.
        paths: arm and metric → always-valid path.
        unread: arm and metric → why there is no path.
        capped: metrics that are capped.
        cap: quantile of the cap, as it was given.
        blank: users without an arm, who were left out.
        out: path of the table of findings, where there is one.
    """
    verdicts = {
        "ship": say("experiments.ship_metric_decides_better_beyond"),
        "do not ship": say("experiments.do_ship_metric_decides_worse"),
        "undecided": say("experiments.undecided_nothing_decides_better_beyond"),
        "invalid": say("experiments.invalid_arms_do_have_sizes"),
        "too small": say("experiments.too_small_for_verdict", fewest=FEWEST),
    }
    lines = [
        say("experiments.arm_verdict", arm=arm, verdict=verdicts[verdict]) for arm, verdict in result.verdicts.items()
    ]
    lines.append(sample_ratio_text(result.sample_ratio, say))
    if blank:
        lines.append(say("experiments.blank_arm_left_out", n=blank))
    lines += ["", _findings_table(result, say)]
    lines += [_heterogeneity_text(test, result.level, say) for test in result.heterogeneity]
    shown = {} if result.sample_ratio.is_alarm else paths  # an effect that cannot be trusted has no path
    if shown:
        lines += ["", say("experiments.looked_every_day_users_they")]
    for (arm, metric), path in shown.items():
        finding = sequential_text(path, say)
        lines.append("  " + say("experiments.arm_metric_finding", arm=arm, metric=say.name(metric), finding=finding))
    if capped:
        listed = say.names(capped)
        sentence = say("experiments.capped_quantile_amounts_other_zero", cap=cap, metrics=listed)
        lines += ["", sentence]
    if result.small_segments:
        listed = say.listed(f"{arm}, {segment}" for arm, segment in result.small_segments)
        lines += ["", say("experiments.segments_too_small", fewest=FEWEST, segments=listed)]
    if out is not None:
        lines += ["", say("experiments.findings", path=out)]
    if unread:
        lines.append("")
    for (arm, metric), reason in unread.items():
        lines.append(say("experiments.no_daily_read_out", arm=arm, metric=say.name(metric), reason=reason))
    return "\n".join(lines)


def checkpoints_text(verdicts: CheckpointVerdicts, say: Language, *, out: Any = None) -> str:
    """Returns the counts of verdicts over all experiments, and a row an experiment."""
    experiments = verdicts.experiments
    lines = [
        say(
            "experiments.experiments_comparisons_sample_ratio_alarms",
            experiments=len(experiments),
            comparisons=len(verdicts.comparisons),
            alarms=int(experiments["is_alarm"].sum()),
            skipped=verdicts.skipped,
        ),
        say("experiments.end_alone", verdicts=_counted(experiments["fixed"], say)),
        say("experiments.always_valid_whenever_looked", verdicts=_counted(experiments["sequential"], say)),
        say(
            "experiments.stopping_first_look_seems_significant",
            called=int(experiments["fixed_ever"].sum()),
            peeked=verdicts.num_peeked,
        ),
    ]
    faded = int(experiments["has_faded"].sum())
    if faded:
        lines.append(
            say(
                "experiments.decided_way_no_longer_clear",
                faded=faded,
            )
        )
    heads = [
        say("experiments.experiment"),
        say("experiments.variants"),
        say("heads.users"),
        say("experiments.sample_ratio_p"),
        say("experiments.end"),
        say("experiments.always_valid"),
        say("experiments.clearest_variant_metric"),
        say("heads.change"),
        say("experiments.always_valid_interval"),
        say("experiments.decided"),
    ]
    lines += ["", text_table(heads, [_experiment_row(row, say) for row in experiments.head(_SHOWN).itertuples()])]
    if len(experiments) > _SHOWN:
        lines.append(say("experiments.more_out_file_json", n=len(experiments) - _SHOWN))
    if out is not None:
        lines += ["", say("experiments.comparisons", path=out, n=len(verdicts.comparisons))]
    return "\n".join(lines)


def _findings_table(result: ReadOut, say: Language) -> str:
    rows = [
        [
            row.arm,
            cut(say.name(row.metric) + (f", {row.segment}" if row.segment else "")),
            say.name(row.role),
            figure(row.control),
            figure(row.treatment),
            figure(row.difference, is_signed=True),
            say("experiments.span", low=figure(row.low, is_signed=True), high=figure(row.high, is_signed=True)),
            f"{row.adjusted_p_value:.3f}",
            f"{row.n:,}",
            say.name(row.verdict),
        ]
        for row in result.to_table().itertuples()
    ]
    heads = [
        say("experiments.arm"),
        say("experiments.metric"),
        say("experiments.role"),
        say("experiments.control"),
        say("experiments.treatment"),
        say("heads.difference"),
        say("experiments.interval", level=result.level * 100),
        say("experiments.p_adj"),
        say("heads.users"),
        say("experiments.verdict"),
    ]
    return text_table(heads, rows)


def _heterogeneity_text(test: Heterogeneity, level: float, say: Language) -> str:
    if test.adjusted_p_value < 1 - level:
        return say(
            "experiments.effect_differs_adjusted_p",
            arm=test.arm,
            column=test.column,
            p=test.adjusted_p_value,
        )
    return say(
        "experiments.effect_shown_differ_adjusted_p",
        arm=test.arm,
        column=test.column,
        p=test.adjusted_p_value,
    )


def _experiment_row(row: Any, say: Language) -> list[str]:
    return [
        row.experiment_id,
        f"{row.variants}",
        f"{row.n:,}",
        say("experiments.alarm") if row.is_alarm else f"{row.sample_ratio_p:.3f}",
        say.name(row.fixed),
        say("experiments.faded", verdict=say.name(row.sequential)) if row.has_faded else say.name(row.sequential),
        f"{row.variant_id}, {row.metric_id}",
        f"{row.relative:+.2%}",
        say("experiments.span_of_shares", low=row.low, high=row.high),
        f"{row.decided_at:g}" if row.decided_at == row.decided_at else "–",
    ]


def _counted(verdicts: pd.Series, say: Language) -> str:
    counts = verdicts.value_counts()
    return say.listed(
        say("experiments.n_verdict", n=counts[word], verdict=say.name(word)) for word in _VERDICTS if word in counts
    )
