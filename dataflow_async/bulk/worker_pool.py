"""Runs launches through their pipeline, a bounded number of them at a time."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from dataflow_async import defaults, tasks
from dataflow_async.bulk.launch_pipeline import LaunchPipeline
from dataflow_async.bulk.launch_source import NO_MORE, Launches, LaunchSource
from dataflow_async.bulk.options import RunOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.outcomes import EndsTheRun, broken_off
from dataflow_async.bulk.progress import ProgressReporter
from dataflow_async.bulk.takeover import take_over
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models import checks
from dataflow_async.models.launch import NOT_LAUNCHED, Launch, Outcome


class _Shielded:
    """A block in which a worker is not cancelled; a plain class, because every launch goes through one."""

    __slots__ = ("_pool", "_worker")

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101  # pipelines run in workers
        self._worker = worker
        self._pool.shielded_workers.add(worker)

    def __exit__(self, *_: object) -> None:
        self._pool.shielded_workers.discard(self._worker)
        if self._pool.abandoned:
            self._worker.cancel()


class WorkerPool:
    """Workers over one source: each takes a launch and brings it to its outcome.

    Always true: capacity plus launches that are unfinished, or whose outcome is not consumed yet, equal
    ``max_in_flight``. A worker takes a launch only for a unit of capacity, and the unit returns when the *outcome is
    consumed*. So memory does not grow with the number of launches, a slow consumer slows the launching down, and a
    consumer that has left stops it. Capacity that returned when a launch finishes would break this: outcomes would pile up.

    Each launch that was taken has one outcome, whatever is raised or cancelled meanwhile, except where its key ends the
    run, or the run is abandoned.
    """

    def __init__(
        self,
        launches: Launches,
        open_pipeline: Callable[[], Awaitable[LaunchPipeline]],
        outage: Outage,
        options: RunOptions,
        clock: Clock,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._source = LaunchSource(launches)
        self._open_pipeline = open_pipeline
        self._pipeline: LaunchPipeline | None = None
        self._options = options
        self._capacity = options.max_in_flight
        """Launches that may be taken now."""
        self._idle: deque[asyncio.Future[None]] = deque()
        """Where workers wait for capacity."""
        self._outcomes: deque[Outcome] = deque()
        self._pending: deque[asyncio.Future[Outcome | None]] = deque()
        """Where consumers wait for the next outcome."""
        self._consumers: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        """Tasks that have called `next_outcome`."""
        self._workers: set[asyncio.Task[None]] = set()
        self.shielded_workers: set[asyncio.Task[None]] = set()
        """Workers that must not be cancelled now."""
        self._number = 0
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._stopped = False
        self.abandoned = False
        self.is_over = False
        """Whether nothing is in flight any more."""
        self._fatal: BaseException | None = None
        self.progress = ProgressReporter(options.total, options.on_progress, clock, outage.age, self._fail)

    # --- consumers -----------------------------------------------------------------------------------------

    async def next_outcome(self) -> Outcome:
        """Return the next outcome; after the last one raise what ended the run, or StopAsyncIteration."""
        if (consumer := asyncio.current_task()) is not None and consumer not in self._consumers:
            self._consumers.add(consumer)
        while not self._outcomes:
            if self.is_over:
                await self._close()
                fatal, self._fatal = self._fatal, None
                raise fatal or StopAsyncIteration
            if self._opening is None:
                self._opening = tasks.start(self._open)
            if (outcome := await self._wait_for_delivery()) is not None:
                return outcome
        self._capacity += 1
        self._wake_idle_worker()
        return self._outcomes.popleft()

    async def _wait_for_delivery(self) -> Outcome | None:
        """Wait for an outcome that a worker delivers; None if the run is over instead."""
        pending: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._pending.append(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            if not pending.cancelled() and (outcome := pending.result()) is not None:
                self._capacity -= 1
                self._deliver(outcome)  # delivered in the same instant: it is for the next consumer
            raise

    def _deliver(self, outcome: Outcome) -> None:
        """Hand an outcome to a pending consumer, which returns its capacity at once, or keep it."""
        while self._pending:
            pending = self._pending.popleft()
            if not pending.done():
                pending.set_result(outcome)
                self._capacity += 1
                return
        self._outcomes.append(outcome)

    def _living_consumers(self) -> set[asyncio.Task[Any]]:
        return {consumer for consumer in self._consumers if not consumer.done()}

    # --- workers -------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        try:
            if self._options.path is not None:
                await take_over(self._options.path, self)
            self._pipeline = await self._open_pipeline()
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
        """Start one more worker, if there is capacity for a launch and no idle worker to take it."""
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

    def _wake_idle_worker(self) -> None:
        """Let one idle worker check for capacity."""
        while self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _work(self) -> None:
        pipeline = self._pipeline
        assert pipeline is not None  # noqa: S101  # opened before the first worker was spawned
        while (taken := await self._next_launch()) is not None:
            self._spawn_worker()
            number, launch = taken
            try:
                outcome = await pipeline.outcome(launch, number, self)
            except EndsTheRun as end:
                self.progress.uncount()
                self._fail(end.error)
                return
            except asyncio.CancelledError as problem:
                if tasks.is_cancelled():
                    raise
                outcome = broken_off(launch, number, problem)
            except Exception as problem:  # noqa: BLE001  # a mistake of ours; its outcome is not lost for that
                self._fail(problem)
                outcome = broken_off(launch, number, problem)
            self._record(outcome)
            if self.abandoned:
                return

    async def _next_launch(self) -> tuple[int, Launch] | None:
        """Take a launch as soon as there is capacity; None once there are no more, or no more may be submitted."""
        while not self._capacity and not self._stopped:
            turn = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            await turn
        self._capacity -= 1
        try:
            if self._source.at_hand is not None:
                launch = NO_MORE if self._stopped else next(self._source.at_hand, NO_MORE)
            else:
                launch = await self._source.read()
        except asyncio.CancelledError:
            if tasks.is_cancelled():
                raise
            # Raised by the worker itself: the other workers see a source that has come to its end.
            raise DataFlowError(
                "bulk run: something else than this run has cancelled its source of launches"
            ) from None
        if launch is NO_MORE or self._stopped:
            self.stop_submitting()
            return None
        number = self._number
        if not isinstance(launch, Launch):
            raise checks.refuse("launches", launch, f"Launch objects (item {number} is none)")
        self._number += 1
        self.progress.submitted += 1
        return number, launch

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

    # --- what pipelines see of the run ---------------------------------------------------------------------

    def shielded(self) -> _Shielded:
        """Return a block that is completed even when the run is abandoned meanwhile.

        Nothing is awaited after it then, and nothing more is sent in it, such as a launch that still waits for its turn.
        """
        return _Shielded(self)

    def is_abandoned(self) -> bool:
        """Return whether the run was abandoned."""
        return self.abandoned

    def may_submit(self, held: int) -> bool:
        """Return whether further launches may come while so many of those submitted are held up."""
        return not self._stopped and held < self._options.max_in_flight

    def launched(self) -> None:
        """Count a run that has started."""
        self.progress.launched += 1
        self.report()

    def report(self) -> None:
        """Report to the caller how far the run has come, not too often."""
        self.progress.report()

    def end_with(self, error: DataFlowError) -> None:
        """Submit nothing more, and raise this once all that is in flight has its outcome."""
        self._fail(error)

    # --- the end -------------------------------------------------------------------------------------------

    def _fail(self, problem: BaseException) -> None:
        """End the run with this once everything in flight has its outcome; the first problem counts."""
        self._fatal = self._fatal or problem
        self.stop_submitting()

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            if self._opening is not None:
                self.progress.report(last=True)
            for pending in self._pending:
                if not pending.done():
                    pending.set_result(None)

    def yields_to(self, successor: WorkerPool) -> bool:
        """Return whether nobody waits for outcomes any more, now that a consumer begins with a successor.

        It shows in that all consumers have ended, or have begun with the successor.
        """
        waits = any(not pending.done() for pending in self._pending)
        return self.abandoned or not (waits or self._living_consumers() - successor._living_consumers())

    def stop_submitting(self) -> None:
        """Start nothing more; a source that is being awaited may never return anything, so it is cancelled."""
        self._stopped = True
        self._source.stop()
        while self._idle:
            self._wake_idle_worker()

    def abandon(self) -> None:
        """Start nothing more and wait for no more ends of runs; launches in flight are completed."""
        self.abandoned = True
        self.stop_submitting()
        for worker in self._workers - self.shielded_workers:
            worker.cancel()

    def abandon_and_close(self) -> None:
        """Abandon, and close in a task of the pool's own."""
        self.abandon()
        _ = self._begin_closing()

    async def aclose(self) -> None:
        """Abandon, complete the launches in flight, within bounds, and close; may be called twice."""
        self.abandon()
        await self._close()

    # Closing, in this order: `_begin_closing` starts one task, however many callers `_close` has; in it `_close_down` waits for
    # workers, `_release` cancels those that remain, `_end` notifies consumers, and source and pipeline are closed.

    async def _close(self) -> None:
        await asyncio.shield(self._begin_closing())

    def _begin_closing(self) -> asyncio.Task[None]:
        """Close once, however many callers there are."""
        if self._closing is None:
            self._closing = tasks.start(self._close_down)
        return self._closing

    async def _close_down(self) -> None:
        """Wait for launches in flight, `defaults.DRAIN_TIMEOUT` at most, then release everything."""
        try:
            if self._opening is not None:
                await asyncio.wait([self._opening], timeout=defaults.DRAIN_TIMEOUT)
                self._opening.cancel()
            if self._workers:
                await asyncio.wait(self._workers, timeout=defaults.DRAIN_TIMEOUT)
        finally:  # also where the loop ends and cancels whatever remains
            await self._release()

    async def _release(self) -> None:
        bounded = partial(tasks.bounded, seconds=defaults.CLOSING_STEP)
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        try:
            await bounded("a launch, or the source of launches,", partial(_all_done, workers))
            self._end()
            await bounded("on_progress", self.progress.aclose)
        finally:
            try:
                await bounded("the source of launches", self._source.aclose)
            finally:
                if self._pipeline is not None:
                    await bounded("the journal", self._pipeline.aclose, seconds=defaults.CLOSING_JOURNAL)


async def _all_done(workers: list[asyncio.Task[None]]) -> None:
    if workers:
        await asyncio.wait(workers)
