"""The benchmark of strategies counts what the truth of the demo shop says of an offer."""

import gzip
import tomllib

import pandas as pd
import pytest

from tests.benchmarks import strategies
from tests.benchmarks.new_colours import give_colours
from tests.benchmarks.offers import has_upgrade, judge, share
from tests.benchmarks.results import Figure, Held
from tests.benchmarks.strategies import Bench, measured
from tests.benchmarks.withheld import withhold_categories, withhold_views


def offers(rows):
    return pd.DataFrame(rows, columns=["anchor", "rank", "item"])


def some(table, first, second, *, most=50):
    pairs = table.sample(most, random_state=0)
    return offers([(a, 1, b) for a, b in zip(pairs[first], pairs[second], strict=True)])


def test_an_edge_of_the_truth_is_a_complement_one_way_and_reversed_the_other(truth):
    forth = judge(some(truth.complements, "from_item", "to_item"), truth)
    assert forth["is_complement"].all() and not forth[["is_reversed", "is_substitute", "is_upgrade"]].any(axis=None)
    back = judge(some(truth.complements, "to_item", "from_item"), truth)
    assert back["is_reversed"].all() and not back[["is_complement", "is_substitute", "is_upgrade"]].any(axis=None)


def test_substitutes_and_upgrades_of_the_truth_are_kept_apart(truth):
    instead = judge(some(truth.substitutes, "item", "substitute"), truth)
    assert instead["is_substitute"].all() and not instead["is_upgrade"].any()
    better = judge(some(truth.upgrades, "item", "upgrade"), truth)
    assert better["is_substitute"].all() and better["is_upgrade"].all()
    worse = judge(some(truth.upgrades, "upgrade", "item"), truth)
    assert not worse["is_upgrade"].any()


def test_a_share_is_of_the_first_places_alone(truth):
    pairs = truth.complements.drop_duplicates("from_leaf").head(4)
    anchors, others = pairs["from_item"].tolist(), pairs["to_item"].tolist()
    rows = [(anchor, 1, other) for anchor, other in zip(anchors, others, strict=True)]
    judged = judge(offers([*rows, *((anchor, 2, anchor) for anchor in anchors)]), truth)
    first, both = (share(judged, "is_complement", k=k) for k in (1, 2))
    assert (first.figure.value, first.num_anchors, first.num_offers) == (1.0, 4, 4)
    assert (both.figure.value, both.num_offers) == (0.5, 8)
    pairs_alone = share(judged, "is_complement", k=2, of=judged["is_complement"].to_numpy())
    assert (pairs_alone.figure.value, pairs_alone.num_offers) == (1.0, 4)


def test_items_of_the_best_tier_have_no_upgrade(truth):
    styles = truth.styles.drop_duplicates("tier")
    judged = judge(offers([(item, 1, item) for item in styles["item"]]), truth)
    assert dict(zip(styles["tier"], has_upgrade(truth, judged), strict=True)) == {
        "good": True,
        "better": True,
        "best": False,
    }


def test_a_log_without_views_keeps_every_other_row(folder, raw, tmp_path):
    place = tmp_path / "place"
    (place / "data").mkdir(parents=True)
    (place / "data" / "demo_shop").symlink_to(folder)
    home = withhold_views(place)
    with gzip.open(home / "demo_shop" / "events.csv.gz", "rt") as file:
        kept = pd.read_csv(file, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(kept, raw[raw["action"] != "viewed"].reset_index(drop=True))
    assert (home / "demo_shop" / "items.csv").read_bytes() == (folder / "items.csv").read_bytes()


def test_a_catalogue_without_categories_keeps_its_other_columns_and_the_recipe_learns_them(folder, tmp_path):
    home = tmp_path / "home"
    recipe = tomllib.loads(withhold_categories(folder, home).read_text())
    assert recipe["items"]["category_from_title"] is True
    assert "category" not in recipe["items"]["columns"]
    items, before = (pd.read_csv(where / "items.csv") for where in (home / "demo_shop", folder))
    pd.testing.assert_frame_equal(items, before.drop(columns="category"))


def test_customers_keep_to_one_colour_of_a_product_and_the_new_one_is_never_sold(folder, raw, tmp_path):
    home = tmp_path / "home"
    recipe = tomllib.loads(give_colours(folder, home, on_sale_since="2025-11-01").read_text())
    assert recipe["items"]["columns"]["item_group"] == "product_group"
    items = pd.read_csv(home / "demo_shop" / "items.csv", keep_default_na=False).set_index("product")
    colours = items[items["product_group"] != ""].groupby("product_group").size()
    assert set(colours) == {3}
    log = pd.read_csv(home / "demo_shop" / "events.csv.gz", dtype=str, keep_default_na=False)
    assert not log["product"].str.endswith("-c").any()
    product = log["product"].str.removesuffix("-b")
    pd.testing.assert_series_equal(product, raw["product"], check_names=False)
    of_customer = log.assign(one=product)[(log["customer"] != "") & product.isin(colours.index)]
    assert (of_customer.groupby(["customer", "one"])["product"].nunique() == 1).all()
    assert 0.4 < of_customer["product"].str.endswith("-b").mean() < 0.6


@pytest.mark.parametrize(
    ("value", "is_most", "verdict"),
    [(0.8, False, "reached"), (0.79, False, "missed"), (0.8, True, "reached"), (0.81, True, "missed")],
)
def test_a_figure_is_held_to_its_bar_on_the_right_side(value, is_most, verdict):
    assert Held("what", Figure(value), 1, 0.8, is_most).verdict == verdict


def test_a_finished_row_is_not_measured_again_but_for_another_number_of_requests(tmp_path, monkeypatch):
    calls = []

    def random_rules(bench):
        calls.append(bench.num_requests)
        yield Held("what", Figure(0.1, 0.0, 0.2), bench.num_requests, 0.0, True, "note")

    monkeypatch.setattr(strategies, "ROWS", {"random_rules": random_rules})
    first = measured(Bench(tmp_path, tmp_path, 10), "random_rules")
    assert measured(Bench(tmp_path, tmp_path, 10), "random_rules") == first
    assert measured(Bench(tmp_path, tmp_path, 20), "random_rules") != first
    assert calls == [10, 20]
