import dataclasses

import numpy as np
import pytest

from tests.training.small import SMALL, ask
from tests.worlds import bought, checkerboard, make_shop, viewed
from tfrec.errors import ConfigError, SchemaError
from tfrec.models.ranking import RankingConfig
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines import RankingExamples, store_examples
from tfrec.training import train
from tfrec.training.checkpoints import claim
from tfrec.training.fit import fit_ranking
from tfrec.training.tower_training import TowerTraining

pytestmark = pytest.mark.slow


def test_what_is_new_to_a_user_is_offered_in_the_users_colour(checkerboard_world, trained):
    shop, withheld = checkerboard_world
    answer = ask(shop, trained, "cross_sell", user_id=list(withheld), k=[1])
    offered = [int(item[1:]) % 2 for item in answer["item_ids"][:, 0]]
    assert np.mean(np.array(offered) == [int(item[1:]) % 2 for item in withheld.values()]) > 0.9


def test_a_cart_is_completed_in_its_colour(checkerboard_world, trained):
    carts = [["i0", "i2", "i4"], ["i1", "i3", "i5"]]
    answer = ask(checkerboard_world[0], trained, "complete_cart", cart_item_ids=carts, k=[3])
    colours = [[int(item[1:]) % 2 for item in row] for row in answer["item_ids"]]
    assert colours == [[0, 0, 0], [1, 1, 1]]
    reasons = answer["reasons"].ravel().tolist()
    assert "bought_together" in reasons  # true of all of them, and named where the score depends on it


CHAINS = (("camera", "card", "sleeve"), ("phone", "case", "film"))


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    """Cameras lead to cards and cards to sleeves, never the other way; phones to cases and cases to films.

    Half of the visits are of guests; three of four visits of ann, bob, cy and dan begin with phones.
    """
    rng = np.random.default_rng(0)
    categories = dict(zip(sum(CHAINS, ()), ("Photo", "Memory", "Bags", "Phones", "Covers", "Films"), strict=True))
    items = {name: {"category": category, "price": 10.0} for name, category in categories.items()}
    rows = []
    for number in range(240):
        user = ("", "ann", "", "bob", "", "cy", "", "dan")[number % 8]
        chain = CHAINS[int(rng.random() < (0.75 if user else 0.5))]
        start = 0 if user else int(rng.integers(0, 2))
        visit = chain[start : start + 2]
        session = f"s{number}"
        rows += viewed(user, number / 8, *visit, session=session)
        order = bought(user, number / 8 + 0.02, visit[-1], order=f"o{number}")
        rows += [{**row, "session_id": session} for row in order]
    shop = make_shop(rows, items)
    return shop, train(shop, SMALL, work=tmp_path_factory.mktemp("chains") / "work", show_progress=False)


def test_what_follows_is_offered_and_what_leads_is_not(chains):
    answer = ask(*chains, "cross_sell", item_id=["camera", "card"], k=[5])
    after_camera, after_card = answer["item_ids"].tolist()
    assert after_camera[0] == "card"
    assert after_card[0] == "sleeve"
    assert after_card.index("camera") > 0


def test_the_last_minute_changes_the_answer_to_a_user_for_the_better(chains):
    """A camera is looked at, or a phone: the history alone does not determine which, the event in the query does."""
    users = ["ann", "bob", "cy", "dan"]
    for seen, next_item in (("camera", "card"), ("phone", "case")):
        answer = ask(
            *chains,
            "recommend",
            user_id=users,
            recent_item_ids=[[seen]] * 4,
            recent_event_types=[["view"]] * 4,
            recent_ages=np.full((4, 1), 1 / 60, np.float32),
            k=[3],
        )
        assert answer["item_ids"][:, 0].tolist() == [next_item] * 4
    history_alone = ask(*chains, "recommend", user_id=users, k=[3])
    assert "case" in history_alone["item_ids"][:, 0]  # mostly, they buy cases


class _InterruptedError(Exception):
    pass


@pytest.mark.parametrize("num_finished", [2, 5], ids=["in the first block", "in the second block"])
def test_an_interrupted_run_goes_on_to_the_same_result(
    checkerboard_world, trained, tmp_path, monkeypatch, num_finished
):
    shop, withheld = checkerboard_world
    whole_save, finished = TowerTraining.save, []

    def save_or_stop(training):
        if len(finished) == num_finished:
            raise _InterruptedError
        whole_save(training)
        finished.append(True)

    monkeypatch.setattr(TowerTraining, "save", save_or_stop)
    with pytest.raises(_InterruptedError):
        train(shop, SMALL, work=tmp_path, show_progress=False)
    monkeypatch.setattr(TowerTraining, "save", lambda training: (finished.append(True), whole_save(training)))
    resumed = train(shop, SMALL, work=tmp_path, show_progress=False)
    assert len(finished) == SMALL.retrieval_epochs + 2 * SMALL.block_epochs  # no epoch was run twice
    np.testing.assert_allclose(
        resumed.retrieval.candidate_embeddings(), trained.retrieval.candidate_embeddings(), atol=1e-3
    )
    question = {"user_id": list(withheld), "k": [5]}
    mine, its = (ask(shop, funnel, "recommend", **question) for funnel in (trained, resumed))
    np.testing.assert_allclose(mine["scores"], its["scores"], atol=0.05)


def claimed(folder, shop, config):
    claim(folder, shop, config)
    return sorted(path.name for path in folder.iterdir())


def test_the_work_of_another_config_or_shop_goes(checkerboard_world, tmp_path):
    shop, work = checkerboard_world[0], tmp_path / "work"
    claimed(work, shop, SMALL)
    (work / "weights-0.npz").write_text("from an earlier run")
    assert "weights-0.npz" in claimed(work, shop, SMALL)
    other = dataclasses.replace(SMALL, ranking=RankingConfig(hidden=(17,)))
    assert claimed(work, shop, other) == ["identity"]
    (work / "weights-0.npz").write_text("from an earlier run")
    assert claimed(work, checkerboard()[0], other) == ["identity"]


def test_a_folder_that_training_did_not_make_is_emptied_only_if_it_is_no_home(tmp_path, checkerboard_world):
    """Somebody's folder is never deleted: work folders carry a mark."""
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a work folder"):
        claim(tmp_path, checkerboard_world[0], SMALL)
    assert (tmp_path / "precious.txt").exists()


def test_a_log_of_one_moment_cannot_be_learned_from(tmp_path):
    shop = make_shop([*bought("ann", 0, "a", "b"), *bought("bob", 0, "a", "b")])
    with pytest.raises(SchemaError, match="All orders are of one moment"):
        train(shop, SMALL, work=tmp_path / "work", show_progress=False)


def test_a_log_that_nearly_all_is_of_one_moment_says_so(tmp_path):
    rows = [line for number in range(20) for line in bought("ann", 0, "a", "b", order=f"o{number}")]
    shop = make_shop([*rows, *bought("ann", 1, "a", "b")])
    with pytest.raises(SchemaError, match="one moment"):
        train(shop, SMALL, work=tmp_path / "work", show_progress=False)


def test_a_fitted_ranker_is_the_running_average_of_its_last_steps(tmp_path):
    """One step an epoch: of twelve, the weights after each, averaged over about three tenths of them."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(64, 8, len(FEATURES))).astype(np.float32)
    gains = (np.arange(8) == features[..., :2].sum(axis=2).argmax(axis=1)[:, None]).astype(np.float32)
    lists = RankingExamples(features, np.ones((64, 8), bool), gains[..., None], gains, ("purchase",))
    examples = store_examples(tmp_path / "lists", [lists], heads=("purchase",), num_features=len(FEATURES))
    config = dataclasses.replace(SMALL, ranking_epochs=12, ranking_batch=64)
    weights_of_epochs = []

    def note(epoch, model):
        weights_of_epochs.append(np.concatenate([weights.numpy().ravel() for weights in model.trainable_variables]))

    model = fit_ranking(examples, config, show_progress=False, after_epoch=note)
    fitted = np.concatenate([weights.numpy().ravel() for weights in model.trainable_variables])
    average = weights_of_epochs[0]
    for weights in weights_of_epochs[1:]:
        average = average + (weights - average) / (0.3 * 12)
    assert np.linalg.norm(fitted - average) < 0.1 * np.linalg.norm(weights_of_epochs[-1] - average)
