"""An interrupted comparison of settings goes on after the slates that were finished, and finds the same."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.jobs.test_strategy_study import NOTHING_SHOWN, replay  # noqa: F401
from tfrec.jobs.kept_slates import KeptSlates
from tfrec.jobs.strategy_settings import read_grid, settings_of
from tfrec.jobs.strategy_study import study_signature
from tfrec.models_folder import MANIFEST, TRAINED
from tfrec.schema.slate import Slate


@pytest.fixture
def models(tmp_path):
    (tmp_path / "models" / TRAINED).mkdir(parents=True)
    (tmp_path / "models" / TRAINED / MANIFEST).write_text('{"identity": "first"}')
    return tmp_path / "models"


class KilledError(Exception):
    pass


@dataclasses.dataclass
class Counting:
    """A replay that counts what it is asked, and is killed after so many times."""

    of: object
    most: int = 10**9
    asked: int = 0

    def __getattr__(self, name):
        return getattr(self.of, name)

    def slates(self, *arguments, **named):
        if self.asked == self.most:
            raise KilledError
        self.asked += 1
        return self.of.slates(*arguments, **named)


def study(replay, kept):  # noqa: F811
    settings = settings_of("upsell", read_grid("objective=purchase,margin max_price_ratio=1.5,2.5"), replay.strategy)
    return study_signature(replay, "upsell", settings, NOTHING_SHOWN, max_queries=1000, k=1, kept=kept)


@pytest.mark.slow
def test_settings_that_were_finished_are_not_asked_again(replay, models, tmp_path):  # noqa: F811
    out = tmp_path / "strategy.toml"
    killed = Counting(replay, most=2)
    with pytest.raises(KilledError):
        study(killed, KeptSlates.beside(out, models=models))
    going_on = Counting(replay)
    found = study(going_on, KeptSlates.beside(out, models=models))
    whole = study(Counting(replay), None)
    assert len(found.tried) == 4 and going_on.asked == 2
    for one, other in zip(found.tried, whole.tried, strict=True):
        assert repr((one.setting, one.estimates, one.gains)) == repr((other.setting, other.estimates, other.gains))


QUERIES = pd.DataFrame({"query_id": ["a", "b"], "diversity": np.array([0.1, 0.1], np.float32)})
SLATE = Slate(
    np.array([["x", ""], ["y", "z"]], object),
    np.array([[1.0, -np.inf], [2.0, 1.0]], np.float32),
    {"probabilities": np.array([[0.5, 0.0], [0.25, 0.125]], np.float32)},
)


def test_what_is_kept_is_of_the_same_requests_and_models(models, tmp_path):
    def refuse():
        raise AssertionError("asked again")

    out = tmp_path / "strategy.toml"
    kept = KeptSlates.beside(out, models=models)
    assert not kept.folder.exists()  # nothing is left behind where nothing was finished
    assert kept.slates("upsell", QUERIES, 2, lambda: SLATE) is SLATE
    again = KeptSlates.beside(out, models=models).slates("upsell", QUERIES, 2, refuse)
    assert again.item_ids.tolist() == SLATE.item_ids.tolist() and again.scores.tolist() == SLATE.scores.tolist()
    assert again.extras["probabilities"].tolist() == SLATE.extras["probabilities"].tolist()
    other = QUERIES.assign(diversity=np.float32(0.3))
    for asked in (("upsell", other, 2), ("upsell", QUERIES, 1), ("recommend", QUERIES, 2)):
        with pytest.raises(AssertionError, match="asked again"):
            kept.slates(*asked, refuse)

    (models / TRAINED / MANIFEST).write_text('{"identity": "second"}')
    with pytest.raises(AssertionError, match="asked again"):
        KeptSlates.beside(out, models=models).slates("upsell", QUERIES, 2, refuse)
    assert list(kept.folder.iterdir()) == []  # those of the first models are gone
    kept.clear()
    assert not kept.folder.exists()


@pytest.mark.parametrize("left", [0, 40], ids=["empty", "cut off"])
def test_a_damaged_file_is_computed_again(left, models, tmp_path):
    kept = KeptSlates.beside(tmp_path / "strategy.toml", models=models)
    kept.slates("upsell", QUERIES, 2, lambda: SLATE)
    (file,) = kept.folder.glob("*.npz")
    file.write_bytes(file.read_bytes()[:left])
    assert kept.slates("upsell", QUERIES, 2, lambda: SLATE) is SLATE
    assert kept.slates("upsell", QUERIES, 2, lambda: None).item_ids.tolist() == SLATE.item_ids.tolist()
