from collections.abc import Iterator

import pytest

from tests.databases import running_redis
from tfrec.client.history import HistoryStore, RedisHistoryStore, SqlHistoryStore


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis server, started once for each process that runs tests."""
    with running_redis() as url:
        yield url


@pytest.fixture(params=["redis", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[HistoryStore]:
    """An empty store that keeps five events of each user."""
    if request.param == "redis":
        import redis

        url = request.getfixturevalue("redis_server")
        with redis.Redis.from_url(url) as connection:
            connection.flushall()
        opened: RedisHistoryStore | SqlHistoryStore = RedisHistoryStore(url, most=5)
    else:
        server = request.getfixturevalue("shop_database")
        opened = SqlHistoryStore(server.public_url("shop"), most=5, create_tables=True)
    yield opened
    opened.close()
