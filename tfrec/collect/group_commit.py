"""Keeps the events of many requests in one step, and lets each wait until its own are kept."""

import asyncio
import contextlib
import logging
from collections import Counter

from tfrec.collect.batches import Batch, Collected, Target

logger = logging.getLogger(__name__)


class QueueFullError(RuntimeError):
    """More events wait than may."""


class GroupCommit:
    """A queue in front of a target.

    Attributes:
        is_healthy: the last step succeeded.

    Args:
        target: keeps batches, one at a time.
        max_events: events kept in one step.
        max_waiting: events that may wait.
    """

    def __init__(self, target: Target, *, max_events: int = 5_000, max_waiting: int = 50_000) -> None:
        self.is_healthy = True
        self._target, self._max_events, self._max_waiting = target, max_events, max_waiting
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._count = 0
        self._has_work = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self.collected = Collected()

    def start(self) -> None:
        """Begins to keep what comes."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def keep(self, batch: Batch) -> None:
        """Returns when a batch is kept.

        Raises:
            QueueFullError: too much waits.
            Exception: it could not be kept.
        """
        size = len(batch.rows) + len(batch.rejected)
        if self._is_closing or (self._count and self._count + size > self._max_waiting):
            raise QueueFullError
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, done))
        self._count += size
        self._has_work.set()
        await done

    async def close(self) -> None:
        """Keeps what waits and ends."""
        self._is_closing = True
        self._has_work.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not (self._is_closing and not self._waiting):
            with contextlib.suppress(TimeoutError):  # a look now and then at what is to become Parquet
                await asyncio.wait_for(self._has_work.wait(), timeout=1.0)
            self._has_work.clear()
            while self._waiting:
                await self._keep_next()
            await asyncio.to_thread(self._target.roll_if_due)

    async def _keep_next(self) -> None:
        group: list[tuple[Batch, asyncio.Future[None]]] = []
        size = 0
        while self._waiting and (not group or size < self._max_events):
            group.append(self._waiting.pop(0))
            size += len(group[-1][0].rows) + len(group[-1][0].rejected)
        merged = Batch(
            [row for batch, _ in group for row in batch.rows], [line for batch, _ in group for line in batch.rejected]
        )
        try:
            self.collected.add(await asyncio.to_thread(self._target.commit, merged))
            self.is_healthy = True
        except Exception as error:
            self.is_healthy = False
            logger.error("Events could not be kept: %s", error)
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
        finally:
            self._count -= size
        for _, done in group:
            if not done.done():
                done.set_result(None)

    @property
    def rejected(self) -> Counter[str]:
        """Reason → events that were rejected."""
        return self.collected.rejected
