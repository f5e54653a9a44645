"""Random shops of extremes: one item or dozens, bulk orders, one moment for all, prices of nothing and of millions."""

from typing import Any

import numpy as np
import tensorflow as tf

from tests.worlds import make_shop
from tfrec.features.feature_tables import compute_feature_tables
from tfrec.features.queries import example_queries
from tfrec.features.shop import Shop
from tfrec.models.query import Query
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.registry import FEATURES
from tfrec.training.examples import as_query, candidate_lister

_PRICES = (0.0, 0.01, 9.99, 1e6, 1e30, np.nan)
_TITLES = ("", "blue lamp", "blue sock", "lamp")
_CATEGORIES = ("", "X", "X > P", "X > Q", "Y")


def random_shop(seed: int) -> Shop:
    """Returns the shop of a seed."""
    rng = np.random.default_rng(seed)
    num_items, num_users = int(rng.integers(1, 40)), int(rng.integers(1, 12))
    span = rng.choice([0.0, 0.001, 1.0, 30.0, 500.0])
    items = {
        f"i{item}": {
            "price": float(rng.choice(_PRICES)),
            "title": str(rng.choice(_TITLES)),
            "category": str(rng.choice(_CATEGORIES)),
            "stock": float(rng.choice([0.0, 1.0, np.nan])),
        }
        for item in range(num_items)
    }
    users = ["", *(f"u{user}" for user in range(num_users))]
    rows: list[dict[str, Any]] = []
    for order in range(int(rng.integers(1, 30))):
        rows += _order(rng, f"o{order}", str(rng.choice(users)), num_items, span, most=6)
    if rng.random() < 0.5:
        rows += _order(rng, "bulk", str(rng.choice(users)), num_items, span, most=3000)
    if rng.random() < 0.5:
        rows += _visits(rng, users, num_items, span)
    segments = {user: str(rng.choice(["", "A", "B"])) for user in users[1:]} if rng.random() < 0.3 else None
    friends = [(str(a), str(b)) for a, b in rng.choice(users[1:], (5, 2)) if a != b] if rng.random() < 0.3 else []
    return make_shop(rows, items, segments=segments, friends=friends)


def odd_values(shop: Shop, seed: int) -> list[str]:
    """Returns the names of tables and features of a shop that hold infinities or NaN, in float16 as in training."""
    rng = np.random.default_rng(seed)
    end = shop.prepared.test_from.timestamp() / 3600
    feature_tables = compute_feature_tables(shop.train, as_of=end if seed % 2 else float(shop.train.hour.max()) + 1e-3)
    found = [name for name, table in vars(feature_tables).items() if not np.isfinite(table).all()]
    sources = _sources(shop, feature_tables, rng)
    queries = example_queries(shop.train, since=0.0, until=end, most=8, rng=rng)
    asked = [_whole_cart(shop)]
    if len(queries):
        asked.append(as_query(queries, is_discovery=seed % 3 == 0, is_limited=seed % 5 == 0))
    list_up = candidate_lister(sources)
    for query in asked:
        _, features = list_up(query)
        with np.errstate(over="ignore"):
            features = features.numpy().astype(np.float16)
        found += [name for name, values in zip(FEATURES, np.moveaxis(features, -1, 0), strict=True)
                  if not np.isfinite(values).all()]  # fmt: skip
    return found


def _sources(shop: Shop, feature_tables: Any, rng: np.random.Generator) -> CandidateSources:
    size = shop.vocabularies.items.size
    vectors = rng.normal(size=(size, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0.0
    dense_items = int(rng.choice([1, 5_000]))  # sources bring lists, or score all items
    moment = Moment(
        shop.vocabularies.catalogue,
        feature_tables,
        config=SourceConfig(dense_items=dense_items),
        candidate_embeddings=vectors,
        encoded_items=vectors,
        query_tower=_FixedTower(),
        is_offered=np.arange(size) > 0,
        cart_type=shop.train.type_code("cart"),
    )
    return CandidateSources(moment, view_type=shop.train.type_code("view"))


class _FixedTower:
    """Every query is one vector."""

    variables = ()

    def last(self, encoded: tf.Tensor, inputs: Any) -> tf.Tensor:
        return tf.broadcast_to(tf.constant([0.5, 0.5, 0.5, 0.5]), [tf.shape(encoded)[0], 4])


def _whole_cart(shop: Shop) -> Query:
    """A guest's cart that holds every item: there is nothing left to offer."""
    cart = np.arange(1, shop.vocabularies.items.size, dtype=np.int32)[None, :]
    none = tf.zeros([1, 0], tf.int32)
    return Query(
        user=tf.zeros([1], tf.int32),
        recent_item=none,
        recent_type=none,
        recent_age=tf.zeros([1, 0], tf.float32),
        cart=tf.constant(cart),
        is_discovery=tf.zeros([1]),
        outside_level=tf.zeros([1], tf.int32),
    )


def _order(
    rng: np.random.Generator, name: str, user: str, num_items: int, span: float, *, most: int
) -> list[dict[str, Any]]:
    day = float(rng.uniform(0, span)) if span else 0.0
    return [
        {"user_id": user, "day": day, "item_id": f"i{rng.integers(num_items)}", "order_id": name}
        for _ in range(int(rng.integers(1, most + 1)))
    ]


def _visits(rng: np.random.Generator, users: list[str], num_items: int, span: float) -> list[dict[str, Any]]:
    rows = []
    for visit in range(int(rng.integers(1, 20))):
        day, user = float(rng.uniform(0, span)), str(rng.choice(users))
        for step in range(int(rng.integers(1, 8))):
            kind = str(rng.choice(["view", "cart"]))
            item = f"i{rng.integers(num_items)}"
            rows.append({"user_id": user, "day": day + step / 1440, "item_id": item, "event_type": kind,
                         "session_id": f"s{visit}"})  # fmt: skip
    return rows
