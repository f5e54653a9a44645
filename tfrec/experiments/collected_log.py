"""Reads what `tfrec collect` keeps: what was shown, and the events after it."""

import dataclasses
import json
from pathlib import Path

import pandas as pd

from tfrec.errors import SourceError
from tfrec.sources.database import Database, names_database

_SHOWN = ("slate_id", "item_id", "position", "user_id", "session_id", "timestamp")
_OF_ANSWER = ("placement", "signature", "version", "arm")
_EVENTS = (
    *("event_id", "event_type", "timestamp", "user_id", "session_id", "item_id", "order_id"),
    *("quantity", "price", "currency"),
)


@dataclasses.dataclass(frozen=True)
class CollectedLog:
    """What was shown, and what happened.

    Attributes:
        shown: a row an item of a slate: `slate_id`, `item_id`, `position`, `user_id`, `session_id`, `timestamp` (UTC),
            `placement`, `signature`, `version`, `arm`; "" where unknown.
        events: a row an event, ascending by `timestamp`: `event_id`, `event_type`, `timestamp`, `user_id`,
            `session_id`, `item_id`, `order_id`, `quantity`, `price`, `currency`, and the `slate_id` that it names.
    """

    shown: pd.DataFrame
    events: pd.DataFrame

    def within(self, start: pd.Timestamp | None, end: pd.Timestamp | None) -> "CollectedLog":
        """Returns what lies in [start, end), in UTC; None = from the first, or up to the last."""

        def inside(table: pd.DataFrame) -> pd.DataFrame:
            time = table["timestamp"]
            is_in = (time >= start if start is not None else time.notna()) & (
                time < end if end is not None else time.notna()
            )
            return table[is_in].reset_index(drop=True)

        return CollectedLog(inside(self.shown), inside(self.events))


def read_collected(place: str | Path) -> CollectedLog:
    """Returns what is kept in a folder of Parquet files, or in a database.

    Args:
        place: as `tfrec collect --to` was given it: a folder, or the URL of a database, in which `${NAME}` stands for a
            value of the environment.

    Raises:
        SourceError: there is nothing, or no impression.
    """
    if isinstance(place, str) and names_database(place):
        impressions, events = _of_database(Database(place))
    else:
        impressions, events = _of_folder(Path(place))
    if impressions.empty:
        raise SourceError(
            f"{place} holds no impression, so nothing is known to have been shown. Let `tfrec collect` read what "
            "clients log (`AnswerLog`) or pages send."
        )
    shown = _with_texts(impressions, _OF_ANSWER)[[*_SHOWN, *_OF_ANSWER]]
    # A slate that the back end logged and the page saw is in the log twice.
    shown = shown.drop_duplicates(["slate_id", "item_id"])
    named = _with_texts(events, ("slate_id", "recommendation_id"))
    named["slate_id"] = named["slate_id"].where(named["slate_id"] != "", named["recommendation_id"])
    events = named[[*_EVENTS, "slate_id"]].sort_values("timestamp", kind="stable")
    return CollectedLog(shown.reset_index(drop=True), events.reset_index(drop=True))


def _of_folder(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}. Name the one that `tfrec collect --to` writes.")
    tables = []
    for part, columns in (("impressions", _SHOWN), ("events", _EVENTS)):
        files = sorted((folder / part).glob("*.parquet"))
        parts = [pd.read_parquet(file, columns=[*columns, "more"]) for file in files]
        tables.append(_cleaned(pd.concat(parts) if parts else pd.DataFrame(columns=[*columns, "more"])))
    return tables[0], tables[1]


def _of_database(database: Database) -> tuple[pd.DataFrame, pd.DataFrame]:
    from sqlalchemy import text

    engine = database.engine()
    try:
        with database.reporting("reading events"), engine.connect() as connection:
            impressions, events = (
                _cleaned(pd.read_sql(text(f"SELECT {', '.join((*columns, 'more'))} FROM {table}"), connection))
                for table, columns in (("impressions", _SHOWN), ("events", _EVENTS))
            )
            return impressions, events
    finally:
        engine.dispose()


def _cleaned(table: pd.DataFrame) -> pd.DataFrame:
    """Returns times as moments in UTC without a zone, unknown texts as ""."""
    numbers = ("quantity", "price", "position")
    table = table.reset_index(drop=True).assign(
        timestamp=pd.to_datetime(table["timestamp"], utc=True).dt.tz_convert(None).astype("datetime64[us]")
    )
    for name in table.columns.drop("timestamp"):
        table[name] = pd.to_numeric(table[name]) if name in numbers else table[name].fillna("").astype("str")
    return table


def _with_texts(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Returns a table with texts of its further fields as columns; "" where they are not there."""
    known = {text: json.loads(text) for text in table["more"].unique() if text}
    found = {
        name: table["more"].map(lambda text, name=name: str(known[text].get(name) or "") if text else "")
        for name in names
    }
    return table.assign(**{name: column.astype("str") for name, column in found.items()})
