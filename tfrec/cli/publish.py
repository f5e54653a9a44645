"""`tfrec publish`: copies versions of servables to a folder or an object store, verified before they are visible."""

import argparse
import sys

HELP = "copy versions to another folder or an object store, verified before they are visible"
DESCRIPTION = """\
Copies what is in service in MODELS (the versions that models.config names, else the newest, and the fall-back) with
models.config itself. Each copy is loaded by a fresh process and must answer as its certificate says before it becomes
visible: by rename in a folder; in an object store `saved_model.pb` comes last, and models.config, which names the
versions, at the very end. Numbers are never used twice. MODELS may be the store: that is how a server's machine pulls.

URLs need the extra `publish`; credentials and endpoint come from the environment (AWS_ENDPOINT_URL ...).
"""
EXAMPLES = """\
examples:
  tfrec publish models --to /srv/models
  tfrec publish models --to s3://shop-models/live --base-path /models
  tfrec publish s3://shop-models/live --to /models        # on the server's machine
  tfrec publish models --to /srv/models --version 7       # this version alone; models.config there stays as it is
"""
INTERRUPTED = "Nothing new is visible there. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", metavar="MODELS", help="folder of servables, or its URL")
    parser.add_argument("--to", required=True, metavar="DIR|URL", help="target folder, or s3://BUCKET/PLACE")
    parser.add_argument(
        "--version", type=int, metavar="N", help="version of shop, retrieval and ranking (default: that in service)"
    )
    parser.add_argument(
        "--base-path", metavar="DIR", help="path of the target as the server sees it (default: as it is here)"
    )


def run(options: argparse.Namespace) -> None:
    """Publishes and says what is new."""
    from tfrec.release.publish import publish_versions

    sys.stderr.write("Copying and checking ...\n")
    done = publish_versions(options.models, options.to, version=options.version, base_path=options.base_path)
    for name, version in done.kept:
        print(f"there already: {options.to}/{name}/{version}")
    for name, version in done.published:
        print(f"published:     {options.to}/{name}/{version}")
    if done.config:
        print(f"in service by: {options.to}/models.config")
