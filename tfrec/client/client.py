"""`RecommenderClient`: asks a shop's servable, on TF Serving or `tfrec serve`, and returns what to offer.

    with RecommenderClient("localhost:8500") as client:
        print(client.cross_sell(cart_item_ids=["85123A", "22423"], k=5))

Needs grpcio, protobuf and NumPy.
"""

import queue
import time
from types import TracebackType
from typing import Any

import grpc
import numpy as np

from tfrec.client.answers import Answer
from tfrec.client.offers import Offers
from tfrec.client.questions import Questions
from tfrec.client.steps import Call, Lookup, Pause, Reply, Steps


class RecommenderClient(Questions[Offers, Answer, dict[str, np.ndarray], list[str], None]):
    """A connection to one server; any number of threads may share it.

    Arguments and questions are those of `Questions`; `AsyncRecommenderClient` is the same for asyncio.
    """

    _grpc = grpc

    def __enter__(self) -> "RecommenderClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls under way are cancelled. A log stays open: others may share it."""
        self._history.close()
        self._connection.close()

    def _run(self, steps: Steps[Any]) -> Any:
        reply: Reply | None = None
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    reply = None
                elif isinstance(step, Lookup):
                    reply = _looked_up(step)
                else:
                    reply = self._call(step)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    def _call(self, call: Call) -> Reply:
        method = self._connection.method(call.method, call.timeout)
        for channel in self._connection.take_retired():
            channel.close()
        try:
            if call.hedge_after is not None and call.hedge_after < call.timeout:
                return _hedged(method, call, call.hedge_after)
            return Reply(method(call.request, timeout=call.timeout, metadata=call.metadata))
        except grpc.RpcError as error:
            if self._connection.is_closed and error.code() is grpc.StatusCode.CANCELLED:
                raise self._connection.closed_error() from None
            return Reply(error=error)
        except ValueError:
            if self._connection.is_closed:  # meanwhile, by another thread
                raise self._connection.closed_error() from None
            raise


def _looked_up(lookup: Lookup) -> Reply:
    try:
        return Reply(lookup.future.result(timeout=lookup.timeout))
    except Exception as error:  # what is asked for may raise anything
        return Reply(failure=error)


def _hedged(method: Any, call: Call, hedge_after: float) -> Reply:
    """Sends a request again after a while without a reply; returns the first good reply, else the last failure."""
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sent = []

    def send(timeout: float) -> None:
        future = method.future(call.request, timeout=timeout, metadata=call.metadata)
        sent.append(future)
        future.add_done_callback(finished.put)

    try:
        send(call.timeout)
        try:
            ended = finished.get(timeout=hedge_after)
        except queue.Empty:
            send(call.timeout - hedge_after)
            ended = finished.get()
            if ended.code() is not grpc.StatusCode.OK:
                ended = finished.get()
        return Reply(ended.result()) if ended.code() is grpc.StatusCode.OK else Reply(error=ended.exception())
    finally:
        for future in sent:
            future.cancel()
