"""Jobs and their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from dataflow_async import defaults
from dataflow_async.errors import APIError, BadRequest, BadState, InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.draft import JobDraft
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job_settings import JobCondition, JobSettings, condition_to_wire, run_settings
from dataflow_async.resources.base import Resource, body_of
from dataflow_async.resources.paging import every_row, named, only_one, window
from dataflow_async.transport.call_control import UNCONTROLLED, CallControl
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire import jsontext
from dataflow_async.wire import operation as op
from dataflow_async.wire.request import check_id

if TYPE_CHECKING:
    from dataflow_async.models.job import Job, JobSummary, JobTypeName
    from dataflow_async.models.nodes.base import JobNode
    from dataflow_async.models.page import Page

Condition: TypeAlias = JobCondition | JobSettings | Mapping[str, Any]
Nodes: TypeAlias = "JobDraft | Iterable[JobNode | Mapping[str, Any]]"
"""Nodes of a job: typed or as mappings with the wire's names; a pipeline has them too."""
_INT32 = 2**31 - 1


class Jobs(Resource):
    """The jobs of the account, and their runs: ``flow.jobs``.

    Each method raises `InvalidRequest` where an argument is wrong, before anything is sent, and else what any call raises:
    `CredentialsError`, `TransportError`, `APIError` or `DecodeError`. Only what a method adds to this is named on it.
    """

    async def create(
        self,
        name: str | JobDraft,
        *,
        type: JobTypeName = "VISUAL",  # noqa: A002  # the wire's name
        nodes: Nodes | None = None,
        condition: Condition | None = None,
        max_concurrent_runs: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Job:
        """Create a job (createJob). It is retried only where nothing has been created.

        Args:
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-``, of which the first is a letter or ``_``; or a pipeline,
                which has a name and nodes.
            type: VISUAL (made of nodes) or SCRIPT.
            nodes: Nodes, typed or as mappings with the wire's names; or a pipeline.
            condition: Run settings to store; the service starts with 2 workers and a time limit of 360 minutes.
            max_concurrent_runs: Most runs at a time; its range is not documented.
            extra: Members of newer docs that have no argument here, by the wire's names.

        Returns:
            The job as created.

        Raises:
            DataFlowError: With ``may_have_run`` set where the job may exist all the same.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-createjob
        """
        from dataflow_async.models.job import job_type

        title, made_of = _named_nodes(name, nodes)
        body = _job_body(extra, checks.name(title), job_type(type), made_of, condition, max_concurrent_runs)
        with _explained(made_of):
            return await self._calls.call(op.CREATE_JOB, body=body)

    async def get(self, job_id: str) -> Job:
        """Return a job (getJobById).

        Raises:
            NotFound: There is no such job.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobbyid
        """
        return await self._calls.call(op.GET_JOB, job_id, fill={"jobId": job_id})

    async def page(
        self, page: int = 0, limit: int = defaults.PAGE_LIMIT, name: str | None = None
    ) -> Page[JobSummary]:
        """Return one page of jobs (getJobs).

        Args:
            page: Number of the page, from 0.
            limit: Rows of a page, from 1.
            name: Name to search for; whether it matches in part is not documented.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobs
        """
        return await self._calls.call(op.GET_JOBS, query={"name": named(name), **window(page, limit)})

    async def list(
        self, name: str | None = None, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[JobSummary]:
        """List all jobs, each once; pages of ``limit`` rows are fetched while you iterate.

        Args:
            name: Name to search for, as in `page`.
            limit: Rows of a page, from 1.
        """
        rows = every_row(lambda page: self.page(page, limit, name), lambda job: job.job_id)
        async for job in rows:
            yield job

    async def find(self, name: str) -> JobSummary | None:
        """Return the job of exactly this name, or None.

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

        The service needs the type always: without ``type`` the job is read first, which is one call more.

        Args:
            job_id: The job.
            type: VISUAL or SCRIPT.
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-``, of which the first is a letter or ``_``.
            nodes: Nodes, typed or as mappings with the wire's names; or a pipeline.
            condition: Run settings to store.
            max_concurrent_runs: Most runs at a time; its range is not documented.
            extra: Members of newer docs that have no argument here, by the wire's names.

        Returns:
            The job as changed.

        Raises:
            InvalidRequest: The job reads as the old type DATAFLOW, so ``type`` must be given.
            NotFound: There is no such job.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-updatejob
        """
        body = _job_body(extra, name, type, nodes, condition, max_concurrent_runs)
        if type is None:
            jsontext.write(body)  # refused before the job is read
            body["type"] = _type_to_keep(await self.get(job_id))
        with _explained(nodes):
            return await self._calls.call(op.UPDATE_JOB, job_id, body=body, fill={"jobId": job_id})

    async def verify(self, name: str | JobDraft, nodes: Nodes | None = None) -> bool:
        """Check a draft of a job (verifyJob).

        Args:
            name: Name of the job; or a pipeline, which has a name and nodes.
            nodes: Nodes, typed or as mappings with the wire's names; or a pipeline.

        Returns:
            True if it is usable; False if the service answers ``false``, or refuses plain nodes with 400.

        Raises:
            APIError: The service refuses a pipeline; the message names its steps and their lines.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-verifyjob
        """
        from dataflow_async.models.job import nodes_to_wire

        title, made_of = _named_nodes(name, nodes)
        body = {"name": checks.name(title), "nodes": nodes_to_wire(made_of)}
        try:
            with _explained(made_of):
                return await self._calls.verify(op.VERIFY_JOB, body=body)
        except (BadRequest, BadState) as error:
            if isinstance(made_of, JobDraft) or error.status != 400 or error.source is None:
                raise  # a proxy's 400 says nothing of the draft
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
        """Start a run (executeJob), which costs money. It is retried only where no run has started.

        Args:
            job_id: The job.
            condition: Settings of this run; what is left out keeps its stored value.
            parameters: Parameters of a SCRIPT job, text to text; sent inside the settings.
            trigger_id: Trigger to record the run under.
            workflow_id: Workflow to record the run under.
            extra: Members of newer docs that have no argument here, by the wire's names.

        Returns:
            The run as accepted, mostly READY. Pass it to ``flow.wait``.

        Raises:
            DataFlowError: With ``may_have_run`` set where the run may have started all the same.
            NotFound: There is no such job.
            BadState: The job can't run now.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-executejob
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
        """Return a run (getJobExecutionById). An answer 202 without a body has its ids and no status.

        Raises:
            NotFound: There is no such run, or not yet: one just started may take a moment to appear.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobexecutionbyid
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
        """Return one page of a job's runs (getJobExecutions), in an order that is not documented.

        Args:
            job_id: The job.
            page: Number of the page, from 0.
            limit: Rows of a page, from 1.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobexecutions
        """
        return await self._calls.call(
            op.GET_JOB_EXECUTIONS, job_id, query=window(page, limit), fill={"jobId": job_id}
        )

    async def executions(
        self, job_id: str, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[JobExecution]:
        """List all runs of a job, each once, in no documented order; pages of ``limit`` rows are fetched while you iterate.

        Args:
            job_id: The job.
            limit: Rows of a page, from 1.
        """
        rows = every_row(
            lambda page: self.executions_page(job_id, page, limit), lambda run: run.job_execution_id
        )
        async for run in rows:
            yield run

    async def update_execution_config(
        self, job_id: str, condition: Condition, *, extra: Mapping[str, Any] | None = None
    ) -> Job:
        """Change the stored run settings (updateJobExecuteConfig); those left out keep their value.

        Changing ``script_path`` **moves** the stored script.

        Args:
            job_id: The job.
            condition: Settings to store.
            extra: Members of newer docs that have no argument here, by the wire's names.

        Returns:
            The job as changed.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-updatejobexecuteconfig
        """
        body = body_of(extra, jobCondition=condition_to_wire(condition))
        return await self._calls.call(op.UPDATE_JOB_EXECUTE_CONFIG, job_id, body=body, fill={"jobId": job_id})

    async def cancel_execution(self, job_id: str, execution_id: str) -> None:
        """Cancel a run (cancelJobExecution). If the first attempt's answer was lost, a second one that finds it ended counts as done.

        It may end otherwise all the same: read it again, CANCELED is not certain (contract/notes.md#ruling-79).

        Raises:
            BadState: The run has ended already.
            NotFound: There is no such run.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-canceljobexecution
        """
        await self._calls.call(op.CANCEL_JOB_EXECUTION, job_id, execution_id)

    async def delete(self, job_id: str) -> None:
        """Delete a job (deleteJob). If the first attempt's answer was lost, a 404 of the second counts as done.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-deletejob
        """
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
    recorded = {"triggerId": trigger_id, "workflowId": workflow_id}
    return await calls.call(
        op.EXECUTE_JOB,
        job_id,
        query={name: check_id(value, name) for name, value in recorded.items() if value is not None},
        body=body_of(extra, jobCondition=run_settings(condition, parameters)),
        fill={"jobId": job_id},
        control=control,
    )


def _named_nodes(name: str | JobDraft, nodes: Nodes | None) -> tuple[str, Nodes | None]:
    """Return the name and the nodes of a job; a draft in place of the name has both."""
    if not isinstance(name, JobDraft):
        return name, nodes
    if nodes is not None:
        raise InvalidRequest("nodes must be left out where a draft has them, got both", field="nodes")
    return name.name, name


@contextmanager
def _explained(nodes: object) -> Iterator[None]:
    """Let an error of the service about the nodes of a draft name the steps and lines of the draft."""
    try:
        yield
    except APIError as error:
        if isinstance(nodes, JobDraft):
            error.message = nodes.explain_refusal(error)
        raise


def _job_body(
    extra: Mapping[str, Any] | None,
    name: str | None,
    type_: str | None,
    nodes: Nodes | None,
    condition: Condition | None,
    max_concurrent_runs: int | None,
) -> dict[str, Any]:
    """Return what createJob and updateJob have in common."""
    from dataflow_async.models.job import job_type, nodes_to_wire

    runs = max_concurrent_runs
    return body_of(
        extra,
        name=None if name is None else checks.name(name),
        type=None if type_ is None else job_type(type_),
        nodes=None if nodes is None else nodes_to_wire(nodes),
        jobCondition=None if condition is None else condition_to_wire(condition),
        maxConcurrentRuns=None
        if runs is None
        else checks.whole(runs, "max_concurrent_runs", -_INT32, _INT32),
    )


def _type_to_keep(job: Job) -> str:
    from dataflow_async.models.job import JobType

    if job.type in tuple(JobType):
        return str(job.type)
    raise InvalidRequest(
        f"type must be VISUAL or SCRIPT, got none, and job {job.job_id} reads as {job.type!r}",
        field="type",
    )
