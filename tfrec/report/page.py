"""Renders findings as one self-contained HTML page: light and dark, readable on a phone, no network, no script."""

import importlib.resources
from collections.abc import Callable

import tfrec
from tfrec.report.blocks import Section
from tfrec.report.extra import need
from tfrec.report.findings import Findings
from tfrec.report.sections.customers import interests_section, segments_section
from tfrec.report.sections.demand import demand_section
from tfrec.report.sections.discounts import discounts_section
from tfrec.report.sections.experiments import experiments_section
from tfrec.report.sections.loyalty import loyalty_section
from tfrec.report.sections.models import models_section
from tfrec.report.sections.placements import placements_section
from tfrec.report.sections.promotions import promotions_section
from tfrec.report.sections.rules import rules_section
from tfrec.report.sections.shop import shop_section
from tfrec.report.words import Language, language

_SECTIONS: tuple[Callable[[Findings, Language], Section], ...] = (
    shop_section,
    segments_section,
    interests_section,
    rules_section,
    demand_section,
    loyalty_section,
    promotions_section,
    discounts_section,
    experiments_section,
    placements_section,
    models_section,
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
    jinja2 = need("jinja2")
    source = importlib.resources.files("tfrec.report").joinpath("report.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    about = findings.manifest
    return template.render(
        language={"en": "en", "zh": "zh-CN"}[language_code],
        title=say("Customers, demand and promotions of {shop}", shop=about.recipe),
        subtitle=" ".join([about.description, _source(findings, say)]),
        contents=say("Contents"),
        sections=[section(findings, say) for section in _SECTIONS],
        colophon=say(
            "Made by tfrec {version} from the prepared shop {shop} (fingerprint {mark}). Values in {currency}; days "
            "are those of UTC.",
            version=tfrec.__version__,
            shop=about.recipe,
            mark=about.fingerprint[:12],
            currency=about.currency,
        ),
    )


def _source(findings: Findings, say: Language) -> str:
    about = findings.manifest
    return say("Source: {url}. Licence: {licence}.", url=about.source_url or "–", licence=about.licence or "–")
