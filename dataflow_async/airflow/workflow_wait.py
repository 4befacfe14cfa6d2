"""Waiting for the runs of a workflow until they end, or until a deadline that cancels them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from attrs import frozen

from dataflow_async import defaults
from dataflow_async.airflow.events import EndedBy, RunError, RunEvent, RunReport
from dataflow_async.airflow.run_wait import Log, deadline_of, error_of
from dataflow_async.client import DataFlow
from dataflow_async.clock import Clock
from dataflow_async.errors import BadState, DataFlowError
from dataflow_async.models import checks
from dataflow_async.models.execution import JobExecution
from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed, WaitTimeout
from dataflow_async.workflows.start import WorkflowStart

_log = logging.getLogger(__name__)


@frozen
class WorkflowWait:
    """A wait for the runs of one start of a workflow.

    Attributes:
        start: The start.
        deadline: Unix seconds until which they are waited for; None for as long as it takes.
        cancel_on_deadline: Whether those that have not ended by then are cancelled.
    """

    start: WorkflowStart
    deadline: float | None = None
    cancel_on_deadline: bool = True

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the wait that the arguments of a trigger describe.

        Raises:
            InvalidRequest: They hold no start of a workflow.
        """
        start = arguments.get("workflow_start")
        if not isinstance(start, Mapping):
            raise checks.refuse("workflow_start", start, "the JSON object of a start")
        return cls(
            WorkflowStart.from_json(start),
            deadline_of(arguments),
            bool(arguments.get("cancel_on_deadline", True)),
        )

    async def event(self, flow: DataFlow, clock: Clock, log: Log = _log) -> RunEvent:
        """Wait, and return what is to be reported to the task.

        Args:
            flow: The client.
            clock: Time; the deadline is read on its wall clock.
            log: Where the ends of runs are logged: the log of the task.
        """
        timeout = None if self.deadline is None else max(self.deadline - clock.time(), 0.0)
        try:
            runs = await _followed(flow, self.start, timeout)
        except WaitTimeout as error:
            if not self.cancel_on_deadline:
                return _event(error.executions, "deadline", log)
            log.warning("workflow %s has not ended by its deadline, and is cancelled", self.start.workflow_id)
            return await self._cancelled(flow, clock, log, error.executions)
        except DataFlowError as error:
            return _event(error.executions, "error", log, error_of(error))
        return _event(runs, "terminal", log)

    async def _cancelled(
        self, flow: DataFlow, clock: Clock, log: Log, known: Sequence[JobExecution]
    ) -> RunEvent:
        try:
            async with asyncio.timeout(defaults.DEADLINE_CANCEL_TIMEOUT):
                return _event(await cancel_unfinished(flow, self.start, clock, log), "deadline", log)
        except (DataFlowError, TimeoutError) as problem:
            log.warning(
                "workflow %s: the ends of its runs are not confirmed, they may go on: %s",
                self.start.workflow_id,
                str(problem) or "no answer in time",
            )
            return _event(getattr(problem, "executions", ()) or known, "deadline", log)


async def cancel_unfinished(
    flow: DataFlow, start: WorkflowStart, clock: Clock, log: Log
) -> Sequence[JobExecution]:
    """Cancel the runs of a start that go on, and those that begin meanwhile, until all have ended; return all runs.

    The caller bounds the time: a workflow that the service has not begun yet is waited for as well.

    Raises:
        LaunchUncertain: Runs of another start may be among them; none is cancelled then.
        DataFlowError: The runs can't be listed, or not be cancelled.
    """
    cancelled: set[str] = set()
    while True:
        try:
            return await _followed(flow, start, 0.0)
        except WaitTimeout as error:
            for run in error.executions:
                if not run.is_terminal and run.job_execution_id not in cancelled:
                    with suppress(BadState):  # it has ended meanwhile
                        await flow.jobs.cancel_execution(run.job_id, run.job_execution_id)
                    cancelled.add(run.job_execution_id)
                    log.info("run %s of job %s is cancelled", run.job_execution_id, run.job_id)
        await clock.sleep(defaults.POLL_MIN_INTERVAL)


async def _followed(flow: DataFlow, start: WorkflowStart, timeout: float | None) -> Sequence[JobExecution]:
    """Return the runs of a start at their end, however they ended.

    Raises:
        WaitTimeout: The time is over; ``executions`` holds those that are known.
        DataFlowError: They can't be waited for.
    """
    try:
        return await flow.follow_workflow(start, timeout=timeout)
    except (ExecutionFailed, ExecutionCanceled) as error:
        return error.executions


def _event(
    runs: Sequence[JobExecution], ended_by: EndedBy, log: Log, error: RunError | None = None
) -> RunEvent:
    for run in runs:
        log.info("run %s of job %s is %s", run.job_execution_id, run.job_id, run.status)
    return RunEvent(tuple(map(RunReport.of, runs)), ended_by, error)
