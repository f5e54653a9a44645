"""Writes what `tfrec campaign` prints: plans, their results and rehearsals."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfrec.promotions.campaign import HELD_OUT, LEFT_ALONE, TREATED, CampaignPlan, CampaignResult
from tfrec.promotions.spending import Spending
from tfrec.promotions.tested_plan import FACE_VALUE, OFFERS, TestedPlan
from tfrec.promotions.trial import Balance
from tfrec.report.terminal.experiments import estimate_text, sample_ratio_text
from tfrec.report.words import Language
from tfrec.schema.text_columns import text_table
from tfrec.statistics.two_samples import Comparison

_MONEY = ("revenue", "margin", "discount", "profit")


def plan_text(tested: TestedPlan, say: Language, *, folder: str, has_send_list: bool, following: str) -> str:
    """Returns a plan: what is expected, each offer, and what would reach more users.

    Args:
        tested: the plan beside its test.
        say: language.
        folder: where the plan was written.
        has_send_list: whether the mailer's file was written too.
        following: the command that reads the campaign afterwards.
    """
    rows = [
        [
            row.offer,
            f"{row.users:,.0f}",
            f"{row.held_out:,.0f}",
            f"{row.cost:,.2f}",
            f"{row.gain:,.2f}",
            f"{row.profit:,.2f}",
        ]
        for row in tested.by_offer().itertuples()
    ]
    counted = {
        "face value": say("campaigns.cost_worst"),
        "expected cost": say("campaigns.cost_model"),
        "offers": say("campaigns.offers"),
    }[tested.cost_kind]
    heads = [
        say("heads.offer"),
        say("heads.users"),
        say("campaigns.held_out"),
        counted,
        say("campaigns.gain_model"),
        say("campaigns.profit_model"),
    ]
    lines = [plan_summary(tested, say), "", text_table(heads, rows)]
    lines.append(say("campaigns.profit_above_rests_what_test"))
    advice = advice_lines(tested, say)
    if advice:
        lines += ["", *advice]
    lines += ["", say("campaigns.attributes_used", attributes=", ".join(tested.attributes))]
    files = f"{folder}/{{plan.csv,plan.json{',send.csv' if has_send_list else ''}}}"
    lines.append(say("campaigns.plan", path=files))
    if not has_send_list:
        lines.append(say("campaigns.no_send_csv_name_mailer"))
    return "\n".join([*lines, say("heads.afterwards", command=following)])


def result_text(result: CampaignResult, say: Language) -> str:
    """Returns what a campaign caused: verdict, comparisons, and expected profit against what came."""
    rows = [_comparison_row(say.name(name), one, name in _MONEY, say) for name, one in result.comparisons.items()]
    rows += [
        _comparison_row(say("campaigns.profit", offer=offer), one, True, say) for offer, one in result.by_offer.items()
    ]
    interval = say("heads.interval", share=0.95)
    heads = [
        say("campaigns.per_user"),
        say("campaigns.held_out"),
        say("campaigns.treated"),
        say("heads.difference"),
        interval,
        say("heads.users"),
    ]
    lines = [result_summary(result, say), "", text_table(heads, rows)]
    if len(result.calibration):
        rows = [
            [f"{row.predicted:,.2f}", f"{row.observed:+,.2f}", _span(row.low, row.high, say), f"{row.n:,}"]
            for row in result.calibration.itertuples()
        ]
        lines += [
            "",
            text_table(
                [say("heads.expected_profit_user"), say("campaigns.caused"), interval, say("heads.users")], rows
            ),
        ]
    return "\n".join([*lines, "", _groups_text(result, say)])


def rehearsal_text(
    name: str, say: Language, *, orders: int, opened: int, profit: float, spent: float, files: str, following: str
) -> str:
    """Returns what a rehearsed campaign drew, and the command that reads it."""
    drawn = say(
        "campaigns.orders_two_weeks_mails_opened",
        name=name,
        orders=orders,
        opened=opened,
        profit=profit,
        spent=spent,
    )
    return "\n".join([drawn, say("campaigns.log", path=files), say("campaigns.read", command=following)])


def balance_text(balance: Balance, say: Language) -> str:
    """Returns whether offers look randomly assigned."""
    worst = balance.table.iloc[0]
    verdict = (
        say("campaigns.offers_look_randomly_assigned")
        if balance.is_credible
        else say("campaigns.offers_do_look_randomly_assigned")
    )
    return say(
        "campaigns.most_uneven_attribute_standard_deviations",
        verdict=verdict,
        attribute=worst.feature,
        arm=worst.arm,
        difference=worst.difference,
        chance=balance.expected_largest,
        sizes=sample_ratio_text(balance.sample_ratio, say),
    )


def plan_summary(tested: TestedPlan, say: Language) -> str:
    """Returns what a plan promises, what must hold for it, and what to beware of."""
    lines = [_promise(tested.plan, say), *_terms(tested, say)]
    lines.append(
        say(
            "campaigns.users_would_put_off_offers",
            n=tested.sleeping,
        )
    )
    lines += [
        say(
            "campaigns.made_test_does_show_earns",
            offer=offer,
        )
        for offer in tested.unproven
    ]
    lines += [say("campaigns.made_too_few_users_would", offer=offer) for offer in tested.dropped]
    if not tested.balance.is_credible:
        lines.append(say("campaigns.beware", reason=balance_text(tested.balance, say)))
    if not tested.shows_differences:
        lines.append(say("campaigns.test_does_show_some_users"))
    return "\n".join(lines)


def _promise(plan: CampaignPlan, say: Language) -> str:
    counts, profit = plan.users, plan.expected_profit
    interval = say("campaigns.no_trial_given_so_no")
    if np.isfinite(profit.low):
        interval = say(
            "campaigns.interval_n_users_trial",
            level=profit.level * 100,
            low=profit.low,
            high=profit.high,
            n=profit.n,
        )
    return say(
        "campaigns.users_get_offer_under_budget",
        name=plan.name,
        treated=counts[TREATED],
        budget=plan.budget,
        held=counts[HELD_OUT],
        alone=counts[LEFT_ALONE],
        profit=profit.value,
        interval=interval,
    )


def _terms(tested: TestedPlan, say: Language) -> list[str]:
    """Returns what must hold for the budget to be kept, and what may be spent."""
    if tested.cost_kind == OFFERS:
        return [say("campaigns.budget_counts_offers")]
    lines, faces = [], tested.plan.face_values
    capped = [offer for offer in tested.made if offer in faces]
    if capped:
        caps = say.listed(f"{offer} {faces[offer]:,.2f}" for offer in capped)
        lines.append(say("campaigns.print_each_offer_counts_once", caps=caps))
    if tested.cost_kind == FACE_VALUE:
        lines.append(say("campaigns.budget_counts_most_each_offer"))
    else:
        lines.append(
            say(
                "campaigns.budget_counts_what_offers_cost",
                budget=tested.plan.budget,
                risk=tested.spending.risk,
            )
        )
    return [*lines, _spending_text(tested.spending, say)]


def _spending_text(spending: Spending, say: Language) -> str:
    if not spending.is_known:
        return say(
            "campaigns.worst_if_every_offer_used_full",
            worst=spending.worst,
        )
    expected = spending.expected
    return say(
        "campaigns.worst_if_every_offer_used",
        worst=spending.worst,
        value=expected.value,
        level=expected.level * 100,
        low=expected.low,
        high=expected.high,
        n=expected.n,
        certainty=1 - spending.risk,
        ceiling=spending.ceiling,
    )


def advice_lines(tested: TestedPlan, say: Language) -> Sequence[str]:
    """Returns why so little of the budget is spent, where it is little, and what reaches more users."""
    spending, budget, limit = tested.spending, tested.plan.budget, tested.limit
    if limit == "":
        return ()
    if limit == "users":
        return (say("campaigns.everybody_whom_offer_pays_has"),)
    if limit == "risk":
        sentence = say(
            "campaigns.budget_expected_spent_so_most",
            share=spending.expected.value / budget,
            risk=spending.risk,
        )
        return (sentence,)
    lines = [
        say(
            "campaigns.only_budget_expected_spent_hardly",
            share=spending.expected.value / budget,
            most=spending.ceiling / budget,
        )
    ]
    lines += [
        say(
            "campaigns.set_aside_test_users_used",
            offer=offer,
            most=tested.plan.face_values.get(offer, 0.0),
            share=tested.uses[offer].share,
            n=tested.uses[offer].n,
            mean=tested.uses[offer].mean,
        )
        for offer in tested.made
    ]
    if tested.lower_caps:
        lines.append(say("campaigns.what_they_take_off_differs"))
    lines.append(say("campaigns.reach_more_users"))
    if tested.lower_caps:
        lines.append(
            say(
                "campaigns.lower_caps_print_them_offers",
                caps=",".join(f"{offer}={cap:.2f}" for offer, cap in tested.lower_caps.items()),
            )
        )
    lines.append(
        say(
            "campaigns.let_budget_count_average_budget",
            risk=spending.risk,
        )
    )
    return lines


def result_summary(result: CampaignResult, say: Language) -> str:
    """Returns the verdict on a campaign with its reasons."""
    if result.verdict == "invalid":
        return say("campaigns.invalid", name=result.name, reason=_groups_text(result, say))
    verdicts = {
        "paid": say("campaigns.paid"),
        "lost money": say("campaigns.lost_money"),
        "not shown": say("campaigns.neither_profit_nor_loss_shown"),
    }
    conversion = result.comparisons["conversion"]
    sentence = say(
        "campaigns.profit_caused_expected_conversion_held",
        name=result.name,
        verdict=verdicts[result.verdict],
        caused=estimate_text(result.total_profit, say),
        promised=result.promised.value,
        held=conversion.control.value,
        treated=conversion.treatment.value,
        reached=result.reached,
    )
    if not result.contaminated:
        return sentence
    return say.sentences(sentence, say("campaigns.held_out_users_saw_offer", n=result.contaminated))


def _groups_text(result: CampaignResult, say: Language) -> str:
    ratio = result.sample_ratio
    counts = {say.name(status): count for status, count in ratio.counts.items()}
    expected = {say.name(status): count for status, count in ratio.expected.items()}
    return sample_ratio_text(dataclasses.replace(ratio, counts=counts, expected=expected), say)


def _comparison_row(name: str, comparison: Comparison, is_money: bool, say: Language) -> list[str]:
    scale, unit = (1.0, "") if is_money else (100.0, " %")
    difference = comparison.difference.scaled(scale)
    return [
        name,
        f"{comparison.control.value * scale:,.2f}{unit}",
        f"{comparison.treatment.value * scale:,.2f}{unit}",
        f"{difference.value:+,.2f}",
        _span(difference.low, difference.high, say),
        f"{difference.n:,}",
    ]


def _span(low: float, high: float, say: Language) -> str:
    return say("campaigns.span", low=low, high=high)
