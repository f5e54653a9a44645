"""Facts and friends of the demo shop: true more often than not, beside a shop that stays as it is."""

import dataclasses
import filecmp
from pathlib import Path

import pandas as pd
import pytest

from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.recipes import find_recipe

CONFIG = DemoShopConfig(num_items=400, num_users=600, num_events=6_000, num_slates=100, days=120, with_graphs=True)
GRAPHS = ["facts.csv", "friends.csv", "graphs.toml"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    generate_demo_shop(home / "demo_shop", CONFIG)
    generate_demo_shop(home / "plain", dataclasses.replace(CONFIG, with_graphs=False))
    return home


def test_nothing_else_of_the_shop_changes(home: Path) -> None:
    files = sorted(str(path.relative_to(home / "plain")) for path in (home / "plain").rglob("*") if path.is_file())
    with_graphs = sorted(path.name for path in (home / "demo_shop").iterdir() if path.is_file())
    assert set(with_graphs) - set(files) == set(GRAPHS)
    differ = filecmp.cmpfiles(home / "demo_shop", home / "plain", files, shallow=False)[1]
    assert {Path(name).name for name in differ} == {
        "manifest.json",
        "config.json",
        ".tfrec.json",
    }  # they hold the setting
    assert "with_graphs" not in (home / "plain" / "manifest.json").read_text()


def test_the_same_config_writes_the_same_graphs(home: Path, tmp_path: Path) -> None:
    generate_demo_shop(tmp_path / "again", CONFIG)
    assert filecmp.cmpfiles(home / "demo_shop", tmp_path / "again", GRAPHS, shallow=False)[0] == GRAPHS


def test_most_facts_are_true_and_some_are_missing(home: Path) -> None:
    facts = pd.read_csv(home / "demo_shop" / "facts.csv")
    style = pd.read_csv(home / "demo_shop" / "truth" / "styles.csv").set_index("item")["style"]
    patterns = facts[facts["relation"] == "has pattern"].set_index("subject")["object"]
    collection = facts[facts["relation"] == "belongs to"].set_index("subject")["object"]
    of_items = pd.concat([patterns[patterns.index.isin(style.index)], collection.map(patterns)])
    assert of_items.index.is_unique and of_items.notna().all()
    assert 0.8 < len(of_items) / len(style) < 0.9
    assert 0.93 < (of_items == style[of_items.index]).mean() < 0.99
    assert 0.3 < len(collection) / len(of_items) < 0.5


def test_friends_are_alike_more_often_than_chance(home: Path) -> None:
    friends = pd.read_csv(home / "demo_shop" / "friends.csv")
    users = pd.read_csv(home / "demo_shop" / "truth" / "segments.csv").set_index("user")
    assert (friends["customer"] != friends["friend"]).all() and not friends.duplicated().any()
    for name in ("favourite_style", "favourite_mission"):
        of_both = [users[name].loc[friends[end]].to_numpy() for end in friends]
        alike, chance = (of_both[0] == of_both[1]).mean(), (users[name].value_counts(normalize=True) ** 2).sum()
        assert chance + 0.4 < alike < 0.95


@pytest.mark.slow
def test_the_recipe_with_its_sections_prepares_both(home: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "demo_shop.toml"
    recipe.write_text(find_recipe("demo_shop").read_text() + "\n" + (home / "demo_shop" / "graphs.toml").read_text())
    prepared = prepare_shop(recipe, tmp_path / "out", data_home=home)
    assert prepared.manifest.facts == len(pd.read_csv(home / "demo_shop" / "facts.csv"))
    assert prepared.manifest.relations == 2 * len(pd.read_csv(home / "demo_shop" / "friends.csv"))
    assert not prepared.manifest.catalogue_rejected
