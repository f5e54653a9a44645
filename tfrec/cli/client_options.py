"""Makes the client of the verbs that ask a running server, from the same options."""

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec.client import RecommenderClient

TARGET_HELP = "gRPC port of the server"


def add_client_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the client, beside the server's address."""
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


@contextlib.contextmanager
def open_client(options: argparse.Namespace, **settings: Any) -> Iterator["RecommenderClient"]:
    """Gives a client as the options describe it.

    Args:
        options: parsed options, `target` among them.
        **settings: what else `RecommenderClient` is given.

    Raises:
        ConfigError: a setting is not as it must be.
        SourceError: there are no best sellers, or no history store, where they should be.
    """
    from tfrec.client import RecommenderClient
    from tfrec.client.history.open_store import open_history

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
            **settings,
        ) as client,
    ):
        yield client
