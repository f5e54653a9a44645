"""Ends HTTP connections whose caller does not finish the head of a request; uvicorn waits for it without a limit."""

import asyncio
from typing import Any


def limited_protocol(seconds: float) -> Any:
    """Returns uvicorn's HTTP protocol, but for connections that send no whole head of a request within `seconds`.

    The body has a limit of its own, where it is received.

    Raises:
        ImportError: uvicorn is not installed.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class LimitedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen at import
        """A connection that is closed when the next request's head is late."""

        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            """Starts to wait for the first request."""
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            """Stops waiting."""
            self._wait_no_more()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            """Starts to wait for the next request."""
            super().on_response_complete()
            self._wait()

        def _wait(self) -> None:
            self._wait_no_more()
            self._waiting = self.loop.call_later(seconds, self._close_if_late)

        def _wait_no_more(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _close_if_late(self) -> None:
            is_asked = self.cycle is not None and not self.cycle.response_complete
            if not is_asked and not self.transport.is_closing():
                self.transport.close()

    return LimitedProtocol
