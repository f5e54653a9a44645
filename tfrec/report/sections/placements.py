"""Writes the section on logged impressions: what other rules, and a bandit, would have earned."""

import numpy as np

from tfrec.experiments.off_policy import PolicyValue
from tfrec.experiments.policies import JudgedPolicy, PolicyStudy
from tfrec.pages.blocks import Figure, Section, Table, with_interval
from tfrec.pages.charts import bar_chart, line_chart
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_RULES = {
    "uniform": "policies.any_items_drawn_alike",
    "popular": "policies.items_their_click_rate",
    "personal": "policies.items_what_such_visitor_clicks",
}


def placements_section(findings: Findings, say: Language) -> Section:
    """Returns what other rules for the start page would have earned."""
    title, placements = say("policies.start_page_what_else_could"), findings.placements
    if isinstance(placements, Absent):
        if not placements.reason:
            none = say("policies.shop_logs_no_impressions_propensities")
        else:
            none = say("policies.impressions_cannot_judged", reason=placements.reason)
        return Section("placements", title, (none,), is_absent=True)
    study = placements.study
    best = max(study.policies, key=lambda policy: policy.best.value.value)
    value = best.best
    sentence = say(
        "policies.showing_would_get_clicks_visit",
        rule=say(_RULES[best.name]),
        value=value.value.value,
        low=value.value.low,
        high=value.value.high,
        logged=value.logged.value,
        n=study.num_slates,
    )
    if value.gain.is_positive and value.is_trustworthy:
        advice = say("policies.better_log_beyond_chance_try")
    else:
        advice = say("policies.clearly_better_log_gather_more")
    tables = [_values(study, say), _bandits(study, say)]
    items = tuple(
        (findings.title_of(row.item_id), with_interval(row.rate, row.low, row.high, "{:.3f}"), f"{row.n:,}")
        for row in placements.items.head(10).itertuples()
    )
    tables.append(
        Table(
            (say("heads.item"), say("policies.click_rate"), say("policies.visits")),
            items,
            say("policies.click_rate_first_place_had"),
        )
    )
    footnotes = (
        say(
            "policies.known_visitor_rule_predictions_never",
            known=", ".join(study.known) or "–",
        ),
        say("policies.ips_snips_weight_propensities_dr"),
    )
    return Section(
        "placements", title, (sentence, advice), (_rules(study, say), _curves(study, say)), tuple(tables), footnotes
    )


def _rules(study: PolicyStudy, say: Language) -> Figure:
    read = [policy.best for policy in study.policies]
    values = [read[0].logged, *(estimate.value for estimate in read)]
    svg = bar_chart(
        [say("policies.logged"), *(say(_RULES[policy.name]) for policy in study.policies)],
        [estimate.value for estimate in values],
        lows=[estimate.low for estimate in values],
        highs=[estimate.high for estimate in values],
        label=say("policies.clicks_visit"),
        form="{:.3f}",
        strong=[False, *(True for _ in read)],
    )
    caption = say(
        "policies.narrowest_estimate_enough_overlap_n",
        names=", ".join(dict.fromkeys(estimate.estimator for estimate in read)),
        n=study.num_slates,
    )
    return Figure(svg, caption, say("policies.rules_compared"))


def _curves(study: PolicyStudy, say: Language) -> Figure:
    runs = study.bandits
    length = max(len(run.curve) for run in runs.values())
    share = np.linspace(1 / length, 1, length)
    logged = next(iter(runs.values())).logged.value
    svg = line_chart(
        share,
        [(say.name(name), list(run.curve)) for name, run in runs.items()],
        chance=[logged] * length,
        chance_name=say("policies.logged"),
        label=say("policies.clicks_matched_visit_so_far"),
        x_label=say("policies.share_log_replayed"),
        form="{:.2f}",
        x_form="{:.0%}",
    )
    caption = say(
        "policies.bandits_learn_while_they_choose",
        n=min(run.accepted for run in runs.values()),
        all=study.num_slates,
    )
    return Figure(svg, caption, say("policies.bandits_replayed"))


def _values(study: PolicyStudy, say: Language) -> Table:
    rows = tuple(
        (
            f"{say(_RULES[policy.name])}: {value.estimator}",
            say("policies.whole_page") if value in policy.slate else say("policies.first_place"),
            with_interval(value.value.value, value.value.low, value.value.high, "{:.3f}"),
            with_interval(value.gain.value, value.gain.low, value.gain.high, "{:+.3f}"),
            "–" if _is_model(value) else f"{value.effective_n:,.0f}",
            _trust(value, say),
        )
        for policy in study.policies
        for value in _shown(policy)
    )
    heads = (
        say("policies.rule_estimator"),
        say("policies.of_the"),
        say("policies.clicks_visit"),
        say("heads.gain"),
        say("policies.effective_n"),
        say("policies.trustworthy"),
    )
    return Table(heads, rows, say("policies.n_visits_intervals_95_all", n=study.num_slates))


def _bandits(study: PolicyStudy, say: Language) -> Table:
    rows = tuple(
        (
            say.name(name),
            with_interval(run.reward.value, run.reward.low, run.reward.high, "{:.3f}"),
            with_interval(run.gain.value, run.gain.low, run.gain.high, "{:+.3f}"),
            with_interval(run.best_arm_reward.value, run.best_arm_reward.low, run.best_arm_reward.high, "{:.3f}"),
            f"{run.accepted:,}",
        )
        for name, run in study.bandits.items()
    )
    heads = (
        say("policies.bandit"),
        say("policies.clicks_visit"),
        say("heads.gain"),
        say("policies.best_single_item"),
        say("policies.matched_visits"),
    )
    return Table(heads, rows, say("policies.bandits_over_first_place_replayed"))


def _shown(policy: JudgedPolicy) -> tuple[PolicyValue, ...]:
    """Returns the main estimate, the one without assumptions, and that of the first place by DR."""
    values = (policy.best, *policy.slate[:1], *(estimate for estimate in policy.first if estimate.estimator == "DR"))
    return tuple(dict.fromkeys(values))


def _is_model(value: PolicyValue) -> bool:
    return bool(np.isnan(value.value.low))


def _trust(value: PolicyValue, say: Language) -> str:
    if _is_model(value):
        return say("policies.model")
    return say("policies.yes") if value.is_trustworthy else say("policies.no_too_little_overlap_log")
