"""Compares logged requests with what the training period of a version bought and looked at."""

import dataclasses
import itertools
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, SchemaError, SourceError
from tfrec.release.logged_requests import LoggedRequest, log_files, read_logged_requests
from tfrec.release.place import Place
from tfrec.release.training_traffic import SIZE_BINS, TrainingTraffic, read_training_traffic, size_bins
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.known_ids import VOCABULARY_OF, KnownIds, read_known_ids
from tfrec.statistics.proportions import wilson
from tfrec.statistics.stability import population_stability_index, stability_by_chance

logger = logging.getLogger(__name__)

AS_TRAINED, SLIGHT, SHIFTED, TOO_FEW, REPORTED = "as in training", "slight", "SHIFTED", "too few requests", "–"
"""Verdicts of a comparison; `REPORTED` = none, for what is not expected to be as in training."""
SLIGHT_INDEX = 0.1
"""From this population stability index on a shift is called slight."""

_BOUGHT, _SEEN = "bought", "seen"
_CART, _OFFERED = "cart_item_ids", "offered"
_ROLES: Mapping[str, tuple[str, str]] = {
    _CART: ("items in carts", _BOUGHT),
    "item_id": ("items on the page", _SEEN),
    "recent_item_ids": ("items of the latest events", _SEEN),
    "history_item_ids": ("items of earlier events", _BOUGHT),
    _OFFERED: ("items offered", _BOUGHT),
}
"""Input, or what was offered → what it is called, and what of the training period it is compared with."""
_COMMON = frozenset({"users"})  # vocabularies of which new ids are every day's business


@dataclasses.dataclass(frozen=True)
class DriftConfig:
    """When requests count as shifted.

    Attributes:
        index: population stability index from which on a distribution counts as shifted, if chance does not explain it.
        unknown: share of unknown ids of an input from which on, with its whole 95 % interval, it counts as shifted.
    """

    index: float = 0.25
    unknown: float = 0.05

    def __post_init__(self) -> None:
        if not self.index > 0 or not 0 < self.unknown < 1:
            raise ConfigError(
                f"`index` must be positive and `unknown` a share between 0 and 1; got {self.index} and {self.unknown}."
            )


@dataclasses.dataclass(frozen=True)
class Asked:
    """Requests of one signature: number of requests, of queries in them, and of queries that got no item at all."""

    signature: str
    num_requests: int
    num_queries: int
    num_empty: int


@dataclasses.dataclass(frozen=True)
class IdShare:
    """Ids of one input that the version does not know.

    Attributes:
        input: its name.
        num_requests: requests with such ids.
        num_ids: ids in them.
        num_unknown: those that the version does not know.
        low: lower end of the 95 % interval of the share; requests count as observations, not ids.
        high: its upper end.
        verdict: one of the verdicts; `REPORTED` for users, of whom there are always new ones.
    """

    input: str
    num_requests: int
    num_ids: int
    num_unknown: int
    low: float
    high: float
    verdict: str

    @property
    def share(self) -> float:
        """Share of the unknown ids; NaN where there are none."""
        return self.num_unknown / self.num_ids if self.num_ids else float("nan")


@dataclasses.dataclass(frozen=True)
class Shift:
    """One property of what was asked, beside the training period.

    Attributes:
        what: such as `items in carts, by category`.
        num_queries: queries that it was seen in.
        num_users: the same, less what single users contribute repeatedly: observations that count.
        training: bin → share in the training period.
        requests: bin → share in the requests; each query weighs the same, however many items it has.
        index: population stability index.
        chance: index that chance exceeds in 5 % of all cases.
        verdict: one of the verdicts.
    """

    what: str
    num_queries: int
    num_users: float
    training: Mapping[str, float]
    requests: Mapping[str, float]
    index: float
    chance: float
    verdict: str

    @property
    def largest(self) -> str:
        """The bin whose share has changed most."""
        return max(self.training, key=lambda name: abs(self.requests[name] - self.training[name]))


@dataclasses.dataclass(frozen=True)
class Drift:
    """Logged requests beside the training period.

    Attributes:
        servable: its name.
        version: the version that they are compared with.
        num_requests: logged requests of the servable.
        num_estimated: requests that they are a sample of, by the share that was logged.
        versions: version → logged requests that it answered; 0 = not noted.
        left_out: name of another servable → its logged requests, which are left out.
        signatures: requests by signature, the most frequent first.
        ids: unknown ids by input.
        shifts: comparisons with the training period.
    """

    servable: str
    version: int
    num_requests: int
    num_estimated: float
    versions: Mapping[int, int]
    left_out: Mapping[str, int]
    signatures: tuple[Asked, ...]
    ids: tuple[IdShare, ...]
    shifts: tuple[Shift, ...]

    @property
    def has_shifted(self) -> bool:
        """Whether anything is not as in training."""
        return SHIFTED in {*(one.verdict for one in self.ids), *(one.verdict for one in self.shifts)}


def measure_drift(
    models: Path,
    logs: Sequence[Path],
    *,
    servable: str = "shop",
    version: int | None = None,
    config: DriftConfig = DriftConfig(),
) -> Drift:
    """Compares the requests in logs of `tfrec serve` with the training period of a version.

    All requests to the servable count, whichever version answered them.

    Args:
        models: folder of servables.
        logs: files, or folders of them.
        servable: its name.
        version: number; None = the newest in service.
        config: when something counts as shifted.

    Raises:
        SourceError: there is no such version or log, the version notes nothing of its training, a log is none, or
            none of its requests is to the servable.
    """
    place = Place(models)
    number = _version(place, servable, version)
    folder = models / servable / str(number)
    traffic, known = read_training_traffic(folder), read_known_ids(folder)
    counted, others = _Counted(traffic, known), Counter[str]()
    for file in log_files(logs):
        logger.info("Reading %s.", file)
        for request in read_logged_requests(file):
            if request.servable == servable:
                counted.add(request)
            else:
                others[request.servable] += 1
    if not counted.num_requests:
        found = ", ".join(f"{name or 'no name'}: {count:,}" for name, count in others.most_common())
        raise SourceError(
            f"{', '.join(map(str, logs))} holds no request to {servable!r} (requests to {found}). "
            "Name what was asked: --servable NAME"
            if others
            else f"{', '.join(map(str, logs))} holds no request at all."
        )
    return Drift(
        servable=servable,
        version=number,
        num_requests=counted.num_requests,
        num_estimated=counted.num_estimated,
        versions=dict(sorted(counted.versions.items())),
        left_out=dict(others),
        signatures=tuple(
            Asked(name, count, counted.queries[name], counted.empty[name])
            for name, count in counted.signatures.most_common()
        ),
        ids=tuple(counted.id_share(alias, config) for alias in VOCABULARY_OF if counted.asked[alias]),
        shifts=tuple(counted.shifts(config)),
    )


class _Counted:
    """What the requests to one servable add up to."""

    def __init__(self, traffic: TrainingTraffic, known: KnownIds) -> None:
        self._traffic, self._known = traffic, known
        self.num_requests, self.num_estimated = 0, 0.0
        self.versions: Counter[int] = Counter()
        self.signatures: Counter[str] = Counter()
        self.queries: Counter[str] = Counter()
        self.empty: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()  # requests that have ids of an input
        self._ids: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._categories = {role: np.zeros(len(traffic.categories)) for role in _ROLES}
        self._prices = {role: np.zeros(len(traffic.price_edges) + 1) for role in _ROLES}
        self._sizes = np.zeros(len(SIZE_BINS))
        self._askers: dict[str, Counter[str]] = {role: Counter() for role in _ROLES}

    def add(self, request: LoggedRequest) -> None:
        """Counts one request."""
        self.num_requests += 1
        self.num_estimated += 1 / request.share
        self.versions[request.version] += 1
        self.signatures[request.signature] += 1
        for alias, (count, unknown) in self._known.count(request.inputs).items():
            self.asked[alias] += count > 0
            self._ids[alias] += count
            self._unknown[alias] += unknown
        rows = {role: _rows(request.inputs[role]) for role in _ROLES if role in request.inputs}
        if "item_ids" in request.outputs and not _is_no_slate(request.signature):
            rows[_OFFERED] = _rows(request.outputs["item_ids"])
            self.empty[request.signature] += sum(not row for row in rows[_OFFERED])
        users = (
            [row[0] if row else b"" for row in _rows(request.inputs["user_id"])] if "user_id" in request.inputs else []
        )
        self.queries[request.signature] += max(1, len(users), *map(len, rows.values()))
        for role, ids_of in rows.items():
            for at, ids in enumerate(ids_of):
                user = users[at] if at < len(users) else users[0] if len(users) == 1 else b""
                self._add_row(role, ids, user.decode("utf-8", "replace") or f"guest {self.num_requests} {at}")

    def _add_row(self, role: str, ids: list[bytes], user: str) -> None:
        places = self._traffic.places(ids)
        if not len(places):
            return
        self._askers[role][user] += 1
        self._categories[role] += _shares(self._traffic.category[places], len(self._traffic.categories))
        self._prices[role] += _shares(self._traffic.price_bins(places), len(self._traffic.price_edges) + 1)
        if role == _CART:
            self._sizes[size_bins(np.array([len(set(ids))]))[0]] += 1

    def id_share(self, alias: str, config: DriftConfig) -> IdShare:
        """Returns how many ids of an input are unknown."""
        requests, ids, unknown = self.asked[alias], self._ids[alias], self._unknown[alias]
        low, high = wilson(np.array([requests * unknown / ids]), np.array([requests]))
        most = config.unknown
        if VOCABULARY_OF[alias] in _COMMON:
            verdict = REPORTED
        elif low[0] > most:
            verdict = SHIFTED
        elif high[0] - low[0] > 2 * most and high[0] > most:
            verdict = TOO_FEW
        else:
            verdict = SLIGHT if unknown / ids > most else AS_TRAINED
        return IdShare(alias, requests, ids, unknown, float(low[0]), float(high[0]), verdict)

    def shifts(self, config: DriftConfig) -> list[Shift]:
        """Returns the comparisons with the training period, of what was seen in any request."""
        traffic = self._traffic
        of_categories = {_BOUGHT: traffic.bought_categories, _SEEN: traffic.seen_categories}
        of_prices = {_BOUGHT: traffic.bought_prices, _SEEN: traffic.seen_prices}
        found = []
        for role, (what, kind) in _ROLES.items():
            parts: list[tuple[str, list[str], np.ndarray, np.ndarray]] = [
                (f"{what}, by category", traffic.categories.tolist(), of_categories[kind], self._categories[role]),
                (f"{what}, by price", _price_names(traffic.price_edges), of_prices[kind], self._prices[role]),
            ]
            if role == _CART:
                parts.append(("items in a cart", _size_names(), traffic.cart_sizes, self._sizes))
            found += [
                _compared(*part, askers=self._askers[role], config=config, is_judged=role != _OFFERED)
                for part in parts
                if part[2].sum() and part[3].sum() and len(part[1]) > 1
            ]
        return found


def _compared(
    what: str,
    names: list[str],
    training: np.ndarray,
    requests: np.ndarray,
    *,
    askers: Counter[str],
    config: DriftConfig,
    is_judged: bool,
) -> Shift:
    used = (training > 0) | (requests > 0)
    names = [name for name, is_used in zip(names, used, strict=True) if is_used]
    training, requests = training[used], requests[used]
    times = np.array(list(askers.values()), np.float64)
    # Queries of one user are alike: as many observations as there were users, had each asked equally often.
    num_users = float(times.sum() ** 2 / (times**2).sum())
    index = population_stability_index(training, requests * (num_users / requests.sum()))
    chance = stability_by_chance(len(names), float(training.sum()), num_users)
    if not is_judged:
        verdict = REPORTED
    elif index >= config.index and index > chance:
        verdict = SHIFTED
    elif chance > config.index:
        verdict = TOO_FEW
    else:
        verdict = SLIGHT if index >= min(SLIGHT_INDEX, config.index) and index > chance else AS_TRAINED
    return Shift(
        what=what,
        num_queries=int(times.sum()),
        num_users=num_users,
        training=_named_shares(names, training),
        requests=_named_shares(names, requests),
        index=index,
        chance=chance,
        verdict=verdict,
    )


def _named_shares(names: list[str], counts: np.ndarray) -> dict[str, float]:
    return dict(zip(names, (counts / counts.sum()).tolist(), strict=True))


def _version(place: Place, servable: str, version: int | None) -> int:
    if version is None:
        versions = [number for name, number in place.in_service() if name == servable]
    else:
        versions = [number for number in place.versions(servable) if number == version]
    if not versions:
        there = ", ".join(map(str, place.versions(servable))) or "none"
        wanted = "in service" if version is None else version
        raise SourceError(f"{place} has no version {wanted} of {servable!r} (versions: {there}).")
    return max(versions)


_MOST_VALUES = 10_000_000
"""Of one input; a few bytes can declare more, which no server that answered did."""


def _rows(proto: Any) -> list[list[bytes]]:
    """Returns the ids of each row `[B]` or `[B, n]`, without padding; none where the tensor is none, or too large."""
    try:
        if math.prod(wire.tensor_shape(proto)) > _MOST_VALUES:
            return []
        values = wire.to_ndarray(proto)
    except SchemaError:
        return []
    if values.dtype != object or not values.ndim or not values.size:
        return [[] for _ in range(len(values) if values.ndim else 0)]
    return [[value for value in row if value] for row in values.reshape(len(values), -1).tolist()]


def _shares(bins: np.ndarray, num_bins: int) -> np.ndarray:
    """Returns the share `[num_bins]` of each bin; all 0 where there are none."""
    return np.bincount(bins, minlength=num_bins) / max(len(bins), 1)


def _price_names(edges: np.ndarray) -> list[str]:
    ends = [f"{edge:,.2f}" for edge in edges.tolist()]
    if not ends:
        return ["any price"]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(ends)]
    return [f"below {ends[0]}", *between, f"from {ends[-1]}"]


def _size_names() -> list[str]:
    ends = itertools.pairwise(SIZE_BINS)
    return [*(str(low) if low == high - 1 else f"{low}–{high - 1}" for low, high in ends), f"{SIZE_BINS[-1]} and more"]


def _is_no_slate(signature: str) -> bool:
    """Returns whether answers hold what was sent (lines of a cart, candidates) in place of offers."""
    return signature in SIGNATURES and not SIGNATURES[signature].is_slate
