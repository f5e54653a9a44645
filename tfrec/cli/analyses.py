"""Reads the log and prints the findings for the verbs on customers and demand."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec.schema.text_columns import plain_json

if TYPE_CHECKING:
    from tfrec.ingest.prepared import Prepared
    from tfrec.report.words import Language
    from tfrec.schema.tables import Tables


def add_log(parser: argparse.ArgumentParser) -> None:
    """Adds the prepared shop, which part of it is read, `--json` and `--language`."""
    parser.add_argument("prepared", type=Path, metavar="PREPARED", help="folder that `tfrec prepare` wrote")
    parser.add_argument(
        "--training-only",
        action="store_true",
        help="training period only, as for models and evaluations",
    )
    parser.add_argument("--json", action="store_true", help="output as JSON in place of text")
    add_language(parser)


def add_language(parser: argparse.ArgumentParser) -> None:
    """Adds `--language`."""
    parser.add_argument(
        "--language", choices=("en", "zh"), default="en", help="language of the fixed text: English or Chinese"
    )


def wording(options: argparse.Namespace) -> "Language":
    """Returns what says the fixed text in the language asked for."""
    from tfrec.report.words import language

    return language(options.language)


def read_log(options: argparse.Namespace) -> "Tables":
    """Returns the tables that `add_log` asked for."""
    return read_shop(options)[1]


def read_shop(options: argparse.Namespace) -> "tuple[Prepared, Tables]":
    """Returns the prepared shop, and the tables of it that `add_log` asked for."""
    from tfrec.ingest.prepared import read_prepared
    from tfrec.report.findings import whole_log

    prepared = read_prepared(options.prepared)
    return prepared, prepared.train if options.training_only else whole_log(prepared)


def print_json(value: Any) -> None:
    """Prints a finding for machines; absent figures are null."""
    from tfrec.schema.json_values import to_json

    print(plain_json(json.dumps(to_json(value), indent=2, ensure_ascii=False)))
