import dataclasses

import numpy as np
import pytest

from tests.training.small import SMALL
from tests.worlds import START_HOUR, bought, make_shop
from tfrec.models.sources import FEATURES
from tfrec.training import examples, train, walk


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


def test_examples_for_the_ranker_never_saw_their_answers(first_pairs_world, tmp_path, monkeypatch):
    """Both what the towers learned from and the item weights end before the block that asks."""
    shop, num_fresh = first_pairs_world
    config = dataclasses.replace(
        SMALL, num_blocks=1, block_share=num_fresh / (150 + num_fresh), retrieval_epochs=1, ranking_epochs=1
    )
    story = []
    real_pipeline, real_queries = walk.retrieval, examples.example_queries
    monkeypatch.setattr(
        walk,
        "retrieval",
        lambda sequences, **dials: (story.append(("learns", sequences.hour.max())), real_pipeline(sequences, **dials))[
            1
        ],
    )
    monkeypatch.setattr(
        examples,
        "example_queries",
        lambda sequences, *, since, **dials: (
            story.append(("asks", since)),
            real_queries(sequences, since=since, **dials),
        )[1],
    )
    train(shop, config, work=tmp_path, show_progress=False)
    asked = [at for at, (what, _) in enumerate(story) if what == "asks"]
    assert asked and story[asked[0]][1] > START_HOUR + 149 * 24
    for at in asked:
        assert max(hour for what, hour in story[:at] if what == "learns") < story[at][1]
    with np.load(tmp_path / "examples-0.npz") as stored:
        features, labels = stored["features"].astype(np.float32), stored["labels"][..., -1] > 0
    assert labels.sum() > 30
    weight = features[..., FEATURES.index("cart_ease")]
    assert weight[labels].max() < 0.2 * weight[~labels].max()  # through third items EASE whispers of pairs never seen
