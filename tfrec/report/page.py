"""Renders the findings of every analysis as one page for marketing."""

from collections.abc import Callable
from pathlib import Path

import tfrec
from tfrec.pages.blocks import Section
from tfrec.pages.render import render_page
from tfrec.report.findings import Findings
from tfrec.report.sections.customers import interests_section, segments_section
from tfrec.report.sections.demand import demand_section
from tfrec.report.sections.discounts import discounts_section
from tfrec.report.sections.earned import earned_section
from tfrec.report.sections.experiments import experiments_section
from tfrec.report.sections.lifetime import lifetime_section
from tfrec.report.sections.loyalty import loyalty_section
from tfrec.report.sections.models import models_section
from tfrec.report.sections.placements import placements_section
from tfrec.report.sections.promotions import promotions_section
from tfrec.report.sections.rules import rules_section
from tfrec.report.sections.shop import shop_section
from tfrec.report.sections.strategies import strategies_section
from tfrec.report.sections.week import week_section
from tfrec.report.words import Language, language

_PARTS: tuple[Callable[[Findings, Language], Section], ...] = (
    week_section,
    shop_section,
    segments_section,
    interests_section,
    rules_section,
    demand_section,
    loyalty_section,
    lifetime_section,
    promotions_section,
    discounts_section,
    experiments_section,
    placements_section,
    earned_section,
    models_section,
    strategies_section,
)


def render_report(findings: Findings, *, language_code: str = "en") -> str:
    """Returns the report as HTML.

    Args:
        findings: as `study_shop` gives them.
        language_code: language of the fixed text, `en` or `zh`.

    Raises:
        ConfigError: the language is unknown.
        EnvironmentSetupError: Jinja2 or matplotlib is not installed.
    """
    say = language(language_code)
    about = findings.manifest
    return render_page(
        language=say.browser_code,
        title=say("page.customers_demand_promotions", shop=about.recipe),
        subtitle=f"{about.description} {_source(findings, say)}".strip(),
        contents=say("page.contents"),
        sections=_sections(findings, say),
        how_we_know=say("page.how_we_know"),
        colophon=say(
            "page.made_tfrec_prepared_shop_fingerprint",
            version=tfrec.__version__,
            shop=about.recipe,
            mark=about.fingerprint[:12],
            currency=about.currency or "–",
            zone=about.time_zone,
        ),
    )


def _sections(findings: Findings, say: Language) -> list[Section]:
    """Returns the parts that the shop's data allows, and last what is left out, with the reasons."""
    parts = [part(findings, say) for part in _PARTS]
    present = [part for part in parts if not part.is_absent]
    absent = [part for part in parts if part.is_absent]
    if not absent:
        return present
    reasons = tuple(say("page.left_out_part", title=part.title, reason=" ".join(part.sentences)) for part in absent)
    return [*present, Section("left-out", say("page.left_out"), reasons, is_absent=True)]


def written_text(path: Path, say: Language, *, findings: Path | None = None) -> str:
    """Returns where the page is, and where its findings are as JSON."""
    if findings is None:
        return say("page.report_2", path=path)
    return say("page.report", path=path, findings=findings)


def _source(findings: Findings, say: Language) -> str:
    about = findings.manifest
    if not (about.source_url or about.licence):
        return ""
    return say("page.source_licence", url=about.source_url or "–", licence=about.licence or "–")
