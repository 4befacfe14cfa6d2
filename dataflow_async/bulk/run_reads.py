"""The calls that reconciliation reads jobs and their runs by."""

from __future__ import annotations

import asyncio

from attrs import frozen

from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.paging import window
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire import listed_rows, success
from dataflow_async.wire import operation as op
from dataflow_async.wire.listed_rows import ListedPage


@frozen
class RunReads:
    """Reads jobs, runs, and of long lists no more than reconciliation needs of their rows."""

    jobs: Jobs
    calls: CallPipeline

    async def get(self, job_id: str, /) -> Job:
        """Read a job."""
        return await self.jobs.get(job_id)

    async def execution(self, job_id: str, execution_id: str, /) -> JobExecution:
        """Read a run."""
        return await self.jobs.execution(job_id, execution_id)

    async def listed_page(self, job_id: str, page: int, limit: int, /) -> ListedPage:
        """Read one page of a job's runs (getJobExecutions)."""
        if not listed_rows.is_loaded():  # once a process, and the event loop need not wait for it
            await asyncio.to_thread(listed_rows.load)
        query = window(page, limit)
        return await self.calls.page_by(success.listed_page, op.GET_JOB_EXECUTIONS, job_id, query=query)
