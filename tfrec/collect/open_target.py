"""Opens where events are kept: a database or a folder."""

from pathlib import Path

from tfrec.collect.batches import Target
from tfrec.collect.event_check import EventRules
from tfrec.errors import ConfigError
from tfrec.sources.database import Database, names_database


def open_target(
    place: str,
    rules: EventRules,
    *,
    create_tables: bool = False,
    segment_seconds: float = 60.0,
    window_days: float = 0.0,
) -> Target:
    """Returns where events are kept.

    Args:
        place: URL of MySQL or MariaDB, in which `${NAME}` stands for a value of the environment; else a folder for
            Parquet files.
        rules: of the events, whose key the folder remembers by a check word.
        create_tables: makes the tables of the database that are missing.
        segment_seconds: age at which events of a folder become Parquet.
        window_days: for how many days a folder knows ids of events; 0 = forever.

    Raises:
        SourceError: the place cannot be used.
    """
    if names_database(place):
        from tfrec.collect.mysql_target import MysqlTarget

        return MysqlTarget(Database(place), create_tables=create_tables)
    if create_tables:
        raise ConfigError("`create_tables` is of a database; a folder has no tables.")
    from tfrec.collect.parquet_target import ParquetTarget

    check = ""
    if rules.key is not None:
        from tfrec.ingest.privacy import key_check

        check = key_check(rules.key)
    return ParquetTarget(Path(place), seconds=segment_seconds, window_days=window_days, key_check=check)
