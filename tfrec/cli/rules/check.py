"""`tfrec rules check`: says on the validation period what each merchandising rule costs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.settings import add_json, count

if TYPE_CHECKING:
    from tfrec.jobs.rule_costs import RuleCost
    from tfrec.statistics.paired import PairedComparison

HELP = "what each rule costs on the validation period, in hits and revenue"
DESCRIPTION = """\
Answers the carts and visits of the validation period with and without each rule, as if it were in force then, and shows
what it changes: slates that it touches, hit rate, revenue of what was bought and offered. A mistake in the rules is an
error. Rules that hold in `upsell` and `similar` alone are not measured: the log has no queries of them.
"""
EXAMPLES = """\
examples:
  tfrec rules check models --rules rules.toml
  tfrec rules check models                       # the rules in service
"""
INTERRUPTED = "Nothing was written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="rules.toml (default: the rules kept in MODELS)")
    parser.add_argument(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="folder of the shop (default: the folder that the models were trained on)",
    )
    parser.add_argument("--max-queries", type=count, default=1000, metavar="N", help="queries of each signature")
    parser.add_argument("--k", type=count, default=10, metavar="N", help="items of a slate")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Measures and prints."""
    from tfrec.cli.analyses import print_json
    from tfrec.models_folder import read_models_manifest
    from tfrec.schema.json_values import to_json

    read_models_manifest(options.models)  # a wrong path is reported before TensorFlow is loaded
    sys.stderr.write("Loading TensorFlow ...\n")
    from tfrec.jobs.rule_costs import measure_rules

    costs = measure_rules(
        options.models, options.rules, prepared=options.prepared, max_queries=options.max_queries, k=options.k
    )
    if options.json:
        print_json({"rules": [to_json(cost) for cost in costs]})
    else:
        print(_text(costs))


def _text(costs: "list[RuleCost]") -> str:
    from tfrec.schema.text_columns import cut, text_table

    rows = [
        [
            str(cost.rule) if cost.rule else "all",
            cut(cost.about),
            f"{cost.num_touched:,} of {cost.num_slates:,}",
            _difference(cost.hit_rate, "{:+.2%}"),
            _difference(cost.revenue, "{:+,.3f}"),
        ]
        for cost in costs
    ]
    table = text_table(["rule", "what", "slates touched", "hit rate", "revenue a slate"], rows)
    return f"{table}\n\nWith the rule less without it, with 95 % intervals; revenue is of what was bought and offered."


def _difference(found: "PairedComparison | None", form: str) -> str:
    if found is None:
        return "not measured"
    one = found.difference
    value, low, high = (form.format(number) for number in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]"
