"""`tfrec audience`: counts and exports the users that an expression is true of."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, print_json, read_shop, wording
from tfrec.cli.keys import KEY_TEXT, add_key
from tfrec.cli.outputs import add_force, check_table, inputs_of

if TYPE_CHECKING:
    from tfrec.analysis.audiences import Audience, UserFacts
    from tfrec.ingest.prepared import Prepared
    from tfrec.schema.tables import Tables

HELP = "count and export the users that an expression is true of"
DESCRIPTION = (
    """\
An expression compares with = != < <= > >= or in (…), joined by and, or, not and parentheses. Fields: segment, recency,
seen, tenure, interval (times need h, d, w or y), orders (or frequency), views, value, value_per_order, items_per_order,
repeat_share, expected_value (in 90 days), the columns of users, interest("category or item"), response("order") (chance
of an order in 90 days), and of a shop with a coupon test response("OFFER") (its effect on conversion) and
response("OFFER", "profit") (the money that it brings beyond what it costs), known of the users of the test alone, each
scored by models that did not see the user. An audience under --min-users is neither reported nor exported. The export
holds pseudonyms.

--against states how far audiences overlap. --like finds the users outside the audience who are most like it, by their
behaviour and interests or by --embeddings (those of the query tower, say), and how well members are recognised by them.

"""
    + KEY_TEXT
)
EXAMPLES = """\
examples:
  tfrec audience prepared/online_retail 'segment = "Champions" and recency < 30d'
  tfrec audience demo/prepared 'interest("Kitchen") > 0.3 and not (orders > 10)'
  tfrec audience demo/prepared 'response("coupon_10") > 2%' --export mail.csv --key partner.key
  tfrec audience demo/prepared 'response("coupon_10", "profit") > 1 and recency > 30d'
  tfrec audience prepared/online_retail 'orders > 10' --against 'recency < 30d' --against 'segment = "Champions"'
  tfrec audience prepared/online_retail 'segment = "Champions"' --like 200 --export alike.csv --key partner.key
"""
INTERRUPTED = "Nothing was exported."

_ORDER = re.compile(r"""response\s*\(\s*["']order["']""")
_PROFIT = re.compile(r"""["']profit["']""")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("expression", metavar="EXPR", help='such as: segment = "Loyal" and recency < 30d')
    parser.add_argument("--segments", choices=("rfm", "kmeans"), default="rfm", help="method that defines `segment`")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="EXPR",
        help="another audience to compare with: users in both; may be repeated",
    )
    parser.add_argument(
        "--like", type=int, metavar="N", help="number of users outside the audience who are most like it (look-alikes)"
    )
    parser.add_argument(
        "--embeddings",
        type=Path,
        metavar="FILE",
        help="file of user_id and columns of numbers, for --like (default: behaviour and interests of buyers)",
    )
    parser.add_argument(
        "--min-users", type=int, default=50, metavar="N", help="smallest audience that is reported or exported"
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="CSV file of pseudonyms, of the look-alikes with --like; needs --key",
    )
    add_key(parser, purpose="needed for --export; one for each receiver")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the folds of --like")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Finds the audience, prints its size and exports it."""
    from tfrec.analysis.audiences import EXPORT, check_fields, find_audience
    from tfrec.analysis.expressions import parse_expression
    from tfrec.ingest.privacy import read_key
    from tfrec.promotions.predicted_responses import known_offers
    from tfrec.report.terminal.customers import audience_text

    _check_options(options)
    check_table(options, options.export, EXPORT, columns=("pseudonym",))
    expressions = list(dict.fromkeys([options.expression, *options.against]))
    for expression in expressions:
        parse_expression(expression)  # a typo is reported before anything is read
    prepared, tables = read_shop(options)
    words = " ".join(expressions).lower()
    offers = known_offers(prepared) if "response" in words else None
    for expression in expressions:
        check_fields(expression, attributes=tables.users.columns, offers=offers)
    facts = _gather(options, prepared, tables, words)
    audiences = {text: find_audience(facts, expression=text, min_users=options.min_users) for text in expressions}
    audience = audiences[options.expression]
    if options.against:
        _print_overlaps(options, audiences)
    elif options.like is not None:
        _print_lookalikes(options, audience, tables)
    else:
        if options.export is not None:
            audience.export(options.export, key=read_key(options.key), inputs=inputs_of(options), force=options.force)
        if options.json:
            print_json(audience)
        else:
            print(audience_text(audience, wording(options), out=options.export))


def _check_options(options: argparse.Namespace) -> None:
    from tfrec.errors import ConfigError

    if options.export is not None and options.key is None:
        raise ConfigError("--export needs --key FILE with the receiver's secret: head -c 32 /dev/urandom > FILE")
    if options.min_users < 1:
        raise ConfigError(f"--min-users must be at least 1; got {options.min_users}.")
    if options.export is not None and options.export.suffix != ".csv":
        raise ConfigError(f"--export writes .csv; got {options.export.name}. Rename it.")
    if options.against and (options.like is not None or options.export is not None):
        raise ConfigError("--against compares audiences; leave --like and --export out, or ask for them apart.")
    if options.like is not None and options.like < options.min_users:
        raise ConfigError(f"--like must be at least --min-users, {options.min_users}; got {options.like}.")
    if options.embeddings is not None and options.like is None:
        raise ConfigError("--embeddings are for --like N. Add it, or leave the file out.")


def _gather(options: argparse.Namespace, prepared: "Prepared", tables: "Tables", words: str) -> "UserFacts":
    """Returns what the expressions ask for, and nothing that takes time beside it."""
    from tfrec.analysis.audiences import gather_facts
    from tfrec.analysis.interests import measure_interests
    from tfrec.analysis.lifetime_value import predict_value
    from tfrec.analysis.segments import segment_by_kmeans, segment_by_rfm
    from tfrec.promotions.predicted_responses import predict_profits, predict_responses

    expected = predict_value(tables).users["expected_value"] if "expected_value" in words else None
    responses = None
    if "response" in words:
        with_orders = bool(_ORDER.search(words)) or "coupon_test" not in prepared.manifest.extras
        responses = predict_responses(prepared, tables, orders=with_orders)
    segments = None
    if "segment" in words:
        segments = segment_by_rfm(tables) if options.segments == "rfm" else segment_by_kmeans(tables)
    return gather_facts(
        tables,
        segments=segments,
        interests=measure_interests(tables) if "interest" in words else None,
        responses=responses,
        expected_value=expected,
        profits=predict_profits(prepared) if _PROFIT.search(words) else None,
    )


def _print_overlaps(options: argparse.Namespace, audiences: "dict[str, Audience]") -> None:
    from tfrec.analysis.audiences import compare_audiences
    from tfrec.report.terminal.customers import overlaps_text

    overlaps = compare_audiences(audiences)
    if options.json:
        print_json({"audiences": list(audiences.values()), "overlaps": overlaps})
    else:
        print(overlaps_text(audiences, overlaps, wording(options)))


def _print_lookalikes(options: argparse.Namespace, audience: "Audience", tables: "Tables") -> None:
    from tfrec.analysis.audiences import export_users
    from tfrec.analysis.interests import measure_interests
    from tfrec.analysis.lookalikes import embed_behaviour, find_lookalikes, read_embeddings
    from tfrec.errors import ConfigError
    from tfrec.experiments.user_tables import read_table, with_user_ids
    from tfrec.ingest.privacy import read_key
    from tfrec.report.terminal.customers import audience_text, lookalikes_text

    if not audience.is_large_enough:
        raise ConfigError(f"Look-alikes need an audience of at least {options.min_users} users; this one has fewer.")
    if options.embeddings is not None:
        users, embeddings = read_embeddings(with_user_ids(read_table(options.embeddings)))
    else:
        users, embeddings = embed_behaviour(tables, interests=measure_interests(tables))
    alike = find_lookalikes(audience, user_ids=users, embeddings=embeddings, num=options.like, seed=options.seed)
    if options.export is not None:
        export_users(
            alike.user_ids, options.export, key=read_key(options.key), min_users=options.min_users,
            inputs=inputs_of(options), force=options.force,
        )  # fmt: skip
    if options.json:
        print_json({"audience": audience, "lookalikes": alike})
    else:
        say = wording(options)
        print(audience_text(audience, say) + "\n" + lookalikes_text(alike, say, out=options.export))
