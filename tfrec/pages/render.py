"""Renders sections as one self-contained HTML page: light and dark, readable on a phone, no network, no script."""

import html
import importlib.resources
import re
from collections.abc import Sequence
from typing import Any

from tfrec.pages.blocks import Section
from tfrec.pages.extra import need


def render_page(
    *,
    title: str,
    sections: Sequence[Section],
    language: str = "en",
    subtitle: str = "",
    sentences: Sequence[str] = (),
    contents: str = "",
    colophon: str = "",
    how_we_know: str = "",
) -> str:
    """Returns the page as HTML; what comes from a shop's data cannot become markup.

    Args:
        title: heading and title of the window.
        sections: parts of the page, in order.
        language: code of the language, for the browser.
        subtitle: what the page is about, below the heading.
        sentences: what to know first.
        contents: heading of the list of sections; none when left out.
        colophon: how the page was made, at its end.
        how_we_know: heading of the fold-out of proofs and footnotes; "" = they stand open.

    Raises:
        EnvironmentSetupError: Jinja2 is not installed.
    """
    jinja2 = need("jinja2")
    source = importlib.resources.files("tfrec.pages").joinpath("page.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = _with_code
    template = environment.from_string(source)
    return template.render(
        title=title,
        sections=sections,
        language=language,
        subtitle=subtitle,
        sentences=sentences,
        contents=contents,
        colophon=colophon,
        how_we_know=how_we_know,
    )


def _with_code(text: str) -> Any:
    """Returns text as markup, with what stands between backticks as code."""
    escaped = html.escape(str(text))
    return need("markupsafe").Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped))
