"""What the verbs on customers and demand share: which log is read, how findings are printed and written."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.report.words import Language
    from tfrec.schema.tables import Tables


def add_log(parser: argparse.ArgumentParser) -> None:
    """Adds the prepared shop, which part of it is read, `--json` and `--language`."""
    parser.add_argument("prepared", type=Path, metavar="PREPARED", help="folder that `tfrec prepare` wrote")
    parser.add_argument(
        "--training-only",
        action="store_true",
        help="leave the test period out, as for what models or an evaluation will be built on",
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of text")
    add_language(parser)


def add_language(parser: argparse.ArgumentParser) -> None:
    """Adds `--language`."""
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="of the fixed text: English or Chinese")


def wording(options: argparse.Namespace) -> "Language":
    """Returns what says the fixed text in the language asked for."""
    from tfrec.report.words import language

    return language(options.language)


def read_log(options: argparse.Namespace) -> "Tables":
    """Returns the tables that `add_log` asked for."""
    from tfrec.ingest.prepared import read_prepared
    from tfrec.report.findings import whole_log

    prepared = read_prepared(options.prepared)
    return prepared.train if options.training_only else whole_log(prepared)


def print_json(told: Any) -> None:
    """Prints a finding for machines; absent figures are null."""
    from tfrec.report.findings import to_json_values

    print(json.dumps(to_json_values(told), indent=2, ensure_ascii=False))


def check_table(path: Path | None) -> None:
    """Refuses a kind of file that `write_table` cannot write, before the analysis is run.

    Raises:
        ConfigError: the name ends in neither `.csv` nor `.parquet`.
    """
    from tfrec.errors import ConfigError

    if path is not None and path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"--out writes .csv or .parquet; got {path.name}. Rename it.")


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Writes a table as CSV or Parquet, by the ending of its name, the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".tmp-{path.name}")
    if path.suffix == ".parquet":
        frame.to_parquet(part, index=False)
    else:
        frame.to_csv(part, index=False)
    part.replace(path)
