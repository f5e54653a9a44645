"""`tfrec mcp`: offers a served shop to an assistant as tools of the Model Context Protocol."""

import argparse
import logging
import os
from pathlib import Path

from tfrec.cli.client_options import TARGET_HELP, add_client_options, open_client
from tfrec.cli.titles import add_title_options, read_titles

HELP = "offer a running server's signatures to an assistant as tools (MCP)"
DESCRIPTION = """\
Offers what `tfrec serve` or TF Serving answers (cross-sell, upsell, ...) to a chat assistant, as read-only tools of the
Model Context Protocol: over standard input and output, for the assistant's program to start, or over HTTP. Each item
comes with title, price and the reason in words. With titles, items are found by words, too.
"""
EXAMPLES = """\
examples:
  tfrec mcp localhost:8500 --items items.csv                   # started by the assistant's program
  tfrec mcp localhost:8500 --prepared prepared/online_retail --user 17850
  tfrec mcp localhost:8500 --items items.csv --best-sellers models --log answers
  TFREC_MCP_TOKEN=... tfrec mcp localhost:8500 --items items.csv --http 0.0.0.0:8600 --allow-host tools.shop.example
"""
INTERRUPTED = "Nothing was changed."
_TOKEN = "TFREC_MCP_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("target", metavar="HOST:PORT", help=TARGET_HELP)
    add_client_options(parser)
    add_title_options(parser)
    users = parser.add_mutually_exclusive_group()
    users.add_argument("--user", metavar="ID", help="the shopper whom the assistant talks to (default: a guest)")
    users.add_argument(
        "--any-user",
        action="store_true",
        help="let the assistant name any user: it can then find out what each bought, so for the shop's own staff",
    )
    parser.add_argument(
        "--log", type=Path, metavar="DIR", help="folder in which every answer is kept, for `tfrec collect`"
    )
    parser.add_argument(
        "--placement", default="assistant", metavar="NAME", help="what the log calls the place of these offers"
    )
    http = parser.add_argument_group("over HTTP")
    http.add_argument("--http", metavar="HOST:PORT", help="offer the tools at http://HOST:PORT/mcp")
    http.add_argument(
        "--token-env", default=_TOKEN, metavar="NAME", help="environment variable of the token that requests must bring"
    )
    http.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name by which others address the server; several times",
    )
    http.add_argument(
        "--allow-origin", action="append", default=[], metavar="URL", help="page whose scripts may call; several times"
    )


def run(options: argparse.Namespace) -> None:
    """Offers the tools until the assistant ends, or Ctrl-C."""
    from tfrec.agents import ShopTools, make_server, serve_stdio
    from tfrec.client import AnswerLog
    from tfrec.errors import ConfigError

    port = None
    if options.http:
        from tfrec.agents import HttpPort

        host, _, number = options.http.rpartition(":")
        if not host or not number.isdigit():
            raise ConfigError(f"The address must be HOST:PORT, such as 127.0.0.1:8600; got {options.http!r}.")
        port = HttpPort(
            host.strip("[]"),
            int(number),
            token=os.environ.get(options.token_env, ""),
            allow_hosts=tuple(options.allow_host),
            allow_origins=tuple(options.allow_origin),
            token_env=options.token_env,
        )
    titles = read_titles(options)
    log = AnswerLog(options.log, placement=options.placement) if options.log else None
    try:
        with open_client(options, log=log) as client:
            server = make_server(ShopTools(client, titles, user_id=options.user, any_user=options.any_user))
            if port is None:
                serve_stdio(server)
            else:
                from tfrec.agents import serve_http

                logging.getLogger("tfrec").setLevel(logging.INFO)  # a server's log is its output
                serve_http(server, port)
    finally:
        if log is not None:
            log.close()
