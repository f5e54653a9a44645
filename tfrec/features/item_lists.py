"""Divides items into lists of similar vectors, equally long, so that one gather reads those nearest to a query.

An inverted file index (IVF): Sivic and Zisserman 2003; with inner products as ScaNN has it, Guo et al. 2020.
"""

import dataclasses

import numpy as np

_ITERATIONS = 6
_SAMPLED = 32  # vectors a list that the centres are learned from
_CHOICES = 16  # nearest lists in which an item looks for room
_FILLED = 0.85  # of a list's places; with fewer to spare many an item ends far from its centre
_BLOCK = 8192  # vectors that are compared with all centres at once


@dataclasses.dataclass(frozen=True)
class ItemLists:
    """Lists of items. `K` lists of `W` places.

    Attributes:
        item: `[K, W]` int32 items, each in one list; 0 behind a list's end.
        centre: `[K, d]` float32 mean of the vectors of a list.
    """

    item: np.ndarray
    centre: np.ndarray

    def list_of(self, num_rows: int) -> np.ndarray:
        """Returns `[num_rows]` int32 list of each item of a catalogue; -1 = in none."""
        result = np.full(num_rows, -1, np.int32)
        result[self.item] = np.arange(len(self.item), dtype=np.int32)[:, None]
        result[0] = -1
        return result


def divide_items(vectors: np.ndarray, items: np.ndarray, *, length: int, seed: int = 0) -> ItemLists:
    """Returns the items in lists of at most `length`, each near to the others of its list by inner product.

    Centres are those of spherical k-means on a sample (Dhillon and Modha 2001). The items then take their places, the
    nearest to a centre first; who finds no room in any of the nearest lists goes to a further list of such items.

    Args:
        vectors: `[N + 1, d]` float32, of equal lengths, or nearly so.
        items: `[M]` int32 the items to be divided, at least one.
        length: places of a list.
        seed: of the sample and of the first centres.

    Examples:
        >>> vectors = np.array([[0, 0], [1, 0], [0, 1], [1, 0.1], [0.1, 1]], np.float32)
        >>> lists = divide_items(vectors, np.arange(1, 5, dtype=np.int32), length=2)
        >>> sorted(row[row > 0].tolist() for row in lists.item)
        [[1, 3], [2, 4]]
    """
    rng = np.random.default_rng(seed)
    own = np.ascontiguousarray(vectors[items], np.float32)
    number = min(round(len(items) / (_FILLED * length)), len(items)) if len(items) > length else 1
    centres = _learn_centres(own, number, rng)
    place = _places(own, centres, length)
    order = np.lexsort((items, place))
    lists, start = np.unique(place[order], return_index=True)
    column = np.arange(len(items)) - np.repeat(start, np.diff([*start, len(items)]))
    row = np.searchsorted(lists, place[order])
    item = np.zeros((len(lists), length), np.int32)
    item[row, column] = items[order]
    total = np.add.reduceat(own[order], start, axis=0)
    return ItemLists(item, (total / np.diff([*start, len(items)])[:, None]).astype(np.float32))


def _learn_centres(vectors: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `[number, d]` unit centres of `vectors [M, d]`."""
    most = min(len(vectors), _SAMPLED * number)
    sample = vectors[np.sort(rng.choice(len(vectors), most, replace=False))]
    centres = _unit(sample[np.sort(rng.choice(most, number, replace=False))])
    for _ in range(_ITERATIONS):
        nearest = np.concatenate([(part @ centres.T).argmax(axis=1) for part in _blocks(sample)])
        order = np.argsort(nearest, kind="stable")
        lists, start = np.unique(nearest[order], return_index=True)
        # A centre that no vector is nearest to begins again at one of them.
        centres = sample[rng.choice(most, number)].copy()
        centres[lists] = np.add.reduceat(sample[order], start, axis=0)
        centres = _unit(centres)
    return centres


def _places(vectors: np.ndarray, centres: np.ndarray, length: int) -> np.ndarray:
    """Returns `[M]` list of each of `vectors [M, d]`: a centre's, or from `len(centres)` on that of those without."""
    most = min(_CHOICES, len(centres))
    choice = np.empty((len(vectors), most), np.int32)
    closeness = np.empty((len(vectors), most), np.float32)
    at = 0
    for part in _blocks(vectors):
        score = part @ centres.T
        best = np.argpartition(-score, most - 1, axis=1)[:, :most]
        score = np.take_along_axis(score, best, axis=1)
        order = np.argsort(-score, axis=1, kind="stable")
        choice[at : at + len(part)] = np.take_along_axis(best, order, axis=1)
        closeness[at : at + len(part)] = np.take_along_axis(score, order, axis=1)
        at += len(part)
    place, room = np.full(len(vectors), -1), np.full(len(centres), length)
    for turn in range(most):
        waiting = np.flatnonzero(place < 0)
        wanted = choice[waiting, turn]
        order = np.lexsort((waiting, -closeness[waiting, turn], wanted))
        wanted = wanted[order]
        takes = np.arange(len(wanted)) - np.searchsorted(wanted, wanted) < room[wanted]
        place[waiting[order][takes]] = wanted[takes]
        room -= np.bincount(wanted[takes], minlength=len(centres))
    waiting = np.flatnonzero(place < 0)
    waiting = waiting[np.argsort(choice[waiting, 0], kind="stable")]
    place[waiting] = len(centres) + np.arange(len(waiting)) // length
    return place


def _blocks(vectors: np.ndarray) -> list[np.ndarray]:
    return [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
