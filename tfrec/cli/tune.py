"""`tfrec tune`: tunes the settings of training on the validation period of a prepared shop."""

import argparse
import sys
from pathlib import Path

HELP = "find better settings on the validation period"
DESCRIPTION = """\
Tries settings on the last part of the training period (never the test period) with a shorter training, keeps the study
in OUT/study.db and writes the best settings to OUT/best.toml, which `tfrec train --config` reads. The first trial has
the given settings, so the best is never below them there. An interrupted study is resumed by the same command.
"""
EXAMPLES = """\
examples:
  tfrec tune prepared/online_retail --out tuned --trials 40 --minutes 30
  tfrec tune prepared/online_retail --out tuned --groups ranking features retrieval --trials 100 --minutes 240
  tfrec train prepared/online_retail --out models --config tuned/best.toml
"""
INTERRUPTED = "Finished trials are kept. The same command resumes after them."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="DIR", help="folder that `tfrec prepare` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="folder of the study")
    parser.add_argument("--trials", type=int, default=40, help="number of finished trials, earlier runs included")
    parser.add_argument("--minutes", type=float, default=60.0, help="time after which no trial begins")
    parser.add_argument(
        "--groups",
        nargs="+",
        default=["ranking", "features"],
        choices=("ranking", "features", "retrieval"),
        help="groups of settings to tune; a trial takes seconds for ranking, half a minute for features, "
        "minutes for retrieval "
        "(default: ranking features)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="file of initial settings (default: none)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one initial setting")


def run(options: argparse.Namespace) -> None:
    """Tunes and prints the best settings."""
    from tfrec.ingest.prepared import read_manifest
    from tfrec.publish import check_claim

    check_claim(options.out, signs=("study.db",))
    read_manifest(options.prepared)  # a wrong path is reported before TensorFlow is loaded
    sys.stderr.write("Loading TensorFlow ...\n")
    from tfrec.jobs.tuning import tune_shop
    from tfrec.training.settings_file import read_config

    tuned = tune_shop(
        options.prepared,
        options.out,
        trials=options.trials,
        minutes=options.minutes,
        groups=options.groups,
        config=read_config(options.config, options.set),
    )
    print(f"{tuned.trials} trials, {tuned.pruned} of them stopped early, {tuned.seconds:.0f} s each")
    print(f"NDCG@10 on the validation period: {tuned.default_value:.4f} to begin with, {tuned.value:.4f} at best")
    if tuned.importance:
        print("\nShare of the variation that each setting explains:")
        for name, share in tuned.importance.items():
            print(f"  {name:<28} {share:>5.0%}")
    print(f"\nThe best settings, in {tuned.file}:")
    for name, value in tuned.best.items():
        print(f"  {name:<28} {value:.4g}" if isinstance(value, float) else f"  {name:<28} {value}")
    print(f"Next: tfrec train {options.prepared} --out models --config {tuned.file}")
