"""Reads runs: one by its id, or a page of a job's list. What comes back is for the tracker to apply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, DecodeError
from dataflow_async.models.execution import JobExecution
from dataflow_async.polling.outages import Bursts, Outages
from dataflow_async.polling.page_planner import PagePlanner
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.polling.state import PolledJob, PolledRun
from dataflow_async.wire.run_rows import RunPage, RunRow

log = logging.getLogger("dataflow_async")


class RunReader(Protocol):
    """The two calls that polls are made of; `Polls` is one."""

    async def execution(self, job_id: str, execution_id: str, /) -> JobExecution:
        """Read one run."""

    async def run_page(self, job_id: str, page: int, limit: int, /) -> RunPage:
        """Read a page of a job's runs."""


class Fetcher:
    """Makes the calls of polls, one attempt each, and counts them.

    Every call ends in exactly one of `Outages.answered` and `Outages.failed`, because the polls of a job, and of the
    client, are held back by what these have counted. No state of a run is changed here but when it was requested.

    A list is used as long as it is worth it: not for a while after it could not be read, nor after it was caught
    showing runs as going on that had ended.

    Args:
        reader: The calls.
        policy: What is an outage, and how long a list is distrusted.
        clock: Time.
        outages: Counts answers and failures.
    """

    def __init__(self, reader: RunReader, policy: PollPolicy, clock: Clock, outages: Outages) -> None:
        self._reader = reader
        self._policy = policy
        self._clock = clock
        self._outages = outages
        self.requests = 0
        """Calls made so far."""
        self.pages = 0
        """How many of them read a page."""

    async def run(self, run: PolledRun) -> JobExecution | DataFlowError:
        """Read one run by its id; return it, or the error that kept it from being read."""
        job = run.job
        self.requests += 1
        run.requested_at = asyncio.get_running_loop().time()
        bursts = self._outages.begin(job)
        try:
            execution = await self._reader.execution(job.job_id, run.execution_id)
            if execution.ref != run.ref:
                raise _about_another_run(execution, run)
        except DataFlowError as error:
            if self._policy.is_outage(error):
                self._outages.failed(job, error, bursts)
            else:
                self._outages.answered(job)
            return error
        finally:
            run.requested_at = None
        self._outages.answered(job)
        return execution

    async def next_page(
        self, job: PolledJob, planner: PagePlanner[PolledRun]
    ) -> tuple[int, int, RunPage] | None:
        """Read the next page that is worth its request; return its number and the rows asked for too. None if none is, or the list is of no use now."""
        usable_from = max(job.list_paused_until, job.list_trust.distrusted_until)
        window = planner.next_window() if self._clock.monotonic() >= usable_from else None
        if window is None:
            planner.close()
            if planner.saved < 0:
                _search_less_often(planner.remaining)
            return None
        bursts = self._outages.begin(job)
        try:
            page = await self._page(job, *window)
        except (DataFlowError, TimeoutError) as error:
            self._list_failed(job, error, bursts)
            return None
        self._outages.answered(job)
        job.list_failed = False
        return None if self._is_refuted(job, page.rows) else (*window, page)

    async def _page(self, job: PolledJob, number: int, limit: int) -> RunPage:
        """Read a page within the time its runs may be kept waiting for it."""
        self.requests += 1
        self.pages += 1
        job.page_requested_at = asyncio.get_running_loop().time()
        async with asyncio.timeout(defaults.LIST_PAGE_TIMEOUT):
            return await self._reader.run_page(job.job_id, number, limit)

    def _list_failed(self, job: PolledJob, error: DataFlowError | TimeoutError, bursts: Bursts) -> None:
        """Do without the list for a while, unless it may have been one lost call and was not slow."""
        log.debug("job %s: its list can't be read, polling run by run: %r", job.job_id, error)
        is_slow = isinstance(error, TimeoutError) or error.timed_out
        is_outage = isinstance(error, TimeoutError) or self._policy.is_outage(error)
        if is_slow or not is_outage or job.list_failed:
            job.list_paused_until = self._clock.monotonic() + defaults.LIST_PAUSE
        job.list_failed = True
        if is_outage:
            self._outages.failed(job, error, bursts)
            retry_after = error.retry_after if isinstance(error, DataFlowError) else None
            if retry_after is not None:
                self._outages.hold(job, retry_after)

    def _is_refuted(self, job: PolledJob, rows: Sequence[RunRow]) -> bool:
        """Return whether a page shows a run as going on that ended some time ago; the list is distrusted then."""
        policy, now = self._policy, self._clock.monotonic()
        lag = defaults.LIST_LAG * policy.min_interval
        if not job.list_trust.is_refuted_by(rows, policy.terminal_statuses, now, lag):
            return False
        job.list_trust.distrust(now + defaults.LIST_DISTRUST * policy.max_interval)
        log.info("job %s: its list does not show the ends of its runs, polling run by run", job.job_id)
        return True


def _search_less_often(runs: list[PolledRun]) -> None:
    """Put off the next search for runs that a list did not show and that cost more pages than it saved."""
    for run in runs:
        run.misses = min(run.misses + 1, defaults.MAX_LIST_MISSES)
        run.skips = 2**run.misses - 1


def _about_another_run(execution: JobExecution, run: PolledRun) -> DecodeError:
    return DecodeError(
        f"getJobExecutionById: asked for {run.ref}, but the answer is about {execution.ref}",
        operation="getJobExecutionById",
    )
