"""What callers wait with: for one run, for its changes, for many runs. The tracker does the looking."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Self, cast

from dataflow_async.errors import DataFlowError, ExecutionCanceled, ExecutionFailed, WaitTimeout
from dataflow_async.models.execution import ExecutionRef, ExecutionStatus, JobExecution
from dataflow_async.resources.jobs import Jobs
from dataflow_async.waiting.schedule import PollPolicy
from dataflow_async.waiting.tracker import Tracker
from dataflow_async.waiting.watched import Subscription

OnChange = Callable[[JobExecution], Awaitable[None] | None]
Spawn = Callable[[Callable[[], Awaitable[None]]], None]
log = logging.getLogger("dataflow_async")
_AT_ONCE = 500
"""Waits begun before others get their turn of the event loop."""


class _Bell:
    """Wakes one coroutine."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung: asyncio.Future[None] | None = None

    def ring(self, _: Subscription | None = None) -> None:
        if self._rung is not None and not self._rung.done():
            self._rung.set_result(None)

    async def wait(self) -> None:
        """Return at the next ring; what rang before must have been looked for first."""
        self._rung = asyncio.get_running_loop().create_future()
        await self._rung


class Waiter:
    """Waits for runs."""

    def __init__(self, tracker: Tracker, jobs: Jobs, policy: PollPolicy, spawn: Spawn) -> None:
        self._tracker = tracker
        self._jobs = jobs
        self._policy = policy
        self._spawn = spawn

    async def wait(
        self,
        ref: ExecutionRef,
        *,
        timeout: float | None = None,
        on_change: OnChange | None = None,
        cancel_on_timeout: bool = False,
        cancel_on_cancel: bool = False,
        check: bool = True,
    ) -> JobExecution:
        """Return the run at its end; see ``DataFlow.wait``."""
        last: JobExecution | None = None
        try:
            async with aclosing(self.changes(ref, timeout=timeout, every=on_change is not None)) as changes:
                async for last in changes:
                    reaction = on_change(last) if on_change is not None else None
                    if isawaitable(reaction):
                        await reaction
        except WaitTimeout as error:
            if not cancel_on_timeout:
                raise
            last = await self._cancel_and_look(ref, error)
        except asyncio.CancelledError:
            if cancel_on_cancel:
                self._spawn(partial(self._cancel_quietly, ref))
            raise
        if last is None:  # pragma: no cover  # changes() ends only after a sighting
            raise AssertionError("a wait ended without a sighting")
        return checked(last) if check else last

    async def changes(
        self, ref: ExecutionRef, *, timeout: float | None = None, every: bool = True
    ) -> AsyncGenerator[JobExecution, None]:
        """Give the run whenever its status has changed, first as it is, last as it ended.

        Args:
            ref: The run.
            timeout: Seconds.
            every: Whether to give changes at all, or only the end.

        Raises:
            WaitTimeout: ``timeout`` seconds are over; the run goes on.
            DataFlowError: What will not heal.
        """
        bell = _Bell()
        subscription = self._tracker.subscribe(ref, bell.ring, every_change=every, timeout=timeout)
        try:
            while True:
                while subscription.news:
                    yield subscription.news.pop(0)
                if subscription.error is not None:
                    raise subscription.error
                if subscription.over:
                    return
                await bell.wait()
        finally:
            self._tracker.leave(subscription)

    def as_ended(self, refs: Iterable[ExecutionRef], *, timeout: float | None) -> Endings:
        """Give runs in the order they end; see ``DataFlow.as_ended``."""
        return Endings(self._tracker, refs, timeout)

    async def wait_all(
        self, refs: list[ExecutionRef], *, timeout: float | None, check: bool
    ) -> list[JobExecution]:
        """Give runs in the order given, once all have ended; see ``DataFlow.wait_all``."""
        found: dict[ExecutionRef, JobExecution | DataFlowError] = {}
        result: JobExecution | DataFlowError
        async with self.as_ended(dict.fromkeys(refs), timeout=timeout) as endings:
            while len(found) < len(set(refs)):
                try:
                    result = await anext(endings)
                except DataFlowError as error:
                    result = error
                if endings.last is None:
                    raise cast("DataFlowError", result)
                found[endings.last] = result
        for ref in refs:
            if isinstance(result := found[ref], DataFlowError):
                raise result
        executions = [cast("JobExecution", found[ref]) for ref in refs]
        return [checked(execution) for execution in executions] if check else executions

    async def _cancel_and_look(self, ref: ExecutionRef, error: WaitTimeout) -> JobExecution:
        """Cancel a run that took too long; if it ended by itself meanwhile, that is how it ended (ruling 79)."""
        await self._cancel_quietly(ref)
        try:
            error.execution = await self._jobs.execution(ref.job_id, ref.execution_id)
        except DataFlowError as problem:
            log.warning("%s: could not be read after its cancellation: %s", ref, problem)
            raise error from None
        ended = error.execution.status in self._policy.terminal_statuses
        if ended and error.execution.status != ExecutionStatus.CANCELED:
            return error.execution
        raise error

    async def _cancel_quietly(self, ref: ExecutionRef) -> None:
        try:
            await self._jobs.cancel(ref.job_id, ref.execution_id)
        except DataFlowError as problem:
            log.warning("%s: could not be cancelled: %s", ref, problem)


class _Gathering:
    """The waits of one `Endings`: all that is still waited for, and all that is over and not yet given."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.bell = _Bell()
        self.waiting: set[Subscription] = set()
        self.over: deque[Subscription] = deque()

    async def begin(self, refs: Iterable[ExecutionRef], timeout: float | None) -> None:
        ring = self._ring
        for number, ref in enumerate(refs, 1):
            self.waiting.add(self._tracker.subscribe(ref, ring, timeout=timeout))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _ring(self, subscription: Subscription) -> None:
        if subscription.over:
            self.waiting.discard(subscription)
            self.over.append(subscription)
            self.bell.ring()

    def leave(self) -> None:
        waiting, self.waiting = self.waiting, set()
        for subscription in waiting:
            self._tracker.leave(subscription)


def _leave_soon(loop: asyncio.AbstractEventLoop, gathering: _Gathering) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(gathering.leave)


class Endings:
    """Runs in the order they end: an async iterator, and an ``async with``.

    An error that ends the wait for one run is raised in its turn; whoever iterates on gets the others.
    """

    def __init__(self, tracker: Tracker, refs: Iterable[ExecutionRef], timeout: float | None) -> None:
        self._gathering = _Gathering(tracker)
        self._refs: Iterable[ExecutionRef] | None = refs
        self._timeout = timeout
        self.last: ExecutionRef | None = None
        """The run that was given, or whose error was raised, last."""

    def __aiter__(self) -> AsyncIterator[JobExecution]:
        """Iterate over runs as they end."""
        return self

    async def __anext__(self) -> JobExecution:
        """Give the next run that has ended, however it ended.

        Raises:
            WaitTimeout: It has not ended in time.
            DataFlowError: What will not heal.
        """
        gathering = self._gathering
        if self._refs is not None:
            refs, self._refs = self._refs, None
            # The tracker holds the gathering, only the consumer holds this: dropped after a `break`, it leaves.
            weakref.finalize(self, _leave_soon, asyncio.get_running_loop(), gathering).atexit = False
            await gathering.begin(refs, self._timeout)
        while not gathering.over:
            if not gathering.waiting:
                raise StopAsyncIteration
            await gathering.bell.wait()
        subscription = gathering.over.popleft()
        self.last = subscription.run.ref
        if subscription.error is not None:
            raise subscription.error
        return subscription.news[-1]

    async def aclose(self) -> None:
        """Wait for none of them any more; may be called twice."""
        self._refs = None
        self._gathering.leave()

    async def __aenter__(self) -> Self:
        """Leave at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave, however the block was left."""
        await self.aclose()


def checked(execution: JobExecution) -> JobExecution:
    """Give a run that ended COMPLETED.

    Raises:
        ExecutionCanceled: It was cancelled.
        ExecutionFailed: It ended in any other way.
    """
    if execution.status == ExecutionStatus.COMPLETED:
        return execution
    raise (
        ExecutionCanceled(execution)
        if execution.status == ExecutionStatus.CANCELED
        else ExecutionFailed(execution)
    )
