"""Waits for one run: look, judge, sleep, until it has ended or will never be seen to."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, ExecutionCanceled, ExecutionFailed, WaitTimeout
from dataflow_async.models.execution import ExecutionRef, ExecutionStatus, JobExecution
from dataflow_async.resources.jobs import Jobs
from dataflow_async.waiting.schedule import PollPolicy, judge
from dataflow_async.wire.retry import asked_pause

OnChange = Callable[[JobExecution], Awaitable[None] | None]
Spawn = Callable[[Coroutine[Any, Any, None]], None]
log = logging.getLogger("dataflow_async")


class _Sight:
    """What a wait has seen so far; times by the monotonic clock."""

    def __init__(self, now: float) -> None:
        self.began = now
        self.seen_at = now
        self.execution: JobExecution | None = None
        self.suspected = False
        self.silent_since: float | None = None
        self.warned = False
        self.hint: float | None = None


class Waiter:
    """Waits for runs by looking at them, one loop a wait."""

    def __init__(
        self,
        jobs: Jobs,
        policy: PollPolicy,
        clock: Clock,
        spawn: Spawn,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._jobs = jobs
        self._policy = policy
        self._clock = clock
        self._spawn = spawn
        self._draw = draw

    async def wait(
        self,
        ref: ExecutionRef,
        *,
        timeout: float | None,
        on_change: OnChange | None,
        cancel_on_timeout: bool,
        cancel_on_cancel: bool,
        check: bool,
    ) -> JobExecution:
        """Return the run at its end; see ``DataFlow.wait``."""
        last: JobExecution | None = None
        try:
            async with aclosing(self.changes(ref, timeout=timeout)) as changes:
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
                self._spawn(self._cancel_quietly(ref))
            raise
        if last is None:  # pragma: no cover  # changes() ends only after a sighting
            raise AssertionError("a wait ended without a sighting")
        return checked(last) if check else last

    async def changes(
        self, ref: ExecutionRef, *, timeout: float | None = None
    ) -> AsyncGenerator[JobExecution, None]:
        """Give the run whenever its status has changed, first as it is, last as it ended.

        Raises:
            WaitTimeout: ``timeout`` seconds are over; the run goes on.
            DataFlowError: What will not heal.
        """
        sight = _Sight(self._clock.monotonic())
        patience = None if timeout is None else max(timeout, 0.0)
        while True:
            before = sight.execution
            ended = await self._look(ref, sight, patience)
            current = sight.execution
            if current is not None and (before is None or current.status != before.status or ended):
                yield current
            if ended:
                return
            await self._sleep(ref, sight, patience)

    async def _look(self, ref: ExecutionRef, sight: _Sight, patience: float | None) -> bool:
        """Look once, note what was seen, and tell whether the run has ended."""
        left = None
        if patience is not None:
            # The first look may always take a moment, however short the caller's patience. The network
            # takes real time, so a look is bounded by the event loop's time, whoever holds the clock.
            least = defaults.FIRST_LOOK if sight.execution is None else 0.0
            left = max(sight.began + patience - self._clock.monotonic(), least)
        try:
            async with asyncio.timeout(left):
                execution = await self._jobs.execution(ref.job_id, ref.execution_id)
        except TimeoutError:
            sight.hint = None
            return False
        except DataFlowError as error:
            now = self._clock.monotonic()
            if not self._policy.forgives(error, now - sight.seen_at):
                error.execution_ref = ref
                raise
            self._note_failure(ref, sight, error, now)
            return False
        sight.seen_at = self._clock.monotonic()
        sight.silent_since, sight.warned, sight.hint = None, False, None
        sight.execution = execution
        ended, sight.suspected = judge(self._policy, execution, suspected=sight.suspected)
        return ended

    def _note_failure(self, ref: ExecutionRef, sight: _Sight, error: DataFlowError, now: float) -> None:
        sight.hint = asked_pause(error)
        if sight.silent_since is None:
            sight.silent_since = now
        elif not sight.warned and now - sight.silent_since >= defaults.SILENCE:
            sight.warned = True
            log.warning("waiting for %s: every look has failed for a minute, last with: %s", ref, error)

    async def _sleep(self, ref: ExecutionRef, sight: _Sight, patience: float | None) -> None:
        """Sleep until the next look, or raise if patience ends before it; the last look comes at its end."""
        now = self._clock.monotonic()
        pause = self._policy.interval(now - sight.began, sight.hint, self._draw)
        if patience is not None:
            left = sight.began + patience - now
            if left <= 0:
                raise WaitTimeout(
                    f"{ref} has not ended after {now - sight.began:.1f} s of waiting (timeout {patience:g} s);"
                    f" last seen as {sight.execution.status if sight.execution else 'nothing yet'}",
                    execution=sight.execution,
                    ref=ref,
                )
            pause = min(pause, left)
        await self._clock.sleep(pause)

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
