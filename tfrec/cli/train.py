"""`tfrec train`: trains models on a prepared shop and writes SavedModels."""

import argparse
import sys
from pathlib import Path

HELP = "train both models on a prepared shop and publish SavedModels"
DESCRIPTION = """\
Trains the retrieval model (two towers: pictures, LSTM) and the ranking model on a prepared shop, keeps their weights
in OUT/trained and publishes OUT/{shop,retrieval,ranking}/N. A second run with the same shop, settings and code reuses
what is there. With --warm-start the models of an earlier day learn the days since, in a tenth of the time.
"""
EXAMPLES = """\
examples:
  tfrec train prepared/online_retail --out models
  tfrec train prepared/online_retail --out models --set retrieval.embedding_dim=32 --set ranking_epochs=4
  tfrec train prepared/online_retail --out models --config train.toml
  tfrec train prepared/online_retail --out models --warm-start models    # nightly: learn the new days alone
  tfrec train prepared/online_retail --out models --warm-start models --track && tfrec label models canary=2
  tfrec train prepared/online_retail --out models --track    # an MLflow run; `mlflow ui` here shows it

train.toml, every key of which may be left out:
  retrieval_epochs = 6
  [retrieval]
  embedding_dim = 64
  use_images = true
  [strategy.upsell]            # the strategies' settings: a run that changes these alone trains nothing
  max_price_ratio = 1.5        # an upgrade costs half as much again at most
"""
INTERRUPTED = "The old models are untouched. The same command resumes where this one stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="DIR", help="folder that `tfrec prepare` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="MODELS", help="folder of models")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="file of settings; see below (default: none)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one setting; may be repeated")
    parser.add_argument(
        "--warm-start",
        type=Path,
        metavar="OLD",
        help="models to continue from on the days that they have not seen; OLD may be MODELS",
    )
    parser.add_argument(
        "--users",
        metavar="RULE",
        help="users that the SavedModels store: all, none, or recent=N, the N with the latest events; requests can "
        "bring the events of the others (default: as configured, else all)",
    )
    parser.add_argument("--force", action="store_true", help="a new training, even if nothing changed")
    parser.add_argument(
        "--track",
        action="store_true",
        help="MLflow tracking, at $MLFLOW_TRACKING_URI, else in ./mlflow.db (needs the extra `tracking`)",
    )


def run(options: argparse.Namespace) -> None:
    """Trains and says where the models lie."""
    from tfrec.errors import ConfigError
    from tfrec.ingest.prepared import read_manifest
    from tfrec.publish import check_claim

    check_claim(options.out)
    read_manifest(options.prepared)  # a wrong path is reported before TensorFlow is loaded
    sys.stderr.write("Loading TensorFlow ...\n")
    from tfrec.training.workers import workers_of_environment

    workers = workers_of_environment()
    from tfrec.jobs.model_updates import warm_start_shop
    from tfrec.models_folder import read_models_manifest
    from tfrec.tracking.tracked_runs import train_tracked, warm_start_tracked
    from tfrec.training.settings_file import read_config
    from tfrec.workflow import follow_training, train_shop

    if workers.count > 1 and (options.warm_start is not None or options.track):
        raise ConfigError("--warm-start and --track train on one machine. Take TF_CONFIG away, or these options.")
    settings = [*options.set, *([] if options.users is None else [f"users={options.users!r}"])]
    if not workers.is_first:
        config = read_config(options.config, settings)
        follow_training(options.prepared, options.out, config, workers, force=options.force)
        print(f"Worker {workers.index} of {workers.count} has nothing left to compute; worker 0 publishes the models.")
        return
    if options.warm_start is None:
        config = read_config(options.config, settings)
        published = (
            train_tracked(options.prepared, options.out, config, force=options.force)
            if options.track
            else train_shop(options.prepared, options.out, config, force=options.force, workers=workers)
        )
    else:
        config = read_config(options.config, settings, under=read_models_manifest(options.warm_start).config)
        published = (warm_start_tracked if options.track else warm_start_shop)(
            options.prepared, options.out, options.warm_start, config, force=options.force
        )
    if published.has_new_settings:
        print("The trained models are reused and published with the new settings of strategies and stored users.")
    elif published.is_reused:
        print("Nothing changed since the last training: its models are reused (--force trains again).")
    else:
        print(f"Trained in {published.seconds:,.0f} s.")
    print(f"SavedModels: {options.out}/{{shop,retrieval,ranking}}/{published.version}")
    print(f"Next: tfrec evaluate {options.out}, or tfrec serve {options.out}")
