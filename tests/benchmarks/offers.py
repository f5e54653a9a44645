"""Judges what a served demo shop offers on item pages by the shop's known truth: complements and upgrades.

A *true complement* is an item of a leaf category to which an edge of the truth leads from the page's. A *substitute*
is any other item of the page's leaf category, whatever its tier: `truth/substitutes.csv` lists only the twenty nearest
in price, so that the categories of `truth/styles.csv` stand in for it. A *true upgrade* is of the same leaf category
and of a higher tier; the price is never below the page's. All pages are a guest's.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.benchmarks.results import Figure
from tfrec.demo_shop import DemoShopTruth, read_truth
from tfrec.demo_shop.catalogue import TIERS
from tfrec.ingest.prepared import Prepared
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.recommend import Answering, recommend_table
from tfrec.statistics.cluster_bootstrap import bootstrap_means

PAGE, CART = "item_id", "cart_item_ids"


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of offers with its interval over leaf categories, whose items share their relations.

    Attributes:
        figure: share in [0, 1].
        num_anchors: items whose pages were asked.
        num_offers: offers that the share is of.
    """

    figure: Figure
    num_anchors: int
    num_offers: int


def anchors_of(prepared: Prepared, *, with_complements: bool) -> np.ndarray:
    """Returns the ids of the items bought in training, all or those of leaf categories with a true complement."""
    bought = np.sort(prepared.train.purchases["item_id"].astype(object).unique())
    truth = read_truth(Path(prepared.path))
    leaf = truth.styles.set_index("item")["leaf"].reindex(bought)
    is_wanted = leaf.isin(truth.leaf_complements["from_leaf"]) if with_complements else leaf.notna()
    return bought[is_wanted.to_numpy()]


def ask(servable: Answering, signature: str, anchors: np.ndarray, *, k: int, place: str = PAGE) -> pd.DataFrame:
    """Returns the offers to each anchor, best first: anchor, rank (from 1), item.

    Args:
        servable: answers.
        signature: such as `cross_sell`.
        anchors: item ids, each a query of a guest.
        k: offers of each.
        place: input that the anchor is sent as: `PAGE`, or `CART` for a cart of it alone.
    """
    ids = anchors.tolist()
    queries = pa.table({"query_id": pa.array(ids), place: pa.array([[item] for item in ids] if place == CART else ids)})
    slates = recommend_table(servable, SIGNATURES[signature], queries, k=k)
    return slates.select(["query_id", "rank", "item_id"]).to_pandas().set_axis(["anchor", "rank", "item"], axis=1)


def judge(offered: pd.DataFrame, truth: DemoShopTruth) -> pd.DataFrame:
    """Returns the offers with the leaf categories of both sides and what the truth says of each.

    Added columns: leaf, item_leaf, is_complement, is_reversed (a complement only the other way round), is_substitute,
    is_upgrade.
    """
    styles = truth.styles.set_index("item")
    tier = styles["tier"].map({name: place for place, name in enumerate(TIERS)})
    pairs = truth.leaf_complements
    edges = pd.MultiIndex.from_frame(pairs[["from_leaf", "to_leaf"]].drop_duplicates())
    leaf, item_leaf = (styles["leaf"].reindex(offered[name]).to_numpy(object) for name in ("anchor", "item"))
    is_complement = pd.MultiIndex.from_arrays([leaf, item_leaf]).isin(edges)
    is_same = leaf == item_leaf
    is_higher = tier.reindex(offered["item"]).to_numpy() > tier.reindex(offered["anchor"]).to_numpy()
    return offered.assign(
        leaf=leaf,
        item_leaf=item_leaf,
        is_complement=is_complement,
        is_reversed=pd.MultiIndex.from_arrays([item_leaf, leaf]).isin(edges) & ~is_complement,
        is_substitute=is_same,
        is_upgrade=is_same & is_higher,
    )


def share(judged: pd.DataFrame, column: str, *, k: int, of: np.ndarray | None = None) -> Share:
    """Returns which share of the first `k` offers of each anchor `column` is true of.

    Args:
        judged: see `judge`.
        column: a Boolean column of it.
        k: places that count.
        of: `[n]` bool: the rows that count at all; None = all.
    """
    counts = (judged["rank"] <= k).to_numpy() & (True if of is None else of)
    part = judged[counts]
    if not len(part):
        return Share(Figure(float("nan")), judged["anchor"].nunique(), 0)
    estimate = bootstrap_means(part[[column]].to_numpy(float), part["leaf"].to_numpy())[0]
    figure = Figure(estimate.value, estimate.low, estimate.high)
    return Share(figure, part["anchor"].nunique(), len(part))


def has_upgrade(truth: DemoShopTruth, judged: pd.DataFrame) -> np.ndarray:
    """Returns `[n]` bool: the truth has an upgrade for the row's anchor at all."""
    return judged["anchor"].isin(truth.upgrades["item"].unique()).to_numpy()
