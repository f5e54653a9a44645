"""Learns what kinds of things items are from their titles, for catalogues without categories.

Titles become TF-IDF vectors, which k-means cuts into many small clusters (spherical, Dhillon & Modha 2001); those whose
mean cosine is high are joined (average linkage). A kind is named by its words that weigh most: `greeting card`.
"""

import re
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from tfrec.sources.notes import Note

_WORD = r"[^\W\d_]{2,}"
_MOST_WORDS = 20_000
_ITEMS_OF_A_CLUSTER = 8
_MOST_CLUSTERS = 2_000
_LEAST_COSINE = 0.35
"""Mean cosine of the clusters of one kind. Chosen on the titles of the demo shop, by the categories that it has."""
_WORDS_OF_A_NAME = 2


def fill_categories(items: pd.DataFrame) -> tuple[pd.DataFrame, list[Note]]:
    """Returns the items with a category from its title for each that has none, and a note of how many got one."""
    is_open = (items["category"] == "").to_numpy()
    names = categories_of_titles(items.loc[is_open, "title"])
    category = items["category"].astype(object).to_numpy().copy()
    category[is_open] = names
    found = names[names != ""]
    if not len(found):
        text = "No category could be learned from titles: no word stands in the titles of two items without a category."
        return items, [Note("categories_from_titles", 0, text)]
    most, count = Counter(found).most_common(1)[0]
    text = (
        f"{len(found):,} items without a category got one of {len(set(found)):,} that were learned from their titles, "
        f"e.g. {most!r} ({count:,} items). {len(names) - len(found):,} items share no word with another and stay "
        "without one. Look at them in items.parquet; categories of your own serve better."
    )
    return items.assign(category=pd.Series(category, items.index, dtype=items["category"].dtype)), [
        Note("categories_from_titles", len(found), text)
    ]


def categories_of_titles(titles: pd.Series) -> np.ndarray:
    """Returns `[N]` the category of each of `titles [N]`; `""` where no other title has any of its words.

    The same titles in the same order have the same categories.
    """
    names = np.full(len(titles), "", object)
    vectorizer = TfidfVectorizer(
        token_pattern=_WORD, min_df=2, max_features=_MOST_WORDS, sublinear_tf=True, dtype=np.float32
    )
    try:
        vectors = vectorizer.fit_transform(titles)
    except ValueError:  # no word stands in two titles
        return names
    known = np.flatnonzero(np.diff(vectors.indptr))
    if not len(known):
        return names
    kinds = _kinds(vectors[known])
    words = vectorizer.get_feature_names_out()
    names[known] = np.array(_names(vectors[known], kinds, words, titles.iloc[known]), object)[kinds]
    return names


def _kinds(vectors: scipy.sparse.csr_matrix) -> np.ndarray:
    """Returns `[n]` numbers of the kinds of unit vectors `[n, words]`."""
    num_clusters = int(np.clip(vectors.shape[0] // _ITEMS_OF_A_CLUSTER, 1, _MOST_CLUSTERS))
    clusters = MiniBatchKMeans(num_clusters, n_init=3, batch_size=4096, random_state=0).fit(vectors)
    used, cluster = np.unique(clusters.labels_, return_inverse=True)
    if len(used) == 1:
        return cluster
    centres = normalize(clusters.cluster_centers_[used])
    joined = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1.0 - _LEAST_COSINE
    ).fit(centres)
    return joined.labels_[cluster]


def _names(vectors: scipy.sparse.csr_matrix, kinds: np.ndarray, words: np.ndarray, titles: pd.Series) -> list[str]:
    """Returns the name of each kind: its words that weigh most, in the order in which its titles have them."""
    members = scipy.sparse.csr_matrix((np.ones(len(kinds), np.float32), (kinds, np.arange(len(kinds)))))
    weights = (members @ vectors).tocsr()
    places = _mean_places(titles, kinds)
    names: list[str] = []
    for kind in range(weights.shape[0]):
        row = weights.getrow(kind)
        by_weight = words[row.indices[np.lexsort((row.indices, -row.data))]]
        for number in range(_WORDS_OF_A_NAME, len(by_weight) + 1):
            name = " ".join(sorted(by_weight[:number], key=lambda word: places[kind, word]))
            if name not in names:
                break
        else:
            name = f"{' '.join(by_weight)} {kind}"
        names.append(name)
    return names


def _mean_places(titles: pd.Series, kinds: np.ndarray) -> dict[tuple[int, str], float]:
    """Returns for each kind and word of its titles the mean share of a title that stands before the word."""
    total: dict[tuple[int, str], float] = defaultdict(float)
    count: dict[tuple[int, str], int] = defaultdict(int)
    for kind, title in zip(kinds.tolist(), titles, strict=True):
        found = re.findall(_WORD, title.lower())
        for place, word in enumerate(found):
            total[kind, word] += place / len(found)
            count[kind, word] += 1
    return {key: total[key] / count[key] for key in total}
