"""Runs of one job or of all: found, filtered, and measured against what their job usually takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

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


def _upper(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.upper() for word in words)


@define
class Filter:
    """Which runs are kept. Those that are not are forgotten as they are read: jobs may have many more runs than memory."""

    since: datetime | None = None
    statuses: frozenset[str] = field(default=frozenset(), converter=_upper)
    _seen: set[str] = field(factory=set, init=False)

    def keeps(self, run: JobExecution) -> bool:
        """Whether a run is of the period and in one of the states."""
        status = str(run.status).upper()
        self._seen.add(status)
        return (not self.statuses or status in self.statuses) and is_since(run, self.since)

    def check(self) -> None:
        """Refuse a misspelt status, after all runs are read: it finds nothing, which looks like good news.

        Raises:
            CommandFailed: A status is none of the service's known ones, and no run has it.
        """
        for status in sorted(self.statuses - self._seen - {str(known) for known in ExecutionStatus}):
            raise CommandFailed(
                f"--status must be one of {', '.join(ExecutionStatus)}, got {escaped(status)}", ExitCode.USAGE
            )


async def of_jobs(
    flow: DataFlow, jobs: Iterable[tuple[str, str | None]], keeps: Callable[[JobExecution], bool]
) -> list[FoundRun]:
    """Return runs of jobs; a job that was deleted meanwhile has none."""
    places = asyncio.Semaphore(_JOBS_AT_ONCE)

    async def of_job(job_id: str, name: str | None) -> list[FoundRun]:
        kept: list[JobExecution] = []
        took: list[float] = []
        async with places:
            try:
                async for run in flow.jobs.executions(job_id):
                    if run.status == ExecutionStatus.COMPLETED and run.running_time is not None:
                        took.append(run.running_time)
                    if keeps(run):
                        kept.append(run if run.job_name else evolve(run, job_name=name))
            except NotFound as error:
                if error.source != "service":  # no such URL
                    raise
        usual = median(took) if took else None
        return [FoundRun(run, usual) for run in kept]

    tasks = [asyncio.create_task(of_job(job_id, name)) for job_id, name in jobs]
    try:
        found = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return [run for runs in found for run in runs]


async def of_workflow(
    flow: DataFlow, workflow: Thing, keeps: Callable[[JobExecution], bool]
) -> list[FoundRun]:
    """Return runs of a workflow's jobs."""
    return [FoundRun(run, None) async for run in flow.workflows.executions(workflow.id) if keeps(run)]


def newest(found: Iterable[FoundRun], limit: int | None) -> list[FoundRun]:
    """Return runs, the newest first, up to ``limit`` of them."""
    return sorted(found, key=lambda row: created(row.execution), reverse=True)[:limit]


def is_since(run: JobExecution, since: datetime | None) -> bool:
    """Whether a run was created in the period; one whose date can't be read is not left out."""
    return since is None or not isinstance(run.created_date, datetime) or run.created_date >= since


def created(run: JobExecution) -> float:
    """Return when it was created, for an order; the service's lists have none that is documented."""
    return run.created_date.timestamp() if isinstance(run.created_date, datetime) else float("-inf")
