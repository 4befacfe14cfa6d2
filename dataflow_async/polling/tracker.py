"""Watches every run of a client that somebody waits for: one loop, one agenda, shared looks (promise 4).

A run falls due by the schedule. All runs of its job that are due by then are looked up together: from pages
of the job's list where that costs fewer requests, by their ids where it does not. Whatever a page shows
counts as a look, so a run on a page that was read for others is put off again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from operator import attrgetter
from typing import Any, Protocol, TypeAlias, cast

from attrs import frozen

from dataflow_async import defaults, tasks
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, DecodeError, InvalidRequest
from dataflow_async.models.base import Value
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.polling.backoff import Backoff, Pause
from dataflow_async.polling.due_queue import DueQueue
from dataflow_async.polling.page_planner import PagePlanner
from dataflow_async.polling.policy import GOING_ON, PollPolicy, judge
from dataflow_async.polling.state import Notify, PolledJob, PolledRun, Subscription
from dataflow_async.run_errors import WaitTimeout
from dataflow_async.wire import decoding

log = logging.getLogger("dataflow_async")
_Bursts: TypeAlias = tuple[int, int]
"""What the backoffs of client and job want to know of a poll: see `Backoff.begin`."""


class Runs(Protocol):
    """What the tracker asks of the service; `Polls` is one."""

    async def execution(self, job_id: str, execution_id: str, /) -> JobExecution:
        """Read one run."""

    async def executions_raw(self, job_id: str, page: int, limit: int, /) -> list[Any]:
        """Read a page of a job's runs as JSON values."""


@frozen(eq=False, repr=False)
class PollStats(Value):
    """What waiting costs."""

    watched: int
    """Runs being watched now."""
    waiters: int
    """Waits for them: several may share a run."""
    polls: int
    """Times the state of a watched run was seen, so far."""
    requests: int
    """Calls made for that, so far: one attempt each."""
    pages: int
    """How many of these read a page of a list."""
    oldest_poll_age: float
    """Seconds since the run that was not seen for longest was last seen, or began to be watched."""


_Poll: TypeAlias = tuple[PolledJob, PolledRun | None]
"""A poll to be made: of a run by its id, or of the due runs of a job."""


class Tracker:
    """Watches the runs of one client."""

    def __init__(
        self,
        runs: Runs,
        policy: PollPolicy,
        clock: Clock,
        room: Callable[[], int],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._runs = runs
        self._policy = policy
        self._clock = clock
        self._room = room
        self._draw = draw
        self._jobs: dict[str, PolledJob] = {}
        self._due_jobs: DueQueue[PolledJob] = DueQueue()
        self._ready: deque[PolledJob] = deque()
        """Jobs with polls to be made as soon as there is room; they take turns, one poll each."""
        self._backoff = Backoff()
        """Of all polls; `PolledJob.backoff` is that of one job's."""
        self._answered_at = -math.inf
        """When a poll was last answered, by the event loop's time."""
        self._pollers: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._waiters = 0
        self._polls = self._requests = self._pages = 0
        self._failure_logged_at = self._unknown_logged_at = -math.inf
        """When the log last told of silence, and of a status that nobody knows."""

    # --- for waiters ---------------------------------------------------------------------------------------

    def subscribe(
        self, ref: ExecutionRef, ring: Notify, *, every_change: bool = False, timeout: float | None = None
    ) -> Subscription:
        """Begin to wait for a run; the caller must `leave` unless the subscription is over.

        Args:
            ref: The run.
            ring: Called whenever there is news.
            every_change: Whether to be given every change of status, not only the end.
            timeout: Seconds after which the wait fails with `WaitTimeout`.

        Raises:
            InvalidRequest: The client belongs to another event loop.
        """
        self._belong()
        now = self._clock.monotonic()
        job = self._jobs.get(ref.job_id)
        if job is None:
            job = self._jobs[ref.job_id] = PolledJob(ref.job_id)
        run = job.runs.get(ref.execution_id)
        if run is None:
            run = job.runs[ref.execution_id] = PolledRun(job, ref.execution_id, now)
            self._look_soon(run)
        elif run.due is not None and now - run.polled_at >= max(
            self._policy.min_interval, run.retry_after or 0.0
        ):
            self._look_soon(run)
        subscription = Subscription(run, ring, every_change=every_change)
        self._waiters += 1
        if timeout is not None:
            self._bound(subscription, timeout, now)
        if run.execution is not None:
            subscription.give(run.execution, ended=False)
        if self._task is None:
            self._task = tasks.start_detached(self._keep_watch, loop=self._our_loop())
            self._task.add_done_callback(self._done)
        self._wake()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """End a wait whose caller has gone; may be called when it is over."""
        if subscription.index is not None:
            subscription.unsubscribe()
            self._gone(subscription)
            if not subscription.run.subscriptions:
                self._forget(subscription.run)

    @property
    def stats(self) -> PollStats:
        """What waiting costs, at this moment."""
        now = self._clock.monotonic()
        seen = [run.observed_at for job in self._jobs.values() for run in job.runs.values()]
        return PollStats(
            watched=len(seen),
            waiters=self._waiters,
            polls=self._polls,
            requests=self._requests,
            pages=self._pages,
            oldest_poll_age=now - min(seen) if seen else 0.0,
        )

    async def aclose(self) -> None:
        """End every wait: the client is closed."""
        if self._loop_is_closed:
            return
        ours = [task for task in (self._task, *self._pollers) if task is not None]
        self._end_all(InvalidRequest("this client was closed while a run was waited for"))
        self._stop()
        await asyncio.gather(*ours, return_exceptions=True)

    def _belong(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None or not self._jobs:
            self._loop = loop
        elif self._loop is not loop:
            raise InvalidRequest("this client belongs to another event loop: make one client per loop")

    @property
    def _loop_is_closed(self) -> bool:
        """Whether the event loop is closed: what it ran is gone with it, and nobody can be told anything."""
        return self._loop is not None and self._loop.is_closed()

    def _our_loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None  # noqa: S101  # set by the first subscription
        return self._loop

    # --- the loop ------------------------------------------------------------------------------------------

    async def _keep_watch(self) -> None:
        """Sleep until something falls due, send it to be looked at, until nobody waits any more."""
        me = asyncio.current_task()
        while self._task is me:
            for job in self._due_jobs.fallen_due(self._clock.monotonic()):
                self._fall_due(job)
            self._send_out()
            await self._nap()

    async def _nap(self) -> None:
        """Sleep until the agenda's next entry, or until somebody rings."""
        bell = self._wakeup = self._our_loop().create_future()
        due = self._due_jobs.next_due()
        if self._ready and self._clock.monotonic() < self._backoff.resume_at:
            due = min(self._backoff.resume_at, math.inf if due is None else due)
        if due is None:
            await bell
            return
        nap = tasks.start(self._clock.sleep, max(due - self._clock.monotonic(), defaults.MIN_SLEEP))
        nap.add_done_callback(lambda _: _ring(bell))
        try:
            await bell
        finally:
            nap.cancel()
        if nap.done():
            nap.result()  # a clock that fails would have us look at it for ever

    def _wake(self) -> None:
        if self._wakeup is not None:
            _ring(self._wakeup)

    def _look_soon(self, run: PolledRun) -> None:
        """Have a run looked at with the next look at its job."""
        run.due = None
        run.job.due_now[run.execution_id] = run
        self._arm_all(run)
        self._queue_or_plan(run.job)

    def _fall_due(self, job: PolledJob) -> None:
        """Take what is due by now, to be polled as soon as that may be; until then timers mind its deadlines."""
        job.due = None
        job.due_now |= self._fallen_due(job)
        if job.due_now and self._clock.monotonic() >= job.backoff.resume_at:
            self._queue(job)
        self._plan_next(job)

    def _queue_or_plan(self, job: PolledJob) -> None:
        """Have a job polled for its due runs: at once, or when polls under way and failures allow it."""
        if job.in_flight or self._clock.monotonic() < job.backoff.resume_at:
            self._plan_next(job)
        else:
            self._queue(job)

    def _queue(self, job: PolledJob) -> None:
        """Put a job in line to be polled for its due runs."""
        job.poll_due = True
        self._offer(job)

    def _offer(self, job: PolledJob) -> None:
        """Put a job in line if it has polls to be made and its share allows one more."""
        if not job.queued and job.has_work and job.in_flight < self._share(job):
            job.queued = True
            self._ready.append(job)
            self._wake()

    def _share(self, job: PolledJob) -> int:
        """Give the polls of a job that may be in flight: one while they fail, never so many that others find no room."""
        if job.backoff.failures:
            return 1
        return self._room() if len(self._jobs) == 1 else max(1, self._room() // 2)

    def _plan(self, run: PolledRun) -> None:
        """Enter a run, and its job, by the time it is due."""
        run.job.due_queue.enter(run)
        self._plan_next(run.job)

    def _plan_next(self, job: PolledJob) -> None:
        """Enter a job by the time its first run is due.

        While a look at the job is under way, what falls due waits for its end, unless that takes too long.
        """
        due = job.due_queue.next_due()
        if job.due_now and not job.poll_due:
            due = min(job.backoff.resume_at, math.inf if due is None else due)
        if due is not None:
            late = self._clock.monotonic() + min(self._policy.min_interval, defaults.LAST_POLL_TIMEOUT / 2)
            self._plan_job(job, max(due, late) if job.in_flight else due)

    def _plan_job(self, job: PolledJob, due: float) -> None:
        """Enter a job; if it comes first now, the loop must not sleep past it."""
        if job.due is not None and job.due <= due:
            return
        first = self._due_jobs.next_due()
        job.due = due
        self._due_jobs.enter(job)
        if first is None or due < first:
            self._wake()

    def _came_back(self, job: PolledJob) -> None:
        """A poll of the job is over: see what has fallen due meanwhile, and what else there is to be polled."""
        job.in_flight -= 1
        if not job.in_flight:
            job.due = None
            if job.due_now:
                self._queue_or_plan(job)
            self._plan_next(job)
        self._offer(job)

    def _send_out(self) -> None:
        """Start lookers for what is in line, within room: launches must find their way between them."""
        while (piece := self._next_piece(len(self._pollers))) is not None:
            looker = tasks.start_detached(self._look_on, piece, loop=self._our_loop())
            self._pollers.add(looker)
            looker.add_done_callback(self._back)
            looker.add_done_callback(self._done)

    def _next_piece(self, in_flight: int) -> _Poll | None:
        """Take the next poll from the line; None if there is none, no room for it, or polls are held back."""
        while self._ready and not self._ready[0].has_work:
            self._ready.popleft().queued = False
        job = self._next_job(in_flight)
        if job is None or not self._backoff.admits(self._clock.monotonic(), self._pause()):
            return None
        self._ready.remove(job)
        job.queued = False
        job.in_flight += 1
        run = None
        if job.poll_due:
            job.poll_due = False
        else:
            run = job.single_polls.popleft()
        self._offer(job)
        return job, run

    def _next_job(self, in_flight: int) -> PolledJob | None:
        """Give the job whose turn it is to be polled; None if there is no room for any.

        The last of the room is kept for jobs none of whose polls is in flight: all the others may hang.
        """
        room = self._room()
        if not self._ready or in_flight >= room:
            return None
        if in_flight and in_flight >= room - math.ceil(room * defaults.RESERVED_POLL_SHARE):
            return next((job for job in self._ready if job.has_work and not job.in_flight), None)
        if self._backoff.failures:  # a job whose polls did not fail knows better how the service is
            fit = (job for job in self._ready if job.has_work and not job.backoff.failures)
            return next(fit, self._ready[0])
        return self._ready[0]

    def _back(self, looker: asyncio.Task[None]) -> None:
        """Give a looker's room to another: while it was being cancelled, new work may have come in line."""
        self._pollers.discard(looker)
        if self._ready:
            self._wake()

    def _done(self, task: asyncio.Task[None]) -> None:
        """End every wait if a task of ours broke: a mistake of ours must not look like a run that never ends."""
        if task.cancelled():
            self._end_all(
                RuntimeError("the task that watched the runs of this client was cancelled by others")
            )
        elif (problem := task.exception()) is not None:
            self._end_all(problem if isinstance(problem, Exception) else RuntimeError(repr(problem)))

    async def _look_on(self, piece: _Poll | None) -> None:
        """Make a poll, and others as long as there is room."""
        while piece is not None:
            job, run = piece
            try:
                if run is None:
                    await self._look_up(job)
                elif run.due is None:
                    await self._look_at(run)
            finally:
                self._came_back(job)
            piece = self._next_piece(len(self._pollers) - 1)

    # --- looks ---------------------------------------------------------------------------------------------

    async def _look_up(self, job: PolledJob) -> None:
        """Look at all runs of a job that are due by now, from its list as far as that is cheaper.

        After a failure one run is asked for, and not all: the others stay due until it has been answered.
        """
        due = await self._take_due(job)
        if not due:
            return
        checks = not job.backoff.failures and await self._look_for(job, due)
        left = [run for run in due.values() if run.subscriptions and run.due is None]
        if self._clock.monotonic() < job.backoff.resume_at:
            job.hold(left)
        elif left:
            first = min(left, key=attrgetter("polled_at")) if job.backoff.failures else left[0]
            others = (run for run in left if run is not first)
            if job.backoff.failures:
                job.hold(others)
            else:
                job.single_polls.extend(others)
                self._offer(job)
            await self._look_at(first)
        if checks and job.runs:
            await self._look_at(min(job.runs.values(), key=attrgetter("fetched_at")))

    async def _look_for(self, job: PolledJob, due: dict[str, PolledRun]) -> bool:
        """Look at due runs through the list, as far as it is worth it, and at others that are due soon.

        Returns whether one run is to be asked for by its id to check the list. That takes its time, in which what the
        list has shown may fall due again: what it has not shown must be told before.
        """
        company = (
            self._company(job, next(iter(due.values()))) if len(due) < defaults.PAGE_WORTH_SAMPLE else {}
        )
        listed = {name: run for name, run in (due | company).items() if not run.skips}
        for run in due.values():
            run.skips -= run.skips > 0
        search = PagePlanner(job.list_model, listed, due)
        await self._read_pages(job, search)
        return search.has_read and job.trust.must_check()

    async def _take_due(self, job: PolledJob) -> dict[str, PolledRun]:
        """Take the runs to be looked at now; their next look is planned when they have been seen."""
        due, job.due_now = job.due_now, {}
        while fallen := self._fallen_due(job):
            due |= fallen
            if len(fallen) == defaults.DUE_RUNS_PER_STEP:
                await asyncio.sleep(0)
        self._plan_next(job)
        return due

    def _fallen_due(self, job: PolledJob) -> dict[str, PolledRun]:
        """Take runs from the agenda that are due by now, not too many at once; timers mind their deadlines."""
        fallen = job.due_queue.fallen_due(self._clock.monotonic(), defaults.DUE_RUNS_PER_STEP)
        for run in fallen:
            run.due = None
            self._arm_all(run)
        return {run.execution_id: run for run in fallen}

    def _company(self, job: PolledJob, first: PolledRun) -> dict[str, PolledRun]:
        """Give the runs that fall due so soon that a page should show them too; they keep their due times.

        A page puts off every run on it, so they fall due over the width of the jitter, and the first of them
        should bring the others along.
        """
        now = self._clock.monotonic()
        until = now + 2 * self._policy.jitter * (now - first.observed_at)
        soon = job.due_queue.fallen_due(until, defaults.PAGE_WORTH_SAMPLE)
        for run in soon:
            job.due_queue.enter(run)
        return {run.execution_id: run for run in soon}

    async def _read_pages(self, job: PolledJob, search: PagePlanner[PolledRun]) -> None:
        """Look at runs through the list, page by page as long as one is worth it."""
        job.planners.append(search)
        bursts = self._bursts(job)
        try:
            while (
                self._clock.monotonic() >= max(job.list_paused_until, job.trust.distrusted_until)
                and (number := search.next_page()) is not None
            ):
                rows = await self._page(job, number)
                bursts = self._answered(job)
                job.list_failed = False
                if self._is_refuted(job, rows):
                    return
                search.came(number, rows, await self._seen_on_page(job, rows))
        except (DataFlowError, TimeoutError) as error:
            self._list_failed(job, error, bursts)
        else:
            search.close()
            if search.saved < 0:
                self._missed(search.left)
        finally:
            job.planners.remove(search)

    def _is_refuted(self, job: PolledJob, rows: list[Any]) -> bool:
        """Whether a page still shows a run as going on that ended some time ago; then runs are asked for by id."""
        policy, now = self._policy, self._clock.monotonic()
        lag = defaults.LIST_LAG * policy.min_interval
        if not job.trust.is_refuted_by(rows, policy.terminal_statuses, now, lag):
            return False
        job.trust.distrust(now + defaults.LIST_DISTRUST * policy.max_interval)
        log.info("the list of job %s does not show the ends of its runs, asking run by run", job.job_id)
        return True

    def _list_failed(self, job: PolledJob, error: DataFlowError | TimeoutError, bursts: _Bursts) -> None:
        """Do without the list for a while, unless it may have been one lost call and was not slow."""
        log.debug("the list of job %s can't be read, asking run by run: %r", job.job_id, error)
        slow = isinstance(error, TimeoutError) or error.timed_out
        transient = isinstance(error, TimeoutError) or self._policy.is_outage(error)
        if slow or not transient or job.list_failed:
            job.list_paused_until = self._clock.monotonic() + defaults.LIST_PAUSE
        job.list_failed = True
        if transient:
            self._failed(job, error, bursts)
            if (hint := _hint(error)) is not None:
                job.backoff.hold(self._clock.monotonic() + self._policy.backoff(2, hint, self._draw))

    async def _page(self, job: PolledJob, number: int) -> list[Any]:
        """Read a page; one that stalls must not keep its runs waiting through all the repeats of a call."""
        self._requests += 1
        self._pages += 1
        job.asked_at = self._our_loop().time()
        async with asyncio.timeout(defaults.LIST_PAGE_TIMEOUT):
            return await self._runs.executions_raw(job.job_id, number, defaults.PAGE_LIMIT)

    def _missed(self, runs: list[PolledRun]) -> None:
        """Search less and less often for runs that a list did not show and that cost more pages than it saved."""
        for run in runs:
            run.misses = min(run.misses + 1, defaults.MAX_LIST_MISSES)
            run.skips = 2**run.misses - 1

    async def _seen_on_page(self, job: PolledJob, rows: Sequence[Any]) -> dict[str, tuple[int, PolledRun]]:
        """Take in a page; give the watched runs it shows, each with the index of its row.

        They share one draw of the jitter: what was seen together falls due together, and not one after the other.
        """
        now = self._clock.monotonic()
        drawn = self._draw()
        sighted: dict[str, tuple[int, PolledRun]] = {}
        watched = job.runs
        for index, row in enumerate(rows):
            # Parsing the page took its time, too: let others have theirs.
            if index % defaults.PAGE_ROWS_PER_STEP == 0:
                await asyncio.sleep(0)
            execution_id = row.get("jobExecutionId") if type(row) is dict else None
            run = watched.get(execution_id) if type(execution_id) is str else None
            if run is not None and self._seen_in_row(run, row, now, lambda: drawn):
                sighted[run.execution_id] = index, run
                run.misses = run.skips = 0
        return sighted

    def _seen_in_row(
        self, run: PolledRun, row: dict[str, Any], now: float, draw: Callable[[], float]
    ) -> bool:
        """Take in a row; structure it only if it tells something new. False if it can't be read."""
        if row.get("jobId", run.job.job_id) not in (run.job.job_id, None):
            return False
        if not isinstance(row.get("status"), str | None):  # a list may be odd where the run itself is not
            return False
        known = run.execution
        execution = known
        if known is None or known.status != row.get("status") or known.status not in GOING_ON:
            try:
                execution = decoding.decode(JobExecution, row, {"jobId": run.job.job_id})
            except decoding.Unreadable:
                return False
        if execution is not None:
            self._seen(run, execution, now, draw)
        return True

    async def _look_at(self, run: PolledRun) -> None:
        """Look at one run by its id."""
        if not run.subscriptions:
            return
        job = run.job
        self._requests += 1
        run.asked_at = self._our_loop().time()
        bursts = self._bursts(job)
        try:
            execution = await self._runs.execution(job.job_id, run.execution_id)
            if execution.ref != run.ref:
                raise _of_another_run(execution, run)
        except DataFlowError as error:
            if not self._policy.is_outage(error):
                self._answered(job)
            else:
                self._failed(job, error, bursts)
            if run.subscriptions:
                self._not_seen(run, error, self._clock.monotonic())
        else:
            self._answered(job)
            if run.subscriptions:
                run.fetched_at = now = self._clock.monotonic()
                if run.place is not None and execution.status in self._policy.terminal_statuses:
                    job.trust.ended(run.execution_id, now)
                self._seen(run, execution, self._clock.monotonic(), self._draw)
        finally:
            run.asked_at = None

    # --- failures ------------------------------------------------------------------------------------------

    def _pause(self, hint: float | None = None) -> Pause:
        return lambda failures: self._policy.backoff(failures, hint, self._draw)

    def _bursts(self, job: PolledJob) -> _Bursts:
        return self._backoff.begin(), job.backoff.begin()

    def _failed(self, job: PolledJob, error: DataFlowError | TimeoutError, bursts: _Bursts) -> None:
        """Hold back the polls of a job whose polls fail, and those of the client if several jobs' do."""
        now, pause, (ours, of_job) = self._clock.monotonic(), self._pause(_hint(error)), bursts
        job.backoff.failed(of_job, now, pause)
        self._backoff.failed(ours, now, pause, who=job.job_id)
        if isinstance(error, DataFlowError) and not error.no_answer:
            for backoff in (job.backoff, self._backoff):
                backoff.heard(now, foreign=error.is_foreign)
        if job.backoff.is_outage:
            job.hold(job.single_polls)
            job.single_polls.clear()
            job.poll_due = False

    def _answered(self, job: PolledJob) -> _Bursts:
        """Go on with the polls of a job, and of the client, after one was answered."""
        self._answered_at = job.answered_at = self._our_loop().time()
        if job.backoff.is_outage:  # the list failed with everything else, so it is not to blame
            job.list_paused_until = 0.0
        job.backoff.answered()
        if self._backoff.failures:
            self._backoff.answered()
            self._wake()
        return self._bursts(job)

    def _seen(self, run: PolledRun, execution: JobExecution, now: float, draw: Callable[[], float]) -> None:
        """Take in the present state of a run. One without a status says no more than that it is there."""
        self._polls += 1
        before = run.execution
        if before is None or execution.status is not None:
            run.execution = execution
        run.observed_at = run.polled_at = now
        run.missing_since = run.foreign_since = run.failing_since = run.retry_after = None
        run.logged = False
        # A run that stands twice on shifting pages was looked at once: two looks are some time apart.
        suspected = run.suspect_since is not None and now - run.suspect_since >= self._policy.min_interval / 2
        ended, suspect = judge(self._policy, execution, suspected=suspected)
        if ended:
            self._end(run)
            return
        self._tell_unknown(run, now)
        if not suspect:
            run.suspect_since = None
        elif run.suspect_since is None:
            run.suspect_since = now
        if before is None or before.status != cast("JobExecution", run.execution).status:
            for subscription in tuple(run.subscriptions):
                subscription.give(execution, ended=False)
        self._again(run, now, draw)

    def _tell_unknown(self, run: PolledRun, now: float) -> None:
        """Say in the log that a status nobody knows keeps a wait going; one line speaks for all."""
        status = run.execution.status if run.execution is not None else None
        if status in GOING_ON:
            run.unknown_since = None
        elif run.unknown_since is None:
            run.unknown_since = now
        elif min(now - run.unknown_since, now - self._unknown_logged_at) >= defaults.LOG_REMINDER_INTERVAL:
            self._unknown_logged_at = now
            log.warning(
                "waiting for %s: its status has been %r for %.0f minutes, which is not known to be an end;"
                " if it is one, name it in PollPolicy(terminal_statuses={%r})",
                run.ref,
                str(status),
                (now - run.unknown_since) / 60,
                str(status),
            )

    def _not_seen(self, run: PolledRun, error: DataFlowError, now: float) -> None:
        """Take in a look that failed: the wait outlives weather, and ends with what will not heal."""
        run.polled_at = now
        if error.is_foreign:
            run.foreign_since = now if run.foreign_since is None else run.foreign_since
        elif not error.no_answer:
            run.foreign_since = None
            if run.missing_since is None and error.not_found:
                run.missing_since = now
        if not self._policy.forgives(error, _since(run.missing_since, now), self._foreign_for(run, now)):
            if error.is_foreign:
                self._end_foreign(error, now)
            self._end(run, error)
            return
        run.retry_after = error.retry_after
        run.failing_since = now if run.failing_since is None else run.failing_since
        self._tell(run, error, now)
        self._again(run, now, self._draw)

    def _foreign_for(self, run: PolledRun, now: float) -> float:
        """Give the seconds for which polls that tell something about a run met nothing but foreign answers.

        In an outage a run is seldom asked for: what polls of its job, and of the client, met counts for it.
        """
        shared = (run.job.backoff.foreign_since, self._backoff.foreign_since)
        since = [
            run.foreign_since,
            *(None if moment is None else max(moment, run.began) for moment in shared),
        ]
        return max(_since(moment, now) for moment in since)

    def _end_foreign(self, error: DataFlowError, now: float) -> None:
        """End all waits that have met foreign answers for too long, not only the one that was polled last."""
        for job in list(self._jobs.values()):
            for run in list(job.runs.values()):
                if not self._policy.forgives(error, 0.0, self._foreign_for(run, now)):
                    self._end(run, error)

    def _tell(self, run: PolledRun, error: DataFlowError, now: float) -> None:
        """Say in the log that a run is not heard of; one line speaks for all, and is repeated while it lasts."""
        failing = run.job.backoff
        silent = max(_since(run.failing_since, now), _since(failing.since, now))
        told = run.logged or failing.logged
        if silent < defaults.LOG_FAILURES_AFTER:
            return
        run.logged = failing.logged = True
        if now - self._failure_logged_at < (
            defaults.LOG_REMINDER_INTERVAL if told else defaults.LOG_FAILURES_AFTER
        ):
            return
        self._failure_logged_at = now
        runs = [each for job in self._jobs.values() for each in job.runs.values()]
        unheard = [each for each in runs if each.failing_since is not None or each.job.backoff.is_outage]
        for each in unheard:
            each.logged = each.job.backoff.logged = True
        log.warning(
            "waiting for %s: every look has failed for %s, last with: %s (so it is for %d of the %d runs watched)",
            run.ref,
            "a minute" if silent < 2 * defaults.LOG_FAILURES_AFTER else f"{silent / 60:.0f} minutes",
            error,
            len(unheard),
            len(runs),
        )

    def _again(self, run: PolledRun, now: float, draw: Callable[[], float]) -> None:
        """Fix the next look, the last one at the end of somebody's patience; who has none left gets none."""
        run.due = now + self._policy.interval(now - run.began, run.retry_after, draw)
        for subscription in [each for each in run.subscriptions if each.deadline is not None]:
            subscription.disarm()
            if subscription.deadline is not None and subscription.deadline <= now:
                self._give_up(subscription)
            elif subscription.deadline is not None and subscription.deadline < run.due:
                run.due = subscription.deadline
                self._arm(subscription, ahead=True)
        run.job.due_now.pop(run.execution_id, None)
        if run.subscriptions:
            self._plan(run)
        else:
            run.due = None

    # --- patience ------------------------------------------------------------------------------------------

    def _bound(self, subscription: Subscription, timeout: float, now: float) -> None:
        """End a wait after ``timeout`` seconds; the last look comes at their end."""
        run = subscription.run
        subscription.timeout = timeout
        subscription.deadline = now + timeout
        if run.due is None:
            self._arm(subscription)
        elif subscription.deadline < run.due:
            run.due = subscription.deadline
            self._arm(subscription, ahead=True)
            self._plan(run)

    def _arm_all(self, run: PolledRun) -> None:
        for subscription in run.subscriptions:
            self._arm(subscription)

    def _arm(self, subscription: Subscription, *, ahead: bool = False) -> None:
        """See to it that a look does not outlast patience, though the first and the last one get a moment.

        The network takes real time, so a look is bounded by the event loop's time, whoever holds the clock.
        The last one is bounded when it is planned (``ahead``): it may have to wait for other polls of its job.
        """
        if subscription.deadline is None or subscription.timer is not None:
            return
        left = subscription.deadline - self._clock.monotonic()
        run = subscription.run
        first = run.execution is None and run.failing_since is None
        least = defaults.FIRST_POLL_TIMEOUT if first else defaults.LAST_POLL_TIMEOUT
        if math.isfinite(left):
            seconds = left + defaults.LAST_POLL_TIMEOUT if ahead else max(left, least)
            timer = self._our_loop().call_later(seconds, self._time_is_over, subscription)
            subscription.timer = timer

    def _time_is_over(self, subscription: Subscription) -> None:
        """Fail a wait, unless its run was never seen and others are: then its first look is only late."""
        run, now = subscription.run, self._our_loop().time()
        until = -math.inf
        if run.execution is None and not run.job.backoff.is_outage and not self._backoff.is_outage:
            # While polls of its own job are under way, answers to those of others say nothing about it.
            heard_at = run.job.answered_at if run.job.in_flight else self._answered_at
            asked = max(heard_at, run.job.asked_at) if run.asked_at is None else run.asked_at
            until = asked + defaults.FIRST_POLL_TIMEOUT
        if now < until:
            subscription.timer = self._our_loop().call_at(until, self._time_is_over, subscription)
        else:
            self._give_up(subscription)

    def _give_up(self, subscription: Subscription) -> None:
        """Fail a wait with `WaitTimeout`; does nothing if it is over."""
        run = subscription.run
        if subscription.over or subscription.deadline is None or subscription.timeout is None:
            return
        waited = self._clock.monotonic() - subscription.deadline + subscription.timeout
        self.leave(subscription)
        subscription.fail(
            WaitTimeout(
                f"{run.ref} has not ended after {max(waited, 0):.1f} s of waiting"
                f" (timeout {subscription.timeout:g} s);"
                f" last seen as {run.execution.status if run.execution else 'nothing yet'}",
                execution=run.execution,
                ref=run.ref,
            )
        )

    # --- ends ----------------------------------------------------------------------------------------------

    def _end(self, run: PolledRun, error: Exception | None = None) -> None:
        """Tell all who wait for a run how it ended, or what ended their waiting."""
        subscriptions, run.subscriptions = run.subscriptions, []
        for subscription in subscriptions:
            subscription.index = None
            self._gone(subscription)
        self._forget(run)
        for subscription in subscriptions:
            if error is not None:
                subscription.fail(_for_one(error, run))
            elif run.execution is not None:
                subscription.give(run.execution, ended=True)

    def _end_all(self, error: Exception) -> None:
        for job in list(self._jobs.values()):
            for run in list(job.runs.values()):
                self._end(run, error)

    def _gone(self, subscription: Subscription) -> None:
        self._waiters -= 1
        subscription.disarm()

    def _forget(self, run: PolledRun) -> None:
        """Watch a run no longer; with the last one the loop ends."""
        job = run.job
        job.forget(run)
        if not job.runs and self._jobs.get(job.job_id) is job:
            job.due = None
            del self._jobs[job.job_id]
            if not self._jobs:
                self._stop()

    def _stop(self) -> None:
        """End the loop and what it has sent out; nobody waits any more."""
        task, self._task = self._task, None
        self._ready.clear()
        self._due_jobs = DueQueue()
        if self._loop_is_closed:
            return
        for each in (task, *self._pollers):
            if each is not None and each is not asyncio.current_task():
                each.remove_done_callback(self._done)
                each.cancel()
        self._wake()


def _hint(error: Exception) -> float | None:
    return error.retry_after if isinstance(error, DataFlowError) else None


def _since(moment: float | None, now: float) -> float:
    return 0.0 if moment is None else now - moment


def _of_another_run(execution: JobExecution, run: PolledRun) -> DecodeError:
    """Make the error for an answer that names another run than was asked for (ruling 98)."""
    return DecodeError(
        f"getJobExecutionById: asked for {run.ref}, but the answer is about {execution.ref}",
        operation="getJobExecutionById",
    )


def _for_one(error: Exception, run: PolledRun) -> Exception:
    """Give an error of one's own to each who waited: whoever raises it hangs a traceback on it."""
    one = copy(error)
    if isinstance(one, DataFlowError):
        one.execution_ref, one.may_have_run = run.ref, True
    return one


def _ring(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)
