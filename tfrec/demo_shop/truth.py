"""Writes and reads the folder `truth/` of a demo shop, by which models and reports are evaluated."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.demo_shop.config import DemoShopConfig, config_from_json
from tfrec.demo_shop.slates import SlateWorld, read_slate_world
from tfrec.errors import SourceError

MANIFEST = "manifest.json"
CONFIG = "config.json"
TRUTH_FOLDER = "truth"
TABLES = (
    "complements",
    "substitutes",
    "upgrades",
    "segments",
    "styles",
    "transitions",
    "discounts",
    "uplift",
    "cold_items",
)
TRUTH_FILES = tuple(
    f"{TRUTH_FOLDER}/{name}" for name in (*(f"{table}.csv" for table in TABLES), "policies.json", "dirt.json", CONFIG)
)


@dataclasses.dataclass(frozen=True)
class DemoShopTruth:
    """What the generator knows; items and users by their raw ids, leaves by whole category path.

    Attributes:
        config: the settings of the shop.
        complements: from_leaf, to_leaf, from_item, to_item, strength: an order with `from_item` as an anchor gets
            `to_item` on its account with probability `strength`. Directed: no leaf pair stands in both directions.
        substitutes: item, substitute (same leaf, same tier; at most twenty an item, nearest in price first).
        upgrades: item, upgrade, price_ratio (same leaf, higher tier, dearer; at most twenty an item).
        segments: user, segment, favourite_style, favourite_tier, favourite_mission.
        styles: item, leaf, style, tier, appeal.
        transitions: previous_leaf, leaf, next_leaf, probability: the course of a session's intention.
        discounts: leaf, from, days, discount.
        uplift: user, arm, group, base_* and *_uplift for visit, conversion, spend, margin.
        cold_items: item, leaf, available_from: on sale only in the evaluation period.
        policies: the slate world and each policy's true value, see `slates.policy_truth`.
        dirt: kind → number of dirty rows, and `clean_rows`, `raw_rows`.
    """

    config: DemoShopConfig
    complements: pd.DataFrame
    substitutes: pd.DataFrame
    upgrades: pd.DataFrame
    segments: pd.DataFrame
    styles: pd.DataFrame
    transitions: pd.DataFrame
    discounts: pd.DataFrame
    uplift: pd.DataFrame
    cold_items: pd.DataFrame
    policies: dict
    dirt: dict[str, int]

    @property
    def split_at(self) -> np.datetime64:
        """Start of the evaluation period."""
        return self.config.split_at

    @property
    def leaf_complements(self) -> pd.DataFrame:
        """The complements between leaf categories: from_leaf, to_leaf, strength (probability of the add-on)."""
        whole = self.complements.groupby(["from_leaf", "to_leaf", "from_item"], as_index=False)["strength"].sum()
        return whole.groupby(["from_leaf", "to_leaf"], as_index=False)["strength"].max()

    @property
    def policy_values(self) -> dict[str, float]:
        """Expected clicks a slate of each policy."""
        return {name: policy["value"] for name, policy in self.policies["policies"].items()}

    @property
    def slate_world(self) -> SlateWorld:
        """The world behind `impressions.parquet`; its `items` are positions in `styles`."""
        return read_slate_world(self.policies, self.styles["item"].to_numpy())


def write_truth(folder: Path, truth: DemoShopTruth) -> None:
    """Writes `truth/` and the manifest below `folder`."""
    target = folder / TRUTH_FOLDER
    target.mkdir()
    for name in TABLES:
        getattr(truth, name).to_csv(target / f"{name}.csv", index=False, lineterminator="\n")
    for name in ("policies", "dirt"):
        (target / f"{name}.json").write_text(json.dumps(getattr(truth, name), indent=1) + "\n")
    config = truth.config
    manifest = {
        "fingerprint": config.fingerprint,
        "starts_at": str(config.starts_at),
        "split_at": str(config.split_at),
        "ends_at": str(config.ends_at),
    }
    (target / CONFIG).write_text(json.dumps(config.as_json(), indent=1) + "\n")
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def read_truth(folder: Path) -> DemoShopTruth:
    """Returns the truth of the demo shop in `folder`: where it was generated, or prepared (its `truth/` goes along).

    Raises:
        SourceError: there is no complete demo shop.
    """
    try:
        config = config_from_json(json.loads((folder / TRUTH_FOLDER / CONFIG).read_text()))
        tables = {name: pd.read_csv(folder / TRUTH_FOLDER / f"{name}.csv") for name in TABLES}
        policies, dirt = (
            json.loads((folder / TRUTH_FOLDER / f"{name}.json").read_text()) for name in ("policies", "dirt")
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"Expected a demo shop in {folder}, written by `generate_demo_shop`; it is absent or incomplete ({error}). "
            "Generate it again."
        ) from error
    return DemoShopTruth(config=config, policies=policies, dirt=dirt, **tables)


def read_fingerprint(folder: Path) -> str:
    """Returns the fingerprint of the shop in `folder`; `""` when there is none."""
    try:
        return json.loads((folder / MANIFEST).read_text())["fingerprint"]
    except (OSError, KeyError, TypeError, ValueError):
        return ""
