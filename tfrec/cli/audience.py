"""`tfrec audience`: counts and exports the users that an expression is true of."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, inputs_of

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.schema.tables import Tables

HELP = "count and export the users that an expression is true of"
DESCRIPTION = """\
An expression compares with = != < <= > >= or in (…), joined by and, or, not and parentheses. Fields: segment, recency,
seen, tenure, interval (times need h, d, w or y), orders (or frequency), views, value, value_per_order,
items_per_order, repeat_share, the columns of users, interest("category or item"), response("order") (chance of an
order in 90 days), and of a shop with a coupon test response("OFFER") (its effect on conversion). An audience under
--min-users is neither reported nor exported. The export holds HMAC-SHA256 pseudonyms under the key of --key.
"""
EXAMPLES = """\
examples:
  tfrec audience prepared/online_retail 'segment = "Champions" and recency < 30d'
  tfrec audience prepared/demo 'interest("Kitchen") > 0.3 and not (orders > 10)'
  tfrec audience prepared/demo 'response("coupon_10") > 2%' --export mail.csv --key partner.key
"""
INTERRUPTED = "Nothing was exported."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("expression", metavar="EXPR", help='such as: segment = "Loyal" and recency < 30d')
    parser.add_argument("--segments", choices=("rfm", "kmeans"), default="rfm", help="method that defines `segment`")
    parser.add_argument(
        "--min-users", type=int, default=50, metavar="N", help="smallest audience that is reported or exported"
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="CSV file of pseudonyms; needs --key")
    parser.add_argument("--key", type=Path, metavar="FILE", help="file of the receiver's secret, 16 bytes or more")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Finds the audience, prints its size and exports it."""
    from tfrec.analysis.audiences import EXPORT, check_fields, find_audience, gather_facts
    from tfrec.analysis.expressions import parse_expression
    from tfrec.analysis.interests import measure_interests
    from tfrec.analysis.segments import segment_by_kmeans, segment_by_rfm
    from tfrec.errors import ConfigError

    if options.export is not None and options.key is None:
        raise ConfigError("--export needs --key FILE with the receiver's secret: head -c 32 /dev/urandom > FILE")
    if options.min_users < 1:
        raise ConfigError(f"--min-users must be at least 1; got {options.min_users}.")
    if options.export is not None and options.export.suffix != ".csv":
        raise ConfigError(f"--export writes .csv; got {options.export.name}. Rename it.")
    check_table(options, options.export, EXPORT, columns=("pseudonym",))
    parse_expression(options.expression)  # a typo is reported before anything is read
    tables = read_log(options)
    check_fields(options.expression, attributes=tables.users.columns)
    words = options.expression.lower()
    segments = None
    if "segment" in words:
        segments = segment_by_rfm(tables) if options.segments == "rfm" else segment_by_kmeans(tables)
    facts = gather_facts(
        tables,
        segments=segments,
        interests=measure_interests(tables) if "interest" in words else None,
        responses=_responses(options.prepared, tables) if "response" in words else None,
    )
    audience = find_audience(facts, expression=options.expression, min_users=options.min_users)
    if options.export is not None:
        audience.export(options.export, key=options.key.read_bytes(), inputs=inputs_of(options), force=options.force)
    if options.json:
        print_json(audience.to_dict())
        return
    say = wording(options)
    print(audience.summary(say))
    if options.export is not None:
        print(say("Export: {path} ({n:,} pseudonyms)", path=options.export, n=len(audience)))


def _responses(path: Path, tables: "Tables") -> "dict[str, pd.Series]":
    """Returns the predicted responses by name: an order, and each offer of the shop's coupon test."""
    import pandas as pd

    from tfrec.analysis.repurchase import predict_churn
    from tfrec.ingest.prepared import read_prepared
    from tfrec.promotions.offer_log import read_shop_test
    from tfrec.promotions.uplift import fit_uplift

    responses = {"order": predict_churn(tables).users["returns"]}
    prepared = read_prepared(path)
    if "coupon_test" in prepared.manifest.extras:
        log = read_shop_test(prepared)
        trial, _ = log.trial()
        outcome = next(name for name in ("conversion", "visit", "spend", "margin") if name in trial.outcomes)
        model = fit_uplift(trial, outcome=outcome)
        scores = model.predict(trial.features)
        for k, offer in enumerate(model.arm_names):
            responses[offer] = pd.Series(scores[:, k], index=log.table["user_id"].to_numpy())
    return responses
