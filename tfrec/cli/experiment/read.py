"""`tfrec experiment read`: reads a log, a table of metrics or checkpoints and gives a verdict."""

import argparse
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.settings import add_json, moment, named_numbers, names, share

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.experiments.daily_looks import DailyLooks

HELP = "the verdict, with intervals, guardrails and segments"
DESCRIPTION = """\
Reads an experiment. FILE is one of three:
  arms with a SHOP     user_id and arm (`tfrec experiment assign` wrote it): metrics come from the shop's log, with the
                       weeks before as covariate (CUPED), and every day's look is paid for (always-valid intervals);
                       everybody in FILE counts from the first day, with 0 until they act
  metrics of users     one row per user: the arm, and columns of metrics; a column NAME_before is NAME's covariate
  checkpoints          one row per experiment, variant, metric and time: count_c, mean_c, variance_c, count_t, ...
                       cumulative: all experiments at once, at the end and always-valid

Metrics are means; A/B is the ratio of two columns' sums; amounts with heavy tails go by the bootstrap, capped at the
99th percentile of those that are not 0, so that one huge order cannot decide (--cap). The sizes of the arms are checked
first, against the shares that FILE states: an experiment that lost users is invalid. Users whose arm is blank never
entered and are left out; an arm of fewer than 30 users gets no verdict. Primary metrics share one error (Holm), others
are corrected to one false-discovery rate; a guardrail must be shown not to have fallen by its margin.
"""
EXAMPLES = """\
examples:
  tfrec experiment read arms.csv prepared/shop --from 2025-11-01 --until 2025-11-29 --primary conversion,value
  tfrec experiment read users.csv --arm group --control A --primary conversion --secondary clicks/views \\
      --guardrail value=2% --segments device,country
  tfrec experiment read checkpoints.csv.gz --out verdicts.csv
"""
_KIND = "findings of an experiment"
_COLUMNS = (
    "arm", "metric", "role", "segment", "control", "treatment", "difference", "low", "high", "relative",
    "relative_low", "relative_high", "n", "p_value", "adjusted_p_value", "verdict",
)  # fmt: skip
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("file", type=Path, metavar="FILE", help="file of arms, metrics of users, or checkpoints")
    parser.add_argument("shop", type=Path, nargs="?", metavar="SHOP", help="prepared shop whose log has the metrics")
    parser.add_argument("--from", dest="start", metavar="DATE", help="first day of the experiment on the shop's clock")
    parser.add_argument("--until", metavar="DATE", help="first day after the experiment (default: end of the log)")
    parser.add_argument(
        "--pre-days", type=int, default=28, metavar="DAYS", help="days before the experiment, for CUPED; 0 = none"
    )
    parser.add_argument(
        "--primary",
        metavar="A,B,...",
        help="metrics that decide; with SHOP any of conversion, orders, value, pieces, visits (default: conversion), "
        "else columns of FILE",
    )
    parser.add_argument("--secondary", metavar="A,B,...", help="metrics that explain the result, named likewise")
    parser.add_argument(
        "--guardrail", metavar="A=SHARE,...", help="metrics that must not get worse by more than the given share"
    )
    parser.add_argument("--down", metavar="A,B,...", help="metrics of which less is better")
    parser.add_argument(
        "--segments", metavar="A,B,...", help="columns known before, to test whether the effect differs by them"
    )
    parser.add_argument("--arm", default="arm", metavar="COLUMN", help="column of the arm")
    parser.add_argument("--control", metavar="ARM", help="name of the arm to compare with (default: control or none)")
    parser.add_argument(
        "--shares", metavar="ARM=SHARE,...", help="shares of the arms by design (default: those in FILE, else equal)"
    )
    parser.add_argument(
        "--user", metavar="COLUMN", help="column of user ids; `row` numbers the rows (default: a usual name)"
    )
    parser.add_argument(
        "--cap",
        default="99%",
        metavar="QUANTILE",
        help="quantile at which heavy-tailed amounts are capped; 100%% = no cap",
    )
    parser.add_argument("--level", default="95%", metavar="SHARE", help="confidence level")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of every finding, .csv or .parquet")
    add_force(parser)
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Reads the experiment and prints the result."""
    from tfrec.errors import ConfigError
    from tfrec.experiments.checkpoints import COMPARISON_COLUMNS, is_checkpoint_log
    from tfrec.experiments.user_tables import read_table

    table = read_table(options.file)
    is_log = is_checkpoint_log(table)
    check_table(options, options.out, _KIND, columns=COMPARISON_COLUMNS if is_log else _COLUMNS)
    if is_log:
        if options.shop is not None:
            raise ConfigError(f"{options.file} holds checkpoints; a shop has no part in reading them. Leave it out.")
        _read_checkpoints(options, table)
    elif options.shop is not None:
        _read_with_shop(options, table)
    else:
        _read_users(options, table)


def _read_users(options: argparse.Namespace, table: "pd.DataFrame") -> None:
    from tfrec.errors import ConfigError
    from tfrec.experiments.assignment import entered
    from tfrec.experiments.user_tables import USER_NAMES, require, with_user_ids

    if options.start or options.until:
        raise ConfigError("--from and --until are for a SHOP's log. Name the shop, or leave them out.")
    if not options.primary:
        raise ConfigError(
            "Name the metric that decides with --primary, and name it before you look. "
            f"{options.file} has: {', '.join(_metric_columns(table, options)) or 'no column of numbers'}."
        )
    require(table, [options.arm], what=str(options.file))
    if options.user is not None or any(name in table.columns for name in USER_NAMES):
        table = with_user_ids(table, column=options.user)
    _print_result(options, *entered(table, arm=options.arm, is_blank_an_arm=options.control == ""))


def _metric_columns(table: "pd.DataFrame", options: argparse.Namespace) -> list[str]:
    """Returns the columns that can be metrics: numbers, and neither the user, the arm nor a covariate."""
    from tfrec.experiments.assignment import SHARE
    from tfrec.experiments.shop_metrics import BEFORE
    from tfrec.experiments.user_tables import USER_NAMES

    others = {options.arm, options.user, SHARE, *USER_NAMES}
    numeric = table.select_dtypes(["number", "bool"]).columns
    return [str(name) for name in numeric if name not in others and not str(name).endswith(BEFORE)]


def _read_with_shop(options: argparse.Namespace, table: "pd.DataFrame") -> None:
    import pandas as pd

    from tfrec.errors import ConfigError
    from tfrec.experiments.assignment import entered
    from tfrec.experiments.daily_looks import look_daily
    from tfrec.experiments.shop_metrics import user_metrics
    from tfrec.experiments.user_tables import require, with_user_ids
    from tfrec.ingest.prepared import read_prepared
    from tfrec.report.findings import whole_log

    tables = whole_log(read_prepared(options.shop))
    calendar = tables.calendar
    start, until = (moment(options.start, "--from", calendar), moment(options.until, "--until", calendar))
    if start is None:
        raise ConfigError("Name the experiment's first day with --from DATE; without it there is no before and after.")
    require(table, [options.arm], what=str(options.file))
    assigned = with_user_ids(table, column=options.user).rename(columns={options.arm: "arm"})
    assigned, blank = entered(assigned, is_blank_an_arm=options.control == "")
    last = tables.events["timestamp"].max()
    end = until if until is not None else last + pd.Timedelta(microseconds=1)
    if options.pre_days < 0:
        raise ConfigError(f"--pre-days must be 0 (none) or more; got {options.pre_days}.")
    if start >= end or start > last:
        raise ConfigError(
            f"--from {calendar.moment_text(start)} must come before the end; the log ends on {calendar.day_text(last)}."
        )
    options.arm = "arm"
    options.primary = options.primary or "conversion"
    users = user_metrics(assigned, tables, start=start, end=end, pre_days=options.pre_days)
    look = functools.partial(look_daily, users, tables, start=start, end=end)
    if until is not None:
        look = functools.partial(
            look, planned_days=math.ceil((calendar.local(end) - calendar.local(start)) / pd.Timedelta(days=1))
        )
    _print_result(options, users, blank, look)


def _print_result(
    options: argparse.Namespace,
    users: "pd.DataFrame",
    blank: int,
    look: "Callable[..., DailyLooks] | None" = None,
) -> None:
    from tfrec.experiments.assignment import stated_shares
    from tfrec.experiments.metrics import choose_metrics
    from tfrec.experiments.read_out import Guardrail, HeavyTailMetric, read_out
    from tfrec.report.terminal.experiments import read_out_text
    from tfrec.schema.json_values import to_json

    margins = named_numbers(options.guardrail, "--guardrail")
    primary, secondary = names(options.primary), names(options.secondary)
    wanted = tuple(dict.fromkeys([*primary, *secondary, *margins]))
    chosen = choose_metrics(users, wanted, down=names(options.down), cap_quantile=share(options.cap, "--cap"))
    control, level = _control(options, users), share(options.level, "--level")
    result = read_out(
        users,
        arm=options.arm,
        control=control,
        primary=[chosen[name] for name in primary],
        secondary=[chosen[name] for name in secondary],
        guardrails=[Guardrail(chosen[name], margin) for name, margin in margins.items()],
        segments=names(options.segments),
        shares=named_numbers(options.shares, "--shares") or stated_shares(users, arm=options.arm),
        level=level,
    )
    deciding = {name: chosen[name] for name in primary}
    looks = look(metrics=deciding, control=control, level=level) if look is not None else None
    paths = looks.paths if looks is not None else {}
    if options.out is not None:
        save_table(options, options.out, result.to_table(), _KIND)
    if options.json:
        sequential = {f"{arm}, {metric}": one for (arm, metric), one in paths.items()}
        print_json({**to_json(result), "never_entered": blank, "sequential": sequential})
        return
    print(
        read_out_text(
            result,
            wording(options),
            paths=paths,
            unread=looks.unread if looks is not None else {},
            capped=[name for name, metric in chosen.items() if isinstance(metric, HeavyTailMetric)],
            cap=options.cap,
            blank=blank,
            out=options.out,
        )
    )


def _read_checkpoints(options: argparse.Namespace, table: "pd.DataFrame") -> None:
    from tfrec.experiments.checkpoints import judge_checkpoints
    from tfrec.report.terminal.experiments import checkpoints_text

    shares = named_numbers(options.shares, "--shares") or None
    verdicts = judge_checkpoints(
        table, metrics=names(options.primary), down=names(options.down), shares=shares,
        level=share(options.level, "--level"),
    )  # fmt: skip
    if options.out is not None:
        save_table(options, options.out, verdicts.comparisons, _KIND)
    if options.json:
        print_json(verdicts)
    else:
        print(checkpoints_text(verdicts, wording(options), out=options.out))


def _control(options: argparse.Namespace, users: "pd.DataFrame") -> str:
    from tfrec.errors import ConfigError
    from tfrec.promotions.offer_log import CONTROLS

    arms = sorted(users[options.arm].astype("str").unique())
    if options.control is not None:
        return options.control
    control = next((name for name in CONTROLS if name in arms), None)
    if control is None:
        raise ConfigError(f"Which arm is control? Name it with --control; {options.arm} holds {', '.join(arms[:9])}.")
    return control
