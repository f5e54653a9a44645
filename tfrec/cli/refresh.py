"""`tfrec refresh`: publishes a version of trained models that knows new items, orders and users."""

import argparse
import sys
from pathlib import Path

HELP = "add new items, orders and users to the served models in seconds, without training"
DESCRIPTION = """\
Computes item weights, popularity and profiles again from the shop as it is prepared now, encodes new items from their
category, brand, price, title and picture with the trained models, and publishes a new version. No weight changes.
Learn the new days with `tfrec train --warm-start`, nightly or weekly; refresh in between.

--rules puts the shop's merchandising rules into service: a version that differs from the newest by them alone. They are
kept in MODELS, and every later version has them; a file without rules takes them back.
"""
EXAMPLES = """\
examples:
  tfrec prepare my_shop.toml --out prepared/my_shop && tfrec refresh models
  tfrec refresh models prepared/my_shop_today
  tfrec refresh models --rules rules.toml
  tfrec refresh models --track && tfrec label models canary=4    # register the version, then name it
"""
INTERRUPTED = "The old version is untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument(
        "prepared",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="folder of the shop as it is now (default: the folder that the models were trained on)",
    )
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="merchandising rules (rules.toml) of this and all later versions"
    )
    parser.add_argument(
        "--track",
        action="store_true",
        help="MLflow tracking and registration, at $MLFLOW_TRACKING_URI, else in ./mlflow.db",
    )


def run(options: argparse.Namespace) -> None:
    """Refreshes and says what is new."""
    from tfrec.models_folder import read_models_manifest

    read_models_manifest(options.models)  # a wrong path is reported before TensorFlow is loaded
    if options.rules is not None and _put_into_service(options):
        if options.track:
            sys.stderr.write("Nothing was learned or computed, so no run is kept of it.\n")
        return
    sys.stderr.write("Loading TensorFlow ...\n")
    from tfrec.jobs.model_updates import refresh_shop
    from tfrec.tracking.tracked_runs import refresh_tracked

    has_new_rules = options.rules is not None
    refresh = refresh_tracked if options.track else refresh_shop
    updated = refresh(options.models, options.prepared, has_new_rules=has_new_rules)
    if updated.is_reused and not has_new_rules:
        print("Nothing changed since the models were made: their version is kept.")
    else:
        print(
            f"{updated.new_items:,} new items, {updated.new_events:,} new events: known after {updated.seconds:.1f} s."
        )
    print(f"SavedModels: {options.models}/{{shop,retrieval,ranking}}/{updated.version}")


def _put_into_service(options: argparse.Namespace) -> bool:
    """Keeps the rules, says where they are in force, and returns whether a version with them could be made at once."""
    from tfrec.jobs.rule_updates import update_rules

    updated = update_rules(options.models, options.rules, options.prepared)
    if updated.version is None:
        return False
    fallback = f", fallback/{updated.fallback}" if updated.fallback is not None else ""
    print(f"{updated.num_rules:,} rules in service after {updated.seconds:.1f} s; no weight and no table changed.")
    print(f"SavedModels: {options.models}/{{shop,retrieval,ranking}}/{updated.version}{fallback}")
    return True
