"""`GrpcPort`: the services of TF Serving, and health, on a gRPC port, in an event loop.

A call holds no thread while it sends, so that callers that never finish block no other, and health answers beside
requests that run.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from tfrec.errors import SchemaError, ServingError
from tfrec.schema import wire
from tfrec.serving.admission import Admission
from tfrec.serving.health import SERVICE_UNKNOWN, Health
from tfrec.serving.limits import RequestLimits
from tfrec.serving.metrics import ServingMetrics
from tfrec.serving.model_services import ModelServices
from tfrec.serving.reflected import SERVICES, described_services
from tfrec.serving.tls import ServerTls

logger = logging.getLogger(__name__)

_INVALID_ARGUMENT, _DEADLINE_EXCEEDED, _NOT_FOUND, _INTERNAL = 3, 4, 5, 13
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_MESSAGE_BYTES = 1024  # of a status; HTTP/2 headers are small
_LARGE = 2**20  # bytes; a message from here on is decoded in a thread, for the event loop would stand still
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # two servers on one port would share its traffic
    # A peer that is gone without a word is noticed after 80 s; callers may ping to keep their connection.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 10_000),
)
_Answer = Callable[[bytes, Any], Awaitable[bytes]]


class GrpcPort:
    """A gRPC port of one event loop.

    Args:
        services: answers.
        health: answers.
        admission: where requests run.
        metrics: counts requests.
        limits: what a message may hold.
        receive_seconds: a call that has not sent its message after so many seconds is ended.
    """

    def __init__(
        self,
        services: ModelServices,
        health: Health,
        admission: Admission,
        metrics: ServingMetrics,
        limits: RequestLimits,
        *,
        receive_seconds: float,
    ) -> None:
        self._services = services
        self._health = health
        self._admission = admission
        self._metrics = metrics
        self._limits = limits
        self._receive_seconds = receive_seconds
        self._server: grpc.aio.Server | None = None

    async def open(self, address: str, tls: ServerTls | None) -> int:
        """Listens on `host:port` and returns the port.

        Raises:
            RuntimeError: the address cannot be had.
        """
        self._server = grpc.aio.server(
            options=(("grpc.max_receive_message_length", self._limits.max_bytes), *_OPTIONS),
        )
        self._server.add_generic_rpc_handlers(self._handlers())
        names = (*SERVICES, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, pool=described_services())
        port = (
            self._server.add_insecure_port(address)
            if tls is None
            else self._server.add_secure_port(address, tls.grpc_credentials())
        )
        await self._server.start()
        return port

    async def close(self, grace: float) -> None:
        """Takes no more calls, and cancels those that are still under way after `grace` seconds."""
        if self._server is not None:
            await self._server.stop(grace)

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        services, classification = self._services, wire.ClassificationRequest
        unary: dict[str, dict[str, _Answer]] = {
            wire.PREDICTION_SERVICE: {
                "Predict": self._predict,
                "GetModelMetadata": _at_once(wire.GetModelMetadataRequest, services.get_model_metadata),
                "Classify": _at_once(classification, lambda request: services.classify(request, "classify")),
                "Regress": _at_once(classification, lambda request: services.classify(request, "regress")),
                "MultiInference": _at_once(wire.MultiInferenceRequest, services.multi_inference),
            },
            wire.MODEL_SERVICE: {
                "GetModelStatus": _at_once(wire.GetModelStatusRequest, services.get_model_status),
                "HandleReloadConfigRequest": self._reload,
            },
            wire.HEALTH_SERVICE: {"Check": _at_once(wire.HealthCheckRequest, self._check_health)},
        }
        methods = {
            service: {name: self._unary(answer) for name, answer in named.items()} for service, named in unary.items()
        }
        methods[wire.HEALTH_SERVICE]["Watch"] = grpc.stream_stream_rpc_method_handler(self._watch_health)
        return tuple(grpc.method_handlers_generic_handler(service, named) for service, named in methods.items())

    def _unary(self, answer: _Answer) -> grpc.RpcMethodHandler:
        """Returns the handler of a method that takes one message and gives one."""

        async def handle(_: Any, context: Any) -> bytes:
            with _statuses() as failure:
                return await answer(await self._received(context), context)
            await context.abort(*failure)

        # On the wire a call of one message is a stream of one: so its arrival can be waited for with a limit.
        return grpc.stream_unary_rpc_method_handler(handle)

    async def _received(self, context: Any) -> bytes:
        try:
            async with asyncio.timeout(self._receive_seconds):
                content = await context.read()
        except TimeoutError:
            raise ServingError(
                f"The message of this call did not come within {self._receive_seconds:g} s. Send it at once.",
                code=_DEADLINE_EXCEEDED,
            ) from None
        if content is grpc.aio.EOF:
            raise ServingError("", code=_INTERNAL)
        return content

    async def _predict(self, content: bytes, context: Any) -> bytes:
        remaining = context.time_remaining()
        until = None if remaining is None else time.monotonic() + remaining
        if len(content) < _LARGE:
            request = _parsed(wire.PredictRequest, content)
        else:
            request = await asyncio.to_thread(_parsed, wire.PredictRequest, content)

        def work() -> bytes:
            timeout_ms = 0
            if until is not None:
                timeout_ms = int(1000 * (until - time.monotonic()))
                if timeout_ms <= 0:
                    raise ServingError("Deadline Exceeded", code=_DEADLINE_EXCEEDED)
            return self._services.predict(request, timeout_ms=timeout_ms).SerializeToString()

        with self._metrics.request(request.model_spec, "GRPC", until=until):
            return await self._admission.run(work, memory=self._services.memory_of(request))

    async def _reload(self, content: bytes, context: Any) -> bytes:
        request = _parsed(wire.ReloadConfigRequest, content)
        response = await asyncio.to_thread(self._services.reload_config, request)  # loads, for seconds
        return response.SerializeToString()

    def _check_health(self, request: Any) -> Any:
        status = self._health.status(request.service)
        if status == SERVICE_UNKNOWN:
            raise ServingError(f"unknown service {request.service}", code=_NOT_FOUND)
        return wire.HealthCheckResponse(status=status)

    async def _watch_health(self, _: Any, context: Any) -> AsyncIterator[bytes]:
        with _statuses() as failure:
            request = _parsed(wire.HealthCheckRequest, await self._received(context))
        if failure:
            await context.abort(*failure)
        async for status in self._health.watch(request.service):
            yield wire.HealthCheckResponse(status=status).SerializeToString()


@contextlib.contextmanager
def _statuses() -> Iterator[list[Any]]:
    """Turns an error of the block into the code and details of a status; any but ours is INTERNAL and is logged."""
    failure: list[Any] = []
    try:
        yield failure
        return
    except ServingError as error:
        code, details = error.code, error.details
    except SchemaError as error:
        code, details = _INVALID_ARGUMENT, str(error)
    except Exception as error:
        logger.exception("A request failed in an unforeseen way.")
        code, details = _INTERNAL, f"{type(error).__name__} in the embedded server; its log says more."
    failure += [_CODES.get(code, grpc.StatusCode.UNKNOWN), _truncated(details)]


def _parsed(kind: Any, content: bytes) -> Any:
    """Returns a message; gRPC's own generated code answers bytes that are none as this does.

    Raises:
        ServingError: INTERNAL, the bytes are no such message.
    """
    try:
        return kind.FromString(content)
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        raise ServingError("", code=_INTERNAL) from error


def _at_once(kind: Any, function: Callable[[Any], Any]) -> _Answer:
    """Returns the answer of a function that is quick enough for the event loop itself."""

    async def answer(content: bytes, context: Any) -> bytes:
        return function(_parsed(kind, content)).SerializeToString()

    return answer


def _truncated(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return text
    return encoded[:_MAX_MESSAGE_BYTES].decode("utf-8", "ignore") + "...TRUNCATED"
