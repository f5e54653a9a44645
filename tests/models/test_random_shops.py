import pytest

from tests.random_shops import odd_values, random_shop


@pytest.mark.parametrize("seed", range(20))
def test_tables_and_features_of_any_shop_are_finite(seed: int) -> None:
    assert odd_values(random_shop(seed), seed) == []
