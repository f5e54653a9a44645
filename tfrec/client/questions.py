"""`Questions`: what both clients can be asked, and how their settings decide the answer; neither waits nor sends.

The arguments of every question are those of its signature: one query (values and flat lists) or a batch (lists of
values, lists of lists; see `tfrec.client.queries`).
"""

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc
import numpy as np

from tfrec.client.answer_log import AnswerLog
from tfrec.client.answers import Answer
from tfrec.client.asking import Asking, Source
from tfrec.client.best_sellers import read_best_sellers
from tfrec.client.breaker import Breaker, CircuitBreaker
from tfrec.client.connection import Connection, GrpcModule
from tfrec.client.experiment import CLIENTS_OWN, Arm, Experiment
from tfrec.client.exploration import Exploration, draw_slates, random_uniform
from tfrec.client.history import HistoryReader, HistoryStore
from tfrec.client.offers import Offers, Origin, in_order
from tfrec.client.queries import Number, Numbers, Value, Values, build_inputs, no_rows
from tfrec.client.settings import check_connection, check_deadline, check_outputs, check_parts, check_settings
from tfrec.client.slate_questions import OffersT, SlateQuestions
from tfrec.client.steps import Steps
from tfrec.errors import ConfigError
from tfrec.schema.signatures import SETS, Signature, signature_named

AnswerT = TypeVar("AnswerT")
OutputsT = TypeVar("OutputsT")
NamesT = TypeVar("NamesT")
NothingT = TypeVar("NothingT")

_BREAKER = Breaker()


class Questions(SlateQuestions[OffersT], Generic[OffersT, AnswerT, OutputsT, NamesT, NothingT]):
    """A connection to one server.

    Every question sends all inputs of its signature, has a deadline, and is answered by the first that can within it:
    `servable`, `fallback`, `best_sellers`. Where none can, the failure is raised; a wrong request always is.

    Args:
        target: `host:port` of the gRPC port, or a gRPC name such as `dns:///shop.default.svc:8500`.
        deadline: seconds until a call is given up.
        servable: name under which the strategies are asked.
        fallback: name of a servable with the same signatures, such as the `fallback` of `tfrec baseline`: where
            `servable` is not loaded, overloaded, down or too slow, it gets the same request in what is left of the
            deadline; `Offers.servable` says who answered. None = there is none.
        fallback_after: share of the deadline that `servable` has before the fall-back is asked.
        best_sellers: `best_sellers.json` of a version, or a folder of models or of a version that holds it: what is
            offered, by category, where no servable answers; read once. `Offers.servable` is then `best_sellers`.
        version: version of the servables to ask; None = the newest loaded. A fall-back always answers by its newest.
        version_label: the same by a label (`stable`), which the server knows from its `models.config`.
        retries: times that the last servable is asked again where the server was unavailable, after pauses that are
            random and grow, within the deadline.
        hedge_after: seconds after which a request without a reply is sent a second time; the first good reply counts.
            At the 95th percentile of the latency the server gets about 5 % more requests. None = never.
        breaker: when a servable that keeps hanging is not asked for a while; None = it always is.
        experiment: puts users into arms, which may differ in servable, version and settings.
        explore: draws slates at random with known chances (`Offers.propensities`).
        log: keeps every answer of the strategies.
        history: keeps the events of users whom the servable does not store; `Offers.history` says if they were sent.
        credentials: TLS, from `grpc.ssl_channel_credentials(...)`; None = plaintext.
        max_message_bytes: largest answer that is taken.
        max_rows: queries of one request; a larger batch is sent as several, one after the other, and answered by one
            version.
        keep_alive: seconds after which a quiet connection is tested. Servers on gRPC's C core, TF Serving among them,
            close connections that are tested more often than every 300 seconds.
        max_age: seconds after which the connection is replaced, so that addresses are looked up again; None = never.

    Raises:
        ConfigError: the target or a setting is not as it must be.
        SourceError: there are no best sellers where they should be.
    """

    def __init__(
        self,
        target: str,
        *,
        deadline: float = 1.0,
        servable: str = "shop",
        fallback: str | None = None,
        fallback_after: float = 0.6,
        best_sellers: str | Path | None = None,
        version: int | None = None,
        version_label: str | None = None,
        retries: int = 1,
        hedge_after: float | None = None,
        breaker: Breaker | None = _BREAKER,
        experiment: Experiment | None = None,
        explore: Exploration | None = None,
        log: AnswerLog | None = None,
        history: HistoryStore | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        max_message_bytes: int = 64 * 2**20,
        max_rows: int = 64,
        keep_alive: float = 310.0,
        max_age: float | None = None,
    ) -> None:
        check_settings(target, deadline, servable, fallback, fallback_after, version, version_label, max_rows)
        check_connection(retries, hedge_after, keep_alive, max_age)
        check_parts(
            best_sellers=(best_sellers, (str, Path), "the path of a file or folder"),
            breaker=(breaker, Breaker, "a Breaker"),
            experiment=(experiment, Experiment, "an Experiment"),
            explore=(explore, Exploration, "an Exploration, such as Exploration(temperature=0.5)"),
            log=(log, "put", "an AnswerLog, such as AnswerLog('answers')"),
            history=(history, "read", "a HistoryStore, such as open_history(url) returns"),
        )
        self.target = target
        self.deadline = float(deadline)
        self.servable = servable
        self.fallback = fallback
        self.version = version
        self.version_label = version_label
        self._experiment, self._explore, self._log = experiment, explore, log
        self._history = HistoryReader(history)
        self._asking = Asking(
            target,
            fallback_after=float(fallback_after),
            retries=retries,
            hedge_after=None if hedge_after is None else float(hedge_after),
            max_rows=max_rows,
            breaker=CircuitBreaker(breaker),
            best_sellers=None if best_sellers is None else read_best_sellers(best_sellers),
        )
        self._connection = Connection(
            self._grpc,
            target,
            credentials=credentials,
            max_message_bytes=max_message_bytes,
            keep_alive=keep_alive,
            max_age=max_age,
        )

    def ask(
        self,
        signature_name: str,
        arguments: Mapping[str, Any],
        *,
        deadline: float | None = None,
        outputs: Sequence[str] = (),
    ) -> OutputsT:
        """Calls any signature of the serving contract, `retrieve` and `rank` among them; returns its raw outputs.

        Neither experiment nor exploration touches them, and they are not logged.

        Args:
            signature_name: a name of `tfrec.schema.signatures.SIGNATURES`.
            arguments: input name → value, list or batch.
            deadline: seconds, instead of the client's.
            outputs: names of the outputs that are sent back; none = all. `tfrec serve` computes and sends no less, or
                fewer bytes; in TF Serving the first request of each choice waits seconds for a graph of its own.

        Raises:
            SchemaError: there is no such signature, input or output, or the arguments do not fit together.
            ServingError: as in `recommend`.
        """
        return self._run(self._outputs(signature_name, arguments, deadline, outputs))

    def arrange_cart(
        self,
        *,
        cart_item_ids: Values = None,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        objective: Value = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OutputsT:
        """Returns the lines of the cart, first those beside which a complement is expected to earn most.

        Outputs are `[B, n]`, also of one query: `item_ids` in the new order, `scores` (what the complement is expected
        to bring by `objective`: `purchase`, `revenue`, `margin` or `incremental_margin`), `complement_item_ids` and
        `complement_probabilities`. No complement stands beside two lines; "" = none. As of `ask`, neither experiment
        nor exploration touches them, and they are not logged. The other arguments and the errors are those of
        `recommend`.
        """
        arguments = {name: value for name, value in locals().items() if name not in ("self", "deadline")}
        return self.ask("arrange_cart", arguments, deadline=deadline)

    def answer(
        self,
        signature_name: str,
        arguments: Mapping[str, Any],
        *,
        deadline: float | None = None,
        outputs: Sequence[str] = (),
    ) -> AnswerT:
        """Returns what `ask` does, with the servable and the version that answered.

        Args:
            signature_name: see `ask`.
            arguments: see `ask`.
            deadline: see `ask`.
            outputs: see `ask`.

        Raises:
            SchemaError: as in `ask`.
            ServingError: as in `recommend`.
        """
        return self._run(self._answer(signature_name, arguments, deadline, outputs))

    def signatures(self, *, deadline: float | None = None) -> NamesT:
        """Returns the names of the signatures of `servable`, or else of its fall-back, as the metadata lists them.

        Raises:
            ServingError: as in `recommend`.
        """
        return self._run(self._signatures(deadline))

    def wait_until_ready(self, timeout: float = 60.0, *, servables: Iterable[str] = ("shop",)) -> NothingT:
        """Returns as soon as each servable has a version that answers.

        Raises:
            ServerUnreachableError: nothing answered in `timeout` seconds.
            ServableNotLoadedError: the server answers, but a servable is not available; says in which state it is.
        """
        return self._run(self._ready(timeout, servables))

    _grpc: GrpcModule  # what the two clients do differently, beside `_run`

    # Steps.

    def _offers(self, signature_name: str, local: Mapping[str, Any]) -> Steps[Offers]:
        """Turns the `locals()` of a public method, whose names are the signature's inputs, into its answer."""
        arguments = {name: value for name, value in local.items() if name not in ("self", "deadline")}
        signature, deadline, inputs, is_batch = self._checked(signature_name, arguments, local["deadline"])
        num = len(inputs["k"])
        if not num:
            return Offers.from_outputs(no_rows(signature), ())
        start = time.monotonic()
        history = yield from self._history.add_to(inputs, deadline=deadline)
        deadline -= time.monotonic() - start if history else 0.0
        arms = np.full(num, "") if self._experiment is None else self._experiment.arms_of(inputs["user_id"])
        parts, rows = [], []
        for name in sorted(set(arms.tolist())):
            chosen = np.flatnonzero(arms == name)
            is_all = len(chosen) == num
            own = {input_name: array if is_all else array[chosen] for input_name, array in inputs.items()}
            arm = CLIENTS_OWN if self._experiment is None else self._experiment.arms.get(name, CLIENTS_OWN)
            if arm.diversity is not None and "diversity" in own and arguments.get("diversity") is None:
                own["diversity"] = np.full(len(chosen), arm.diversity, np.float32)
            parts.append((yield from self._slates(signature, own, arm, str(name), deadline)))
            rows.append(chosen)
        offers = dataclasses.replace(in_order(parts, np.concatenate(rows)), history=history)
        if self._log is not None:
            self._log.put(signature_name, inputs, offers)
        return offers if is_batch else offers.query(0)

    def _slates(
        self, signature: Signature, inputs: Mapping[str, np.ndarray], arm: Arm, arm_name: str, deadline: float
    ) -> Steps[Offers]:
        """Returns the slates of queries that are in one arm."""
        explore = (arm.explore or self._explore) if signature.name not in SETS else None
        asked = inputs if explore is None else {**inputs, "k": explore.asked(inputs["k"])}
        answer = yield from self._asking.answer(signature, asked, self._sources(signature, arm), deadline=deadline)
        outputs, propensities = answer.outputs, None
        if explore is not None and "item_ids" in outputs:
            uniform = random_uniform(outputs["item_ids"].shape)
            outputs, propensities = draw_slates(outputs, k=inputs["k"], exploration=explore, uniform=uniform)
        origins = [
            Origin(os.urandom(16).hex(), answer.servable, answer.version, arm_name) for _ in range(len(inputs["k"]))
        ]
        return Offers.from_outputs(outputs, origins, propensities=propensities)

    def _sources(self, signature: Signature, arm: Arm = CLIENTS_OWN) -> list[Source]:
        """Returns who is asked, in order."""
        version, label = self.version, self.version_label
        if arm.version is not None or arm.version_label is not None:
            version, label = arm.version, arm.version_label
        if signature.servable != "shop":
            return [Source(signature.servable, version, label)]
        first = Source(arm.servable or self.servable, version, label)
        return [first] if self.fallback is None else [first, Source(self.fallback)]

    def _answer(
        self, signature_name: str, arguments: Mapping[str, Any], deadline: float | None, wanted: Sequence[str]
    ) -> Steps[Answer]:
        signature, seconds, inputs, is_batch = self._checked(signature_name, arguments, deadline)
        check_outputs(signature, wanted)
        sources = self._sources(signature)
        if not len(inputs["k" if "k" in inputs else "user_id"]):
            nothing = {name: array for name, array in no_rows(signature).items() if not wanted or name in wanted}
            return Answer(nothing, sources[0].servable, 0, True)
        start = time.monotonic()
        history = yield from self._history.add_to(inputs, deadline=seconds)
        seconds -= time.monotonic() - start if history else 0.0
        answer = yield from self._asking.answer(signature, inputs, sources, deadline=seconds, wanted=wanted)
        return answer._replace(is_batch=is_batch, history=history)

    def _outputs(
        self, signature_name: str, arguments: Mapping[str, Any], deadline: float | None, wanted: Sequence[str]
    ) -> Steps[dict[str, np.ndarray]]:
        answer = yield from self._answer(signature_name, arguments, deadline, wanted)
        return answer.outputs

    def _signatures(self, deadline: float | None) -> Steps[list[str]]:
        signature, seconds, _, _ = self._checked("recommend", {}, deadline)
        return (yield from self._asking.signatures(self._sources(signature), deadline=seconds))

    def _ready(self, timeout: float, servables: Iterable[str]) -> Steps[None]:
        if self._connection.is_closed:
            raise self._connection.closed_error()
        check_deadline(timeout, "timeout")
        if isinstance(servables, str):
            raise ConfigError(f"`servables` takes a list of names, such as [{servables!r}]; got {servables!r}.")
        for servable in servables:
            version = None if servable == self.fallback else self.version
            yield from self._asking.ready(servable, version=version, timeout=timeout)

    def _checked(
        self, signature_name: str, arguments: Mapping[str, Any], deadline: float | None
    ) -> tuple[Signature, float, dict[str, np.ndarray], bool]:
        """Returns the signature, the seconds of the call, its inputs, and whether they are a batch."""
        if self._connection.is_closed:
            raise self._connection.closed_error()
        signature = signature_named(signature_name)
        if deadline is not None:
            check_deadline(deadline)
        inputs, is_batch = build_inputs(signature, arguments)
        return signature, self.deadline if deadline is None else float(deadline), inputs, is_batch
