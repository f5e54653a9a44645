"""Writes what `tfrec campaign` prints: plans, their results and rehearsals."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfrec.experiments.read_out import FEWEST
from tfrec.promotions.campaign import HELD_OUT, LEFT_ALONE, TREATED, CampaignPlan
from tfrec.promotions.campaign_results import CampaignResult, is_large_enough
from tfrec.promotions.spending import Spending
from tfrec.promotions.tested_plan import FACE_VALUE, OFFERS, TestedPlan
from tfrec.promotions.trial import Balance
from tfrec.report.amounts import money
from tfrec.report.terminal.experiments import sample_ratio_text
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
            f"{row.expected:,.2f}" if np.isfinite(row.expected) else "–",
            _span(row.low, row.high, say) if row.users else "–",
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
        say("campaigns.expected_profit"),
        say("heads.interval", share=tested.plan.expected_profit.level),
    ]
    lines = [plan_summary(tested, say), "", text_table(heads, rows)]
    lines.append(say("campaigns.profit_rests_what_test_users_did"))
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
    lines = [result_summary(result, say), "", text_table(heads, rows), say("campaigns.levels_raw_differences_adjusted")]
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
    else:
        lines.append(say("campaigns.too_few_held_out_compare_parts", fewest=FEWEST))
    return "\n".join([*lines, "", _groups_text(result, say)])


def rehearsal_text(
    name: str,
    say: Language,
    *,
    orders: int,
    opened: int,
    profit: float,
    spent: float,
    currency: str,
    files: str,
    following: str,
) -> str:
    """Returns what a rehearsed campaign drew, and the command that reads it."""
    drawn = say(
        "campaigns.orders_two_weeks_mails_opened",
        name=name,
        orders=orders,
        opened=opened,
        profit=money(profit, currency),
        spent=money(spent, currency),
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
    """Returns whether to send, what a plan promises, what must hold for it, and what to beware of."""
    lines = [*_warning(tested, say), _promise(tested.plan, say), *power_lines(tested, say), *_terms(tested, say)]
    lines.append(
        say(
            "campaigns.left_alone_put_off_too_dear",
            put_off=tested.put_off,
            too_dear=tested.too_dear,
            after=tested.come_after,
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


def _warning(tested: TestedPlan, say: Language) -> list[str]:
    """Returns that a plan should not be sent, where the test does not show that it pays."""
    if tested.promise == "pays":
        return []
    profit = money(tested.plan.expected_profit.value, tested.plan.currency)
    if tested.promise == "loses":
        return [say("campaigns.do_not_send_loses", profit=profit)]
    return [say("campaigns.do_not_send_not_shown", profit=profit)]


def _promise(plan: CampaignPlan, say: Language) -> str:
    counts, profit = plan.users, plan.expected_profit
    interval = say("campaigns.no_trial_given_so_no")
    if np.isfinite(profit.low):
        interval = say(
            "campaigns.interval_n_users_trial",
            level=profit.level * 100,
            low=money(profit.low),
            high=money(profit.high),
            n=profit.n,
        )
    return say(
        "campaigns.users_get_offer_under_budget",
        name=plan.name,
        treated=counts[TREATED],
        budget=money(plan.budget, plan.currency),
        held=counts[HELD_OUT],
        alone=counts[LEFT_ALONE],
        profit=money(profit.value, plan.currency),
        interval=interval,
    )


def power_lines(tested: TestedPlan, say: Language) -> list[str]:
    """Returns which profit the hold-out can show, and what would show the wanted one where it cannot."""
    power, currency = tested.power, tested.plan.currency
    if not power.is_large_enough:
        lines = [say("campaigns.holdout_too_small_verdict", held=power.held_out, fewest=FEWEST)]
    else:
        lines = [
            say(
                "campaigns.holdout_shows_profit_user",
                held=power.held_out,
                share=power.held_out / (power.held_out + power.treated),
                user=money(power.per_user, currency),
                total=money(power.total, currency),
                power=power.power,
                error=1 - power.level,
            )
        ]
    if not power.wanted > 0:
        return lines
    wanted = money(power.wanted, currency)
    if power.shows_wanted:
        return [*lines, say("campaigns.holdout_is_enough", wanted=wanted)]
    ways = []
    if np.isfinite(power.share_needed):
        ways.append(say("campaigns.larger_share_shows", share=power.share_needed))
    if power.users_needed:
        ways.append(say("campaigns.more_users_show", users=power.users_needed, now=power.treated + power.held_out))
    if power.campaigns_needed:
        ways.append(say("campaigns.more_campaigns_show", campaigns=power.campaigns_needed))
    ways = ways or [say("campaigns.larger_campaign_shows")]
    return [*lines, say("campaigns.holdout_is_not_enough", wanted=wanted), *ways]


def _terms(tested: TestedPlan, say: Language) -> list[str]:
    """Returns what must hold for the budget to be kept, and what may be spent."""
    if tested.cost_kind == OFFERS:
        return [say("campaigns.budget_counts_offers")]
    lines, faces = [], tested.plan.face_values
    capped = [offer for offer in tested.made if offer in faces]
    if capped:
        caps = say.listed(f"{offer} {money(faces[offer], tested.plan.currency)}" for offer in capped)
        lines.append(say("campaigns.print_each_offer_counts_once", caps=caps))
    if tested.cost_kind == FACE_VALUE:
        lines.append(say("campaigns.budget_counts_most_each_offer"))
    else:
        lines.append(
            say(
                "campaigns.budget_counts_what_offers_cost",
                budget=money(tested.plan.budget, tested.plan.currency),
                risk=tested.spending.risk,
            )
        )
    return [*lines, _spending_text(tested.spending, tested.plan.currency, say)]


def _spending_text(spending: Spending, currency: str, say: Language) -> str:
    if not spending.is_known:
        return say(
            "campaigns.worst_if_every_offer_used_full",
            worst=money(spending.worst, currency),
        )
    expected = spending.expected
    return say(
        "campaigns.worst_if_every_offer_used",
        worst=money(spending.worst, currency),
        value=money(expected.value, currency),
        level=expected.level * 100,
        low=money(expected.low),
        high=money(expected.high),
        n=expected.n,
        certainty=1 - spending.risk,
        ceiling=money(spending.ceiling, currency),
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
            most=money(tested.plan.face_values.get(offer, 0.0), tested.plan.currency),
            share=tested.uses[offer].share,
            n=tested.uses[offer].n,
            mean=money(tested.uses[offer].mean, tested.plan.currency),
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
        "too small": say("campaigns.too_small", fewest=FEWEST),
    }
    parts = [say("campaigns.verdict", name=result.name, verdict=verdicts[result.verdict])]
    if result.verdict != "too small":
        total = result.total_profit
        parts.append(
            say(
                "campaigns.profit_caused_expected",
                caused=money(total.value, result.currency),
                level=total.level * 100,
                low=money(total.low),
                high=money(total.high),
                n=total.n,
                promised=money(result.promised.value, result.currency),
            )
        )
    conversion = result.comparisons["conversion"]
    parts.append(say("campaigns.conversion", held=conversion.control.value, treated=conversion.treatment.value))
    if np.isfinite(result.reached):
        parts.append(say("campaigns.treated_were_reached", reached=result.reached))
    else:
        parts.append(say("campaigns.reach_not_known"))
    if result.contaminated:
        parts.append(say("campaigns.held_out_users_saw_offer", n=result.contaminated))
    return say.sentences(*parts)


def _groups_text(result: CampaignResult, say: Language) -> str:
    ratio = result.sample_ratio
    counts = {say.name(status): count for status, count in ratio.counts.items()}
    expected = {say.name(status): count for status, count in ratio.expected.items()}
    return sample_ratio_text(dataclasses.replace(ratio, counts=counts, expected=expected), say)


def _comparison_row(name: str, comparison: Comparison, is_money: bool, say: Language) -> list[str]:
    scale, unit = (1.0, "") if is_money else (100.0, " %")
    difference = comparison.difference.scaled(scale)
    levels = [
        f"{side.value * scale:,.2f}{unit}" if side.n else "–" for side in (comparison.control, comparison.treatment)
    ]
    if is_large_enough(comparison):
        found = [f"{difference.value:+,.2f}", _span(difference.low, difference.high, say)]
    else:
        held, treated = comparison.control.n, comparison.treatment.n
        found = ["–", say("campaigns.too_few", held=held, treated=treated)]
    return [name, *levels, *found, f"{difference.n:,}"]


def _span(low: float, high: float, say: Language) -> str:
    return say("campaigns.span", low=low, high=high) if np.isfinite(low) else say("campaigns.too_few_of_test")
