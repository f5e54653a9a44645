"""Opens the history store that a URL names."""

from tfrec.client.history.redis_store import RedisHistoryStore
from tfrec.client.history.sql_store import SqlHistoryStore

_REDIS = ("redis://", "rediss://", "unix://")


def open_history(
    url: str, *, most: int = 1000, create_tables: bool = False, timeout: float = 1.0
) -> RedisHistoryStore | SqlHistoryStore:
    """Returns the store at a URL: Redis (`redis://`, `rediss://`, `unix://`), else a database by SQLAlchemy.

    Args:
        url: see the two stores.
        most: events kept of each user, the latest.
        create_tables: makes the tables that a database lacks.
        timeout: seconds until the store is given up.

    Raises:
        EnvironmentSetupError: the extra that it needs is not installed.
        SourceError: the URL cannot be understood, or the database does not answer.
        SchemaError: `most` is below 1.
    """
    if url.startswith(_REDIS):
        return RedisHistoryStore(url, most=most, timeout=timeout)
    return SqlHistoryStore(url, most=most, create_tables=create_tables, timeout=timeout)
