"""`tfrec export`: writes a new version of the SavedModels from trained models."""

import argparse
import sys
from pathlib import Path

HELP = "publish a new version of the SavedModels from trained models"
DESCRIPTION = """\
Exports the models that `tfrec train` kept as the next version of the servables shop, retrieval and ranking: each
appears by rename, and a server that watches the folder loads it.
"""
EXAMPLES = """\
examples:
  tfrec export models                          # models/shop/2 ...
  tfrec export models --out /srv/serving       # another folder, such as the one that TF Serving watches
  tfrec export models --users recent=100000    # a smaller version; requests bring the events of other users
"""
INTERRUPTED = "The versions that were there are untouched. Run the same command again to publish the next one."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument("--out", type=Path, metavar="SERVING_DIR", help="folder of servables (default: MODELS)")
    parser.add_argument(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="folder of the shop (default: the folder that the models were trained on)",
    )
    parser.add_argument(
        "--users",
        metavar="RULE",
        help="users that this version stores: all, none, or recent=N, the N with the latest events; requests can bring "
        "the events of the others (default: as trained)",
    )


def run(options: argparse.Namespace) -> None:
    """Exports and says where."""
    from tfrec.models_folder import read_models_manifest
    from tfrec.publish import check_claim
    from tfrec.workflow import publish_servables

    check_claim(options.out or options.models)
    read_models_manifest(options.models)
    sys.stderr.write("Exporting ...\n")
    version = publish_servables(options.models, out=options.out, prepared=options.prepared, users=options.users)
    print(f"SavedModels: {options.out or options.models}/{{shop,retrieval,ranking}}/{version}")
