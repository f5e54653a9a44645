"""`Experiment`: which users of a client are in which arm, and what each arm gets."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from tfrec.client.exploration import Exploration
from tfrec.client.settings import check_parts
from tfrec.errors import ConfigError, nearest_hint
from tfrec.schema import wire
from tfrec.schema.arms import DEFAULT_SHARES, assign


@dataclasses.dataclass(frozen=True)
class Arm:
    """What differs in one arm from the client's own settings; None = as the client's.

    Attributes:
        servable: servable that is asked.
        version: version that is asked.
        version_label: label that is asked.
        diversity: `diversity` of each query that does not state its own.
        explore: how slates are drawn.

    Raises:
        ConfigError: both a version and a label, or a value that is none.
    """

    servable: str | None = None
    version: int | None = None
    version_label: str | None = None
    diversity: float | None = None
    explore: Exploration | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.version_label is not None:
            raise ConfigError(
                f"An arm names a version or a label; got {self.version} and {self.version_label!r}. Leave one out."
            )
        check_parts(
            servable=(self.servable, str, "the name of a servable"),
            version=(self.version, (int, np.integer), "a whole number such as 3"),
            version_label=(self.version_label, str, "a word such as 'stable'"),
            diversity=(self.diversity, (int, float, np.number), "a number"),
            explore=(self.explore, Exploration, "an Exploration"),
        )
        if self.diversity is not None and not -1 <= self.diversity <= 1:
            raise ConfigError(f"`diversity` must lie in 0..1, or be -1 for none; got {self.diversity}.")


CLIENTS_OWN = Arm()
"""The arm of those who are in no experiment."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment on users, who are assigned as by `tfrec experiment assign`.

    Attributes:
        name: salt of the hash; the same name and user give the same arm everywhere.
        shares: arm → share of users.
        arms: arm → what it gets; an arm without an entry gets what the client's settings say.

    Raises:
        ConfigError: an empty name, shares that are none, or an entry that is no arm.
    """

    name: str
    shares: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(DEFAULT_SHARES))
    arms: Mapping[str, Arm] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        assign([], salt=self.name, shares=self.shares)  # checks name and shares
        for arm, settings in self.arms.items():
            check_parts(**{f"arms[{arm!r}]": (settings, Arm, "an Arm, such as Arm(version_label='canary')")})
            if arm not in self.shares:
                raise ConfigError(f"`arms` names {arm!r}, which has no share.{nearest_hint(arm, self.shares)}")

    def arms_of(self, user_ids: np.ndarray) -> np.ndarray:
        """Returns each user's arm, `[B]`; `""` for a guest, as guests cannot be distinguished."""
        texts = [wire.as_text(user) for user in user_ids]
        encoded = [text.encode("utf-8", "replace").decode() for text in texts]
        arms = assign(encoded, salt=self.name, shares=self.shares)
        return np.where(np.array([text != "" for text in texts], bool), arms, "")
