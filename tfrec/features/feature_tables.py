"""Computes feature tables as of a moment: item weights, own items, popularity, for the candidate sources.

The ranking model learns from moments in the past: its examples are orders after a moment, its features what was
known at that moment. Weights that had seen the very orders that are to be completed would teach it to trust them too
much (leakage). For serving the moment is the end of training.
"""

import dataclasses
import logging

import numpy as np
import scipy.sparse

from tfrec.errors import ConfigError, SchemaError
from tfrec.features.complements import learn_complements
from tfrec.features.ease import fit_ease, fit_ease_in_parts
from tfrec.features.friends import items_of_friends
from tfrec.features.item_weights import co_purchase_counts
from tfrec.features.neighbours import Channel, merge_channels
from tfrec.features.own_items import own_items
from tfrec.features.pooled_variants import PooledVariants, pool_variants
from tfrec.features.popularity import count_purchases, count_season, popularity_in_segments
from tfrec.features.sequences import BehaviourSequences

logger = logging.getLogger(__name__)

CHANNELS = ("ease", "recent_ease", "denoised_ease", "nearby_ease", "session_ease", "transition", "sequence")
"""Kinds of item-to-item weights: EASE on orders; EASE on orders that fade with age; EASE of strong dropout; EASE on
neighbouring lines of orders, for what is put into a cart one after the other belongs together; and, zeros in a log of
orders alone, EASE on sessions (all behaviour); probability of the next item in a session; sequential
rules: what followed within ten events, by 1 / steps (Ludewig & Jannach 2018)."""

_DAY = 24.0
_SEQUENCE_STEPS = 10
_NEARBY_LINES = 8
_SIZE_POWER, _STRONG_SIZE_POWER = 0.25, 0.5
_DENSE_LIMIT = 10_000  # items; beyond, dense inverses, of which up to four are held, take minutes and gigabytes


@dataclasses.dataclass(frozen=True)
class FeatureConfig:
    """Settings of `compute_feature_tables`.

    Attributes:
        l2: ridge penalty of EASE, in orders.
        dropout: share of an order's items that EASE has to do without; 0 is plain EASE.
        strong_dropout: the same of `denoised_ease`.
        half_life_days: age at which an order weighs half in `recent_ease`.
        neighbours: strongest neighbours of an item kept in each channel, in its row and in its column.
        width: neighbours of an item kept in all.
        history_length: latest events kept of each user.
        own_items: most frequent items kept of each user.
        own_lines: latest lines of orders kept of each user.
        segment_prior: purchases that the whole shop's popularity weighs in that of a segment.
        friend_half_life_days: age at which what a friend bought weighs half.
        friend_items: items kept of what each user's friends bought.
        complements: complements kept of each leaf category.
        variant_prior: expected purchases at which a variant borrows 1 / e of its numbers from its product's others.
    """

    l2: float = 30.0
    dropout: float = 0.25
    strong_dropout: float = 0.67
    half_life_days: float = 90.0
    neighbours: int = 50
    width: int = 200
    history_length: int = 32
    own_items: int = 1000
    own_lines: int = 2000
    segment_prior: float = 100.0
    friend_half_life_days: float = 90.0
    friend_items: int = 200
    complements: int = 12
    variant_prior: float = 20.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("dropout"):
                if not 0 <= value < 1:
                    raise ConfigError(f"`{name}` must lie in [0, 1); got {value}.")
            elif value <= 0:
                raise ConfigError(f"`{name}` must be positive; got {value}.")


@dataclasses.dataclass(frozen=True)
class FeatureTables:
    """What was known at a moment. `N` items (row 0 = none), `U` users (row 0 = guest), `W` neighbours, `S` segments.

    `C` categories (row 0 = unknown).

    Attributes:
        as_of: the moment, hours since 1970-01-01 UTC; every event is before it.
        neighbours: `[N + 1, W]` int32 item indices; 0 behind the end of a row.
        weights: `[N + 1, W, len(CHANNELS)]` float16; 11 bits of a weight are more than an estimate of it is sure of.
        pair_counts: `[N + 1, W]` orders that hold both; uint16, int32 where a count is larger than that holds.
        popularity: `[N + 1, len(POPULARITY_DAYS) + 1]` float32 times bought in the last days, then ever. It and what
            follows up to `last_age`, and the weights, are in part those of a product's other variants, see
            `PooledVariants`.
        season: `[N + 1]` float32 times bought in the same weeks a year before; 0 where the log does not reach back.
        segment_popularity: `[S + 1, N + 1]` float32, see `popularity_in_segments`; row 0 for an unknown segment.
        user_segment: `[U + 1]` int32 segment of each user; 0 = unknown.
        sold: `[N + 1, 2]` float32 times bought in the last 28 days, and ever, each item's own.
        first_age: `[N + 1]` float32 days since the first purchase; 0 if none.
        last_age: `[N + 1]` float32 days since the latest purchase; 0 if none.
        own_splits: `[U + 2]` int32: rows `own_splits[u]:own_splits[u + 1]` of the `own_*` arrays are user `u`'s items.
        own_item: item indices, most frequent first.
        own_count: float32 times bought.
        own_age: float32 days since last bought.
        own_habit: `[.., len(OWN_FADES)]` float32: purchases, each fading with every later order of the user.
        own_interval: float32 mean days between purchases; 0 where bought once.
        own_orders_ago: float32 orders of the user since it was last bought.
        line_splits: `[U + 2]` int32: rows `line_splits[u]:line_splits[u + 1]` of `line_*` are of user `u`'s orders.
        line_item: item indices, each once an order.
        line_order: int32 number of the order among its user's, the latest 0.
        num_orders: `[U + 1]` float32 orders of the user.
        friend_splits: `[U + 2]` int32: rows `friend_splits[u]:friend_splits[u + 1]` of `friend_*` are of user `u`.
        friend_item: item indices of what the user's friends bought, the highest score first.
        friend_score: float32, see `items_of_friends`.
        recent_item: `[U + 1, T]` int32 latest events, oldest first, 0 in front of a short row.
        recent_type: `[U + 1, T]` int32 codes.
        recent_age: `[U + 1, T]` float32 hours before `as_of`.
        recent_group: `[U + 1, T]` int32, equal for one order or session; counts from 1.
        complement: `[C + 1, M]` int32 leaf categories that complete a leaf category, strongest first; 0 = none.
        complement_strength: `[C + 1, M]` float32, see `CategoryComplements`.
    """

    as_of: float
    neighbours: np.ndarray
    weights: np.ndarray
    pair_counts: np.ndarray
    popularity: np.ndarray
    season: np.ndarray
    segment_popularity: np.ndarray
    user_segment: np.ndarray
    sold: np.ndarray
    first_age: np.ndarray
    last_age: np.ndarray
    own_splits: np.ndarray
    own_item: np.ndarray
    own_count: np.ndarray
    own_age: np.ndarray
    own_habit: np.ndarray
    own_interval: np.ndarray
    own_orders_ago: np.ndarray
    line_splits: np.ndarray
    line_item: np.ndarray
    line_order: np.ndarray
    num_orders: np.ndarray
    friend_splits: np.ndarray
    friend_item: np.ndarray
    friend_score: np.ndarray
    recent_item: np.ndarray
    recent_type: np.ndarray
    recent_age: np.ndarray
    recent_group: np.ndarray
    complement: np.ndarray
    complement_strength: np.ndarray

    def nbytes(self) -> int:
        """Returns the memory of all arrays in bytes."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))


def compute_feature_tables(
    sequences: BehaviourSequences, *, as_of: float, config: FeatureConfig = FeatureConfig()
) -> FeatureTables:
    """Computes the feature tables from the events strictly before `as_of`.

    Args:
        sequences: behaviour; later events are ignored.
        as_of: the moment, hours since 1970-01-01 UTC.
        config: settings.

    Raises:
        SchemaError: there is no event before `as_of`.
    """
    past = sequences.hour < as_of
    if not past.any():
        raise SchemaError(
            "There is no event before the moment of the feature tables. Choose a later one, or check the split."
        )
    target = past & (sequences.event_type == target_type(sequences))
    pooled = _pooled_variants(sequences, past, target, as_of, config.variant_prior)
    neighbours, weights, counts = _item_to_item(sequences, past, target, as_of, config, pooled)
    complements = learn_complements(sequences, past, target, width=config.complements)
    return FeatureTables(
        as_of=as_of,
        neighbours=neighbours,
        weights=weights,
        pair_counts=counts,
        user_segment=sequences.segments.of_user,
        **_popularity(sequences, target, as_of, config.segment_prior, pooled),
        **own_items(sequences, target, as_of, most=config.own_items, most_lines=config.own_lines),
        **_friends_items(sequences, target, as_of, config),
        **_recent_events(sequences, past, as_of, config.history_length),
        complement=complements.category,
        complement_strength=complements.strength,
    )


def target_type(sequences: BehaviourSequences) -> int:
    """Returns the code of what is to be predicted: purchases where the log has any, else its most frequent type."""
    purchase = sequences.type_code("purchase")
    if (sequences.event_type == purchase).any():
        return purchase
    return int(np.bincount(sequences.event_type).argmax())


def has_visits(sequences: BehaviourSequences, rows: np.ndarray) -> bool:
    """Returns whether the events at `[n]` rows hold more than orders, namely visits in their order."""
    return bool((sequences.event_type[rows] != sequences.type_code("purchase")).any())


def _pooled_variants(
    sequences: BehaviourSequences, past: np.ndarray, target: np.ndarray, as_of: float, prior: float
) -> PooledVariants | None:
    """Returns what variants borrow; one that has no first day of sale is on sale from its first event on."""
    catalogue, size = sequences.vocabularies.catalogue, sequences.vocabularies.items.size
    if catalogue.largest_group == 1:
        return None
    hours = np.zeros(size)
    np.maximum.at(hours, sequences.item[past], as_of - sequences.hour[past])
    since = np.clip(as_of - catalogue.on_sale_from, 0.0, hours.max())
    hours = np.maximum(hours, np.where(np.isfinite(catalogue.on_sale_from), since, 0.0))
    purchases = np.bincount(sequences.item[target], minlength=size)
    return pool_variants(catalogue.group, purchases, hours / _DAY, prior=prior)


def _item_to_item(
    sequences: BehaviourSequences,
    past: np.ndarray,
    target: np.ndarray,
    as_of: float,
    config: FeatureConfig,
    pooled: PooledVariants | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns neighbours and pair counts `[N + 1, W]` and weights `[N + 1, W, channels]`; see `merge_channels`."""
    orders, order_hour = _matrix(sequences, target)
    fade = np.sqrt(0.5 ** ((as_of - order_hour) / _DAY / config.half_life_days)).astype(np.float32)
    mean_weight = float(np.mean(fade**2)) if len(fade) else 1.0
    even, more_even = (_of_even_size(orders, power) for power in (_SIZE_POWER, _STRONG_SIZE_POWER))
    faded = scipy.sparse.diags(fade).dot(even).tocsr()
    n = config.neighbours
    channels: list[Channel | None] = [
        _ease(even, config.l2, config.dropout, n),
        _ease(faded, max(config.l2 * mean_weight, 1.0), config.dropout, n),
        _ease(more_even, config.l2, config.strong_dropout, n),
        _ease(_of_nearby_lines(sequences, target), config.l2, config.dropout, n),
    ]
    if has_visits(sequences, past):
        sessions, _ = _matrix(sequences, past)
        everything = np.arange(sessions.shape[1])
        channels.append(_ease(_of_even_size(sessions, _SIZE_POWER), config.l2, config.dropout, n))
        for most_steps in (1, _SEQUENCE_STEPS):
            following = _followers(sequences, past, most_steps=most_steps)
            channels.append(Channel(following, everything, by_columns=False))
    else:
        channels += [None, None, None]
    return merge_channels(channels, co_purchase_counts(orders), n=n, width=config.width, pooled=pooled)


def _matrix(sequences: BehaviourSequences, rows: np.ndarray) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    """Returns `[orders or sessions, N + 1]` 0/1 of the marked events, and the hour of each row."""
    group, place = np.unique(sequences.group[rows], return_inverse=True)
    shape = (len(group), sequences.vocabularies.items.size)
    matrix = scipy.sparse.csr_matrix((np.ones(len(place), np.float32), (place, sequences.item[rows])), shape=shape)
    matrix.data[:] = 1.0
    hour = np.zeros(len(group))
    np.maximum.at(hour, place, sequences.hour[rows])
    return matrix, hour


def _of_nearby_lines(sequences: BehaviourSequences, rows: np.ndarray) -> scipy.sparse.csr_matrix:
    """Returns `[windows, N + 1]` 0/1: orders cut into windows of `_NEARBY_LINES` lines, twice, half a window apart."""
    size = sequences.vocabularies.items.size
    group, item = sequences.group[rows].astype(np.int64), sequences.item[rows]
    first = np.sort(np.unique(group * size + item, return_index=True)[1])  # an item's first line of an order
    first = first[np.argsort(group[first], kind="stable")]
    group, item = group[first], item[first]
    place = np.arange(len(group)) - np.searchsorted(group, group)
    shifted = np.stack([place, place + _NEARBY_LINES // 2]) // _NEARBY_LINES
    window = (np.arange(2)[:, None] * (group.max(initial=0) + 1) + group) * (place.max(initial=0) + 2) + shifted
    _, row = np.unique(window, return_inverse=True)
    cells = (np.ones(2 * len(item), np.float32), (row.ravel(), np.tile(item, 2)))
    return scipy.sparse.csr_matrix(cells, shape=(row.max(initial=-1) + 1, size))


def _of_even_size(orders: scipy.sparse.csr_matrix, power: float) -> scipy.sparse.csr_matrix:
    """Returns orders `[orders, N + 1]` weighted by `size ** -power`, 1 in the mean: a large order's pairs mean less."""
    size = np.maximum(np.asarray(orders.sum(axis=1)).ravel(), 1.0)
    weight = size**-power
    return scipy.sparse.diags(np.sqrt(weight / weight.mean()).astype(np.float32)).dot(orders).tocsr()


def _ease(orders: scipy.sparse.csr_matrix, l2: float, dropout: float, n: int) -> Channel:
    """Returns the EASE weights of the items that occur at all (the others have none)."""
    used = np.flatnonzero(np.asarray(orders.sum(axis=0)).ravel() > 0)
    compact = orders[:, used]
    if len(used) <= _DENSE_LIMIT:
        return Channel(fit_ease(compact, l2=l2, dropout=dropout), used)
    # More of them than the channel is sure to bring: where another kind keeps a cell, this one has a weight there too.
    return Channel(fit_ease_in_parts(compact, l2=l2, dropout=dropout, n=2 * n, progress=False), used)


def _followers(sequences: BehaviourSequences, past: np.ndarray, *, most_steps: int) -> scipy.sparse.csr_matrix:
    """Returns what followed an item within `most_steps` events of its session or order, by 1 / steps, per occurrence.

    Occurrences are shrunk by 5. An item follows itself where it was looked at again, but not where the same look led
    to cart or order.
    """
    item, group, sequence = sequences.item[past], sequences.session[past], sequences.sequence[past]
    is_look = sequences.event_type[past] == sequences.type_code("view")
    size = sequences.vocabularies.items.size
    counts = scipy.sparse.csr_matrix((size, size), dtype=np.float32)
    left = np.zeros(size, np.float32)
    for step in range(1, most_steps + 1):
        follows = (group[step:] == group[:-step]) & (sequence[step:] == sequence[:-step])
        follows &= (item[step:] != item[:-step]) | is_look[step:]
        start, stop = item[:-step][follows], item[step:][follows]
        cells = (np.full(len(start), 1.0 / step, np.float32), (start, stop))
        counts = counts + scipy.sparse.csr_matrix(cells, shape=(size, size))
        if step == 1:
            left = np.bincount(start, minlength=size).astype(np.float32)
    return scipy.sparse.diags(1.0 / (left + 5.0)).dot(counts).tocsr().astype(np.float32)


def _popularity(
    sequences: BehaviourSequences, target: np.ndarray, as_of: float, prior: float, pooled: PooledVariants | None
) -> dict[str, np.ndarray]:
    """Returns the popularity of items, `[N + 1, ...]` arrays, and `segment_popularity [segments + 1, N + 1]`."""
    size, segments = sequences.vocabularies.items.size, sequences.segments
    item, days = sequences.item[target], ((as_of - sequences.hour[target]) / _DAY).astype(np.float32)
    segment = segments.of_user[sequences.sequence_user[sequences.sequence[target]]]
    first_age = np.zeros(size, np.float32)
    np.maximum.at(first_age, item, days)
    last_age = np.full(size, np.inf, np.float32)
    np.minimum.at(last_age, item, days)
    last_age[np.isinf(last_age)] = 0.0
    bought = count_purchases(item, days, size=size)
    in_segments = popularity_in_segments(
        item, segment, days, size=size, num_segments=len(segments.names.tokens), prior=prior
    )
    known = {
        "popularity": bought,
        "season": count_season(item, days, size=size),
        "segment_popularity": in_segments.T,
        "first_age": first_age,
        "last_age": last_age,
    }
    if pooled is not None:
        known = {name: pooled.mixed(values) for name, values in known.items()}
    known["segment_popularity"] = np.ascontiguousarray(known["segment_popularity"].T)
    return known | {"sold": bought[:, [1, -1]]}


def _friends_items(
    sequences: BehaviourSequences, target: np.ndarray, as_of: float, config: FeatureConfig
) -> dict[str, np.ndarray]:
    """Returns `friend_splits [U + 2]`, `friend_item` and `friend_score` `[L]`; see `items_of_friends`."""
    return items_of_friends(
        sequences.friends,
        sequences.sequence_user[sequences.sequence[target]],
        sequences.item[target],
        (as_of - sequences.hour[target]) / _DAY,
        size=sequences.vocabularies.items.size,
        half_life_days=config.friend_half_life_days,
        most=config.friend_items,
    )


def _recent_events(sequences: BehaviourSequences, past: np.ndarray, as_of: float, length: int) -> dict[str, np.ndarray]:
    """Returns `recent_*` `[U + 1, length]` of the latest events of each user, oldest first; 0 = none."""
    shape = (sequences.users.size, length)
    result = {
        "recent_item": np.zeros(shape, np.int32),
        "recent_type": np.zeros(shape, np.int32),
        "recent_age": np.zeros(shape, np.float32),
        "recent_group": np.zeros(shape, np.int32),
    }
    rows = np.flatnonzero(past)
    user = sequences.sequence_user[sequences.sequence[rows]]
    rows, user = rows[user > 0], user[user > 0]
    behind = np.zeros(len(rows), np.int64)  # how many events of the same user follow
    if len(rows):
        ends = np.flatnonzero(np.append(user[1:] != user[:-1], True))
        behind = ends[np.searchsorted(ends, np.arange(len(rows)))] - np.arange(len(rows))
    keep = behind < length
    rows, user, column = rows[keep], user[keep], length - 1 - behind[keep]
    result["recent_item"][user, column] = sequences.item[rows]
    result["recent_type"][user, column] = sequences.event_type[rows]
    result["recent_age"][user, column] = as_of - sequences.hour[rows]
    result["recent_group"][user, column] = sequences.group[rows] + 1
    return result
