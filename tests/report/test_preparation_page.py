"""The page on a preparation: its figures are those of the tables, it states what changed, and it can be left out."""

import html
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.ingest.small_shop import ROWS, write_small_shop
from tfrec.cli import main
from tfrec.report.preparation_page import preparation_page
from tfrec.report.preparation_study import study_preparation
from tfrec.report.words import language

FAULTY = "7,7.0,A,2024-01-06 10:00:00,0,2.00,apple,DE"


def prepare(folder: Path, rows: list[str], *options: str, recipe_extra: str = "") -> Path:
    recipe = write_small_shop(folder, rows=rows, extra=recipe_extra)
    assert main(["prepare", str(recipe), "--out", str(folder / "out"), *options]) == 0
    return folder / "out"


def text_of(page: str) -> str:
    visible = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg).*?</\1>", "", page, flags=re.DOTALL))
    return re.sub(r"\s+", " ", html.unescape(visible))


def test_the_study_counts_what_the_tables_hold(tmp_path: Path) -> None:
    study = study_preparation(prepare(tmp_path, [*ROWS, FAULTY], "--no-report"))
    assert study.ledger.to_dict("records") == [
        {"table": "events", "reason": "impossible quantity", "rows": 1, "file": "log.csv", "row": len(ROWS) + 1}
    ]
    assert study.types == {"purchase": len(ROWS)}
    assert study.days["events"].sum() == len(ROWS)
    assert str(study.days["day"].iloc[-2])[:10] == "2024-03-01"  # midnight in Berlin, on 29 February in UTC
    np.testing.assert_allclose(study.tails["items"][[0, 25, 100]], [0, 4 / 7, 1])  # A has 4 of 7, of four items
    missing = study.missing.set_index(["table", "column"])
    assert missing.loc[("events", "user_id"), ["missing", "rows"]].tolist() == [1, 5]
    assert ("events", "price") not in missing.index
    assert study.change is None


def test_the_page_states_what_changed_since_the_last_preparation(tmp_path: Path) -> None:
    prepare(tmp_path, ROWS)
    dearer = [
        row.replace("9.00,cake", "18.00,cake").replace("B,2024", "E,2024").replace("bread", "eggs") for row in ROWS
    ]
    out = prepare(tmp_path, [*dearer, FAULTY])
    said = text_of((out / "report.html").read_text(encoding="utf-8"))
    assert "8 rows of events were read: 7 were kept and 1 (12.50%) were set aside." in said
    assert "Items: 1 new, 1 no longer there." in said
    assert "New: eggs." in said and "No longer there: bread." in said
    assert "Prices of 1 items differ by more than 1 %; the median of these is +100.0%." in said
    assert "cake 18.00 9.00 +100%" in said
    assert "rows read 8 7 +1" in said
    assert "impossible quantity events 1 0 log.csv, row 8" in said


def test_both_languages_have_the_same_figures_and_nothing_comes_from_outside(tmp_path: Path) -> None:
    study = study_preparation(prepare(tmp_path, [*ROWS, FAULTY], "--no-report"))
    pages = [preparation_page(study, language(code)) for code in ("en", "zh")]
    numbers = [Counter(re.findall(r"\d[\d,.]*\d|\d", text_of(page))) for page in pages]
    assert numbers[0] == numbers[1]
    for page in pages:
        assert set(re.findall(r"https?://[^\s\"'<)]+", page)) <= {"http://www.w3.org/2000/svg"}
        assert "<script" not in page and page.count("<svg") == 4


def test_the_page_can_be_left_out_and_a_reused_folder_keeps_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = prepare(tmp_path, ROWS, "--no-report")
    assert not (out / "report.html").exists()
    assert "report.html" not in capsys.readouterr().out
    out = prepare(tmp_path, [*ROWS, FAULTY], "--language", "zh")
    assert '<html lang="zh-CN">' in (out / "report.html").read_text(encoding="utf-8")
    prepare(tmp_path, [*ROWS, FAULTY])  # up to date: nothing is written
    assert '<html lang="zh-CN">' in (out / "report.html").read_text(encoding="utf-8")
    assert str(out / "report.html") in capsys.readouterr().out


def test_a_log_without_times_and_prices_has_a_page(tmp_path: Path) -> None:
    recipe = (
        'name = "baskets"\n[events]\nfiles = "log.csv"\ntype = "purchase"\n[events.columns]\norder_id = "order"\n'
        'item_id = "sku"\n'
    )
    rows = [f"{at // 2},I{at % 5}" for at in range(60)]
    path = write_small_shop(tmp_path, rows=rows, header="order,sku", recipe=recipe)
    assert main(["prepare", str(path), "--out", str(tmp_path / "out")]) == 0
    said = text_of((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "The log has no times." in said and "No item has a price." in said
