"""`tfrec ask`: sends one query to a server and prints its offers. Needs no more than the base install."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from tfrec.cli.client_options import TARGET_HELP, add_client_options, open_client
from tfrec.cli.titles import add_title_options, read_titles
from tfrec.schema.signatures import SIGNATURES, Signature, signature_named
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
  tfrec ask localhost:8500 page --item 22423 --widgets upsell,cross_sell,buy_again --k 4
  tfrec ask localhost:8500 arrange_cart --cart 85123A,71053,22423
  tfrec ask localhost:8500 similar --item 22423 --same-as-anchor brand --attributes colour=red,colour=pink
"""
INTERRUPTED = "Nothing was changed."

_LISTS = {
    "cart": ("cart_item_ids", "ITEMS"),
    "recent": ("recent_item_ids", "ITEMS"),
    "recent-types": ("recent_event_types", "TYPES"),
    "recent-ages": ("recent_ages", "HOURS"),
    "exclude": ("exclude_item_ids", "ITEMS"),
    "categories": ("include_categories", "PATHS"),
    "attributes": ("include_attributes", "RELATION=VALUE"),
    "exclude-attributes": ("exclude_attributes", "RELATION=VALUE"),
    "same-as-anchor": ("same_as_anchor", "RELATIONS"),
    "shown": ("shown_item_ids", "ITEMS"),
    "candidates": ("candidate_item_ids", "ITEMS"),
    "widgets": ("widgets", "NAMES"),
    "widget-sizes": ("widget_sizes", "NUMBERS"),
}
_SINGLE = {
    "user": ("user_id", "ID"),
    "item": ("item_id", "ID"),
    "objective": ("objective", "NAME"),
    "places-by": ("places_by", "NAME"),
    "diversity-by": ("diversity_by", "KIND"),
    "bought-before": ("bought_before", "WHICH"),
}
_NUMBERS = {
    "min-price": "min_price",
    "max-price": "max_price",
    "outside-cart-level": "outside_cart_level",
    "cart-total": "cart_total",
    "threshold": "threshold",
    "min-price-ratio": "min_price_ratio",
    "max-price-ratio": "max_price_ratio",
    "diversity": "diversity",
    "at-minute": "at_minute",
    "is-adult": "is_adult",
}
OPTION_NAMES = {
    **{name: f"--{option}" for option, (name, _) in _LISTS.items()},
    **{name: f"--{option}" for option, name in _NUMBERS.items()},
    "bought_before": "--bought-before",
    "k": "--k",
    "item_id": "--item ID",
    "cart_item_ids": "--cart ID,ID",
}
"""What the inputs are called here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    specs = {spec.name: spec for signature in SIGNATURES.values() for spec in signature.inputs}
    parser.add_argument("target", metavar="HOST:PORT", help=TARGET_HELP)
    parser.add_argument("signature", metavar="SIGNATURE", help=f"one of {', '.join(SIGNATURES)}")
    for option, (name, metavar) in {**_SINGLE, **_LISTS}.items():
        parser.add_argument(f"--{option}", dest=name, metavar=metavar, help=specs[name].meaning)
    for option, name in _NUMBERS.items():
        kind, metavar = (int, "N") if specs[name].dtype == "int32" else (float, "X")
        parser.add_argument(f"--{option}", dest=name, type=kind, metavar=metavar, help=specs[name].meaning)
    parser.add_argument(
        "--k", type=int, help="number of items wanted: 10, of `bundle` 2, of `retrieve` 100 if not given"
    )
    add_client_options(parser)
    add_title_options(parser)
    parser.add_argument("--json", action="store_true", help="output as JSON in place of a table")


def run(options: argparse.Namespace) -> None:
    """Asks and prints."""
    from tfrec.cli.tables import offer_table
    from tfrec.client import Offers
    from tfrec.client.best_sellers import BEST_SELLERS
    from tfrec.client.history.reading import MISSING
    from tfrec.client.no_offers import why_no_offers

    signature = signature_named(options.signature)
    arguments = _arguments(options)
    for name in arguments:
        signature.input(name)  # names what the signature does not take
    titles = read_titles(options)
    with open_client(options) as client:
        if not signature.is_slate:
            _print_raw(client.ask(signature.name, arguments), signature, titles, as_json=options.json)
            return
        offers: Offers = getattr(client, signature.name)(**arguments)
        is_local = offers.servable == BEST_SELLERS
        cause = "" if len(offers) or is_local else why_no_offers(client, signature.name, arguments, OPTION_NAMES)
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
    for name in ("recent_ages", "widget_sizes"):
        if arguments[name] is not None:
            arguments[name] = _as_numbers(name, arguments[name])
    arguments["k"] = options.k
    return {name: value for name, value in arguments.items() if value is not None}


def _as_numbers(name: str, words: list[str]) -> list[float] | list[int]:
    from tfrec.errors import ConfigError

    option, what = OPTION_NAMES[name], "hours, such as 0.5,24" if name == "recent_ages" else "numbers of items: 4,8"
    try:
        return [float(word) for word in words] if name == "recent_ages" else [int(word) for word in words]
    except ValueError as error:
        raise ConfigError(f"{option} takes {what}; {error}.") from error


def _print_raw(outputs: Mapping[str, Any], signature: Signature, titles: Mapping[str, str], *, as_json: bool) -> None:
    """Prints the answers of `retrieve`, `rank` and `arrange_cart`, which are no offers, one row per item."""
    from tfrec.schema.text_columns import text_table

    names = [spec.name for spec in signature.outputs]
    rows = [row for row in zip(*(outputs[name][0].tolist() for name in names), strict=True) if row[0]]
    if as_json:
        answers = [dict(zip(names, row, strict=True)) for row in rows]
        print(plain_json(json.dumps(answers, indent=2, ensure_ascii=False)))
        return
    shown = [
        [row[0], titles.get(row[0], ""), *(one if isinstance(one, str) else f"{one:.4f}" for one in row[1:])]
        for row in rows
    ]
    print(text_table(["item", "title", *names[1:]], shown))
