"""Workflows and their runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from dataflow_async import defaults
from dataflow_async.models import checks
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.page import Page
from dataflow_async.models.workflow import (
    Workflow,
    WorkflowJobNode,
    WorkflowReceipt,
    WorkflowSummary,
    WorkflowTriggerNode,
    nodes_to_wire,
)
from dataflow_async.resources.base import Resource, body_of
from dataflow_async.resources.paging import every_row, named, window
from dataflow_async.wire import jsontext
from dataflow_async.wire import operation as op

Nodes = Iterable[WorkflowTriggerNode | WorkflowJobNode | Mapping[str, Any]]
PAYLOAD_HEADER = "x-ncp-dataflow-payload"


class Workflows(Resource):
    """``flow.workflows``. Every method raises errors of the `DataFlowError` tree and no others."""

    async def create(self, name: str, nodes: Nodes, *, extra: Mapping[str, Any] | None = None) -> Workflow:
        """Create a workflow (createWorkflow). Never repeated on a guess.

        Args:
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-`` (ruling 34).
            nodes: Typed nodes or mappings with the wire's names; parents must exist and form no cycle.
            extra: Members of newer docs that have no argument here (ruling 33).
        """
        body = body_of(extra, name=checks.name(name), nodes=nodes_to_wire(nodes))
        return await self._calls.call(op.CREATE_WORKFLOW, body=body)

    async def get(self, workflow_id: str) -> Workflow:
        """Read a workflow (getWorkflowById)."""
        return await self._calls.call(op.GET_WORKFLOW, workflow_id, fill={"workflowId": workflow_id})

    async def page(self, page: int = 0, limit: int = defaults.PAGE_LIMIT) -> Page[WorkflowSummary]:
        """Read one page of workflows (getWorkflows)."""
        return await self._calls.call(op.GET_WORKFLOWS, query=window(page, limit))

    async def list(self, *, limit: int = defaults.PAGE_LIMIT) -> AsyncIterator[WorkflowSummary]:
        """Walk all workflows, each once; pages of ``limit`` are fetched as they are needed."""
        rows = every_row(lambda page: self.page(page, limit), lambda workflow: workflow.workflow_id)
        async for workflow in rows:
            yield workflow

    async def update(
        self, workflow_id: str, name: str, nodes: Nodes, *, extra: Mapping[str, Any] | None = None
    ) -> Workflow:
        """Replace a workflow (updateWorkflow); arguments as for `create`."""
        body = body_of(extra, name=checks.name(name), nodes=nodes_to_wire(nodes))
        return await self._calls.call(
            op.UPDATE_WORKFLOW, workflow_id, body=body, fill={"workflowId": workflow_id}
        )

    async def execute(self, workflow_id: str, *, payload: Mapping[str, Any] | None = None) -> WorkflowReceipt:
        """Start a workflow now (executeWorkflow). Never repeated on a guess.

        Only a manual or an event start trigger allows it (ruling 75). The receipt names no run (ruling 74).

        Args:
            workflow_id: The workflow.
            payload: A note about the caller, sent in a header as Base64 of compact JSON (ruling 76).
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
        """Read one page of a workflow's runs (getWorkflowExecutions); a row is the run of one job.

        ``filter`` is said to match the workflow's name (ruling 60).
        """
        return await self._calls.call(
            op.GET_WORKFLOW_EXECUTIONS,
            workflow_id,
            query={**window(page, limit), "filter": named(filter, "filter")},
        )

    async def executions(
        self, workflow_id: str, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[JobExecution]:
        """Walk all runs of a workflow's jobs, each once, in no documented order."""
        rows = every_row(
            lambda page: self.executions_page(workflow_id, page, limit), lambda run: run.job_execution_id
        )
        async for run in rows:
            yield run

    async def delete(self, workflow_id: str) -> None:
        """Delete a workflow (deleteWorkflow); gone after an unclear first attempt counts as done (ruling 29)."""
        await self._calls.call(op.DELETE_WORKFLOW, workflow_id)


def payload_headers(payload: object) -> dict[str, str] | None:
    """Give the header that carries a note about the caller, or None without one (ruling 76).

    Raises:
        InvalidRequest: It is no mapping, or can't be written as JSON.
    """
    if payload is None:
        return None
    note = jsontext.write(checks.mapping(payload, "payload"), "payload")
    return {PAYLOAD_HEADER: b64encode(note).decode()}
