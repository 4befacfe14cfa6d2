"""Many runs in the order they end."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from dataflow_async import defaults
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.polling.state import Subscription
from dataflow_async.polling.tracker import Tracker
from dataflow_async.polling.wakeup import WakeUp


class _Waits:
    """The waits of one `FinishedRuns`: those to begin, those under way, and those that are over and not yet returned.

    Several consumers may take from it at once, and each wait goes to exactly one of them. Each consumer first begins the
    waits that are still to begin: were that left to the first one, its cancellation would lose them, and the others would
    take an unfinished beginning for the end.
    """

    def __init__(self, tracker: Tracker, refs: Iterable[ExecutionRef], timeout: float | None) -> None:
        self._tracker = tracker
        self._to_begin = iter(refs)
        self._timeout = timeout
        self._wakeup = WakeUp()
        self._pending: set[Subscription] = set()
        self._over: deque[Subscription] = deque()

    async def next(self) -> Subscription | None:
        """Return a wait that is over; None if there is none any more."""
        await self._begin()
        while not self._over:
            if not self._pending:
                return None
            await self._wakeup.wait()
        subscription = self._over.popleft()
        if not self._pending:
            self._wakeup.notify()  # the last one: other consumers have nothing to wait for
        return subscription

    def close(self) -> None:
        """End all waits, and with them those of the consumers."""
        self._to_begin = iter(())
        pending, self._pending = self._pending, set()
        for subscription in pending:
            self._tracker.unsubscribe(subscription)
        self._wakeup.notify()

    async def _begin(self) -> None:
        begun = 0
        notify = self._notify  # made once: a method is an object each time
        while (ref := next(self._to_begin, None)) is not None:
            self._pending.add(self._tracker.subscribe(ref, notify, timeout=self._timeout))
            begun += 1
            if begun % defaults.WAITS_PER_STEP == 0:
                await asyncio.sleep(0)

    def _notify(self, subscription: Subscription) -> None:
        if subscription.over:
            self._pending.discard(subscription)
            self._over.append(subscription)
            self._wakeup.notify()


def _close_in(loop: asyncio.AbstractEventLoop, waits: _Waits) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(waits.close)


class FinishedRuns:
    """Runs in the order they end: an async iterator, and an ``async with``.

    An error that ends the wait for one run is raised in its turn; whoever iterates on gets the others. Dropped
    without `aclose`, as by a ``break``, it ends its waits when it is collected.
    """

    def __init__(self, tracker: Tracker, refs: Iterable[ExecutionRef], timeout: float | None) -> None:
        self._waits = _Waits(tracker, refs, timeout)
        self._begun = False
        self.last: ExecutionRef | None = None
        """The run that was returned, or whose error was raised, last."""

    def __aiter__(self) -> AsyncIterator[JobExecution]:
        """Iterate over runs as they end."""
        return self

    async def __anext__(self) -> JobExecution:
        """Return the next run that has ended, however it ended.

        Raises:
            WaitTimeout: It has not ended within the time-out.
            DataFlowError: It can't be waited for: the service refused, or does not find it.
        """
        if not self._begun:
            self._begun = True
            # The tracker refers to the waits, and only the consumer to this.
            weakref.finalize(self, _close_in, asyncio.get_running_loop(), self._waits).atexit = False
        subscription = await self._waits.next()
        if subscription is None:
            raise StopAsyncIteration
        self.last = subscription.run.ref
        if subscription.error is not None:
            raise subscription.error
        return subscription.news[-1]

    async def aclose(self) -> None:
        """End the waits for all runs that have not ended; may be called twice."""
        self._waits.close()

    async def __aenter__(self) -> Self:
        """Return this iterator; its waits end with the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the waits, however the block ended."""
        await self.aclose()
