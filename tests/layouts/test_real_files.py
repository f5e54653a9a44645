"""On real files the proposal is what the shipped recipe states, as far as the files themselves state it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfrec.ingest.recipes import shipped_recipes
from tfrec.layouts import propose_recipe, write_toml


@pytest.fixture(scope="module")
def proposal(data_set: Callable[[str], Path]):
    def propose(name: str) -> tuple[dict[str, Any], dict[str, Any], str]:
        folder = data_set(name)
        text = write_toml(propose_recipe([folder]), naming=lambda path: str(path.relative_to(folder.parent)))
        shipped = (shipped_recipes() / f"{name}.toml").read_text(encoding="utf-8")
        return tomllib.loads(text), tomllib.loads(shipped), text

    return propose


@pytest.mark.slow
def test_orders_of_a_wholesaler(proposal) -> None:
    proposed, shipped, text = proposal("online_retail")
    assert proposed["events"]["columns"] == shipped["events"]["columns"]
    assert proposed["events"]["type"] == "purchase"
    assert proposed["events"]["files"] == shipped["events"]["files"]
    assert proposed["items"]["columns"] == shipped["items"]["columns"]
    assert proposed["users"]["columns"] == shipped["users"]["columns"]
    cancelled = proposed["clean"]["drop"][0]
    assert (cancelled["column"], cancelled["pattern"], cancelled["is_return"]) == ("order_id", "^C", True)
    dropped = [rule["pattern"] for rule in proposed["clean"]["drop"]]
    assert "^(POST)$" in dropped
    # What the file leaves open is there to be decided.
    for line in (
        '# currency = "GBP"',
        '# time_zone = "Europe/London"',
        "# free_items = false",
        '# duplicates = "keep"',
        '# pattern = "^A"',
        r"# pattern = '^\d{5}[A-Za-z]*$'",
    ):
        assert line in text, line


def test_clicks_of_sessions(proposal) -> None:
    proposed, shipped, text = proposal("eshop_clothing_2008")
    assert proposed["events"]["columns"] == shipped["events"]["columns"]
    for key in ("delimiter", "type", "time_format", "files"):
        assert proposed["events"][key] == shipped["events"][key]
    assert proposed["items"]["columns"]["category"] == shipped["items"]["columns"]["category"]
    assert "# currency" in text and '# user_id = "?"' in text


def test_a_matrix_of_baskets(proposal) -> None:
    proposed, shipped, _ = proposal("groceries")
    assert proposed["events"] == shipped["events"]
    assert proposed["items"] == shipped["items"]


def test_baskets_in_json_with_a_catalogue(proposal) -> None:
    proposed, shipped, _ = proposal("coop100")
    for key in ("files", "format", "type", "time_format", "columns"):
        assert proposed["events"][key] == shipped["events"][key]
    assert proposed["items"]["files"] == shipped["items"]["files"]
    assert proposed["items"]["columns"]["item_id"] == shipped["items"]["columns"]["item_id"]
