"""Renders sections as one self-contained HTML page: light and dark, readable on a phone, no network, no script."""

import html
import importlib.resources
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from tfrec.pages.blocks import Figure, Section
from tfrec.pages.extra import need

_LETTERS = 36  # of a title's size in the width of a picture
_VIEW_BOX = re.compile(r'viewBox="([^"]*)"')


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
    return _template("page.html.jinja").render(
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


def render_picture(figure: Figure) -> str:
    """Returns a figure as an SVG document of its own: title above, caption below, light or dark as the page is."""
    light, dark = re.findall(r":root \{([^}]*)\}", _source("page.html.jinja"))[:2]
    left, top, width, height = (float(part) for part in _VIEW_BOX.findall(figure.svg)[0].split())
    size = max(width / _LETTERS, 8.0)
    caption = textwrap.wrap(figure.caption, 2 * _LETTERS)
    return _template("picture.svg.jinja").render(
        title=figure.title,
        caption=caption,
        inner=figure.svg[figure.svg.index(">") + 1 : figure.svg.rindex("</svg>")],
        light=light,
        dark=dark,
        size=size,
        left=left,
        top=top - 2.2 * size,
        width=width,
        height=height + (3.4 + 1.3 * len(caption)) * size,
        below=top + height + 1.6 * size,
    )


def _template(name: str) -> Any:
    jinja2 = need("jinja2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = _with_code
    return environment.from_string(_source(name))


def _source(name: str) -> str:
    return importlib.resources.files("tfrec.pages").joinpath(name).read_text(encoding="utf-8")
