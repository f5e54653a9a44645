"""Adds the options of a replay of the validation period to both actions, runs it and lays out what it found."""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.settings import count

if TYPE_CHECKING:
    from tfrec.jobs.kept_slates import KeptSlates
    from tfrec.jobs.strategy_study import SignatureStudy, Tried
    from tfrec.statistics.estimates import Estimate

_FORMS = {
    "acceptance": ("accepted", "{:.3f}"),
    "add_on_rate": ("add-on rate", "{:.3f}"),
    "revenue": ("revenue", "{:,.2f}"),
    "margin": ("margin", "{:,.2f}"),
    "order_value": ("order value", "{:,.2f}"),
    "categories": ("categories", "{:.2f}"),
    "distance": ("distance", "{:.3f}"),
    "expected_revenue": ("model's revenue", "{:,.2f}"),
    "expected_margin": ("model's margin", "{:,.2f}"),
}
"""Measure → head of its column, and how it is written."""
_BOUGHT = ("acceptance", "add_on_rate", "revenue", "margin", "order_value")
_SLATES = ("categories", "distance", "expected_revenue", "expected_margin")
_COMPARED = ("acceptance", "add_on_rate", "revenue", "margin", "distance")
MEANINGS = """\
accepted: share of the slates that hold something bought afterwards; add-on rate: share of the sessions or orders in
which an offered item was bought; revenue and margin: of these items, a session or order (upsell: beyond the page's
item); order value: of the orders with such an item; categories, distance: leaf categories in a slate, 1 less the cosine
of content; coverage: share of the catalogue in any slate; model's: what the model itself expects a slate to bring.
± is half of a 95 % interval, by users resampled. What would have been bought had it been shown, a replay cannot know.
"""


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder that `tfrec train` wrote")
    parser.add_argument(
        "--signature",
        default="all",
        metavar="NAME",
        help="signature whose settings are compared: recommend, cross_sell, upsell, complete_cart, or all",
    )
    parser.add_argument(
        "--grid",
        metavar="GRID",
        help="settings: NAME=VALUE,VALUE NAME=VALUE, all combinations, or a .toml file of [[settings]]; each signature "
        "takes those that are its own (default: variety, category rule, price band and objective in a few values)",
    )
    parser.add_argument(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="folder of the shop (default: the folder that the models were trained on)",
    )
    parser.add_argument(
        "--max-queries", type=count, default=2000, metavar="N", help="largest number of slates of each setting, sampled"
    )
    parser.add_argument("--k", type=count, default=10, metavar="N", help="items of a slate")


def studies(options: argparse.Namespace, kept: "KeptSlates | None" = None) -> "Iterator[SignatureStudy]":
    """Yields what the settings of each signature brought, after the grid and the paths have been checked.

    Args:
        options: those of `add_replay`.
        kept: where finished slates are kept, see `study_strategies`.

    Raises:
        ConfigError: the grid or the signature is wrong.
        SourceError: nothing is trained.
    """
    from tfrec.errors import ConfigError, nearest_hint
    from tfrec.evaluation.sales import SOLD_BY
    from tfrec.jobs.strategy_settings import USUAL_GRID, read_grid
    from tfrec.models_folder import read_models_manifest

    if options.signature not in (*SOLD_BY, "all"):
        hint = nearest_hint(options.signature, (*SOLD_BY, "all"))
        raise ConfigError(f"--signature is one whose slates are held against what was bought, or all.{hint}")
    settings = read_grid(USUAL_GRID if options.grid is None else options.grid)
    read_models_manifest(options.models)  # a wrong path is reported before TensorFlow is loaded
    sys.stderr.write("Loading TensorFlow ...\n")
    from tfrec.jobs.strategy_study import study_strategies

    yield from study_strategies(
        options.models,
        settings,
        signatures=SOLD_BY if options.signature == "all" else [options.signature],
        prepared=options.prepared,
        max_queries=options.max_queries,
        k=options.k,
        kept=kept,
    )


def study_text(study: "SignatureStudy") -> str:
    """Returns the measures of each setting, and how much they differ from those in service."""
    from tfrec.schema.text_columns import text_table

    if not study.tried:
        return f"{study.signature}: the validation period has no such requests whose outcome is known.\n"
    present, *others = study.tried
    numbered = list(enumerate(study.tried))

    def cells(one: "Tried", names: tuple[str, ...]) -> list[str]:
        return [_with_half(one.estimates[name], _FORMS[name][1]) for name in names]

    bought = [[str(number), one.name, *cells(one, _BOUGHT)] for number, one in numbered]
    slates = [[str(number), *cells(one, _SLATES), f"{one.values.coverage:.3f}"] for number, one in numbered]
    asked = f"{study.num_requests:,} slates of {study.num_units:,} {study.unit}s"
    title = f"{study.signature}: {asked} of the validation period"
    parts = [title, text_table(["", "setting", *_heads(_BOUGHT)], bought)]
    parts += ["", text_table(["", *_heads(_SLATES), "coverage"], slates)]
    if others:
        gains = [
            [str(number), *(_difference(one.gains[name], _FORMS[name][1]) for name in _COMPARED)]
            for number, one in numbered[1:]
        ]
        parts += ["\nMore than in service:", text_table(["", *_heads(_COMPARED)], gains)]
    parts += [_clicks_text(study.tried)] if present.clicks is not None else []
    return "\n".join(parts) + "\n"


def _heads(names: tuple[str, ...]) -> list[str]:
    return [_FORMS[name][0] for name in names]


def _clicks_text(tried: "tuple[Tried, ...]") -> str:
    """Returns what logged slates say of each setting's first place."""
    from tfrec.schema.text_columns import text_table

    judged = [(number, one.clicks) for number, one in enumerate(tried) if one.clicks is not None]
    rows = [
        [
            str(number),
            _with_half(clicks.value, "{:.4f}"),
            f"{clicks.effective_n:,.0f}",
            "yes" if clicks.is_trustworthy else "no",
        ]
        for number, clicks in judged
    ]
    logged = judged[0][1].logged
    table = text_table(["", "clicks on the first place", "effective slates", "trustworthy"], rows)
    return (
        f"\nBy {logged.n:,} logged slates with propensities (self-normalised inverse propensity); as logged "
        f"{_with_half(logged, '{:.4f}')}:\n{table}"
    )


def _with_half(found: "Estimate", form: str) -> str:
    """Returns a figure with half of its interval."""
    if not found.n or math.isnan(found.value):
        return "–"
    half = (found.high - found.low) / 2
    return form.format(found.value) if math.isnan(half) else f"{form.format(found.value)} ±{form.format(half)}"


def _difference(found: "Estimate", form: str) -> str:
    if not found.n:
        return "–"
    signed = form.replace("{:", "{:+")
    value, low, high = (signed.format(number) for number in (found.value, found.low, found.high))
    return value if math.isnan(found.low) else f"{value} [{low}, {high}]"
