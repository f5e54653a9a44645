"""`Admission`: runs work in threads, as much at once as threads and memory allow; the rest waits in order."""

import asyncio
import collections
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

from tfrec.errors import ServingError

_RESOURCE_EXHAUSTED = 8
_T = TypeVar("_T")


class Admission:
    """A bounded pool of threads with a queue in front; for the tasks of one event loop.

    Attributes:
        num_running: work that is under way.
        memory: bytes that it needs.

    Args:
        num_threads: work done at once.
        max_waiting: work beyond it that may wait; further work is refused.
        max_memory: bytes that the work under way may need together.
    """

    def __init__(self, *, num_threads: int, max_waiting: int, max_memory: int) -> None:
        self.num_running = 0
        self._num_threads = num_threads
        self._max_waiting = max_waiting
        self._max_memory = max_memory
        self._pool = futures.ThreadPoolExecutor(num_threads, thread_name_prefix="tfrec-run")
        self._waiting: collections.deque[tuple[asyncio.Future[None], int]] = collections.deque()
        self.memory = 0

    async def run(self, work: Callable[[], _T], *, memory: int = 0) -> _T:
        """Returns the result of `work` once its turn has come; work whose caller is gone before is never begun.

        Args:
            work: function without arguments.
            memory: bytes that it needs while it runs.

        Raises:
            ServingError: RESOURCE_EXHAUSTED, too much work waits already.
        """
        loop = asyncio.get_running_loop()
        await self._enter(memory)
        answer: asyncio.Future[_T] = loop.create_future()

        def finish(done: futures.Future[_T]) -> None:
            self._leave(memory)
            if answer.done():
                return  # its caller is gone
            error = done.exception() if not done.cancelled() else asyncio.CancelledError()
            if error is None:
                answer.set_result(done.result())
            else:
                answer.set_exception(error)

        running = self._pool.submit(work)
        running.add_done_callback(lambda done: loop.call_soon_threadsafe(finish, done))
        try:
            return await answer
        except asyncio.CancelledError:
            running.cancel()
            raise

    @property
    def num_waiting(self) -> int:
        """Work that waits for its turn."""
        return len(self._waiting)

    def close(self) -> None:
        """Waits for the work under way; none is taken any more."""
        self._pool.shutdown()

    async def _enter(self, memory: int) -> None:
        if not self._waiting and self._fits(memory):
            self._take(memory)
            return
        if len(self._waiting) >= self._max_waiting:
            raise ServingError(
                f"{self.num_running} requests are under way and {len(self._waiting)} wait, as many as this server "
                "takes. Ask again later, or raise the server's max_waiting.",
                code=_RESOURCE_EXHAUSTED,
            )
        place = (asyncio.get_running_loop().create_future(), memory)
        self._waiting.append(place)
        try:
            await place[0]
        except asyncio.CancelledError:
            if not place[0].cancelled():  # its turn came at the same moment
                self._leave(memory)
            elif place in self._waiting:
                self._waiting.remove(place)
                self._admit()  # a smaller one may stand behind it
            raise

    def _fits(self, memory: int) -> bool:
        has_memory = not self.num_running or self.memory + memory <= self._max_memory
        return self.num_running < self._num_threads and has_memory

    def _take(self, memory: int) -> None:
        self.num_running += 1
        self.memory += memory

    def _leave(self, memory: int) -> None:
        self.num_running -= 1
        self.memory -= memory
        self._admit()

    def _admit(self) -> None:
        """Lets in those at the head of the queue that fit; in order, so that a large one is not passed for ever."""
        while self._waiting and (self._waiting[0][0].cancelled() or self._fits(self._waiting[0][1])):
            turn, memory = self._waiting.popleft()
            if not turn.cancelled():
                self._take(memory)
                turn.set_result(None)
