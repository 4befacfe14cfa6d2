"""Bounded look-ahead: workers over one iterator, each draws a launch, starts it, waits for its end.

A worker draws again only when there is room, and room comes back when an *outcome is taken*: so at most
``max_in_flight`` launches are unfinished or unread, memory does not grow with how much was asked for
(promise 5), a slow consumer slows the launching down, and a consumer that has left stops it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import (
    AuthenticationFailed,
    CredentialsError,
    DataFlowError,
    InvalidRequest,
    LaunchUncertain,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
)
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch, Outcome, Progress
from dataflow_async.wire.retry import THROTTLED, RetryPolicy

log = logging.getLogger("dataflow_async")

Launches = Iterable[Launch] | AsyncIterable[Launch]
OnProgress = Callable[[Progress], object]

ENDS_THE_RUN: tuple[type[DataFlowError], ...] = (
    CredentialsError,
    AuthenticationFailed,
    PermissionDenied,
    QuotaExceeded,
)
"""Errors of a launch that every further launch would meet as well."""


Execute = Callable[[Launch], Awaitable[JobExecution]]
"""Starts one run, or raises a `DataFlowError`."""
Finish = Callable[[JobExecution], Awaitable[JobExecution]]
"""Waits for the end of one run; raises `ExecutionFailed` and its kin unless it ended COMPLETED."""


class BulkOptions(NamedTuple):
    """How a bulk run behaves; see ``DataFlow.run_all``."""

    max_in_flight: int
    stop_on: int | None
    on_progress: OnProgress | None
    total: int | None


class _Tally:
    """Counts behind `Progress`."""

    def __init__(self) -> None:
        self.drawn = 0
        self.launched = 0
        self.completed = 0
        self.failed = 0
        self.uncertain = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.uncertain

    def count(self, status: object) -> None:
        if status == ExecutionStatus.COMPLETED:
            self.completed += 1
        elif status == UNCERTAIN:
            self.uncertain += 1
        else:
            self.failed += 1


class Engine:
    """The workers of one bulk run and what they share."""

    def __init__(
        self,
        launches: Launches,
        execute: Execute,
        finish: Finish,
        options: BulkOptions,
        retry: RetryPolicy,
        clock: Clock,
    ) -> None:
        self._source = _draw(launches)
        self._drawing = asyncio.Lock()
        self._execute = execute
        self._finish = finish
        self._options = options
        self._retry = retry
        self._clock = clock
        self._room = asyncio.Semaphore(options.max_in_flight)
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._workers: set[asyncio.Task[None]] = set()
        self._launching: set[asyncio.Task[JobExecution]] = set()
        self._stopped = False
        self._abandoned = False
        self._fatal: BaseException | None = None
        self._began = clock.monotonic()
        self._reported = float("-inf")
        self.tally = _Tally()

    # --- consumer side -------------------------------------------------------------------------------------

    async def next_outcome(self) -> Outcome:
        """Give the next outcome; raise what ended the run, or StopAsyncIteration, after the last one."""
        if not self._workers and not self._stopped:
            self._start()
        outcome = await self._outcomes.get()
        if outcome is None:
            self._outcomes.put_nowait(None)
            fatal, self._fatal = self._fatal, None
            raise fatal or StopAsyncIteration
        self._room.release()
        return outcome

    def stop_drawing(self) -> None:
        """Start nothing more."""
        self._stopped = True

    def abandon(self) -> None:
        """Start nothing more and wait for nothing more; launches in flight are let finish."""
        self.stop_drawing()
        self._abandoned = True
        for worker in self._workers:
            worker.cancel()

    async def aclose(self) -> None:
        """Abandon, and see the launches in flight through, within bounds."""
        self.abandon()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._launching:
            await asyncio.wait(self._launching, timeout=defaults.DRAIN_PATIENCE)
        for launching in self._launching:
            launching.cancel()
        await asyncio.gather(*self._launching, return_exceptions=True)
        await self._source.aclose()

    # --- worker side ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        for _ in range(self._options.max_in_flight):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (problem := worker.exception()) is not None:
            self._fatal = self._fatal or problem
            self.stop_drawing()
        if not self._workers:
            self._report(last=True)
            self._outcomes.put_nowait(None)

    async def _work(self) -> None:
        while True:
            await self._room.acquire()
            drawn = await self._next_launch()
            if drawn is None:
                self._room.release()  # let the next idle worker see the end as well
                return
            number, launch = drawn
            outcome = await self._one(launch, launch.key or str(number))
            self.tally.count(outcome.status)
            if (
                self._options.stop_on is not None
                and self.tally.failed + self.tally.uncertain >= self._options.stop_on
            ):
                self.stop_drawing()
            self._outcomes.put_nowait(outcome)
            self._report()

    async def _next_launch(self) -> tuple[int, Launch] | None:
        async with self._drawing:
            if self._stopped:
                return None
            try:
                launch = await anext(self._source)
            except StopAsyncIteration:
                self.stop_drawing()
                return None
            if not isinstance(launch, Launch):
                raise InvalidRequest(f"launches: Launch objects are needed, got {launch!r}", field="launches")
            number = self.tally.drawn
            self.tally.drawn += 1
            return number, launch

    async def _one(self, launch: Launch, key: str) -> Outcome:
        try:
            execution = await self._launched(launch, key)
        except DataFlowError as error:
            if isinstance(error, ENDS_THE_RUN):
                self._fatal = self._fatal or error
                self.stop_drawing()
            if error.may_have_run:
                uncertain = LaunchUncertain(f"launch {key!r} may have started: {error}", launch=launch)
                return Outcome(key, launch, error=uncertain, status=UNCERTAIN)
            return Outcome(key, launch, error=error, status=NOT_LAUNCHED)
        self.tally.launched += 1
        self._report()
        try:
            execution = await self._finish(execution)
        except DataFlowError as error:
            seen = getattr(error, "execution", None) or execution
            return Outcome(key, launch, execution=seen, error=error, status=seen.status)
        return Outcome(key, launch, execution=execution, status=execution.status)

    async def _launched(self, launch: Launch, key: str) -> JobExecution:
        """Start one run in a task of its own: cancelling its worker must not leave its fate unknown."""
        task = asyncio.create_task(self._launch(launch))
        self._launching.add(task)
        task.add_done_callback(self._launching.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: _log_fate(key, launch, done))
            raise

    async def _launch(self, launch: Launch) -> JobExecution:
        """Start one run; a throttled one goes back into the line, however often (promise 11)."""
        while True:
            try:
                return await self._execute(launch)
            except RateLimited as error:
                if error.code not in THROTTLED or self._abandoned:
                    raise
                pause = self._retry.pause(self._retry.attempts, error.retry_after, random.random)
            await self._clock.sleep(pause)

    # --- progress ------------------------------------------------------------------------------------------

    def progress(self) -> Progress:
        """Give the counts of this moment."""
        tally, total = self.tally, self._options.total
        elapsed = self._clock.monotonic() - self._began
        rate = tally.ended / elapsed if elapsed > 0 else 0.0
        return Progress(
            total=total,
            drawn=tally.drawn,
            launched=tally.launched,
            running=tally.drawn - tally.ended,
            completed=tally.completed,
            failed=tally.failed,
            uncertain=tally.uncertain,
            rate=rate,
            eta=None if total is None or rate == 0 else (total - tally.ended) / rate,
        )

    def _report(self, *, last: bool = False) -> None:
        """Tell the caller at most ten times a second, and at the end; if that raises, the run ends with it."""
        now = self._clock.monotonic()
        if self._options.on_progress is None or (
            not last and now - self._reported < defaults.PROGRESS_INTERVAL
        ):
            return
        self._reported = now
        try:
            self._options.on_progress(self.progress())
        except Exception as problem:  # noqa: BLE001  # the caller's own code; raised to the caller at the end
            self._fatal = self._fatal or problem
            self.stop_drawing()


def _log_fate(key: str, launch: Launch, done: asyncio.Task[JobExecution]) -> None:
    """Say what became of a launch whose bulk run was left before its answer came (promise 9)."""
    what = f"launch {key!r} of job {launch.job_id}, left in flight,"
    if done.cancelled():
        log.warning("%s had no answer in time: it may have started", what)
    elif (error := done.exception()) is not None:
        log.warning("%s failed: %s", what, error)
    else:
        log.warning("%s was started: %s", what, done.result().ref)


async def _draw(launches: Launches) -> AsyncGenerator[Launch, None]:
    if isinstance(launches, AsyncIterable):
        async for launch in launches:
            yield launch
    else:
        for launch in launches:
            yield launch


def _abandon_soon(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(engine.abandon)


class BulkRun:
    """Outcomes of a bulk run, in the order they come: an async iterator, and an ``async with``.

    Left early, it starts nothing more; leaving the ``async with``, or ``aclose()``, also ends its tasks.
    Runs that were started go on at the service.
    """

    def __init__(self, engine_of: Callable[[], Engine]) -> None:
        self._engine_of = engine_of
        self._engine: Engine | None = None

    def _running(self) -> Engine:
        if self._engine is None:
            self._engine = self._engine_of()
            # The workers hold the engine, only the consumer holds this: dropped after a `break`, it ends them.
            finalizer = weakref.finalize(self, _abandon_soon, asyncio.get_running_loop(), self._engine)
            finalizer.atexit = False
        return self._engine

    def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over outcomes as they come."""
        return self

    async def __anext__(self) -> Outcome:
        """Give the next outcome."""
        return await self._running().next_outcome()

    async def __aenter__(self) -> Self:
        """Close at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the tasks, however the block was left."""
        await self.aclose()

    async def aclose(self) -> None:
        """Draw no more, end the tasks of this run; may be called twice."""
        if self._engine is not None:
            await self._engine.aclose()
