"""The servers that tests of databases use."""

import pytest

from tests import databases


def test_mariadb_answers_and_begins_empty(shop_database):
    assert shop_database.execute("shop", "SHOW TABLES") == []
    assert "MariaDB" in shop_database.execute("shop", "SELECT VERSION()")[0][0]


def test_postgres_answers(postgres):
    assert "PostgreSQL" in postgres.execute("postgres", "SELECT version()")[0][0]


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_an_absent_server_fails_in_ci_and_skips_elsewhere(ci, outcome, monkeypatch):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install mariadb-server"):
        databases.require("no-such-program", "mariadb-server")
