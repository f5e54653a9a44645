"""`Connection`: the gRPC channel of a client, opened on first use and replaced when it is old."""

import os
import threading
import time
from typing import Any, Protocol

import grpc

from tfrec import errors
from tfrec.client.targets import is_loopback
from tfrec.schema import wire

_SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'  # `dns:///` targets: spread over all addresses
_METHODS = {
    "Predict": (wire.PREDICTION_SERVICE, wire.PredictResponse),
    "GetModelMetadata": (wire.PREDICTION_SERVICE, wire.GetModelMetadataResponse),
    "GetModelStatus": (wire.MODEL_SERVICE, wire.GetModelStatusResponse),
}
_SLACK = 1.0  # seconds until a call that has ended is noted
_UNANSWERED = 5.0
"""Seconds after which a connection whose bytes are not acknowledged is given up."""


class GrpcModule(Protocol):
    """What `grpc` and `grpc.aio` have in common."""

    insecure_channel: Any
    secure_channel: Any


class Connection:
    """The channel to a server.

    A channel that was used must not be used in a process that is forked from its own; so none is opened before it is
    needed, and a fork is recognised.

    Args:
        module: `grpc` or `grpc.aio`.
        target: `host:port`.
        credentials: TLS, or None.
        max_message_bytes: largest answer that is taken.
        keep_alive: seconds after which a quiet connection is tested.
        max_age: seconds after which the channel is replaced, so that addresses are looked up again; None = never.
    """

    def __init__(
        self,
        module: GrpcModule,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None,
        max_message_bytes: int,
        keep_alive: float,
        max_age: float | None,
    ) -> None:
        self.target = target
        self.is_closed = False
        self._module, self._credentials, self._max_age = module, credentials, max_age
        self._options = (
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.service_config", _SERVICE_CONFIG),
            # A server that comes back is found at once: gRPC's own pauses grow to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 2_000),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.keepalive_time_ms", round(keep_alive * 1_000)),
            ("grpc.keepalive_timeout_ms", round(_UNANSWERED * 1_000)),
            ("grpc.keepalive_permit_without_calls", 1),
            *([("grpc.enable_http_proxy", 0)] if is_loopback(target) else []),
        )
        self._lock = threading.Lock()
        self._channel: Any = None
        self._methods: dict[str, Any] = {}
        self._process, self._opened = 0, 0.0
        self._busy_until = 0.0  # when the last call under way on the channel ends, at the latest
        self._retired: list[tuple[Any, float]] = []

    def method(self, name: str, timeout: float) -> Any:
        """Returns what calls a method of the server.

        Args:
            name: of `_METHODS`.
            timeout: seconds after which the call has ended.

        Raises:
            ClientClosedError: the client is closed, or belongs to the process that this one was forked from.
        """
        if self.is_closed:
            raise self.closed_error()
        if self._channel is None or (self._max_age is not None and time.monotonic() > self._opened + self._max_age):
            self._open()
        if self._process != os.getpid():
            raise errors.ClientClosedError(
                f"This client of {self.target} was used before the process was forked, and gRPC's connections do not "
                "survive a fork. Make a client in each process, or do not ask before the fork.",
                code=grpc.StatusCode.CANCELLED.value[0],
            )
        self._busy_until = max(self._busy_until, time.monotonic() + timeout)
        return self._methods[name]

    def close(self) -> list[Any]:
        """Closes the channels; returns what `grpc.aio` wants to be awaited."""
        self.is_closed = True
        with self._lock:
            channels = [*(channel for channel, _ in self._retired), self._channel]
            self._retired, self._channel = [], None
        # Channels of the process that this one was forked from are left alone.
        return [one.close() for one in channels if one is not None and self._process == os.getpid()]

    def closed_error(self) -> errors.ClientClosedError:
        """Returns the error of a client that is asked after it was closed."""
        return errors.ClientClosedError(
            f"This client of {self.target} is closed. Make a new one, or ask inside its `with` block.",
            code=grpc.StatusCode.CANCELLED.value[0],
        )

    def take_retired(self) -> list[Any]:
        """Returns the channels that were replaced and whose last call has ended, for the caller to close."""
        if not self._retired:
            return []
        with self._lock:
            now = time.monotonic()
            old = [channel for channel, busy_until in self._retired if busy_until < now]
            self._retired = [entry for entry in self._retired if entry[1] >= now]
        return old

    def _open(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._channel is not None:
                if self._max_age is None or now <= self._opened + self._max_age or self._process != os.getpid():
                    return  # another thread was faster, or `method` refuses the fork
                self._retired.append((self._channel, self._busy_until + _SLACK))  # calls under way end on it
            self._channel = (
                self._module.insecure_channel(self.target, options=self._options)
                if self._credentials is None
                else self._module.secure_channel(self.target, self._credentials, options=self._options)
            )
            self._methods = {
                name: self._channel.unary_unary(
                    f"/{service}/{name}",
                    request_serializer=lambda message: message.SerializeToString(),
                    response_deserializer=response.FromString,
                )
                for name, (service, response) in _METHODS.items()
            }
            self._process, self._opened = os.getpid(), now
