"""Times answers of generated catalogues of several sizes, models untrained: `python -m tests.benchmarks.scale`.

A request of `cross_sell` has a cart of five items, a visit of four and a known user; time is of one thread, in
process, from ids to ids. Item weights are drawn in clusters of 50 items, as sold together; all but one of the items of
an order, a cart or a visit are of one cluster. Embeddings are drawn to lie as the trained ones of the demo shop do:
about 16 effective dimensions, the nearest neighbour at a cosine of .87 (drawn: .82), the tenth at .78 (.76), while
queries are far from all items, the nearest at .56 (.44). `--exact` compares all items, in the same run. The servable
`shop` is saved too: its size, and of a process that loads it alone the time until it is ready, its memory, that of a
row, and times of answers.

A million items take 8 GB to generate and to save: numbers are drawn in blocks, of the precision in which they are kept.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_WIDTH, _CONTENT, _CLUSTER = 100, 64, 50
_USERS, _OWN = 2_000, 20
_CATEGORIES, _FIRST_LEAF, _COMPLEMENTS = 520, 20, 12
_DIMENSIONS = 16
_BLOCK = 50_000  # items that are drawn at a time
_MANY = 512  # rows of the request whose memory is read


def make_tables(num_items: int, rng: np.random.Generator) -> Any:
    """Returns the feature tables of a generated shop."""
    from tfrec.features.feature_tables import CHANNELS, FeatureTables

    size, users = num_items + 1, _USERS + 1
    # Half of the neighbours are of the own cluster, half anywhere.
    neighbours, weights = np.zeros((size, _WIDTH), np.int32), np.zeros((size, _WIDTH, len(CHANNELS)), np.float16)
    fading = 1.0 / (1 + np.arange(_WIDTH, dtype=np.float32))[:, None]
    for start in range(1, size, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, size))
        first = (block - 1) // _CLUSTER * _CLUSTER + 1
        near = first[:, None] + rng.integers(0, _CLUSTER, (len(block), _WIDTH // 2), np.int32)
        far = rng.integers(1, size, (len(block), _WIDTH - _WIDTH // 2), np.int32)
        neighbours[block] = np.minimum(np.concatenate([near, far], axis=1), num_items)
        weights[block] = rng.random((len(block), _WIDTH, len(CHANNELS)), np.float32) * fading
    popularity = np.sort(rng.pareto(1.2, (size, 4)).astype(np.float32), axis=1)
    popularity[0] = 0
    splits = np.concatenate([[0, 0], np.arange(1, users) * _OWN]).astype(np.int32)
    lines = int(splits[-1])
    steps = np.tile(np.arange(_OWN) * (num_items // _OWN), lines // _OWN)  # no item twice for one user
    own = ((np.repeat(rng.integers(0, num_items, lines // _OWN), _OWN) + steps) % num_items + 1).astype(np.int32)
    recent = np.concatenate([_together(num_items, users, 4, rng) for _ in range(8)], axis=1) + 1
    column = lambda low, high: rng.uniform(low, high, lines).astype(np.float32)  # noqa: E731
    return FeatureTables(
        as_of=0.0,
        neighbours=neighbours,
        weights=weights,
        pair_counts=(neighbours > 0).astype(np.uint16),
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


def _together(num_items: int, rows: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `[rows, width]` int32 items of orders or visits, from 0: one from anywhere, the others of a cluster."""
    first = rng.integers(0, num_items // _CLUSTER, (rows, 1)) * _CLUSTER
    items = first + rng.integers(0, _CLUSTER, (rows, width))
    items[:, 0] = rng.integers(0, num_items, rows)
    return np.minimum(items, num_items - 1).astype(np.int32)


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
    content = _normal(rng, size // _CLUSTER + 1, _CONTENT)[row // _CLUSTER]
    content = _unit(content + np.float32(0.5) * _normal(rng, size, _CONTENT))
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
        encoded_items=_unit(_normal(rng, size, 64)),
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
    directions = np.linalg.qr(_normal(rng, 64, _DIMENSIONS))[0].T
    centre = _normal(rng, size // _CLUSTER + 1, _DIMENSIONS)
    inner = centre[np.arange(size) // _CLUSTER] + np.float32(0.5) * _normal(rng, size, _DIMENSIONS)
    return _unit(_unit(inner) @ directions + np.float32(0.05) * _normal(rng, size, 64))


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    vectors[0] = 0.0
    return vectors


def requests(num_items: int, rows: int, number: int) -> list[dict[str, Any]]:
    """Returns requests of `rows` rows."""
    import tensorflow as tf

    rng = np.random.default_rng(1)
    ids = lambda width: tf.constant([[f"i{n}" for n in row] for row in _together(num_items, rows, width, rng)])  # noqa: E731
    return [
        {
            "user_id": tf.constant([f"u{n}" for n in rng.integers(0, _USERS, rows)]),
            "cart_item_ids": ids(5),
            "recent_item_ids": ids(4),
            "k": tf.fill([rows], 10),
        }
        for _ in range(number)
    ]


def _export(served: Any, folder: Path, num_items: int) -> None:
    """Saves the servable `shop`, and prints what its files take on disk and what a process that loads it does."""
    from tfrec.serving.known_ids import write_known_ids
    from tfrec.training.export import _save

    version = folder / "shop" / "1"
    _save(served, "shop", version)
    (version / "assets.extra").mkdir(exist_ok=True)
    write_known_ids(version, served.vocabularies)
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    print(f"{num_items:>9,} items, on disk: {size / 1e9:.2f} GB, {size / num_items:,.0f} bytes an item", flush=True)
    command = [sys.executable, "-m", "tests.benchmarks.scale", "--load", str(version), "--items", str(num_items)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def _load(version: Path, num_items: int) -> None:
    """Prints seconds until a saved servable has answered, its memory, and times of its answers, of one thread."""
    from tfrec.serving.servable import Servable

    began, used = time.perf_counter(), time.process_time()
    with Servable.load(version, intra_op_threads=1, inter_op_threads=1) as servable:
        loaded = time.perf_counter()
        for rows in (1, 16):
            asked = [{name: _as_strings(one) for name, one in each.items()} for each in requests(num_items, rows, 63)]
            took = []
            for number, one in enumerate(asked):
                start = time.process_time()
                servable.call("cross_sell", one)
                took.append(time.process_time() - start)
                if rows == 1 and number == 0:
                    ready = (loaded - began, time.perf_counter() - began, time.process_time() - used)
            half, most = np.quantile(took[3:], [0.5, 0.99]) * 1e3
            print(f"{num_items:>9,} items, saved, {rows:>2} rows: {half:7.2f} ms of processor (p99 {most:.2f})")
        before, resident = _most(), _resident()
        servable.call("cross_sell", {name: _as_strings(one) for name, one in requests(num_items, _MANY, 1)[0].items()})
        row = (_most() - before) / _MANY
        print(f"{num_items:>9,} items: {row / 1e6:.2f} MB a row of a request of {_MANY} rows")
        print(f"{num_items:>9,} items: loaded in {ready[0]:.1f} s, first answer at {ready[1]:.1f} s", end=" ")
        print(f"({ready[2]:.1f} s of processor), resident {resident / 1e9:.2f} GB, at most {before / 1e9:.2f} GB")


def _as_strings(tensor: Any) -> np.ndarray:
    """Returns a tensor as an array, bytes as `str`."""
    array: np.ndarray = tensor.numpy()
    return array if array.dtype != object else array.astype(str).astype(object)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _most() -> int:
    """Returns the most memory that this process had, in bytes; what it was started by does not count."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def _time(served: Any, name: str, asked: list[dict[str, Any]], note: str) -> None:
    """Prints the processor time of requests, after three that are not timed."""
    import tensorflow as tf

    rows = len(asked[0]["k"])
    extra = {"item_id": tf.fill([rows], "i7")} if name in ("upsell", "similar") else {}
    if name == "similar":
        asked = [{key: one[key] for key in ("user_id", "k")} for one in asked]
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
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        _load(options.load, options.items[0])
        return
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
            if not is_exact:
                with tempfile.TemporaryDirectory() as made:
                    _export(served, Path(made), num_items)
            del served
    print(f"peak memory {_most() / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
