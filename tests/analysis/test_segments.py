import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.analysis.shops import shop
from tests.benchmarks.segments import synthetic_users
from tfrec.analysis.segments import (
    NOISE,
    VISITORS,
    knee_of_distances,
    segment_by_dbscan,
    segment_by_kmeans,
    segment_by_rfm,
)
from tfrec.errors import ConfigError, SchemaError
from tfrec.report.terminal.customers import segments_text
from tfrec.report.words import language
from tfrec.schema.tables import Tables


def two_kinds(*, num: int = 60, seed: int = 0) -> tuple[Tables, dict[str, str]]:
    """Returns a shop where heavy users buy wine every week, and rare users bought beer once long ago."""
    rng = np.random.default_rng(seed)
    rows, kinds = [], {}
    for number in range(num):
        kind = "heavy" if number % 3 == 0 else "rare"
        user = f"{kind}-{number}"
        kinds[user] = kind
        for order in range(20 if kind == "heavy" else 1):
            day = 300 - 7 * order - rng.random() if kind == "heavy" else 40 + 20 * rng.random()
            item = "wine" if kind == "heavy" else "beer"
            price = (50 if kind == "heavy" else 5) * (0.9 + 0.2 * rng.random())
            rows.append((user, item, f"{user}/{order}", day, price))
    columns = ["user_id", "item_id", "order_id", "days", "price"]
    items = {"item_id": ["wine", "beer"], "category": ["Cellar > Wine", "Brewery > Beer"]}
    return shop(pd.DataFrame(rows, columns=columns).to_dict("list"), items), kinds


@pytest.mark.parametrize("segment", [segment_by_kmeans, segment_by_dbscan], ids=["K-means", "DBSCAN"])
def test_two_kinds_of_user_are_separated(segment):
    tables, kinds = two_kinds()
    settings = {"ks": range(2, 5)} if segment is segment_by_kmeans else {}
    found = segment(tables, **settings)
    clear = found.assignments[found.assignments["segment"] != NOISE]
    truth = clear["user_id"].map(kinds)
    assert adjusted_rand_score(truth, clear["segment"]) == pytest.approx(1.0)
    assert found.noise_share <= 0.1
    assert found.stability >= 0.9


def test_most_valuable_segment_comes_first_with_its_share_and_taste():
    tables, _ = two_kinds()
    found = segment_by_kmeans(tables, ks=[2])
    first = found.profiles.iloc[0]
    assert first["num_users"] == 20
    assert first["share"] == pytest.approx(1 / 3)
    assert first["value_share"] > 0.9
    assert any(word in first["segment"].lower() for word in ("frequent", "faithful", "big-order", "recent"))
    assert "20 users (33%)" in segments_text(found, language("en"))
    assert first["taste"][0].name.startswith("Cellar")
    assert found.popular[found.popular["segment"] == first["segment"]]["item_id"].tolist() == ["wine"]


def test_new_user_gets_the_segment_of_those_alike():
    tables, kinds = two_kinds()
    found = segment_by_kmeans(tables, ks=[2])
    others, other_kinds = two_kinds(num=12, seed=9)
    labels = dict(found.assignments.to_numpy())
    expected = {kind: labels[user] for user, kind in kinds.items()}
    # The newcomers are looked at on the same day as the users that the segments were made from.
    given = found.assign(others, now=tables.events["timestamp"].iloc[-1])
    assert {user: expected[kind] for user, kind in other_kinds.items()} == dict(given.to_numpy())


def test_who_never_bought_is_a_visitor():
    tables, _ = two_kinds()
    events = tables.events.assign(
        event_type=tables.events["event_type"].where(tables.events["user_id"] != "rare-1", "view")
    )
    found = segment_by_rfm(Tables(events, tables.items, tables.users))
    assert dict(found.assignments.to_numpy())["rare-1"] == VISITORS


def test_rfm_calls_the_best_champions_and_the_gone_lost():
    rng = np.random.default_rng(0)
    rows = [
        (f"u{number:02d}", f"{number}/{order}", 3 * number + rng.random() - 0.1 * order, 1.0 + number)
        for number in range(100)
        for order in range(1 + number // 5)
    ]
    found = segment_by_rfm(
        shop(pd.DataFrame(rows, columns=["user_id", "order_id", "days", "price"]).assign(item_id="a").to_dict("list"))
    )
    label = dict(found.assignments.to_numpy())
    assert {label[f"u{number}"] for number in range(90, 100)} == {"Champions"}
    assert {label[f"u{number:02d}"] for number in range(10)} == {"Lost"}


def test_noise_of_dbscan_is_named():
    tables, _ = two_kinds(num=90)
    strange = shop(
        {
            "user_id": ["odd"] * 200,
            "item_id": ["wine"] * 200,
            "order_id": [f"odd/{n // 2}" for n in range(200)],
            "days": np.linspace(1, 299, 200),
            "price": [9000.0] * 200,
        }
    )
    events = pd.concat([tables.events, strange.events]).sort_values("timestamp", ignore_index=True)
    found = segment_by_dbscan(Tables(events, tables.items, tables.users))
    assert dict(found.assignments.to_numpy())["odd"] == NOISE
    assert found.noise_share > 0


def test_outliers_are_named_by_what_they_are():
    # A crowd of equal buyers, and a few who bought a while ago yet order every other day, each unlike the other.
    rng = np.random.default_rng(0)
    num_orders = np.concatenate([np.full(200, 1), np.array([20, 60, 110, 150])])
    rows = [
        (f"u{user}", "wine", f"{user}/{order}", float(day), 10.0)
        for user, num in enumerate(num_orders)
        for order, day in enumerate(np.sort(rng.uniform(0, 300, num)))
    ]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "order_id", "days", "price"])
    found = segment_by_dbscan(shop(events.to_dict("list")), features=("num_orders", "recency_days"))
    outliers = found.profiles[found.profiles["segment"] == NOISE].iloc[0]
    assert outliers["num_users"] < 30
    assert "frequent" in outliers["traits"]


def test_dense_regions_do_not_depend_on_the_scale_of_money():
    rng = np.random.default_rng(1)
    spent = np.concatenate([rng.uniform(5, 9, 60), rng.uniform(40, 60, 60), rng.pareto(1.0, 12) * 100 + 60])
    days = rng.uniform(0, 300, len(spent))
    found = [
        segment_by_dbscan(
            shop(
                {
                    "user_id": [f"u{user}" for user in range(len(spent))],
                    "item_id": ["wine"] * len(spent),
                    "order_id": [str(user) for user in range(len(spent))],
                    "days": days,
                    "price": price,
                }
            ),
            features=("value_per_order", "recency_days"),
        )
        for price in (spent, 1.0 + np.argsort(np.argsort(spent)))
    ]
    pd.testing.assert_frame_equal(found[0].assignments, found[1].assignments)


def test_knee_parts_a_dense_cloud_from_far_points():
    rng = np.random.default_rng(0)
    cloud = rng.normal(0, 0.1, size=(500, 2))
    far = rng.uniform(5, 50, size=(20, 2))
    knee = knee_of_distances(np.concatenate([cloud, far]), 4)
    assert 0.02 < knee < 1.0


def test_unstable_choice_is_said_aloud():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(300), 3)
    events = {
        "user_id": [f"u{user}" for user in users],
        "item_id": [f"i{item}" for item in rng.integers(0, 50, 900)],
        "order_id": [f"o{order}" for order in range(900)],
        "days": rng.random(900) * 300,
        "price": rng.random(900),
    }
    found = segment_by_kmeans(shop(events), ks=[7, 8], min_stability=0.95)
    assert found.stability < 0.95
    assert [(note.code, note.values) for note in found.notes] == [("no k is stable", {"least": 0.95})]


def test_segments_are_recovered_from_a_sample():
    tables, _ = synthetic_users(num_users=6000, seed=3)
    whole = segment_by_kmeans(tables, ks=[3])
    found = segment_by_kmeans(tables, ks=[3], max_sample=1000)
    assert adjusted_rand_score(whole.assignments["segment"], found.assignments["segment"]) > 0.9
    assert found.notes[0].values == {"sample": 1000, "all": 6000}


def test_export_is_read_back(tmp_path):
    tables, _ = two_kinds()
    found = segment_by_kmeans(tables, ks=[2])
    found.export(tmp_path / "segments")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "segments" / "users.parquet"), found.assignments)
    stored = json.loads((tmp_path / "segments" / "segments.json").read_text())
    assert [row["segment"] for row in stored["segments"]] == found.profiles["segment"].tolist()


def test_more_clusters_than_buyers_is_an_error():
    with pytest.raises(ConfigError, match="60 buyers"):
        segment_by_kmeans(two_kinds()[0], ks=[80])


def test_a_shop_without_purchases_is_an_error():
    with pytest.raises(SchemaError, match="bought something"):
        segment_by_rfm(shop({"user_id": ["u"], "item_id": ["a"], "event_type": ["view"], "days": [0]}))


@pytest.mark.slow
def test_online_retail_is_stable(online_retail):
    found = segment_by_kmeans(online_retail, num_resamples=5)
    assert found.stability >= 0.8


def test_buyer_known_for_long_is_not_called_new():
    """All order within the last days; one of the small buyers ordered first 270 days ago, the others lately."""
    rows = [(f"big{n}", f"b{n}/{k}", 300 - 9 * k - n / 100, 50.0) for n in range(30) for k in range(20)]
    rows += [(f"gone{n}", f"g{n}/{k}", 100 - n, 50.0) for n in range(40) for k in range(4)]
    rows += [(f"small{n}", f"s{n}/0", 299.9, 1.0) for n in range(20)]
    rows += [("small0", "s0/1", 27.0, 1.0)]
    columns = ["user_id", "order_id", "days", "price"]
    found = segment_by_rfm(shop(pd.DataFrame(rows, columns=columns).assign(item_id="a").to_dict("list")))
    label = dict(found.assignments.to_numpy())
    assert {label[f"small{n}"] for n in range(1, 20)} == {"New"}
    assert label["small0"] == "Promising"


def test_what_is_bought_as_much_as_by_others_is_no_taste():
    tables, _ = two_kinds()
    same = tables.items.assign(category="Cellar")
    found = segment_by_kmeans(Tables(tables.events, same, tables.users), ks=[2])
    assert [list(taste) for taste in found.profiles["taste"]] == [[], []]


def test_language_with_other_names_shows_the_keys_too():
    tables, _ = two_kinds()
    found = segment_by_kmeans(tables, ks=[2])
    key = found.profiles["segment"].iloc[0]
    assert key in segments_text(found, language("zh"))
    assert "Key in files" not in segments_text(found, language("en"))
