"""Traces calls with OpenTelemetry, where it is installed."""

import contextlib
from collections.abc import Iterator
from typing import Any

try:
    from opentelemetry import propagate, trace
except ImportError:
    _IS_TRACED = False
else:
    _IS_TRACED = True


class Span:
    """What a call notes about itself; without OpenTelemetry, nothing.

    Attributes:
        metadata: gRPC metadata by which the server's spans join the trace.
    """

    def __init__(self, span: Any = None) -> None:
        self._span = span
        self.metadata: tuple[tuple[str, str], ...] = ()
        if span is not None and span.is_recording():
            carrier: dict[str, str] = {}
            propagate.inject(carrier, context=trace.set_span_in_context(span))
            self.metadata = tuple(carrier.items())

    def note(self, **attributes: str | int) -> None:
        """Adds attributes under `tfrec.`."""
        if self._span is not None:
            self._span.set_attributes({f"tfrec.{name}": value for name, value in attributes.items()})


@contextlib.contextmanager
def span_of(signature: str, *, target: str, rows: int) -> Iterator[Span]:
    """Opens a span for the whole of an answer: retries, hedges and fall-backs included.

    It is made within the current span and does not become the current one: the answer is a generator, which must not
    change the context of who runs it.
    """
    if not _IS_TRACED:
        yield Span()
        return
    span = trace.get_tracer("tfrec.client").start_span(f"tfrec {signature}", kind=trace.SpanKind.CLIENT)
    span.set_attributes({"rpc.system": "grpc", "server.address": target})
    opened = Span(span)
    opened.note(signature=signature, rows=rows)
    try:
        yield opened
    except Exception as error:
        span.record_exception(error)
        span.set_status(trace.StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        span.end()
