"""Writes the section on what slates earned, from what `tfrec collect` keeps."""

from tfrec.pages.blocks import Section, Table, with_interval
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.terminal.earned import heads, notes, place_name, summary_text
from tfrec.report.words import Language


def earned_section(findings: Findings, say: Language) -> Section:
    """Returns clicks, attributed orders and revenue by place."""
    title, earned = say("earned.title"), findings.earned
    if isinstance(earned, Absent):
        none = say("earned.cannot", reason=earned.reason) if earned.reason else say("earned.absent")
        return Section("earned", title, (none,), is_absent=True)
    rows = tuple(
        (
            place_name(place, say),
            f"{place.shown:,}",
            f"{place.clicks:,}",
            with_interval(place.click_rate.value, place.click_rate.low, place.click_rate.high, "{:.2%}"),
            f"{place.carts:,}",
            f"{place.orders:,}",
            f"{place.revenue:,.2f}",
            with_interval(
                place.revenue_per_thousand.value,
                place.revenue_per_thousand.low,
                place.revenue_per_thousand.high,
                "{:,.2f}",
            ),
        )
        for place in earned.places
    )
    _, _, _, *figures = heads(say)
    caption = say("earned.caption", people=earned.total.people, level=earned.total.click_rate.level * 100)
    return Section(
        "earned",
        title,
        (summary_text(earned, say), say("earned.no_hold_out_in_report")),
        (),
        (Table((say("earned.placement"), *figures), rows, caption),),
        tuple(notes(earned, say)),
    )
