"""MySQL and Parquet keep each event once, whatever comes twice."""

import datetime as dt
import decimal
import json
import threading

import pytest

from tests.collect.kept import in_database
from tests.collect.logs import make_event
from tests.databases import PASSWORD
from tfrec.collect import Collector, EventRules, collect_files, open_target
from tfrec.collect.batches import Batch, Position, Rejected
from tfrec.collect.event_check import EventCheck
from tfrec.collect.id_index import IdIndex, digest_of, sorted_digests
from tfrec.collect.mysql_target import MysqlTarget, read_sql, split_sql
from tfrec.collect.parquet_target import ParquetTarget
from tfrec.errors import SourceError
from tfrec.sources.database import Database

CHECK = EventCheck(EventRules())


def rows(*numbers, **fields):
    return [CHECK.row_of(make_event(number, **fields)) for number in numbers]


def opened(kept):
    return open_target(kept.place, EventRules(), **({"create_tables": True} if "://" in kept.place else {}))


def test_values_come_back_as_they_were(kept):
    odd = "Žluťoučký 🐎 \"x\" 'y' \\ \b\f\n\r\t\x1f \x7f"
    target = opened(kept)
    target.commit(Batch(rows(2, query=odd, price=0.1, further={"a": [1, None, odd]}) + rows(3, price=5), []))
    target.close()
    (event,), (impression,) = kept.read("events"), kept.read("impressions")
    assert event["query"] == odd.strip()
    assert float(event["price"]) == 0.1 and event["rating"] is None and event["order_id"] == "o2"
    assert json.loads(event["more"]) == {"further": {"a": [1, None, odd]}}
    assert event["timestamp"].replace(tzinfo=None) == dt.datetime(2026, 10, 3, 2, 2, 0, 2000)
    assert (impression["slate_id"], impression["position"], impression["propensity"]) == ("sl0", 0, 0.1)
    assert decimal.Decimal(str(impression["price"])) == 5


def test_an_event_is_kept_once_by_its_id(kept):
    target = opened(kept)
    assert target.commit(Batch(rows(0, 1, 2, 1), [])).new == 3
    found = target.commit(Batch(rows(2, 3, timestamp="2026-11-01"), []))  # sent again with another time
    assert (found.new, found.repeated) == (1, 1)
    target.close()
    target = opened(kept)
    assert target.commit(Batch(rows(3, 4, 0), [])).new == 1
    target.close()
    assert sorted(kept.ids()) == sorted(make_event(number)["event_id"] for number in range(5))


def test_ids_that_differ_in_case_are_different(kept):
    target = opened(kept)
    assert target.commit(Batch(rows(0, event_id="Ab") + rows(0, event_id="aB") + rows(0, event_id="äb"), [])).new == 3
    target.close()


def test_rejected_lines_and_positions_are_kept_with_the_events(kept):
    line = Rejected("log.jsonl", 17, "no JSON", "{'ä'")
    target = opened(kept)
    target.commit(Batch(rows(0), [line], {"log.jsonl": Position(40, "ab" * 16, 12)}))
    assert target.positions() == {"log.jsonl": Position(40, "ab" * 16, 12)}
    target.commit(Batch([], [], {"log.jsonl": Position(50, "cd" * 16, 12)}))
    target.close()
    target = opened(kept)
    assert target.positions() == {"log.jsonl": Position(50, "cd" * 16, 12)}
    target.close()
    (found,) = kept.read("rejected_events")
    assert (found["origin"], found["place"], found["reason"], found["line"]) == ("log.jsonl", 17, "no JSON", "{'ä'")


def test_several_processes_collect_the_same_into_a_database(shop_database):
    kept = in_database(shop_database)
    opened(kept).close()
    found = []

    def collect(seed):
        target = opened(kept)
        numbers = list(range(seed * 50, seed * 50 + 400))
        found.extend(target.commit(Batch(rows(*numbers[at : at + 40]), [])).new for at in range(0, 400, 40))
        target.close()

    threads = [threading.Thread(target=collect, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = kept.ids()
    assert len(ids) == len(set(ids)) == sum(found) == 550


def test_a_lost_connection_is_made_again(shop_database):
    target = opened(in_database(shop_database))
    target.commit(Batch(rows(0), []))
    query = "SELECT id FROM information_schema.processlist WHERE db = 'shop' AND id <> CONNECTION_ID()"
    ((number,),) = shop_database.execute("shop", query)
    shop_database.execute("mysql", f"KILL {number}")
    assert target.commit(Batch(rows(0, 1), [])).new == 1
    target.close()


def test_more_than_a_statement_may_hold_is_divided(shop_database, monkeypatch):
    target = opened(in_database(shop_database))
    target._limit = 2_000
    assert target.commit(Batch(rows(*range(100)), [])).new == 100
    target.close()
    assert len(in_database(shop_database).ids()) == 100


def test_a_database_without_the_tables_says_how_to_make_them(shop_database):
    with pytest.raises(SourceError, match=r"has no table events.*collector\.sql") as caught:
        MysqlTarget(Database(shop_database.public_url("shop")))
    assert PASSWORD not in str(caught.value)


def test_an_error_of_the_database_shows_no_password(shop_database):
    target = opened(in_database(shop_database))
    shop_database.execute("shop", "DROP TABLE events")
    with pytest.raises(SourceError, match="collecting failed") as caught:
        target.commit(Batch(rows(0), []))
    target.close()
    assert PASSWORD not in str(caught.value)
    assert shop_database.execute("shop", "SELECT COUNT(*) FROM event_ids") == [(0,)]  # nothing of the batch is kept


def test_postgres_is_refused(monkeypatch):
    with pytest.raises(SourceError, match="into MySQL, MariaDB or a folder"):
        MysqlTarget(Database("postgresql://u:secret-word@h/s"))


def test_months_are_added_and_dropped(shop_database):
    kept = in_database(shop_database)
    target = opened(kept)
    target.commit(Batch(rows(0, 3, timestamp="2020-01-01"), [Rejected("x", 0, "old")]))
    target.commit(Batch(rows(1, 7), []))
    names = "SELECT partition_name FROM information_schema.partitions WHERE table_schema = 'shop' AND table_name = '{}'"
    for table in ("events", "impressions"):
        found = [name for (name,) in shop_database.execute("shop", names.format(table))]
        assert (
            len(found) == 5
            and found[-1] == "later"
            and found == sorted(found, key=lambda name: (name == "later", name))
        )
    assert len(split_sql(read_sql())) == 10
    shop_database.execute("shop", "CALL tfrec_drop_months(25)")
    assert shop_database.execute("shop", "SELECT COUNT(*) FROM event_ids") == [(2,)]
    shop_database.execute("shop", "CALL tfrec_add_months(5)", "CALL tfrec_drop_months(-2)")
    assert len(shop_database.execute("shop", names.format("events"))) == 5
    assert kept.ids() == [] and target.commit(Batch(rows(1), [])).new == 1
    target.close()


def test_a_reader_of_the_folder_never_sees_half(tmp_path):
    target = ParquetTarget(tmp_path / "collected", rows=10)
    for at in range(0, 40, 4):
        target.commit(Batch(rows(*range(at, at + 4)), []))
    assert len(list((tmp_path / "collected" / "events").glob("*.parquet"))) == 3
    assert len(list((tmp_path / "collected" / "journal").iterdir())) == 1
    target.close()
    assert list((tmp_path / "collected" / "journal").iterdir()) == []


def test_a_torn_journal_keeps_what_was_acknowledged(tmp_path):
    folder = tmp_path / "collected"
    target = ParquetTarget(folder)
    target.commit(Batch(rows(0), []))
    target.commit(Batch(rows(1), []))
    target._open_resources.close()  # as after a kill
    (journal,) = (folder / "journal").iterdir()
    journal.write_bytes(journal.read_bytes()[:-5])
    target = ParquetTarget(folder)
    assert target.commit(Batch(rows(0, 1), [])).new == 1
    target.close()


@pytest.mark.parametrize("name", ["events/00000000.parquet", "ids/00000000.ids", "collected.json"])
def test_a_kill_between_parquet_and_the_end_of_the_journal_counts_once(tmp_path, name):
    folder = tmp_path / "collected"
    target = ParquetTarget(folder)
    target.commit(Batch(rows(0, 3), []))
    target._journal.flush()
    journal, state = (folder / "journal" / "00000000.jsonl").read_bytes(), (folder / "collected.json").read_bytes()
    target.close()
    (folder / "journal" / "00000000.jsonl").write_bytes(journal)
    if name != "collected.json":
        (folder / name).unlink()
        (folder / "collected.json").write_bytes(state)
    target = ParquetTarget(folder)
    assert target.commit(Batch(rows(0, 1, 3), [])).new == 1
    target.close()


def test_two_processes_do_not_write_one_folder(tmp_path):
    target = ParquetTarget(tmp_path)
    with pytest.raises(SourceError, match="is being written by another tfrec"):
        ParquetTarget(tmp_path)
    target.close()


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(SourceError, match=r"letter\.txt"):
        ParquetTarget(tmp_path)


def test_a_folder_has_one_key(tmp_path):
    key = bytes(range(32))
    open_target(str(tmp_path / "out"), EventRules(key=key)).close()
    with pytest.raises(SourceError, match="as pseudonyms under another key"):
        open_target(str(tmp_path / "out"), EventRules())


def test_ids_beyond_the_window_are_forgotten(tmp_path):
    import os

    target = ParquetTarget(tmp_path)
    target.commit(Batch(rows(0), []))
    target.close()
    (ids,) = (tmp_path / "ids").iterdir()
    os.utime(ids, (0, 0))
    target = ParquetTarget(tmp_path, window_days=30)
    assert target.commit(Batch(rows(0), [])).new == 1
    target.close()


def test_the_index_knows_every_id_once():
    index = IdIndex()
    digests = [digest_of(str(number)) for number in range(250_000)]
    for at in range(0, 250_000, 1_000):
        assert all(index.unknown(digests[at : at + 1_000]))
        index.add(digests[at : at + 1_000])
    index.add_run(sorted_digests([digest_of("x")]))
    assert not any(index.unknown([*digests[::1_000], digest_of("x")])) and len(index) == 250_001
    assert index.unknown([digest_of("y"), digest_of("y")]) == [True, False]


def test_a_rejected_line_is_not_shown_where_user_ids_are_hidden(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"user_id": "secret-user"}\n', encoding="utf-8")
    rules = EventRules(key=bytes(range(32)))
    collector = Collector(open_target(str(tmp_path / "out"), rules), rules)
    assert collect_files([tmp_path / "log.jsonl"], collector).rejected == {"missing event_type": 1}
    collector.close()
    assert all(b"secret-user" not in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
