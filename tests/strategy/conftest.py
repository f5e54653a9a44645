import pytest

from tests.strategy.known_shop import KnownShop
from tests.strategy.served_shop import ServedShop, build_served_shop


@pytest.fixture(scope="session")
def served_shop() -> ServedShop:
    """A tiny shop behind the functions that are exported; see `tests/strategy/served_shop.py`."""
    return build_served_shop()


@pytest.fixture(scope="session")
def known_shop(served_shop: ServedShop) -> KnownShop:
    """The same with probabilities that a test states; see `tests/strategy/known_shop.py`."""
    return KnownShop(served_shop)
