"""Jobs and their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from dataflow_async import defaults
from dataflow_async.errors import BadRequest, BadState, InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import (
    Job,
    JobCondition,
    JobSettings,
    JobSummary,
    JobType,
    JobTypeName,
    condition_to_wire,
    job_type,
    nodes_to_wire,
    run_settings,
)
from dataflow_async.models.page import Page
from dataflow_async.resources.base import Resource, body_of
from dataflow_async.resources.paging import every_row, named, only_one, window
from dataflow_async.transport.call_control import UNCONTROLLED, CallControl
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire import jsontext
from dataflow_async.wire import operation as op
from dataflow_async.wire.request import check_id

Condition = JobCondition | JobSettings | Mapping[str, Any]
Nodes = Iterable[Mapping[str, Any]]
_INT32 = 2**31 - 1


class Jobs(Resource):
    """``flow.jobs``. Every method raises errors of the `DataFlowError` tree and no others."""

    async def create(
        self,
        name: str,
        *,
        type: JobTypeName = JobType.VISUAL,  # noqa: A002  # the wire's name
        nodes: Nodes | None = None,
        condition: Condition | None = None,
        max_concurrent_runs: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Job:
        """Create a job (createJob). Never repeated on a guess.

        Args:
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-`` (ruling 34).
            type: VISUAL (made of nodes) or SCRIPT (ruling 35).
            nodes: Nodes with the wire's names.
            condition: Run settings to store; the service starts with 2 workers and 360 minutes (ruling 42).
            max_concurrent_runs: Most runs at a time; its range is not documented (ruling 47).
            extra: Members of newer docs that have no argument here (ruling 33).
        """
        body = _job_body(extra, checks.name(name), job_type(type), nodes, condition, max_concurrent_runs)
        return await self._calls.call(op.CREATE_JOB, body=body)

    async def get(self, job_id: str) -> Job:
        """Read a job (getJobById)."""
        return await self._calls.call(op.GET_JOB, job_id, fill={"jobId": job_id})

    async def page(
        self, page: int = 0, limit: int = defaults.PAGE_LIMIT, name: str | None = None
    ) -> Page[JobSummary]:
        """Read one page of jobs (getJobs); whether ``name`` matches in part is not documented."""
        return await self._calls.call(op.GET_JOBS, query={"name": named(name), **window(page, limit)})

    async def list(
        self, name: str | None = None, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[JobSummary]:
        """Walk all jobs, each once; pages of ``limit`` are fetched as they are needed."""
        rows = every_row(lambda page: self.page(page, limit, name), lambda job: job.job_id)
        async for job in rows:
            yield job

    async def find(self, name: str) -> JobSummary | None:
        """Give the job of exactly this name, or None.

        Raises:
            InvalidRequest: Several jobs have the name; the message holds their ids.
        """
        checks.text(name, "name")
        return only_one(name, [(job.job_id, job) async for job in self.list(name) if job.name == name])

    async def update(
        self,
        job_id: str,
        *,
        type: JobTypeName | None = None,  # noqa: A002  # the wire's name
        name: str | None = None,
        nodes: Nodes | None = None,
        condition: Condition | None = None,
        max_concurrent_runs: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Job:
        """Change members of a job (updateJob); those left out keep their value.

        The service wants the type always; without ``type`` the job is read first (ruling 38).

        Raises:
            InvalidRequest: The job reads as the old type DATAFLOW, so ``type`` must be given.
        """
        body = _job_body(
            extra, name, None if type is None else job_type(type), nodes, condition, max_concurrent_runs
        )
        if type is None:
            jsontext.write(body)  # refused before the job is read
            body["type"] = _type_to_keep(await self.get(job_id))
        return await self._calls.call(op.UPDATE_JOB, job_id, body=body, fill={"jobId": job_id})

    async def verify(self, name: str, nodes: Nodes) -> bool:
        """Check a draft (verifyJob): True means usable, ``false`` or the service's 400 means not (ruling 37)."""
        body = {"name": checks.name(name), "nodes": nodes_to_wire(nodes)}
        try:
            return await self._calls.verify(op.VERIFY_JOB, body=body)
        except (BadRequest, BadState) as error:
            if error.status != 400 or error.source is None:  # a proxy's 400 says nothing of the draft
                raise
            return False

    async def execute(
        self,
        job_id: str,
        *,
        condition: Condition | None = None,
        parameters: Mapping[str, str] | None = None,
        trigger_id: str | None = None,
        workflow_id: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> JobExecution:
        """Start a run (executeJob). Never repeated on a guess: it costs money when it starts twice.

        Args:
            job_id: The job.
            condition: Settings for this run; what is left out keeps its stored value (rulings 42, 43).
            parameters: Parameters of a SCRIPT job, text to text; sent inside the settings (ruling 44).
            trigger_id: Trigger to book the run under (ruling 45).
            workflow_id: Workflow to book the run under (ruling 45).
            extra: Members of newer docs that have no argument here (ruling 33).

        Raises:
            DataFlowError: With ``may_have_run`` set where the run may have started all the same.
        """
        return await start_run(
            self._calls,
            job_id,
            condition=condition,
            parameters=parameters,
            trigger_id=trigger_id,
            workflow_id=workflow_id,
            extra=extra,
        )

    async def execution(self, job_id: str, execution_id: str) -> JobExecution:
        """Read a run (getJobExecutionById).

        A 202 without a body gives the ids asked for and no status.
        """
        return await self._calls.call(
            op.GET_JOB_EXECUTION,
            job_id,
            execution_id,
            fill={"jobId": job_id, "jobExecutionId": execution_id},
        )

    async def executions_page(
        self, job_id: str, page: int = 0, limit: int = defaults.PAGE_LIMIT
    ) -> Page[JobExecution]:
        """Read one page of a job's runs (getJobExecutions)."""
        return await self._calls.call(
            op.GET_JOB_EXECUTIONS, job_id, query=window(page, limit), fill={"jobId": job_id}
        )

    async def executions(
        self, job_id: str, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[JobExecution]:
        """Walk all runs of a job, each once, in no documented order."""
        rows = every_row(
            lambda page: self.executions_page(job_id, page, limit), lambda run: run.job_execution_id
        )
        async for run in rows:
            yield run

    async def update_execution_config(
        self, job_id: str, condition: Condition, *, extra: Mapping[str, Any] | None = None
    ) -> Job:
        """Change the stored run settings (updateJobExecuteConfig); those left out keep their value.

        Changing ``script_path`` **moves** the stored script (ruling 46).
        """
        body = body_of(extra, jobCondition=condition_to_wire(condition))
        return await self._calls.call(op.UPDATE_JOB_EXECUTE_CONFIG, job_id, body=body, fill={"jobId": job_id})

    async def cancel_execution(self, job_id: str, execution_id: str) -> None:
        """Cancel a run (cancelJobExecution).

        It may end otherwise all the same: read it again, CANCELED is not certain (ruling 79).
        """
        await self._calls.call(op.CANCEL_JOB_EXECUTION, job_id, execution_id)

    async def delete(self, job_id: str) -> None:
        """Delete a job (deleteJob); gone after an unclear first attempt counts as done (ruling 29)."""
        await self._calls.call(op.DELETE_JOB, job_id)


async def start_run(
    calls: CallPipeline,
    job_id: str,
    *,
    condition: Condition | None = None,
    parameters: Mapping[str, str] | None = None,
    trigger_id: str | None = None,
    workflow_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
    control: CallControl = UNCONTROLLED,
) -> JobExecution:
    """Start a run as `Jobs.execute` does; ``control`` takes part in its attempts."""
    booked = {"triggerId": trigger_id, "workflowId": workflow_id}
    return await calls.call(
        op.EXECUTE_JOB,
        job_id,
        query={name: check_id(value, name) for name, value in booked.items() if value is not None},
        body=body_of(extra, jobCondition=run_settings(condition, parameters)),
        fill={"jobId": job_id},
        control=control,
    )


def _job_body(
    extra: Mapping[str, Any] | None,
    name: str | None,
    type_: str | None,
    nodes: Nodes | None,
    condition: Condition | None,
    max_concurrent_runs: int | None,
) -> dict[str, Any]:
    """What createJob and updateJob have in common."""
    runs = max_concurrent_runs
    return body_of(
        extra,
        name=None if name is None else checks.name(name),
        type=type_,
        nodes=None if nodes is None else nodes_to_wire(nodes),
        jobCondition=None if condition is None else condition_to_wire(condition),
        maxConcurrentRuns=None
        if runs is None
        else checks.whole(runs, "max_concurrent_runs", -_INT32, _INT32),
    )


def _type_to_keep(job: Job) -> str:
    if job.type in tuple(JobType):
        return str(job.type)
    raise InvalidRequest(
        f"type must be VISUAL or SCRIPT, got none, and job {job.job_id} reads as {job.type!r}",
        field="type",
    )
