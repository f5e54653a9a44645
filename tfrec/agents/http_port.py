"""Speaks MCP over HTTP (streamable HTTP at `/mcp`), behind a token where others can reach the port."""

import dataclasses
import hmac
import logging
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tfrec.errors import ConfigError
from tfrec.schema.http_callers import MAKE_A_TOKEN, check_origins, check_token

logger = logging.getLogger(__name__)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclasses.dataclass(frozen=True)
class HttpPort:
    """Where MCP is spoken over HTTP, and who may speak.

    Attributes:
        host: address that is listened on.
        port: port; 0 = a free one.
        token: word that each request must bring as `Authorization: Bearer`; `""` = none, on loopback only.
        allow_hosts: names under which the server may be addressed, such as `tools.shop.example`, beside loopback's.
        allow_origins: pages whose scripts may call, such as `https://shop.example`.
        token_env: environment variable that the token was read from, named in messages; `""` = it was none.
    """

    host: str
    port: int
    token: str = dataclasses.field(default="", repr=False)
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    token_env: str = ""

    def __post_init__(self) -> None:
        check_token(self.token)
        if not self.token and self.host not in _LOOPBACK:
            raise ConfigError(
                f"Without a token the tools are offered on this machine alone (127.0.0.1); got {self.host!r}. Set "
                f"{self.token_env or '`token`'} (make one: {MAKE_A_TOKEN})."
            )
        check_origins(self.allow_origins, may_be_all=False)


def make_app(server: Server[Any], port: HttpPort) -> ASGIApp:
    """Returns the application: MCP at `/mcp`, without sessions, so that any number of processes may answer."""
    hosts = [*_LOOPBACK[:2], "[::1]", port.host, *port.allow_hosts]
    app = server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(
            allowed_hosts=[one for host in hosts for one in (host, f"{host}:*")],
            allowed_origins=list(port.allow_origins),
        ),
    )
    return _Guarded(app, port.token) if port.token else app


def serve_http(server: Server[Any], port: HttpPort) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    logger.info("Offering tools on http://%s:%d/mcp", port.host, port.port)
    uvicorn.run(make_app(server, port), host=port.host, port=port.port, log_level="warning", server_header=False)


class _Guarded:
    """Refuses requests without the token before MCP sees them."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            scheme, _, word = given.partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(word.strip(), self._token):
                answer = JSONResponse(
                    {"error": "the token is missing or wrong"}, 401, headers={"WWW-Authenticate": "Bearer"}
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
