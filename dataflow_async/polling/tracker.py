"""Polls every run of a client that somebody waits for: one loop, and one poll for all who wait for the same run.

The way of a poll:

1. A wait subscribes to a run (`Tracker.subscribe`). The run falls due at once, later by `PollPolicy.interval`.
2. `schedule` says which job is polled next. All its runs that are due are polled together.
3. `fetching` reads them: from pages of the job's list as far as that costs fewer requests (`page_planner`), the others
   by their ids. `outages` counts what failed, and holds polls back.
4. `observations` says what was read means.
5. The tracker applies it: it plans the run's next poll, or ends the waits. Whatever a page shows counts as a poll, so a
   run on a page that was read for others is put off as well. `deadlines` ends waits whose time-out is over meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from copy import copy
from operator import attrgetter

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, InvalidRequest
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.polling.deadlines import Deadlines, timeout_error
from dataflow_async.polling.fetching import Fetcher, RunReader
from dataflow_async.polling.observations import CHANGED, ENDED, UNCHANGED, Observation, ends_wait, observe
from dataflow_async.polling.outages import Outages
from dataflow_async.polling.page_planner import PagePlanner
from dataflow_async.polling.policy import ACTIVE_STATUSES, PollPolicy, Shown
from dataflow_async.polling.poll_loop import PollLoop
from dataflow_async.polling.schedule import Poll, Schedule
from dataflow_async.polling.state import NO_FAILURES, Notify, PolledJob, PolledRun, Subscription
from dataflow_async.polling.stats import PollStats
from dataflow_async.polling.wait_log import WaitLog
from dataflow_async.polling.wakeup import WakeUp
from dataflow_async.wire.run_rows import RowSource, RunPage


class Tracker:
    """The waits for runs of one client.

    A run is polled if and only if it has subscriptions, and the loop runs as long as there are any. Every subscription ends
    exactly once: with the end of its run, an error, its time-out, or the close of the client. A mistake of ours ends all of
    them with that exception: a mistake that is swallowed would look like a run that never ends.

    What a poll says about one run is applied without an ``await``, so no wait sees half a change. Subscribers may subscribe
    and unsubscribe while they are notified, so what is iterated over is copied before, and is changed before that.

    Args:
        reader: The calls that polls are made of.
        policy: How often runs are polled, and what a wait outlives.
        clock: Time.
        capacity: Returns how many polls may be in flight: launches must get through between them.
        draw: Returns a number from 0 to 1.
    """

    def __init__(
        self,
        reader: RunReader,
        policy: PollPolicy,
        clock: Clock,
        capacity: Callable[[], int],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._draw = draw
        self.jobs: dict[str, PolledJob] = {}
        """Those with runs that somebody waits for, by id."""
        self._wakeup = WakeUp()
        wake = self._wakeup.notify
        self._outages = Outages(policy, clock, draw, wake)
        self._deadlines = Deadlines(clock, self._outages, self._expire)
        self.schedule = Schedule(policy, clock, capacity, self.jobs, self._outages, self._deadlines, wake)
        self.fetcher = Fetcher(reader, policy, clock, self._outages)
        self._log = WaitLog(self.jobs)
        self.poll_loop = PollLoop(self.schedule, clock, self._wakeup, self._poll, self._end_all)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waiters = 0
        self._polls = 0
        self._last_began = -math.inf

    # --- for waiters ---------------------------------------------------------------------------------------

    def subscribe(
        self, ref: ExecutionRef, notify: Notify, *, every_change: bool = False, timeout: float | None = None
    ) -> Subscription:
        """Begin to wait for a run; the caller must `unsubscribe` unless the subscription is over.

        Args:
            ref: The run.
            notify: Called whenever there is news.
            every_change: Whether to deliver every change of status, not only the end.
            timeout: Seconds after which the wait fails with `WaitTimeout`.

        Raises:
            InvalidRequest: The client belongs to another event loop.
        """
        self._bind_loop()
        now = self._clock.monotonic()
        job = self.jobs.get(ref.job_id)
        if job is None:
            job = self.jobs[ref.job_id] = PolledJob(ref.job_id)
        run = job.runs.get(ref.execution_id)
        if run is None:
            run = job.runs[ref.execution_id] = PolledRun(job, ref.execution_id, self._began(now))
            self.schedule.poll_soon(run)
        elif run.due is not None and now - run.polled_at >= max(
            self._policy.min_interval, run.failures.retry_after or 0.0
        ):
            self.schedule.poll_soon(run)
        subscription = Subscription(run, notify, every_change=every_change)
        self.waiters += 1
        if timeout is not None and self._deadlines.start(subscription, timeout, now):
            self.schedule.plan(run)
        if every_change and run.execution is not None:
            subscription.deliver(run.execution, ended=False)
        self.poll_loop.start()
        self._wakeup.notify()
        return subscription

    def _began(self, now: float) -> float:
        """Return the last tick as the time at which a run was first waited for: the same object for all of that tick."""
        ticks = defaults.DUE_TICKS / self._policy.min_interval
        began = int(now * ticks) / ticks
        if began != self._last_began:
            self._last_began = began
        return self._last_began

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a wait that is no longer needed; does nothing if it is over."""
        if subscription.index is not None:
            subscription.unsubscribe()
            self._count_out(subscription)
            if not subscription.run.subscriptions:
                self._forget(subscription.run)

    @property
    def stats(self) -> PollStats:
        """What waiting costs, at this moment."""
        observed = [run.observed_at for job in self.jobs.values() for run in job.runs.values()]
        return PollStats(
            watched=len(observed),
            waiters=self.waiters,
            polls=self._polls,
            requests=self.fetcher.requests,
            pages=self.fetcher.pages,
            oldest_poll_age=self._clock.monotonic() - min(observed) if observed else 0.0,
        )

    async def aclose(self) -> None:
        """End every wait with `InvalidRequest`: the client is closed."""
        if self._loop_is_closed:
            return
        ours = self.poll_loop.tasks
        self._end_all(InvalidRequest("this client was closed while a run was waited for; the run goes on"))
        self._stop()
        await asyncio.gather(*ours, return_exceptions=True)

    def _bind_loop(self) -> None:
        """Raise if waits are under way in another event loop than the one that runs."""
        loop = asyncio.get_running_loop()
        if self._loop is None or not self.jobs:
            self._loop = loop
        elif self._loop is not loop:
            raise InvalidRequest("this client belongs to another event loop: make one client per loop")

    @property
    def _loop_is_closed(self) -> bool:
        """Whether the event loop is closed: its tasks are gone with it, and nobody can be notified."""
        return self._loop is not None and self._loop.is_closed()

    # --- one poll ------------------------------------------------------------------------------------------

    async def _poll(self, poll: Poll) -> None:
        """Make a poll."""
        job, run = poll
        if run is None:
            await self._poll_job(job)
        elif run.due is None:
            await self._poll_run(run)

    async def _poll_job(self, job: PolledJob) -> None:
        """Poll all runs of a job that are due by now: through its list as far as that is cheaper, the others by their ids.

        While polls of the job fail, only the run is polled that was polled longest ago; the others stay due until it has
        been answered.
        """
        due = await self.schedule.take_due(job)
        if not due:
            return
        must_check = not job.backoff.failures and await self._poll_list(job, due)
        unseen = [run for run in due if run.subscriptions and run.due is None]
        if self._clock.monotonic() < job.backoff.resume_at:
            job.hold(unseen)
        elif unseen and job.backoff.failures:
            oldest = min(unseen, key=attrgetter("polled_at"))
            job.hold(run for run in unseen if run is not oldest)
            await self._poll_run(oldest)
        elif unseen:
            job.single_polls.extend(unseen[1:])
            self.schedule.offer(job)
            await self._poll_run(unseen[0])
        if must_check and job.runs:
            await self._poll_run(min(job.runs.values(), key=attrgetter("fetched_at")))

    async def _poll_list(self, job: PolledJob, due: dict[PolledRun, None]) -> bool:
        """Poll due runs, and others that are due soon, through the list as far as it is worth it.

        Returns whether one run is to be polled by its id to check the list. That takes its time, in which what the
        list has shown may fall due again: so the caller picks out what it has not shown before.
        """
        few = len(due) < defaults.PAGE_WORTH_SAMPLE
        more = self.schedule.co_due(job, next(iter(due))) if few else ()
        searched = [run for run in (*due, *more) if not run.skips]
        for run in due:
            run.skips -= run.skips > 0
        planner = PagePlanner(job.list_model, searched, due)
        job.planners.append(planner)
        try:
            while (read := await self.fetcher.next_page(job, planner)) is not None:
                number, limit, page = read
                planner.page_read(number, page.rows, await self.apply_page(job, page), limit)
        finally:
            job.planners.remove(planner)
        return planner.has_read and job.list_trust.must_check()

    async def _poll_run(self, run: PolledRun) -> None:
        """Poll one run by its id."""
        if not run.subscriptions:
            return
        result = await self.fetcher.run(run)
        if not run.subscriptions:
            return
        now = self._clock.monotonic()
        if isinstance(result, DataFlowError):
            self._apply_failure(run, result, now)
            return
        run.fetched_at = now
        if run.place is not None and result.status in self._policy.terminal_statuses:
            run.job.list_trust.ended(run.execution_id, now)
        observation = observe(self._policy, run, result, now)
        self._apply(run, result, result, observation, now, self._draw)

    # --- applying what was observed ------------------------------------------------------------------------

    async def apply_page(self, job: PolledJob, page: RunPage) -> dict[PolledRun, int]:
        """Apply a page; return the polled runs it shows, each with the index of its row.

        They share one draw of the jitter: what was observed together falls due together, and not one after the other.
        """
        now, chance = self._clock.monotonic(), self._draw()
        found: dict[PolledRun, int] = {}
        for start in range(0, len(page.rows), defaults.PAGE_ROWS_PER_STEP):
            # Parsing the page has held the event loop already, so other tasks run first.
            await asyncio.sleep(0)
            self._apply_rows(job, page, start, found, now, chance)
            if job.runs:
                self.schedule.plan_job(job)
        return found

    def _apply_rows(
        self,
        job: PolledJob,
        page: RunPage,
        start: int,
        found: dict[PolledRun, int],
        now: float,
        chance: float,
    ) -> None:
        """Apply the rows of one step.

        Most of them show that a run goes on as it did, and it is only put off. That is written out here, because a call for
        each of a million polls is most of what these cost; times are rounded up so that many runs are due at once.
        """
        polled, queue, interval = job.runs, job.due_queue, self._policy.even_interval
        spread, ticks = self._policy.spread(chance), defaults.DUE_TICKS / self._policy.min_interval
        began = due = -1.0
        for index, row in enumerate(page.rows[start : start + defaults.PAGE_ROWS_PER_STEP], start):
            run = polled.get(row.job_execution_id)  # type: ignore[arg-type]
            if run is None:
                continue
            known = run.status
            if (
                row.status == known
                and known in ACTIVE_STATUSES
                and run.failures is NO_FAILURES
                and not run.timed
            ):
                self._polls += 1
                run.observed_at = now
                if run.began != began:
                    began = run.began
                    due = (int((now + interval(now - began) * spread) * ticks) + 1) / ticks
                run.due = due
                if run.heap_time is None:
                    job.due_now.pop(run, None)
                    queue.enter(run)
                elif due < run.heap_time:
                    queue.enter(run)
            elif not self._apply_row(run, page, index, now, chance):
                continue
            found[run] = index
            if run.misses:
                run.misses = run.skips = 0

    def _apply_row(self, run: PolledRun, page: RunPage, index: int, now: float, chance: float) -> bool:
        """Apply a row that may show something new; return whether it could be read."""
        row = page.rows[index]
        observation = observe(self._policy, run, row, now)
        if observation is UNCHANGED and row.status in ACTIVE_STATUSES:
            self._apply(run, row, None, observation, now, lambda: chance)
            return True
        try:
            source = page.execution(index) if observation is ENDED else page.source(index)
        except ValueError:  # its row may be odd where the run itself is not
            return False
        self._apply(run, row, source, observation, now, lambda: chance)
        return True

    def _apply(
        self,
        run: PolledRun,
        shown: Shown,
        source: JobExecution | RowSource | None,
        observation: Observation,
        now: float,
        draw: Callable[[], float],
    ) -> None:
        """Apply the state of a run: end its waits, or deliver a change and plan the next poll."""
        self._polls += 1
        run.observed(shown, source, now)
        if observation is ENDED:
            self._end(run)
            return
        if run.unknown_since is not None:
            self._log.unknown_status(run, now)
        if observation is CHANGED:
            for subscription in tuple(run.subscriptions):
                if subscription.every_change and run.execution is not None:
                    subscription.deliver(run.execution, ended=False)
        self._plan_next(run, now, draw)

    def _apply_failure(self, run: PolledRun, error: DataFlowError, now: float) -> None:
        """Apply a poll that failed: end the waits if they do not outlive the error, or plan the next poll."""
        run.poll_failed(error, now)
        if ends_wait(self._policy, run, error, self._outages.foreign_for(run, now), now):
            if error.is_foreign:
                self._end_foreign(error, now)
            self._end(run, error)
            return
        self._log.failing(run, error, now)
        self._plan_next(run, now, self._draw)

    def _plan_next(self, run: PolledRun, now: float, draw: Callable[[], float]) -> None:
        """Plan the next poll of a run, at the first deadline of its waits if that comes earlier."""
        run.due = now + self._policy.interval(now - run.began, run.failures.retry_after, draw)
        self._deadlines.limit(run, now)
        run.job.due_now.pop(run, None)
        if run.subscriptions:
            self.schedule.plan(run)
        else:
            run.due = None

    # --- ending waits --------------------------------------------------------------------------------------

    def _end(self, run: PolledRun, error: Exception | None = None) -> None:
        """End all waits for a run, with its end or an error."""
        subscriptions, run.subscriptions = run.subscriptions, []
        for subscription in subscriptions:
            subscription.index = None
            self._count_out(subscription)
        self._forget(run)
        for subscription in subscriptions:
            if error is not None:
                subscription.fail(_copy_for(run, error))
            elif run.execution is not None:
                subscription.deliver(run.execution, ended=True)

    def _end_foreign(self, error: DataFlowError, now: float) -> None:
        """End all waits that met foreign answers for too long, not only those for the run that was polled last."""
        for job in list(self.jobs.values()):
            for run in list(job.runs.values()):
                if not self._policy.forgives(error, 0.0, self._outages.foreign_for(run, now)):
                    self._end(run, error)

    def _end_all(self, error: Exception) -> None:
        for job in list(self.jobs.values()):
            for run in list(job.runs.values()):
                self._end(run, error)

    def _expire(self, subscription: Subscription) -> None:
        """Fail a wait whose time-out is over with `WaitTimeout`; does nothing if it has ended."""
        if not subscription.over and subscription.deadline is not None:
            error = timeout_error(subscription, self._clock.monotonic())
            self.unsubscribe(subscription)
            subscription.fail(error)

    def _count_out(self, subscription: Subscription) -> None:
        self.waiters -= 1
        subscription.cancel_timer()

    def _forget(self, run: PolledRun) -> None:
        """Poll a run no longer; with the last one the loop ends."""
        job = run.job
        job.forget(run)
        if not job.runs and self.jobs.get(job.job_id) is job:
            job.due = None
            del self.jobs[job.job_id]
            if not self.jobs:
                self._stop()

    def _stop(self) -> None:
        """End the loop and the polls in flight; nobody waits any more."""
        self.schedule.clear()
        if self._loop_is_closed:
            self.poll_loop.abandon()
        else:
            self.poll_loop.stop()


def _copy_for(run: PolledRun, error: Exception) -> Exception:
    """Return a copy of an error for one wait: whoever raises it adds a traceback of its own."""
    one = copy(error)
    if isinstance(one, DataFlowError):
        one.execution_ref, one.may_have_run = run.ref, True
    return one
