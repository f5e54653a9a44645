"""Transfers weights between vocabularies: from the models of an older shop to the towers of the present one.

Rows of embedding tables are matched by token. A new category starts as its nearest known ancestor, the id embedding of
a new item as the mean of its category's items, and every other new token as the mean of the known rows.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrec.errors import SourceError
from tfrec.features.vocabulary import NUM_PRICE_BUCKETS, Vocabularies, Vocabulary
from tfrec.models.ranking import RankingModel
from tfrec.models.retrieval import RetrievalModel
from tfrec.schema.category_paths import CATEGORY_SEPARATOR

_ENCODER = "retrieval/item_encoder"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_TOKENS = {"item": "items", "category": "categories", "brand": "brands", "title": "words"}
"""Embedding tables whose vocabulary changes → the vocabulary that holds their tokens; price buckets never change."""


_BOUNDS = "price_bounds"


def row_meanings(vocabularies: Vocabularies) -> dict[str, np.ndarray]:
    """Returns what the rows of the weights mean: the `[rows]` token of each, and the `[buckets]` highest prices."""
    catalogue = vocabularies.catalogue
    highest = np.zeros(NUM_PRICE_BUCKETS + 1, np.float32)
    np.maximum.at(highest, catalogue.price_bucket, catalogue.price)
    tokens = {name: getattr(vocabularies, name).tokens.astype(str) for name in _TOKENS.values()}
    return {**tokens, _BOUNDS: np.maximum.accumulate(highest[1:])}


def with_trained_price_buckets(vocabularies: Vocabularies, meanings: Mapping[str, np.ndarray]) -> Vocabularies:
    """Returns the present vocabularies with prices in the buckets that the weights were trained with.

    `meanings` are `[n]` each. Buckets are quantiles of the catalogue: without this, each new item would move other
    items to other buckets.
    """
    price, bounds = vocabularies.catalogue.price, meanings[_BOUNDS]
    bucket = np.minimum(np.searchsorted(bounds, price, side="left") + 1, NUM_PRICE_BUCKETS)
    bucket = np.where((price > 0) & (bounds[-1] > 0), bucket, 0).astype(np.int32)
    return dataclasses.replace(vocabularies, catalogue=dataclasses.replace(vocabularies.catalogue, price_bucket=bucket))


def read_weights(
    weights: Path,
    meanings: Mapping[str, np.ndarray],
    retrieval_model: RetrievalModel,
    ranking_model: RankingModel,
) -> None:
    """Fills models whose variables exist from a checkpoint that may have fewer, more or other tokens.

    Args:
        weights: prefix of the checkpoint.
        meanings: `[n]` `row_meanings` of the vocabularies that the checkpoint was trained with.
        retrieval_model: model of the present vocabularies, `with_trained_price_buckets` of the same.
        ranking_model: model whose shape does not depend on the vocabularies.

    Raises:
        SourceError: the checkpoint holds models of another shape.
    """
    encoder, vocabularies = retrieval_model.item_encoder, retrieval_model.vocabularies
    reader = tf.train.load_checkpoint(str(weights))
    stored_names = set(reader.get_variable_to_shape_map())
    fixed = {"query_tower": retrieval_model.query_tower, "candidate_tower": retrieval_model.candidate_tower}
    parts: dict[str, tf.Module] = {}
    if encoder.image_tower is not None:
        if any(name.startswith(f"{_ENCODER}/image_dense") for name in stored_names):
            parts |= {"image_tower": encoder.image_tower, "image_dense": encoder.image_dense}
        else:  # the first pictures of a shop: they contribute nothing until a training has seen them
            encoder.image_dense.set_weights([np.zeros_like(value) for value in encoder.image_dense.get_weights()])
    if encoder.vector_dense is not None:
        if any(name.startswith(f"{_ENCODER}/vector_dense") for name in stored_names):
            parts["vector_dense"] = encoder.vector_dense
        else:  # likewise its first vectors
            encoder.vector_dense.set_weights([np.zeros_like(value) for value in encoder.vector_dense.get_weights()])
    if parts:
        fixed["item_encoder"] = tf.train.Checkpoint(**parts)
    checkpoint = tf.train.Checkpoint(retrieval=tf.train.Checkpoint(**fixed), ranking=ranking_model)
    try:
        checkpoint.read(str(weights)).assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise SourceError(
            f"{weights.parent} was trained with models of another shape: {str(error).splitlines()[0]} "
            "Train again: tfrec train PREPARED --out MODELS"
        ) from error

    def stored(name: str) -> np.ndarray | None:
        key = f"{_ENCODER}/{name}{_VALUE}"
        return reader.get_tensor(key) if key in stored_names else None

    seen = reader.get_tensor(f"{_ENCODER}/is_seen{_VALUE}")
    for name, table in encoder.tables.items():
        old = stored(f"tables/{name}/embeddings")
        if old is None:  # a column that the old catalogue did not have
            table.set_weights([np.zeros_like(table.get_weights()[0])])
        elif name in _TOKENS:
            vocabulary = getattr(vocabularies, _TOKENS[name])
            row = _old_rows(vocabulary, meanings[_TOKENS[name]])
            trained = np.flatnonzero(seen > 0) if name == "item" else np.arange(1, len(old))
            mean = old[trained].mean(axis=0) if len(trained) else np.zeros(old.shape[1], old.dtype)
            rows = np.where((row >= 0)[:, None], old[np.maximum(row, 0)], mean)
            table.set_weights([_INITIAL_ROWS.get(name, _unchanged)(rows, row >= 0, vocabularies)])
        else:
            table.set_weights([old])
    row = _old_rows(vocabularies.items, meanings["items"])
    encoder.is_seen.assign(np.where(row > 0, seen[np.maximum(row, 0)], 0.0).astype(np.float32))


def _old_rows(present: Vocabulary, old_tokens: np.ndarray) -> np.ndarray:
    """Returns `[size]` old row of each present row; -1 where the token is new. Row 0 stays row 0."""
    row = Vocabulary(old_tokens.astype(object)).encode(present.tokens)
    return np.concatenate([[0], np.where(row > 0, row, -1)])


def _unchanged(rows: np.ndarray, is_known: np.ndarray, vocabularies: Vocabularies) -> np.ndarray:
    """Returns `[size, d]` rows as they are: new ones stay at the mean of the trained."""
    return rows


def _new_categories(rows: np.ndarray, is_known: np.ndarray, vocabularies: Vocabularies) -> np.ndarray:
    """Returns `[size, d]` with new categories at their nearest known ancestor, parents before children."""
    paths = vocabularies.categories.tokens
    new = sorted(np.flatnonzero(~is_known), key=lambda row: paths[row - 1].count(CATEGORY_SEPARATOR))
    for row in new:
        parent = vocabularies.categories.encode([paths[row - 1].rpartition(CATEGORY_SEPARATOR)[0]])[0]
        if parent:
            rows[row] = rows[parent]
    return rows


def _new_items(rows: np.ndarray, is_known: np.ndarray, vocabularies: Vocabularies) -> np.ndarray:
    """Returns `[size, d]` with new items at the mean of the known items of their leaf category, if any."""
    leaf = vocabularies.catalogue.leaf_category
    size = vocabularies.categories.size
    count = np.bincount(leaf[is_known], minlength=size)
    total = np.zeros((size, rows.shape[1]), rows.dtype)
    np.add.at(total, leaf[is_known], rows[is_known])
    usable = ~is_known & (leaf > 0) & (count[leaf] > 0)
    rows[usable] = total[leaf[usable]] / count[leaf[usable], None]
    return rows


_INITIAL_ROWS: Mapping[str, Callable[[np.ndarray, np.ndarray, Vocabularies], np.ndarray]] = {
    "category": _new_categories,
    "item": _new_items,
}
