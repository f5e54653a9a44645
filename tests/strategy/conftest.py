import pytest

from tests.strategy.served_shop import ServedShop, build_served_shop


@pytest.fixture(scope="session")
def served_shop() -> ServedShop:
    """A tiny shop behind the functions that are exported; see `tests/strategy/served_shop.py`."""
    return build_served_shop()
