"""Serves a folder of servables over gRPC and REST as TF Serving does: `EmbeddedServer`.

It implements the same protocol (`PredictionService`, `ModelService`, `grpc.health.v1.Health`; REST and metrics on a
second port), with the same codes, messages and version rules, and needs no Python TensorFlow. On purpose it differs
from TF Serving in this:

- it listens on loopback by default, and never shares its port with another process;
- it stops gracefully on SIGTERM;
- a request has a limit on rows, bytes and memory (`RequestLimits`), and a time to arrive in;
- a request whose deadline has passed, or whose caller is gone, is not begun;
- a reload (HandleReloadConfigRequest) names folders of `models_dir` alone, and holds until the file changes;
- health follows the servables: `""` serves while any of them answers, the name of one while it does (`Health`);
- an empty folder or a failed first load ends the start at once, instead of waiting.
"""

import asyncio
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar

from tfrec.errors import ConfigError, ServingError
from tfrec.serving.admission import Admission
from tfrec.serving.cross_origin import CrossOrigin
from tfrec.serving.grpc_port import GrpcPort
from tfrec.serving.health import Health
from tfrec.serving.limits import RequestLimits
from tfrec.serving.metrics import ServingMetrics
from tfrec.serving.model_services import ModelServices
from tfrec.serving.request_log import RequestLog
from tfrec.serving.rest_port import RestPort
from tfrec.serving.tls import ServerTls
from tfrec.serving.versions import ServedModels

logger = logging.getLogger(__name__)

_DAY = 86_400

_T = TypeVar("_T")


class EmbeddedServer:
    """Serves a folder of servables over gRPC; a context manager that is ready inside its block.

    Args:
        models_dir: holds `<name>/<version>/saved_model.pb`; watched for new versions and new names.
        host: address to listen on. Whoever reaches it can ask; there is no authentication without TLS.
        port: of gRPC; 0 = any free one, see `EmbeddedServer.port`.
        rest_port: of REST and the metrics (`/monitoring/prometheus/metrics`); 0 = any free one, see
            `EmbeddedServer.rest_port`; None = neither.
        poll_seconds: pause between two looks into the folder.
        limits: what requests may ask for.
        max_threads: requests answered at once; None = 4 for each core.
        max_waiting: requests beyond these that may wait; further ones get RESOURCE_EXHAUSTED.
        intra_op_threads: threads within one TensorFlow operation, 0 = one a core.
        inter_op_threads: threads that run operations side by side, 0 = one a core.
        config_file: TF Serving's `--model_config_file`: which versions are served, and labels for them; None = the one
            in the folder, as soon as `tfrec label` has written one there. Of its base paths the last part counts, in
            `models_dir`.
        receive_seconds: a call that has not sent its message after so many seconds is ended.
        grace: seconds that requests under way have when the server stops.
        tls: certificate of both ports; None = plaintext.
        log: takes a sample of the requests, and is closed with the server; None = none is taken.
        allow_origins: pages whose scripts may read what the REST port answers, such as `https://shop.example`.

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
        rest_port: int | None = None,
        poll_seconds: float = 1.0,
        limits: RequestLimits | None = None,
        max_threads: int | None = None,
        max_waiting: int = 1000,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
        config_file: Path | str | None = None,
        receive_seconds: float = 30.0,
        grace: float = 5.0,
        tls: ServerTls | None = None,
        log: RequestLog | None = None,
        allow_origins: Sequence[str] = (),
    ) -> None:
        for name, number in (("port", port), ("rest_port", rest_port or 0)):
            if not 0 <= number <= 65_535:
                raise ConfigError(f"`{name}` must be from 0 (any free one) to 65535; got {number}.")
        for name, seconds in (("poll_seconds", poll_seconds), ("receive_seconds", receive_seconds), ("grace", grace)):
            if not 0 <= seconds <= _DAY or (not seconds and name != "grace"):
                least = "at least 0" if name == "grace" else "positive"
                raise ConfigError(f"`{name}` must be {least} and at most {_DAY:,} seconds, a day; got {seconds}.")
        if (max_threads is not None and max_threads < 1) or max_waiting < 0:
            raise ConfigError(
                f"`max_threads` must be at least 1 and `max_waiting` at least 0; got {max_threads} and {max_waiting}."
            )
        self._models = ServedModels(
            Path(models_dir),
            config_file=None if config_file is None else Path(config_file),
            intra_op_threads=intra_op_threads,
            inter_op_threads=inter_op_threads,
        )
        self._host = host
        self._wanted_port = port
        self._poll_seconds = poll_seconds
        self._grace = grace
        self._tls = tls
        limits = limits or RequestLimits()
        num_threads = max_threads or 4 * (os.cpu_count() or 1)
        self._admission = Admission(num_threads=num_threads, max_waiting=max_waiting, max_memory=limits.max_memory)
        self._health = Health(self._models)
        self.metrics = ServingMetrics(lambda: self._models.names)
        self.metrics.watch("tfrec_requests_running", "Requests that are computed now.", lambda: self.num_running)
        self.metrics.watch("tfrec_requests_waiting", "Requests that wait.", lambda: self._admission.num_waiting)
        self.metrics.watch("tfrec_request_memory_bytes", "Estimate for those that run.", lambda: self._admission.memory)
        self._models.on_load = self.metrics.loaded
        self._log = log
        services = ModelServices(self._models, limits, self.metrics, log)
        self._grpc_port = GrpcPort(
            services, self._health, self._admission, self.metrics, limits, receive_seconds=receive_seconds
        )
        self._wanted_rest_port = rest_port
        self._bound_rest_port: int | None = None
        self._rest_port = RestPort(
            services,
            self._admission,
            self.metrics,
            receive_seconds=receive_seconds,
            cross_origin=CrossOrigin(tuple(allow_origins)),
        )
        self._loop = asyncio.new_event_loop()
        self._loop_thread = threading.Thread(target=self._loop.run_forever, name="tfrec-loop", daemon=True)
        self._port: int | None = None
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
    def rest_port(self) -> int:
        """The port of REST and the metrics.

        Raises:
            ServingError: the server is not started, or has no such port.
        """
        if self._bound_rest_port is None:
            raise ServingError(
                "The server has no REST port. Name one, `EmbeddedServer(..., rest_port=8501)`, and start it."
            )
        return self._bound_rest_port

    @property
    def models(self) -> ServedModels:
        """The servables and where their versions stand."""
        return self._models

    @property
    def num_running(self) -> int:
        """The number of requests that are computed now."""
        return self._admission.num_running

    def start(self) -> "EmbeddedServer":
        """Loads every servable, then opens the port, so that an open port means that all of them answer.

        Raises:
            ServingError: a servable cannot be loaded, there is none, or the port cannot be had.
        """
        self._loop_thread.start()
        try:
            self._check_port(self._wanted_port)
            self._check_port(self._wanted_rest_port or 0)
            self._models.load_first()
            self._run(self._listen())
        except BaseException:
            self._end_loop()
            self._models.close()
            raise
        self._models.on_change = self._on_change
        self._poller.start()
        rest = f"; REST and metrics on {self._host}:{self._bound_rest_port}" if self._bound_rest_port else ""
        logger.info("Serving %s on %s:%d%s.", ", ".join(self._models.names), self._host, self.port, rest)
        return self

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the server has stopped, or for `timeout` seconds; returns whether it has stopped."""
        return self._has_stopped.wait(timeout)

    def stop(self, grace: float | None = None) -> None:
        """Takes no more requests, gives those under way `grace` seconds (None = its own), and unloads everything."""
        if self._is_stopping.is_set():
            self._has_stopped.wait()
            return
        self._is_stopping.set()
        if self._poller.ident is not None:
            self._poller.join()
        if self._loop_thread.is_alive():
            self._run(self._close(self._grace if grace is None else grace))
            self._admission.close()
            self._models.on_change = None
            self._models.close()
            self._end_loop()
        if self._log is not None:
            self._log.close()
        self._has_stopped.set()

    def __enter__(self) -> "EmbeddedServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _check_port(self, port: int) -> None:
        """Finds out that the port cannot be had before models are loaded for it.

        Raises:
            ServingError: it is taken, or no address of the host is this machine's.
        """
        try:
            addresses = socket.getaddrinfo(self._host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
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
            is_elsewhere = failures[0].errno == errno.EADDRNOTAVAIL
            hint = (
                "The host is none of this machine's addresses: 0.0.0.0 stands for all of them."
                if is_elsewhere
                else "Is the port taken? Choose another; 0 takes any free one."
            )
            raise ServingError(f"Cannot listen on {self._host}:{port}: {failures[0].strerror}. {hint}")

    async def _listen(self) -> None:
        """Opens the port, in the event loop.

        Raises:
            ServingError: it cannot be had.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host  # IPv6
        address = f"{host}:{self._wanted_port}"
        try:
            self._port = await self._grpc_port.open(address, self._tls)
            if self._wanted_rest_port is not None:
                address = f"{host}:{self._wanted_rest_port}"
                self._bound_rest_port = await self._rest_port.open(
                    self._host, self._wanted_rest_port, grace=self._grace, tls=self._tls
                )
        except (RuntimeError, OSError) as error:
            await self._grpc_port.close(0)
            raise ServingError(
                f"Cannot listen on {address}: {error}. Is the port taken? Choose another; 0 takes any free one."
            ) from error

    async def _close(self, grace: float) -> None:
        self._health.stop()
        await asyncio.gather(self._grpc_port.close(grace), self._rest_port.close())
        await self._loop.shutdown_default_executor()

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Runs a coroutine in the event loop and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop_thread.join()
        self._loop.close()

    def _on_change(self) -> None:
        self._loop.call_soon_threadsafe(self._health.notify)

    def _poll(self) -> None:
        while not self._is_stopping.wait(self._poll_seconds):
            try:
                self._models.poll()
            except Exception:
                logger.exception("A look into the folder of servables failed; the next follows.")


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
