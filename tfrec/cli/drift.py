"""`tfrec drift`: compares logged requests with the training period of a version."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import print_json
from tfrec.cli.settings import add_json, share

if TYPE_CHECKING:
    from tfrec.release.drift import Drift

HELP = "compare logged requests with what a version was trained on"
DESCRIPTION = """\
Reads the logs of `tfrec serve --request-log` and compares what was asked with the training period that the version in
MODELS notes: unknown ids by input, the categories and prices of the items in carts, on the page and in users' events,
and the sizes of carts. A population stability index (PSI) below .1 is no shift, from --index on a large one; beside it
stands the index that chance alone exceeds in 5 % of all cases with as many users. What was offered is reported without
a verdict: strategies choose it. Exit status 1 where anything has shifted: time to train again, or a caller sends what
it should not.
"""
EXAMPLES = """\
examples:
  tfrec serve models --request-log requests --request-log-share 0.01
  tfrec drift models requests
  tfrec drift models requests --version 3 --json
  tfrec drift models requests/requests-20261101T0*.tfrecord --servable fallback
"""
INTERRUPTED = "Nothing was changed."

EXIT_SHIFTED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder of servables")
    parser.add_argument(
        "logs", type=Path, nargs="+", metavar="LOGS", help="folder of logged requests, or files (*.tfrecord)"
    )
    parser.add_argument("--servable", default="shop", metavar="NAME", help="servable whose requests are compared")
    parser.add_argument("--version", type=int, metavar="N", help="number of the version (default: that in service)")
    parser.add_argument(
        "--index",
        type=float,
        default=0.25,
        metavar="PSI",
        help="population stability index from which on a distribution has shifted",
    )
    parser.add_argument(
        "--unknown",
        default="5%",
        metavar="SHARE",
        help="share of unknown ids of an input from which on it has shifted; of users it is reported alone",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Compares, prints and returns the exit status."""
    from tfrec.release.drift import DriftConfig, measure_drift

    drift = measure_drift(
        options.models,
        options.logs,
        servable=options.servable,
        version=options.version,
        config=DriftConfig(index=options.index, unknown=share(options.unknown, "--unknown")),
    )
    if options.json:
        print_json(drift)
    else:
        print(_text(drift))
    return EXIT_SHIFTED if drift.has_shifted else 0


def _text(drift: "Drift") -> str:
    from tfrec.schema.text_columns import text_table

    versions = ", ".join(
        f"{count:,} answered by version {version}" if version else f"{count:,} without an answer"
        for version, count in drift.versions.items()
    )
    others = "".join(f"; left out: {count:,} to {name or 'no name'}" for name, count in drift.left_out.items())
    asked = [
        [one.signature, f"{one.num_requests:,}", f"{one.num_queries:,}", f"{one.num_empty:,}"]
        for one in drift.signatures
    ]
    ids = [
        [
            one.input,
            f"{one.num_ids:,}",
            _percent(one.share),
            f"{_percent(one.low)}–{_percent(one.high)}",
            one.verdict,
        ]
        for one in drift.ids
    ]
    shifts = [
        [
            one.what,
            f"{one.num_queries:,}",
            f"{one.num_users:,.0f}",
            f"{one.largest}: {_percent(one.training[one.largest])} → {_percent(one.requests[one.largest])}",
            f"{one.index:.3f}",
            f"{one.chance:.3f}",
            one.verdict,
        ]
        for one in drift.shifts
    ]
    parts = [
        f"{drift.num_requests:,} logged requests to {drift.servable} ({versions}{others}), of about "
        f"{drift.num_estimated:,.0f} in all, beside the training period of {drift.servable}/{drift.version}.",
        text_table(["signature", "requests", "queries", "without any item"], asked),
    ]
    if ids:
        parts.append(text_table(["ids of input", "ids", "unknown", "95 % interval", "verdict"], ids))
    if shifts:
        heads = ["what", "queries", "users", "largest change, training → requests", "PSI", "by chance", "verdict"]
        parts.append(text_table(heads, shifts))
    return "\n\n".join(parts)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"
