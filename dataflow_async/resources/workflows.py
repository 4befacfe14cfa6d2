"""Workflows and their runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, overload

from dataflow_async import defaults
from dataflow_async.models import checks
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.page import Page
from dataflow_async.models.trigger import Trigger
from dataflow_async.models.workflow import (
    Workflow,
    WorkflowJobNode,
    WorkflowReceipt,
    WorkflowSummary,
    WorkflowTriggerNode,
    nodes_to_wire,
)
from dataflow_async.models.workflow_jobs import JobInWorkflow, nodes_of, plan
from dataflow_async.resources.base import Resource, body_of
from dataflow_async.resources.paging import every_row, named, window
from dataflow_async.wire import jsontext
from dataflow_async.wire import operation as op

Nodes = Iterable[WorkflowTriggerNode | WorkflowJobNode | Mapping[str, Any]]
WireNodes = list[dict[str, Any]]
PAYLOAD_HEADER = "x-ncp-dataflow-payload"


class Workflows(Resource):
    """The workflows of the account, and the runs of their jobs: ``flow.workflows``.

    Each method raises `InvalidRequest` where an argument is wrong, before anything is sent, and else what any call raises:
    `CredentialsError`, `TransportError`, `APIError` or `DecodeError`. Only what a method adds to this is named on it.
    """

    @overload
    async def create(
        self, name: str, nodes: Nodes, *, extra: Mapping[str, Any] | None = None
    ) -> Workflow: ...

    @overload
    async def create(
        self,
        name: str,
        *,
        trigger: Trigger | str,
        jobs: Iterable[JobInWorkflow],
        extra: Mapping[str, Any] | None = None,
    ) -> Workflow: ...

    async def create(
        self,
        name: str,
        nodes: Nodes | None = None,
        *,
        trigger: Trigger | str | None = None,
        jobs: Iterable[JobInWorkflow] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Workflow:
        """Create a workflow (createWorkflow) of a trigger and jobs, or of nodes. It is retried only where nothing has been created.

        Args:
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-``, of which the first is a letter or ``_``.
            nodes: Typed nodes or mappings with the wire's names; parents must exist and form no cycle.
            trigger: What starts it, or its id.
            jobs: Its jobs, each once, by themselves or by their ids; a `WorkflowJob` says what it comes after. ``nrn``,
                ``script_path`` and ``log_path`` of a node are those of its job unless given. What is given by its id, or as
                a row of a list, is fetched first.
            extra: Members of newer docs that have no argument here, by the wire's names.

        Returns:
            The workflow as created.

        Raises:
            DataFlowError: With ``may_have_run`` set where the workflow may exist all the same.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-createworkflow
        """
        body = body_of(extra, name=checks.name(name), nodes=await self._nodes(nodes, trigger, jobs))
        return await self._calls.call(op.CREATE_WORKFLOW, body=body)

    async def get(self, workflow_id: str) -> Workflow:
        """Return a workflow (getWorkflowById).

        Raises:
            NotFound: There is no such workflow.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getworkflowbyid
        """
        return await self._calls.call(op.GET_WORKFLOW, workflow_id, fill={"workflowId": workflow_id})

    async def page(self, page: int = 0, limit: int = defaults.PAGE_LIMIT) -> Page[WorkflowSummary]:
        """Return one page of workflows (getWorkflows).

        Args:
            page: Number of the page, from 0.
            limit: Rows of a page, from 1.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getworkflows
        """
        return await self._calls.call(op.GET_WORKFLOWS, query=window(page, limit))

    async def list(self, *, limit: int = defaults.PAGE_LIMIT) -> AsyncIterator[WorkflowSummary]:
        """List all workflows, each once; pages of ``limit`` rows, from 1, are fetched while you iterate."""
        rows = every_row(lambda page: self.page(page, limit), lambda workflow: workflow.workflow_id)
        async for workflow in rows:
            yield workflow

    @overload
    async def update(
        self, workflow_id: str, name: str, nodes: Nodes, *, extra: Mapping[str, Any] | None = None
    ) -> Workflow: ...

    @overload
    async def update(
        self,
        workflow_id: str,
        name: str,
        *,
        trigger: Trigger | str,
        jobs: Iterable[JobInWorkflow],
        extra: Mapping[str, Any] | None = None,
    ) -> Workflow: ...

    async def update(
        self,
        workflow_id: str,
        name: str,
        nodes: Nodes | None = None,
        *,
        trigger: Trigger | str | None = None,
        jobs: Iterable[JobInWorkflow] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Workflow:
        """Replace a workflow (updateWorkflow); arguments as for `create`.

        Raises:
            NotFound: There is no such workflow.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-updateworkflow
        """
        body = body_of(extra, name=checks.name(name), nodes=await self._nodes(nodes, trigger, jobs))
        return await self._calls.call(
            op.UPDATE_WORKFLOW, workflow_id, body=body, fill={"workflowId": workflow_id}
        )

    async def execute(self, workflow_id: str, *, payload: Mapping[str, Any] | None = None) -> WorkflowReceipt:
        """Start a workflow now (executeWorkflow), which costs money. It is retried only where nothing has started.

        Only a manual or an event start trigger allows it. The receipt names no run: ``flow.run_workflow`` finds them
        (contract/notes.md#ruling-74).

        Args:
            workflow_id: The workflow.
            payload: A note about who starts it, sent in a header as Base64 of compact JSON.

        Raises:
            DataFlowError: With ``may_have_run`` set where the workflow may have started all the same.

        Source: https://api.ncloud-docs.com/docs/executeworkflow
        """
        return await self._calls.call(
            op.EXECUTE_WORKFLOW,
            workflow_id,
            headers=payload_headers(payload),
            fill={"workflowId": workflow_id},
        )

    async def executions_page(
        self,
        workflow_id: str,
        page: int = 0,
        limit: int = defaults.PAGE_LIMIT,
        filter: str | None = None,  # noqa: A002  # the wire's name
    ) -> Page[JobExecution]:
        """Return one page of a workflow's runs (getWorkflowExecutions); a row is the run of one job.

        Args:
            workflow_id: The workflow.
            page: Number of the page, from 0.
            limit: Rows of a page, from 1.
            filter: Text that is documented to match the workflow's name (contract/notes.md#ruling-60).

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getworkflowexecutions
        """
        return await self._calls.call(
            op.GET_WORKFLOW_EXECUTIONS,
            workflow_id,
            query={**window(page, limit), "filter": named(filter, "filter")},
        )

    async def executions(
        self, workflow_id: str, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[JobExecution]:
        """List all runs of a workflow's jobs, each once, in no documented order; pages of ``limit`` rows, from 1, are fetched."""
        rows = every_row(
            lambda page: self.executions_page(workflow_id, page, limit), lambda run: run.job_execution_id
        )
        async for run in rows:
            yield run

    async def delete(self, workflow_id: str) -> None:
        """Delete a workflow (deleteWorkflow). If the first attempt's answer was lost, a 404 of the second counts as done.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-deleteworkflow
        """
        await self._calls.call(op.DELETE_WORKFLOW, workflow_id)

    async def _nodes(self, nodes: object, trigger: object, jobs: object) -> WireNodes:
        """Return nodes under the wire's names; what they need of a trigger and jobs is fetched once all is checked."""
        if trigger is None and jobs is None:
            if nodes is None:
                raise checks.refuse("nodes", nodes, "given, or trigger and jobs")
            return nodes_to_wire(nodes)
        if nodes is not None:
            raise checks.refuse("nodes", nodes, "left out where trigger and jobs are given")
        if not isinstance(trigger, Trigger | str):
            allowed = "a Trigger or a trigger id (triggers.create makes one of a rule)"
            raise checks.refuse("trigger", trigger, allowed)
        trigger_id = checks.text(trigger if isinstance(trigger, str) else trigger.trigger_id, "trigger")
        planned = plan(jobs)
        start = (
            trigger
            if isinstance(trigger, Trigger)
            else await self._calls.call(op.GET_TRIGGER, trigger_id, fill={"triggerId": trigger_id})
        )
        fetched = {
            job.job_id: await self._calls.call(op.GET_JOB, job.job_id, fill={"jobId": job.job_id})
            for job in planned
            if job.stored is None
        }
        return nodes_to_wire(nodes_of(start, planned, fetched))


def payload_headers(payload: object) -> dict[str, str] | None:
    """Return the header that carries a note about who starts a workflow, or None without one.

    Raises:
        InvalidRequest: It is no mapping, or can't be written as JSON.
    """
    if payload is None:
        return None
    note = jsontext.write(checks.mapping(payload, "payload"), "payload")
    return {PAYLOAD_HEADER: b64encode(note).decode()}
