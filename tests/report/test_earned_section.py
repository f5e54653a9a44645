"""The report's section on what slates earned."""

import types

import pytest

from tests.experiments.collected_worlds import World
from tfrec.experiments.collected_log import read_collected
from tfrec.experiments.earned import measure_earned
from tfrec.report.absent import Absent
from tfrec.report.sections.earned import earned_section
from tfrec.report.words import LANGUAGES, language


@pytest.mark.parametrize("code", LANGUAGES)
def test_places_and_what_attribution_is_are_stated(tmp_path, code):
    world = World()
    for number in range(3):
        world.show(f"s{number}", ["A", "B"], user_id=f"u{number}", placement="cart", version="shop/3")
    world.click("s0", "A", user_id="u0", minute=1)
    world.buy("A", user_id="u0", minute=2)
    findings = types.SimpleNamespace(earned=measure_earned(read_collected(world.collect(tmp_path))))
    section = earned_section(findings, language(code))
    assert not section.is_absent
    (row,) = section.tables[0].rows
    assert row[0].startswith("cart") and row[0].endswith("shop/3")
    assert (row[1], row[2], row[6]) == ("6", "1", "10.00")
    assert "10.00 EUR" in section.sentences[0]
    assert any(word in " ".join(section.footnotes) for word in ("no effect", "不等于效果"))


@pytest.mark.parametrize("reason", ["", "Nothing was shown."])
def test_without_a_log_the_section_says_what_is_missing(reason):
    section = earned_section(types.SimpleNamespace(earned=Absent(reason)), language("en"))
    assert section.is_absent
    assert ("Nothing was shown." if reason else "--collected") in section.sentences[0]
