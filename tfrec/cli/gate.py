"""`tfrec gate`: decides whether a new version may be labelled, beside the one in service and the baseline."""

import argparse
import sys
from pathlib import Path

HELP = "judge a new version against the one in service and the baseline; label it if it passes"
DESCRIPTION = """\
Asks the newest version, the version in service (by its label, else the one before) and the baseline that `tfrec
baseline` would publish for slates in the shop's test period, the same queries each, signature by signature. The new
version passes where it
  - answers as its certificate says,
  - answers as well as either: HR@10 is not lower by more than --margin (a loss counts only where the whole 90 %
    interval of the difference lies below 0),
  - predicts purchase probabilities that agree with the observed hits (within the factor --calibration), and
  - is not slower than the version in service by more than the factor --slowdown, measured side by side.
Otherwise it gets no label, the exit status is 1, and the version before stays in service. Where there is none, the
fall-back does; it is published if it is not there yet. A verdict on the same versions, shop and bounds is given again
without asking.
"""
EXAMPLES = """\
examples:
  tfrec gate models
  tfrec gate models --label stable               # label it if it passes
  tfrec gate models --margin 0.01 --label canary --against stable
"""
INTERRUPTED = "Nothing was labelled. Run the same command again."

EXIT_REFUSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument("--version", type=int, metavar="N", help="version to be judged (default: the newest)")
    parser.add_argument("--label", metavar="LABEL", help="label given to the version if it passes")
    parser.add_argument("--against", metavar="LABEL", help="label in service (default: that of --label, else stable)")
    parser.add_argument("--margin", type=float, default=0.02, metavar="X", help="largest loss of HR@10")
    parser.add_argument(
        "--calibration",
        type=float,
        default=2.0,
        metavar="X",
        help="largest ratio between predicted and observed hits, either way",
    )
    parser.add_argument(
        "--slowdown",
        type=float,
        default=1.5,
        metavar="X",
        help="largest latency, as a multiple of that of the version in service",
    )
    parser.add_argument(
        "--max-queries",
        type=int,
        default=2_000,
        metavar="N",
        help="largest number of queries of each signature and draw",
    )
    parser.add_argument(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="folder of the shop (default: the folder that the models were trained on)",
    )
    parser.add_argument("--force", action="store_true", help="judge again, even if nothing changed")
    parser.add_argument("--json", action="store_true", help="output as JSON in place of a table")


def run(options: argparse.Namespace) -> int:
    """Judges, labels what passes, and returns the exit status."""
    from tfrec.release.gate import GateConfig, as_json, judge
    from tfrec.schema.text_columns import text_table

    config = GateConfig(options.margin, options.calibration, options.slowdown, options.max_queries)
    sys.stderr.write("Asking the versions and the baseline ...\n")
    verdict = judge(
        options.models,
        version=options.version,
        label=options.against or options.label or "stable",
        prepared=options.prepared,
        config=config,
        force=options.force,
    )
    if verdict.is_reused:
        sys.stderr.write("Nothing changed since the last verdict, which holds; --force judges again.\n")
    if options.json:
        print(as_json(verdict), end="")
    else:
        words = {True: "passed", False: "FAILED", None: "not judged"}
        rows = [[words[check.passed], check.what, check.found, check.bound] for check in verdict.checks]
        print(text_table(["", "check", "found", "bound"], rows))
        failed = [check.what for check in verdict.checks if check.passed is False]
        if failed:
            print(f"Version {verdict.version} is refused: {', '.join(failed)} failed.")
        else:
            print(f"Version {verdict.version} passes: no check failed.")
    if options.label is not None:
        message = _label(options, verdict.version) if verdict.passed else _keep(options, verdict.against)
        sys.stderr.write(message + "\n")
    return 0 if verdict.passed else EXIT_REFUSED


def _label(options: argparse.Namespace, version: int) -> str:
    from tfrec.tracking.labels import move_label

    move_label(options.models, options.label, version)
    return f"{options.label}: version {version}."


def _keep(options: argparse.Namespace, against: int | None) -> str:
    """Keeps the version in service, without the refused one, and returns a message about it."""
    from tfrec.release.place import Place
    from tfrec.serving.models_config import CONFIG, FALLBACK
    from tfrec.tracking.labels import move_label, serve_fallback_alone

    place = Place(options.models)
    if place.config():
        return f"{options.models / CONFIG} is unchanged: what it names stays in service."
    if against is not None:
        move_label(options.models, options.label, against, with_newest=False)
        return f"{options.label}: version {against}, as before."
    if not place.versions(FALLBACK):
        from tfrec.jobs.fallback import publish_baseline
        from tfrec.release.gate import shop_of

        shop = shop_of(options.models / "shop" / str(max(place.whole_versions())), options.prepared)
        publish_baseline(shop.path, options.models)
    serve_fallback_alone(options.models)
    return f"The fall-back stays in service alone: {options.models / CONFIG} names no version of the funnel."
