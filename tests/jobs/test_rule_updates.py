"""Rules of a small trained shop are put into service in seconds, kept by later versions, and taken back."""

import numpy as np
import pytest

from tfrec.client.best_sellers import read_best_sellers
from tfrec.errors import ConfigError
from tfrec.jobs.rule_updates import update_rules
from tfrec.models_folder import RULES
from tfrec.release.replay import check_folder
from tfrec.serving.servable import Servable
from tfrec.workflow import publish_servables


def offered(folder, **asked):
    with Servable.load(folder, is_graph_rewritten=False) as servable:
        return servable.call("recommend", {"k": np.array([400], np.int32), **asked})["item_ids"][0].tolist()


def write_rules(folder, *, brand, end="2999-01-01"):
    file = folder / "rules.toml"
    file.write_text(
        f'[[rules]]\ndo = "block"\nbrands = ["{brand}"]\nreason = "recall"\nend = {end}\n', encoding="utf-8"
    )
    return file


@pytest.fixture
def brands(tiny_trained):
    items = tiny_trained.shop.prepared.train.items
    return items.set_index("item_id")["brand"].to_dict()


def test_rules_are_in_service_at_once_and_in_every_later_version(models, brands, tmp_path):
    shop = models / "shop"
    seller = read_best_sellers(shop / "1").items[0].item_id
    brand = brands[seller]
    before = offered(shop / "1")
    assert brand in {brands[item] for item in before if item}

    updated = update_rules(models, write_rules(tmp_path, brand=brand))
    assert (updated.version, updated.fallback, updated.num_rules) == (2, None, 1)
    without = [item for item in offered(shop / "2") if item]
    assert set(without) == {item for item in before if item and brands[item] != brand}
    assert seller in read_best_sellers(shop / "2").withheld
    for name in ("shop", "retrieval", "ranking"):
        assert check_folder(models / name / "2", servable=name, version=2) == []  # certified as it answers
    # The rule is in force until 2999, by the request's moment.
    later = np.array([int(np.datetime64("2999-02-01", "m").astype(int))], np.int32)
    assert offered(shop / "2", at_minute=later) == before

    assert publish_servables(models) == 3  # traced again
    assert [item for item in offered(shop / "3") if item] == without
    assert seller in read_best_sellers(shop / "3").withheld

    (tmp_path / "rules.toml").write_text("", encoding="utf-8")
    assert update_rules(models, tmp_path / "rules.toml").version == 4
    assert offered(shop / "4") == before
    assert not read_best_sellers(shop / "4").withheld


def test_wrong_rules_change_nothing(models, tmp_path):
    with pytest.raises(ConfigError, match="no brand 'No such'"):
        update_rules(models, write_rules(tmp_path, brand="No such"))
    assert not (models / RULES).exists() and not (models / "shop" / "2").exists()
