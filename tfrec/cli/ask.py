"""`tfrec ask`: sends one query to a server and prints its offers. Needs no more than the base install."""

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfrec.errors import SourceError, nearest_hint
from tfrec.schema.signatures import SIGNATURES, signature_named
from tfrec.schema.text_columns import plain_json

HELP = "ask a running server one query and print the offers"
DESCRIPTION = """\
Asks `tfrec serve` or TF Serving (its gRPC port) one query. Lists are separated by commas. What is left out takes the
model's default.
"""
EXAMPLES = """\
examples:
  tfrec ask localhost:8500 complete_cart --cart 85123A,71053 --user 17850 --k 5
  tfrec ask localhost:8500 upsell --item 22423 --prepared prepared/online_retail     # with titles
  tfrec ask localhost:8500 cross_sell --cart 85123A --fallback fallback      # the baseline, if shop does not answer
  tfrec ask localhost:8500 recommend --recent 22423,85123A --categories "Home > Lighting" --json
"""
INTERRUPTED = "Nothing was changed."

_LISTS = {
    "cart": ("cart_item_ids", "ITEMS"),
    "recent": ("recent_item_ids", "ITEMS"),
    "recent-types": ("recent_event_types", "TYPES"),
    "recent-ages": ("recent_ages", "HOURS"),
    "exclude": ("exclude_item_ids", "ITEMS"),
    "categories": ("include_categories", "PATHS"),
    "candidates": ("candidate_item_ids", "ITEMS"),
}
_SINGLE = {"user": ("user_id", "ID"), "item": ("item_id", "ID"), "objective": ("objective", "NAME")}
_NUMBERS = {
    "min-price": "min_price",
    "max-price": "max_price",
    "outside-cart-level": "outside_cart_level",
    "min-price-ratio": "min_price_ratio",
    "max-price-ratio": "max_price_ratio",
    "diversity": "diversity",
    "at-minute": "at_minute",
    "is-adult": "is_adult",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    specs = {spec.name: spec for signature in SIGNATURES.values() for spec in signature.inputs}
    parser.add_argument("target", metavar="HOST:PORT", help="gRPC port of the server")
    parser.add_argument("signature", metavar="SIGNATURE", help=f"one of {', '.join(SIGNATURES)}")
    for option, (name, metavar) in {**_SINGLE, **_LISTS}.items():
        parser.add_argument(f"--{option}", dest=name, metavar=metavar, help=specs[name].meaning)
    for option, name in _NUMBERS.items():
        kind, metavar = (int, "N") if specs[name].dtype == "int32" else (float, "X")
        parser.add_argument(f"--{option}", dest=name, type=kind, metavar=metavar, help=specs[name].meaning)
    parser.add_argument("--k", type=int, default=10, help="number of items wanted")
    parser.add_argument("--servable", default="shop", metavar="NAME", help="servable that answers the strategies")
    parser.add_argument("--fallback", metavar="NAME", help="servable that answers if the first one does not")
    parser.add_argument(
        "--best-sellers", metavar="PATH", help="best_sellers.json, or models: what is offered if no servable answers"
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="version of the servables (default: the newest loaded)"
    )
    parser.add_argument(
        "--history", metavar="URL", help="history store that `tfrec history` filled; its events are sent"
    )
    parser.add_argument("--version-label", metavar="LABEL", help="label of the version, given by `tfrec label`")
    parser.add_argument("--deadline", type=float, default=5.0, metavar="S", help="time limit of the call in seconds")
    parser.add_argument(
        "--prepared", type=Path, metavar="DIR", help="folder of the prepared shop, for the items' titles"
    )
    parser.add_argument(
        "--items", type=Path, metavar="FILE.csv", help="file with columns item_id and title, for the items' titles"
    )
    parser.add_argument("--json", action="store_true", help="output as JSON in place of a table")


def run(options: argparse.Namespace) -> None:
    """Asks and prints."""
    from tfrec.cli.no_offers import why_no_offers
    from tfrec.cli.tables import offer_table
    from tfrec.client import Offers, RecommenderClient
    from tfrec.client.best_sellers import BEST_SELLERS
    from tfrec.client.history.open_store import open_history
    from tfrec.client.history.reading import MISSING

    signature = signature_named(options.signature)
    arguments = _arguments(options)
    for name in arguments:
        signature.input(name)  # names what the signature does not take
    titles = _titles(options)
    stored = contextlib.closing(open_history(options.history)) if options.history else contextlib.nullcontext()
    with (
        stored as history,
        RecommenderClient(
            options.target,
            deadline=options.deadline,
            servable=options.servable,
            fallback=options.fallback,
            best_sellers=options.best_sellers,
            version=options.version,
            version_label=options.version_label,
            history=history,
        ) as client,
    ):
        if signature.servable != "shop":
            _print_raw(client.ask(signature.name, arguments), titles, as_json=options.json)
            return
        offers: Offers = getattr(client, signature.name)(**arguments)
        is_local = offers.servable == BEST_SELLERS
        cause = "" if len(offers) or is_local else why_no_offers(client, signature.name, arguments)
    if offers.servable != options.servable:
        sys.stderr.write(f"`{options.servable}` did not answer; this is `{offers.servable}`.\n")
    if offers.history == MISSING:
        sys.stderr.write("The history store did not answer; a user that the servable does not store is a guest.\n")
    if options.json:
        rows = [{**vars(item), "title": titles.get(item.item_id, "")} for item in offers]
        about = {
            "recommendation_id": offers.recommendation_id,
            "servable": offers.servable,
            "model_version": offers.model_version,
            "offers": rows,
        }
        about |= {"cause": cause} if cause else {}
        print(plain_json(json.dumps(about, indent=2, ensure_ascii=False)))
    else:
        print(offer_table(offers, titles))
        if cause:
            print(cause)


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the given arguments, by the names of the inputs."""
    arguments: dict[str, Any] = {}
    for name, _ in _SINGLE.values():
        arguments[name] = getattr(options, name)
    for name, _ in _LISTS.values():
        text = getattr(options, name)
        arguments[name] = None if text is None else [part.strip() for part in text.split(",") if part.strip()]
    for name in _NUMBERS.values():
        arguments[name] = getattr(options, name)
    if arguments["recent_ages"] is not None:
        arguments["recent_ages"] = _as_numbers(arguments["recent_ages"])
    sent = {name: value for name, value in arguments.items() if value is not None}
    if options.signature != "rank":
        sent["k"] = options.k
    return sent


def _as_numbers(words: list[str]) -> list[float]:
    from tfrec.errors import ConfigError

    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise ConfigError(f"--recent-ages takes hours, such as 0.5,24; {error}.") from error


def _titles(options: argparse.Namespace) -> Mapping[str, str]:
    if options.items is not None:
        return _titles_of_csv(options.items)
    if options.prepared is not None:
        from tfrec.ingest.prepared import read_prepared

        items = read_prepared(options.prepared).train.items
        return dict(zip(items["item_id"], items["title"], strict=True))
    return {}


def _titles_of_csv(path: Path) -> Mapping[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = rows.fieldnames or []
            for column in ("item_id", "title"):
                if column not in columns:
                    raise SourceError(f"{path} must have the columns item_id and title.{nearest_hint(column, columns)}")
            return {row["item_id"]: row["title"] for row in rows}
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read ({error}). Give a CSV file with item_id and title.") from error


def _print_raw(outputs: Mapping[str, Any], titles: Mapping[str, str], *, as_json: bool) -> None:
    """Prints the answers of `retrieve` and `rank`, which are no offers, one row per item."""
    from tfrec.schema.text_columns import text_table

    names = ["item_ids", "scores", *(name for name in outputs if name.endswith("_probabilities"))]
    rows = [row for row in zip(*(outputs[name][0].tolist() for name in names), strict=True) if row[0]]
    if as_json:
        answers = [dict(zip(names, row, strict=True)) for row in rows]
        print(plain_json(json.dumps(answers, indent=2, ensure_ascii=False)))
        return
    shown = [[row[0], titles.get(row[0], ""), *(f"{value:.4f}" for value in row[1:])] for row in rows]
    print(text_table(["item", "title", *names[1:]], shown))
