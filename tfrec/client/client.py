"""`RecommenderClient`: asks a shop's servable, on TF Serving or `tfrec serve`, and returns what to offer.

    with RecommenderClient("localhost:8500") as client:
        print(client.cross_sell(cart_item_ids=["85123A", "22423"], k=5))

Needs grpcio, protobuf and NumPy. In asyncio, `await asyncio.to_thread(client.cross_sell, ...)`.
"""

import logging
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeAlias

import grpc
import numpy as np

from tfrec import errors
from tfrec.client.answers import Answer, read_outputs
from tfrec.client.batches import join_rows, split_rows
from tfrec.client.failures import UNKNOWN_LABEL, deadline_exceeded, name_failure
from tfrec.client.history import HistoryReader, HistoryStore
from tfrec.client.offers import Offers
from tfrec.client.queries import build_inputs
from tfrec.client.settings import check_deadline, check_settings
from tfrec.client.targets import is_loopback
from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.schema.signatures import Signature, signature_named

logger = logging.getLogger(__name__)

Value: TypeAlias = str | Sequence[str] | np.ndarray | None
Values: TypeAlias = Sequence[str] | Sequence[Sequence[str]] | np.ndarray | None
Number: TypeAlias = float | Sequence[float] | np.ndarray | None
Numbers: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | np.ndarray | None

_SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'  # `dns:///` targets: spread over all addresses
_RETRY_PAUSE = 0.05  # seconds on average; long enough for another backend to be picked
_SILENCE = frozenset(
    grpc.StatusCode[name]
    for name in ("NOT_FOUND", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN")
)
"""Statuses by which a servable gives no answer through no fault of the request."""
_MOST_SWAPS = 3  # of versions, that one batch may meet
_NUMPY = {"string": object, "float32": np.float32, "int32": np.int32}


class RecommenderClient:
    """A connection to one server; any number of threads may share it.

    Every method takes one query (values and flat lists) or a batch (lists of values, lists of lists; see
    `tfrec.client.queries`), sends all inputs of its signature, and has a deadline. An answer that the server was
    unavailable for is asked for a second time, once, within the same deadline.

    Args:
        target: `host:port` of the gRPC port, or a gRPC name such as `dns:///shop.default.svc:8500`.
        deadline: seconds until a call is given up.
        servable: name under which the five strategies are asked.
        fallback: name of a servable with the same signatures, such as the `fallback` of `tfrec baseline`: where
            `servable` is not loaded, overloaded, down or too slow, it gets the same request, once, in what is left of
            the deadline; `Offers.servable` says who answered. None = the failure is raised.
        fallback_after: share of the deadline that `servable` has before the fall-back is asked.
        version: version of the servables to ask; None = the newest loaded. A fall-back always answers by its newest.
        version_label: the same by a label (`stable`), which the server knows from its `models.config`.
        history: keeps the events of users whom the servable does not store; `Offers.history` says if they were sent.
        credentials: TLS, from `grpc.ssl_channel_credentials(...)`; None = plaintext.
        max_message_bytes: largest answer that is taken.
        max_rows: queries of one request; a larger batch is sent as several, one after the other, and answered by one
            version.

    Raises:
        ConfigError: the target or a setting is not as it must be.
    """

    def __init__(
        self,
        target: str,
        *,
        deadline: float = 1.0,
        servable: str = "shop",
        fallback: str | None = None,
        fallback_after: float = 0.6,
        version: int | None = None,
        version_label: str | None = None,
        history: HistoryStore | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        max_message_bytes: int = 64 * 2**20,
        max_rows: int = 64,
    ) -> None:
        check_settings(target, deadline, servable, fallback, fallback_after, version, version_label, max_rows)
        self.target = target
        self.deadline = deadline
        self.servable = servable
        self.fallback = fallback
        self.fallback_after = fallback_after
        self.version = version
        self.version_label = version_label
        self.max_rows = max_rows
        self._history = HistoryReader(history)
        self._is_closed = False
        options = (
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.service_config", _SERVICE_CONFIG),
            # A server that comes back is found at once: gRPC's own pauses grow to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 2_000),
            ("grpc.max_reconnect_backoff_ms", 500),
            *([("grpc.enable_http_proxy", 0)] if is_loopback(target) else []),
        )
        self._channel = (
            grpc.insecure_channel(target, options)
            if credentials is None
            else grpc.secure_channel(target, credentials, options)
        )
        self._predict = self._method(wire.PREDICTION_SERVICE, "Predict", wire.PredictResponse)
        self._get_status = self._method(wire.MODEL_SERVICE, "GetModelStatus", wire.GetModelStatusResponse)

    def __enter__(self) -> "RecommenderClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def recommend(
        self,
        *,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        cart_item_ids: Values = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        k: Number = None,
        diversity: Number = None,
        deadline: float | None = None,
    ) -> Offers:
        """Returns what this shopper is likely to choose next.

        Args:
            user_id: who asks; unknown or None = a guest.
            recent_item_ids: items of the latest events, oldest first.
            recent_event_types: types of these events (view, cart, purchase ...).
            recent_ages: ages of these events in hours.
            cart_item_ids: items in the cart now; never offered again.
            exclude_item_ids: items that must not be offered.
            include_categories: offer only these category paths and what is below them.
            min_price: cheapest price offered.
            max_price: dearest price offered.
            k: number of items wanted; 10 when None.
            diversity: 0 = by score alone, towards 1 = more categories.
            deadline: seconds, instead of the client's.

        Raises:
            SchemaError: the arguments do not fit together.
            ServingError: no answer; its subclass names the cause (`ServerUnreachableError`,
                `ServableNotLoadedError`, `SignatureNotFoundError`, `DeadlineExceededError` ...).
        """
        return self._offers("recommend", locals())

    def cross_sell(
        self,
        *,
        cart_item_ids: Values = None,
        item_id: Value = None,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        outside_cart_level: Number = None,
        k: Number = None,
        diversity: Number = None,
        deadline: float | None = None,
    ) -> Offers:
        """Returns complements of the cart, or of `item_id` on the page, that this shopper has not bought before.

        `outside_cart_level` offers only what is of another category than the cart's, compared at this level of the path
        (1 = top); None = no limit. The other arguments and the errors are those of `recommend`.
        """
        return self._offers("cross_sell", locals())

    def upsell(
        self,
        *,
        item_id: Value = None,
        user_id: Value = None,
        cart_item_ids: Values = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        min_price_ratio: Number = None,
        max_price_ratio: Number = None,
        objective: Values = None,
        k: Number = None,
        diversity: Number = None,
        deadline: float | None = None,
    ) -> Offers:
        """Returns dearer items of the category of `item_id` that the shopper is likely to accept.

        `min_price_ratio` and `max_price_ratio` are the cheapest and the dearest price as multiples of the anchor's;
        `objective` is what the order maximises: `purchase`, `revenue` or `margin`. None = the model's default. The
        other arguments and the errors are those of `recommend`.
        """
        return self._offers("upsell", locals())

    def complete_cart(
        self,
        *,
        cart_item_ids: Values = None,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        outside_cart_level: Number = None,
        k: Number = None,
        diversity: Number = None,
        deadline: float | None = None,
    ) -> Offers:
        """Returns what is still missing in this cart, repeat purchases included.

        `outside_cart_level` is that of `cross_sell`; the other arguments and the errors are those of `recommend`.
        """
        return self._offers("complete_cart", locals())

    def similar(
        self,
        *,
        item_id: Value = None,
        user_id: Value = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        k: Number = None,
        diversity: Number = None,
        deadline: float | None = None,
    ) -> Offers:
        """Returns items that can stand in for `item_id`.

        The other arguments and the errors are those of `recommend`.
        """
        return self._offers("similar", locals())

    def ask(
        self, signature_name: str, arguments: Mapping[str, Any], *, deadline: float | None = None
    ) -> dict[str, np.ndarray]:
        """Calls any signature of the serving contract, `retrieve` and `rank` among them; returns its raw outputs.

        Args:
            signature_name: a name of `tfrec.schema.signatures.SIGNATURES`.
            arguments: by input name; one query or a batch.
            deadline: seconds, instead of the client's.

        Returns:
            Output name → array `[B, k]`; strings as objects of `str`.

        Raises:
            SchemaError: there is no such signature or input, or the arguments do not fit together.
            ServingError: as in `recommend`.
        """
        return self.answer(signature_name, arguments, deadline=deadline).outputs

    def answer(self, signature_name: str, arguments: Mapping[str, Any], *, deadline: float | None = None) -> Answer:
        """Returns what `ask` does, with the servable and the version that answered.

        Args:
            signature_name: see `ask`.
            arguments: see `ask`.
            deadline: see `ask`.

        Raises:
            SchemaError: as in `ask`.
            ServingError: as in `recommend`.
        """
        return self._ask(signature_name, arguments, deadline)

    def wait_until_ready(self, timeout: float = 60.0, *, servables: Iterable[str] = ("shop",)) -> None:
        """Returns as soon as each servable has a version that answers.

        Raises:
            ServerUnreachableError: nothing answered in `timeout` seconds.
            ServableNotLoadedError: the server answers, but a servable is not available; says in which state it is.
        """
        self._check_open()
        until = time.monotonic() + timeout
        for servable in servables:
            while True:
                error = self._why_not_ready(servable, max(until - time.monotonic(), 0.1))
                if error is None:
                    break
                if time.monotonic() > until:
                    raise error
                time.sleep(min(0.1, timeout))

    def close(self) -> None:
        """Closes the connection; calls under way are cancelled."""
        self._is_closed = True
        self._history.close()
        self._channel.close()

    def _offers(self, signature_name: str, arguments: Mapping[str, Any]) -> Offers:
        """Turns the `locals()` of a public method, whose names are the signature's inputs, into its answer."""
        inputs = {name: value for name, value in arguments.items() if name not in ("self", "deadline")}
        answer = self._ask(signature_name, inputs, arguments["deadline"])
        offers = Offers.from_outputs(answer.outputs, answer.version, answer.servable, answer.history)
        return offers if answer.is_batch else offers.query(0)

    def _ask(self, signature_name: str, arguments: Mapping[str, Any], deadline: float | None) -> Answer:
        self._check_open()
        signature = signature_named(signature_name)
        check_deadline(self.deadline if deadline is None else deadline)
        inputs, is_batch = build_inputs(signature, arguments)
        if is_batch and not len(next(iter(inputs.values()))):  # a batch of no queries: nothing to ask
            nothing = {spec.name: np.empty((0, 0), _NUMPY[spec.dtype]) for spec in signature.outputs}
            return Answer(nothing, self.servable if signature.servable == "shop" else signature.servable, 0, True)
        deadline = self.deadline if deadline is None else deadline
        until = time.monotonic() + deadline
        history = self._history.add_to(inputs, deadline=deadline)
        parts = list(split_rows(inputs, max_rows=self.max_rows))
        answers = [self._answer_to(signature, part, deadline, until) for part in parts]
        for _ in range(_MOST_SWAPS):
            last = answers[-1]  # of the newest version, where versions were swapped meanwhile
            if all(answer[1:] == last[1:] for answer in answers):
                break
            answers = [
                answer if answer[1:] == last[1:] else self._answer_to(signature, part, deadline, until)
                for answer, part in zip(answers, parts, strict=True)
            ]
        else:
            raise ServingError(
                f"{signature_name} at {self.target}: several versions answered the parts of one batch again and again. "
                f"Name a `version` or `version_label`, or send at most {self.max_rows} queries at a time.",
                code=grpc.StatusCode.ABORTED.value[0],
            )
        return Answer(join_rows([answer.outputs for answer in answers]), last.servable, last.version, is_batch, history)

    def _answer_to(
        self, signature: Signature, inputs: Mapping[str, np.ndarray], deadline: float, until: float
    ) -> Answer:
        """Returns the answer to one request; `until` is when the whole call is given up."""
        request = wire.PredictRequest(
            model_spec=wire.ModelSpec(
                name=self.servable if signature.servable == "shop" else signature.servable,
                signature_name=signature.name,
            ),
            inputs={name: wire.to_tensor_proto(array) for name, array in inputs.items()},
        )
        if self.version is not None:
            request.model_spec.version.value = self.version
        elif self.version_label is not None:
            request.model_spec.version_label = self.version_label
        left = until - time.monotonic()
        if left <= 0:
            raise deadline_exceeded(self.target, _asked(request), deadline)
        if self.fallback is not None and signature.servable == "shop":
            response = self._with_fallback(request, left)
        else:
            try:
                response = self._with_one_retry(request, left)
            except grpc.RpcError as error:
                raise name_failure(self.target, error, _asked(request), deadline) from error
        outputs = read_outputs(response, inputs)
        return Answer(outputs, request.model_spec.name, response.model_spec.version.value, True)

    def _with_fallback(self, request: Any, deadline: float) -> Any:
        """Returns the answer of the servable or else of the fall-back, whose name is then in `request`."""
        until = time.monotonic() + deadline
        try:
            return self._predict(request, timeout=deadline * self.fallback_after)
        except grpc.RpcError as error:
            first = name_failure(self.target, error, _asked(request), deadline * self.fallback_after)
            status, cause = error.code(), error
        pause = _RETRY_PAUSE * (0.5 + random.random()) if status is grpc.StatusCode.UNAVAILABLE else 0.0
        left = until - time.monotonic() - pause
        if (status not in _SILENCE and not first.details.startswith(UNKNOWN_LABEL)) or left <= 0:
            raise first from cause
        logger.info("%s Asking %s.", first, self.fallback)
        time.sleep(pause)
        request.model_spec.name = self.fallback
        request.model_spec.ClearField("version_choice")
        try:
            return self._predict(request, timeout=left)
        except grpc.RpcError as error:
            second = name_failure(self.target, error, _asked(request), left)
            text = f"{first} The fall-back failed too: {second}"
            raise type(first)(text, code=first.code, details=first.details) from error

    def _with_one_retry(self, request: Any, deadline: float) -> Any:
        until = time.monotonic() + deadline
        try:
            return self._predict(request, timeout=deadline)
        except grpc.RpcError as error:
            pause = _RETRY_PAUSE * (0.5 + random.random())
            left = until - time.monotonic() - pause
            if error.code() is not grpc.StatusCode.UNAVAILABLE or left <= 0:
                raise
        time.sleep(pause)
        return self._predict(request, timeout=left)

    def _check_open(self) -> None:
        if self._is_closed:
            raise errors.ClientClosedError(
                f"This client of {self.target} is closed. Make a new one, or ask inside its `with` block.",
                code=grpc.StatusCode.CANCELLED.value[0],
            )

    def _why_not_ready(self, servable: str, deadline: float) -> ServingError | None:
        request = wire.GetModelStatusRequest(model_spec=wire.ModelSpec(name=servable))
        if self.version is not None and servable != self.fallback:
            request.model_spec.version.value = self.version
        try:
            response = self._get_status(request, timeout=min(deadline, 5.0))
        except grpc.RpcError as error:
            return name_failure(self.target, error, servable, min(deadline, 5.0))
        if any(version.state == wire.STATES["AVAILABLE"] for version in response.model_version_status):
            return None
        names = {number: name for name, number in wire.STATES.items()}
        states = "; ".join(
            f"version {entry.version} is {names.get(entry.state, entry.state)} {entry.status.error_message}".rstrip()
            for entry in response.model_version_status
        )
        return errors.ServableNotLoadedError(f"Servable `{servable}` at {self.target} is not available: {states}.")

    def _method(self, service: str, name: str, response: Any) -> Any:
        return self._channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )


def _asked(request: Any) -> str:
    return f"{request.model_spec.name}/{request.model_spec.signature_name}"
