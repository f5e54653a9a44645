"""Checks output paths before any work: inputs and files of others are never overwritten."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OUTPUTS = ("out", "export", "json", "buy_again", "plot")
"""Names of the options that files and folders are written to; all other paths are read."""


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds `--force` to a verb that writes files."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="permission to overwrite a file that tfrec did not write; inputs are never overwritten",
    )


def inputs_of(options: argparse.Namespace) -> list[Path]:
    """Returns the files and folders that the verb reads."""
    values = [value for name, value in vars(options).items() if name not in OUTPUTS]
    return [path for value in values for path in (value if isinstance(value, list) else [value]) if _is_path(path)]


def check_output(
    options: argparse.Namespace, path: Path | None, kind: str, *, columns: Sequence[str] | None = None
) -> None:
    """Refuses a file that may not be overwritten, before the analysis is run.

    Args:
        options: options of the verb.
        path: None = nothing is written.
        kind: see `check_file`.
        columns: of the table, where it is one.

    Raises:
        SourceError: see `check_file`.
    """
    from tfrec.publish import check_file

    if path is not None:
        check_file(path, kind, inputs=inputs_of(options), force=options.force, columns=columns)


def check_table(options: argparse.Namespace, path: Path | None, kind: str, *, columns: Sequence[str]) -> None:
    """Checks a table likewise; also refuses a kind of file that `save_table` cannot write.

    Raises:
        ConfigError: the name ends in neither `.csv` nor `.parquet`.
        SourceError: see `check_file`.
    """
    from tfrec.errors import ConfigError

    if path == Path():
        raise ConfigError("The name of a file to be written is empty. Name it, or leave the option out.")
    if path is not None and path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"A table is written as .csv or .parquet; got {path.name}. Rename it.")
    check_output(options, path, kind, columns=columns)


def save_table(options: argparse.Namespace, path: Path, frame: "pd.DataFrame", kind: str) -> None:
    """Writes a table as CSV or Parquet, by the ending of its name, the whole file or none."""
    from tfrec.publish import write_table

    write_table(path, frame, kind, inputs=inputs_of(options), force=options.force)


def _is_path(value: object) -> bool:
    return isinstance(value, Path)
