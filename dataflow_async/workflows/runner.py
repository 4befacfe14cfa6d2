"""Starts a workflow once and waits for the run of each of its jobs (contract/notes.md#ruling-74)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from attrs import evolve

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.polling.waiter import require_completed
from dataflow_async.resources.workflows import Workflows
from dataflow_async.run_errors import LaunchUncertain, WaitTimeout
from dataflow_async.wire.server_time import ServerTime
from dataflow_async.workflows.run_list import RunList
from dataflow_async.workflows.run_matching import StartRows, job_parents
from dataflow_async.workflows.start import WorkflowStart

log = logging.getLogger("dataflow_async")


class Wait(Protocol):
    """Waits for one run and returns it however it ended."""

    async def __call__(self, ref: ExecutionRef, *, timeout: float | None) -> JobExecution:
        """Return the run at its end, or raise as ``DataFlow.wait`` with ``check=False``."""


class WorkflowRunner:
    """Starts workflows and awaits their runs.

    Args:
        workflows: The calls.
        wait: Waits for a run once its id is known.
        policy: How often the list is read for runs that are not known yet, and which failures are outlived.
        clock: Time.
        server_time: Returns bounds on the service's time.
        draw: Returns a number from 0 to 1.
    """

    def __init__(
        self,
        workflows: Workflows,
        wait: Wait,
        policy: PollPolicy,
        clock: Clock,
        server_time: Callable[[], ServerTime],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.workflows = workflows
        self.wait = wait
        self.policy = policy
        self.clock = clock
        self.draw = draw
        self.server_time = server_time

    async def run(
        self, workflow_id: str, *, timeout: float | None, payload: Mapping[str, Any] | None
    ) -> list[JobExecution]:
        """Start a workflow and return the runs of its jobs; see ``DataFlow.run_workflow``."""
        parents = job_parents(await self.workflows.get(workflow_id))
        rows, listed = (
            StartRows(parents, self.policy.terminal_statuses, self.server_time()),
            self._list(workflow_id),
        )
        await self._note_before(listed, rows)
        rows.begin(self.server_time())
        receipt = await self.workflows.execute(workflow_id, payload=payload)
        rows.fired(receipt.trigger_id)
        return await self._followed(workflow_id, listed, rows, timeout)

    async def begin(
        self,
        workflow_id: str,
        *,
        payload: Mapping[str, Any] | None,
        before_start: Callable[[WorkflowStart], Awaitable[None]] | None,
    ) -> WorkflowStart:
        """Start a workflow without waiting for its runs; see ``DataFlow.begin_workflow``."""
        parents = job_parents(await self.workflows.get(workflow_id))
        rows = StartRows(parents, self.policy.terminal_statuses, self.server_time())
        await self._note_before(self._list(workflow_id), rows)
        began = self.server_time()
        start = WorkflowStart(workflow_id, parents, began, rows.before())
        if before_start is not None:
            await before_start(start)
        receipt = await self.workflows.execute(workflow_id, payload=payload)
        return evolve(start, trigger_id=receipt.trigger_id)

    async def follow(self, start: WorkflowStart, *, timeout: float | None) -> list[JobExecution]:
        """Wait for the runs of a start, which another process may have made; see ``DataFlow.follow_workflow``."""
        rows = StartRows(start.parents, self.policy.terminal_statuses, start.began, start.was_before)
        rows.fired(start.trigger_id)
        return await self._followed(start.workflow_id, self._list(start.workflow_id), rows, timeout)

    async def _followed(
        self, workflow_id: str, listed: RunList, rows: StartRows, timeout: float | None
    ) -> list[JobExecution]:
        try:
            return await _Follower(self, workflow_id, listed, rows, timeout).follow()
        except BaseException as error:  # cancellation too: the runs go on, and here is what is known of them
            error.may_have_run, error.executions = True, rows.known  # type: ignore[attr-defined]
            raise

    def _list(self, workflow_id: str) -> RunList:
        return RunList(lambda page, limit: self.workflows.executions_page(workflow_id, page, limit))

    async def _note_before(self, listed: RunList, rows: StartRows) -> None:
        """Note what is listed before the start, if need be from smaller pages."""
        while True:
            limit = listed.limit
            try:
                return await self._read_before(listed, rows)
            except DataFlowError:
                if listed.limit == limit:
                    raise

    async def _read_before(self, listed: RunList, rows: StartRows) -> None:
        """Read the list twice.

        Pages shift while they are read, and a row that one reading misses shows on the next; a list in order of time
        misses none but where new ones appear.
        """
        async for row in listed.whole():
            rows.note_before(row)
        if listed.pages:
            async for row in listed.new() if listed.is_long and listed.is_ordered else listed.whole():
                rows.note_before(row)


class _Follower:
    """One start, from its acceptance to the end of all its runs. Times are monotonic seconds.

    A run is awaited by its id once it is known. The list is read to find those that are not, and once more when all
    have ended, because a run of another start may show late. Nothing is concluded from a reading that may have missed
    runs: neither that all are found, nor that an earlier start is still under way.
    """

    def __init__(
        self,
        runner: WorkflowRunner,
        workflow_id: str,
        listed: RunList,
        rows: StartRows,
        timeout: float | None,
    ) -> None:
        self._runner = runner
        self._workflow_id = workflow_id
        self._list = listed
        self._rows = rows
        self._timeout = timeout
        self._began = now = runner.clock.monotonic()
        self._read_at = now
        """When the list was last read without an error, or a run awaited to its end."""
        self._news_at = now
        """When a run last ended; polls become rarer with the time since then."""
        self._whole_at = now
        """When the list was last read whole."""
        self._whole_next = False
        """Whether the next reading must be of the whole list."""
        self._polled = False
        """Whether the list was read at all."""
        self._warned = False
        """Whether the log says that something is missing, since the last news."""
        self._retry_after: float | None = None
        """Seconds for which the service asked not to be polled, with the last failure."""
        self._problem: DataFlowError | None = None
        """Why the list could not be read the last time."""

    async def follow(self) -> list[JobExecution]:
        """Return one run for each job, in node order, all COMPLETED.

        Raises:
            ExecutionFailed: A run ended otherwise; the first one in node order.
            ExecutionCanceled: As above.
            LaunchUncertain: Another start is mixed up with this one.
            WaitTimeout: Time is over.
            DataFlowError: The list can't be read, or a run can't be waited for: the service refused.
        """
        while True:
            whole = self._whole_next or not self._list.is_long or self._is_whole_due()
            complete = await self._poll(whole=whole)
            self._whole_next = not complete if whole else self._is_more_needed()
            if self._whole_next and not whole:
                continue
            if complete or not self._list.is_long:
                self._refuse_to_guess()
            if running := self._rows.running:
                for row in running:
                    self._rows.end(row, await self._end_of(row))
                self._news_at = self._read_at = self._runner.clock.monotonic()
                self._warned = False
            elif complete and not self._rows.missing:
                return [require_completed(row) for row in self._rows.known]
            else:
                if complete:
                    self._refuse_misdated()
                await self._sleep()

    def _is_more_needed(self) -> bool:
        """Return whether what is to be concluded needs the whole list, after a reading of its new runs."""
        all_found = not self._rows.running and not self._rows.missing
        return bool(self._rows.uncertainties) or (all_found and not self._list.is_ordered)

    def _is_whole_due(self) -> bool:
        """Return whether a long list may be read whole: on average it costs no more than one page a poll."""
        now = self._runner.clock.monotonic()
        pause = self._runner.policy.interval(now - self._news_at, None, lambda: 0.5)
        return now - self._whole_at >= pause * self._list.pages

    async def _poll(self, *, whole: bool) -> bool:
        """Read the list, whole or its new runs, and return whether it could be read."""
        remaining = self._remaining()
        if remaining is not None:
            # As in every wait: bounded by the event loop's time, and the first and the last poll get a moment.
            remaining = max(
                remaining, defaults.LAST_POLL_TIMEOUT if self._polled else defaults.FIRST_POLL_TIMEOUT
            )
        self._retry_after = self._problem = None
        try:
            async with asyncio.timeout(remaining):
                async for row in self._list.whole() if whole else self._list.new():
                    self._rows.note(row, self._runner.server_time())
        except TimeoutError:
            return False
        except DataFlowError as error:
            failing = self._runner.clock.monotonic() - self._read_at
            if not self._runner.policy.forgives(error, failing, failing):
                raise
            self._retry_after, self._problem = error.retry_after, error
            return False
        finally:
            self._polled = True
        self._read_at = self._runner.clock.monotonic()
        if whole:
            self._whole_at = self._read_at
        return True

    def _refuse_to_guess(self) -> None:
        if uncertainties := self._rows.uncertainties:
            raise LaunchUncertain(
                f"workflow {self._workflow_id} was started, but another start of it is mixed up with this one:"
                f" {'; '.join(uncertainties)}. Its runs go on: look at them before you start the workflow again",
                candidates=self._rows.known,
            )

    def _refuse_misdated(self) -> None:
        """Raise if, after the time that a run takes to be listed, there are only runs that are dated before the start."""
        misdated = self._rows.misdated
        if not misdated or self._runner.clock.monotonic() - self._news_at < defaults.VISIBILITY_DELAY:
            return
        shown = "; ".join(
            f"run {row.job_execution_id} of job {row.job_id}, created {row.raw.get('createdDate')}"
            for row in misdated
        )
        raise LaunchUncertain(
            f"workflow {self._workflow_id} was started, but the only new runs in its list are dated before the start:"
            f" {shown}; they are of an earlier start, or the service's dates are wrong."
            " The runs of this start go on: look at them before you start the workflow again",
            candidates=(*self._rows.known, *misdated),
        )

    async def _end_of(self, row: JobExecution) -> JobExecution:
        remaining = self._remaining()
        try:
            return await self._runner.wait(
                row.ref, timeout=None if remaining is None else max(remaining, 0.0)
            )
        except WaitTimeout as late:
            if late.execution is not None:
                self._rows.see(row, late.execution)
        raise self._late()

    async def _sleep(self) -> None:
        """Sleep until the next poll, or raise if the time-out is over; the last poll comes at the deadline."""
        age = self._runner.clock.monotonic() - self._news_at
        if age >= defaults.LOG_FAILURES_AFTER and not self._warned:
            self._warned = True
            log.warning(
                "workflow %s: its list has not shown %s for a minute; last problem: %s",
                self._workflow_id,
                ", ".join(f"a run of job {job}" for job in self._rows.missing) or "runs of other starts",
                self._problem or "it is not there",
            )
        pause = self._runner.policy.interval(age, self._retry_after, self._runner.draw)
        remaining = self._remaining()
        if remaining is not None:
            if remaining <= 0:
                raise self._late()
            pause = min(pause, remaining)
        await self._runner.clock.sleep(pause)

    def _remaining(self) -> float | None:
        """Return the seconds until the deadline, or None if there is none."""
        if self._timeout is None:
            return None
        return self._began + self._timeout - self._runner.clock.monotonic()

    def _late(self) -> WaitTimeout:
        unfinished = next(iter(self._rows.running), None)
        seen = ", ".join(f"job {row.job_id} {row.status}" for row in self._rows.known) or "no run"
        return WaitTimeout(
            f"workflow {self._workflow_id} has not ended after"
            f" {self._runner.clock.monotonic() - self._began:.1f} s of waiting (timeout {self._timeout:g} s);"
            f" seen so far: {seen}. The runs go on: wait for them one by one, or cancel them",
            execution=unfinished,
            ref=unfinished.ref if unfinished else None,
        )
