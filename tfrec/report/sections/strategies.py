"""Writes the section on settings of the strategies, from what `tfrec strategy evaluate` keeps."""

import math
from statistics import NormalDist
from typing import Any

from tfrec.pages.blocks import Cell, Section, Table, with_interval
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.trade_offs import trade_off_figure
from tfrec.report.words import Language
from tfrec.statistics.estimates import Estimate

_HEADS = {
    "acceptance": "strategies.acceptance",
    "revenue": "strategies.revenue",
    "margin": "strategies.margin",
    "distance": "strategies.distance",
}
_FORMS = {"acceptance": "{:.3f}", "revenue": "{:,.2f}", "margin": "{:,.2f}", "distance": "{:.3f}"}
"""Measure → how it is written."""


def strategies_section(findings: Findings, say: Language) -> Section:
    """Returns what settings of the strategies would have brought in the validation period, as pictures and tables."""
    title, kept = say("strategies.title"), findings.strategies
    if isinstance(kept, Absent):
        none = say("strategies.cannot", reason=kept.reason) if kept.reason else say("strategies.absent")
        return Section("strategies", title, (none,), is_absent=True)
    studies = [study for study in kept["signatures"] if study["tried"]]
    sentences = [say("strategies.replayed"), *(_best(study, say) for study in studies if len(study["tried"]) > 1)]
    measures = {study["signature"]: [_estimates(one["estimates"]) for one in study["tried"]] for study in studies}
    tables = tuple(_table(study, say) for study in studies)
    figures = (trade_off_figure(measures, say),)
    return Section(
        "strategies", title, tuple(sentences), figures, (), (say("strategies.unknown"),), proof_tables=tables
    )


def _best(study: dict[str, Any], say: Language) -> str:
    """Returns which setting would have earned more margin than that in service, beyond chance.

    Intervals of normal estimates are widened for the number of settings (Bonferroni): the best of many is easily above.
    """
    gains = [(_estimate(one["gains"]["margin"]), one) for one in study["tried"][1:]]
    wider = NormalDist().inv_cdf(1 - 0.025 / len(gains)) / NormalDist().inv_cdf(0.975)
    sure = [(gain, one) for gain, one in gains if gain.value > wider * (gain.value - gain.low)]
    if not sure:
        return say("strategies.stays", signature=study["signature"], n=len(gains))
    gain, one = max(sure, key=lambda pair: pair[0].value)
    return say(
        "strategies.more",
        signature=study["signature"],
        setting=_words(one["setting"], say),
        value=gain.value,
        low=gain.low,
        high=gain.high,
    )


def _table(study: dict[str, Any], say: Language) -> Table:
    rows = tuple(
        (
            f"{number}: {_words(one['setting'], say)}",
            *(_cell(_estimate(one["estimates"][name]), form) for name, form in _FORMS.items()),
        )
        for number, one in enumerate(study["tried"])
    )
    caption = say("strategies.counted", signature=study["signature"], n=study["num_requests"], of=study["num_units"])
    return Table((say("strategies.setting"), *(say(_HEADS[name]) for name in _FORMS)), rows, caption)


def _words(setting: dict[str, Any], say: Language) -> str:
    if not setting:
        return say("strategies.in_service")
    return say.listed(f"{name} {value}" for name, value in setting.items())


def _cell(found: Estimate, form: str) -> Cell:
    return with_interval(found.value, found.low, found.high, form) if not math.isnan(found.value) else "–"


def _estimates(measures: dict[str, Any]) -> dict[str, Estimate]:
    return {name: _estimate(found) for name, found in measures.items()}


def _estimate(found: dict[str, Any]) -> Estimate:
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in found.items()}
    return Estimate(**values)
