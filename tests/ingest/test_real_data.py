"""Published counts of the real data sets: they hold only if reading, cleaning and splitting are right."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import parts_of
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.schema.tables import category_levels


def prepare(name: str, data_home: Path, folder: Path) -> Prepared:
    if not (data_home / name).is_dir():
        pytest.skip(f"no {name} there: set TFREC_DATA_HOME to a folder that holds it")
    return prepare_shop(name, folder / name, data_home=data_home)


@pytest.fixture(scope="module")
def online_retail(data_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare("online_retail", data_home, tmp_path_factory.mktemp("prepared"))


@pytest.mark.slow
def test_online_retail_rows_add_up(online_retail: Prepared) -> None:
    manifest = online_retail.manifest
    assert manifest.rows == 541_909
    assert manifest.kept == 527_725 == manifest.train_events + manifest.test_events
    assert manifest.rejected["cancelled invoice"] == 9_288
    assert manifest.rows == manifest.kept + sum(manifest.rejected.values())
    assert len(pd.read_parquet(online_retail.path / "rejected.parquet")) == sum(manifest.rejected.values())
    assert manifest.train_orders == 16_206


def test_online_retail_has_the_protocols_test_orders(online_retail: Prepared) -> None:
    known = set(online_retail.train.events["item_id"])
    test = online_retail.test.events
    of_order = test[test["item_id"].isin(known)].groupby("order_id")["item_id"].nunique()
    assert (of_order >= 2).sum() == 3_308
    assert set(online_retail.train.items["item_id"]) == known


def test_online_retail_ids_are_text_and_guests_are_empty(online_retail: Prepared) -> None:
    users = online_retail.train.events["user_id"]
    assert users[users != ""].str.fullmatch(r"\d{5}").all()
    assert 0.2 < (users == "").mean() < 0.3
    assert not online_retail.train.users["user_id"].eq("").any()


def test_groceries_marks_and_levels(data_home: Path, tmp_path: Path) -> None:
    prepared = prepare("groceries", data_home, tmp_path)
    events = pd.concat([prepared.train.events, prepared.test.events])
    assert len(events) == 43_367
    assert events["order_id"].nunique() == 9_835
    levels = category_levels(prepared.train.items["category"])
    assert [levels[level].nunique() for level in levels] == [10, 55]
    assert not prepared.manifest.has_time
    assert set(prepared.train.events["order_id"]).isdisjoint(prepared.test.events["order_id"])
    assert prepared.manifest.test_orders / 9_835 == pytest.approx(0.1, abs=0.01)


def test_clicks_keep_their_order_in_the_session(data_home: Path, tmp_path: Path) -> None:
    prepared = prepare("eshop_clothing_2008", data_home, tmp_path)
    events = pd.concat([prepared.train.events, prepared.test.events])
    assert len(events) == 165_474
    assert events["session_id"].nunique() == 24_026
    assert prepared.test_from == pd.Timestamp("2008-08-01")
    assert prepared.test.events["timestamp"].min() >= prepared.test_from
    steps = events.groupby("session_id")["timestamp"].diff().dropna()
    assert (steps > pd.Timedelta(0)).all()
    raw = pd.read_csv(data_home / "eshop_clothing_2008" / "eshop_clothing_2008.csv.gz", sep=";")
    first = raw[raw["session ID"] == 1].sort_values("order(sells)")["page 2 (clothing model)"].tolist()
    assert events[events["session_id"] == "1"]["item_id"].tolist() == first


@pytest.mark.slow
def test_online_retail_until_equals_a_log_that_ends_there(data_home: Path, tmp_path: Path) -> None:
    name = "online_retail/online_retail.csv.gz"
    raw = pd.read_csv(data_home / name, dtype="str", keep_default_na=False)
    (tmp_path / "online_retail").mkdir()
    raw[raw["InvoiceDate"] < "2011-09-01"].to_csv(tmp_path / name, index=False)
    prepare_shop("online_retail", tmp_path / "whole", until="2011-09-01", data_home=data_home)
    prepare_shop("online_retail", tmp_path / "cut", until="2011-09-01", data_home=tmp_path)
    for table in ("events.parquet", "items.parquet", "users.parquet"):
        assert parts_of(tmp_path / "whole" / table) == parts_of(tmp_path / "cut" / table), table


@pytest.mark.slow
def test_supermarket_baskets_and_category_paths(data_home: Path, tmp_path: Path) -> None:
    prepared = prepare("coop100", data_home, tmp_path)
    events = pd.concat([prepared.train.events, prepared.test.events])
    assert len(events) == 639_394
    assert (events["order_id"].nunique(), events["user_id"].nunique()) == (73_764, 100)
    assert events["item_id"].nunique() == 3_421
    assert prepared.manifest.test_orders == 5_062
    assert set(events["item_id"]) <= set(prepared.train.items["item_id"])
    assert len(category_levels(prepared.train.items["category"]).columns) == 6
