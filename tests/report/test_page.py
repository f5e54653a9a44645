"""The page as its reader meets it: every section, nothing from outside, both languages, absent data in one line."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import tfrec.report
from tfrec.errors import EnvironmentSetupError, install_hint
from tfrec.report import render_report
from tfrec.report.absent import Absent
from tfrec.report.actions import list_actions, stock_at_risk
from tfrec.report.words import read_messages
from tfrec.schema.json_values import to_json

pytestmark = pytest.mark.slow  # a whole report is made first

SECTIONS = (
    "week", "shop", "segments", "interests", "rules", "demand", "loyalty", "lifetime", "promotions",
    "discounts", "experiments", "placements", "models",
)  # fmt: skip
_FOLDER = Path(tfrec.report.__file__).parent
_VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects ids, links, attributes that fetch, and the text of sections; checks that tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.fetched, self.open, self.tags = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        parsed = dict(attrs)
        if "id" in parsed:
            self.ids.append(parsed["id"])
        if "href" in parsed:
            self.links.append(parsed["href"])
        self.fetched += [parsed[name] for name in ("src", "srcset", "data", "action", "poster") if name in parsed]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def section_text(page, key):
    found = re.search(rf'<section id="{key}".*?</section>', page, re.DOTALL)
    assert found, key
    return re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", "", found[0], flags=re.DOTALL))


@pytest.mark.parametrize("code", ["en", "zh"])
def test_every_section_is_there_and_the_contents_lead_to_it(pages, code):
    page = Page(pages[code])
    assert [link for link in page.links if link[1:] in SECTIONS] == [f"#{key}" for key in SECTIONS]
    assert [mark for mark in page.ids if mark in SECTIONS] == list(SECTIONS)
    left_out = re.search(r'<section id="left-out".*?</section>', pages[code], re.DOTALL)
    assert left_out  # nothing was collected to state what was earned, and no setting of strategies was evaluated
    assert left_out[0].count('<p class="said">') == 2
    assert "tfrec strategy evaluate" in left_out[0]


@pytest.mark.parametrize("code", ["en", "zh"])
def test_nothing_comes_from_outside_and_no_script_runs(pages, code):
    page = Page(pages[code])
    assert page.fetched == []
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert set(re.findall(r"https?://[^\s\"'<)]+", pages[code])) <= {"http://www.w3.org/2000/svg"}
    assert "url(http" not in pages[code]
    assert "@import" not in pages[code]


def test_pictures_are_valid_svg_with_ids_of_their_own_that_lead_somewhere(pages):
    svgs = re.findall(r"<svg.*?</svg>", pages["en"], re.DOTALL)
    assert len(svgs) >= 12
    for svg in svgs:
        root = ElementTree.fromstring(svg)
        assert root.get("viewBox")
        assert root.get("aria-label")
        ids = {node.get("id") for node in root.iter() if node.get("id")}
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= ids
        assert {node.get("href")[1:] for node in root.iter() if node.get("href")} <= ids
    ids = Page(pages["en"]).ids
    assert len(ids) == len(set(ids))


def test_pictures_take_the_page_s_colours_and_fonts_so_that_dark_pages_and_chinese_labels_can_be_read(pages):
    for page in pages.values():
        svgs = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
        assert set(re.findall(r"#[0-9a-fA-F]{6}\b", svgs)) <= {"#000000", "#ffffff"}
        assert "DejaVu" not in svgs
        assert "var(--model)" in svgs
        assert "prefers-color-scheme: dark" in page
    assert ">金额占比<" in pages["zh"]


def test_each_caption_states_n_or_a_count(pages):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", pages["en"])
    silent = [caption for caption in captions if not re.search(r"n = \d|\d[\d,]* |counts", caption, re.IGNORECASE)]
    assert [caption for caption in silent if "weekday" not in caption] == []


def test_figures_of_the_findings_stand_in_the_page(findings, pages):
    shop = section_text(pages["en"], "shop")
    assert f"{findings.shop.num_orders:,} orders" in shop
    chosen = findings.coupons.budgets.iloc[findings.coupons.chosen]
    assert f"{chosen['treated']:,.0f} of {findings.coupons.allocation.n:,} users" in section_text(
        pages["en"], "promotions"
    )
    assert "0.417 0.367–0.467" in " ".join(section_text(pages["en"], "models").split())
    assert "95 % interval" in section_text(pages["en"], "rules")


@pytest.mark.parametrize(("code", "verdict"), [("en", "Coupon test, "), ("zh", "优惠券试验，")])
def test_the_coupon_test_has_one_verdict_to_which_other_sections_refer(findings, pages, code, verdict):
    texts = {key: section_text(pages[code], key) for key in SECTIONS}
    arms = list(findings.coupon_read.verdicts)
    assert {key: text.count(verdict) for key, text in texts.items() if verdict in text} == {"promotions": len(arms)}
    title = read_messages()["promotions.promotions_whom_send_coupon"][code]
    assert title in texts["discounts"] and title in texts["experiments"]
    # One estimate of each average effect: no other section holds the read-out's differences.
    for finding in findings.coupon_read.of("primary"):
        shown = f"{finding.comparison.difference.value:+,.2f}"
        assert shown in texts["promotions"]
        assert shown not in texts["experiments"]


def test_a_test_too_small_for_a_choice_of_users_keeps_its_verdict(findings):
    page = render_report(dataclasses.replace(findings, coupons=Absent("too few users")))
    text = section_text(page, "promotions")
    assert "Coupon test, coupon_10: " in text and "too few users" in text


@pytest.mark.parametrize("code", ["en", "zh"])
def test_no_message_says_where_a_coupon_is_best_spent(code):
    """No analysis compares what coupons, service and attention bring to a group of users."""
    claims = {"en": ["best spent", "worth more here", "buy anyway"], "zh": ["更有价值", "本来就会买", "最好花在"]}
    said = [text[code] for text in read_messages().values() if any(claim in text[code] for claim in claims[code])]
    assert said == []


def test_chinese_page_keeps_names_and_numbers(findings, pages):
    assert '<html lang="zh-CN">' in pages["zh"]
    assert "顾客分群" in pages["zh"]
    assert "冠军顾客" in pages["zh"]
    assert f"{findings.shop.num_orders:,}" in pages["zh"]
    assert "常回购、高频买家" in pages["zh"]


@pytest.mark.parametrize("code", ["en", "zh"])
def test_no_id_or_brace_of_a_message_leaks_through(code, pages):
    areas = {message.split(".")[0] for message in read_messages()}
    text = " ".join(section_text(pages[code], key) for key in SECTIONS)
    assert not re.search(r"[{}]", text)
    assert not re.search(rf"\b({'|'.join(areas)})\.[a-z]", text)


def test_absent_parts_are_left_out_with_a_line_each(findings):
    without = dataclasses.replace(
        findings, **{field.name: Absent("because <of> it") for field in dataclasses.fields(findings)[2:]}
    )
    for code in ("en", "zh"):
        page = render_report(without, language_code=code)
        Page(page)
        assert re.findall(r'<section id="([^"]*)"', page) == ["week", "left-out"]
        assert "because &lt;of&gt; it" in page
        assert "<svg" not in page
    untested = dataclasses.replace(
        findings, coupons=Absent(""), discounts=Absent(""), placements=Absent(""), evaluation=Absent("")
    )
    page = render_report(untested)
    assert "This shop has no coupon test" in section_text(page, "promotions")
    assert "discounts" not in re.findall(r'<section id="([^"]*)"', page)
    left_out = section_text(page, "left-out")
    assert "no test of discounts" in left_out
    assert "logs no impressions" in left_out
    assert "No models were named" in left_out


def test_names_from_the_shop_cannot_become_markup(findings):
    items = findings.items.assign(title='<b onload="x">&$^_</b>')
    page = render_report(dataclasses.replace(findings, items=items))
    Page(page)
    assert "<b onload" not in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)


def test_findings_are_json_without_nan(findings):
    parsed = json.loads(json.dumps(to_json(findings), allow_nan=False))
    assert parsed["shop"]["num_orders"] == findings.shop.num_orders
    assert parsed["coupons"]["allocation"]["cost"] <= parsed["coupons"]["allocation"]["budget"]
    assert parsed["placements"]["policies"][2]["slate"][0]["value"]["n"] == 500
    assert parsed["rules"]["num_orders"] > 0


def test_a_missing_library_says_what_to_install(findings, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(EnvironmentSetupError, match=re.escape(install_hint("analysis"))):
        tfrec.report.check_extra()


@pytest.mark.parametrize("code", ["en", "zh"])
def test_page_begins_with_what_to_do_most_money_first(findings, pages, code):
    actions = list_actions(findings)
    assert {"restock", "remind", "bundle"} <= {action.kind for action in actions}
    worth = [action.worth for action in actions if np.isfinite(action.worth)]
    assert worth == sorted(worth, reverse=True)
    assert all(np.isnan(action.worth) for action in actions[len(worth) :])
    assert pages[code].index('<section id="week"') < pages[code].index('<section id="shop"')
    text = section_text(pages[code], "week")
    assert f"{worth[0]:,.0f}" in text


def test_offers_are_sent_only_where_the_test_shows_that_they_pay(findings):
    budgets = findings.coupons.budgets
    for low, kind in ((-5.0, "send_no_offers"), (5.0, "send_offers")):
        coupons = dataclasses.replace(findings.coupons, budgets=budgets.assign(low=low))
        kinds = {action.kind for action in list_actions(dataclasses.replace(findings, coupons=coupons))}
        assert kinds & {"send_no_offers", "send_offers"} == {kind}


def test_stock_is_sorted_by_the_sales_at_risk(findings):
    cover = stock_at_risk(findings)
    assert cover["at_risk"].is_monotonic_decreasing
    price = findings.items.set_index("item_id")["price"].reindex(cover["item_id"]).to_numpy()
    expected = (cover["forecast"] - cover["stock"]).clip(lower=0) * np.nan_to_num(price)
    assert cover["at_risk"].to_numpy() == pytest.approx(expected.to_numpy())


def test_proofs_are_folded_out(pages):
    section = re.search(r'<section id="demand".*?</section>', pages["en"], re.DOTALL)[0]
    head, _, proof = section.partition('<details class="proof">')
    assert "WAPE" not in head and "WAPE" in proof
