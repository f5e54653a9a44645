"""`tfrec evaluate`: compares the served shop with baselines; writes report.json and report.html."""

import argparse
import sys
from pathlib import Path

from tfrec.cli.outputs import inputs_of

HELP = "evaluate the served models on the test period, beside the baselines"
DESCRIPTION = """\
Asks the exported SavedModel for slates in the test period (cart completion, cross-sell; with sessions also the next
item, the gain from the events that a query contains, and upsell), ranks the whole catalogue without any data of the
test period, and prints hit rates beside eight baselines with bootstrap intervals. Writes report.json and report.html.
"""
EXAMPLES = """\
examples:
  tfrec evaluate models
  tfrec evaluate models --no-baselines --draws 1      # quick
  tfrec evaluate models --servable fallback           # the baseline that `tfrec baseline` published
  tfrec evaluate models --ablations                   # also trains without pictures and without the LSTM
"""
INTERRUPTED = "The old report is untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="folder of the shop (default: the folder that the models were trained on)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the report (default: MODELS/report, MODELS/report_NAME)"
    )
    parser.add_argument(
        "--servable",
        default="shop",
        metavar="NAME",
        help="servable to evaluate: shop, or the fallback of `tfrec baseline`",
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="evaluation of the models alone, without baselines for carts"
    )
    parser.add_argument(
        "--all-baselines", action="store_true", help="comparison with every baseline in place of eight (slow)"
    )
    parser.add_argument(
        "--baskets", action="store_true", help="evaluation of the whole next basket of each known user, too"
    )
    parser.add_argument(
        "--category-level",
        type=int,
        default=0,
        metavar="L",
        help="level of the category path at which cross-category compares; 0 is the top",
    )
    parser.add_argument(
        "--draws", type=int, default=5, metavar="N", help="number of draws of the hidden items, averaged"
    )
    parser.add_argument(
        "--max-queries", type=int, default=20_000, metavar="N", help="largest number of queries of each task, sampled"
    )
    parser.add_argument(
        "--ablations",
        action="store_true",
        help="training and evaluation without pictures and without the LSTM, too (slow)",
    )


def run(options: argparse.Namespace) -> None:
    """Evaluates, prints the report and says where it lies."""
    from tfrec.baselines import CART_BASELINES, MORE_CART_BASELINES
    from tfrec.errors import ConfigError
    from tfrec.evaluation.report import REPORT_FOLDER, write_report
    from tfrec.jobs.ablation import ablate
    from tfrec.models_folder import report_folder
    from tfrec.publish import check_folder
    from tfrec.tracking.tracked_runs import track_evaluation
    from tfrec.workflow import evaluate_models

    if options.draws < 1 or options.max_queries < 1:
        raise ConfigError("--draws and --max-queries must be at least 1.")
    if options.category_level < 0:
        raise ConfigError(f"--category-level must be 0 (the top) or more; got {options.category_level}.")
    if options.ablations and options.servable != "shop":
        raise ConfigError("--ablations trains the models of `shop` again; leave --servable out.")
    if options.no_baselines and options.all_baselines:
        raise ConfigError("--no-baselines and --all-baselines exclude each other. Leave one out.")
    out, inputs = options.out or report_folder(options.models, servable=options.servable), inputs_of(options)
    check_folder(out, REPORT_FOLDER, inputs=inputs)
    sys.stderr.write("Evaluating ...\n")
    report = evaluate_models(
        options.models,
        prepared=options.prepared,
        baselines={} if options.no_baselines else MORE_CART_BASELINES if options.all_baselines else CART_BASELINES,
        category_level=options.category_level,
        with_baskets=options.baskets,
        max_queries=options.max_queries,
        seeds=range(options.draws),
        servable=options.servable,
    )
    if options.ablations:
        report = ablate(options.models, report, prepared=options.prepared)
    print(report)
    page = write_report(report, out, inputs=inputs)
    print(f"Report: {page} (and report.json beside it)")
    if options.servable != "shop":
        return
    if (run_id := track_evaluation(options.models, report, page)) is not None:
        print(f"Tracked in the models' MLflow run {run_id}.")
