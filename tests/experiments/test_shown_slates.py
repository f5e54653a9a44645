"""Slates of a prepared shop: its impressions give what the same log gives as a file of slates."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.ingest.small_shop import IMPRESSIONS, ROWS, write_small_shop
from tfrec.errors import SourceError
from tfrec.experiments.logged_slates import read_slates
from tfrec.experiments.placements import judge_placements
from tfrec.experiments.shown_slates import shown_slates
from tfrec.ingest.prepare import prepare_shop


def drawn(first_place: int) -> pd.DataFrame:
    """600 slates of two places: A comes first with a chance of 3/4, is clicked there always, and B never."""
    rng = np.random.default_rng(0)
    rows = []
    for slate in range(600):
        order = ("A", "B") if rng.random() < 0.75 else ("B", "A")
        for place, item in enumerate(order):
            chance = (0.75 if order[0] == "A" else 0.25) if place == 0 else 1.0
            clicked = int(item == "A" and place == 0)
            at = "2024-02-10 12:00:00"
            rows.append((at, f"u{slate % 60}", f"s{slate}", place + first_place, item, chance, clicked))
    return pd.DataFrame(rows, columns=["at", "who", "slate", "place", "what", "chance", "clicked"])


@pytest.mark.parametrize("first_place", [0, 1])
def test_impressions_of_a_shop_are_read_as_slates(tmp_path: Path, first_place: int) -> None:
    recipe = write_small_shop(tmp_path, rows=ROWS, extra=IMPRESSIONS)
    log = drawn(first_place)
    log.to_csv(tmp_path / "shown.csv", index=False)
    prepared = prepare_shop(recipe, tmp_path / "prepared")
    slates = read_slates(shown_slates(prepared))
    assert len(slates) == 600 and slates.skipped == 0
    assert slates.item_ids.tolist() == ["A", "B"]
    shown_first = log[log["place"] == first_place]
    first = slates.first_place()
    assert first.rewards.mean() == pytest.approx((shown_first["what"] == "A").mean())
    assert set(first.propensities.round(2)) == {0.75, 0.25}
    assert slates.users is not None and len(set(slates.users)) == 60
    rates = judge_placements(prepared).items.set_index("item_id")["rate"]
    assert rates.to_dict() == pytest.approx({"A": 1.0, "B": 0.0})


def test_slate_with_an_unknown_chance_is_not_whole(tmp_path: Path) -> None:
    recipe = write_small_shop(tmp_path, rows=ROWS, extra=IMPRESSIONS)
    log = drawn(0)
    log.loc[[0, 11], "chance"] = np.nan
    log.to_csv(tmp_path / "shown.csv", index=False)
    assert read_slates(shown_slates(prepare_shop(recipe, tmp_path / "prepared"))).skipped == 2


def test_shop_without_impressions_says_where_they_are_named(tmp_path: Path) -> None:
    prepared = prepare_shop(write_small_shop(tmp_path, rows=ROWS), tmp_path / "prepared")
    with pytest.raises(SourceError, match="impressions"):
        shown_slates(prepared)
