"""Writes the section on discount levels: how buying responds, and what each user should get."""

import numpy as np

from tfrec.report.blocks import Absent, Figure, Section, Table
from tfrec.report.charts import line_chart
from tfrec.report.discounts import DiscountFindings
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def discounts_section(findings: Findings, say: Language) -> Section:
    """Returns how the chance to buy responds to discounts, and which level pays for whom."""
    title, discounts = say("Personal discounts: how much to take off"), findings.discounts
    if isinstance(discounts, Absent):
        if not discounts.reason:
            none = say("This shop has no test of discounts (extra table coupon_test), so levels cannot be chosen.")
        else:
            none = say("Discount levels cannot be chosen: {reason}", reason=discounts.reason)
        return Section("discounts", title, (none,), is_absent=True)
    slope, currency = discounts.response.average_slope, findings.manifest.currency
    sentence = say(
        "Ten points more discount bring {value:+.1f} buyers in a hundred users (95 % interval {low:+.1f} to "
        "{high:+.1f}, n = {n:,}).",
        value=slope.value * 100,
        low=slope.low * 100,
        high=slope.high * 100,
        n=slope.n,
    )
    over_none, over_best = discounts.worth.gain_over_nothing, discounts.worth.gain
    earned = say(
        "The level that is expected to pay best for each user, of those tested, earns {value:+,.2f} {currency} of "
        "margin a user over no discount (95 % interval {low:+,.2f} to {high:+,.2f}, n = {n:,}) and {more:+,.2f} over "
        "the best single arm, {arm} ({more_low:+,.2f} to {more_high:+,.2f}).",
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
    if over_best.is_positive:
        advice = say("Personal levels beat one level for all beyond chance: use them.")
    elif over_none.is_positive:
        advice = say("Personal levels pay, but are not shown to beat one level for all: start with that one.")
    else:
        advice = say("No discount is shown to pay for itself here: keep the margin, or test more users.")
    footnote = say(
        "Chance to buy: penalised logistic regression of the test's {n:,} users; a larger discount never lowers it. "
        "Expected profit = chance × order value at full price ({order:,.2f} {currency}) × (margin {margin:.0%} − "
        "discount); levels beyond the largest tested ({top:.0%}) are never proposed.",
        n=slope.n,
        order=discounts.order_value,
        currency=currency,
        margin=discounts.margin,
        top=discounts.response.span[1],
    )
    return Section(
        "discounts", title, (sentence, earned, advice), (_response(discounts, say),),
        (_levels(discounts, currency, say),), (footnote,),
    )  # fmt: skip


def _response(found: DiscountFindings, say: Language) -> Figure:
    names = {
        "little": say("expected to respond little"),
        "medium": say.name("medium"),
        "much": say("expected to respond much"),
    }
    table, order = found.groups, ("much", "medium", "little")
    levels = np.unique(table["discount"])
    levels_of = {group: table[table["group"] == group].sort_values("discount") for group in order}
    svg = line_chart(
        levels,
        [(names[group], list(levels_of[group]["rate"])) for group in order],
        bands=[(list(levels_of[group]["low"]), list(levels_of[group]["high"])) for group in order],
        label=say("share that bought"),
        x_label=say("discount"),
        form="{:.0%}",
        x_form="{:.0%}",
    )
    caption = say(
        "What users really did, in thirds by the response that was expected of them by models that never saw them. "
        "Bands: 95 % intervals, n = {n:,} ({least:,} or more a point).",
        n=int(table["n"].sum()),
        least=int(table["n"].min()),
    )
    return Figure(svg, caption, say("Do those respond who should?"))


def _levels(found: DiscountFindings, currency: str, say: Language) -> Table:
    choice = found.choice
    counts = np.bincount(choice.chosen, minlength=len(choice.levels))
    rows = tuple(
        (
            f"{level:.0%}",
            f"{count:,}",
            f"{count / len(choice.chosen):.0%}",
            f"{choice.profit[choice.chosen == at, at].mean():,.2f}" if count else "–",
            f"{choice.profit[choice.chosen == at, 0].mean():,.2f}" if count else "–",
        )
        for at, (level, count) in enumerate(zip(choice.levels, counts, strict=True))
    )
    heads = (say("Discount"), say("Users"), say("Share of all"), say("Expected profit a user"), say("Without discount"))
    caption = say(
        "Users by the level of highest expected profit, n = {n:,}; profit in {currency} by the model, so without "
        "interval: what such a choice really earned stands above.",
        n=len(choice.chosen),
        currency=currency,
    )
    return Table(heads, rows, caption)
