"""Finds items that suit a user's interests and resemble what the user cares for: content similarity."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tfrec.analysis.interests import Interests
from tfrec.features.vocabulary import build_vocabularies
from tfrec.schema.slate import Slate
from tfrec.schema.tables import Tables


def items_for(tables: Tables, interests: Interests, user_id: str, *, k: int = 10) -> list[dict[str, object]]:
    """Returns the k items that suit a user best by content, of those in stock that the user has no interest in yet.

    Args:
        tables: the shop; its titles, categories and brands are the content.
        interests: measured interests.
        user_id: who asks.
        k: number of items at most.

    Returns:
        `item_id`, `name` (title, or the id) and `score` in [0, 1/2], best first.
    """
    catalogue = build_vocabularies(tables.items, None).catalogue
    in_stock = catalogue.is_in_stock[1:]
    items = tables.items[in_stock]
    slate = rank_by_content(
        interests,
        [user_id],
        item_ids=items["item_id"].to_numpy(object),
        item_features=catalogue.content[1:][in_stock],
        categories=dict(zip(items["item_id"], items["category"], strict=True)),
        k=k,
    )
    titles = dict(zip(items["item_id"], items["title"], strict=True))
    return [
        {"item_id": item, "name": titles[item] or item, "score": float(score)}
        for item, score in zip(slate.item_ids[0], slate.scores[0], strict=True)
        if item
    ]


def rank_by_content(
    interests: Interests,
    user_ids: Sequence[str],
    *,
    item_ids: np.ndarray,
    item_features: np.ndarray,
    categories: Mapping[str, str],
    k: int = 10,
) -> Slate:
    """Returns the k candidates of highest content similarity for each user; an empty row without interests.

    s is the user's interest in the candidate's category (whole path), f the cosine between the candidate's features
    and the mean of the user's items' features weighted by interest; negative similarity counts as none. Items that the
    user has an interest in already are left out.

    Args:
        interests: measured interests.
        user_ids: `[B]` who asks.
        item_ids: `[C]` candidates; a user's items are looked up among them.
        item_features: `[C, d]` their features, of any scale.
        categories: category path of each candidate.
        k: length of the slate.
    """
    position = pd.Index(item_ids)
    unit = item_features / np.maximum(np.linalg.norm(item_features, axis=1, keepdims=True), 1e-12)
    paths = np.array([categories.get(item, "") for item in item_ids], dtype=object)
    slots = min(k, len(item_ids))
    offered = np.full((len(user_ids), slots), "", dtype=object)
    scores = np.full((len(user_ids), slots), -np.inf)
    asked = interests.items[interests.items["user_id"].isin(list(user_ids))]
    items_of = dict(iter(asked.groupby("user_id")))
    asked = interests.categories[interests.categories["user_id"].isin(list(user_ids))]
    paths_of = {user: rows.groupby("category")["score"].max() for user, rows in asked.groupby("user_id")}
    for row, user in enumerate(user_ids):
        if user not in items_of or user not in paths_of:
            continue
        places = position.get_indexer(items_of[user]["item_id"])
        weights = items_of[user]["score"].to_numpy()[places >= 0]
        taste = weights @ unit[places[places >= 0]]
        similarity = np.maximum(unit @ taste / max(float(np.linalg.norm(taste)), 1e-12), 0.0)
        value = content_similarity(pd.Series(paths).map(paths_of[user]).fillna(0.0).to_numpy(), similarity)
        value[places[places >= 0]] = -np.inf
        best = np.argsort(-value, kind="stable")[:slots]
        best = best[value[best] > 0]
        offered[row, : len(best)], scores[row, : len(best)] = item_ids[best], value[best]
    return Slate(offered.astype(str), scores)


def content_similarity(interest: np.ndarray | float, feature_similarity: np.ndarray | float) -> np.ndarray:
    """Returns `s·f / (s + f)`, half the harmonic mean of interest s and similarity f; 0 where both are 0.

    It is high only where both are.

    Both lie in [0, 1]; the result in [0, 1/2].

    Examples:
        >>> content_similarity(np.array([1.0, 0.5, 1.0]), np.array([1.0, 0.5, 0.0]))
        array([0.5 , 0.25, 0.  ])
    """
    s, f = np.asarray(interest, dtype=np.float64), np.asarray(feature_similarity, dtype=np.float64)
    total = s + f
    return np.where(total > 0, s * f / np.where(total > 0, total, 1.0), 0.0)
