"""`tfrec refresh`: publishes a version of trained models that knows new items, orders and users."""

import argparse
import sys
from pathlib import Path

HELP = "add new items, orders and users to the served models in seconds, without training"
DESCRIPTION = """\
Computes item weights, popularity and profiles again from the shop as it is prepared now, encodes new items from their
category, brand, price, title and picture with the trained models, and publishes a new version. No weight changes.
Learn the new days with `tfrec train --warm-start`, nightly or weekly; refresh in between.
"""
EXAMPLES = """\
examples:
  tfrec prepare my_shop.toml --out prepared/my_shop && tfrec refresh models
  tfrec refresh models prepared/my_shop_today
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
        "--track",
        action="store_true",
        help="MLflow tracking and registration, at $MLFLOW_TRACKING_URI, else in ./mlflow.db",
    )


def run(options: argparse.Namespace) -> None:
    """Refreshes and says what is new."""
    from tfrec.models_folder import read_models_manifest

    read_models_manifest(options.models)  # a wrong path is reported before TensorFlow is loaded
    sys.stderr.write("Loading TensorFlow ...\n")
    from tfrec.jobs.model_updates import refresh_shop
    from tfrec.tracking.tracked_runs import refresh_tracked

    updated = (refresh_tracked if options.track else refresh_shop)(options.models, options.prepared)
    if updated.is_reused:
        print("Nothing changed since the models were made: their version is kept.")
    else:
        print(
            f"{updated.new_items:,} new items, {updated.new_events:,} new events: known after {updated.seconds:.1f} s."
        )
    print(f"SavedModels: {options.models}/{{shop,retrieval,ranking}}/{updated.version}")
