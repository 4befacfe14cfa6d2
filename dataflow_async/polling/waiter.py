"""What callers wait with: for one run, for its changes, for many runs. The tracker polls for all of them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Protocol, TypeVar, cast

from dataflow_async import defaults
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionRef, ExecutionStatus, JobExecution
from dataflow_async.polling.finished_runs import FinishedRuns
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
    """Starts a task that the client owns."""

    def __call__(self, work: Callable[[], Awaitable[T]], /) -> asyncio.Task[T]:
        """Start ``work``; closing the client waits for it, within bounds."""


async def _news(subscription: Subscription, wakeup: WakeUp) -> JobExecution | None:
    """Return the next change; None if the wait is over."""
    while not subscription.news:
        if subscription.error is not None:
            raise subscription.error
        if subscription.over:
            return None
        await wakeup.wait()
    first, *others = subscription.news
    subscription.news = tuple(others)
    return first


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
    """Waits for runs with the subscriptions of a tracker, each of which ends with the block that began it."""

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
            last = await self._cancel_in_time(ref, error)
        except asyncio.CancelledError:
            if cancel_on_cancel:
                _ = self._spawn(partial(self._cancel_quietly, ref))  # the client owns it
            raise
        if last is None:  # pragma: no cover  # a wait without an error ends with its run
            raise AssertionError("a wait ended without a run")
        return require_completed(last) if check else last

    async def changes(
        self, ref: ExecutionRef, *, timeout: float | None = None, every: bool = True
    ) -> AsyncGenerator[JobExecution, None]:
        """Yield the run whenever its status has changed, first as it is, last as it ended.

        Args:
            ref: The run.
            timeout: Seconds.
            every: Whether to yield changes at all, or only the end.

        Raises:
            WaitTimeout: ``timeout`` seconds are over; the run goes on.
            DataFlowError: It can't be waited for: the service refused, or does not find it.
        """
        with self._subscribed(ref, timeout, every=every) as (subscription, wakeup):
            while (news := await _news(subscription, wakeup)) is not None:
                yield news

    def _subscribed(self, ref: ExecutionRef, timeout: float | None, *, every: bool) -> _Subscribed:
        wakeup = WakeUp()
        subscription = self._tracker.subscribe(ref, wakeup.notify, every_change=every, timeout=timeout)
        return _Subscribed(self._tracker, subscription, wakeup)

    def as_finished(self, refs: Iterable[ExecutionRef], *, timeout: float | None) -> FinishedRuns:
        """Return an iterator over runs in the order they end; see ``DataFlow.as_finished``."""
        return FinishedRuns(self._tracker, refs, timeout)

    async def wait_all(
        self, refs: list[ExecutionRef], *, timeout: float | None, check: bool
    ) -> list[JobExecution]:
        """Return runs in the order given, once all have ended; see ``DataFlow.wait_all``."""
        found: dict[ExecutionRef, JobExecution | DataFlowError] = {}
        result: JobExecution | DataFlowError
        distinct = dict.fromkeys(refs)
        async with self.as_finished(distinct, timeout=timeout) as finished:
            while len(found) < len(distinct):
                try:
                    result = await anext(finished)
                except DataFlowError as error:
                    result = error
                if finished.last is None:
                    raise cast("DataFlowError", result)
                found[finished.last] = result
        for ref in refs:
            if isinstance(result := found[ref], DataFlowError):
                raise result
        executions = [cast("JobExecution", found[ref]) for ref in refs]
        return [require_completed(execution) for execution in executions] if check else executions

    async def _react(
        self, on_change: OnChange, execution: JobExecution, until: float, timeout: float | None
    ) -> None:
        """Call ``on_change`` and await what it returns, no longer than until the time-out of the wait and a moment.

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
            "%s: on_change was cancelled, because it took longer than the time-out of the wait", execution.ref
        )
        if execution.status not in self._policy.terminal_statuses:
            raise WaitTimeout(
                f"{execution.ref} has not ended within {timeout:g} s, the last of them spent in on_change;"
                f" last seen as {execution.status}. The run goes on: wait for it again, or cancel it",
                execution=execution,
                ref=execution.ref,
            )

    async def _cancel_in_time(self, ref: ExecutionRef, error: WaitTimeout) -> JobExecution:
        """Cancel a run that took too long; if it ended by itself meanwhile, return it (contract/notes.md#ruling-79).

        A caller with a time-out does not wait much longer for that: what takes longer goes on in the background.
        """
        task = self._spawn(partial(self._cancel_and_read, ref, error))
        await asyncio.wait([task], timeout=defaults.CANCEL_ON_TIMEOUT_LIMIT)
        if not task.done():
            log.warning("%s: its cancellation is not confirmed yet, and goes on in the background", ref)
        elif not task.cancelled() and (ended := task.result()) is not None:
            return ended
        raise error

    async def _cancel_and_read(self, ref: ExecutionRef, error: WaitTimeout) -> JobExecution | None:
        """Cancel a run; return it if it had ended by itself. ``error`` gets its state."""
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


def require_completed(execution: JobExecution) -> JobExecution:
    """Return a run if it ended COMPLETED.

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
