"""Makes labelled example queries of a period: carts with missing items, visits and what followed."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfrec.features.feature_tables import has_visits, target_type
from tfrec.features.sequences import BehaviourSequences

HEADS = ("click", "cart", "purchase")
"""What can follow a query; the ranking model has a probability for each that the log knows."""
_HEAD_EVENT = {"click": "view", "cart": "cart", "purchase": "purchase"}
_VISIT_LENGTH = 20
_CARTS_TO_FRESH = 3  # carts for each order that is asked for before its first item
_OUTSIDE_SHARE = 0.5  # of the carts are asked for other categories too, where such followed
_LATER_GAIN = 0.2  # of an event of the visit beside the one before it


@dataclasses.dataclass(frozen=True)
class ExampleQueries:
    """Queries of the past and what followed. `Q` queries, `R` recent events, `n` items in the cart, `P` labels.

    Attributes:
        user: `[Q]` int32; 0 = guest.
        recent_item: `[Q, R]` int32, oldest first, 0 in front.
        recent_type: `[Q, R]` int32 codes.
        recent_age: `[Q, R]` float32 hours before the query.
        cart: `[Q, n]` int32, 0 behind the end.
        label_item: `[Q, P]` int32, 0 behind the end.
        label_heads: `[Q, P, len(HEADS)]` float32: 1 where this followed in the visit; for orders 1 / (items that are
            missing), the chance to be the next of them.
        label_gain: `[Q, P]` float32: what the score is to rank first: of an order, each missing item alike; of a visit,
            what was looked at next before what came later, and nothing for taking what was on the page already.
        hour: `[Q]` float64 when.
        outside_level: `[Q]` int32: level of the category path, 1 = top, at which something of what followed stands
            outside the cart's categories, and the query is asked for such alone too; 0 = it is not.
    """

    user: np.ndarray
    recent_item: np.ndarray
    recent_type: np.ndarray
    recent_age: np.ndarray
    cart: np.ndarray
    label_item: np.ndarray
    label_heads: np.ndarray
    label_gain: np.ndarray
    hour: np.ndarray
    outside_level: np.ndarray

    def __len__(self) -> int:
        """Returns the number of queries, Q."""
        return len(self.user)

    def take(self, rows: np.ndarray) -> "ExampleQueries":
        """Returns the queries at `[n]` rows."""
        return ExampleQueries(**{name: value[rows] for name, value in vars(self).items()})


def heads_of(sequences: BehaviourSequences) -> tuple[str, ...]:
    """Returns the heads that a log can train: those whose event type occurs, and always the target's."""
    codes = _head_codes(sequences)
    return tuple(head for head in HEADS if (sequences.event_type == codes[head]).any())


def example_queries(
    sequences: BehaviourSequences, *, since: float, until: float, most: int, rng: np.random.Generator
) -> ExampleQueries:
    """Returns queries whose behaviour lies in `[since, until)`.

    Three kinds, as many as the log gives: orders with one item hidden (most carts complete, some cut short, as a
    cart is while it fills); visits cut at a random event; and on top of these, orders of known users asked for before
    the first item, one for three carts.

    Args:
        sequences: behaviour, training events only.
        since: first moment, hours since 1970-01-01 UTC.
        until: end, exclusive.
        most: carts and visits at most, half of each where the log has both.
        rng: random source.
    """
    inside = (sequences.hour >= since) & (sequences.hour < until)
    target = inside & (sequences.event_type == target_type(sequences))
    parts = []
    has_orders = target_type(sequences) == sequences.type_code("purchase")
    looks = has_visits(sequences, inside)
    if has_orders or not looks:
        num_carts = most // 2 if looks else most
        parts.append(_cart_queries(sequences, target, num_carts, rng))
        parts.append(_fresh_queries(sequences, target, num_carts // _CARTS_TO_FRESH, rng))
    if looks:
        parts.append(_visit_queries(sequences, inside, most // 2 if has_orders else most, rng))
    joined = _join(parts)
    joined = joined.take(rng.permutation(len(joined)))
    return dataclasses.replace(joined, outside_level=_outside_levels(sequences, joined, rng))


def _head_codes(sequences: BehaviourSequences) -> dict[str, int]:
    """Returns the event code of each head; a target without a head (a log of ratings alone) counts as the purchase."""
    codes = {head: sequences.type_code(name) for head, name in _HEAD_EVENT.items()}
    target = target_type(sequences)
    return codes if target in codes.values() else {**codes, "purchase": target}


def _cart_queries(
    sequences: BehaviourSequences, target: np.ndarray, most: int, rng: np.random.Generator
) -> ExampleQueries:
    """Orders with at least two items: one is hidden; three in ten carts are cut shorter still and miss the more."""
    rows, bounds = _grouped(sequences, target, sequences.group)
    sizes = np.diff(bounds)
    usable = np.flatnonzero(sizes >= 2)
    chosen = _repeat_to(usable, most, rng, times=3)
    queries = []
    for start, size in zip(bounds[chosen], sizes[chosen], strict=True):
        lines = rng.permutation(rows[start : start + size])
        kept = size - 1 if rng.random() < 0.7 else int(rng.integers(1, size))
        queries.append((lines[:kept], lines[kept:], rows[start]))
    return _from_lists(sequences, queries)


def _fresh_queries(
    sequences: BehaviourSequences, target: np.ndarray, most: int, rng: np.random.Generator
) -> ExampleQueries:
    """Orders of known users before anything is in the cart; every item of the order is a label."""
    rows, bounds = _grouped(sequences, target, sequences.group)
    has_user = sequences.sequence_user[sequences.sequence[rows[bounds[:-1]]]] > 0 if len(rows) else np.zeros(0, bool)
    chosen = rng.permutation(np.flatnonzero(has_user))[:most]
    queries = [(rows[:0], rows[bounds[at] : bounds[at + 1]], rows[bounds[at]]) for at in chosen]
    return _from_lists(sequences, queries)


def _visit_queries(
    sequences: BehaviourSequences, inside: np.ndarray, most: int, rng: np.random.Generator
) -> ExampleQueries:
    """Visits cut at a random event: what came before is sent along, what came after are the labels."""
    rows, bounds = _grouped(sequences, inside, sequences.session, distinct=False)
    sizes = np.diff(bounds)
    chosen = _repeat_to(np.flatnonzero(sizes >= 2), most, rng, times=6)
    cart_code, purchase = sequences.type_code("cart"), sequences.type_code("purchase")
    visits = []
    for start, size in zip(bounds[chosen], sizes[chosen], strict=True):
        cut = int(rng.integers(1, size))
        before, after = rows[start : start + cut], rows[start + cut : start + size]
        in_cart = before[sequences.event_type[before] == cart_code]
        bought = sequences.item[before[sequences.event_type[before] == purchase]]
        in_cart = in_cart[~np.isin(sequences.item[in_cart], bought)]
        _, first = np.unique(sequences.item[in_cart], return_index=True)
        after = after[~np.isin(sequences.item[after], sequences.item[in_cart])]
        if len(after):
            visits.append((in_cart[np.sort(first)], after, before[-1], before[-_VISIT_LENGTH:]))
    return _from_lists(sequences, visits)


def _grouped(
    sequences: BehaviourSequences, marked: np.ndarray, group: np.ndarray, *, distinct: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[M]` marked events, group by group in time, and the bounds `[groups + 1]`; items once a group."""
    rows = np.flatnonzero(marked)
    if distinct:
        key = group[rows].astype(np.int64) * sequences.vocabularies.items.size + sequences.item[rows]
        rows = rows[np.unique(key, return_index=True)[1]]
    rows = rows[np.lexsort((rows, group[rows]))]
    bounds = np.flatnonzero(np.diff(group[rows], prepend=-1, append=-2)) if len(rows) else np.zeros(1, np.int64)
    return rows, bounds


def _repeat_to(choices: np.ndarray, most: int, rng: np.random.Generator, *, times: int) -> np.ndarray:
    """Returns `[n]`, n ≤ `most`, of `choices`, each at most `times` times, with another item hidden or another cut."""
    pool = np.concatenate([rng.permutation(choices) for _ in range(times)]) if len(choices) else choices
    return pool[:most]


def _from_lists(sequences: BehaviourSequences, queries: Sequence[tuple[np.ndarray, ...]]) -> ExampleQueries:
    """Pads `(cart rows, label rows, row of the query[, recent rows])` to arrays."""
    count = len(queries)
    cart = _pad([sequences.item[query[0]] for query in queries])
    heads = np.zeros((len(sequences.vocabularies.event_types) + 1, len(HEADS)), np.float32)
    codes = _head_codes(sequences)
    for column, head in enumerate(HEADS):
        heads[codes[head], column] = 1.0
    label_item = _pad([sequences.item[query[1]] for query in queries])
    label_type = _pad([sequences.event_type[query[1]].astype(np.int32) for query in queries])
    at = np.array([query[2] for query in queries], np.int64)
    recent = [query[3] if len(query) > 3 else query[1][:0] for query in queries]
    hour = sequences.hour[at] if count else np.zeros(0)
    ages = [(hour[row] - sequences.hour[events]).astype(np.float32) for row, events in enumerate(recent)]
    return ExampleQueries(
        user=sequences.sequence_user[sequences.sequence[at]] if count else np.zeros(0, np.int32),
        recent_item=_pad([sequences.item[events] for events in recent], front=True),
        recent_type=_pad([sequences.event_type[events].astype(np.int32) for events in recent], front=True),
        recent_age=_pad(ages, front=True).astype(np.float32),
        cart=cart,
        label_item=label_item,
        label_heads=heads[label_type] * np.array([_share(query) for query in queries], np.float32)[:, None, None],
        label_gain=_pad([_gains(sequences, query) for query in queries]).astype(np.float32),
        hour=hour,
        outside_level=np.zeros(count, np.int32),
    )


def _outside_levels(sequences: BehaviourSequences, queries: ExampleQueries, rng: np.random.Generator) -> np.ndarray:
    """Returns `[Q]` levels, drawn among those at which something that followed is of no category of the cart."""
    paths = sequences.vocabularies.catalogue.categories
    num_queries, depth = len(queries), paths.shape[1]
    is_outside = np.zeros((num_queries, depth), bool)
    counts = (queries.label_item > 0) & (queries.label_gain > 0)
    row = np.arange(num_queries, dtype=np.int64)[:, None] * (int(paths.max()) + 1)
    for level in range(depth):
        followed, chosen = paths[queries.label_item, level], paths[queries.cart, level]
        is_outside[:, level] = (counts & (followed > 0) & ~np.isin(row + followed, row + chosen)).any(axis=1)
    is_outside &= np.any(queries.cart > 0, axis=1, keepdims=True) & (rng.random((num_queries, 1)) < _OUTSIDE_SHARE)
    level = np.where(is_outside, rng.random(is_outside.shape), -1.0).argmax(axis=1) + 1
    return np.where(is_outside.any(axis=1), level, 0).astype(np.int32)


def _gains(sequences: BehaviourSequences, query: tuple[np.ndarray, ...]) -> np.ndarray:
    """Returns `[P]`: of an order all missing items alike; of a visit the next look 1, each later one less.

    An item that is carted or bought after it was looked at gains nothing by that: its page was open, so it
    did not have to be offered. The heads still learn that it was taken.
    """
    if len(query) <= 3:
        return np.ones(len(query[1]), np.float32)
    after, before = query[1], query[3]
    item = sequences.item[after]
    _, first = np.unique(item, return_index=True)
    is_new = np.isin(np.arange(len(after)), first) & ~np.isin(item, sequences.item[before])
    gains = is_new | (sequences.event_type[after] == sequences.type_code("view"))
    return np.where(gains, _LATER_GAIN ** (np.cumsum(gains) - 1), 0.0).astype(np.float32)


def _share(query: tuple[np.ndarray, ...]) -> float:
    """Returns the weight of each label: missing items of an order share one next place, those of a visit do not."""
    return 1.0 if len(query) > 3 else 1.0 / len(query[1])


def _pad(lists: list[np.ndarray], *, front: bool = False) -> np.ndarray:
    """Returns `[lists, longest]`, the lists with zeros behind them, or in front."""
    width = max((len(values) for values in lists), default=0)
    result = np.zeros((len(lists), width), lists[0].dtype if lists else np.int32)
    for row, values in enumerate(lists):
        if len(values):
            result[row, width - len(values) if front else 0 :][: len(values)] = values
    return result


def _join(parts: list[ExampleQueries]) -> ExampleQueries:
    fields = {}
    for name in vars(parts[0]):
        arrays = [getattr(part, name) for part in parts if len(part)]
        if not arrays:
            fields[name] = getattr(parts[0], name)
            continue
        if arrays[0].ndim > 1:
            width = max(array.shape[1] for array in arrays)
            front = name.startswith("recent")
            arrays = [_widen(array, width, front=front) for array in arrays]
        fields[name] = np.concatenate(arrays)
    return ExampleQueries(**fields)


def _widen(array: np.ndarray, width: int, *, front: bool) -> np.ndarray:
    """Returns `[Q, width, ...]`: `[Q, T, ...]` with zeros behind, or in front."""
    room = width - array.shape[1]
    return np.pad(array, [(0, 0), (room, 0) if front else (0, room)] + [(0, 0)] * (array.ndim - 2))
