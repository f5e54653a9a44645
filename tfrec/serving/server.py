"""Serves a folder of servables over gRPC as TF Serving does: `EmbeddedServer`.

It implements the same protocol (`PredictionService.Predict`, `GetModelMetadata`, `ModelService.GetModelStatus`,
`grpc.health.v1.Health`), with the same codes, messages and version rules, and needs no Python TensorFlow. On purpose
it differs from TF Serving in this:

- it listens on loopback by default, and never shares its port with another process;
- it stops gracefully on SIGTERM;
- a request has a limit on rows and bytes (`RequestLimits`);
- Classify, Regress, MultiInference and HandleReloadConfigRequest answer UNIMPLEMENTED;
- health follows the servables (`""`, or the name of one), not just the process;
- an empty folder or a failed first load ends the start at once, instead of waiting.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import grpc

from tfrec.errors import ConfigError, SchemaError, ServingError
from tfrec.schema import wire
from tfrec.serving.models_config import CONFIG
from tfrec.serving.prediction import RequestLimits, predict
from tfrec.serving.versions import ServedModels

logger = logging.getLogger(__name__)

_OK, _INVALID_ARGUMENT, _NOT_FOUND, _UNIMPLEMENTED, _INTERNAL = 0, 3, 5, 12, 13
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_MESSAGE_BYTES = 1024  # of a status; HTTP/2 headers are small
_SERVING, _NOT_SERVING = 1, 2  # HealthCheckResponse.ServingStatus
_HEALTH_NAMES = ("", "PredictionService", "ModelService", wire.PREDICTION_SERVICE, wire.MODEL_SERVICE)
_LEFT_OUT = {
    wire.PREDICTION_SERVICE: ("Classify", "Regress", "MultiInference"),
    wire.MODEL_SERVICE: ("HandleReloadConfigRequest",),
}


class EmbeddedServer:
    """Serves a folder of servables over gRPC; a context manager that is ready inside its block.

    Args:
        models_dir: holds `<name>/<version>/saved_model.pb`; watched for new versions and new names.
        host: address to listen on. Whoever reaches it can ask; there is no authentication without TLS.
        port: 0 = any free one, see `EmbeddedServer.port`.
        poll_seconds: pause between two looks into the folder.
        limits: what one request may ask for.
        max_threads: requests answered at once; None = 4 for each core.
        max_waiting: requests beyond these that may wait; further ones get RESOURCE_EXHAUSTED.
        intra_op_threads: threads within one TensorFlow operation, 0 = one a core.
        inter_op_threads: threads that run operations side by side, 0 = one a core.
        config_file: TF Serving's `--model_config_file`: which versions are served, and labels for them; None = the one
            in the folder, if `tfrec label` wrote one there. Of its base paths the last part counts, in `models_dir`.
        credentials: TLS, from `grpc.ssl_server_credentials(...)`; None = plaintext.

    Example:
        with EmbeddedServer("models", port=0) as server:
            client = RecommenderClient(f"localhost:{server.port}")
    """

    def __init__(
        self,
        models_dir: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 8500,
        poll_seconds: float = 1.0,
        limits: RequestLimits | None = None,
        max_threads: int | None = None,
        max_waiting: int = 1000,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
        config_file: Path | str | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        if not 0 <= port <= 65_535:
            raise ConfigError(f"`port` must be from 0 (any free one) to 65535; got {port}.")
        if not poll_seconds > 0:
            raise ConfigError(f"`poll_seconds` must be positive; got {poll_seconds}.")
        if (max_threads is not None and max_threads < 1) or max_waiting < 0:
            raise ConfigError(
                f"`max_threads` must be at least 1 and `max_waiting` at least 0; got {max_threads} and {max_waiting}."
            )
        usual = Path(models_dir) / CONFIG
        self._models = ServedModels(
            Path(models_dir),
            config_file=Path(config_file) if config_file is not None else usual if usual.is_file() else None,
            intra_op_threads=intra_op_threads,
            inter_op_threads=inter_op_threads,
        )
        self._host = host
        self._wanted_port = port
        self._poll_seconds = poll_seconds
        self._limits = limits or RequestLimits()
        self._num_threads = max_threads or 4 * (os.cpu_count() or 1)
        self._max_waiting = max_waiting
        self._credentials = credentials
        self._port: int | None = None
        self._server: grpc.Server | None = None
        self._is_stopping = threading.Event()
        self._has_stopped = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="tfrec-versions", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on.

        Raises:
            ServingError: the server is not started.
        """
        if self._port is None:
            raise ServingError("The server is not started. Use it in a `with` block, or call `start()`.")
        return self._port

    @property
    def models(self) -> ServedModels:
        """The servables and where their versions stand."""
        return self._models

    def start(self) -> "EmbeddedServer":
        """Loads every servable, then opens the port, so that an open port means that all of them answer.

        Raises:
            ServingError: a servable cannot be loaded, there is none, or the port cannot be had.
        """
        try:
            self._check_port()
            self._models.load_first()
            self._server = self._listening()
        except BaseException:
            self._models.close()
            raise
        self._server.start()
        self._poller.start()
        logger.info("Serving %s on %s:%d.", ", ".join(self._models.names), self._host, self.port)
        return self

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the server has stopped, or for `timeout` seconds; returns whether it has stopped."""
        return self._has_stopped.wait(timeout)

    def stop(self, grace: float = 5.0) -> None:
        """Takes no more requests, gives those under way `grace` seconds, and unloads everything."""
        if self._is_stopping.is_set():
            self._has_stopped.wait()
            return
        self._is_stopping.set()
        if self._server is not None:
            self._server.stop(grace).wait()
        if self._poller.ident is not None:
            self._poller.join()
        self._models.close()
        self._has_stopped.set()

    def __enter__(self) -> "EmbeddedServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _check_port(self) -> None:
        """Finds out that the port cannot be had before models are loaded for it.

        Raises:
            ServingError: it is taken, or no address of the host is this machine's.
        """
        if self._wanted_port == 0:
            return
        try:
            addresses = socket.getaddrinfo(
                self._host, self._wanted_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError as error:
            raise ServingError(
                f"Cannot listen on {self._host!r}: {error.strerror or error}. Check the host."
            ) from error
        failures = []
        for family, kind, protocol, _, address in addresses:
            try:
                with socket.socket(family, kind, protocol) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just given up is free
                    probe.bind(address)
            except OSError as error:
                failures.append(error)
        if len(failures) == len(addresses):
            raise ServingError(
                f"Cannot listen on {self._host}:{self._wanted_port}: {failures[0].strerror}. Is the port taken? Choose "
                "another; 0 takes any free one."
            )

    def _listening(self) -> grpc.Server:
        server = grpc.server(
            futures.ThreadPoolExecutor(self._num_threads, thread_name_prefix="tfrec-rpc"),
            options=(
                ("grpc.max_receive_message_length", self._limits.max_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ),
            maximum_concurrent_rpcs=self._num_threads + self._max_waiting,
        )
        server.add_generic_rpc_handlers(self._handlers())
        host = f"[{self._host}]" if ":" in self._host else self._host  # IPv6
        address = f"{host}:{self._wanted_port}"
        try:
            port = (
                server.add_insecure_port(address)
                if self._credentials is None
                else server.add_secure_port(address, self._credentials)
            )
        except RuntimeError as error:
            raise ServingError(
                f"Cannot listen on {address}: {error}. Is the port taken? Choose another; 0 takes any free one."
            ) from error
        self._port = port
        return server

    def _poll(self) -> None:
        while not self._is_stopping.wait(self._poll_seconds):
            try:
                self._models.poll()
            except Exception:
                logger.exception("A look into the folder of servables failed; the next follows.")

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        answered: dict[str, dict[str, tuple[Callable[[Any, Any], Any], Any]]] = {
            wire.PREDICTION_SERVICE: {
                "Predict": (self._predict, wire.PredictRequest),
                "GetModelMetadata": (self._get_model_metadata, wire.GetModelMetadataRequest),
            },
            wire.MODEL_SERVICE: {"GetModelStatus": (self._get_model_status, wire.GetModelStatusRequest)},
            wire.HEALTH_SERVICE: {"Check": (self._check_health, wire.HealthCheckRequest)},
        }
        return tuple(
            grpc.method_handlers_generic_handler(
                service,
                {
                    **{name: _method(function, request) for name, (function, request) in methods.items()},
                    **{name: _left_out(name) for name in _LEFT_OUT.get(service, ())},
                },
            )
            for service, methods in answered.items()
        )

    def _predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        name, version = self._resolved(request)
        remaining = context.time_remaining()
        with self._models.using(name, version) as (servable, loaded):
            return predict(
                servable,
                request,
                version=loaded,
                limits=self._limits,
                timeout_ms=0 if remaining is None else max(int(remaining * 1000), 1),
            )

    def _get_model_metadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        _require_spec(request)
        if not request.metadata_field:
            raise ServingError(
                "GetModelMetadataRequest must specify at least one metadata_field", code=_INVALID_ARGUMENT
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise ServingError(f"Metadata field {field} is not supported", code=_INVALID_ARGUMENT)
        name, version = self._resolved(request)
        with self._models.using(name, version) as (servable, loaded):
            response = wire.GetModelMetadataResponse(model_spec=wire.ModelSpec(name=name))
            response.model_spec.version.value = loaded
            response.metadata["signature_def"].type_url = wire.SIGNATURE_DEF_MAP_URL
            response.metadata["signature_def"].value = servable.signature_defs.SerializeToString()
            return response

    def _get_model_status(self, request: Any, context: grpc.ServicerContext) -> Any:
        _require_spec(request)
        name = request.model_spec.name
        statuses = self._models.statuses(name)
        if not statuses:
            raise ServingError(f"Could not find any versions of model {name}", code=_NOT_FOUND)
        if request.model_spec.WhichOneof("version_choice") == "version":
            version = request.model_spec.version.value
            statuses = [status for status in statuses if status.version == version]
            if not statuses:
                raise ServingError(f"Could not find version {version} of model {name}", code=_NOT_FOUND)
        response = wire.GetModelStatusResponse()
        for status in statuses:
            response.model_version_status.add(
                version=status.version,
                state=wire.STATES[status.state],
                status={"error_code": status.error_code, "error_message": status.error_message},
            )
        return response

    def _check_health(self, request: Any, context: grpc.ServicerContext) -> Any:
        names = self._models.names
        if request.service not in (*_HEALTH_NAMES, *names):
            raise ServingError(f"unknown service {request.service}", code=_NOT_FOUND)
        services = names if request.service in _HEALTH_NAMES else [request.service]
        is_serving = not self._is_stopping.is_set() and all(map(self._models.is_available, services))
        return wire.HealthCheckResponse(status=_SERVING if is_serving else _NOT_SERVING)

    def _resolved(self, request: Any) -> tuple[str, int | None]:
        """Returns the servable's name and version (None = the newest) that a request asks for."""
        _require_spec(request)
        spec = request.model_spec
        if not spec.name:
            raise ServingError("ModelSpec has no name specified.", code=_INVALID_ARGUMENT)
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            version = self._models.version_of(spec.name, spec.version_label)
            if version is None:
                raise ServingError(f"Unrecognized servable version label: {spec.version_label}", code=_INVALID_ARGUMENT)
            return spec.name, version
        return spec.name, spec.version.value if choice == "version" else None


def serve(server: EmbeddedServer) -> None:
    """Starts a server and runs it until SIGTERM or SIGINT (Ctrl-C), then stops it gracefully; for the main thread.

    Raises:
        ServingError: the server cannot start.
    """
    asked_to_stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        asked_to_stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with server:
            asked_to_stop.wait()
            logger.info("Stopping: requests under way are answered.")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise ServingError("Missing ModelSpec", code=_INVALID_ARGUMENT)


def _method(function: Callable[[Any, Any], Any], request: Any) -> grpc.RpcMethodHandler:
    """Returns a handler that turns our errors into statuses; any other error becomes INTERNAL and is logged."""

    def answer(message: Any, context: grpc.ServicerContext) -> Any:
        try:
            return function(message, context)
        except ServingError as error:
            code, details = error.code, error.details
        except SchemaError as error:
            code, details = _INVALID_ARGUMENT, str(error)
        except Exception as error:
            logger.exception("A request failed in an unforeseen way.")
            code, details = _INTERNAL, f"{type(error).__name__} in the embedded server; its log says more."
        context.abort(_CODES.get(code, grpc.StatusCode.UNKNOWN), _truncated(details))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )


def _left_out(name: str) -> grpc.RpcMethodHandler:
    def answer(message: bytes, context: grpc.ServicerContext) -> None:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"{name} is not offered by tfrec's embedded server, which answers Predict, GetModelMetadata and "
            "GetModelStatus. Use these, or TF Serving itself.",
        )

    return grpc.unary_unary_rpc_method_handler(answer)


def _truncated(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return text
    return encoded[:_MAX_MESSAGE_BYTES].decode("utf-8", "ignore") + "...TRUNCATED"
