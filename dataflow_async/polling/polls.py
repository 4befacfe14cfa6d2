"""The two calls that polls are made of: one attempt each, because the next poll is its repeat."""

from __future__ import annotations

from dataflow_async.models.execution import JobExecution
from dataflow_async.resources.paging import window
from dataflow_async.transport.call_control import CallControl
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire import operation as op
from dataflow_async.wire import success
from dataflow_async.wire.run_rows import RunPage

_ONCE = CallControl(repeats=False)


class Polls:
    """Reads runs for the tracker, one attempt each.

    A poll that fails is made again by its schedule, and not by the retry policy: with both, a service that is down
    would get three times the polls, and the retry budget would be spent when a launch needs it.
    """

    def __init__(self, calls: CallPipeline) -> None:
        self._calls = calls

    async def execution(self, job_id: str, execution_id: str, /) -> JobExecution:
        """Read one run (getJobExecutionById); return it."""
        fill = {"jobId": job_id, "jobExecutionId": execution_id}
        return await self._calls.call(op.GET_JOB_EXECUTION, job_id, execution_id, fill=fill, control=_ONCE)

    async def run_page(self, job_id: str, page: int, limit: int, /) -> RunPage:
        """Read one page of a job's runs (getJobExecutions)."""
        query = window(page, limit)
        return await self._calls.page_by(
            success.run_page, op.GET_JOB_EXECUTIONS, job_id, query=query, control=_ONCE
        )
