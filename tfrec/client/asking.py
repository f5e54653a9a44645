"""Decides how a question is answered: by which servable, how often it is asked, and what is offered if none answers.

Nothing here waits or sends: each function is a generator of steps (`tfrec.client.steps`) that either client runs.
"""

import dataclasses
import functools
import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from tfrec import errors
from tfrec.client.answers import Answer, read_outputs
from tfrec.client.batches import join_rows, split_rows
from tfrec.client.best_sellers import BEST_SELLERS, BestSellers
from tfrec.client.breaker import CircuitBreaker
from tfrec.client.failures import UNKNOWN_LABEL, deadline_exceeded, name_failure
from tfrec.client.queries import left_out
from tfrec.client.spans import span_of
from tfrec.client.steps import Call, Pause, Steps
from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.schema.signatures import Signature

logger = logging.getLogger(__name__)

_PAUSE = 0.05  # seconds on average before the first retry; long enough for another backend to be picked
_NO_ANSWER = frozenset(
    grpc.StatusCode[name].value[0]
    for name in (
        "NOT_FOUND",
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "INTERNAL",
        "UNKNOWN",
        "ABORTED",
    )
)
"""Statuses by which a servable gives no answer through no fault of the request."""
_MOST_SWAPS = 3
"""Swaps of versions that one batch may meet."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A servable that may answer.

    Attributes:
        servable: its name.
        version: version that is asked; None = the newest, or that of the label.
        version_label: label that is asked.
    """

    servable: str
    version: int | None = None
    version_label: str | None = None


@dataclasses.dataclass(frozen=True)
class Asking:
    """How questions to one server are answered.

    Attributes:
        target: its address.
        fallback_after: share of the deadline that the first servable has, where there is another one.
        retries: times that the last servable is asked again where the server was unavailable.
        hedge_after: see `Call`.
        max_rows: queries of one request.
        breaker: stops asking what keeps failing.
        best_sellers: offered where no servable answers; None = the failure is raised.
    """

    target: str
    fallback_after: float
    retries: int
    hedge_after: float | None
    max_rows: int
    breaker: CircuitBreaker
    best_sellers: BestSellers | None

    def answer(
        self,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        sources: Sequence[Source],
        *,
        deadline: float,
        wanted: Sequence[str] = (),
    ) -> Steps[Answer]:
        """Returns the answer of the first source that gives one, within the deadline.

        A batch is answered by one source and version as a whole.

        Args:
            signature: what is asked.
            inputs: every input, `[B, ...]`.
            sources: who is asked, in this order.
            deadline: seconds for all of it.
            wanted: names of outputs; empty = all.

        Raises:
            ServingError: none answered, or the request is wrong; its subclass names the cause.
        """
        start = time.monotonic()
        failed: list[ServingError] = []
        with span_of(signature.name, target=self.target, rows=len(inputs["user_id"])) as span:
            for number, source in enumerate(sources):
                is_last = number == len(sources) - 1
                allowed = start + deadline - time.monotonic()
                allowed *= 1.0 if is_last else self.fallback_after
                if allowed <= 0:
                    break
                try:
                    answer = yield from self._of_source(
                        signature, inputs, source, allowed=allowed, is_last=is_last, wanted=wanted, trace=span.metadata
                    )
                    span.note(servable=answer.servable, version=answer.version)
                    return answer
                except ServingError as error:
                    failed.append(error)
                    logger.info("%s", error)
                if not _is_no_answer(failed[-1]):
                    raise _joined(failed)
                if not is_last and failed[-1].code == grpc.StatusCode.UNAVAILABLE.value[0]:
                    yield from self._pause(0, until=start + deadline)
            if not failed:
                failed.append(deadline_exceeded(self.target, f"{sources[0].servable}/{signature.name}", deadline))
            if self.best_sellers is None or signature.servable != "shop":
                raise _joined(failed)
            logger.info("No servable answered; best sellers of version %d do.", self.best_sellers.version)
            span.note(servable=BEST_SELLERS, version=self.best_sellers.version)
            outputs = self.best_sellers.answer(signature.name, inputs)
            if wanted:
                outputs = {name: outputs[name] for name in wanted}
            return Answer(outputs, BEST_SELLERS, self.best_sellers.version, True)

    def signatures(self, sources: Sequence[Source], *, deadline: float) -> Steps[list[str]]:
        """Returns the names of the signatures of the first source that answers, as its metadata lists them.

        Args:
            sources: who is asked, in this order.
            deadline: seconds for all of it.

        Raises:
            ServingError: none answered; its subclass names the cause.
        """
        until = time.monotonic() + deadline
        failed: list[ServingError] = []
        for source in sources:
            left = max(until - time.monotonic(), 0.001)
            spec = _model_spec(source)
            request = wire.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
            reply = yield Call("GetModelMetadata", request, left)
            assert reply is not None
            if reply.error is None:
                listed = wire.SignatureDefMap.FromString(reply.response.metadata["signature_def"].value)
                return sorted(name for name in listed.signature_def if not name.startswith("__"))  # internal ones
            failed.append(name_failure(self.target, reply.error, f"metadata of {source.servable}", deadline))
        raise _joined(failed)

    def ready(self, servable: str, *, version: int | None, timeout: float) -> Steps[None]:
        """Returns as soon as a servable has a version that answers.

        Args:
            servable: its name.
            version: version that must be available; None = any.
            timeout: seconds.

        Raises:
            ServerUnreachableError: nothing answered in time.
            ServableNotLoadedError: the server answers, but the servable is not available; says in which state it is.
        """
        until = time.monotonic() + timeout
        request = wire.GetModelStatusRequest(model_spec=wire.ModelSpec(name=servable))
        if version is not None:
            request.model_spec.version.value = version
        while True:
            allowed = min(max(until - time.monotonic(), 0.1), 5.0)
            reply = yield Call("GetModelStatus", request, allowed)
            assert reply is not None
            if reply.error is not None:
                error = name_failure(self.target, reply.error, servable, allowed)
            elif any(one.state == wire.STATES["AVAILABLE"] for one in reply.response.model_version_status):
                return
            else:
                error = self._not_available(servable, reply.response.model_version_status)
            if time.monotonic() > until:
                raise error
            yield Pause(min(0.1, timeout))

    def _of_source(
        self,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        source: Source,
        *,
        allowed: float,
        is_last: bool,
        wanted: Sequence[str],
        trace: tuple[tuple[str, str], ...],
    ) -> Steps[Answer]:
        """Returns the answer of one source, of one version for all rows."""
        until = time.monotonic() + allowed
        parts = list(split_rows(inputs, max_rows=self.max_rows))
        requests = [_request(signature, part, source, wanted) for part in parts]
        found: list[tuple[dict[str, np.ndarray], int] | None] = [None] * len(parts)
        for _ in range(_MOST_SWAPS + 1):
            newest = next((one[1] for one in reversed(found) if one is not None), None)
            for place, request in enumerate(requests):
                one = found[place]
                if one is None or one[1] != newest:
                    response = yield from self._response(
                        request, until=until, allowed=allowed, retries=self.retries if is_last else 0, trace=trace
                    )
                    found[place] = read_outputs(response, parts[place]), response.model_spec.version.value
            complete = [one for one in found if one is not None]
            if len({version for _, version in complete}) == 1:
                outputs = join_rows([part for part, _ in complete])
                return Answer(outputs, source.servable, complete[0][1], True)
        raise ServingError(
            f"{signature.name} at {self.target}: several versions answered the parts of one batch again and again. "
            f"Name a `version` or `version_label`, or send at most {self.max_rows} queries at a time.",
            code=grpc.StatusCode.ABORTED.value[0],
        )

    def _response(
        self, request: Any, *, until: float, allowed: float, retries: int, trace: tuple[tuple[str, str], ...]
    ) -> Steps[Any]:
        """Returns the response to one request, which is sent again where the server was unavailable."""
        servable = request.model_spec.name
        asked = f"{servable}/{request.model_spec.signature_name}"
        attempt = 0
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise deadline_exceeded(self.target, asked, allowed)
            if shut := self.breaker.seconds_shut(servable, now=time.monotonic()):
                raise errors.DeadlineExceededError(
                    f"{asked} at {self.target} gave no answer in time repeatedly; it is asked again in {shut:.1f} s "
                    "(`breaker`).",
                    code=grpc.StatusCode.DEADLINE_EXCEEDED.value[0],
                )
            reply = yield Call("Predict", request, left, self.hedge_after, trace)
            assert reply is not None
            status = None if reply.error is None else reply.error.code()
            if status is not grpc.StatusCode.UNAVAILABLE:  # without a connection gRPC fails at once, and finds it again
                is_late = status is grpc.StatusCode.DEADLINE_EXCEEDED
                self.breaker.note(servable, is_failure=is_late, now=time.monotonic())
            if reply.error is None:
                return reply.response
            failure = name_failure(self.target, reply.error, asked, allowed)
            if status is not grpc.StatusCode.UNAVAILABLE or attempt >= retries:
                raise failure from reply.error
            if not (yield from self._pause(attempt, until=until)):
                raise failure from reply.error
            attempt += 1

    def _pause(self, attempt: int, *, until: float) -> Steps[bool]:
        """Waits before the next call, longer each time and at random; returns whether there was time to."""
        seconds = _PAUSE * 2**attempt * (0.5 + random.random())
        if time.monotonic() + seconds >= until:
            return False
        yield Pause(seconds)
        return True

    def _not_available(self, servable: str, statuses: Sequence[Any]) -> ServingError:
        names = {number: name for name, number in wire.STATES.items()}
        states = "; ".join(
            f"version {entry.version} is {names.get(entry.state, entry.state)} {entry.status.error_message}".rstrip()
            for entry in statuses
        )
        return errors.ServableNotLoadedError(f"Servable `{servable}` at {self.target} is not available: {states}.")


def _request(signature: Signature, inputs: Mapping[str, np.ndarray], source: Source, wanted: Sequence[str]) -> Any:
    request = wire.PredictRequest.FromString(_left_out_request(signature))
    request.model_spec.CopyFrom(_model_spec(source))
    request.model_spec.signature_name = signature.name
    request.output_filter.extend(wanted)
    defaults = left_out(signature)
    for name, array in inputs.items():
        if array is not defaults[name]:
            request.inputs[name].CopyFrom(wire.to_tensor_proto(array))
    return request


@functools.cache
def _left_out_request(signature: Signature) -> bytes:
    """Returns the request of a query that names no input: to parse it is ten times faster than to build it."""
    inputs = {name: wire.to_tensor_proto(array) for name, array in left_out(signature).items()}
    return wire.PredictRequest(inputs=inputs).SerializeToString()


def _model_spec(source: Source) -> Any:
    spec = wire.ModelSpec(name=source.servable)
    if source.version is not None:
        spec.version.value = source.version
    elif source.version_label is not None:
        spec.version_label = source.version_label
    return spec


def _is_no_answer(error: ServingError) -> bool:
    return error.code in _NO_ANSWER or error.details.startswith(UNKNOWN_LABEL)


def _joined(failed: Sequence[ServingError]) -> ServingError:
    """Returns the first failure, which names the others."""
    first = failed[0]
    if len(failed) == 1:
        return first
    joined = type(first)(" The fall-back failed too: ".join(map(str, failed)), code=first.code, details=first.details)
    joined.__cause__ = failed[-1]
    return joined
