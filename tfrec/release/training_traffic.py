"""`TrainingTraffic`: what the training period bought and looked at, as requests to its version are compared with it.

Lies in `assets.extra/training_traffic.npz` of a version: some 12 bytes an item and a few tables of counts, no user ids.
Items are found by the CRC-32 of their ids, as in `known_ids.npz`.
"""

import dataclasses
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tfrec.errors import SourceError

FILE = Path("assets.extra") / "training_traffic.npz"
SIZE_BINS = (1, 2, 3, 4, 6, 9, 14, 22)
"""Smallest cart size of each bin."""


@dataclasses.dataclass(frozen=True)
class TrainingTraffic:
    """The training period's items, and counts of what was done with them.

    Attributes:
        checksums: `[N]` uint32, ascending: CRC-32 of the item ids.
        category: `[N]` int32: index of each item's category in `categories`.
        price: `[N]` float32; NaN = unknown.
        categories: `[C]` names of the categories that are compared; small ones are one.
        price_edges: `[E]` ascending: lower ends of the price bins but the first, which has none.
        bought_categories: `[C]` lines of orders.
        bought_prices: `[E + 1]` the same by price.
        seen_categories: `[C]` events on items.
        seen_prices: `[E + 1]` the same by price.
        cart_sizes: `[len(SIZE_BINS)]` carts while their orders grew: an order of three items had carts of 1, 2 and 3.
    """

    checksums: np.ndarray
    category: np.ndarray
    price: np.ndarray
    categories: np.ndarray
    price_edges: np.ndarray
    bought_categories: np.ndarray
    bought_prices: np.ndarray
    seen_categories: np.ndarray
    seen_prices: np.ndarray
    cart_sizes: np.ndarray

    def places(self, item_ids: Iterable[bytes]) -> np.ndarray:
        """Returns the places `[n]` of those items that are known in `category` and `price`."""
        asked = np.fromiter(map(zlib.crc32, item_ids), np.uint32)
        if not len(self.checksums):
            return asked[:0].astype(np.int64)
        at = np.minimum(np.searchsorted(self.checksums, asked), len(self.checksums) - 1)
        return at[self.checksums[at] == asked]

    def price_bins(self, places: np.ndarray) -> np.ndarray:
        """Returns the price bins of those items `[n]` whose price is known."""
        price = self.price[places]
        return np.searchsorted(self.price_edges, price[~np.isnan(price)], side="right")

    def write(self, version_dir: Path) -> None:
        """Writes what `read_training_traffic` reads."""
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        np.savez_compressed(version_dir / FILE, **arrays)


def size_bins(sizes: np.ndarray) -> np.ndarray:
    """Returns the bins of cart sizes `[n]` of 1 or more.

    Examples:
        >>> size_bins(np.array([1, 2, 5, 100])).tolist()
        [0, 1, 3, 7]
    """
    return np.searchsorted(np.array(SIZE_BINS), sizes, side="right") - 1


def read_training_traffic(version_dir: Path) -> TrainingTraffic:
    """Returns what a version notes about its training period.

    Raises:
        SourceError: it notes nothing, or what cannot be read.
    """
    try:
        with np.load(version_dir / FILE) as file:
            return TrainingTraffic(**{name: file[name] for name in file.files})
    except FileNotFoundError as error:
        raise SourceError(
            f"{version_dir} does not note what its training period asked about: there is no {FILE}. It was exported "
            "by an earlier tfrec; publish a new version: tfrec export MODELS"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SourceError(f"{version_dir / FILE} cannot be read: {error}. Publish a new version.") from error
