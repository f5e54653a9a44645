"""Writes the section on discount levels: how buying responds, and what each user should get."""

import numpy as np

from tfrec.pages.blocks import Figure, Section, Table
from tfrec.pages.charts import line_chart
from tfrec.promotions.discount_findings import DiscountFindings
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def discounts_section(findings: Findings, say: Language) -> Section:
    """Returns how the chance to buy responds to discounts, and which level pays for whom."""
    title, discounts = say("discounts.personal_discounts_how_much_take"), findings.discounts
    if isinstance(discounts, Absent):
        if not discounts.reason:
            none = say("discounts.shop_has_no_test_discounts")
        else:
            none = say("discounts.discount_levels_cannot_chosen", reason=discounts.reason)
        return Section("discounts", title, (none,), is_absent=True)
    slope, currency = discounts.response.average_slope, findings.manifest.currency
    sentence = say(
        "discounts.ten_points_more_discount_bring",
        value=slope.value * 100,
        low=slope.low * 100,
        high=slope.high * 100,
        n=slope.n,
    )
    over_none, over_best = discounts.worth.gain_over_nothing, discounts.worth.gain
    earned = say(
        "discounts.level_expected_pay_best_each",
        value=over_none.value,
        currency=currency,
        low=over_none.low,
        high=over_none.high,
        n=over_none.n,
        more=over_best.value,
        arm=discounts.worth.best_arm,
        more_low=over_best.low,
        more_high=over_best.high,
    )
    verdict = say("discounts.verdict_stands_elsewhere", section=say("promotions.promotions_whom_send_coupon"))
    footnote = say(
        "discounts.chance_buy_penalised_logistic_regression",
        n=slope.n,
        order=discounts.order_value,
        currency=currency,
        margin=discounts.margin,
        top=discounts.response.span[1],
    )
    return Section(
        "discounts",
        title,
        (sentence, earned, verdict),
        (_response(discounts, say),),
        (_levels(discounts, currency, say),),
        (footnote,),
    )


def _response(discounts: DiscountFindings, say: Language) -> Figure:
    names = {
        "little": say("discounts.expected_respond_little"),
        "medium": say.name("medium"),
        "much": say("discounts.expected_respond_much"),
    }
    table, order = discounts.groups, ("much", "medium", "little")
    levels = np.unique(table["discount"])
    levels_of = {group: table[table["group"] == group].sort_values("discount") for group in order}
    svg = line_chart(
        levels,
        [(names[group], list(levels_of[group]["rate"])) for group in order],
        bands=[(list(levels_of[group]["low"]), list(levels_of[group]["high"])) for group in order],
        label=say("discounts.share_bought"),
        x_label=say("discounts.discount"),
        form="{:.0%}",
        x_form="{:.0%}",
    )
    caption = say(
        "discounts.what_users_really_did_thirds",
        n=int(table["n"].sum()),
        least=int(table["n"].min()),
    )
    return Figure(svg, caption, say("discounts.do_those_respond_who_should"))


def _levels(discounts: DiscountFindings, currency: str, say: Language) -> Table:
    choice = discounts.choice
    rows = tuple(
        (
            f"{level:.0%}",
            f"{count:,}",
            f"{count / len(choice.chosen):.0%}",
            f"{choice.profit[choice.chosen == at, at].mean():,.2f}" if count else "–",
            f"{choice.profit[choice.chosen == at, 0].mean():,.2f}" if count else "–",
        )
        for at, (level, count) in enumerate(zip(choice.levels, choice.users, strict=True))
    )
    heads = (
        say("discounts.discount"),
        say("heads.users"),
        say("heads.share_all"),
        say("heads.expected_profit_user"),
        say("discounts.without_discount"),
    )
    caption = say(
        "discounts.users_level_highest_expected_profit",
        n=len(choice.chosen),
        currency=currency,
    )
    return Table(heads, rows, caption)
