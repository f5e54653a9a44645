"""Writes the section on the coupon test: whom to send an offer, and how certain that is."""

import numpy as np

from tfrec.report.blocks import Absent, Figure, Section, Table, with_interval
from tfrec.report.charts import line_chart
from tfrec.report.coupon_trial import CouponFindings
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def promotions_section(findings: Findings, say: Language) -> Section:
    """Returns what coupons cause, whom to treat, and what a budget brings."""
    title, coupons = say("Promotions: whom to send a coupon"), findings.coupons
    if isinstance(coupons, Absent):
        if not coupons.reason:
            none = say("This shop has no coupon test (extra table coupon_test), so uplift cannot be estimated.")
        else:
            none = say("The coupon test cannot be read: {reason}", reason=coupons.reason)
        return Section("promotions", title, (none,), is_absent=True)
    chosen = coupons.budgets.iloc[coupons.chosen]
    money = findings.manifest.currency if coupons.cost_kind == "discount" else say("coupons")
    aim = say.name(coupons.aim)
    verdict = say("The offers look randomly assigned, so the differences are caused by them.")
    if not coupons.balance.is_credible:
        verdict = say("Warning: the offers do not look randomly assigned; do not rely on this section.")
    gain = say(
        "With a budget of {budget:,.0f} {money} send offers to {treated:,} of {n:,} users: on the test's own outcomes "
        "that brings {gain:+,.0f} of {aim} (95 % interval {low:+,.0f} to {high:+,.0f}).",
        budget=chosen["budget"],
        money=money,
        treated=int(chosen["treated"]),
        n=coupons.allocation.n,
        gain=chosen["gain"],
        aim=aim,
        low=chosen["low"],
        high=chosen["high"],
    )
    doubt = []
    if chosen["low"] <= 0:
        doubt = [say("That is not clear of zero: test more users before spending much on it.")]
    left = ", ".join(f"{name}: {share:.0%}" for name, share in coupons.not_helped.items())
    alone = say("Leave alone those whom an offer does not help ({left}): they are never sent one.", left=left)
    figures = [_curve(coupons, offer, say) for offer in coupons.curves]
    figures += [_calibration(coupons, offer, say) for offer in coupons.calibrations]
    figures.append(_budgets(coupons, money, aim, say))
    tables = [_effects(coupons, say), _profile(coupons, say), _allocations(coupons, money, aim, say)]
    worth = coupons.worth
    footnotes = [
        say(
            "Choosing an offer for each user brings {value:+.3g} {aim} a user over sending none (95 % interval "
            "{low:+.3g} to {high:+.3g}, n = {n:,}).",
            value=worth.gain_over_nothing.value,
            aim=aim,
            low=worth.gain_over_nothing.low,
            high=worth.gain_over_nothing.high,
            n=worth.gain_over_nothing.n,
        ),
        *(
            say(
                "{offer}: observed on predicted effect has slope {slope:.2f} (95 % interval {low:.2f} to {high:.2f}; 1 "
                "= right, 0 = no difference between users, n = {n:,}).",
                offer=offer,
                slope=one.slope.value,
                low=one.slope.low,
                high=one.slope.high,
                n=one.slope.n,
            )
            for offer, one in coupons.calibrations.items()
        ),
        say("Users are scored by models that never saw them; effects are doubly robust."),
    ]
    return Section("promotions", title, (verdict, gain, *doubt, alone), tuple(figures), tuple(tables), tuple(footnotes))


def _curve(found: CouponFindings, offer: str, say: Language) -> Figure:
    curve = found.curves[offer]
    share = np.append(0.0, curve.fractions)
    svg = line_chart(
        share,
        [(say("best first"), np.append(0.0, curve.gains))],
        bands=[(np.append(0.0, curve.low), np.append(0.0, curve.high))],
        chance=list(share * curve.gains[-1]),
        chance_name=say("at random"),
        label=say("{aim} gained per user", aim=say.name(found.aim)),
        x_label=say("share of users treated"),
        from_zero=False,
        form="{:.2f}",
        x_form="{:.0%}",
    )
    caption = say(
        "Uplift curve: users of highest predicted effect are treated first. Band: 95 % interval, n = {n:,}; Qini "
        "{qini:.3g} ({low:.3g} to {high:.3g}).",
        n=curve.n,
        qini=curve.qini.value,
        low=curve.qini.low,
        high=curve.qini.high,
    )
    return Figure(svg, caption, offer)


def _calibration(found: CouponFindings, offer: str, say: Language) -> Figure:
    table = found.calibrations[offer].table
    svg = line_chart(
        np.arange(1, len(table) + 1),
        [(say("observed"), list(table["observed"])), (say("predicted"), list(table["predicted"]))],
        bands=[(list(table["low"]), list(table["high"])), None],
        label=say("{aim} gained per user", aim=say.name(found.aim)),
        x_label=say("tenths of the users, lowest prediction first"),
        from_zero=False,
        form="{:.2f}",
        x_form="{:.0f}",
    )
    caption = say(
        "Predicted and observed effect by tenth, n = {n:,} ({each:,} in each). Band: 95 % interval of the observed.",
        n=int(table["n"].sum()),
        each=int(table["n"].median()),
    )
    return Figure(svg, caption, say("{offer}: does the prediction hold?", offer=offer))


def _budgets(found: CouponFindings, money: str, aim: str, say: Language) -> Figure:
    table = found.budgets
    svg = line_chart(
        table["budget"].to_numpy(),
        [(say("gain on the test"), list(table["gain"])), (say("expected by the model"), list(table["expected"]))],
        bands=[(list(table["low"]), list(table["high"])), None],
        label=say("{aim} gained in all", aim=aim),
        x_label=say("budget, {money}", money=money),
        from_zero=False,
        x_form="{:,.0f}",
    )
    caption = say(
        "Band: 95 % interval, n = {n:,}. Budgets count what coupons cost on average; tfrec campaign plan keeps one "
        "whatever users do, and then spends little of it unless the coupons are capped (--face-value) or the budget "
        "counts their average (--budget-in expected-cost).",
        n=found.allocation.n,
    )
    return Figure(svg, caption, say("What a budget brings"))


def _effects(found: CouponFindings, say: Language) -> Table:
    heads = (say("Offer"), say("Outcome"), say("Without"), say("Effect"), "n")
    rows = tuple(
        (
            row.offer,
            say.name(row.outcome),
            f"{row.control:.3g}",
            with_interval(row.effect, row.low, row.high, "{:+.3g}"),
            f"{row.n:,}",
        )
        for row in found.effects.itertuples()
    )
    return Table(heads, rows, say("Average effect of each offer on everybody, per user; intervals 95 %."))


def _profile(found: CouponFindings, say: Language) -> Table:
    heads = (say("Attribute"), say("With offer"), say("Others"), say("Difference"))
    rows = tuple(
        (row.attribute, f"{row.treated:,.2f}", f"{row.others:,.2f}", f"{row.difference:+.2f}")
        for row in found.profile.itertuples()
    )
    caption = say(
        "Who gets an offer under that budget ({n:,} of {all:,} users): means, and their difference in standard "
        "deviations.",
        n=found.allocation.num_treated,
        all=found.allocation.n,
    )
    return Table(heads, rows, caption)


def _allocations(found: CouponFindings, money: str, aim: str, say: Language) -> Table:
    heads = (say("Budget"), say("Users with an offer"), say("Expected {aim}", aim=aim), say("Gain on the test"))
    rows = tuple(
        (
            f"{row.budget:,.0f}",
            f"{row.treated:,}",
            f"{row.expected:,.0f}",
            with_interval(row.gain, row.low, row.high, "{:+,.0f}"),
        )
        for row in found.budgets.itertuples()
    )
    return Table(
        heads, rows, say("Budget in {money}; n = {n:,} users; intervals 95 %.", money=money, n=found.allocation.n)
    )
