"""Receives events over HTTP, from beacons of pages and from servers, and answers when they are kept."""

import asyncio
import contextlib
import dataclasses
import hmac
import logging
import math
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from tfrec.collect.batches import Batch, Collected, Rejected, Row
from tfrec.collect.collector import Collector
from tfrec.collect.event_check import NoEventError, read_json
from tfrec.collect.group_commit import GroupCommit, QueueFullError
from tfrec.collect.rate_limit import RateLimit
from tfrec.errors import ConfigError, EnvironmentSetupError, install_hint
from tfrec.schema.http_callers import check_origins, check_token

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

logger = logging.getLogger(__name__)

ORIGIN = "HTTP"
_MANY = 1_000  # events of a request


@dataclasses.dataclass(frozen=True)
class EndpointConfig:
    """Settings of the endpoint.

    Attributes:
        token: word that each request must bring; `""` = none is asked for.
        allow_origins: pages that may send events, such as `https://shop.example`; `*` = all.
        max_bytes: largest body of a request.
        rate: requests a second of one address, after a burst of ten times as many; 0 = no limit.
        trusted_proxies: addresses whose `X-Forwarded-For` names the sender, separated by commas; `*` = all.
        max_waiting: events that may wait to be kept.
    """

    token: str = dataclasses.field(default="", repr=False)
    allow_origins: tuple[str, ...] = ()
    max_bytes: int = 262_144
    rate: float = 20.0
    trusted_proxies: str = ""
    max_waiting: int = 50_000

    def __post_init__(self) -> None:
        check_token(self.token)
        if self.max_bytes < 1 or self.max_waiting < 1:
            raise ConfigError("`max_bytes` and `max_waiting` must be above 0.")
        if not 0 <= self.rate < math.inf:
            raise ConfigError(f"`rate` must be 0 (no limit) or above; got {self.rate}.")
        check_origins(self.allow_origins)


def make_app(collector: Collector, config: EndpointConfig) -> "Starlette":
    """Returns the application: `POST /events`, `GET /health`.

    A body is one event, a list of events or lines of JSON, whatever its content type says; `navigator.sendBeacon` sends
    text/plain. The answer is 202 when the events are kept, with the number of those that are none.

    Raises:
        EnvironmentSetupError: Starlette is not installed.
    """
    check_extra()
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.routing import Route

    endpoint = _Endpoint(collector, config)
    middleware = []
    if config.allow_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(config.allow_origins),
                allow_methods=["POST"],
                allow_headers=["Authorization", "Content-Type"],
                max_age=3_600,
            )
        )
    return Starlette(
        routes=[
            Route("/events", endpoint.receive, methods=["POST"]),
            Route("/health", endpoint.health, methods=["GET"]),
        ],
        middleware=middleware,
        lifespan=endpoint.lifespan,
    )


def serve_events(collector: Collector, config: EndpointConfig, *, host: str, port: int) -> Collected:
    """Serves until SIGTERM or Ctrl-C, keeps what has come, and returns the counts."""
    check_extra()
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            make_app(collector, config),
            host=host,
            port=port,
            access_log=False,  # a beacon's address holds its token
            log_level="warning",
            server_header=False,
            proxy_headers=bool(config.trusted_proxies),
            forwarded_allow_ips=config.trusted_proxies or None,
            timeout_graceful_shutdown=30,
            limit_concurrency=1_000,
        )
    )
    logger.info("Receiving events on http://%s:%d/events", host, port)
    # The server raises the signal that ended it again when it is done; there are counts to be returned then.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    return collector.collected


def check_extra() -> None:
    """Checks that the extra is installed.

    Raises:
        EnvironmentSetupError: it is not.
    """
    try:
        import starlette
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise EnvironmentSetupError(f"Receiving events needs {error.name}. {install_hint('collect')}.") from None
    del starlette


class _Refused(Exception):  # noqa: N818
    """A request is refused."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


class _Endpoint:
    def __init__(self, collector: Collector, config: EndpointConfig) -> None:
        self._collector, self._config = collector, config
        self._limit = RateLimit(config.rate, max(1, int(10 * config.rate))) if config.rate else None
        self._queue: GroupCommit | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: "Starlette") -> AsyncIterator[None]:
        self._queue = GroupCommit(self._collector.target, max_waiting=self._config.max_waiting)
        self._queue.start()
        try:
            yield
        finally:
            await self._queue.close()
            self._collector.collected.add(self._queue.collected)

    async def health(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        is_healthy = self._queue is not None and self._queue.is_healthy
        return JSONResponse({"status": "ok" if is_healthy else "failing"}, 200 if is_healthy else 503)

    async def receive(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        try:
            self._check_sender(request)
            body = await self._read(request)
            rows, rejected = self._check(body)
            await self._keep(rows, rejected)
        except _Refused as refused:
            return JSONResponse({"error": refused.reason}, refused.status, headers=refused.headers)
        answer = {
            "accepted": len(rows),
            "rejected": [{"event": line.place, "reason": line.reason} for line in rejected],
        }
        return JSONResponse(answer, 202 if rows else 422)

    def _check_sender(self, request: "Request") -> None:
        address = request.client.host if request.client else ""
        if self._limit is not None and (seconds := self._limit.wait_for(address)):
            raise _Refused(429, "too many requests", {"Retry-After": str(math.ceil(seconds))})
        if not self._config.token:
            return
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        given = word.strip() if scheme.lower() == "bearer" else request.query_params.get("token", "")
        if not hmac.compare_digest(given.encode(), self._config.token.encode()):
            raise _Refused(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    async def _read(self, request: "Request") -> bytes:
        limit = self._config.max_bytes
        too_large = _Refused(413, f"a request may have {limit} bytes", {"Connection": "close"})
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > limit:
            raise too_large
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
        return b"".join(parts)

    def _check(self, body: bytes) -> tuple[list[Row], list[Rejected]]:
        if not body.strip():
            raise _Refused(400, "the body is empty")
        try:
            content: Any = read_json(body)
        except NoEventError as error:
            lines = [(place, line) for place, line in enumerate(body.splitlines()) if line.strip()]
            if len(lines) < 2:
                raise _Refused(400, str(error)) from None
            _check_number(len(lines))
            rows, rejected = self._collector.check_lines(lines, ORIGIN)
            if not rows and all(line.reason == "no JSON" for line in rejected):
                raise _Refused(400, "no JSON") from None
            return rows, rejected
        events = content if isinstance(content, list) else [content]
        _check_number(len(events))
        return self._collector.check_events(events, ORIGIN)

    async def _keep(self, rows: list[Row], rejected: list[Rejected]) -> None:
        assert self._queue is not None
        try:
            await self._queue.keep(Batch(rows, rejected))
        except QueueFullError:
            raise _Refused(503, "too much waits to be kept", {"Retry-After": "1"}) from None
        except asyncio.CancelledError:
            raise
        except Exception:  # its text is in the log, and may state where events are kept
            raise _Refused(503, "the events could not be kept", {"Retry-After": "5"}) from None


def _check_number(number: int) -> None:
    if number > _MANY:
        raise _Refused(413, f"a request may have {_MANY} events")
