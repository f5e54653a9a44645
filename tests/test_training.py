import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.worlds import START_HOUR, bought, checkerboard, make_shop, viewed
from tfrec import training
from tfrec.errors import ConfigError, SchemaError, SourceError
from tfrec.export import build_served_funnel
from tfrec.features.knowledge import KnowledgeConfig
from tfrec.models import RetrievalConfig
from tfrec.models.ranking import RankingConfig
from tfrec.models.sources import FEATURES
from tfrec.training import TrainingConfig, load_trained, save_trained, train

SMALL = TrainingConfig(
    retrieval=RetrievalConfig(embedding_dim=8, id_dropout=0.0, dropout=0.0),
    ranking=RankingConfig(hidden=(16,), dropout=0.0),
    knowledge=KnowledgeConfig(l2=5.0, cosine_shrink=2.0),
    retrieval_epochs=4,
    ranking_epochs=12,
    retrieval_batch=256,
    retrieval_rate=0.01,
    ranking_rate=0.01,
    ranking_batch=32,
    sequence_length=8,
    num_blocks=2,
    ranking_queries=300,
)


def ask(shop, trained, signature, **inputs):
    """Item ids `[B, k]` of the served funnel."""
    functions = build_served_funnel(shop, trained, SMALL.sources).functions
    fed = {name: tf.constant(value) for name, value in inputs.items()}
    return {
        name: value.numpy().astype(str) if value.dtype == tf.string else value.numpy()
        for name, value in functions[signature](**fed).items()
    }


@pytest.fixture(scope="module")
def checkerboard_world():
    return checkerboard()


@pytest.fixture(scope="module")
def trained(checkerboard_world, tmp_path_factory):
    return train(checkerboard_world[0], SMALL, work=tmp_path_factory.mktemp("work"), show_progress=False)


def test_the_ranker_keeps_the_withheld_item_on_top(checkerboard_world, trained):
    """To what a user never bought, cross-sell first offers the one item of the user's colour."""
    shop, withheld = checkerboard_world
    answer = ask(shop, trained, "cross_sell", user_id=list(withheld), k=[3])
    assert np.mean(answer["item_ids"][:, 0] == list(withheld.values())) > 0.9


def test_a_cart_is_completed_in_its_colour(checkerboard_world, trained):
    carts = [["i0", "i2", "i4"], ["i1", "i3", "i5"]]
    answer = ask(checkerboard_world[0], trained, "complete_cart", cart_item_ids=carts, k=[3])
    colours = [[int(item[1:]) % 2 for item in row] for row in answer["item_ids"]]
    assert colours == [[0, 0, 0], [1, 1, 1]]
    assert set(answer["reasons"].ravel()) == {"bought_together"}


def test_written_and_read_it_answers_the_same(checkerboard_world, trained, tmp_path):
    shop, withheld = checkerboard_world
    save_trained(trained, SMALL, tmp_path)
    again, config = load_trained(shop, tmp_path)
    assert config == SMALL
    for name, value in vars(trained.knowledge).items():
        np.testing.assert_array_equal(getattr(again.knowledge, name), value)
    question = {"user_id": list(withheld), "cart_item_ids": [["i1", "i4"]]}
    mine, its = (ask(shop, funnel, "complete_cart", **question) for funnel in (trained, again))
    assert mine["item_ids"].tolist() == its["item_ids"].tolist()
    np.testing.assert_allclose(mine["scores"], its["scores"], rtol=1e-5)
    np.testing.assert_allclose(mine["probabilities"], its["probabilities"], rtol=1e-5)


def test_a_folder_without_models_says_what_to_run(checkerboard_world, tmp_path):
    with pytest.raises(SourceError, match="tfrec train PREPARED --out MODELS"):
        load_trained(checkerboard_world[0], tmp_path)


@pytest.mark.slow
def test_what_follows_is_offered_and_what_leads_is_not(tmp_path):
    """Cameras lead to cards and cards to sleeves, never the other way; phones to cases and cases to films."""
    rng = np.random.default_rng(0)
    names = {
        "camera": "Photo",
        "card": "Memory",
        "sleeve": "Bags",
        "phone": "Phones",
        "case": "Covers",
        "film": "Films",
    }
    items = {name: {"category": category, "price": 10.0} for name, category in names.items()}
    rows = []
    for number in range(240):
        chain = ("camera", "card", "sleeve") if rng.random() < 0.5 else ("phone", "case", "film")
        start = rng.integers(0, 2)
        visit = chain[start : start + 2]
        session = f"s{number}"
        rows += viewed("", number / 8, *visit, session=session)
        rows += [{**row, "session_id": session} for row in bought("", number / 8 + 0.02, visit[-1], order=f"o{number}")]
    shop = make_shop(rows, items)
    trained = train(shop, SMALL, work=tmp_path / "work", show_progress=False)
    answer = ask(shop, trained, "cross_sell", item_id=["camera", "card"], k=[5])
    after_camera, after_card = answer["item_ids"].tolist()
    assert after_camera[0] == "card"
    assert after_card[0] == "sleeve"
    assert after_card.index("camera") > 0


class _InterruptedError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("num_finished", [2, 5], ids=["in the first block", "in the second block"])
def test_an_interrupted_run_goes_on_to_the_same_result(
    checkerboard_world, trained, tmp_path, monkeypatch, num_finished
):
    shop, withheld = checkerboard_world
    whole_save, finished = training._Walk.save, []

    def save_or_stop(walk):
        if len(finished) == num_finished:
            raise _InterruptedError
        whole_save(walk)
        finished.append(True)

    monkeypatch.setattr(training._Walk, "save", save_or_stop)
    with pytest.raises(_InterruptedError):
        train(shop, SMALL, work=tmp_path, show_progress=False)
    monkeypatch.setattr(training._Walk, "save", lambda walk: (finished.append(True), whole_save(walk)))
    resumed = train(shop, SMALL, work=tmp_path, show_progress=False)
    assert len(finished) == SMALL.retrieval_epochs + 2 * SMALL.block_epochs  # no epoch was run twice
    np.testing.assert_allclose(
        resumed.retrieval.candidate_embeddings(), trained.retrieval.candidate_embeddings(), atol=1e-3
    )
    question = {"user_id": list(withheld), "k": [5]}
    mine, its = (ask(shop, funnel, "recommend", **question) for funnel in (trained, resumed))
    np.testing.assert_allclose(mine["scores"], its["scores"], atol=0.05)


def claimed(folder, shop, config):
    training._claim(folder, shop, config)
    return sorted(path.name for path in folder.iterdir())


def test_the_work_of_another_config_or_shop_goes(checkerboard_world, tmp_path):
    shop, work = checkerboard_world[0], tmp_path / "work"
    claimed(work, shop, SMALL)
    (work / "examples-0.npz").write_text("from an earlier run")
    assert "examples-0.npz" in claimed(work, shop, SMALL)
    other = dataclasses.replace(SMALL, ranking=RankingConfig(hidden=(17,)))
    assert claimed(work, shop, other) == ["identity"]
    (work / "examples-0.npz").write_text("from an earlier run")
    assert claimed(work, checkerboard()[0], other) == ["identity"]


def test_a_folder_that_training_did_not_make_is_emptied_only_if_it_is_no_home(tmp_path, checkerboard_world):
    """Somebody's folder is never deleted: work folders carry a mark."""
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a work folder"):
        training._claim(tmp_path, checkerboard_world[0], SMALL)
    assert (tmp_path / "precious.txt").exists()


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
    real_pipeline, real_queries = training.retrieval, training.example_queries
    monkeypatch.setattr(
        training,
        "retrieval",
        lambda sequences, **dials: (story.append(("learns", sequences.hour.max())), real_pipeline(sequences, **dials))[
            1
        ],
    )
    monkeypatch.setattr(
        training,
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
    weight = features[..., FEATURES.index("cart_cosine")]  # EASE speaks for pairs never seen, through third items
    assert not weight[labels].any()
    assert weight[~labels].any()


def test_what_came_before_a_moment_is_exact():
    """Moments are hours in floating point; an event of the very moment is not before it."""
    rng = np.random.default_rng(0)
    days = rng.integers(0, 10**9, 200) / 10**9 * 500
    rows = [line for number, day in enumerate(days) for line in bought("ann", float(day), "a", order=f"o{number}")]
    shop = make_shop(rows, unit="us")
    for hour in shop.train.hour:
        assert len(training._before(shop, float(hour))) == (shop.train.hour < hour).sum()


def test_a_log_of_one_moment_cannot_be_learned_from(tmp_path):
    shop = make_shop([*bought("ann", 0, "a", "b"), *bought("bob", 0, "a", "b")])
    with pytest.raises(SchemaError, match="All orders are of one moment"):
        train(shop, SMALL, work=tmp_path / "work", show_progress=False)


def test_a_log_that_nearly_all_is_of_one_moment_says_so(tmp_path):
    rows = [line for number in range(20) for line in bought("ann", 0, "a", "b", order=f"o{number}")]
    shop = make_shop([*rows, *bought("ann", 1, "a", "b")])
    with pytest.raises(SchemaError, match="one moment"):
        train(shop, SMALL, work=tmp_path / "work", show_progress=False)


def test_items_count_as_known_once_sold_unless_a_catalogue_knows_more():
    rows = [*bought("ann", 0, "a"), *bought("ann", 2, "b")]
    hour = START_HOUR + 24
    assert training._is_known(make_shop(rows).train, hour).tolist() == [False, True, False]
    catalogue = {"a": {}, "b": {}, "never sold": {}}
    assert training._is_known(make_shop(rows, catalogue).train, hour).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("dial", "value"),
    [("block_share", 1.0), ("block_share", 0.0), ("num_blocks", 0), ("ranking_epochs", 0), ("retrieval_epochs", 0)],
)
def test_dials_out_of_range_say_so(dial, value):
    with pytest.raises(ConfigError, match=f"`{dial}` must"):
        TrainingConfig(**{dial: value})


def test_the_config_survives_its_file():
    config = TrainingConfig(retrieval=RetrievalConfig(image_filters=(8, 16)), ranking=RankingConfig(hidden=(5,)))
    assert training._config_from(json.loads(json.dumps(dataclasses.asdict(config)))) == config
