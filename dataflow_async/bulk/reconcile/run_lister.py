"""Reads the list of a job's runs to its end, whatever order it has and however its pages fail, within bounds."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import PlainDate, PrintedDates
from dataflow_async.bulk.reconcile.run_index import as_stored
from dataflow_async.bulk.reconcile.snapshot import LastRun, Snapshot
from dataflow_async.bulk.reconcile.steps import slices
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.moment import printed
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.wire.listed_rows import ListedPage
from dataflow_async.wire.server_time import ServerTime

log = logging.getLogger("dataflow_async")

_RAN = frozenset({"RUNNING", "COMPLETED", "FAILED", "CANCELED"})
"""Last statuses of a job that has run; READY may be that of a job that has not."""


class Runs(Protocol):
    """The calls that reconciliation is made of; `RunReads` in ``bulk`` is one."""

    async def get(self, job_id: str, /) -> Job:
        """Read a job."""

    async def execution(self, job_id: str, execution_id: str, /) -> JobExecution:
        """Read a run."""

    async def listed_page(self, job_id: str, page: int, limit: int, /) -> ListedPage:
        """Read one page of a job's runs."""


Take: TypeAlias = Callable[[ListedPage, int, Sequence[str], Sequence[PlainDate | None]], None]
"""Takes rows of a page from an index on: the ids of their runs, as recorded, and when these were created."""


class Unlistable(Exception):
    """The runs of a job can't be listed; the message says why."""


class _TooLarge(Exception):
    """A page takes the service longer than the time-out of a call."""


class JobState(NamedTuple):
    """What a job shows of itself."""

    last: LastRun | None
    """None if it could not be read."""
    stored: Mapping[str, Any]
    """Its settings, by the wire's names."""


class RunLister:
    """Lists the runs of jobs.

    Always true: a listing is complete or raises. It ends at an empty page, or at two in a row without a new id, for a
    service may repeat its last page, or move rows while they are read; a page that is short or fails does not end it. A
    listing that ended early would hide runs, and what is hidden counts as absent.

    Args:
        runs: Where they are read.
        policy: How often a page that fails is read again.
        clock: For intervals.
        server_time: Returns the service's time.
    """

    def __init__(
        self, runs: Runs, policy: PollPolicy, clock: Clock, server_time: Callable[[], ServerTime]
    ) -> None:
        self._runs = runs
        self._policy = policy
        self._clock = clock
        self._server_time = server_time
        self._limits: dict[str, int] = {}
        """Rows a page, for jobs whose pages have timed out."""

    async def read_job(self, job_id: str) -> JobState:
        """Return what a job shows of its last run and of its settings."""
        try:
            job = await self._runs.get(job_id)
        except DataFlowError as error:
            log.info("job %s can't be read, so only the list of its runs counts: %s", job_id, error)
            return JobState(None, {})
        stored = job.job_condition.raw if job.job_condition is not None else {}
        return JobState(_last_run(job.raw), stored)

    async def complete(self, job_id: str, take: Take, dates: PrintedDates) -> Snapshot:
        """List all runs of a job: until a page is empty, or two in a row bring no new id.

        Args:
            job_id: The job.
            take: Called with all rows, some at a time, perhaps more than once for a run.
            dates: What was read of dates before, and what is now.

        Raises:
            Unlistable: It failed for too long, or for good.
        """
        while True:
            try:
                limit = self._limits.get(job_id, defaults.PAGE_LIMIT)
                return await self._listed(job_id, limit, take, dates)
            except _TooLarge:
                self._limits[job_id] = self._limits.get(job_id, defaults.PAGE_LIMIT) // 2
                log.info("job %s: pages of %d runs are requested from now on", job_id, self._limits[job_id])

    async def _listed(self, job_id: str, limit: int, take: Take, dates: PrintedDates) -> Snapshot:
        listing = Snapshot(self._server_time())
        began = self._clock.monotonic()
        number = idle = 0
        while idle < 2:
            page = await self._page(job_id, number, limit)
            listing.unreadable += page.unreadable
            if not number:
                listing.count = page.count
            before = len(listing.dates)
            start = 0
            for rows in slices(page.rows):
                await asyncio.sleep(0)
                ids = [as_stored(row.job_execution_id) for row in rows]
                created = [dates[row.created_date] for row in rows]
                listing.add(ids, created)
                listing.shows([row.start_date for row in rows])
                listing.shows([row.end_date for row in rows])
                take(page, start, ids, created)
                start += len(rows)
            if not page.rows and not page.unreadable:
                break
            idle = 0 if len(listing.dates) > before else idle + 1
            number += 1
            if self._clock.monotonic() - began > defaults.LISTING_TIMEOUT:
                raise Unlistable(f"its list did not end within {defaults.LISTING_TIMEOUT:.0f} s")
        return listing

    async def _page(self, job_id: str, number: int, limit: int) -> ListedPage:
        """Read a page; one that fails is read again for as long as `defaults.LISTING_TIMEOUT`."""
        began = self._clock.monotonic()
        log_at = 0.0
        """Seconds of failure after which this is logged next."""
        while True:
            try:
                return await self._runs.listed_page(job_id, number, limit)
            except DataFlowError as error:
                if self._is_final(error):
                    raise Unlistable(str(error)) from None
                if error.is_slow and limit > defaults.SMALLEST_PAGE:
                    raise _TooLarge from None
                problem = error
            failing = self._clock.monotonic() - began
            if failing > defaults.LISTING_TIMEOUT:
                log.warning("job %s: its runs could not be listed for %.0f s: %s", job_id, failing, problem)
                raise Unlistable(f"it failed for {failing:.0f} s: {problem}")
            if failing >= log_at:
                level = logging.WARNING if log_at else logging.INFO
                log.log(level, "job %s: looking for lost launches goes on after: %s", job_id, problem)
                log_at = log_at + defaults.LOG_REMINDER_INTERVAL if log_at else defaults.LOG_FAILURES_AFTER
            await self._clock.sleep(self._policy.interval(failing, problem.retry_after, random.random))

    def _is_final(self, error: DataFlowError) -> bool:
        """Return whether reading again won't help; an answer of neither gateway nor service will pass."""
        if error.is_foreign:
            return False
        return error.not_found or not self._policy.forgives(error, 0.0)


def _last_run(job: Mapping[str, Any]) -> LastRun:
    """Read when a job ran last; its last status may hold the date by mistake."""
    date, status = job.get("lastExecutionDate"), job.get("lastExecutionStatus")
    when = printed(date) or printed(status)
    return LastRun(bool(date) or when is not None or (isinstance(status, str) and status in _RAN), when)
