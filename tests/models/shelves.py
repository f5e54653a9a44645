"""A shop whose orders and visits each keep to one shelf of the catalogue."""

import numpy as np

from tests.worlds import bought, make_shop, viewed

SHELF = 8
"""Items of a shelf."""


def shop_of_shelves(*, shelves, unsold, orders, **further):
    """Of most items a source knows nothing; `further` goes to `make_shop`."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(orders):
        user, shelf = f"u{number % 12}", rng.integers(shelves)
        chosen = [f"i{shelf * SHELF + place}" for place in rng.permutation(SHELF)[:4]]
        rows += viewed(user, number, *chosen, session=f"s{number}")
        rows += bought(user, number + 0.1, *chosen[:3], order=f"o{number}")
    names = [f"i{number}" for number in range(shelves * SHELF)] + [f"n{number}" for number in range(unsold)]
    items = {
        name: {"title": f"word{at // SHELF} thing{at % 5}", "category": f"C{at % 3}", "price": 1.0 + at}
        for at, name in enumerate(names)
    }
    return make_shop(rows, items, **further)
