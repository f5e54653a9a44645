"""Writes what `tfrec policy` prints: what other policies would have earned."""

from collections.abc import Mapping

from tfrec.experiments.bandit import Replay
from tfrec.experiments.off_policy import PolicyValue
from tfrec.experiments.policies import PolicyStudy
from tfrec.report.terminal.experiments import estimate_text
from tfrec.report.words import Language
from tfrec.schema.text_columns import text_table


def policies_text(study: PolicyStudy, say: Language, *, true_values: Mapping[str, float], skipped: int) -> str:
    """Returns the verdict, a table of estimates a policy, and the replay of bandits.

    Args:
        study: the estimates.
        say: language.
        true_values: policy → its true value, where a generated shop knows it.
        skipped: slates set aside because a place is missing.
    """
    lines = [
        say(
            "policies.slates_items_earned_each",
            slates=study.num_slates,
            places=study.num_places,
            items=study.num_items,
            reward=estimate_text(study.logged, say),
        ),
        _verdict(study, say),
    ]
    if skipped:
        lines.append(say("policies.slates_place_missing_left_out", n=skipped))
    lines.append(say("policies.known_visitor", attributes=", ".join(study.known) or say("policies.nothing")))
    heads = [
        say("policies.of_the"),
        say("policies.by"),
        say("policies.reward"),
        say("heads.interval", share=0.95),
        say("policies.gain_log"),
        say("policies.effective_n"),
        say("policies.largest_weight"),
        say("policies.trust"),
    ]
    for policy in study.policies:
        name, value = say.name(policy.name), true_values.get(policy.name)
        if value is not None:
            name = say("policies.true_value_slate_generated_shop", policy=name, value=value)
        rows = [
            *(_row(say("policies.slate"), estimate, estimate is policy.best, say) for estimate in policy.slate),
            *(_row(say("policies.first_place"), estimate, estimate is policy.best, say) for estimate in policy.first),
        ]
        lines += ["", name, text_table(heads, rows, indent="  ")]
    if study.bandits:
        lines += ["", say("policies.bandits_replayed_first_place")]
    for name, run in study.bandits.items():
        lines.append("  " + say("policies.bandit_finding", bandit=say.name(name), finding=_replay_text(run, say)))
    return "\n".join(lines)


def _verdict(study: PolicyStudy, say: Language) -> str:
    best = study.winner
    if best is None:
        return say("policies.no_policy_shown_better_log")
    gain = best.best.gain
    return say(
        "policies.would_have_earned_more_interval",
        policy=say.name(best.name),
        gain=gain.value,
        level=gain.level * 100,
        low=gain.low,
        high=gain.high,
        estimator=say.name(best.best.estimator),
    )


def _replay_text(run: Replay, say: Language) -> str:
    return say(
        "policies.replayed_logged_decisions_matched_bandit",
        offered=run.offered,
        matched=run.accepted,
        reward=estimate_text(run.reward, say),
        logged=run.logged.value,
        best=run.best_arm_reward.value,
    )


def _row(what: str, value: PolicyValue, is_read: bool, say: Language) -> list[str]:
    has_interval = value.value.low == value.value.low
    gain = f"{value.gain.value:+.4f}"
    if has_interval:
        gain += " (" + say("policies.span_signed", low=value.gain.low, high=value.gain.high) + ")"
    return [
        what,
        say.name(value.estimator) + (" ←" if is_read else ""),
        f"{value.value.value:.4f}",
        say("policies.span", low=value.value.low, high=value.value.high) if has_interval else "–",
        gain,
        f"{value.effective_n:,.0f}" if has_interval else "–",
        f"{value.largest_weight:.3g}" if has_interval else "–",
        say("policies.model")
        if not has_interval
        else say("policies.yes")
        if value.is_trustworthy
        else say("policies.no_too_little_overlap"),
    ]
