"""`tfrec rollback`: returns to the previous good version, by its label or by moving the newest aside."""

import argparse
import sys

HELP = "go back to the previous good version, by its label or by moving the newest aside"
DESCRIPTION = """\
Points a label at the highest version below the present one that is whole, was not refused by `tfrec gate`, and answers
as its certificate says (it is loaded and asked first). What no label names is no longer loaded. Without models.config
the newest version is moved to SERVABLE/.withdrawn/N, and a server returns to the one before; its number is not used
again, and moving it back undoes it.
"""
EXAMPLES = """\
examples:
  tfrec rollback models                          # stable
  tfrec rollback models --label canary --to 6
  tfrec rollback s3://shop-models/live
"""
INTERRUPTED = "Nothing was changed, or all of it was: see models.config."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("target", metavar="MODELS|URL", help="folder of servables, or its URL")
    parser.add_argument("--label", metavar="LABEL", help="label that is moved (default: stable)")
    parser.add_argument("--to", type=int, metavar="N", help="version to return to (default: the previous good one)")


def run(options: argparse.Namespace) -> None:
    """Rolls back and says to what."""
    from tfrec.release.rollback import plan_rollback, withdraw_newest
    from tfrec.tracking.labels import move_label

    sys.stderr.write("Checking the version to go back to ...\n")
    plan = plan_rollback(options.target, label=options.label, to=options.to)
    if not plan.label:
        for place in withdraw_newest(options.target, plan):
            print(f"moved aside: {place}")
        print(f"in service: version {plan.now}; version {plan.was} comes back by moving these folders back.")
        return
    move_label(options.target, plan.label, plan.now, with_newest=False)
    print(f"{plan.label}: version {plan.now}, which was {plan.was}")
