"""Writes the first section: what to do this week, what it is worth, and how sure that is."""

import math

from tfrec.pages.blocks import Section, Table
from tfrec.report.absent import Absent
from tfrec.report.actions import Action, list_actions
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def week_section(findings: Findings, say: Language) -> Section:
    """Returns the actions, most money first."""
    title, actions = say("week.title"), list_actions(findings)
    if not actions:
        return Section("week", title, (say("week.nothing"),))
    rows = tuple(
        (
            _sentence(action, say),
            f"{action.worth:,.0f}" if math.isfinite(action.worth) else "–",
            _how_sure(action, findings, say),
        )
        for action in actions
    )
    heads = (say("week.action"), say("week.worth", currency=findings.manifest.currency), say("week.how_sure"))
    return Section("week", title, (), tables=(Table(heads, rows, say("week.caption")),))


def _sentence(action: Action, say: Language) -> str:
    values = action.values
    if action.kind == "restock":
        if values["n"] == 1:
            return say("week.restock_one", first=values["first"], lead=values["lead"])
        return say("week.restock", first=values["first"], more=values["n"] - 1, lead=values["lead"])
    if action.kind == "win_back":
        return say("week.win_back", **{**values, "segments": say.names(values["segments"])})
    if action.kind == "test":
        return say("week.test", **{**values, "metric": say.name(values["metric"])})
    return say(_SENTENCES[action.kind], **values)


_SENTENCES = {
    "send_offers": "week.send_offers",
    "send_no_offers": "week.send_no_offers",
    "remind": "week.remind",
    "bundle": "week.bundle",
    "place": "week.place",
}


def _how_sure(action: Action, findings: Findings, say: Language) -> str:
    if action.evidence == "tested":
        if math.isfinite(action.low):
            return say("week.tested_interval", low=action.low, high=action.high)
        return say("week.tested")
    if action.evidence == "forecast":
        coverage = _coverage(findings)
        return say("week.forecast", coverage=coverage) if math.isfinite(coverage) else say("week.forecast_unchecked")
    if action.evidence == "prediction":
        part = findings.lifetime if action.kind == "win_back" else findings.buy_again
        is_checked = not isinstance(part, Absent) and part.holdout is not None
        return say("week.prediction") if is_checked else say("week.prediction_unchecked")
    if action.evidence == "association":
        return say("week.association", low=action.values["low"], high=action.values["high"])
    return say("week.plan")


def _coverage(findings: Findings) -> float:
    assert not isinstance(findings.forecasts, Absent)
    rows = findings.forecasts.backtest
    return float(rows.loc[rows["level"] == "item", "coverage"].mean())
