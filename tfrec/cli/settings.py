"""Parses the texts of options: numbers, names and moments, with errors that show the expected form."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.schema.calendar import ShopCalendar


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="output as JSON in place of text")


def count(text: str) -> int:
    """Returns a whole number of 1 or more, for `type=` of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more; got {text!r}")
    return int(text)


def collected_place(text: str) -> Path | str:
    """Returns a folder as a path, so that nothing is written over it, and the URL of a database as it is."""
    from tfrec.sources.database import names_database

    return text if names_database(text) else Path(text)


def names(text: str | None) -> tuple[str, ...]:
    """Returns `a,b` as `("a", "b")`."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def named_numbers(text: str | None, option: str) -> dict[str, float]:
    """Returns `a=1.5,b=20%` as `{"a": 1.5, "b": 0.2}`.

    Raises:
        ConfigError: a part is no `NAME=NUMBER`, or a name comes twice.
    """
    from tfrec.errors import ConfigError

    numbers: dict[str, float] = {}
    for part in names(text):
        name, sign, number = part.rpartition("=")
        try:
            value = float(number.rstrip("%")) / (100 if number.endswith("%") else 1)
        except ValueError:
            sign, value = "", 0.0
        if not sign or not name or name in numbers:
            raise ConfigError(f"{option} takes NAME=NUMBER,NAME=NUMBER, each name once; got {text!r}.")
        numbers[name] = value
    return numbers


def moment(text: str | None, option: str, calendar: "ShopCalendar") -> "pd.Timestamp | None":
    """Returns `2025-12-01` or `2025-12-01 14:00` on a shop's clock as a moment in UTC.

    Raises:
        ConfigError: it is no date.
    """
    import pandas as pd

    from tfrec.errors import ConfigError

    if text is None:
        return None
    try:
        timestamp = pd.Timestamp(text)
    except ValueError:
        timestamp = pd.NaT
    if pd.isna(timestamp):
        raise ConfigError(f"{option} takes a date such as 2025-12-01, or 2025-12-01T14:00; got {text!r}.")
    return calendar.in_utc(timestamp).as_unit("us")


def share(text: str, option: str) -> float:
    """Returns `5%` as 0.05, and `0.05` as it is.

    Raises:
        ConfigError: it is no number.
    """
    from tfrec.errors import ConfigError

    try:
        number = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{option} takes a number such as 0.05, or 5%; got {text!r}.")
    return number
