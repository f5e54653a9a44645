"""The report's section on settings of the strategies."""

import json
import types

import pytest

from tfrec.errors import SourceError
from tfrec.report.absent import Absent
from tfrec.report.findings import _kept
from tfrec.report.sections.strategies import strategies_section
from tfrec.report.words import LANGUAGES, language


def estimate(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "std_error": None, "n": 40, "level": 0.95}


def tried(setting, margin, gain=None):
    measures = {name: estimate(0.4, 0.3, 0.5) for name in ("acceptance", "revenue", "distance")}
    return {
        "setting": setting,
        "estimates": {**measures, "margin": estimate(margin)},
        "gains": {} if gain is None else {"margin": gain},
    }


def study(signature, *others):
    settings = [tried({}, 7.0), *others]
    return {"signature": signature, "unit": "order", "num_requests": 900, "num_units": 300, "tried": settings}


SURE = study(
    "cross_sell",
    tried({"diversity": 0.3}, 8.0, estimate(1.0, 0.25, 1.75)),
    tried({"diversity": 0.9}, 9.0, estimate(2.0, -0.5, 4.5)),  # more, but within chance
)
UNSURE = study("upsell", tried({"objective": "margin"}, 7.5, estimate(0.5, -0.5, 1.5)))
NOTHING = {**study("recommend"), "tried": []}


def section_of(*studies, code="en"):
    return strategies_section(types.SimpleNamespace(strategies={"signatures": list(studies)}), language(code))


def test_a_gain_that_the_best_of_many_has_by_chance_is_not_said_to_be_one():
    lucky = [tried({"diversity": number / 10}, 8.0, estimate(1.0, 0.25, 1.75)) for number in range(9)]
    assert "none of 9" in section_of(study("cross_sell", *lucky)).sentences[1]


@pytest.mark.parametrize("code", LANGUAGES)
def test_pictures_and_tables_of_each_signature_are_there(code):
    section = section_of(SURE, UNSURE, NOTHING, code=code)
    (figure,) = section.figures
    assert "cross_sell" in figure.svg and "recommend" not in figure.svg
    table, _ = section.proof_tables
    assert [row[0].split(":")[0] for row in table.rows] == ["0", "1", "2"]
    assert "900" in table.caption and "300" in table.caption


def test_only_what_is_beyond_chance_is_said_to_earn_more():
    _, sure, unsure = section_of(SURE, UNSURE).sentences
    assert "diversity 0.3 earns 1.00" in sure and "+0.25 to +1.75" in sure
    assert unsure.startswith("upsell: none of 1 other settings")


@pytest.mark.parametrize("reason", ["", "MODELS/strategies.json does not exist."])
def test_without_a_comparison_the_section_says_what_is_missing(reason):
    section = strategies_section(types.SimpleNamespace(strategies=Absent(reason)), language("en"))
    assert section.is_absent
    assert (reason or "--models") in section.sentences[0]


def test_what_another_hand_wrote_is_refused(tmp_path):
    command = "tfrec strategy evaluate"
    absent = _kept(tmp_path, "strategies.json", "signatures", command)
    assert isinstance(absent, Absent) and f"{command} {tmp_path}" in absent.reason
    for text, words in (("{", "is damaged"), ("[]", "is not what"), (json.dumps({"a": 1}), "is not what")):
        (tmp_path / "strategies.json").write_text(text)
        with pytest.raises(SourceError, match=words):
            _kept(tmp_path, "strategies.json", "signatures", command)
