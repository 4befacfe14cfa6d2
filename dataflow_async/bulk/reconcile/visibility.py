"""Waits until a list must show the run that is looked for: the visibility delay, a run that is READY, a later launch."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable

from dataflow_async import defaults
from dataflow_async.bulk.launch_records import JournalEntry
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.reconcile.absence import Witnesses
from dataflow_async.bulk.reconcile.evidence import LostLaunch
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.run_index import echo
from dataflow_async.bulk.reconcile.run_lister import Runs
from dataflow_async.bulk.reconcile.turns import in_turns
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.wire.server_time import ServerTime

log = logging.getLogger("dataflow_async")

ServerClock = Callable[[], ServerTime]
"""Returns the moments between which the service's time lies now."""


class Visibility:
    """Waits for what makes a listing a proof.

    Always true: a launch counts as settled only when its last send is older than the visibility delay by any clock, and a
    witness only when its own run must be listed. Waiting less makes a run that is not listed yet look absent.

    Args:
        jobs: Where runs are read.
        store: Where launches are recorded.
        in_flight: The launches in flight.
        delay: Seconds until a list shows every run that was started.
        policy: How often runs are polled.
        clock: For intervals.
        server_time: The service's time.
    """

    def __init__(
        self,
        jobs: Runs,
        store: LaunchStore,
        in_flight: InFlightLaunches,
        delay: float,
        policy: PollPolicy,
        clock: Clock,
        server_time: ServerClock,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._in_flight = in_flight
        self._delay = delay
        self._policy = policy
        self._clock = clock
        self._server_time = server_time
        self._opened_at = clock.monotonic()
        self.opened = server_time()
        """Server time when this process opened the store; earlier processes sent everything before it."""
        self.unreadable: set[str] = set()
        """Runs that can't be read by id."""
        self._witnesses: dict[str, tuple[float, Witnesses]] = {}
        """What was recorded of the runs of a job, and when it was read, by the monotonic clock."""

    def settled_at(self, entry: JournalEntry, *, just_now: bool) -> float:
        """Return the time, by the monotonic clock, from which a run's absence proves that it did not start.

        It is counted from the last send. Of a launch of an earlier process that is known only roughly: it was over when
        this process opened the store, or at the time that is recorded, by a clock that may have been off.
        """
        if just_now:
            return self._clock.monotonic() + self._delay
        now = self._server_time().earlier
        age = 0.0 if entry.sent_by is None else now - entry.sent_by - defaults.CLOCK_MARGIN
        return self._opened_at + max(self._delay - max(age, 0.0), 0.0)

    async def settle(self, job_id: str, key: str, settled_at: float) -> None:
        """Wait until the absence of a launch's run proves something."""
        pause = max(settled_at - self._clock.monotonic(), 0.0)
        log.info("launch %r of job %s: its run is looked for in %.0f s", key, job_id, pause)
        await self._clock.sleep(pause)

    async def echo_of(self, job_id: str, execution_id: str) -> JobExecution | None:
        """Poll a run until it echoes its parameters or is no longer READY; None if it can't be read."""
        log.info("job %s: run %s is READY; its echo of parameters is waited for", job_id, execution_id)
        began = self._clock.monotonic()
        retry_after: float | None = None
        while True:
            age = self._clock.monotonic() - began
            await self._clock.sleep(self._policy.interval(age, retry_after, random.random))
            retry_after = None
            try:
                run = await self._jobs.execution(job_id, execution_id)
            except DataFlowError as error:
                if error.not_found or not self._policy.forgives(error, 0.0):
                    self.unreadable.add(execution_id)
                    return None
                retry_after = error.retry_after
                continue
            if echo(run.parsed_parameters, run.status) or run.status not in (None, ExecutionStatus.READY):
                return run

    async def witness_for(self, job_id: str, lost: LostLaunch, more_may_come: Callable[[], bool]) -> bool:
        """Wait for the next launch of a job, and then until lists must show its run.

        Args:
            job_id: The job.
            lost: The launch that the next one is a witness for.
            more_may_come: Returns whether further launches may come, of whatever job.

        Returns:
            False if none was accepted within `defaults.WITNESS_TIMEOUT`.
        """
        timeout = defaults.WITNESS_TIMEOUT
        log.info(
            "launch %r of job %s: the next launch of this job is waited for, %.0f s at most, because %s",
            lost.key,
            job_id,
            timeout,
            "it shows that lists reach up to this one",
        )
        until = self._clock.monotonic() + timeout
        while (accepted_at := (await self._recorded_witnesses(job_id)).accepted_after(lost)) is None:
            remaining = until - self._clock.monotonic()
            if remaining <= 0.0 or not (self._in_flight.of_job(job_id) or more_may_come()):
                return False
            await self._clock.sleep(min(self._policy.max_interval, remaining))
        young = accepted_at + self._delay - self._server_time().earlier
        await self._clock.sleep(max(young, 0.0) + self._policy.min_interval)
        return True

    async def _recorded_witnesses(self, job_id: str) -> Witnesses:
        """Return the recorded runs as they were a moment ago: many launches may wait for the same one."""
        now = self._clock.monotonic()
        read_at, witnesses = self._witnesses.get(job_id, (-math.inf, Witnesses(())))
        if now - read_at > defaults.WITNESSES_CACHED:
            witnesses = await in_turns(Witnesses.in_steps(await self._store.known_runs(job_id)))
            self._witnesses[job_id] = now, witnesses
        return witnesses
