"""Each question is a span of OpenTelemetry, and the server learns of the trace."""

from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.client.best_seller_files import write_best_sellers
from tests.client.test_client import aborting, faked, free_port  # noqa: F401
from tests.client.test_fallback import answering, good
from tfrec import errors
from tfrec.client import RecommenderClient, spans


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives a function that returns the spans that ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans.trace, "get_tracer", provider.get_tracer)
    return exporter.get_finished_spans


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_span_covers_the_whole_answer_and_the_server_gets_its_id(faked: Any, ended: Any):  # noqa: F811
    traces: list[str] = []

    def noting(request: bytes, context: grpc.ServicerContext) -> bytes:
        traces.append(dict(context.invocation_metadata())["traceparent"])
        return good(request, context)

    missing = aborting(grpc.StatusCode.NOT_FOUND, "Servable not found")
    with RecommenderClient(faked(answering([], shop=missing, fallback=noting)), fallback="fallback") as client:
        client.ask("similar", {"item_id": ["a", "b"]}, deadline=5)
    (span,) = ended()
    assert (span.name, span.status.is_ok) == ("tfrec similar", True)
    assert attributes(span).items() >= {"tfrec.servable": "fallback", "tfrec.rows": 2, "rpc.system": "grpc"}.items()
    assert [trace[:-3] for trace in traces] == [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}"]


def test_a_failure_is_noted_and_best_sellers_are_none(ended: Any, tmp_path: Any):
    target = f"127.0.0.1:{free_port()}"
    with RecommenderClient(target) as client, pytest.raises(errors.ServerUnreachableError):
        client.similar()
    with RecommenderClient(target, best_sellers=write_best_sellers(tmp_path)) as client:
        client.similar()
    failed, offered = ended()
    assert (failed.status.is_ok, failed.status.description) == (False, "ServerUnreachableError")
    assert attributes(offered)["tfrec.servable"] == "best_sellers"


def test_without_opentelemetry_nothing_is_traced(monkeypatch: pytest.MonkeyPatch, faked: Any):  # noqa: F811
    monkeypatch.setattr(spans, "_IS_TRACED", False)
    with RecommenderClient(faked(answering([], shop=good))) as client:
        assert client.ask("similar", {}, deadline=5)["y"].tolist() == [[1.0]]
