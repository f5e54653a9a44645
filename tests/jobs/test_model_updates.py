"""Yesterday's models and today's shop: refreshed, warm-started, reused, refused."""

import dataclasses
import datetime as dt
import json

import pytest

from tfrec.errors import SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.jobs.model_updates import refresh_shop, warm_start_shop
from tfrec.models_folder import read_models_manifest
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.workflow import train_shop


@pytest.fixture(scope="module")
def yesterday(tiny_prepared, tiny_trained, tmp_path_factory):
    """Models of the shop as it was ten days before."""
    folder = tmp_path_factory.mktemp("yesterday")
    until = (read_prepared(tiny_prepared).test_from - dt.timedelta(days=10)).date().isoformat()
    data = tiny_prepared.parent / "data"
    prepared = prepare_shop("demo_shop", folder / "prepared", data_home=data, until=until).path
    train_shop(prepared, folder / "models", tiny_trained.config, show_progress=False)
    return folder / "models"


@pytest.mark.slow
def test_models_are_refreshed_then_warm_started_then_reused(yesterday, tiny_prepared):
    old = read_models_manifest(yesterday)
    refreshed = refresh_shop(yesterday, tiny_prepared)
    assert refreshed.version == 2 and refreshed.new_events > 0 and not refreshed.is_reused
    manifest = read_models_manifest(yesterday)
    assert manifest.origin == old.identity
    assert manifest.learned_from == old.fingerprint != manifest.fingerprint
    again = refresh_shop(yesterday)
    assert again.is_reused and again.version == 2

    warm = warm_start_shop(tiny_prepared, yesterday, yesterday, show_progress=False)
    assert warm.version == 3 and not warm.is_reused
    manifest = read_models_manifest(yesterday)
    assert manifest.learned_from == manifest.fingerprint
    assert warm_start_shop(tiny_prepared, yesterday, yesterday, show_progress=False).is_reused
    with Servable.load(newest_version(yesterday, "shop")) as servable:
        assert len(servable.call("recommend", {})["item_ids"][0])


def test_models_of_other_code_are_not_renewed(tiny_trained, tiny_prepared, tmp_path):
    manifest = dataclasses.replace(read_models_manifest(tiny_trained.models), code="another")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "manifest.json").write_text(json.dumps(dataclasses.asdict(manifest)))
    with pytest.raises(SourceError, match="trained with other code"):
        refresh_shop(tmp_path, tiny_prepared)
