import dataclasses
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from tests.evaluation.small_shop import SPLIT, tables
from tfrec.baselines import CART_BASELINES
from tfrec.errors import ConfigError, SchemaError
from tfrec.evaluation.evaluate import evaluate, sample_cases
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.evaluation.report import write_report
from tfrec.evaluation.sections import Column, Section
from tfrec.schema.calendar import ShopCalendar
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
    manifest = SimpleNamespace(recipe="little <shop>", calendar=ShopCalendar())
    return SimpleNamespace(train=train, test=test, test_from=SPLIT, manifest=manifest, calendar=ShopCalendar())


def oracle(cases, k, signature):
    """Answers with the truth: the upper end of every figure."""
    assert signature == cases.signature
    item_ids = np.full((len(cases), k), "", object)
    item_ids[:, 0] = cases.item_ids.to_numpy()[cases.truths[:, 0]]
    scores = np.full((len(cases), k), -np.inf, np.float32)
    scores[:, 0] = 1
    return Slate(item_ids, scores, {"probabilities": (scores > 0).astype(np.float32)})


@pytest.fixture(scope="module")
def full_report(shop):
    return evaluate(shop, {"oracle": oracle}, seeds=(0, 1), num_resamples=100, category_level=1)


def test_a_model_that_knows_the_truth_reaches_the_top_of_every_table(full_report):
    assert [section.task for section in full_report.sections] == [
        "complete_cart",
        "next_item",
        "after_clicks",
        "upsell",
    ]
    for section in full_report.sections:
        cells = next(row for row in section.rows if row.method == "oracle").cells
        shown = {name: cell.value for name, cell in cells.items() if re.search("HR|MRR|NDCG", name) and cell.n}
        assert set(shown.values()) == {1.0}, shown


def test_new_repeat_and_cold_cases_are_counted_apart(full_report):
    cells = full_report.sections[0].rows[0].cells
    assert cells["all HR@10"].n == cells["new HR@10"].n + cells["repeat HR@10"].n
    assert cells["discover HR@10"].n == cells["new HR@10"].n
    assert cells["cold HR@10"].n == 2 * 5  # two seeds, five orders
    assert cells["cross-category HR@10"].n > 0


def test_cross_category_is_asked_for_with_the_limit_and_without(shop):
    """A model that knows the answer only where other categories are asked for."""

    def knows_other_categories(cases, k, signature):
        slate = oracle(cases, k, signature)
        is_limited = "outside_cart_level" in cases.to_queries()
        return slate if is_limited else Slate(np.full_like(slate.item_ids, ""), slate.scores, slate.extras)

    found = evaluate(
        shop, {"model": knows_other_categories}, baselines={}, seeds=(0,), num_resamples=10, category_level=1
    )
    cells = found.sections[0].rows[0].cells
    assert cells["cross-category HR@10"].value == 1
    assert cells["unlimited cross-category HR@10"].value == cells["all HR@10"].value == 0


def test_probabilities_are_held_to_what_happened(full_report):
    cells = {row.method: row.cells["ECE@10"] for row in full_report.sections[0].rows}
    assert cells["oracle"].value == 0
    assert cells["popularity"].n == 0  # it has none


def test_no_baseline_knows_an_item_never_sold(full_report):
    assert {row.cells["cold HR@10"].value for row in full_report.sections[0].rows if row.is_baseline} == {0.0}


def test_methods_that_see_the_pattern_beat_popularity(full_report):
    rows = {row.method: row.cells["all HR@10"] for row in full_report.sections[0].rows}
    assert rows["EASE on orders (λ = 60)"].value > rows["popularity"].value + 0.2


def test_the_model_is_compared_with_the_strongest_baseline(full_report):
    duel = full_report.sections[0].duels[0]
    best = max(
        (row for row in full_report.sections[0].rows if row.is_baseline), key=lambda row: row.cells["all HR@10"].value
    )
    assert (duel.method, duel.baseline, duel.column) == ("oracle", best.method, "all HR@10")
    assert duel.comparison.difference.value == pytest.approx(1 - best.cells["all HR@10"].value)
    assert duel.comparison.difference.low > 0


def test_the_text_has_a_line_for_each_method_and_its_half_interval(full_report):
    text = str(full_report)
    assert text.startswith("Evaluation of little <shop>")
    assert len(re.findall(r"^oracle +1\.00", text, flags=re.M)) == 6  # two tables of carts, two of visits
    assert re.search(r"^popularity +\.\d{3} ±\.\d{3}", text, flags=re.M)
    assert "oracle − " in text


def test_json_holds_every_figure(full_report):
    read = json.loads(full_report.to_json(), parse_constant=pytest.fail)
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


def test_the_page_stands_alone_and_is_well_formed(full_report):
    page = full_report.to_html()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.links == []
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "script" not in outline.count
    assert outline.count["table"] == 6  # two of carts, two of visits
    assert outline.count["svg"] >= 6
    assert "little &lt;shop&gt;" in page
    assert "prefers-color-scheme: dark" in page


def test_a_headline_without_the_split_is_refused(full_report):
    section = full_report.sections[0]
    with pytest.raises(SchemaError, match="new and repeat cases apart"):
        dataclasses.replace(section, columns=(Column("all HR@10", "everything at once"),))
    with pytest.raises(SchemaError, match="new and repeat"):
        Section("next_item", "", "", tuple(c for c in section.columns if not c.name.startswith("repeat")), ())


def test_a_report_is_written_as_text_json_and_a_page(full_report, tmp_path):
    written = write_report(full_report, tmp_path / "report")
    assert written.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "report" / "report.txt").read_text(encoding="utf-8") == str(full_report)
    kept = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert kept["seeds"] == [0, 1]
    row = kept["sections"][0]["rows"][0]["cells"]["all HR@10"]
    assert list(row) == ["value", "low", "high", "num_queries"]


def test_next_baskets_separate_new_items_from_repeated_ones(shop):
    """Thirty users buy their own three items again, and one of a neighbour's."""
    orders = [
        (f"o{day}-{at}", f"u{at}", f"2024-01-{day:02d}", NAMES[3 * at :][:3]) for at in range(30) for day in (1, 9)
    ]
    orders += [(f"t{at}", f"u{at}", "2024-03-01", [*NAMES[3 * at :][:3], NAMES[3 * at - 1]]) for at in range(30)]
    train, test = tables(CATEGORIES, orders)
    full_report = evaluate(
        SimpleNamespace(**{**vars(shop), "train": train, "test": test}), seeds=(0,), with_baskets=True, num_resamples=10
    )
    section = next(section for section in full_report.sections if section.task == "next_basket")
    own = next(row.cells for row in section.rows if row.method == "personal frequency")
    assert own["repeat HR@10"].value == 1
    assert own["all recall@10"].value == pytest.approx(0.75, abs=0.05)
    assert own["new recall@10"].value < 0.2
    assert own["new recall@10"].n == 30


def follower(cases, k, signature):
    """Knows that visits walk through the catalogue: offers what comes after the latest event, else the first item."""
    latest = cases.recent[:, -1]
    item_ids = np.full((len(cases), k), "", object)
    item_ids[:, 0] = cases.item_ids.to_numpy()[np.where(latest >= 0, (latest + 1) % len(cases.item_ids), 0)]
    scores = np.where(item_ids == "", -np.inf, 1.0).astype(np.float32)
    return Slate(item_ids, scores)


@pytest.fixture(scope="module")
def followed(shop):
    """Ann makes six visits, each of which walks through eight items."""
    clicks = [
        (f"a{at}", "ann", f"2024-03-0{at + 1} 10:0{step}", "view", NAMES[3 * at + step])
        for at in range(6)
        for step in range(8)
    ]
    past = [("p", "", f"2024-01-02 10:{at:02d}", "view", name) for at, name in enumerate(NAMES[:60])]
    train, test = tables(CATEGORIES, clicks=[*past, *clicks])
    known = SimpleNamespace(**{**vars(shop), "train": train, "test": test})
    return evaluate(known, {"follower": follower}, session_baselines={}, num_resamples=100)


def section_of(report, task):
    return next(section for section in report.sections if section.task == task)


def test_recent_events_are_worth_what_they_predict_of_the_next_item(followed):
    """Six visits of eight clicks: with the visit sent every next item is known, without it the first of all alone."""
    section = section_of(followed, "after_clicks")
    cells = {row.method: row.cells for row in section.rows}
    sent, not_sent = cells["follower"], cells["follower, visit not sent"]
    spans = {"after 0": 6, "after 1": 6, "after 2": 6, "after 3–5": 18, "after 6+": 12}
    assert {name: sent[f"{name} HR@20"].n for name in spans} == spans
    for name in spans:
        for metric in ("HR@20", "MRR@20"):
            first = 1 / 6 if name == "after 0" else 0  # one visit begins where the follower sends everybody
            assert not_sent[f"{name} {metric}"].value == pytest.approx(first)
            assert sent[f"{name} {metric}"].value == pytest.approx(first if name == "after 0" else 1)
    assert {(duel.method, duel.baseline, duel.column) for duel in section.duels} == {
        ("follower", "follower, visit not sent", f"{name} {metric}")
        for name in list(spans)[1:]
        for metric in ("HR@20", "MRR@20")
    }
    assert all(duel.comparison.difference.value == duel.comparison.difference.low == 1 for duel in section.duels)


def test_the_worth_of_a_visit_stands_in_text_page_and_json(followed):
    assert "Next item after k clicks" in str(followed)
    assert "follower − follower, visit not sent, after 3–5 HR@20: 1.000" in str(followed)
    assert "<h3>Rank of the next item</h3>" in followed.to_html()
    followed_section = {section["task"]: section for section in json.loads(followed.to_json())["sections"]}[
        "after_clicks"
    ]
    assert followed_section["rows"][1]["cells"]["after 6+ MRR@20"]["value"] == 1


def test_without_a_model_each_query_is_asked_once(shop):
    assert [section.task for section in evaluate(shop, seeds=(0,), num_resamples=10).sections] == [
        "complete_cart",
        "next_item",
        "upsell",
    ]


def test_the_same_request_is_sent_once_for_each_user(shop):
    asked = []

    def ranker(cases, k, signature):
        asked.append(cases)
        return follower(cases, k, signature)

    evaluate(shop, {"counted": ranker}, seeds=(0,), baselines={}, session_baselines={}, num_resamples=10)
    of_visits = [cases for cases in asked if cases.task == "next_item"]
    with_recent = [cases for cases in of_visits if (cases.recent >= 0).any()]
    assert len(with_recent) == 1  # two tables read one answer
    not_sent = [cases for cases in of_visits if not cases.contexts.nnz and len(set(cases.user_ids)) == len(cases)]
    assert not_sent
    for cases in not_sent:
        assert cases.to_queries()["recent_item_ids"].map(len).tolist() == [0] * len(cases)


def test_bad_requests_say_what_to_do(shop):
    with pytest.raises(ConfigError, match="Rename it"):
        evaluate(shop, {"popularity": oracle})
    with pytest.raises(ConfigError, match="At least one seed"):
        evaluate(shop, seeds=())
    empty = SimpleNamespace(**{**vars(shop), "test": shop.test.until(shop.test.events["timestamp"].min())})
    with pytest.raises(ConfigError, match="earlier split"):
        evaluate(empty)


def test_of_many_carts_the_same_sample_is_asked_in_each_draw(shop):
    few = {name: CART_BASELINES[name] for name in list(CART_BASELINES)[:1]}
    cart = evaluate(shop, baselines=few, seeds=(0, 1), max_queries=7, num_resamples=10).sections[0]
    assert cart.rows[0].cells["all HR@10"].n == 2 * 7
    assert "each of 7 orders" in cart.note
    draws = [sample_cases(cart_completion_cases(shop.train, shop.test, seed=seed), 7) for seed in (0, 1)]
    assert draws[0].groups.tolist() == draws[1].groups.tolist()


def test_long_logs_are_sampled_by_whole_sessions(shop):
    from tfrec.evaluation.sessions import next_item_cases

    cases = next_item_cases(shop.train, shop.test)
    part = sample_cases(cases, 10)
    assert 0 < len(part) <= 10
    assert all((cases.groups == group).sum() == (part.groups == group).sum() for group in set(part.groups))
