"""What each part of the towers adds: `python -m tests.benchmarks.tower_parts`.

The towers alone are trained on the time before the validation period, once whole and once without each part, for as
many epochs: its catalogue columns are blanked, the ids' embeddings are taken out after training (which
drops them at random, so that the content has learned to do without), or the setting that leaves it out is set. They
are asked for what is missing in the carts of the validation period: an item sold before among the whole catalogue,
and one never sold among those never sold. Intervals are over queries, of the mean over the seeds, and each is paired
with the whole.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tests.benchmarks.whole_shop import data_home
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.evaluation.protocol import cart_completion_cases, cold_item_cases
from tfrec.features.feature_tables import FeatureConfig, FeatureTables, compute_feature_tables
from tfrec.features.queries import ExampleQueries
from tfrec.features.shop import Shop, encode_shop
from tfrec.ingest.prepare import prepare_shop
from tfrec.jobs.tuning import as_example_queries, validation_shop
from tfrec.models import RetrievalModel
from tfrec.models.source_config import SourceConfig
from tfrec.pipelines import retrieval
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.training import LazyAdam, TrainingConfig, build_sources
from tfrec.training.examples import as_query
from tfrec.training.fit import pretrain_images
from tfrec.training.time_blocks import end_of_training

K = 20
WHOLE, WITHOUT_IDS = "whole", "ids"
COLUMNS = {"category": "categories", "brand": "brand", "price": "price_bucket", "title": "title_words"}
SWITCHES = {"pictures": "use_images", "LSTM": "use_lstm"}


def parts_of(shop: Shop) -> list[str]:
    """Returns the parts that the shop's catalogue and log feed."""
    catalogue = shop.vocabularies.catalogue
    columns = [name for name, column in COLUMNS.items() if getattr(catalogue, column).any()]
    return [WITHOUT_IDS, *columns, *(["pictures"] if catalogue.images is not None else []), "LSTM"]


def train_without(part: str, shop: Shop, config: TrainingConfig, seed: int) -> tuple[Shop, RetrievalModel]:
    """Returns the towers without a part (`whole`: with all), and the shop as they know it."""
    retrieval_config = config.retrieval
    if part in SWITCHES:
        retrieval_config = dataclasses.replace(retrieval_config, **{SWITCHES[part]: False})
    if part in COLUMNS:
        catalogue = shop.vocabularies.catalogue
        blank = np.zeros_like(getattr(catalogue, COLUMNS[part]))
        catalogue = dataclasses.replace(catalogue, **{COLUMNS[part]: blank})
        vocabularies = dataclasses.replace(shop.vocabularies, catalogue=catalogue)
        train = dataclasses.replace(shop.train, vocabularies=vocabularies)
        shop = dataclasses.replace(shop, vocabularies=vocabularies, train=train)
    tf.keras.utils.set_random_seed(seed)
    model = RetrievalModel(shop.vocabularies, retrieval_config)
    pretrain_images(model, shop.train, config)
    model.compile(optimizer=LazyAdam(config.retrieval_rate))
    batches = retrieval(
        shop.train, batch_size=config.retrieval_batch, sequence_length=config.sequence_length, seed=seed
    )
    model.fit(batches, epochs=config.retrieval_epochs, verbose=0)
    if part == WITHOUT_IDS:
        model.item_encoder.is_seen.assign(tf.zeros_like(model.item_encoder.is_seen))
    return shop, model


def hits(
    shop: Shop, model: RetrievalModel, feature_tables: FeatureTables, queries: ExampleQueries, among: np.ndarray
) -> np.ndarray:
    """Returns whether the hidden item of each query is among the first 20 of `among [N + 1]`; ties count against."""
    sources = build_sources(shop, model, feature_tables, among, SourceConfig())
    found = []
    for start in range(0, len(queries), 256):
        batch = queries.take(np.arange(start, min(start + 256, len(queries))))
        embedded = sources.embed_query(as_query(batch))
        scores = tf.matmul(embedded, sources.candidate_embeddings, transpose_b=True).numpy()
        np.put_along_axis(scores, batch.cart, -np.inf, axis=1)
        scores[:, ~among] = -np.inf
        truth = np.take_along_axis(scores, batch.label_item[:, :1], axis=1)
        found.append((scores >= truth).sum(axis=1) <= K)
    return np.concatenate(found) if found else np.zeros(0)


def figures(shop: Shop, config: TrainingConfig, *, num_queries: int, num_seeds: int) -> Iterator[str]:
    """Yields the lines: HR@20 of items sold before and never sold, whole and without each part."""
    train, later = shop.prepared.train, shop.prepared.test
    feature_tables = compute_feature_tables(
        shop.train, as_of=end_of_training(shop), config=FeatureConfig(neighbours=10)
    )
    everything = np.arange(shop.vocabularies.items.size) > 0
    unsold = everything & (feature_tables.popularity[:, -1] == 0)
    kinds = {}
    for name, cases, among in (
        ("sold before", cart_completion_cases(train, later, seed=0), everything),
        (f"one of {unsold.sum():,} never sold", cold_item_cases(train, later, seed=0), unsold),
    ):
        rows = np.sort(np.random.default_rng(0).permutation(len(cases))[:num_queries])
        kinds[name] = as_example_queries(cases[rows], shop), among
    yield ", ".join(f"{len(queries):,} carts that miss an item {name}" for name, (queries, _) in kinds.items())
    parts = [WHOLE, *parts_of(shop)]
    found: dict[tuple[str, str], np.ndarray] = {}
    for part in tqdm(parts, desc="towers", leave=False):
        runs = [train_without(part, shop, config, seed) for seed in range(num_seeds)]
        for name, (queries, among) in kinds.items():
            found[part, name] = np.mean(
                [hits(known, model, feature_tables, queries, among) for known, model in runs], axis=0
            )
    for part in parts:
        cells = []
        for name, (queries, _) in kinds.items():
            values = found[part, name]
            if not len(values):
                continue
            both = np.stack([values, values - found[WHOLE, name]], axis=1)
            value, less = bootstrap_means(both, np.arange(len(queries)))
            cells.append(f"{name}: HR@{K} {value}" + ("" if part == WHOLE else f", less the whole {less}"))
        yield f"{part if part == WHOLE else f'without {part}':<20}" + "   ".join(cells)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="demo_shop", help="`demo_shop` is generated, with its defaults")
    parser.add_argument("--queries", type=int, default=2_000, help="of each kind at most")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = data_home()
        if options.recipe == "demo_shop":
            home = Path(folder) / "data"
            generate_demo_shop(home / "demo_shop", DemoShopConfig())
        prepared = prepare_shop(options.recipe, Path(folder) / "shop", data_home=home)
        shop = encode_shop(validation_shop(prepared))
        for line in figures(shop, TrainingConfig(), num_queries=options.queries, num_seeds=options.seeds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
