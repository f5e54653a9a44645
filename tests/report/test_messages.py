"""Messages: what code says exists in both languages, with the same places to fill in, and nothing lies about unused."""

import ast
import importlib
import string
import typing
from pathlib import Path

import pytest

import tfrec.report
from tfrec.analysis import (
    demand,
    festivals,
    forecasts,
    interests,
    lifetime_value,
    segment_assigners,
    segment_names,
    segments,
)
from tfrec.errors import ConfigError
from tfrec.experiments import policies, read_out, sequential, shop_metrics
from tfrec.promotions import campaign
from tfrec.report.words import LANGUAGES, language, read_messages

_CODE = [
    path for part in ("report", "cli") for path in (Path(tfrec.report.__file__).parent.parent / part).rglob("*.py")
]


def texts_of_code():
    for path in _CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def said_ids():
    for path in _CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args:
                yield path.name, node.args[0]


def fields(text):
    return sorted(f"{name}:{form}" for _, name, form, _ in string.Formatter().parse(text) if name is not None)


def test_every_message_that_is_said_exists():
    unknown = [
        f"{name}: {node.value}"
        for name, node in said_ids()
        if isinstance(node, ast.Constant) and node.value not in read_messages()
    ]
    assert unknown == []


def test_a_message_is_named_in_the_code_or_in_a_table_of_the_code():
    """What else is said must come from a table of ids, so that the next test sees it."""
    others = {ast.unparse(node) for _, node in said_ids() if not isinstance(node, ast.Constant)}
    assert all(
        text.split("[")[0]
        in ("_HEADS", "_METHODS", "_NOTES", "_REASONS", "_RULES", "_SENTENCES", "_TYPICAL", "_VERDICTS")
        for text in others
    ), others


def test_no_message_is_unused():
    used = set(texts_of_code())
    assert [message for message in read_messages() if not message.startswith("names.") and message not in used] == []


def test_each_message_has_every_language_with_the_same_fields():
    for message, texts in read_messages().items():
        assert tuple(texts) == LANGUAGES, message
        assert all(text == text.rstrip() and text for text in texts.values() if text != "; "), message
        assert fields(texts["en"]) == fields(texts["zh"]), message


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param([name for row in segment_assigners.RFM_NAMES for name in row], id="RFM segments"),
        pytest.param([segments.NOISE, segments.VISITORS, segment_names.BULK], id="other segments"),
        pytest.param([trait for pair in segment_names.TRAITS.values() for trait in pair], id="traits"),
        pytest.param(interests.LEVELS, id="levels of interest"),
        pytest.param([*demand.LEVELS, demand.REMAINDER], id="levels of demand"),
        pytest.param([name for names in festivals.FESTIVALS.values() for name in names], id="festivals"),
        pytest.param(typing.get_args(forecasts.Signal), id="signals"),
        pytest.param(typing.get_args(forecasts.Measure), id="measures"),
        pytest.param(typing.get_args(read_out.Role), id="roles of metrics"),
        pytest.param(typing.get_args(read_out.FindingVerdict), id="verdicts on metrics"),
        pytest.param(typing.get_args(sequential.Verdict), id="verdicts of daily looks"),
        pytest.param(shop_metrics.METRICS, id="metrics"),
        pytest.param(policies.RULES, id="rules"),
        pytest.param([campaign.TREATED, campaign.HELD_OUT], id="groups of a campaign"),
    ],
)
def test_each_code_of_an_analysis_has_a_word(codes):
    assert [code for code in codes if f"names.{code}" not in read_messages()] == []


@pytest.mark.parametrize(
    ("module", "table", "codes"),
    [
        ("customers", "_METHODS", typing.get_args(segment_names.SegmentMethod)),
        ("customers", "_NOTES", typing.get_args(segment_names.NoteCode)),
        ("customers", "_TYPICAL", segment_names.TRAITS),
        ("lifetime", "_REASONS", typing.get_args(lifetime_value.Reason)),
    ],
)
def test_tables_of_messages_cover_their_codes(module, table, codes):
    assert set(getattr(importlib.import_module(f"tfrec.report.terminal.{module}"), table)) == set(codes)


def test_words_are_joined_as_the_language_does():
    english, chinese = language("en"), language("zh")
    assert english.names(["recent", "frequent"]) == "recent, frequent"
    assert chinese.names(["recent", "column of the user's own"]) == "近期、column of the user's own"
    assert english.sentences("A.", "B.") == "A. B."
    assert chinese.sentences("甲。", "乙。") == "甲。乙。"


def test_unknown_language_names_the_known_ones():
    with pytest.raises(ConfigError, match="en, zh"):
        language("de")
