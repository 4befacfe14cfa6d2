"""When the jobs of a client are polled, and whose turn it is when several are ready at once."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeAlias

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.polling.deadlines import Deadlines
from dataflow_async.polling.due_queue import DueQueue
from dataflow_async.polling.outages import Outages
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.polling.state import PolledJob, PolledRun

Poll: TypeAlias = tuple[PolledJob, PolledRun | None]
"""A poll to be made: of a run by its id, or of the due runs of a job together."""


class Schedule:
    """Two queues of jobs: those that fall due later, and those that are ready and take turns, one poll each.

    A run that somebody waits for is always in one of four places: in its job's due queue, in ``due_now``, in
    ``single_polls``, or in a poll in flight. A job with due runs is ready, or a poll of it is in flight, or it is due again
    when its failures allow. A run or a job in none of its places would never be polled again, and its waits would hang; the
    state-machine test checks the places after every step.

    While a poll of a job is in flight, its runs that fall due wait for its end, to be polled together; but not so long
    that a deadline passes.

    Args:
        policy: The shortest interval between polls.
        clock: Time.
        capacity: Returns how many polls may be in flight.
        jobs: The jobs that are polled.
        outages: What holds polls back.
        deadlines: Watches over the waits for runs that are due.
        wake: Called when there is something to do earlier than planned.
    """

    def __init__(
        self,
        policy: PollPolicy,
        clock: Clock,
        capacity: Callable[[], int],
        jobs: Mapping[str, PolledJob],
        outages: Outages,
        deadlines: Deadlines,
        wake: Callable[[], None],
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._capacity = capacity
        self._jobs = jobs
        self._outages = outages
        self._deadlines = deadlines
        self._wake = wake
        self.due_jobs: DueQueue[PolledJob] = DueQueue()
        """Jobs that are polled later."""
        self.ready: deque[PolledJob] = deque()
        """Jobs that are polled as soon as there is capacity."""

    def clear(self) -> None:
        """Forget all jobs."""
        self.due_jobs = DueQueue()
        self.ready.clear()

    # --- later ---------------------------------------------------------------------------------------------

    def next_time(self) -> float | None:
        """Return when there is something to do next, in monotonic seconds; None if nothing is planned."""
        due = self.due_jobs.next_due()
        resume_at = self._outages.backoff.resume_at
        if self.ready and self._clock.monotonic() < resume_at:
            due = min(resume_at, math.inf if due is None else due)
        return due

    def make_ready(self) -> None:
        """Make the jobs ready that are due by now, unless their failures hold them back."""
        for job in self.due_jobs.fallen_due(self._clock.monotonic()):
            job.due = None
            job.due_now.update(dict.fromkeys(self._fallen_due(job)))
            if job.due_now and self._clock.monotonic() >= job.backoff.resume_at:
                self._queue(job)
            self.plan_job(job)

    def poll_soon(self, run: PolledRun) -> None:
        """Have a run polled with the next poll of its job."""
        run.due = None
        run.job.due_now[run] = None
        self._deadlines.arm(run)
        self._queue_or_plan(run.job)

    def plan(self, run: PolledRun) -> None:
        """Enter a run, and its job, by the time the run is due."""
        run.job.due_queue.enter(run)
        self.plan_job(run.job)

    def plan_job(self, job: PolledJob) -> None:
        """Enter a job by the time its first run is due; if it comes first now, the tracker must not sleep past it."""
        due = job.due_queue.next_due()
        if job.due_now and not job.poll_due:
            due = min(job.backoff.resume_at, math.inf if due is None else due)
        if due is None:
            return
        if job.in_flight:
            late = self._clock.monotonic() + min(self._policy.min_interval, defaults.LAST_POLL_TIMEOUT / 2)
            due = max(due, late)
        if job.due is not None and job.due <= due:
            return
        first = self.due_jobs.next_due()
        job.due = due
        self.due_jobs.enter(job)
        if first is None or due < first:
            self._wake()

    # --- whose turn it is ----------------------------------------------------------------------------------

    def offer(self, job: PolledJob) -> None:
        """Let a job take a turn if it has polls to be made and its share allows one more."""
        if not job.queued and job.has_work and job.in_flight < self._share(job):
            job.queued = True
            self.ready.append(job)
            self._wake()

    def next_poll(self, in_flight: int) -> Poll | None:
        """Take the next poll, besides those in flight; None if none is ready, admitted, or there is no capacity for it."""
        while self.ready and not self.ready[0].has_work:
            self.ready.popleft().queued = False
        job = self._next_job(in_flight)
        if job is None or not self._outages.admits():
            return None
        self.ready.remove(job)
        job.queued = False
        job.in_flight += 1
        run = None
        if job.poll_due:
            job.poll_due = False
        else:
            run = job.single_polls.popleft()
        self.offer(job)
        return job, run

    def poll_ended(self, job: PolledJob) -> None:
        """Note that a poll of a job is over: runs may have fallen due meanwhile, and there may be others to poll."""
        job.in_flight -= 1
        if not job.in_flight:
            job.due = None
            if job.due_now:
                self._queue_or_plan(job)
            self.plan_job(job)
        self.offer(job)

    # --- due runs of a job ---------------------------------------------------------------------------------

    async def take_due(self, job: PolledJob) -> dict[PolledRun, None]:
        """Take the runs of a job to be polled now; their next poll is planned when they have been observed."""
        due, job.due_now = job.due_now, {}
        while fallen := self._fallen_due(job):
            due.update(dict.fromkeys(fallen))
            if len(fallen) == defaults.DUE_RUNS_PER_STEP:
                await asyncio.sleep(0)
        self.plan_job(job)
        return due

    def co_due(self, job: PolledJob, first: PolledRun) -> list[PolledRun]:
        """Return the runs that fall due so soon that a page should show them too; they keep their due times.

        A page puts off every run on it, so they fall due over the width of the jitter, and the first of them
        should bring the others along.
        """
        now = self._clock.monotonic()
        until = now + 2 * self._policy.jitter * (now - first.observed_at)
        soon = job.due_queue.fallen_due(until, defaults.PAGE_WORTH_SAMPLE)
        for run in soon:
            job.due_queue.enter(run)
        return soon

    def _fallen_due(self, job: PolledJob) -> list[PolledRun]:
        """Take runs from a job's due queue that are due by now, not too many at once; timers watch their deadlines."""
        fallen = job.due_queue.fallen_due(self._clock.monotonic(), defaults.DUE_RUNS_PER_STEP)
        for run in fallen:
            run.due = None
            if run.timed:
                self._deadlines.arm(run)
        return fallen

    def _queue_or_plan(self, job: PolledJob) -> None:
        """Have a job polled for its due runs: at once, or when polls in flight and failures allow it."""
        if job.in_flight or self._clock.monotonic() < job.backoff.resume_at:
            self.plan_job(job)
        else:
            self._queue(job)

    def _queue(self, job: PolledJob) -> None:
        job.poll_due = True
        self.offer(job)

    def _share(self, job: PolledJob) -> int:
        """Return how many polls of a job may be in flight: one while they fail, and never all if there are other jobs."""
        if job.backoff.failures:
            return 1
        return self._capacity() if len(self._jobs) == 1 else max(1, self._capacity() // 2)

    def _next_job(self, in_flight: int) -> PolledJob | None:
        """Return the job whose turn it is; None if there is no capacity for any.

        The last of the capacity is kept for jobs none of whose polls is in flight: all the others may hang.
        """
        capacity = self._capacity()
        if not self.ready or in_flight >= capacity:
            return None
        if in_flight and in_flight >= capacity - math.ceil(capacity * defaults.RESERVED_POLL_SHARE):
            return next((job for job in self.ready if job.has_work and not job.in_flight), None)
        if self._outages.backoff.failures:  # a job whose polls did not fail says more about the service
            healthy = (job for job in self.ready if job.has_work and not job.backoff.failures)
            return next(healthy, self.ready[0])
        return self.ready[0]
