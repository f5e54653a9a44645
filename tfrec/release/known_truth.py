"""Measures how much of the demo shop's truth the served models have found: complements and upgrades."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tfrec.demo_shop import DemoShopTruth, read_truth
from tfrec.demo_shop.catalogue import TIERS
from tfrec.ingest.prepared import Prepared
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.recommend import recommend_table
from tfrec.serving.servable import Servable


@dataclasses.dataclass(frozen=True)
class TruthFound:
    """How a served shop does against the truth of the demo shop; shares in [0, 1].

    Attributes:
        num_anchors: items whose pages were asked, each a guest's.
        complements_found: share of the anchors' true complement categories among their cross-sell top 10.
        complements_offered: share of the cross-sell top 5 that is of a true complement category.
        reversed_offered: share that would be right the other way round only (a camera offered with a card).
        upgrades_offered: share of the upsell top 5 that is a true upgrade: same category, a higher tier, dearer.
    """

    num_anchors: int
    complements_found: float
    complements_offered: float
    reversed_offered: float
    upgrades_offered: float

    def sentences(self) -> tuple[str, ...]:
        """Returns the figures in words."""
        return (
            f"Known truth, {self.num_anchors:,} items as the page's anchor: cross-sell found "
            f"{self.complements_found:.0%} of the true complement categories in its top 10; "
            f"{self.complements_offered:.0%} of its top 5 was of one, {self.reversed_offered:.0%} of one only the "
            "other way round.",
            f"Known truth, upsell: {self.upgrades_offered:.0%} of the top 5 are true upgrades.",
        )


def measure_truth(prepared: Prepared, servable: Servable, *, max_anchors: int = 500) -> TruthFound | None:
    """Returns what the servable found of the truth; None for a shop without a known one.

    Anchors are items on sale in training whose category has a true complement, at most `max_anchors`, seeded.
    """
    if prepared.truth is None:
        return None
    truth = read_truth(Path(prepared.path))
    leaf = prepared.train.items.set_index("item_id")["category"].astype(object)
    pairs = truth.leaf_complements
    sold = pd.Index(prepared.train.events["item_id"].unique())
    anchors = leaf.index[leaf.isin(pairs["from_leaf"]) & leaf.index.isin(sold)].to_numpy(object)
    if len(anchors) > max_anchors:
        anchors = np.random.default_rng(0).choice(anchors, max_anchors, replace=False)
    offered = _ask(servable, "cross_sell", anchors, k=10)
    offered["from_leaf"], offered["to_leaf"] = (
        leaf.reindex(offered[name]).to_numpy() for name in ("anchor", "item_id")
    )
    is_true, is_reversed = _is_pair(offered, pairs), _is_pair(offered, pairs, swapped=True)
    num_true = pd.Series(leaf.reindex(anchors).to_numpy()).map(pairs.groupby("from_leaf").size())
    hits = offered[is_true].drop_duplicates(["anchor", "to_leaf"])
    is_first = (offered.groupby("anchor").cumcount() < 5).to_numpy()
    return TruthFound(
        num_anchors=len(anchors),
        complements_found=len(hits) / max(int(num_true.sum()), 1),
        complements_offered=float(is_true[is_first].mean()) if len(offered) else 0.0,
        reversed_offered=float((is_reversed & ~is_true)[is_first].mean()) if len(offered) else 0.0,
        upgrades_offered=_true_upgrades(truth, servable, anchors),
    )


def _ask(servable: Servable, signature_name: str, anchors: np.ndarray, *, k: int) -> pd.DataFrame:
    """Returns the offers of each anchor's page: anchor, item_id."""
    queries = pa.table({"query_id": pa.array(anchors.tolist()), "item_id": pa.array(anchors.tolist())})
    slates = recommend_table(servable, SIGNATURES[signature_name], queries, k=k).select(["query_id", "item_id"])
    return slates.to_pandas().rename(columns={"query_id": "anchor"})


def _is_pair(offered: pd.DataFrame, pairs: pd.DataFrame, *, swapped: bool = False) -> np.ndarray:
    """Returns `[n]`: the offered item's leaf stands among the complements of the anchor's leaf."""
    names = ["to_leaf", "from_leaf"] if swapped else ["from_leaf", "to_leaf"]
    true_pairs = pd.MultiIndex.from_frame(pairs[["from_leaf", "to_leaf"]].drop_duplicates())
    return pd.MultiIndex.from_frame(offered[names]).isin(true_pairs)


def _true_upgrades(truth: DemoShopTruth, servable: Servable, anchors: np.ndarray) -> float:
    offered = _ask(servable, "upsell", anchors, k=5)
    if not len(offered):
        return 0.0
    styles = truth.styles.set_index("item")
    tier = styles["tier"].map({name: place for place, name in enumerate(TIERS)})
    first, second = (offered[name].to_numpy() for name in ("anchor", "item_id"))
    same_leaf = styles["leaf"].reindex(first).to_numpy() == styles["leaf"].reindex(second).to_numpy()
    return float((same_leaf & (tier.reindex(second).to_numpy() > tier.reindex(first).to_numpy())).mean())
