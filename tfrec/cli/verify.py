"""`tfrec verify`: compares a folder, a URL or a running server with the certificates of its versions."""

import argparse
import json
from dataclasses import asdict

HELP = "replay the certificates against a folder, a URL or a running server"
DESCRIPTION = """\
Each exported version holds a certificate: typical queries of the shop's last days, the items and scores with which the
trainer's own graph answered them, and hashes of its files. TARGET must answer the same: ids equal, scores within 1e-5,
in a folder the files too. Exit status 1 and a table where anything differs.
"""
EXAMPLES = """\
examples:
  tfrec verify models                                        # what is in service there
  tfrec verify models --every
  tfrec verify s3://shop-models/live
  tfrec verify localhost:8500 --models models                # TF Serving, or tfrec serve
  tfrec verify localhost:8500 --models models --version-label stable
"""
INTERRUPTED = "Nothing was changed."

EXIT_DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("target", metavar="TARGET", help="folder of servables or of one version, URL, or HOST:PORT")
    parser.add_argument("--models", metavar="DIR|URL", help="folder of the certificates, for HOST:PORT")
    parser.add_argument(
        "--servable",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the servable; may be repeated (default: all)",
    )
    parser.add_argument("--version", type=int, metavar="N", help="number of the version (default: that in service)")
    parser.add_argument("--version-label", metavar="LABEL", help="label of the version, for HOST:PORT")
    parser.add_argument("--every", action="store_true", help="verification of all versions")
    parser.add_argument(
        "--deadline", type=float, default=10.0, metavar="S", help="time limit of a query in seconds, for HOST:PORT"
    )
    parser.add_argument("--json", action="store_true", help="output as JSON in place of a table")


def run(options: argparse.Namespace) -> int:
    """Verifies, prints what differs, and returns the exit status."""
    from tfrec.errors import ConfigError
    from tfrec.release.verify import is_server, verify_place, verify_server
    from tfrec.schema.text_columns import text_table

    if is_server(options.target):
        if options.models is None:
            raise ConfigError("A server does not hand out certificates. Say where they lie: --models DIR")
        done = verify_server(
            options.target,
            options.models,
            version=options.version,
            label=options.version_label,
            servables=options.servable,
            deadline=options.deadline,
        )
    else:
        if options.version_label is not None or options.models is not None:
            raise ConfigError("--models and --version-label belong to HOST:PORT; a folder is asked by --version.")
        done = verify_place(options.target, version=options.version, servables=options.servable, every=options.every)
    if options.json:
        print(json.dumps(asdict(done), indent=2, ensure_ascii=False))
    elif done.differences:
        heads = ["version", "where", "certified", "found"]
        print(
            text_table(
                heads,
                [
                    [difference.servable, difference.where, difference.expected, difference.found]
                    for difference in done.differences
                ],
            )
        )
    else:
        print(f"{', '.join(done.checked)}: {done.num_queries} queries answered as certified.")
    return EXIT_DIFFERENT if done.differences else 0
