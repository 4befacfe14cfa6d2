"""Bounded look-ahead: workers over one iterator, each draws a launch and takes it to its outcome.

A worker draws only when there is room, and room comes back when an *outcome is taken*: so at most
``max_in_flight`` launches are unfinished or unread, memory does not grow with how much was asked for
(promise 5), a slow consumer slows the launching down, and a consumer that has left stops it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import AsyncGeneratorType, TracebackType
from typing import Any, NamedTuple, Self, cast

from dataflow_async import defaults, tasks
from dataflow_async.bulk.launch_pipeline import EndsTheRun, LaunchPipeline, broken_off, is_cancelled
from dataflow_async.bulk.progress import OnProgress, ProgressReporter
from dataflow_async.clock import Clock
from dataflow_async.errors import (
    DataFlowError,
    InvalidRequest,
)
from dataflow_async.models import checks
from dataflow_async.models.launch import NOT_LAUNCHED, Launch, Outcome

log = logging.getLogger("dataflow_async")

Launches = Iterable[Launch] | AsyncIterable[Launch]


_JOURNAL_HOLDERS: weakref.WeakValueDictionary[Path, WorkerPool] = weakref.WeakValueDictionary()
"""The run of this process that has taken up a journal last."""


class PoolOptions(NamedTuple):
    """How a bulk run behaves; see ``DataFlow.run_all``."""

    max_in_flight: int
    max_failures: int | None
    on_progress: OnProgress | None
    total: int | None
    max_outage: float = defaults.MAX_OUTAGE
    """Seconds."""
    journal: str | os.PathLike[str] | None = None


class _Shielded:
    """A block in which a worker is not cancelled; a plain class, because every launch goes through one."""

    __slots__ = ("_pool", "_worker")

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101  # the pipeline run in workers
        self._worker = worker
        self._pool.shielded_workers.add(worker)

    def __exit__(self, *_: object) -> None:
        self._pool.shielded_workers.discard(self._worker)
        if self._pool.abandoned:
            self._worker.cancel()


class WorkerPool:
    """The workers of one bulk run and what they share."""

    def __init__(
        self, launches: Launches, pipeline: LaunchPipeline, options: PoolOptions, clock: Clock
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._source = _Source(launches)
        self._source_lock = asyncio.Lock()
        self._source_reader: asyncio.Task[None] | None = None
        """The worker that waits for the source."""
        self._pipeline = pipeline
        self._options = options
        self._capacity = options.max_in_flight
        """Launches that may be drawn now."""
        self._idle: deque[asyncio.Future[None]] = deque()
        """Workers that wait for room."""
        self._outcomes: deque[Outcome] = deque()
        self._pending: deque[asyncio.Future[Outcome | None]] = deque()
        """Where consumers wait for the next outcome."""
        self.consumers: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        """Tasks that have asked for outcomes."""
        self._workers: set[asyncio.Task[None]] = set()
        self.shielded_workers: set[asyncio.Task[None]] = set()
        """Workers that must not be cancelled now."""
        self._number = 0
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._stopped = False
        self.abandoned = False
        self._over = False
        self._fatal: BaseException | None = None
        self.progress = ProgressReporter(
            options.total, options.on_progress, clock, pipeline.outage.age, self._fail
        )

    # --- consumer side -------------------------------------------------------------------------------------

    async def next_outcome(self) -> Outcome:
        """Give the next outcome; raise what ended the run, or StopAsyncIteration, after the last one."""
        if (consumer := asyncio.current_task()) is not None and consumer not in self.consumers:
            self.consumers.add(consumer)
        while not self._outcomes:
            if self._over:
                await self._close()
                fatal, self._fatal = self._fatal, None
                raise fatal or StopAsyncIteration
            if self._opening is None:
                self._opening = tasks.start(self._open)
            if (outcome := await self._handed_over()) is not None:
                return outcome
        self._capacity += 1
        self._wake_idle_worker()
        return self._outcomes.popleft()

    async def _handed_over(self) -> Outcome | None:
        """Wait for an outcome that a worker hands over; None if the run is over instead."""
        pending: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._pending.append(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            if not pending.cancelled() and (outcome := pending.result()) is not None:
                self._capacity -= 1
                self._deliver(outcome)  # handed over in the same instant: for whoever asks next
            raise

    def _deliver(self, outcome: Outcome) -> None:
        """Hand an outcome to whoever waits for one, or keep it; handed over, it gives its room back at once."""
        while self._pending:
            pending = self._pending.popleft()
            if not pending.done():
                pending.set_result(outcome)
                self._capacity += 1
                return
        self._outcomes.append(outcome)

    def stop_submitting(self) -> None:
        """Start nothing more; a source that is being waited for may never give anything, so it is left."""
        self._stopped = True
        if self._source_reader is not None:
            self._source_reader.cancel()
        while self._idle:
            self._wake_idle_worker()

    def abandon(self) -> None:
        """Start nothing more and wait for nothing more; launches in the air are seen through."""
        self.abandoned = True
        self.stop_submitting()
        for worker in self._workers - self.shielded_workers:
            worker.cancel()

    def is_left_by(self, successor: WorkerPool) -> bool:
        """Return whether nobody asks for outcomes any more, now that a successor is asked for its first one.

        Who has stopped to iterate, by ``break`` or by an exception, may hold the run for ever: in a variable, or in a
        traceback. It shows in that its task has ended, or has begun another run.
        """
        waits = any(not pending.done() for pending in self._pending)
        return self.abandoned or not (waits or self._alive() - successor._alive())

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way any more."""
        return self._over

    def _alive(self) -> set[asyncio.Task[Any]]:
        return {consumer for consumer in self.consumers if not consumer.done()}

    async def _take_over(self, journal: str | os.PathLike[str]) -> None:
        """Wait for the end of an earlier run with the same journal, if that was left and this loop is closing it."""
        from dataflow_async.bulk.journal.store import resolved

        path = resolved(journal)
        older, _JOURNAL_HOLDERS[path] = _JOURNAL_HOLDERS.get(path), self
        if older is None or older.loop is not self.loop:
            return
        if not older.is_over and not older.is_left_by(self):
            _JOURNAL_HOLDERS[path] = older
            raise InvalidRequest(
                "journal: another bulk run of this process has it, and somebody may still iterate over that run: close it"
                " with aclose() or async with, or take it up again in the task that has left it",
                field="journal",
            )
        if not older.abandoned and not older.is_over:
            older.end_with(InvalidRequest("journal: another bulk run has taken it up", field="journal"))
        with suppress(Exception):  # raised to whoever still iterates over that one
            await older.aclose()

    def abandon_and_close(self) -> None:
        """Abandon, and close in a task of the pool's own."""
        self.abandon()
        if self._closing is None:
            self._closing = tasks.start(self._closed)

    async def aclose(self) -> None:
        """Abandon, see the launches in flight through, within bounds, and close; may be called twice."""
        self.abandon()
        await self._close()

    async def _close(self) -> None:
        """Close once, whoever asks, and wait for it."""
        if self._closing is None:
            self._closing = tasks.start(self._closed)
        await asyncio.shield(self._closing)

    async def _closed(self) -> None:
        """Wait for launches in flight, then give everything back; within `defaults.DRAIN_PATIENCE`, whoever hangs."""
        patience = defaults.DRAIN_PATIENCE
        try:
            if self._opening is not None:
                await asyncio.wait([self._opening], timeout=patience)
                self._opening.cancel()
            if self._workers:
                await asyncio.wait(self._workers, timeout=patience)
        finally:  # also where the loop ends and cancels whatever is left
            await self._release()

    async def _release(self) -> None:
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        try:
            await self._step("a launch, or the source of launches,", partial(_all_done, workers))
            self._end()
            await self._step("on_progress", self.progress.aclose)
        finally:
            try:
                await self._step("the source of launches", self._source.aclose)
            finally:
                await self._step("the journal", self._pipeline.aclose, defaults.CLOSING_JOURNAL)

    async def _step(
        self, what: str, work: Callable[[], Awaitable[None]], seconds: float = defaults.CLOSING_STEP
    ) -> None:
        """Take one step of closing; one that hangs is left behind."""
        step = tasks.start(work)
        try:
            await asyncio.wait([step], timeout=seconds)
        finally:
            if not step.done():
                step.cancel()
        if step.done():
            step.result()
        else:
            log.warning("%s has not ended within %g s and is left behind", what, seconds)

    # --- worker side ---------------------------------------------------------------------------------------

    async def _open(self) -> None:
        try:
            if self._options.journal is not None:
                await self._take_over(self._options.journal)
            await self._pipeline.open()
        except asyncio.CancelledError:
            if not self.abandoned:
                self._fail(DataFlowError("bulk run: something else than this run has cancelled its opening"))
        except Exception as problem:  # noqa: BLE001  # raised to the consumer
            self._fail(problem)
        if self._stopped:
            self._end()
        else:
            self._spawn_worker()

    def _spawn_worker(self) -> None:
        """Start one more worker, if there is room for what it would draw and nobody idle to draw it."""
        if self._capacity and not self._idle and len(self._workers) < self._options.max_in_flight:
            worker = tasks.start(self._work)
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if worker.cancelled():
            problem: BaseException | None = None if self._stopped else asyncio.CancelledError()
        else:
            problem = worker.exception()
        if problem is not None:
            self._fail(problem)
        if not self._workers:
            self._end()

    def _fail(self, problem: BaseException) -> None:
        """End the run with this once everything in flight is accounted for."""
        self._fatal = self._fatal or problem
        self.stop_submitting()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            if self._opening is not None:
                self.progress.report(last=True)
            for pending in self._pending:
                if not pending.done():
                    pending.set_result(None)

    def _wake_idle_worker(self) -> None:
        """Let one waiting worker look for room."""
        while self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _work(self) -> None:
        while (drawn := await self._next_launch()) is not None:
            self._spawn_worker()
            number, launch = drawn
            try:
                outcome = await self._pipeline.outcome(launch, number, self)
            except EndsTheRun as end:
                self.progress.uncount()
                self._fail(end.error)
                return
            except asyncio.CancelledError as problem:
                if is_cancelled():
                    raise
                outcome = broken_off(launch, number, problem)
            except Exception as problem:  # noqa: BLE001  # a mistake of ours; its outcome is not lost for that
                self._fail(problem)
                outcome = broken_off(launch, number, problem)
            self._record(outcome)
            if self.abandoned:
                return

    def _record(self, outcome: Outcome) -> None:
        self.progress.count(outcome)
        error = outcome.error
        if error is not None and (
            error.ends_bulk_run or (error.fatal_for_client and outcome.status == NOT_LAUNCHED)
        ):
            self._fail(error)
        if self._options.max_failures is not None and self.progress.setbacks >= self._options.max_failures:
            self.stop_submitting()
        self._deliver(outcome)
        self.report()

    async def _next_launch(self) -> tuple[int, Launch] | None:
        """Draw a launch as soon as there is room; None if there are no more, or no more are wanted."""
        while not self._capacity and not self._stopped:
            turn = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            await turn
        self._capacity -= 1
        try:
            if self._source.at_hand is not None:
                launch = _NO_MORE if self._stopped else next(self._source.at_hand, _NO_MORE)
            else:
                async with self._source_lock:
                    launch = _NO_MORE if self._stopped else await self._read_source()
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Told now: to other workers the source seems to have come to its end.
            raise DataFlowError(
                "bulk run: something else than this run has cancelled its source of launches"
            ) from None
        if launch is _NO_MORE or self._stopped:
            self.stop_submitting()
            return None
        number = self._number
        if not isinstance(launch, Launch):
            raise checks.refuse("launches", launch, f"Launch objects are needed (item {number})")
        self._number += 1
        self.progress.submitted += 1
        return number, launch

    async def _read_source(self) -> object:
        self._source_reader = asyncio.current_task()
        try:
            return await self._source.next()
        finally:
            self._source_reader = None

    # --- for the pipeline ---------------------------------------------------------------------------------------

    def shielded(self) -> _Shielded:
        """Give a block that is seen through even when the run is left meanwhile (promise 9).

        Nothing is awaited after it then, and nothing more sent in it: a launch that still waits for its turn is not.
        """
        return _Shielded(self)

    def is_abandoned(self) -> bool:
        """Whether the run has been left."""
        return self.abandoned

    def may_submit(self, held: int) -> bool:
        """Whether further launches may be drawn while so many of those drawn are held up."""
        return not self._stopped and held < self._options.max_in_flight

    def launched(self) -> None:
        """Count a run that has started."""
        self.progress.launched += 1
        self.report()

    def report(self) -> None:
        """Tell the caller how far the run has come, not too often."""
        self.progress.report()

    def end_with(self, error: DataFlowError) -> None:
        """Draw nothing more, and raise this once all that is in flight has its outcome."""
        self._fail(error)


_NO_MORE = object()
"""Ends a source; None is an item, and a wrong one."""


class _Source:
    """Where launches come from: at once, or when they are there. An item may be anything, whatever was promised."""

    def __init__(self, launches: Launches) -> None:
        self.at_hand: Iterator[object] | None = None
        """An iterator that need not be waited for."""
        self._awaited: AsyncGeneratorType[Launch, None] | None = None
        if isinstance(launches, AsyncIterable):
            self._awaited = cast("AsyncGeneratorType[Launch, None]", _each(launches))
        else:
            self.at_hand = iter(launches)

    async def next(self) -> object:
        """Wait for the next item; `_NO_MORE` after the last one."""
        return _NO_MORE if self._awaited is None else await anext(self._awaited, _NO_MORE)

    async def aclose(self) -> None:
        """Draw no more; a source that hangs, whatever it is told, can't be closed."""
        if self._awaited is not None and not self._awaited.ag_running:
            await self._awaited.aclose()


async def _all_done(workers: list[asyncio.Task[None]]) -> None:
    if workers:
        await asyncio.wait(workers)


async def _each(launches: AsyncIterable[Launch]) -> AsyncGenerator[Launch, None]:
    async for launch in launches:
        yield launch


def _abandon_soon(loop: asyncio.AbstractEventLoop, pool: WorkerPool) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(pool.abandon_and_close)


class BulkRun:
    """Outcomes of a bulk run, in the order they come: an async iterator, and an ``async with``.

    Left early, it starts nothing more; leaving the ``async with``, or ``aclose()``, also waits until launches
    in flight are answered and recorded. Runs that were started go on at the service.
    """

    def __init__(self, make_pool: Callable[[], WorkerPool]) -> None:
        self._make_pool = make_pool
        self._pool: WorkerPool | None = None

    def _running(self) -> WorkerPool:
        if self._pool is None:
            self._pool = self._make_pool()
            # The workers hold the pool, only the consumer holds this: dropped after a `break`, it ends them.
            finalizer = weakref.finalize(self, _abandon_soon, asyncio.get_running_loop(), self._pool)
            finalizer.atexit = False
        return self._pool

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
        """Close, however the block was left."""
        await self.aclose()

    async def aclose(self) -> None:
        """Draw no more, see launches in flight through (bounded), let go of the journal; may be called twice."""
        await self._running().aclose()
