"""`tfrec label`: labels versions in MLflow's registry and in TF Serving's models.config."""

import argparse
from pathlib import Path

HELP = "name versions (stable, canary) in the registry and for TF Serving"
DESCRIPTION = """\
Gives versions of the servables names: as aliases of the registered model in MLflow, where the models were tracked, and
as version labels in MODELS/models.config, which TF Serving and `tfrec serve` read. Without names it writes the file
again from the aliases that the registry has now.
"""
EXAMPLES = """\
examples:
  tfrec label models stable=3 canary=4
  tfrec label models                             # someone moved an alias in MLflow
  tfrec serve models    # and in another shell, once it serves:
  tfrec ask localhost:8500 cross_sell --cart 85123A --version-label stable
  tfrec label models stable=3 --base-path /models
  tensorflow_model_server --port=8500 --model_config_file=/models/models.config \\
    --model_config_file_poll_wait_seconds=30 --allow_version_labels_for_unavailable_models
"""
INTERRUPTED = "The old models.config is untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument("labels", nargs="*", metavar="LABEL=N", help="label and version")
    parser.add_argument(
        "--base-path", metavar="DIR", help="path of MODELS as the server sees it (default: as it is here)"
    )
    parser.add_argument(
        "--force", action="store_true", help="permission to overwrite a models.config that was written by hand"
    )


def run(options: argparse.Namespace) -> None:
    """Labels and says what is labelled."""
    from tfrec.errors import ConfigError
    from tfrec.serving.models_config import CONFIG
    from tfrec.tracking.labels import label_versions

    labels = {}
    for text in options.labels:
        label, _, number = text.partition("=")
        if not number.isdigit():
            raise ConfigError(f"A label is written LABEL=N, such as stable=3; got {text!r}.")
        labels[label] = int(number)
    labelled = label_versions(options.models, labels, base_path=options.base_path, force=options.force)
    for label, version in sorted(labelled.items()):
        print(f"{label}: {options.models}/{{shop,retrieval,ranking}}/{version}")
    if not labelled:
        print("The registry has no aliases for these models: name them, such as stable=3.")
    print(f"For TF Serving and tfrec serve: {options.models / CONFIG}")
