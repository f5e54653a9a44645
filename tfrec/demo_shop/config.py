"""Holds sizes, dates and seed of the demo shop as a checked value with a fingerprint."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from tfrec.errors import ConfigError

GENERATOR_VERSION = 1
"""Raised whenever the same config would give other files; part of the fingerprint."""


@dataclasses.dataclass(frozen=True)
class DemoShopConfig:
    """Settings of `generate_demo_shop`; equal configs give equal files.

    Attributes:
        num_items: items in the catalogue, at least 400 (ten a leaf category).
        num_users: registered users.
        num_events: target number of events, reached within about a tenth (impressions included).
        num_slates: slates shown with logged propensities, three items each.
        days: length of the log in days.
        evaluation_days: length of the last part, kept for evaluation; `split_at` is its start.
        end: first moment after the log, `YYYY-MM-DD`, UTC.
        late_share: share of items that arrive in the course of the training period.
        cold_share: share of items that arrive after `split_at`, so they have no earlier purchases.
        guest_share: share of sessions without a user id.
        dirt_share: rows of each kind of dirt, as a share of the clean rows.
        seed: random seed of the shop.
        fashion_mnist: folder with Fashion-MNIST's `train-images-idx3-ubyte.gz` and labels, whose pictures are then
            used in place of drawn ones; style and appeal are then read off the picture (see `pictures.py`).
        with_graphs: also write facts of items and friends of users, and how a recipe names them (see `graphs.py`).

    Raises:
        ConfigError: a setting is out of its range.
    """

    num_items: int = 2_000
    num_users: int = 5_000
    num_events: int = 200_000
    num_slates: int = 10_000
    days: int = 365
    evaluation_days: int = 35
    end: str = "2025-12-01"
    late_share: float = 0.08
    cold_share: float = 0.08
    guest_share: float = 0.15
    dirt_share: float = 0.001
    seed: int = 7
    fashion_mnist: Path | None = None
    with_graphs: bool = False

    def __post_init__(self) -> None:
        least = {"num_items": 400, "num_users": 50, "num_events": 1_000, "num_slates": 0, "days": 90, "seed": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"`{name}` must be at least {low}; got {getattr(self, name)}. Raise it.")
        if self.num_slates > self.num_events // 6:
            raise ConfigError(
                f"`num_slates` must be at most a sixth of `num_events` ({self.num_events // 6}), so that "
                f"three impressions each leave room for behaviour; got {self.num_slates}. Lower it."
            )
        if not 7 <= self.evaluation_days <= self.days // 2:
            raise ConfigError(
                f"`evaluation_days` must lie in 7..{self.days // 2} (half of `days`); got {self.evaluation_days}."
            )
        for name in ("late_share", "cold_share", "guest_share", "dirt_share"):
            if not 0 <= getattr(self, name) <= 0.4:
                raise ConfigError(f"`{name}` must lie in 0..0.4; got {getattr(self, name)}.")
        try:
            np.datetime64(self.end, "D")
        except ValueError as error:
            raise ConfigError(f"`end` must be a date such as 2025-12-01; got {self.end!r}.") from error

    @property
    def starts_at(self) -> np.datetime64:
        """First moment of the log."""
        return self.ends_at - np.timedelta64(self.days, "D")

    @property
    def ends_at(self) -> np.datetime64:
        """First moment after the log."""
        return np.datetime64(self.end, "D").astype("datetime64[s]")

    @property
    def split_at(self) -> np.datetime64:
        """First moment of the evaluation period."""
        return self.ends_at - np.timedelta64(self.evaluation_days, "D")

    @property
    def split_day(self) -> float:
        """`split_at` in days since `starts_at`."""
        return float(self.days - self.evaluation_days)

    @property
    def fingerprint(self) -> str:
        """Hash of all settings and of the generator's version."""
        return hashlib.sha256(json.dumps([GENERATOR_VERSION, self.as_json()], sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, int | float | str | None]:
        """Returns the settings as plain values."""
        plain = dataclasses.asdict(self)
        plain["fashion_mnist"] = None if self.fashion_mnist is None else str(self.fashion_mnist)
        if not self.with_graphs:  # the key is absent in shops of earlier releases
            del plain["with_graphs"]
        return plain

    def generator(self, part: str) -> np.random.Generator:
        """Returns the random generator of one part of the shop, independent of the other parts' draws."""
        return np.random.default_rng([self.seed, *part.encode()])

    def as_time(self, day: np.ndarray | float) -> np.ndarray:
        """Returns `[n]` days since `starts_at` as times, to the second."""
        return self.starts_at + np.round(np.asarray(day) * 86_400).astype("timedelta64[s]")


def config_from_json(plain: dict) -> DemoShopConfig:
    """Returns the config that `DemoShopConfig.as_json` wrote."""
    folder = plain.get("fashion_mnist")
    return DemoShopConfig(**{**plain, "fashion_mnist": None if folder is None else Path(folder)})
