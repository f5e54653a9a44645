"""`tfrec associations`: finds what is bought together."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.plots import add_plot, check_plot, save_plot
from tfrec.cli.settings import count

if TYPE_CHECKING:
    import pandas as pd

HELP = "mine association rules: what is bought together"
DESCRIPTION = """\
Mines rules "who buys A also buys B" from orders: support, confidence and lift with intervals, false discoveries held
at 5 %, only rules that hold in both halves of the period, and none that a shorter one already says.
"""
EXAMPLES = """\
examples:
  tfrec associations prepared/online_retail
  tfrec associations prepared/online_retail --view directed --top 30
  tfrec associations demo/prepared --level 1 --min-support 0.01
  tfrec associations prepared/online_retail --out rules.csv
"""
_KIND = "association rules"
_COLUMNS = (
    "antecedent", "consequent", "size", "count", "antecedent_count", "consequent_count", "support", "confidence",
    "confidence_low", "confidence_high", "lift", "lift_low", "lift_high", "leverage", "conviction", "chi_squared",
    "p_value", "q_value", "confidence_early", "confidence_late", "lift_early", "lift_late", "is_stable",
)  # fmt: skip
_DIRECTED = ("reverse_confidence", "ratio")
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument(
        "--min-support", type=float, metavar="SHARE", help="least share of orders (default: as low as memory allows)"
    )
    parser.add_argument("--min-confidence", type=float, default=0.1, metavar="SHARE", help="least confidence")
    parser.add_argument("--max-size", type=int, default=3, metavar="N", help="largest number of items of a rule")
    parser.add_argument("--level", type=int, metavar="L", help="level of categories to find rules between (0 = top)")
    parser.add_argument(
        "--unstable", action="store_true", help="unstable rules too, which hold in one half of the period alone"
    )
    parser.add_argument(
        "--redundant",
        action="store_true",
        help="redundant rules too, at most 5 points more certain than one with fewer antecedents",
    )
    parser.add_argument(
        "--view",
        choices=("all", "cross-category", "directed"),
        default="all",
        help="rules shown: all, those into another category, or pairs that hold one way only",
    )
    parser.add_argument("--top", type=count, default=15, metavar="N", help="number of rules printed")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of all rules of the view, .csv or .parquet")
    add_plot(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Mines and prints."""
    from tfrec.analysis.rules import MIN_IMPROVEMENT, mine_rules
    from tfrec.report.terminal.rules import rules_text
    from tfrec.schema.item_names import item_names
    from tfrec.schema.json_values import to_json

    columns = (*_COLUMNS, *_DIRECTED) if options.view == "directed" else _COLUMNS
    check_table(options, options.out, _KIND, columns=columns)
    check_plot(options)
    tables = read_log(options)
    mined = mine_rules(
        tables,
        min_support=options.min_support,
        min_confidence=options.min_confidence,
        max_size=options.max_size,
        only_stable=not options.unstable,
        min_improvement=None if options.redundant else MIN_IMPROVEMENT,
        level=options.level,
    )
    views = {"all": lambda: mined.rules, "cross-category": mined.cross_category, "directed": mined.directed}
    rules = views[options.view]()
    if options.out is not None:
        named = rules.assign(antecedent=rules["antecedent"].map(" + ".join))
        save_table(options, options.out, named, _KIND)
    if options.plot is not None:
        _save_plot(options, rules, item_names(tables.items))
    if options.json:
        print_json({**to_json(mined), "view": options.view, "rules": rules.head(options.top)})
    else:
        print(rules_text(mined, rules, wording(options), top=options.top, out=options.out))


def _save_plot(options: argparse.Namespace, rules: "pd.DataFrame", names: dict[str, str]) -> None:
    from tfrec.errors import SchemaError
    from tfrec.report.plots import rules_figure

    figures = rules_figure(rules, lambda item: names.get(item, item), wording(options))
    if not figures:
        raise SchemaError("There is no pair of items to draw. Lower --min-support, or leave --plot out.")
    save_plot(options, figures[0])
