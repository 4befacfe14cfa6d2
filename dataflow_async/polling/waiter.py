"""What callers wait with: for one run, for its changes, for many runs. The tracker does the looking."""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Protocol, Self, TypeVar, cast

from dataflow_async import defaults
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionRef, ExecutionStatus, JobExecution
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.polling.state import Subscription
from dataflow_async.polling.tracker import Tracker
from dataflow_async.polling.wakeup import WakeUp
from dataflow_async.resources.jobs import Jobs
from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed, WaitTimeout

OnChange = Callable[[JobExecution], Awaitable[None] | None]
T = TypeVar("T")
log = logging.getLogger("dataflow_async")


class Spawn(Protocol):
    """Lets the client own a task."""

    def __call__(self, work: Callable[[], Awaitable[T]], /) -> asyncio.Task[T]:
        """Start ``work``; the client waits for it when it is closed, within bounds."""


async def _news(subscription: Subscription, wakeup: WakeUp) -> JobExecution | None:
    """Give the next change; None if the wait is over."""
    while not subscription.news:
        if subscription.error is not None:
            raise subscription.error
        if subscription.over:
            return None
        await wakeup.wait()
    return subscription.news.pop(0)


class _Subscribed:
    """A subscription for the length of a block. A plain class: a generator would touch the caller's own exceptions."""

    def __init__(self, tracker: Tracker, subscription: Subscription, wakeup: WakeUp) -> None:
        self._tracker = tracker
        self._subscription = subscription
        self._wakeup = wakeup

    def __enter__(self) -> tuple[Subscription, WakeUp]:
        return self._subscription, self._wakeup

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracker.unsubscribe(self._subscription)


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
        until = math.inf if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            with self._subscribed(ref, timeout, every=on_change is not None) as (subscription, wakeup):
                while (news := await _news(subscription, wakeup)) is not None:
                    last = news
                    if on_change is not None:
                        await self._react(on_change, last, until, timeout)
        except WaitTimeout as error:
            if not cancel_on_timeout:
                raise
            last = await self._cancelled_in_time(ref, error)
        except asyncio.CancelledError:
            if cancel_on_cancel:
                _ = self._spawn(partial(self._cancel_quietly, ref))  # the client owns it
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
        with self._subscribed(ref, timeout, every=every) as (subscription, wakeup):
            while (news := await _news(subscription, wakeup)) is not None:
                yield news

    def _subscribed(self, ref: ExecutionRef, timeout: float | None, *, every: bool) -> _Subscribed:
        wakeup = WakeUp()
        subscription = self._tracker.subscribe(ref, wakeup.notify, every_change=every, timeout=timeout)
        return _Subscribed(self._tracker, subscription, wakeup)

    def as_finished(self, refs: Iterable[ExecutionRef], *, timeout: float | None) -> FinishedRuns:
        """Give runs in the order they end; see ``DataFlow.as_finished``."""
        return FinishedRuns(self._tracker, refs, timeout)

    async def wait_all(
        self, refs: list[ExecutionRef], *, timeout: float | None, check: bool
    ) -> list[JobExecution]:
        """Give runs in the order given, once all have ended; see ``DataFlow.wait_all``."""
        found: dict[ExecutionRef, JobExecution | DataFlowError] = {}
        result: JobExecution | DataFlowError
        wanted = dict.fromkeys(refs)
        async with self.as_finished(wanted, timeout=timeout) as endings:
            while len(found) < len(wanted):
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

    async def _react(
        self, on_change: OnChange, execution: JobExecution, until: float, timeout: float | None
    ) -> None:
        """Call ``on_change`` and await what it gives, no longer than until the time-out of the wait and a moment.

        Raises:
            WaitTimeout: It took longer, and the run goes on.
        """
        reaction = on_change(execution)
        if not isawaitable(reaction):
            return
        limit = max(until, asyncio.get_running_loop().time() + defaults.LAST_POLL_TIMEOUT)
        try:
            async with asyncio.timeout_at(limit if math.isfinite(limit) else None) as bound:
                await reaction
        except TimeoutError:
            if not bound.expired():
                raise
        else:
            return
        log.warning(
            "%s: on_change was cancelled, because it outlasted the time-out of the wait", execution.ref
        )
        if execution.status not in self._policy.terminal_statuses:
            raise WaitTimeout(
                f"{execution.ref} has not ended within {timeout:g} s, the last of them spent in on_change;"
                f" last seen as {execution.status}",
                execution=execution,
                ref=execution.ref,
            )

    async def _cancelled_in_time(self, ref: ExecutionRef, error: WaitTimeout) -> JobExecution:
        """Cancel a run that took too long; if it ended by itself meanwhile, that is how it ended (ruling 79).

        Whoever set a time-out does not wait much longer for that: what takes longer goes on in the background.
        """
        task = self._spawn(partial(self._cancel_and_look, ref, error))
        await asyncio.wait([task], timeout=defaults.CANCEL_ON_TIMEOUT_LIMIT)
        if not task.done():
            log.warning("%s: its cancellation is not confirmed yet, and goes on", ref)
        elif not task.cancelled() and (ended := task.result()) is not None:
            return ended
        raise error

    async def _cancel_and_look(self, ref: ExecutionRef, error: WaitTimeout) -> JobExecution | None:
        """Cancel a run, and give it if it had ended by itself; ``error`` gets what it was seen as."""
        await self._cancel_quietly(ref)
        try:
            execution = error.execution = await self._jobs.execution(ref.job_id, ref.execution_id)
        except DataFlowError as problem:
            log.warning("%s: could not be read after its cancellation: %s", ref, problem)
            return None
        ended = execution.status in self._policy.terminal_statuses
        return execution if ended and execution.status != ExecutionStatus.CANCELED else None

    async def _cancel_quietly(self, ref: ExecutionRef) -> None:
        try:
            await self._jobs.cancel_execution(ref.job_id, ref.execution_id)
        except DataFlowError as problem:
            log.warning("%s: could not be cancelled: %s", ref, problem)


class _Gathering:
    """The waits of one `FinishedRuns`: those to begin, those that are under way, those that are over and not yet given.

    Several consumers may take from it at once. Whoever comes begins what is left to be begun, so that no run
    is lost if another one is cancelled over it, and nobody takes an unfinished beginning for the end.
    """

    def __init__(self, tracker: Tracker, refs: Iterable[ExecutionRef], timeout: float | None) -> None:
        self._tracker = tracker
        self._to_begin = iter(refs)
        self._timeout = timeout
        self.wakeup = WakeUp()
        self.waiting: set[Subscription] = set()
        self.over: deque[Subscription] = deque()

    async def begin(self) -> None:
        begun = 0
        while (ref := next(self._to_begin, None)) is not None:
            self.waiting.add(self._tracker.subscribe(ref, self._ring, timeout=self._timeout))
            begun += 1
            if begun % defaults.WAITS_PER_STEP == 0:
                await asyncio.sleep(0)

    async def next(self) -> Subscription | None:
        """Give a wait that is over; None if there is none left."""
        await self.begin()
        while not self.over:
            if not self.waiting:
                return None
            await self.wakeup.wait()
        subscription = self.over.popleft()
        if not self.waiting:
            self.wakeup.notify()
        return subscription

    def _ring(self, subscription: Subscription) -> None:
        if subscription.over:
            self.waiting.discard(subscription)
            self.over.append(subscription)
            self.wakeup.notify()

    def leave(self) -> None:
        self._to_begin = iter(())
        waiting, self.waiting = self.waiting, set()
        for subscription in waiting:
            self._tracker.unsubscribe(subscription)
        self.wakeup.notify()


def _leave_soon(loop: asyncio.AbstractEventLoop, gathering: _Gathering) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(gathering.leave)


class FinishedRuns:
    """Runs in the order they end: an async iterator, and an ``async with``.

    An error that ends the wait for one run is raised in its turn; whoever iterates on gets the others.
    """

    def __init__(self, tracker: Tracker, refs: Iterable[ExecutionRef], timeout: float | None) -> None:
        self._gathering = _Gathering(tracker, refs, timeout)
        self._begun = False
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
        if not self._begun:
            self._begun = True
            # The tracker holds the gathering, only the consumer holds this: dropped after a `break`, it leaves.
            loop = asyncio.get_running_loop()
            weakref.finalize(self, _leave_soon, loop, self._gathering).atexit = False
        subscription = await self._gathering.next()
        if subscription is None:
            raise StopAsyncIteration
        self.last = subscription.run.ref
        if subscription.error is not None:
            raise subscription.error
        return subscription.news[-1]

    async def aclose(self) -> None:
        """Wait for none of them any more; may be called twice."""
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
