"""Writes what `tfrec earned` prints: what slates earned, by attribution and by the hold-out."""

import math
from collections.abc import Callable

from tfrec.experiments.earned import FEW_CLICKS, FEW_PEOPLE, ArmEarnings, Earned, HoldOut, PlaceEarnings
from tfrec.experiments.read_out import FEWEST
from tfrec.report.amounts import money
from tfrec.report.terminal.experiments import sample_ratio_text
from tfrec.report.words import Language
from tfrec.schema.text_columns import text_table
from tfrec.statistics.estimates import Estimate


def earned_text(earned: Earned, say: Language) -> str:
    """Returns a summary, a row for each place, warnings, and the verdict of the hold-out."""
    lines = [summary_text(earned, say), "", _table(earned, say), "", *notes(earned, say), ""]
    if earned.hold_out is None:
        lines.append(say("earned.no_hold_out"))
    else:
        lines += hold_out_texts(earned, earned.hold_out, say)
    return "\n".join(lines)


def summary_text(earned: Earned, say: Language) -> str:
    """Returns the figures of all places together in a sentence."""
    total = earned.total
    return say(
        "earned.summary",
        start=f"{earned.start:%Y-%m-%d}",
        end=f"{earned.end:%Y-%m-%d}",
        people=total.people,
        shown=total.shown,
        slates=total.slates,
        clicks=total.clicks,
        orders=total.orders,
        revenue=money(total.revenue, earned.currency),
    )


def notes(earned: Earned, say: Language) -> list[str]:
    """Returns what attribution is, and what is to be minded of these data."""
    lines = [say("earned.attributed", share=earned.by_slate, days=earned.window_days)]
    few = [place_name(place, say) for place in earned.places if place.is_few]
    if few:
        lines.append(say("earned.few", clicks=FEW_CLICKS, people=FEW_PEOPLE, places="; ".join(few)))
    if earned.strays:
        lines.append(say("earned.strays", n=earned.strays))
    if earned.unpriced:
        lines.append(say("earned.unpriced", n=earned.unpriced))
    return lines


def place_name(place: PlaceEarnings, say: Language) -> str:
    """Returns `cart page, cross_sell, shop/3`."""
    return say.listed(text or say("earned.unknown") for text in (place.placement, place.signature, place.version))


def hold_out_texts(earned: Earned, hold_out: HoldOut, say: Language) -> list[str]:
    """Returns what each arm added, with warnings."""
    ratio = hold_out.read_out.sample_ratio
    control = hold_out.read_out.findings[0].comparison.control
    lines = [
        say(
            "earned.hold_out",
            control=hold_out.control,
            users=ratio.counts[hold_out.control],
            value=money(control.value, earned.currency),
        )
    ]
    if ratio.is_alarm:
        lines.append(say("earned.invalid"))
    lines += [_arm_text(earned, hold_out, arm, say) for arm in hold_out.arms]
    lines.append(sample_ratio_text(ratio, say))
    if hold_out.in_several:
        lines.append(say("earned.in_several", n=hold_out.in_several))
    return lines


def _arm_text(earned: Earned, hold_out: HoldOut, arm: ArmEarnings, say: Language) -> str:
    found = arm.incremental
    values = {
        "arm": arm.arm,
        "level": found.level * 100,
        "users": arm.users,
        "attributed": money(arm.attributed, earned.currency),
    }
    amounts = {"value": found.value, "low": found.low, "high": found.high}
    shown = {name: money(amount, earned.currency, is_signed=True) for name, amount in amounts.items()}
    if hold_out.read_out.is_small(arm.arm):
        return say("earned.too_small", arm=arm.arm, control=hold_out.control, n=FEWEST)
    if found.is_positive:
        return say("earned.added", **values, **shown)
    if found.is_negative:
        return say("earned.lost", **values, **shown)
    return say("earned.not_beyond_chance", **values, **shown)


def _table(earned: Earned, say: Language) -> str:
    rows = [
        [
            place.placement or say("earned.unknown"),
            place.signature or say("earned.unknown"),
            place.version or say("earned.unknown"),
            f"{place.shown:,}",
            f"{place.clicks:,}",
            _with_interval(place.click_rate, "{:.2%}".format),
            f"{place.carts:,}",
            f"{place.orders:,}",
            money(place.revenue),
            _with_interval(place.revenue_per_thousand, money),
        ]
        for place in earned.places
    ]
    return text_table(heads(say), rows)


def heads(say: Language) -> list[str]:
    """Returns the heads of the table of places."""
    return [
        say("earned.placement"),
        say("earned.asked"),
        say("earned.version"),
        say("earned.shown"),
        say("earned.clicks"),
        say("earned.click_rate"),
        say("earned.carts"),
        say("earned.orders"),
        say("earned.revenue"),
        say("earned.per_thousand"),
    ]


def _with_interval(found: Estimate, write: Callable[[float], str]) -> str:
    if math.isnan(found.low):  # of one person there is none
        return write(found.value)
    return f"{write(found.value)} [{write(found.low)}, {write(found.high)}]"
