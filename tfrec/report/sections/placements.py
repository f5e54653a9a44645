"""Writes the section on logged impressions: what other rules, and a bandit, would have earned."""

import numpy as np

from tfrec.experiments.off_policy import PolicyValue
from tfrec.experiments.policies import JudgedPolicy, PolicyStudy
from tfrec.report.blocks import Absent, Figure, Section, Table, with_interval
from tfrec.report.charts import bar_chart, line_chart
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_RULES = {
    "uniform": "any items, drawn alike",
    "popular": "items by their click rate",
    "personal": "items by what such a visitor clicks",
}


def placements_section(findings: Findings, say: Language) -> Section:
    """Returns what other rules for the start page would have earned."""
    title, placements = say("Start page: what else could have stood there"), findings.placements
    if isinstance(placements, Absent):
        if not placements.reason:
            none = say(
                "This shop logs no impressions with propensities, so other rules cannot be judged without a test."
            )
        else:
            none = say("The impressions cannot be judged: {reason}", reason=placements.reason)
        return Section("placements", title, (none,), is_absent=True)
    study = placements.study
    best = max(study.policies, key=lambda policy: policy.best.value.value)
    value = best.best
    sentence = say(
        "Showing {rule} would get {value:.3f} clicks a visit (95 % interval {low:.3f} to {high:.3f}), the log had "
        "{logged:.3f} (n = {n:,}).",
        rule=say(_RULES[best.name]),
        value=value.value.value,
        low=value.value.low,
        high=value.value.high,
        logged=value.logged.value,
        n=study.num_slates,
    )
    if value.gain.is_positive and value.is_trustworthy:
        advice = say("That is better than the log beyond chance: try it in an A/B test next.")
    else:
        advice = say("That is not clearly better than the log: gather more impressions before changing the page.")
    tables = [_values(study, say), _bandits(study, say)]
    items = tuple(
        (findings.title_of(row.item_id), with_interval(row.rate, row.low, row.high, "{:.3f}"), f"{row.n:,}")
        for row in placements.items.head(10).itertuples()
    )
    tables.append(
        Table(
            (say("Item"), say("Click rate"), say("Visits")),
            items,
            say("Click rate in the first place had everybody seen the item; intervals 95 %."),
        )
    )
    footnotes = (
        say(
            "Known of a visitor: {known}. A rule's predictions never saw the visit they are judged on; places are "
            "drawn one after the other, by the square of the predicted click rate.",
            known=", ".join(study.known) or "–",
        ),
        say(
            "IPS and SNIPS weight by propensities; DR adds a model; DM is the model alone, whose bias is unknown, so "
            "it has no interval. Slate IPS assumes nothing, cascade that a place depends on those above it, "
            "independent that it stands for itself."
        ),
    )
    return Section(
        "placements", title, (sentence, advice), (_rules(study, say), _curves(study, say)), tuple(tables), footnotes
    )


def _rules(study: PolicyStudy, say: Language) -> Figure:
    read = [policy.best for policy in study.policies]
    values = [read[0].logged, *(one.value for one in read)]
    svg = bar_chart(
        [say("as logged"), *(say(_RULES[policy.name]) for policy in study.policies)],
        [one.value for one in values],
        lows=[one.low for one in values],
        highs=[one.high for one in values],
        label=say("clicks a visit"),
        form="{:.3f}",
        strong=[False, *(True for _ in read)],
    )
    caption = say(
        "By the narrowest estimate with enough overlap ({names}), from n = {n:,} logged visits; whiskers are 95 % "
        "intervals.",
        names=", ".join(dict.fromkeys(one.estimator for one in read)),
        n=study.num_slates,
    )
    return Figure(svg, caption, say("Rules compared"))


def _curves(study: PolicyStudy, say: Language) -> Figure:
    runs = study.bandits
    length = max(len(run.curve) for run in runs.values())
    share = np.linspace(1 / length, 1, length)
    logged = next(iter(runs.values())).logged.value
    svg = line_chart(
        share,
        [(say(name), list(run.curve)) for name, run in runs.items()],
        chance=[logged] * length,
        chance_name=say("as logged"),
        label=say("clicks a matched visit so far"),
        x_label=say("share of the log replayed"),
        form="{:.2f}",
        x_form="{:.0%}",
    )
    caption = say(
        "Bandits learn while they choose the first place; only visits where they chose what was logged count, n = "
        "{n:,} of {all:,} or more. The intervals of the ends stand in the table.",
        n=min(run.accepted for run in runs.values()),
        all=study.num_slates,
    )
    return Figure(svg, caption, say("Bandits, replayed"))


def _values(study: PolicyStudy, say: Language) -> Table:
    rows = tuple(
        (
            f"{say(_RULES[policy.name])}: {value.estimator}",
            say("whole page") if value in policy.slate else say("first place"),
            with_interval(value.value.value, value.value.low, value.value.high, "{:.3f}"),
            with_interval(value.gain.value, value.gain.low, value.gain.high, "{:+.3f}"),
            "–" if _is_model(value) else f"{value.effective_n:,.0f}",
            _trust(value, say),
        )
        for policy in study.policies
        for value in _shown(policy)
    )
    heads = (
        say("Rule, estimator"),
        say("Of the"),
        say("Clicks a visit"),
        say("Gain"),
        say("Effective n"),
        say("Trustworthy"),
    )
    return Table(heads, rows, say("n = {n:,} visits; intervals 95 %. All estimates: tfrec policy.", n=study.num_slates))


def _bandits(study: PolicyStudy, say: Language) -> Table:
    rows = tuple(
        (
            say(name),
            with_interval(run.reward.value, run.reward.low, run.reward.high, "{:.3f}"),
            with_interval(run.gain.value, run.gain.low, run.gain.high, "{:+.3f}"),
            with_interval(run.best_arm_reward.value, run.best_arm_reward.low, run.best_arm_reward.high, "{:.3f}"),
            f"{run.accepted:,}",
        )
        for name, run in study.bandits.items()
    )
    heads = (say("Bandit"), say("Clicks a visit"), say("Gain"), say("Best single item"), say("Matched visits"))
    return Table(heads, rows, say("Bandits over the first place, replayed in the order of the log; intervals 95 %."))


def _shown(policy: JudgedPolicy) -> tuple[PolicyValue, ...]:
    """Returns the main estimate, the one without assumptions, and that of the first place by DR."""
    values = (policy.best, *policy.slate[:1], *(one for one in policy.first if one.estimator == "DR"))
    return tuple(dict.fromkeys(values))


def _is_model(value: PolicyValue) -> bool:
    return bool(np.isnan(value.value.low))


def _trust(value: PolicyValue, say: Language) -> str:
    if _is_model(value):
        return say("as its model")
    return say("yes") if value.is_trustworthy else say("no: too little overlap with the log")
