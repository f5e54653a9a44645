"""`RestPort`: predict, status and metadata in TF Serving's JSON over HTTP, in an event loop."""

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

from google.protobuf import json_format

from tfrec.errors import EnvironmentSetupError, SchemaError, ServingError, install_hint
from tfrec.schema import wire
from tfrec.serving.admission import Admission
from tfrec.serving.cross_origin import CrossOrigin
from tfrec.serving.header_limit import limited_protocol
from tfrec.serving.json_tensors import parse_body, read_inputs, write_error, write_outputs
from tfrec.serving.metrics import CODES, CONTENT_TYPE, PATH, ServingMetrics
from tfrec.serving.model_services import ModelServices
from tfrec.serving.tls import ServerTls

logger = logging.getLogger(__name__)

_CANCELLED, _INVALID_ARGUMENT, _DEADLINE_EXCEEDED = 1, 3, 4
# gRPC's number → HTTP's, as TF Serving has them; 500 for the others.
_HTTP = {1: 499, 3: 400, 4: 504, 5: 404, 8: 429, 9: 400, 11: 400, 12: 501, 14: 503}
_WHERE = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICT = re.compile(rf"{_WHERE}:(classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(rf"(?:{_WHERE}|/v1/models)(/metadata)?", re.IGNORECASE)
_MAX_BODY = 16 * 2**20
"""Bytes; as Python objects they take some ten times as much."""
_PARSED_BYTES = 16
"""Memory of a parsed body for each of its bytes."""
_DIGITS = 19  # of the largest version
_TIMEOUT_MS = 30_000  # `--rest_api_timeout_in_ms`


class Answer(NamedTuple):
    """What an HTTP request is answered with."""

    body: str
    status: int = 200
    content_type: str = "application/json"


def listening_socket(host: str, port: int) -> socket.socket:
    """Returns a socket that listens, whose connections send at once what is written.

    asyncio asks that of sockets which name their protocol alone; without it the body of an answer, written after its
    headers, waits 40 ms for the other side to acknowledge these (Nagle's algorithm).

    Raises:
        OSError: the address cannot be had.
    """
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
    return listening


class RestPort:
    """An HTTP port of one event loop.

    Args:
        services: answers.
        admission: where requests run.
        receive_seconds: a request whose body has not come after so many seconds is ended.
        metrics: counts requests, and is shown.
        cross_origin: pages whose scripts may read answers.
    """

    def __init__(
        self,
        services: ModelServices,
        admission: Admission,
        metrics: ServingMetrics,
        *,
        receive_seconds: float,
        cross_origin: CrossOrigin,
    ) -> None:
        self._services = services
        self._admission = admission
        self._receive_seconds = receive_seconds
        self._metrics = metrics
        self._cross_origin = cross_origin
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int, *, grace: float, tls: ServerTls | None) -> int:
        """Listens and returns the port.

        Args:
            host: address to listen on.
            port: 0 = any free one.
            grace: seconds that requests under way have at the end.
            tls: certificate; None = plaintext.

        Raises:
            OSError: the address cannot be had.
            EnvironmentSetupError: uvicorn is not installed.
        """
        try:
            import uvicorn
        except ImportError as error:
            raise EnvironmentSetupError(f"A REST port needs uvicorn. {install_hint('serve')}.") from error
        listening = listening_socket(host, port)
        config = uvicorn.Config(
            self._application,
            interface="asgi3",  # a bound method is not recognised as one
            proxy_headers=False,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=limited_protocol(self._receive_seconds),
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=max(int(grace), 1),
            **({} if tls is None else tls.uvicorn_settings()),
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """Takes no more requests and waits for those under way."""
        if self._serving is not None:
            self._server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving

    async def _application(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        assert scope["type"] == "http"
        is_question = scope["method"] == "OPTIONS" and bool(self._cross_origin.allowed)
        if is_question:
            answer = Answer("")
        else:
            answer = await self._answered(scope["method"], scope["path"], receive)
        body = answer.body.encode("utf-8", "replace")
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(body)).encode())]
        if scope["path"] != PATH:  # metrics are for no page
            headers += self._cross_origin.headers(scope["headers"], is_question=is_question)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, method: str, path: str, receive: Any) -> Answer:
        try:
            if method == "GET" and path == PATH:
                return Answer(self._metrics.page(), content_type=CONTENT_TYPE)
            predict, status = _PREDICT.fullmatch(path), _STATUS.fullmatch(path)
            if method == "POST" and predict:
                return await self._predict(_spec(*predict.groups()[:3]), predict[4].lower(), await self._body(receive))
            if method == "GET" and status and status[4]:
                return self._metadata(_spec(*status.groups()[:3]))
            if method == "GET" and status:
                return self._status(_spec(*status.groups()[:3]))
            raise ServingError(f"Malformed request: {method} {path}", code=_INVALID_ARGUMENT)
        except ServingError as error:
            return Answer(write_error(error.details), _HTTP.get(error.code, 500))
        except SchemaError as error:
            return Answer(write_error(str(error)), 400)
        except RecursionError:
            return Answer(write_error("JSON Value: nested too deeply"), 400)
        except Exception as error:
            logger.exception("A request failed in an unforeseen way.")
            return Answer(write_error(f"{type(error).__name__} in the embedded server; its log says more."), 500)

    async def _body(self, receive: Any) -> bytes:
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(self._receive_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ServingError("The caller is gone.", code=_CANCELLED)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > _MAX_BODY:
                        raise ServingError(
                            f"The body is larger than {_MAX_BODY} bytes. Send several smaller requests, or use gRPC.",
                            code=_INVALID_ARGUMENT,
                        )
                    more = message.get("more_body", False)
        except TimeoutError:
            raise ServingError(
                f"The body did not come within {self._receive_seconds:g} s. Send it at once.", code=_DEADLINE_EXCEEDED
            ) from None
        return b"".join(parts)

    async def _predict(self, spec: Any, verb: str, body: bytes) -> Answer:
        if verb != "predict":
            self._services.classify(wire.ClassificationRequest(model_spec=spec), verb)

        def parse() -> tuple[Any, bool]:
            document = parse_body(body)
            spec.signature_name = document.get("signature_name", "")
            inputs, is_row = read_inputs(document, self._services.inputs_of(spec))
            return wire.PredictRequest(model_spec=spec, inputs=inputs), is_row

        def work() -> str:
            return write_outputs(self._services.predict(request, timeout_ms=_TIMEOUT_MS).outputs, is_row=is_row)

        with self._metrics.request(spec, "REST"):
            request, is_row = await self._admission.run(parse, memory=_PARSED_BYTES * len(body))
            return Answer(await self._admission.run(work, memory=self._services.memory_of(request)))

    def _status(self, spec: Any) -> Answer:
        if not spec.name:
            raise ServingError("Missing model name in request.", code=_INVALID_ARGUMENT)
        response = self._services.get_model_status(wire.GetModelStatusRequest(model_spec=spec))
        states = {number: name for name, number in wire.STATES.items()}
        statuses = [
            {
                "version": str(entry.version),
                "state": states[entry.state],
                "status": {
                    "error_code": CODES[entry.status.error_code],
                    "error_message": entry.status.error_message,
                },
            }
            for entry in response.model_version_status
        ]
        return Answer(json.dumps({"model_version_status": statuses}, indent=1, ensure_ascii=False) + "\n")

    def _metadata(self, spec: Any) -> Answer:
        request = wire.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        response = self._services.get_model_metadata(request)
        signatures = wire.SignatureDefMap.FromString(response.metadata["signature_def"].value)
        shown = {
            "model_spec": {
                "name": response.model_spec.name,
                "version": str(response.model_spec.version.value),
                "signature_name": "",
            },
            "metadata": {"signature_def": _with_dtype_names(_as_dict(signatures))},
        }
        return Answer(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")


def _spec(name: str | None, version: str | None, label: str | None) -> Any:
    spec = wire.ModelSpec(name=name or "")
    if version is not None:
        number = int(version[-_DIGITS:])
        if number >= 2**63 or version[:-_DIGITS].strip("0"):
            shown = version if len(version) < 100 else f"{version[:100]} ..."
            raise ServingError(f"Failed to convert version: {shown} to numeric.", code=_INVALID_ARGUMENT)
        spec.version.value = number
    elif label is not None:
        spec.version_label = label
    return spec


def _as_dict(message: Any) -> Any:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _with_dtype_names(value: Any) -> Any:
    """Returns the JSON of signatures with `DT_STRING` for 7."""
    if isinstance(value, list):
        return [_with_dtype_names(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"DT_{wire.dtype_name(inner).upper()}" if key == "dtype" else _with_dtype_names(inner)
        for key, inner in value.items()
    }
