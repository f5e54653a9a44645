import dataclasses
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from tests.evaluation.small_shop import SPLIT, tables
from tfrec.errors import ConfigError, SchemaError
from tfrec.evaluation import report
from tfrec.evaluation.report import evaluate, print_evaluation
from tfrec.evaluation.sections import Column, Section
from tfrec.schema.slate import Slate

NAMES = [f"i{item:03d}" for item in range(90)]
CATEGORIES = {name: f"Shop > {'ABC'[at % 3]}" for at, name in enumerate(NAMES)} | {"never-sold": "Shop > New"}


@pytest.fixture(scope="module")
def shop():
    """Orders hold three neighbouring items and one by chance; a few test orders hold an item never sold before."""
    rng = np.random.default_rng(0)

    def order(name, day):
        start = int(rng.integers(86))
        chance = NAMES[int(rng.integers(90))]
        return name, f"u{rng.integers(10)}" if rng.random() < 0.8 else "", day, [*NAMES[start : start + 3], chance]

    orders = [order(f"o{at}", f"2024-01-{at % 28 + 1:02d}") for at in range(400)]
    orders += [order(f"t{at}", f"2024-03-{at % 28 + 1:02d}") for at in range(60)]
    orders += [(f"n{at}", "u1", "2024-03-05", ["i005", "never-sold"]) for at in range(5)]
    clicks = []
    for at in range(40):
        start, day = int(rng.integers(25)), "2024-01-05" if at < 30 else "2024-03-05"
        clicks += [(f"s{at}", "", f"{day} 10:0{step}", "view", NAMES[start + step]) for step in range(5)]
    train, test = tables(CATEGORIES, orders, clicks, prices={name: at + 1 for at, name in enumerate(CATEGORIES)})
    return SimpleNamespace(train=train, test=test, test_from=SPLIT, manifest=SimpleNamespace(recipe="little <shop>"))


def oracle(cases, k, signature):
    """Answers with the truth: the upper end of every figure."""
    assert signature == cases.signature
    item_ids = np.full((len(cases), k), "", object)
    item_ids[:, 0] = cases.item_ids.to_numpy()[cases.truths[:, 0]]
    scores = np.full((len(cases), k), -np.inf, np.float32)
    scores[:, 0] = 1
    return Slate(item_ids, scores, {"probabilities": (scores > 0).astype(np.float32)})


@pytest.fixture(scope="module")
def told(shop):
    return evaluate(shop, {"oracle": oracle}, seeds=(0, 1), num_resamples=100, category_level=1)


def test_a_model_that_knows_the_truth_reaches_the_top_of_every_table(told):
    assert [section.task for section in told.sections] == ["complete_cart", "next_item", "upsell"]
    for section in told.sections:
        cells = next(row for row in section.rows if row.method == "oracle").cells
        shown = {
            name: cell.value for name, cell in cells.items() if re.search("HR|MRR|NDCG", name) and cell.num_queries
        }
        assert set(shown.values()) == {1.0}, shown


def test_new_repeat_and_cold_cases_are_counted_apart(told):
    cells = told.sections[0].rows[0].cells
    assert cells["all HR@10"].num_queries == cells["new HR@10"].num_queries + cells["repeat HR@10"].num_queries
    assert cells["discover HR@10"].num_queries == cells["new HR@10"].num_queries
    assert cells["cold HR@10"].num_queries == 2 * 5  # two seeds, five orders
    assert cells["cross-category HR@10"].num_queries > 0


def test_probabilities_are_held_to_what_happened(told):
    cells = {row.method: row.cells["ECE@10"] for row in told.sections[0].rows}
    assert cells["oracle"].value == 0
    assert cells["popularity"].num_queries == 0  # it tells none


def test_no_baseline_knows_an_item_never_sold(told):
    assert {row.cells["cold HR@10"].value for row in told.sections[0].rows if row.is_baseline} == {0.0}


def test_methods_that_see_the_pattern_beat_popularity(told):
    rows = {row.method: row.cells["all HR@10"] for row in told.sections[0].rows}
    assert rows["EASE on orders (λ = 60)"].value > rows["popularity"].value + 0.2


def test_the_model_is_compared_with_the_strongest_baseline(told):
    duel = told.sections[0].duels[0]
    best = max((row for row in told.sections[0].rows if row.is_baseline), key=lambda row: row.cells["all HR@10"].value)
    assert (duel.method, duel.baseline, duel.column) == ("oracle", best.method, "all HR@10")
    assert duel.comparison.difference.value == pytest.approx(1 - best.cells["all HR@10"].value)
    assert duel.comparison.difference.low > 0


def test_the_text_has_a_line_for_each_method_and_its_half_interval(told):
    text = str(told)
    assert text.startswith("Evaluation of little <shop>")
    assert len(re.findall(r"^oracle +1\.00", text, flags=re.M)) == 4  # carts have two tables
    assert re.search(r"^popularity +\.\d{3} ±\.\d{3}", text, flags=re.M)
    assert "oracle − " in text


def test_json_holds_every_figure(told):
    read = json.loads(told.to_json(), parse_constant=pytest.fail)
    first = read["sections"][0]
    assert {row["method"] for row in first["rows"]} >= {"oracle", "popularity"}
    assert first["rows"][0]["cells"]["all HR@10"]["num_queries"] == 120
    assert first["rows"][0]["cells"]["coverage@10"]["low"] is None


class Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links, self.count = [], [], {}

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_well_formed(told):
    page = told.to_html()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.links == []
    assert "http" not in page
    assert "script" not in outline.count
    assert outline.count["table"] == 4  # carts have two
    assert outline.count["svg"] >= 6
    assert "little &lt;shop&gt;" in page
    assert "prefers-color-scheme: dark" in page


def test_a_headline_without_the_split_is_refused(told):
    section = told.sections[0]
    with pytest.raises(SchemaError, match="new and repeat cases apart"):
        dataclasses.replace(section, columns=(Column("all HR@10", "everything at once"),))
    with pytest.raises(SchemaError, match="new and repeat"):
        Section("next_item", "", "", tuple(c for c in section.columns if not c.name.startswith("repeat")), ())


def test_printing_writes_the_files_too(shop, tmp_path, capsys):
    printed = print_evaluation(shop, out=tmp_path / "report", seeds=(0,))
    assert str(printed) == capsys.readouterr().out
    assert json.loads((tmp_path / "report" / "evaluation.json").read_text())["seeds"] == [0]
    assert (tmp_path / "report" / "evaluation.html").read_text().startswith("<!DOCTYPE html>")


def test_next_baskets_tell_new_items_from_repeated_ones(shop):
    """Thirty users buy their own three items again, and one of a neighbour's."""
    orders = [
        (f"o{day}-{at}", f"u{at}", f"2024-01-{day:02d}", NAMES[3 * at :][:3]) for at in range(30) for day in (1, 9)
    ]
    orders += [(f"t{at}", f"u{at}", "2024-03-01", [*NAMES[3 * at :][:3], NAMES[3 * at - 1]]) for at in range(30)]
    train, test = tables(CATEGORIES, orders)
    told = evaluate(
        SimpleNamespace(**{**vars(shop), "train": train, "test": test}), seeds=(0,), with_baskets=True, num_resamples=10
    )
    section = next(section for section in told.sections if section.task == "next_basket")
    own = next(row.cells for row in section.rows if row.method == "personal frequency")
    assert own["repeat HR@10"].value == 1
    assert own["all recall@10"].value == pytest.approx(0.75, abs=0.05)
    assert own["new recall@10"].value < 0.2
    assert own["new recall@10"].num_queries == 30


def test_bad_requests_say_what_to_do(shop):
    with pytest.raises(ConfigError, match="Rename it"):
        evaluate(shop, {"popularity": oracle})
    with pytest.raises(ConfigError, match="At least one seed"):
        evaluate(shop, seeds=())
    empty = SimpleNamespace(**{**vars(shop), "test": shop.test.until(shop.test.events["timestamp"].min())})
    with pytest.raises(ConfigError, match="earlier split"):
        evaluate(empty)


def test_the_command_tells_where_a_prepared_shop_is_missing(tmp_path, capsys):
    assert report.main([str(tmp_path / "nowhere")]) == 1
    assert "tfrec prepare" in capsys.readouterr().err


def test_long_logs_are_sampled_by_whole_sessions(shop):
    from tfrec.evaluation.sessions import next_item_cases

    cases = next_item_cases(shop.train, shop.test)
    part = report._sample(cases, 10)
    assert 0 < len(part) <= 10
    assert all((cases.groups == group).sum() == (part.groups == group).sum() for group in set(part.groups))
