"""Runs of one job or of all: found, filtered, and measured against what their job usually takes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from dataflow_async import ExecutionStatus, JobExecution, JobSummary, NotFound
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.output import record_of
from dataflow_async.cli.text import escaped

if TYPE_CHECKING:
    from dataflow_async import DataFlow
    from dataflow_async.cli.resolve import Thing

_JOBS_AT_ONCE = 8
_LONGEST_RUN = timedelta(days=1)
"""The service's bound on the time limit of a run: what it last did longer ago has nothing in the period."""


@frozen
class FoundRun:
    """A run, and what completed runs of its job take."""

    execution: JobExecution
    usual: float | None
    """Median minutes of the job's completed runs; None without any."""

    def record(self) -> dict[str, Any]:
        """Return it as JSON, with ``usualRunningTime`` beside what the service says."""
        record = record_of(self.execution)
        return record | ({} if self.usual is None else {"usualRunningTime": round(self.usual, 4)})


async def jobs_with_runs(flow: DataFlow, since: datetime | None) -> list[tuple[str, str | None]]:
    """Return ids and names of all jobs that may have runs in a period."""
    return [(job.job_id, job.name) async for job in flow.jobs.list() if _may_have_run(job, since)]


def _may_have_run(job: JobSummary, since: datetime | None) -> bool:
    last = job.last_execution_date
    return since is None or not isinstance(last, datetime) or last >= since - _LONGEST_RUN


async def of_jobs(flow: DataFlow, jobs: Iterable[tuple[str, str | None]]) -> list[FoundRun]:
    """Return all runs of jobs; a job that was deleted meanwhile has none."""
    places = asyncio.Semaphore(_JOBS_AT_ONCE)

    async def of_job(job_id: str, name: str | None) -> list[FoundRun]:
        async with places:
            try:
                rows = [run async for run in flow.jobs.executions(job_id)]
            except NotFound:
                return []
        took = [run.running_time for run in rows if run.status == ExecutionStatus.COMPLETED]
        known = [minutes for minutes in took if minutes is not None]
        usual = median(known) if known else None
        return [FoundRun(run if run.job_name else evolve(run, job_name=name), usual) for run in rows]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(of_job(job_id, name)) for job_id, name in jobs]
    return [run for task in tasks for run in task.result()]


async def of_workflow(flow: DataFlow, workflow: Thing) -> list[FoundRun]:
    """Return all runs of a workflow's jobs."""
    return [FoundRun(run, None) async for run in flow.workflows.executions(workflow.id)]


def chosen(
    found: Iterable[FoundRun], since: datetime | None, statuses: Collection[str], limit: int | None
) -> list[FoundRun]:
    """Return the runs of a period in one of these states, the newest first.

    Raises:
        CommandFailed: A status is none of the service's, and no run has it.
    """
    rows = list(found)
    check_statuses(statuses, {str(row.execution.status) for row in rows})
    statuses_kept = {status.upper() for status in statuses}
    kept = [
        row
        for row in rows
        if (not statuses_kept or str(row.execution.status).upper() in statuses_kept)
        and is_since(row.execution, since)
    ]
    return sorted(kept, key=lambda row: created(row.execution), reverse=True)[:limit]


def check_statuses(statuses: Iterable[str], seen: Collection[str] = ()) -> None:
    """Refuse a misspelt status: it would find nothing, which looks like good news."""
    known = {*(str(status) for status in ExecutionStatus), *(status.upper() for status in seen)}
    for status in statuses:
        if status.upper() not in known:
            raise CommandFailed(
                f"--status: one of {', '.join(ExecutionStatus)} is needed, got {escaped(status)}",
                ExitCode.USAGE,
            )


def is_since(run: JobExecution, since: datetime | None) -> bool:
    """Whether a run was created in the period; one whose date can't be read is not left out."""
    return since is None or not isinstance(run.created_date, datetime) or run.created_date >= since


def created(run: JobExecution) -> float:
    """Return when it was created, for an order; the service's lists have none that is documented."""
    return run.created_date.timestamp() if isinstance(run.created_date, datetime) else float("-inf")
