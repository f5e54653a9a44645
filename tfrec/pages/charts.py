"""Draws charts as SVG text in the colours and fonts of the page, without external resources; every chart is made here.

matplotlib draws with stand-in colours, which become the page's CSS variables; text stays text, so that the reader's
system shows any script (Chinese too) in its own font.
"""

import dataclasses
import io
import itertools
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tfrec.pages.extra import need
from tfrec.schema.item_names import shorten

Numbers: TypeAlias = Sequence[float] | np.ndarray

_INK, _SOFT, _LINE, _BASE, _MODEL, _SECOND = ("#010101", "#020202", "#030303", "#040404", "#050505", "#060606")
_VARIABLES = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _LINE: "var(--line)",
    _BASE: "var(--base)",
    _MODEL: "var(--model)",
    _SECOND: "var(--second)",
}
_CYCLE = (_MODEL, _SECOND, _SOFT)
_WIDTH = 4.6  # inches; narrow, so that text is still readable when a phone shrinks the picture
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tfrec",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
_LONGEST_BESIDE = 28  # letters of a name beside its bar; longer ones stand above
_LONGEST_LABEL = 56
_ALL_NUMBERED = 12  # points of a panel; of more, numbers would lie on one another
_numbers = itertools.count(1)


def bar_chart(
    labels: Sequence[str],
    values: Numbers,
    *,
    label: str,
    lows: Numbers | None = None,
    highs: Numbers | None = None,
    form: str = "{:,.0f}",
    strong: Sequence[bool] | None = None,
) -> str:
    """Returns horizontal bars, the first on top, with whiskers where ends are known.

    Args:
        labels: names of the bars.
        values: lengths.
        label: what the lengths are.
        lows: lower ends of the intervals; NaN or None = none.
        highs: upper ends.
        form: how a length is written.
        strong: bars in the strong colour; default: all.
    """
    length = np.asarray(values, dtype=np.float64)
    low = length if lows is None else np.where(np.isfinite(lows), np.asarray(lows, np.float64), length)
    high = length if highs is None else np.where(np.isfinite(highs), np.asarray(highs, np.float64), length)
    colours = [_MODEL if strong is None or is_strong else _BASE for is_strong in (strong or [True] * len(length))]

    is_above = max((len(name) for name in labels), default=0) > _LONGEST_BESIDE
    thickness = 0.36 if is_above else 0.62

    def draw(axes: Any) -> None:
        places = np.arange(len(length))
        axes.barh(places, length, color=colours, height=thickness)
        for place in np.flatnonzero(high > low).tolist():
            axes.plot([low[place], high[place]], [place, place], color=_INK, linewidth=1.2)
        reach = max(float(np.max(high, initial=0.0)), 1e-12)
        floor = min(float(np.min(low, initial=0.0)), 0.0)
        axes.set_xlim(floor * 1.1, reach + (reach - floor) * 0.2)
        for place, value in enumerate(length.tolist()):
            at = max(float(high[place]), 0.0) + (reach - floor) * 0.015
            axes.text(at, place, form.format(value), va="center", color=_INK, fontsize=8.5)
        axes.set_yticks(places, [""] * len(length) if is_above else list(labels), color=_INK)
        for place, name in enumerate(labels if is_above else ()):
            axes.text(
                min(floor, 0.0), place - 0.26, shorten(name, _LONGEST_LABEL), va="bottom", color=_INK, fontsize=8.5
            )
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        axes.set_xlabel(label)

    return _svg(draw, height=0.55 + (0.4 if is_above else 0.27) * max(len(length), 2), alternative=label)


def line_chart(
    x: Numbers,
    lines: Sequence[tuple[str, Numbers]],
    *,
    label: str,
    x_label: str = "",
    bands: Sequence[tuple[Numbers, Numbers] | None] = (),
    chance: Numbers | None = None,
    chance_name: str = "",
    from_zero: bool = True,
    form: str | None = None,
    x_form: str | None = None,
) -> str:
    """Returns lines over a common x, each with its band where there is one.

    Args:
        x: numbers or dates.
        lines: name and values of each.
        label: label of the vertical axis, written above it.
        x_label: label of the horizontal axis.
        bands: low and high ends of each line.
        chance: a dashed line to compare with.
        chance_name: its name.
        from_zero: start the vertical axis at 0.
        form: how its numbers are written.
        x_form: how the numbers of x are written.
    """

    def draw(axes: Any) -> None:
        ticker, dates = need("matplotlib.ticker"), need("matplotlib.dates")
        for at, (name, values) in enumerate(lines):
            axes.plot(x, values, color=_CYCLE[at % len(_CYCLE)], linewidth=1.6, label=name)
            band = bands[at] if at < len(bands) else None
            if band is not None and np.isfinite(np.asarray(band, np.float64)).any():
                axes.fill_between(x, band[0], band[1], color=_CYCLE[at % len(_CYCLE)], alpha=0.18, linewidth=0)
        if chance is not None:
            axes.plot(x, chance, color=_SOFT, linewidth=1.1, linestyle=(0, (4, 3)), label=chance_name)
        axes.grid(axis="y")
        axes.margins(x=0.01)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: form.format(v) if form else f"{v:,.0f}"))
        if np.issubdtype(np.asarray(x).dtype, np.datetime64):
            locator = dates.AutoDateLocator(minticks=3, maxticks=6)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(dates.DateFormatter("%Y-%m-%d" if _is_short(x) else "%Y-%m"))
        elif x_form:
            axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: x_form.format(v)))
        axes.set_title(label, loc="left", color=_SOFT)
        axes.set_xlabel(x_label)
        if len(lines) > 1 or chance is not None:
            axes.legend(loc="best")

    return _svg(draw, height=2.6, alternative=label)


@dataclasses.dataclass(frozen=True)
class TradeOff:
    """Points of one panel: what each choice has of two things that are wanted.

    Attributes:
        title: heading of the panel.
        x: horizontal places.
        y: vertical places.
        lows: lower ends of the intervals of y; NaN = none.
        highs: upper ends.
        x_label: what x is.
        y_label: what y is.
    """

    title: str
    x: Numbers
    y: Numbers
    lows: Numbers
    highs: Numbers
    x_label: str
    y_label: str


def trade_off_chart(panels: Sequence[TradeOff], *, alternative: str) -> str:
    """Returns panels of points below one another: the first point is set off, and those that none beats are joined.

    No other point has more of both than a joined one. Of many points the joined ones and the first carry
    their number.

    Args:
        panels: points.
        alternative: what is drawn, for readers who do not see it.
    """

    def draw(axes: Any) -> None:
        for part, panel in zip(np.atleast_1d(axes), panels, strict=True):
            _draw_trade_off(part, panel)

    return _svg(draw, height=2.5 * len(panels), alternative=alternative, rows=len(panels))


def _draw_trade_off(axes: Any, panel: TradeOff) -> None:
    x, y = np.asarray(panel.x, np.float64), np.asarray(panel.y, np.float64)
    unbeaten = best_of_both(x, y)
    for place in np.flatnonzero(np.asarray(panel.highs, np.float64) > np.asarray(panel.lows, np.float64)).tolist():
        axes.plot([x[place]] * 2, [panel.lows[place], panel.highs[place]], color=_LINE, linewidth=1.0)
    axes.plot(x[unbeaten], y[unbeaten], color=_SECOND, linewidth=1.2)
    axes.scatter(x[1:], y[1:], s=18, color=_BASE, zorder=3)
    axes.scatter(x[:1], y[:1], s=44, color=_MODEL, zorder=4)
    for place in range(len(x)) if len(x) <= _ALL_NUMBERED else sorted({0, *unbeaten.tolist()}):
        axes.annotate(str(place), (x[place], y[place]), xytext=(4, 4), textcoords="offset points", color=_INK)
    axes.grid(axis="y")
    axes.set_title(panel.title, loc="left", color=_SOFT)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)


def best_of_both(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the places of the points that no other has more of both than, from the left; of equal ones the first.

    Examples:
        >>> best_of_both(np.array([1.0, 2.0, 3.0, 1.5]), np.array([5.0, 4.0, 1.0, 3.0])).tolist()
        [0, 1, 2]
    """
    order = np.lexsort((np.arange(len(x)), -y, -x))  # from the right, the higher first
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    highest = np.maximum.accumulate(np.append(-np.inf, y[order]))[: len(order)]
    return np.asarray(order[y[order] > highest][::-1])


def _is_short(x: Numbers) -> bool:
    times = np.asarray(x)
    return bool(times.max() - times.min() < np.timedelta64(100, "D"))


def _svg(draw: Callable[[Any], None], *, height: float, alternative: str, rows: int = 1) -> str:
    """Returns what `draw` makes of one panel, or of several below one another."""
    matplotlib = need("matplotlib")
    figures = need("matplotlib.figure")
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The picture's text is set by the reader's browser; matplotlib's own font need not know its letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = figures.Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure.subplots(rows))
        figure.patch.set_alpha(0)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _at_home(stream.getvalue(), alternative)


def _at_home(text: str, alternative: str) -> str:
    """Returns the `<svg>` element in the page's colours and fonts, with ids of its own among the page's pictures."""
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    number = next(_numbers)
    text = re.sub(r'\bid="', f'id="p{number}-', text)
    text = re.sub(r'xlink:href="#', f'href="#p{number}-', text)
    text = re.sub(r"url\(#", f"url(#p{number}-", text)
    text = re.sub(r'\sxmlns:xlink="[^"]*"', "", text)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font: \1 system-ui, sans-serif", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    box = re.search(r'viewBox="[^"]*"', text)
    label = alternative.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box[0] if box else ""} role="img" aria-label="{label}">'
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)
