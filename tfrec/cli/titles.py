"""Reads items' titles for what prints or offers items, from a prepared shop or a CSV file."""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

from tfrec.errors import SourceError, nearest_hint


def add_title_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name where titles are."""
    parser.add_argument(
        "--prepared", type=Path, metavar="DIR", help="folder of the prepared shop, for the items' titles"
    )
    parser.add_argument(
        "--items", type=Path, metavar="FILE.csv", help="file with columns item_id and title, for the items' titles"
    )


def read_titles(options: argparse.Namespace) -> Mapping[str, str]:
    """Returns item id → title; empty where no option names a place.

    Raises:
        SourceError: what is named cannot be read.
    """
    if options.items is not None:
        return _of_csv(options.items)
    if options.prepared is not None:
        from tfrec.ingest.prepared import read_prepared

        items = read_prepared(options.prepared).train.items
        return dict(zip(items["item_id"], items["title"], strict=True))
    return {}


def _of_csv(path: Path) -> Mapping[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = rows.fieldnames or []
            for column in ("item_id", "title"):
                if column not in columns:
                    raise SourceError(f"{path} must have the columns item_id and title.{nearest_hint(column, columns)}")
            return {row["item_id"]: row["title"] for row in rows}
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read ({error}). Give a CSV file with item_id and title.") from error
