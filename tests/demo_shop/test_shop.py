"""The generated folder: repeatable, clean but for counted dirt, and behaving as its truth says."""

import dataclasses
import filecmp
import itertools
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.demo_shop.conftest import CONFIG
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop, read_truth
from tfrec.errors import ConfigError, SourceError

TINY = DemoShopConfig(num_items=400, num_users=200, num_events=4_000, num_slates=200)


def test_same_config_gives_identical_files(tmp_path):
    for name in ("one", "two"):
        generate_demo_shop(tmp_path / name, TINY)
    files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert len(files) == 21
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", files, shallow=False)[0] == files


def test_another_seed_gives_another_shop(tmp_path):
    generate_demo_shop(tmp_path, TINY)
    before = (tmp_path / "events.csv.gz").read_bytes()
    generate_demo_shop(tmp_path, dataclasses.replace(TINY, seed=8))
    assert (tmp_path / "events.csv.gz").read_bytes() != before


def test_folder_of_the_same_config_is_left_alone(tmp_path):
    generate_demo_shop(tmp_path / "shop", TINY)
    before = (tmp_path / "shop" / "events.csv.gz").stat().st_mtime_ns
    again = generate_demo_shop(tmp_path / "shop", TINY)
    assert (tmp_path / "shop" / "events.csv.gz").stat().st_mtime_ns == before
    assert again.config == TINY


def test_broken_off_generation_leaves_the_old_shop(tmp_path, monkeypatch):
    generate_demo_shop(tmp_path / "shop", TINY)
    monkeypatch.setattr("tfrec.demo_shop.shop.write_truth", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        generate_demo_shop(tmp_path / "shop", dataclasses.replace(TINY, seed=8))
    assert read_truth(tmp_path / "shop").config == TINY
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_truth_can_be_read_from_a_copy_of_its_folder_alone(folder, truth, tmp_path):
    shutil.copytree(folder / "truth", tmp_path / "truth")
    copy = read_truth(tmp_path)
    assert copy.config == truth.config
    pd.testing.assert_frame_equal(copy.complements, truth.complements)


def test_reading_where_no_shop_is_says_so(tmp_path):
    with pytest.raises(SourceError, match="generate_demo_shop"):
        read_truth(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{"num_items": 5}, {"cold_share": 0.9}, {"end": "soon"}, {"evaluation_days": 300}, {"num_slates": 190_000}],
    ids=lambda settings: next(iter(settings)),
)
def test_setting_out_of_range_is_named(settings):
    with pytest.raises(ConfigError, match=f"`{next(iter(settings))}`"):
        DemoShopConfig(**settings)


@pytest.mark.parametrize("factor", [1, 3], ids=["small", "three times"])
def test_sizes_follow_the_config(tmp_path, factor):
    config = DemoShopConfig(
        num_items=500 * factor, num_users=400 * factor, num_events=10_000 * factor, num_slates=500 * factor
    )
    truth = generate_demo_shop(tmp_path, config)
    assert len(truth.styles) == config.num_items
    assert len(truth.segments) == config.num_users
    assert truth.dirt["clean_rows"] == pytest.approx(config.num_events, rel=0.15)


def test_dirt_is_as_many_rows_as_the_truth_says(raw, found_dirt, truth):
    assert {kind: int(rows.sum()) for kind, rows in found_dirt.items()} == {
        kind: count for kind, count in truth.dirt.items() if not kind.endswith("_rows")
    }
    assert len(raw) == truth.dirt["raw_rows"]


def test_each_dirty_row_has_one_defect_and_the_rest_is_the_clean_log(raw, found_dirt, truth):
    assert pd.DataFrame(found_dirt).sum(axis=1).max() == 1
    assert len(raw) - sum(rows.sum() for rows in found_dirt.values()) == truth.dirt["clean_rows"]


def test_clean_log_keeps_its_promises(clean, truth):
    config = truth.config
    assert clean["time"].is_monotonic_increasing
    assert clean["time"].between(config.starts_at, config.ends_at, inclusive="left").all()
    assert (
        (clean["time"].dt.normalize() >= pd.to_datetime(clean["available_from"]))
        .where(clean["available_from"].fillna("") != "", True)
        .all()
    )
    bought = clean[clean["action"] == "bought"]
    assert (bought["order_no"] != "").all()
    assert bought.groupby("order_no")[["session", "customer", "time"]].nunique().to_numpy().max() == 1
    assert not bought.duplicated(["order_no", "product"]).any()
    assert bought.groupby("order_no").size().mean() > 1.8
    visitors = clean[clean["session"] != ""].groupby("session")["customer"].first()
    assert (visitors == "").mean() == pytest.approx(config.guest_share, abs=0.03)


def test_prices_rise_with_the_tier_and_sales_only_lower_them(items, clean, truth):
    median = items.merge(truth.styles, left_on="product", right_on="item").groupby(["leaf", "tier"])["price"].median()
    table = median.unstack()[["good", "better", "best"]].dropna()
    assert (np.diff(table.to_numpy(), axis=1) > 0).mean() > 0.98
    paid = (clean["unit_price"] / clean["price"]).dropna()
    assert paid.max() < 1.001
    assert 0.69 < paid.min() < 0.72


def test_sold_out_items_are_not_bought_in_the_evaluation_period(items, clean, truth):
    late = clean[(clean["time"] >= truth.split_at) & (clean["action"] == "bought")]
    sold_out = items.loc[items["stock"] == 0, "product"]
    assert len(sold_out) > 0
    assert not late["product"].isin(sold_out).any()


def test_cold_items_sell_after_the_split_only(clean, truth):
    cold = clean[clean["product"].isin(truth.cold_items["item"])]
    assert len(truth.cold_items) == int(CONFIG.cold_share * CONFIG.num_items)
    assert (cold["time"] >= truth.split_at).all()
    late = clean[clean["time"] >= truth.split_at]
    assert late.loc[late["action"] == "viewed", "product"].isin(truth.cold_items["item"]).mean() > 0.05


def test_complements_are_directed_and_show_in_the_orders(clean, truth):
    pairs = set(zip(truth.complements["from_leaf"], truth.complements["to_leaf"], strict=True))
    assert not pairs & {(end, start) for start, end in pairs}
    orders = clean[clean["action"] == "bought"].groupby("order_no")["leaf"].agg(set)
    has = {leaf: orders.map(lambda leaves, leaf=leaf: leaf in leaves) for leaf in set(itertools.chain(*pairs))}
    camera = "Electronics > Cameras > Compact cameras"
    card = "Electronics > Camera accessories > Memory cards"
    assert has[card][has[camera]].mean() > 0.55
    assert has[camera][has[card]].mean() < 0.45
    lifts = [has[end][has[start]].mean() / has[end].mean() for start, end in pairs]
    assert np.median(lifts) > 3


def test_named_complement_is_bought_more_often_than_others_of_its_leaf(clean, truth):
    bought = clean.loc[clean["action"] == "bought", ["order_no", "product"]]
    pairs = bought.merge(bought, on="order_no")
    leaf = truth.styles.set_index("item")["leaf"]
    pairs["edge"] = list(zip(pairs["product_x"].map(leaf), pairs["product_y"].map(leaf), strict=True))
    edges = set(zip(truth.complements["from_leaf"], truth.complements["to_leaf"], strict=True))
    pairs = pairs[pairs["edge"].isin(edges)]
    true = set(zip(truth.complements["from_item"], truth.complements["to_item"], strict=True))
    is_true = [pair in true for pair in zip(pairs["product_x"], pairs["product_y"], strict=True)]
    # Three of about twenty items of a leaf would be hit by chance 15 % of the time.
    assert np.mean(is_true) > 0.45


def test_substitutes_share_leaf_and_tier_and_upgrades_are_dearer_and_better(items, truth):
    about = truth.styles.set_index("item").join(items.set_index("product")["price"])
    rank = {"good": 0, "better": 1, "best": 2}
    left, right = about.loc[truth.substitutes["item"]], about.loc[truth.substitutes["substitute"]]
    assert (left["leaf"].to_numpy() == right["leaf"].to_numpy()).all()
    assert (left["tier"].to_numpy() == right["tier"].to_numpy()).all()
    assert (truth.substitutes["item"] != truth.substitutes["substitute"]).all()
    left, right = about.loc[truth.upgrades["item"]], about.loc[truth.upgrades["upgrade"]]
    assert (left["leaf"].to_numpy() == right["leaf"].to_numpy()).all()
    assert (left["tier"].map(rank).to_numpy() < right["tier"].map(rank).to_numpy()).all()
    assert (truth.upgrades["price_ratio"] > 1).all()


def test_shoppers_move_on_to_dearer_items_of_the_same_leaf(clean):
    views = clean[clean["action"] == "viewed"].sort_values(["session", "time"], kind="stable")
    follows = (views["session"] == views["session"].shift()) & (views["leaf"] == views["leaf"].shift())
    assert (views["price"] > views["price"].shift())[follows].mean() > 0.6


def test_tastes_of_segments_and_users_show_in_the_log(clean, truth):
    known = clean[(clean["customer"] != "") & (clean["action"] == "viewed")]
    joined = known.merge(truth.segments, left_on="customer", right_on="user")
    assert (joined["style"] == joined["favourite_style"]).mean() > 0.5  # a quarter by chance
    assert (joined["tier"] == joined["favourite_tier"]).mean() > 0.5
    department = joined["leaf"].str.split(" > ").str[0]
    share = pd.crosstab(joined["segment"], department, normalize="index")
    assert share.loc["fashion lovers"].idxmax() == "Clothing"
    assert share.loc["home cooks"].idxmax() == "Kitchen"
    assert share["Pets"].idxmax() == "pet and care regulars"


def test_consumables_are_bought_again_at_intervals(clean):
    bought = clean[(clean["customer"] != "") & (clean["action"] == "bought")]
    again = bought.groupby(["customer", "product"])["time"].diff().dropna() / pd.Timedelta(days=1)
    is_again = bought.duplicated(["customer", "product"])
    consumable = bought["leaf"].isin(bought.loc[is_again, "leaf"].value_counts().index[:9])
    assert 0.15 < is_again.mean() < 0.45
    assert consumable[is_again].mean() > 0.8
    assert again.median() > 12


def test_order_of_views_predicts_the_next_leaf_and_the_bag_does_not(clean, truth):
    """Truth says: after (A, B) comes C, after (B, A) another leaf. Read forwards it must hit, backwards it must not."""
    views = clean[clean["action"] == "viewed"].sort_values(["session", "time"], kind="stable")
    steps = views[(views["leaf"] != views["leaf"].shift()) | (views["session"] != views["session"].shift())]
    before = steps.groupby("session")["leaf"]
    table = pd.DataFrame({"previous_leaf": before.shift(2), "leaf": before.shift(1), "next": steps["leaf"]}).dropna()
    course = truth.transitions
    forward = table.merge(course, on=["previous_leaf", "leaf"])
    backward = table.merge(course.rename(columns={"previous_leaf": "leaf", "leaf": "previous_leaf"}))
    assert len(forward) > 0.5 * len(table)
    assert (forward["next"] == forward["next_leaf"]).mean() > 0.6
    assert (backward["next"] == backward["next_leaf"]).mean() < 0.15


def test_gift_season_and_weekend_are_busy(clean):
    days = clean.groupby(clean["time"].dt.date)["session"].nunique()
    stamp = pd.DatetimeIndex(days.index)
    is_gift = (stamp.month == 12) & (stamp.day <= 24)
    assert days[is_gift].mean() > 1.15 * days[(stamp.month == 1) | (stamp.month == 2)].mean()
    usual = days[~is_gift]
    weekday = pd.DatetimeIndex(usual.index).dayofweek
    assert usual[weekday >= 5].mean() > 1.2 * usual[weekday < 5].mean()
    hour = clean["time"].dt.hour.value_counts()
    assert hour[20] > 5 * hour[4]


def test_raters_are_happier_with_what_fits_their_style(clean, truth):
    rated = clean[clean["action"] == "reviewed"].merge(truth.segments, left_on="customer", right_on="user")
    stars = rated["stars"].astype(int)
    fits = rated["style"] == rated["favourite_style"]
    assert stars.between(1, 5).all()
    assert stars[fits].mean() > stars[~fits].mean() + 0.4
