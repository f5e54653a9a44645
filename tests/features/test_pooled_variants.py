import numpy as np
import pytest

from tests.worlds import START, START_HOUR, bought, indices, make_shop
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.pooled_variants import pool_variants

# Row 0 is no item; 1 to 3 are colours of a mug, 4 and 5 sizes of a shirt, 6 stands alone.
GROUP = np.array([0, 1, 1, 1, 2, 2, 0])
MUGS = ("red mug", "green mug", "new mug")
CATALOGUE = {
    **{mug: {"item_group": "mug", "title": "mug", "price": 8.0} for mug in MUGS},
    **{name: {"title": name, "price": 5.0} for name in ("tea", "coffee", "soap", "towel")},
}


def pooled(purchases, days, prior=20.0):
    return pool_variants(GROUP, np.array(purchases), np.array(days), prior=prior)


def test_variant_without_any_sale_borrows_all_by_days_on_sale():
    mixing = pooled([0, 90, 30, 0, 0, 0, 5], [0, 90, 30, 0, 0, 0, 90])
    numbers = mixing.mixed(np.array([0.0, 80.0, 40.0, 0.0, 0.0, 0.0, 5.0], np.float32))
    assert numbers[3] == pytest.approx((90 * 80 + 30 * 40) / 120)
    assert numbers[[0, 4, 5, 6]].tolist() == [0, 0, 0, 5], "products of which nothing is known have nothing to lend"


def test_variant_on_sale_for_long_keeps_the_little_that_it_sold():
    """After 100 days a colour that sold 2, where another sold 2,000, is known to sell little."""
    mixing = pooled([0, 2000, 2, 0, 0, 0, 0], [0, 100, 100, 1, 0, 0, 0])
    numbers = mixing.mixed(np.array([0.0, 2000.0, 2.0, 0.0, 0.0, 0.0, 0.0], np.float32))
    assert numbers[1:3].tolist() == [2000, 2]
    expected = 2002 / 201
    lent = (100 * 2000 + 100 * 2) / 201
    assert numbers[3] == pytest.approx(np.exp(-expected / 20) * lent, rel=1e-5)


def test_shares_fall_with_the_prior_and_products_of_one_item_borrow_nothing():
    few, many = (pooled([0, 10, 1, 0, 0, 0, 0], [0, 10, 1, 0, 0, 0, 0], prior=prior) for prior in (2.0, 50.0))
    assert 0 < few.as_candidate[2, 1] < many.as_candidate[2, 1]
    alone = pool_variants(np.array([0, 1, 2, 0]), np.array([0, 5, 5, 5]), np.array([0, 9, 9, 9]), prior=20.0)
    assert alone is None


def test_weights_are_mixed_on_both_sides_and_an_item_never_becomes_its_own_neighbour():
    mixing = pooled([0, 100_000, 100_000, 0, 0, 0, 9], [0, 100, 100, 0, 0, 0, 100])
    row, column = np.array([6, 6, 1, 1]), np.array([1, 2, 6, 2])
    values = np.array([[4.0, 0.0], [2.0, 8.0], [3.0, 0.0], [1.0, 0.0]], np.float32)
    cells = {
        (source, target): weight.tolist()
        for source, target, weight in zip(*mixing.mixed_weights(row, column, values), strict=True)
    }
    assert cells[6, 3] == [3, 4], "offered beside item 6 as the two known colours are in the mean"
    assert cells[3, 6] == [1.5, 0], "one of two equal lenders brings item 6"
    assert {(6, 1): [4, 0], (6, 2): [2, 8], (1, 6): [3, 0]}.items() <= cells.items()
    assert all(source != target for source, target in cells)


def log_of_mugs(**about_new):
    """Fifty days: tea with a mug, red or green in turn, soap with a towel; the new mug is never sold."""
    rows = []
    for day in range(50):
        for number in range(4):
            rows += bought(f"t{number}", day, "tea", MUGS[number % 2], order=f"tea {day} {number}")
            rows += bought(f"s{number}", day, "soap", "towel", order=f"soap {day} {number}")
    return make_shop(rows, CATALOGUE | {"new mug": CATALOGUE["new mug"] | about_new}, test_from_day=60)


def tables_of(shop, **settings):
    config = FeatureConfig(l2=1.0, **settings)
    return compute_feature_tables(shop.train, as_of=START_HOUR + 24.0 * 50, config=config)


def test_new_colour_goes_with_what_the_others_go_with_and_keeps_its_own_counts():
    shop = log_of_mugs()
    tables = tables_of(shop)
    red, green, new, tea, soap = indices(shop, *MUGS, "tea", "soap")

    def ease(row, target):
        return float(tables.weights[row, tables.neighbours[row] == target, 0].sum())

    assert ease(tea, new) == pytest.approx((ease(tea, red) + ease(tea, green)) / 2, rel=1e-4)
    assert ease(new, tea) == pytest.approx((ease(red, tea) + ease(green, tea)) / 2, rel=1e-4)
    assert ease(soap, new) < ease(tea, new) / 10
    assert tables.popularity[new] == pytest.approx(tables.popularity[[red, green]].mean(axis=0), rel=1e-4)
    assert tables.first_age[new] == pytest.approx(tables.first_age[[red, green]].mean(), rel=1e-4)
    assert tables.sold[[red, new]].tolist() == [[56, 100], [0, 0]], "what is said of an item is its own"
    assert tables.pair_counts[tea][tables.neighbours[tea] == new].tolist() == [0], "no order held both"


def test_colour_in_the_catalogue_since_the_log_began_is_known_not_to_sell():
    shop = log_of_mugs(available_from=START)
    (new,) = indices(shop, "new mug")
    assert tables_of(shop).popularity[new].max() < 5  # exp(-200 purchases of three colours / 3 / 20) of 100


def test_product_of_one_item_borrows_nothing():
    shop = log_of_mugs(item_group="another product")
    (new,) = indices(shop, "new mug")
    assert not tables_of(shop).popularity[new].any()
