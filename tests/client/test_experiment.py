"""Users of a client are in the arms that `tfrec experiment assign` gives them, and each arm gets its own settings."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.client.best_seller_files import write_best_sellers
from tests.client.test_client import faked, free_port  # noqa: F401
from tfrec.client import Arm, Experiment, Exploration, RecommenderClient
from tfrec.errors import ConfigError
from tfrec.experiments import assign
from tfrec.schema import wire

USERS = [f"user {number}" for number in range(200)]


def shop_of_two(asked: list[Any]) -> Any:
    """A server whose versions offer one item each, named after the version asked and the row's user."""

    def answer(content: bytes, context: grpc.ServicerContext) -> bytes:
        request = wire.PredictRequest.FromString(content)
        asked.append(request)
        users = wire.to_ndarray(request.inputs["user_id"])
        name = request.model_spec.version_label or "newest"
        texts = np.array([[f"{name} {user.decode()}"] for user in users], object)
        numbers = np.zeros(texts.shape, np.float32)
        outputs = {
            **dict.fromkeys(("item_ids", "reasons", "reason_item_ids", "sources"), texts),
            **dict.fromkeys(("scores", "probabilities", "prices"), numbers),
            "reason_counts": numbers.astype(np.int32),
        }
        response = wire.PredictResponse(outputs={key: wire.to_tensor_proto(value) for key, value in outputs.items()})
        response.model_spec.version.value = 2 if name == "canary" else 1
        return response.SerializeToString()

    return answer


def test_a_batch_over_arms_comes_back_in_order_each_row_by_its_own_version(faked: Any):  # noqa: F811
    asked: list[Any] = []
    experiment = Experiment(
        "new-model", {"control": 0.5, "new": 0.3}, {"new": Arm(version_label="canary", diversity=0.5)}
    )
    with RecommenderClient(faked(shop_of_two(asked)), deadline=5, experiment=experiment) as client:
        offers = client.recommend(user_id=[*USERS, ""], k=1)
        one = client.recommend(user_id=USERS[0], k=1)
        stated = client.recommend(user_id=[*USERS], k=1, diversity=0.0)
    arms = [*assign(USERS, salt="new-model", shares=experiment.shares).tolist(), ""]
    assert {"control", "new", ""} == set(arms)
    slates = offers.queries()
    assert [slate.arm for slate in slates] == arms
    assert one.arm == arms[0]
    expected = [
        f"{'canary' if arm == 'new' else 'newest'} {user}" for arm, user in zip(arms, [*USERS, ""], strict=True)
    ]
    assert [slate.item_ids[0] for slate in slates] == expected
    assert [slate.model_version for slate in slates] == [2 if arm == "new" else 1 for arm in arms]
    diversities = {
        (request.model_spec.version_label, value)
        for request in asked
        for value in wire.to_ndarray(request.inputs["diversity"]).tolist()
    }
    assert diversities == {("", 0.0), ("canary", 0.5), ("canary", 0.0)}  # what a query states counts
    assert stated.queries()[0].arm == arms[0]


def test_an_arm_may_explore_while_the_other_does_not(tmp_path: Path):
    experiment = Experiment("e", arms={"treatment": Arm(explore=Exploration(2.0))})
    with RecommenderClient(
        f"127.0.0.1:{free_port()}", best_sellers=write_best_sellers(tmp_path), experiment=experiment, retries=0
    ) as client:
        slates = client.recommend(user_id=USERS, k=3).queries()
    assert {slate.arm for slate in slates} == {"control", "treatment"}
    for slate in slates:
        assert np.isfinite(slate.propensities).all() == (slate.arm == "treatment")
        if slate.arm == "control":
            assert slate.item_ids.tolist() == ["lamp", "mug", "ball"]
    assert len({tuple(slate.item_ids) for slate in slates}) > 3


@pytest.mark.parametrize(
    "settings",
    [
        {"name": ""},
        {"name": "e", "shares": {"a": 0.7, "b": 0.7}},
        {"name": "e", "arms": {"treatmnt": Arm()}},
        {"name": "e", "arms": {"treatment": "canary"}},
        {"name": "e", "shares": {}},
        {"name": "e", "shares": {"a": float("nan")}},
        {"name": "e", "shares": {"a": "half"}},
    ],
)
def test_an_experiment_that_cannot_be_is_refused(settings: dict[str, Any]):
    with pytest.raises(ConfigError):
        Experiment(**settings)
    with pytest.raises(ConfigError, match="version or a label"):
        Arm(version=1, version_label="stable")


@pytest.mark.parametrize(
    "settings", [{"version": "3"}, {"diversity": "x"}, {"diversity": 2.0}, {"explore": 0.5}, {"servable": 1}], ids=str
)
def test_an_arm_that_cannot_be_is_refused(settings: dict[str, Any]):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Arm(**settings)


def test_the_variety_of_an_arm_is_for_signatures_that_have_one(tmp_path: Path):
    arms = {"control": Arm(diversity=0.5), "treatment": Arm(diversity=0.5)}
    models = write_best_sellers(tmp_path)
    with RecommenderClient(
        f"127.0.0.1:{free_port()}", best_sellers=models, experiment=Experiment("e", arms=arms)
    ) as client:
        assert len(client.bundle(user_id="u", item_id="lamp")) == 0
        assert len(client.recommend(user_id="u", k=2)) == 2
