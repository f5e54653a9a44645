"""`tfrec follow`: keeps the folder that one server reads up to date with published versions."""

import argparse
import sys
import time
from pathlib import Path

HELP = "update a server's folder to the version of a label: pulled, verified, labelled once loaded"
DESCRIPTION = """\
For the machine, or the pod, of a server: pulls the version that a label of the store names, and the fall-back, into the
folder that the server reads. Each copy is loaded by a fresh process and must answer as its certificate says before it
appears, by rename; a half or changed copy is refused. models.config follows: first the version, then, when --server
has loaded it, the label, since TF Serving refuses a file that moves a label to a version it has not loaded.
A store without the label gives its `stable` version. The version before stays; older ones are removed.
"""
EXAMPLES = """\
examples:
  tfrec follow s3://shop-models/live --to /models --once                              # before the server starts
  tfrec follow s3://shop-models/live --to /models --server localhost:8500 --every 30  # beside it
  tfrec follow s3://shop-models/live --to /models --label canary --once
"""
INTERRUPTED = "The folder is as the last pull left it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("source", metavar="DIR|URL", help="folder or URL of published versions")
    parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="folder of one server")
    parser.add_argument(
        "--label", default="stable", metavar="LABEL", help="label whose version is served (default: stable)"
    )
    parser.add_argument(
        "--server", metavar="HOST:PORT", help="address of the running server (default: not started yet)"
    )
    parser.add_argument(
        "--base-path", metavar="DIR", help="path of the folder as the server sees it (default: as it is here)"
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--once", action="store_true", help="a single pull")
    when.add_argument("--every", type=float, default=30.0, metavar="S", help="seconds between two pulls (default: 30)")


def run(options: argparse.Namespace) -> None:
    """Follows until it is stopped, or once."""
    from tfrec.errors import TfrecError

    while True:
        try:
            _pull(options)
        except TfrecError as error:
            if options.once:
                raise
            sys.stderr.write(f"{error}\n")  # what is served stays; the next look may succeed
        if options.once:
            return
        time.sleep(options.every)


def _pull(options: argparse.Namespace) -> None:
    from tfrec.release.follow import follow_place

    done = follow_place(
        options.source, options.to, label=options.label, server=options.server, base_path=options.base_path
    )
    for name, version in done.pulled:
        print(f"pulled:  {options.to}/{name}/{version}", flush=True)
    for name, version in done.removed:
        print(f"removed: {options.to}/{name}/{version}", flush=True)
    if done.pulled or options.once:
        served = "the fall-back alone" if done.version is None else f"version {done.version}"
        print(f"{options.label}: {served}", flush=True)
