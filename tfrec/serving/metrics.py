"""`ServingMetrics`: counts and times of requests as Prometheus reads them, under TF Serving's names and our own."""

import contextlib
import operator
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from tfrec.errors import SchemaError, ServingError
from tfrec.schema import wire
from tfrec.schema.page_sizes import page_sizes
from tfrec.schema.signatures import SIGNATURES

PATH = "/monitoring/prometheus/metrics"
"""Where TF Serving shows its metrics, on the REST port."""
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""Names of gRPC's statuses by number."""
_PAGE_INPUTS = ("widgets", "widget_sizes")
_OTHER = "other"
"""Label of names that no servable has: whoever asks could make up any number of them."""
_CANCELLED, _UNKNOWN, _INVALID_ARGUMENT, _DEADLINE_EXCEEDED = 1, 2, 3, 4
_MICROSECONDS = [10 * 1.8**power for power in range(33)]  # TF Serving's buckets
_SECONDS = [0.001 * 2**power for power in range(14)]
_EXTRA_NAMES = re.compile(rb"^(?:# (?:HELP|TYPE) )?\S+_created[ {].*\n", re.MULTILINE)
_SUFFIX = re.compile(rb"(:tensorflow:[a-z_:]+(?:_count|_latency))_total")


class ServingMetrics:
    """The metrics of one server; any thread may count.

    Args:
        names: returns the names that are served.
    """

    def __init__(self, names: Callable[[], list[str]]) -> None:
        self._names = names
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: list[float], *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

        serving, saved_model = ":tensorflow:serving:", ":tensorflow:cc:saved_model:"
        self._count = counter(f"{serving}request_count", "Requests by outcome.", "model_name", "status")
        latency_labels = ("model_name", "API", "entrypoint")
        self._latency = histogram(
            f"{serving}request_latency", "Microseconds of answered requests.", _MICROSECONDS, *latency_labels
        )
        self._runtime = histogram(
            f"{serving}runtime_latency", "Microseconds in the graph.", _MICROSECONDS, "model_name", "API", "runtime"
        )
        self._examples = counter(f"{serving}request_example_count", "Rows of requests.", "model_name")
        self._loads = counter(f"{saved_model}load_attempt_count", "Loads by outcome.", "model_path", "status")
        self._load_time = counter(f"{saved_model}load_latency", "Microseconds of loads.", "model_path")
        ours = ("servable", "signature")
        self._requests = counter("tfrec_requests", "Requests by outcome.", *ours, "code")
        self._seconds = histogram("tfrec_request_seconds", "Seconds of answered requests.", _SECONDS, *ours)
        self._rows = counter("tfrec_rows", "Queries answered.", *ours)
        self._short = counter("tfrec_short_slates", "Queries with fewer items than they asked for.", *ours)
        self._ids = counter("tfrec_ids", "Ids in requests.", "servable", "input")
        self._unknown = counter("tfrec_unknown_ids", "Ids that the servable does not know.", "servable", "input")
        self._empty = counter("tfrec_empty_slates", "Queries without any item.", *ours)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Adds a gauge that is read whenever the metrics are."""
        Gauge(name, text, registry=self.registry).set_function(read)

    @contextlib.contextmanager
    def request(self, spec: Any, entrypoint: str, *, until: float | None = None) -> Iterator[None]:
        """Counts the request of a block by its outcome, and times it where it succeeds.

        Args:
            spec: its `ModelSpec`; the signature may be filled in inside the block.
            entrypoint: `GRPC` or `REST`.
            until: monotonic time at which its deadline passes; None = it has none.
        """
        start, code = time.perf_counter(), _CANCELLED  # asyncio's own, where nothing below holds
        try:
            yield
            code = 0
        except ServingError as error:
            code = error.code if 0 < error.code < len(CODES) else _UNKNOWN
            raise
        except SchemaError:
            code = _INVALID_ARGUMENT
            raise
        except Exception:
            code = _UNKNOWN
            raise
        finally:
            if code == _CANCELLED and until is not None and time.monotonic() >= until - 0.01:
                code = _DEADLINE_EXCEEDED
            name, signature = self._labels(spec, is_known=code in (0, _CANCELLED))
            self._count.labels(name, CODES[code]).inc()
            self._requests.labels(name, signature, CODES[code]).inc()
            if code == 0:
                seconds = time.perf_counter() - start
                self._latency.labels(name, "Predict", entrypoint).observe(1e6 * seconds)
                self._seconds.labels(name, signature).observe(seconds)

    def answered(self, request: Any, response: Any, seconds: float, *, ids: Mapping[str, tuple[int, int]]) -> None:
        """Counts the rows of an answered `PredictRequest`, those whose slate is short, and its unknown ids.

        Args:
            request: the request.
            response: its `PredictResponse`.
            seconds: time in the graph, with decoding and encoding.
            ids: input → number of ids and of those unknown.
        """
        name, signature = request.model_spec.name, response.model_spec.signature_name
        for alias, (count, unknown) in ids.items():
            self._ids.labels(name, alias).inc(count)
            self._unknown.labels(name, alias).inc(unknown)
        self._runtime.labels(name, "Predict", "TF1").observe(1e6 * seconds)
        if "item_ids" not in response.outputs:
            return
        item_ids = response.outputs["item_ids"]
        shape = wire.tensor_shape(item_ids)
        if len(shape) != 2:
            return
        rows, width = shape
        self._examples.labels(name).inc(rows)
        self._rows.labels(name, signature).inc(rows)
        if "k" not in request.inputs or not width:
            return
        wanted = _items_asked(request.inputs, rows, is_page=signature == "page")
        is_offered = list(map(bool, item_ids.string_val))
        counts = [sum(is_offered[row * width : (row + 1) * width]) for row in range(rows)]
        self._short.labels(name, signature).inc(sum(map(operator.lt, counts, wanted)))
        self._empty.labels(name, signature).inc(
            sum(k > 0 for count, k in zip(counts, wanted, strict=False) if not count)
        )

    def loaded(self, path: str, *, is_loaded: bool, seconds: float) -> None:
        """Counts the load of a version folder."""
        path = os.fsencode(path).decode("utf-8", "backslashreplace")
        self._loads.labels(path, "success" if is_loaded else "fail").inc()
        self._load_time.labels(path).inc(int(1e6 * seconds))

    def page(self) -> str:
        """Returns all metrics in Prometheus' text form, with counters named as TF Serving names them."""
        return _SUFFIX.sub(rb"\1", _EXTRA_NAMES.sub(b"", generate_latest(self.registry))).decode()

    def _labels(self, spec: Any, *, is_known: bool) -> tuple[str, str]:
        name = spec.name if spec.name in self._names() else _OTHER
        signature = spec.signature_name or wire.DEFAULT_SIGNATURE
        return name, signature if name != _OTHER and (is_known or signature in SIGNATURES) else _OTHER


def _items_asked(inputs: Any, rows: int, *, is_page: bool) -> list[int]:
    """Returns how many items each row of a request asks for."""
    k = np.broadcast_to(wire.to_ndarray(inputs["k"]).ravel(), rows)
    if not is_page:
        return k.tolist()
    lists = [wire.to_ndarray(inputs[name]) if name in inputs else np.zeros((1, 0)) for name in _PAGE_INPUTS]
    names, sizes = (np.broadcast_to(part, (rows, part.shape[1])) for part in lists)
    return page_sizes(names != b"", sizes, k).tolist()
