"""`AsyncRecommenderClient`: what `RecommenderClient` does, in asyncio.

Example:
    async with AsyncRecommenderClient("localhost:8500") as client:
        print(await client.cross_sell(cart_item_ids=["85123A", "22423"], k=5))
"""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any

import grpc
import grpc.aio
import numpy as np

from tfrec.client.answers import Answer
from tfrec.client.offers import Offers
from tfrec.client.questions import Questions
from tfrec.client.steps import Call, Lookup, Pause, Reply, Steps
from tfrec.errors import ClientClosedError


class AsyncRecommenderClient(
    Questions[
        Awaitable[Offers], Awaitable[Answer], Awaitable[dict[str, np.ndarray]], Awaitable[list[str]], Awaitable[None]
    ]
):
    """A connection to one server, for the event loop in which it is first asked.

    Arguments and questions are those of `Questions`; each question is awaited.
    """

    _grpc = grpc.aio
    _loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> "AsyncRecommenderClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls under way are cancelled. A log stays open: others may share it."""
        self._history.close()
        await asyncio.gather(*self._connection.close())

    async def _run(self, steps: Steps[Any]) -> Any:
        reply: Reply | None = None
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    reply = None
                elif isinstance(step, Lookup):
                    reply = await _looked_up(step)
                else:
                    reply = await self._call(step)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    async def _call(self, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ClientClosedError(
                f"This client of {self.target} belongs to the event loop in which it was first asked. Make one in each "
                "`asyncio.run`.",
                code=grpc.StatusCode.CANCELLED.value[0],
            )
        method = self._connection.method(call.method, call.timeout)
        for channel in self._connection.take_retired():
            await channel.close()
        if call.hedge_after is not None and call.hedge_after < call.timeout:
            return await self._hedged(method, call, call.hedge_after)
        return await self._sent(method, call, call.timeout)

    async def _sent(self, method: Any, call: Call, timeout: float) -> Reply:
        try:
            return Reply(await method(call.request, timeout=timeout, metadata=call.metadata))
        except grpc.RpcError as error:
            return Reply(error=error)
        except (asyncio.CancelledError, grpc.aio.UsageError):
            if self._connection.is_closed:  # meanwhile, by another task
                raise self._connection.closed_error() from None
            raise

    async def _hedged(self, method: Any, call: Call, hedge_after: float) -> Reply:
        """Sends a request again after a while without a reply; returns the first good reply, else the last failure."""
        tasks = {asyncio.create_task(self._sent(method, call, call.timeout))}
        try:
            done, pending = await asyncio.wait(tasks, timeout=hedge_after)
            if not done:
                tasks.add(asyncio.create_task(self._sent(method, call, call.timeout - hedge_after)))
                done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if pending and all(task.result().error is not None for task in done):
                    done, pending = await asyncio.wait(pending)
            replies = [task.result() for task in done]
            return next((reply for reply in replies if reply.error is None), replies[-1])
        finally:
            for task in tasks:
                task.cancel()


async def _looked_up(lookup: Lookup) -> Reply:
    try:
        return Reply(await asyncio.wait_for(asyncio.wrap_future(lookup.future), lookup.timeout))
    except Exception as error:  # what is asked for may raise anything
        return Reply(failure=error)
