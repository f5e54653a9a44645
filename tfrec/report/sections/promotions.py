"""Writes the section on the coupon test: its verdict, whom to send an offer, and how certain that is."""

import numpy as np

from tfrec.experiments.read_out import ReadOut
from tfrec.pages.blocks import Figure, Section, Table, with_interval
from tfrec.pages.charts import line_chart
from tfrec.promotions.coupon_findings import CouponFindings
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.sections.coupon_verdict import effects_figure, findings_table, verdict_sentences
from tfrec.report.words import Language


def promotions_section(findings: Findings, say: Language) -> Section:
    """Returns what coupons cause, whom to treat, and what a budget brings."""
    title, coupons, read = say("promotions.promotions_whom_send_coupon"), findings.coupons, _read(findings)
    if isinstance(coupons, Absent):
        if not coupons.reason:
            none = say("promotions.shop_has_no_coupon_test")
        else:
            none = say("promotions.coupon_test_cannot_read", reason=coupons.reason)
        if read is None:
            return Section("promotions", title, (none,), is_absent=True)
        found = (effects_figure(read, say),), (findings_table(read, say),)
        return Section("promotions", title, (*verdict_sentences(read, say), none), *found)
    chosen = coupons.budgets.iloc[coupons.chosen]
    money = findings.manifest.currency if coupons.cost_kind == "discount" else say("promotions.coupons")
    aim = say.name(coupons.aim)
    verdicts = [say("promotions.offers_look_randomly_assigned_so")]
    if not coupons.balance.is_credible or (read is not None and read.sample_ratio.is_alarm):
        verdicts = [say("promotions.warning_offers_do_look_randomly")]
    elif read is not None:
        verdicts += verdict_sentences(read, say)
    gain = say(
        "promotions.budget_send_offers_users_test",
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
        doubt = [say("promotions.clear_zero_test_more_users")]
    left = ", ".join(f"{name}: {share:.0%}" for name, share in coupons.not_helped.items())
    alone = say("promotions.leave_alone_those_whom_offer", left=left)
    figures = [] if read is None else [effects_figure(read, say)]
    proofs = [_curve(coupons, offer, say) for offer in coupons.curves]
    proofs += [_calibration(coupons, offer, say) for offer in coupons.calibrations]
    figures.append(_budgets(coupons, money, aim, say))
    tables = [] if read is None else [findings_table(read, say)]
    tables += [_profile(coupons, say), _allocations(coupons, money, aim, say)]
    worth = coupons.worth
    footnotes = [
        say(
            "promotions.choosing_offer_each_user_brings",
            value=worth.gain_over_nothing.value,
            aim=aim,
            low=worth.gain_over_nothing.low,
            high=worth.gain_over_nothing.high,
            n=worth.gain_over_nothing.n,
        ),
        *(
            say(
                "promotions.observed_predicted_effect_has_slope",
                offer=offer,
                slope=one.slope.value,
                low=one.slope.low,
                high=one.slope.high,
                n=one.slope.n,
            )
            for offer, one in coupons.calibrations.items()
        ),
        say("promotions.users_scored_models_never_saw"),
    ]
    if read is not None:
        footnotes.append(say("experiments.metric_decides_corrected_one_error"))
    return Section(
        "promotions",
        title,
        (*verdicts, gain, *doubt, alone),
        tuple(figures),
        tuple(tables),
        tuple(footnotes),
        proof_figures=tuple(proofs),
    )


def _read(findings: Findings) -> ReadOut | None:
    return None if isinstance(findings.coupon_read, Absent) else findings.coupon_read


def _curve(found: CouponFindings, offer: str, say: Language) -> Figure:
    curve = found.curves[offer]
    share = np.append(0.0, curve.fractions)
    svg = line_chart(
        share,
        [(say("promotions.best_first"), np.append(0.0, curve.gains))],
        bands=[(np.append(0.0, curve.low), np.append(0.0, curve.high))],
        chance=list(share * curve.gains[-1]),
        chance_name=say("promotions.random"),
        label=say("promotions.gained_per_user", aim=say.name(found.aim)),
        x_label=say("promotions.share_users_treated"),
        from_zero=False,
        form="{:.2f}",
        x_form="{:.0%}",
    )
    caption = say(
        "promotions.uplift_curve_users_highest_predicted",
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
        [
            (say("promotions.observed"), list(table["observed"])),
            (say("promotions.predicted"), list(table["predicted"])),
        ],
        bands=[(list(table["low"]), list(table["high"])), None],
        label=say("promotions.gained_per_user", aim=say.name(found.aim)),
        x_label=say("promotions.tenths_users_lowest_prediction_first"),
        from_zero=False,
        form="{:.2f}",
        x_form="{:.0f}",
    )
    caption = say(
        "promotions.predicted_observed_effect_tenth_n",
        n=int(table["n"].sum()),
        each=int(table["n"].median()),
    )
    return Figure(svg, caption, say("promotions.does_prediction_hold", offer=offer))


def _budgets(found: CouponFindings, money: str, aim: str, say: Language) -> Figure:
    table = found.budgets
    svg = line_chart(
        table["budget"].to_numpy(),
        [
            (say("promotions.gain_test"), list(table["gain"])),
            (say("promotions.expected_model"), list(table["expected"])),
        ],
        bands=[(list(table["low"]), list(table["high"])), None],
        label=say("promotions.gained_all", aim=aim),
        x_label=say("promotions.budget_2", money=money),
        from_zero=False,
        x_form="{:,.0f}",
    )
    qini = found.by_budget.qini
    caption = say.sentences(
        say("promotions.band_95_interval_n_budgets", n=found.allocation.n),
        say("promotions.multi_armed_qini", qini=qini.value, low=qini.low, high=qini.high, aim=aim),
    )
    return Figure(svg, caption, say("promotions.what_budget_brings"))


def _profile(found: CouponFindings, say: Language) -> Table:
    heads = (say("promotions.attribute"), say("promotions.offer"), say("promotions.others"), say("heads.difference"))
    rows = tuple(
        (row.attribute, f"{row.treated:,.2f}", f"{row.others:,.2f}", f"{row.difference:+.2f}")
        for row in found.profile.itertuples()
    )
    caption = say(
        "promotions.who_gets_offer_under_budget",
        n=found.allocation.num_treated,
        all=found.allocation.n,
    )
    return Table(heads, rows, caption)


def _allocations(found: CouponFindings, money: str, aim: str, say: Language) -> Table:
    heads = (
        say("promotions.budget"),
        say("promotions.users_offer"),
        say("promotions.expected", aim=aim),
        say("promotions.gain_test"),
    )
    rows = tuple(
        (
            f"{row.budget:,.0f}",
            f"{row.treated:,}",
            f"{row.expected:,.0f}",
            with_interval(row.gain, row.low, row.high, "{:+,.0f}"),
        )
        for row in found.budgets.itertuples()
    )
    return Table(heads, rows, say("promotions.budget_n_users_intervals_95", money=money, n=found.allocation.n))
