"""Failures of polls, and how long they hold further polls back: those of a job, and those of all jobs of a client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TypeAlias

from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.polling.backoff import Backoff
from dataflow_async.polling.observations import seconds_since
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.polling.state import PolledJob, PolledRun

Bursts: TypeAlias = tuple[int, int]
"""What the backoffs of client and job need to count the failure of a poll once; see `Backoff.begin`."""


class Outages:
    """The backoffs of a client's polls, and when one was last answered.

    A job's polls are held back by the failures of that job, and those of all jobs by failures of several: one job that
    fails again and again says nothing about the others. Any answer ends both at once; otherwise
    other jobs would still be polled rarely after the service has recovered.

    Args:
        policy: How long polls are held back.
        clock: Time.
        draw: Returns a number from 0 to 1.
        recovered: Called when polls are held back no longer.
    """

    def __init__(
        self, policy: PollPolicy, clock: Clock, draw: Callable[[], float], recovered: Callable[[], None]
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._draw = draw
        self._recovered = recovered
        self.backoff = Backoff()
        """Of all polls; `PolledJob.backoff` is that of one job's."""
        self.answered_at = -math.inf
        """When a poll was last answered, by the event loop's time."""

    def begin(self, job: PolledJob) -> Bursts:
        """Return what `failed` needs to know of a poll of a job that starts now."""
        return self.backoff.begin(), job.backoff.begin()

    def admits(self) -> bool:
        """Return whether a poll of any job may start now; in an outage, that puts off the next one."""
        return self.backoff.admits(self._clock.monotonic(), self._pause)

    def failed(self, job: PolledJob, error: DataFlowError | TimeoutError, bursts: Bursts) -> None:
        """Hold back the polls of a job whose polls fail, and those of the client if several jobs' do."""
        now, (of_client, of_job) = self._clock.monotonic(), bursts
        retry_after = error.retry_after if isinstance(error, DataFlowError) else None

        def pause(failures: int) -> float:
            return self._policy.backoff(failures, retry_after, self._draw)

        job.backoff.failed(of_job, now, pause)
        self.backoff.failed(of_client, now, pause, who=job.job_id)
        if isinstance(error, DataFlowError) and not error.no_answer:
            for backoff in (job.backoff, self.backoff):
                backoff.answer_met(now, foreign=error.is_foreign)
        if job.backoff.is_outage:
            job.hold_single_polls()

    def answered(self, job: PolledJob) -> None:
        """Go on with the polls of a job, and of the client, after one was answered."""
        self.answered_at = job.answered_at = asyncio.get_running_loop().time()
        if job.backoff.is_outage:  # the list failed with everything else, so it is not to blame
            job.list_paused_until = 0.0
        job.backoff.answered()
        if self.backoff.failures:
            self.backoff.answered()
            self._recovered()

    def hold(self, job: PolledJob, retry_after: float) -> None:
        """Hold back the polls of a job because the service asked for it."""
        job.backoff.hold(self._clock.monotonic() + self._policy.backoff(2, retry_after, self._draw))

    def foreign_for(self, run: PolledRun, now: float) -> float:
        """Return the seconds for which polls that say something about a run met nothing but foreign answers.

        In an outage a run is polled seldom: what polls of its job, and of the client, met counts for it.
        """
        shared = (run.job.backoff.foreign_since, self.backoff.foreign_since)
        since = [
            run.failures.foreign_since,
            *(None if moment is None else max(moment, run.began) for moment in shared),
        ]
        return max(seconds_since(moment, now) for moment in since)

    def _pause(self, failures: int) -> float:
        return self._policy.backoff(failures, None, self._draw)
