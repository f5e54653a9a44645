"""Times answers of generated catalogues of several sizes, models untrained: `python -m tests.benchmarks.scale`.

A request of `cross_sell` has a cart of five items, a visit of four and a known user; time is of one thread, in
process, from ids to ids. Item weights are drawn in clusters of 50 items, as sold together. Embeddings are drawn to lie
as the trained ones of the demo shop do: about 16 effective dimensions, the nearest neighbour at a cosine of .87 (drawn:
.82), the tenth at .78 (.76), while queries are far from all items, the nearest at .56 (.44). `--exact` compares all
items, in the same run.
"""

import argparse
import os
import resource
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

_WIDTH, _CONTENT, _CLUSTER = 100, 64, 50
_USERS, _OWN = 2_000, 20
_CATEGORIES, _FIRST_LEAF, _COMPLEMENTS = 520, 20, 12
_DIMENSIONS = 16


def make_tables(num_items: int, rng: np.random.Generator) -> Any:
    """Returns the feature tables of a generated shop."""
    from tfrec.features.feature_tables import CHANNELS, FeatureTables

    size, users = num_items + 1, _USERS + 1
    item = np.arange(size)
    # Half of the neighbours are of the own cluster, half anywhere.
    cluster = (item - 1) // _CLUSTER * _CLUSTER + 1
    near = cluster[:, None] + rng.integers(0, _CLUSTER, (size, _WIDTH // 2))
    far = rng.integers(1, size, (size, _WIDTH - _WIDTH // 2))
    neighbours = np.minimum(np.concatenate([near, far], axis=1), num_items).astype(np.int32)
    weights = rng.random((size, _WIDTH, len(CHANNELS)), np.float32) / (1 + np.arange(_WIDTH, dtype=np.float32))[:, None]
    neighbours[0], weights[0] = 0, 0.0
    popularity = np.sort(rng.pareto(1.2, (size, 4)).astype(np.float32), axis=1)
    popularity[0] = 0
    splits = np.concatenate([[0, 0], np.arange(1, users) * _OWN]).astype(np.int32)
    lines = int(splits[-1])
    steps = np.tile(np.arange(_OWN) * (num_items // _OWN), lines // _OWN)  # no item twice for one user
    own = ((np.repeat(rng.integers(0, num_items, lines // _OWN), _OWN) + steps) % num_items + 1).astype(np.int32)
    recent = rng.integers(1, size, (users, 32)).astype(np.int32)
    column = lambda low, high: rng.uniform(low, high, lines).astype(np.float32)  # noqa: E731
    return FeatureTables(
        as_of=0.0,
        neighbours=neighbours,
        weights=weights,
        pair_counts=np.ones(neighbours.shape, np.int32),
        popularity=popularity,
        season=np.zeros(size, np.float32),
        segment_popularity=popularity[None, :, 1],
        user_segment=np.zeros(users, np.int32),
        sold=popularity[:, [1, -1]],
        first_age=rng.uniform(0, 300, size).astype(np.float32),
        last_age=rng.uniform(0, 30, size).astype(np.float32),
        own_splits=splits,
        own_item=own,
        own_count=column(1, 5),
        own_age=column(0, 90),
        own_habit=rng.uniform(0.1, 1, (lines, 3)).astype(np.float32),
        own_interval=column(0, 30),
        own_orders_ago=column(0, 9),
        line_splits=splits,
        line_item=own,
        line_order=np.tile(np.arange(_OWN) // 4, lines // _OWN).astype(np.int32),
        num_orders=np.full(users, 5, np.float32),
        friend_splits=np.zeros(users + 1, np.int32),
        friend_item=np.zeros(0, np.int32),
        friend_score=np.zeros(0, np.float32),
        recent_item=recent,
        recent_type=np.full((users, 32), 2, np.int32),
        recent_age=np.broadcast_to(np.arange(32, 0, -1, dtype=np.float32) * 24, (users, 32)).copy(),
        recent_group=np.broadcast_to(np.arange(32, dtype=np.int32) // 4 + 1, (users, 32)).copy(),
        complement=rng.integers(_FIRST_LEAF, _CATEGORIES, (_CATEGORIES + 1, _COMPLEMENTS)).astype(np.int32),
        complement_strength=np.sort(rng.random((_CATEGORIES + 1, _COMPLEMENTS), np.float32), axis=1)[:, ::-1],
    )


def make_served(num_items: int, *, is_exact: bool = False) -> Any:
    """Returns the served functions of a generated shop with untrained models, and without an index if `is_exact`."""
    import pandas as pd
    import tensorflow as tf

    from tfrec.features.attributes import attributes_of_items
    from tfrec.features.fits import Fits
    from tfrec.features.segments import UserSegments
    from tfrec.features.vocabulary import Catalogue, Vocabularies, Vocabulary
    from tfrec.models import RankingModel, RetrievalConfig, RetrievalModel
    from tfrec.models.index_config import IndexConfig
    from tfrec.models.sources import CandidateSources
    from tfrec.models.sources.moment import Moment
    from tfrec.schema.tables import FACT_COLUMNS, empty_table
    from tfrec.strategy.funnel import Funnel
    from tfrec.training.export import ServedFunnel
    from tfrec.training.indexes import build_indexes

    rng, size = np.random.default_rng(0), num_items + 1
    tf.keras.utils.set_random_seed(0)
    row = np.arange(size)
    leaf = row % (_CATEGORIES - _FIRST_LEAF) + _FIRST_LEAF
    content = rng.normal(size=(size // _CLUSTER + 1, _CONTENT))[row // _CLUSTER]
    content = _unit(content + 0.5 * rng.normal(size=(size, _CONTENT)))
    items = pd.DataFrame(
        {"item_id": row[1:].astype(str).astype(object), "brand": (row[1:] % 2000).astype(str), "price": 1.0}
    )
    catalogue = Catalogue(
        categories=np.stack([leaf % 19 + 1, leaf], axis=1).astype(np.int32) * (row > 0)[:, None],
        brand=np.zeros(size, np.int32),
        price=(rng.lognormal(3, 1, size) * (row > 0)).astype(np.float32),
        margin=np.full(size, np.nan, np.float32),
        price_bucket=np.ones(size, np.int32),
        title_words=np.zeros((size, 1), np.int32),
        content=content,
        is_in_stock=np.ones(size, bool),
        on_sale_from=np.full(size, -np.inf),
        on_sale_until=np.full(size, np.inf),
        group=np.zeros(size, np.int32),
        fits=Fits(np.zeros((size, 0), np.int32), np.zeros(size, bool)),
        attributes=attributes_of_items(items, empty_table(FACT_COLUMNS)),
        images=None,
        has_image=np.zeros(size, bool),
        vectors=None,
    )
    vocabulary = lambda letter, number: Vocabulary(np.array([f"{letter}{n}" for n in range(number)], object))  # noqa: E731
    vocabularies = Vocabularies(
        vocabulary("i", num_items), vocabulary("c", _CATEGORIES), vocabulary("b", 1), vocabulary("w", 1), catalogue
    )
    model = RetrievalModel(vocabularies, RetrievalConfig())
    model.query_tower(tf.zeros([1, 1, 64]), _one_step(), training=False)
    ranker = RankingModel(("click", "purchase"))
    tables = make_tables(num_items, rng)
    moment = Moment(
        catalogue,
        tables,
        candidate_embeddings=_embeddings(size, rng),
        encoded_items=_unit(rng.normal(size=(size, 64))),
        query_tower=model.query_tower,
        is_offered=row > 0,
        cart_type=3,
    )
    sources = CandidateSources(moment, view_type=1)
    users = vocabulary("u", _USERS)
    shop = SimpleNamespace(
        vocabularies=vocabularies, users=users, train=SimpleNamespace(segments=UserSegments.none(users))
    )
    indexes = {} if is_exact else build_indexes(sources, tables, IndexConfig())
    return ServedFunnel(shop, Funnel(sources, ranker), indexes=indexes)


def _one_step() -> Any:
    import tensorflow as tf

    from tfrec.models import TowerInputs

    one = tf.zeros([1, 1], tf.int32)
    return TowerInputs(one, one, one, one)


def _embeddings(size: int, rng: np.random.Generator) -> np.ndarray:
    directions = np.linalg.qr(rng.normal(size=(64, _DIMENSIONS)))[0].T
    centre = rng.normal(size=(size // _CLUSTER + 1, _DIMENSIONS))
    inner = centre[np.arange(size) // _CLUSTER] + 0.5 * rng.normal(size=(size, _DIMENSIONS))
    return _unit(_unit(inner) @ directions + 0.05 * rng.normal(size=(size, 64)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    vectors[0] = 0.0
    return vectors.astype(np.float32)


def requests(num_items: int, rows: int, number: int) -> list[dict[str, Any]]:
    """Returns requests of `rows` rows."""
    import tensorflow as tf

    rng = np.random.default_rng(1)
    ids = lambda width: tf.constant([[f"i{n}" for n in row] for row in rng.integers(0, num_items, (rows, width))])  # noqa: E731
    return [
        {
            "user_id": tf.constant([f"u{n}" for n in rng.integers(0, _USERS, rows)]),
            "cart_item_ids": ids(5),
            "recent_item_ids": ids(4),
            "k": tf.fill([rows], 10),
        }
        for _ in range(number)
    ]


def _time(served: Any, name: str, asked: list[dict[str, Any]], note: str) -> None:
    """Prints the processor time of requests, after three that are not timed."""
    import tensorflow as tf

    rows = len(asked[0]["k"])
    extra = {"item_id": tf.fill([rows], "i7")} if name in ("upsell", "similar") else {}
    function, took = served.functions[name], []
    for number, one in enumerate([*asked[:3], *asked]):
        began = time.process_time()
        function(**one, **extra)
        if number >= 3:
            took.append(time.process_time() - began)
    half, most = np.quantile(took, [0.5, 0.99]) * 1e3
    num_items = len(served.vocabularies["items"])
    times = f"{half:7.2f} ms of processor (p99 {most:.2f})"
    print(f"{num_items:>9,} items, {name}, {rows:>2} rows: {times} {note}", flush=True)


def main() -> None:
    """Prints the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes of catalogues"
    )
    parser.add_argument("--signatures", nargs="+", default=["cross_sell"], help="signatures to time")
    parser.add_argument("--exact", action="store_true", help="time a scan of all items beside the index")
    parser.add_argument("--number", type=int, default=60, help="timed requests")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    import tfrec.training  # noqa: F401 - checks Keras first

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for num_items in options.items:
        for is_exact in (False, True) if options.exact else (False,):
            served = make_served(num_items, is_exact=is_exact)
            for name, facts in served.indexes.items():
                print(f"{num_items:>9,} items, index of {name}: {facts}", flush=True)
            for name in options.signatures:
                for rows in (1, 16):
                    _time(served, name, requests(num_items, rows, options.number), "scan" if is_exact else "")
            del served
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
