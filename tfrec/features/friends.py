"""Computes what friends bought from relations between users: the only information on users without purchases."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.features.vocabulary import Vocabulary

_MOST_PRODUCTS = 4_000_000  # purchases that are added up at once: some hundred megabytes


@dataclasses.dataclass(frozen=True)
class Friends:
    """Who knows whom. `U` users.

    Attributes:
        weights: `[U + 1, U + 1]` float32 CSR: how well the row's user knows the column's; row and column 0 are empty.
    """

    weights: scipy.sparse.csr_matrix

    @classmethod
    def none(cls, users: Vocabulary) -> "Friends":
        """Returns relations without any pair."""
        return cls(scipy.sparse.csr_matrix((users.size, users.size), dtype=np.float32))


def users_with_friends(relations: pd.DataFrame, buyers: pd.Series) -> pd.Series:
    """Returns the ids of the users who know one of `buyers`; the relations contribute nothing for other users."""
    if not len(relations):  # most shops; to hash their buyers would take seconds
        return relations["user_id"]
    return relations.loc[relations["other_id"].isin(buyers), "user_id"]


def encode_relations(relations: pd.DataFrame, users: Vocabulary) -> Friends:
    """Returns who knows whom among the users of a vocabulary.

    Args:
        relations: a table of `RELATION_COLUMNS`.
        users: user ids; relations of those who are not among them are left out.
    """
    user, other = users.encode(relations["user_id"]), users.encode(relations["other_id"])
    is_known = (user > 0) & (other > 0)
    cells = (relations["weight"].to_numpy(np.float32)[is_known], (user[is_known], other[is_known]))
    return Friends(scipy.sparse.csr_matrix(cells, shape=(users.size, users.size)))


def items_of_friends(
    friends: Friends,
    user: np.ndarray,
    item: np.ndarray,
    days: np.ndarray,
    *,
    size: int,
    half_life_days: float,
    most: int,
) -> dict[str, np.ndarray]:
    """Returns what each user's friends bought before the moment, as `friend_*` of `FeatureTables`.

    `score(u, i) = Σ_f w_uf Σ_p 0.5^(age_p / half_life) / sqrt(Σ_f w_uf²)` over u's friends f and f's purchases p of i:
    where friends are equally dear, the sum over the square root of their number, as for the items of a history.

    Args:
        friends: who knows whom.
        user: `[L]` who bought; 0 = a guest, whose purchases do not count.
        item: `[L]` item of each purchase.
        days: `[L]` days from each purchase to the moment.
        size: item indices, `N + 1`.
        half_life_days: age at which a purchase weighs half.
        most: items kept of each user, those of the highest score.
    """
    num_users = friends.weights.shape[0]
    rows, items, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    if friends.weights.nnz:
        is_known = user > 0
        fade = (0.5 ** (days[is_known] / half_life_days)).astype(np.float32)
        bought = scipy.sparse.csr_matrix((fade, (user[is_known], item[is_known])), shape=(num_users, size))
        norm = np.sqrt(np.asarray(friends.weights.multiply(friends.weights).sum(axis=1)).ravel())
        weights = scipy.sparse.diags(1.0 / np.where(norm > 0, norm, 1.0)).dot(friends.weights).tocsr()
        for start, stop in _slabs(weights, np.diff(bought.indptr)):
            product = (weights[start:stop] @ bought).tocoo()
            order = np.lexsort((product.col, -product.data, product.row))
            row = product.row[order].astype(np.int64)
            order = order[np.arange(len(row)) - np.searchsorted(row, row) < most]
            rows.append(product.row[order].astype(np.int64) + start)
            items.append(product.col[order].astype(np.int32))
            scores.append(product.data[order].astype(np.float32))
    return {
        "friend_splits": np.searchsorted(np.concatenate(rows), np.arange(num_users + 1)).astype(np.int32),
        "friend_item": np.concatenate(items),
        "friend_score": np.concatenate(scores),
    }


def _slabs(weights: scipy.sparse.csr_matrix, num_items: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields spans of rows whose friends bought at most `_MOST_PRODUCTS` in all; a row by itself may be more."""
    each = np.append(0, np.cumsum(num_items[weights.indices]))[weights.indptr]  # before each row
    start, end = 0, len(each) - 1
    while start < end:
        stop = int(np.searchsorted(each, each[start] + _MOST_PRODUCTS, side="right")) - 1
        stop = min(max(stop, start + 1), end)
        yield start, stop
        start = stop
