"""`tfrec experiment design`: computes the users and weeks that an effect needs."""

import argparse
import math
from pathlib import Path
from typing import Any

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.settings import add_json, share

HELP = "how many users and weeks a wanted effect needs"
DESCRIPTION = """\
Computes how large and how long an experiment must be. With a prepared shop, its last weeks are replayed as the
experiment and read as `experiment read` would read them: everybody assigned counts, heavy tails are capped, and the
weeks before are the covariate (CUPED). Without one, from a baseline alone: a rate, or with --deviation any metric.
"""
EXAMPLES = """\
examples:
  tfrec experiment design prepared/online_retail --effect 10%
  tfrec experiment design prepared/online_retail --effect 5% --metric value --treatments 2
  tfrec experiment design --baseline 3.2% --effect 5%
  tfrec experiment design --baseline 41.5 --deviation 120 --effect 3%
"""
INTERRUPTED = "Nothing was written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("prepared", type=Path, nargs="?", metavar="PREPARED", help="folder that `tfrec prepare` wrote")
    parser.add_argument("--effect", required=True, metavar="SHARE", help="smallest relative change to be detected: 5%%")
    parser.add_argument(
        "--metric",
        default="conversion",
        help="of the shop, per user: conversion (the default), orders, value, pieces, visits",
    )
    parser.add_argument("--baseline", metavar="X", help="present mean of the metric per user, without a shop")
    parser.add_argument(
        "--deviation", type=float, metavar="X", help="standard deviation of the metric, unless it is a rate"
    )
    parser.add_argument("--treatments", type=int, default=1, metavar="N", help="number of arms beside control")
    parser.add_argument("--primary-metrics", type=int, default=1, metavar="N", help="number of metrics that decide")
    parser.add_argument("--traffic", default="100%", metavar="SHARE", help="share of users in the experiment")
    parser.add_argument("--power", default="80%", metavar="SHARE", help="probability of detecting the effect")
    parser.add_argument("--level", default="95%", metavar="SHARE", help="confidence level")
    parser.add_argument("--max-weeks", type=int, default=8, metavar="N", help="longest duration to try")
    parser.add_argument("--pre-weeks", type=int, default=4, metavar="N", help="weeks before the experiment, for CUPED")
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Plans and prints."""
    from tfrec.errors import ConfigError

    if (options.prepared is None) == (options.baseline is None):
        raise ConfigError("Name a prepared shop, or a --baseline, one of the two: tfrec experiment design SHOP ...")
    if options.treatments < 1 or options.primary_metrics < 1:
        raise ConfigError("--treatments and --primary-metrics must be at least 1.")
    if options.deviation is not None and not 0 < options.deviation < math.inf:
        raise ConfigError(f"--deviation must be above 0; got {options.deviation:g}.")
    if options.deviation is not None and options.baseline is None:
        raise ConfigError("--deviation belongs to a --baseline; a shop's log has its own. Leave it out.")
    settings: dict[str, Any] = {
        "relative_effect": share(options.effect, "--effect"),
        "power": share(options.power, "--power"),
        "level": share(options.level, "--level"),
    }
    if not 0 < settings["relative_effect"] < math.inf:
        raise ConfigError(f"--effect must be above 0; got {options.effect}. 5% is a change of 5 percent, up or down.")
    if options.prepared is None:
        _from_baseline(options, settings)
    else:
        _from_shop(options, settings)


def _from_baseline(options: argparse.Namespace, settings: dict[str, Any]) -> None:
    from tfrec.experiments.design import plan_sample_size
    from tfrec.report.terminal.experiments import size_text

    size = plan_sample_size(
        baseline=share(options.baseline, "--baseline"),
        variance=None if options.deviation is None else options.deviation**2,
        comparisons=options.treatments * options.primary_metrics,
        **settings,
    )
    if options.json:
        print_json(size)
    else:
        print(size_text(size, wording(options), treatments=options.treatments))


def _from_shop(options: argparse.Namespace, settings: dict[str, Any]) -> None:
    from tfrec.experiments.shop_design import plan_in_shop
    from tfrec.ingest.prepared import read_prepared
    from tfrec.report.findings import whole_log
    from tfrec.report.terminal.experiments import design_text

    design = plan_in_shop(
        whole_log(read_prepared(options.prepared)),
        metric=options.metric,
        treatments=options.treatments,
        primary_metrics=options.primary_metrics,
        traffic_share=share(options.traffic, "--traffic"),
        max_weeks=options.max_weeks,
        pre_weeks=options.pre_weeks,
        **settings,
    )
    if options.json:
        print_json(design)
        return
    command = f"tfrec experiment assign {options.prepared} --name NAME --out arms.csv"
    print(design_text(design.metric, design.duration, design.size, wording(options), following=command))
