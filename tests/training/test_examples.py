import dataclasses

import numpy as np
import pytest

from tests.models.fitting import sources_of
from tests.training.small import SMALL
from tests.worlds import START_HOUR, bought, indices, make_shop
from tfrec.features.queries import example_queries
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines import ranking, read_examples
from tfrec.training import examples, tower_training, train
from tfrec.training.progress import progress_bar
from tfrec.training.time_blocks import training_stages


@pytest.fixture(scope="module")
def first_pairs_world():
    """Items are bought one by one, in pairs at times; in the last days each order is a pair seen never before."""
    rng = np.random.default_rng(0)
    names = [f"i{number}" for number in range(30)]
    rows = []
    for number in range(150):
        left = int(rng.integers(0, 30))
        rows += bought("", number, names[left], names[(left + 1) % 30], order=f"o{number}")
    fresh = [(left, left + distance) for distance in range(5, 14) for left in range(0, 30 - distance, 2)]
    for number, (left, right) in enumerate(fresh):
        rows += bought("", 150 + number, names[left], names[right], order=f"p{number}")
    return make_shop(rows), len(fresh)


@pytest.mark.slow
def test_examples_for_the_ranker_never_saw_their_answers(first_pairs_world, tmp_path, monkeypatch):
    """Both what the towers learned from and the item weights end before the block that asks."""
    shop, num_fresh = first_pairs_world
    config = dataclasses.replace(
        SMALL, num_blocks=1, block_share=num_fresh / (150 + num_fresh), retrieval_epochs=1, ranking_epochs=1
    )
    story = []
    real_pipeline, real_queries = tower_training.retrieval, examples.example_queries
    monkeypatch.setattr(
        tower_training,
        "retrieval",
        lambda sequences, **settings: (
            story.append(("learns", max(sequences.shard(n).hour.max() for n in range(sequences.num_shards)))),
            real_pipeline(sequences, **settings),
        )[1],
    )
    monkeypatch.setattr(
        examples,
        "example_queries",
        lambda sequences, *, since, **settings: (
            story.append(("asks", since)),
            real_queries(sequences, since=since, **settings),
        )[1],
    )
    train(shop, config, work=tmp_path, show_progress=False)
    asked = [at for at, (what, _) in enumerate(story) if what == "asks"]
    assert asked and story[asked[0]][1] > START_HOUR + 149 * 24
    for at in asked:
        assert max(hour for what, hour in story[:at] if what == "learns") < story[at][1]
    (lists,) = ranking(read_examples(tmp_path / "examples-0"), batch_size=100_000).as_numpy_iterator()
    features, labels = lists["features"], lists["labels"][..., -1] > 0
    assert labels.sum() > 30
    weight = features[..., FEATURES.index("cart_ease")]
    assert weight[labels].max() < 0.2 * weight[~labels].max()  # through third items EASE whispers of pairs never seen


def test_the_queries_of_a_block_come_in_random_order():
    """What is read a few lists at a time is shuffled well only if it is written so."""
    shop = make_shop([line for day in range(200) for line in bought("", day, "a", "b", order=f"o{day}")])
    (stage, *_) = training_stages(shop.train, dataclasses.replace(SMALL, num_blocks=1))
    hours = examples.block_queries(stage, shop, SMALL).hour
    assert len(hours) > 50
    assert abs(np.corrcoef(hours, np.arange(len(hours)))[0, 1]) < 0.4


def test_limited_lists_hold_other_categories_alone_and_say_so(monkeypatch):
    """Half of the orders join two departments; asked for the other one, the cart's own is left out."""
    rng = np.random.default_rng(0)
    items = {f"{side}{number}": {"category": f"{side} > s{number}"} for side in "xy" for number in range(4)}
    rows = []
    for number in range(60):
        sides = ["x", "y"] if number % 2 else ["x", "x"]
        chosen = [f"{side}{shelf}" for side, shelf in zip(sides, rng.permutation(4)[:2], strict=True)]
        rows += bought("", number, *chosen, order=f"o{number}")
    shop = make_shop(rows, items)
    sources = sources_of(shop, RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=4, use_lstm=False)))
    queries = example_queries(shop.train, since=START_HOUR + 24 * 30, until=1e9, most=90, rng=np.random.default_rng(1))
    seen = []
    real = examples.candidate_lister

    def lister(sources):
        list_up = real(sources)
        return lambda query: seen.append((query, list_up(query))) or seen[-1][1]

    monkeypatch.setattr(examples, "candidate_lister", lister)
    with progress_bar("examples", len(queries), False) as bar:
        made = list(examples.make_examples(sources, queries, ("purchase",), bar=bar))
    departments = {item: name[0] for item, name in zip(indices(shop, *items), items, strict=True)}
    num_limited = 0
    for query, (candidates, _) in seen:
        for level, cart, row in zip(query.outside_level.numpy(), query.cart.numpy(), candidates.numpy(), strict=True):
            offered = {departments[item] for item in row.tolist() if item}
            if level == 1:
                assert not offered & {departments[item] for item in cart.tolist() if item}
            num_limited += int(level > 0)
    assert 10 < num_limited < sum(map(len, made))
    flags = [part.features[:, 0, FEATURES.index("is_outside")] for part in made]
    assert sum(flag.sum() for flag in flags) == num_limited
    assert all((part.gains[flag > 0].max(axis=1) > 0).all() for part, flag in zip(made, flags, strict=True))
