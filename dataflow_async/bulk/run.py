"""What the caller of ``run_all`` and ``launch_all`` holds: outcomes, one by one."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from dataflow_async.bulk.worker_pool import WorkerPool
from dataflow_async.models.launch import Outcome


class BulkRun:
    """Outcomes of a bulk run, in the order they come: an async iterator, and an ``async with``.

    Closed early, it starts nothing more; leaving the ``async with``, or `aclose`, also waits until launches in flight
    are answered and recorded. Runs that were started go on at the service.

    The workers hold the pool and only the consumer holds this object: dropped after a ``break``, it closes the pool. A
    reference from the pool to it would keep an abandoned run going.
    """

    def __init__(self, make_pool: Callable[[], WorkerPool]) -> None:
        self._make_pool = make_pool
        self._pool: WorkerPool | None = None

    def _running(self) -> WorkerPool:
        if self._pool is None:
            self._pool = self._make_pool()
            finalizer = weakref.finalize(self, _abandon_soon, asyncio.get_running_loop(), self._pool)
            finalizer.atexit = False
        return self._pool

    def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over outcomes as they come."""
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome."""
        return await self._running().next_outcome()

    async def __aenter__(self) -> Self:
        """Return the run; it is closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, however the block was left."""
        await self.aclose()

    async def aclose(self) -> None:
        """Submit no more, wait (bounded) for launches in flight, release the journal; may be called twice."""
        await self._running().aclose()


def _abandon_soon(loop: asyncio.AbstractEventLoop, pool: WorkerPool) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(pool.abandon_and_close)
