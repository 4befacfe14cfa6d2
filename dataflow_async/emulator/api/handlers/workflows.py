"""The calls about workflows."""

from typing import Any

from dataflow_async.emulator.api import serializers, stored_members
from dataflow_async.emulator.api.handlers.request import (
    ValidRequest,
    executions_page,
    found,
    newest_named,
    page,
)
from dataflow_async.emulator.api.responses import Answer, bad_parameter, bad_state
from dataflow_async.emulator.service.state import State, Trigger, Workflow


def _workflow(state: State, request: ValidRequest) -> Workflow:
    return found(state.workflows, request.ids["workflowId"])


def _existing_nodes(state: State, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for index, node in enumerate(nodes):
        things: dict[str, Any] = state.jobs if node["type"] == "JOB" else state.triggers
        if node["id"] not in things:
            raise bad_parameter(f"nodes[{index}].id must be the id of an existing {node['type'].lower()}.")
    return list(map(stored_members.workflow_node, nodes))


def create_workflow(state: State, request: ValidRequest) -> Answer:
    """Add a new workflow."""
    nodes = _existing_nodes(state, request.body["nodes"])
    workflow = Workflow(state.new_id(), request.body["name"], nodes, request.now, request.now)
    state.workflows[workflow.workflow_id] = workflow
    return Answer(201, serializers.workflow(workflow, state))


def get_workflows(state: State, request: ValidRequest) -> Answer:
    """List workflows."""
    found = newest_named(request, state.workflows, lambda workflow: workflow.name)
    return page(request, (serializers.workflow_row(workflow, state) for workflow in found))


def get_workflow_by_id(state: State, request: ValidRequest) -> Answer:
    """Show a workflow."""
    return Answer(200, serializers.workflow(_workflow(state, request), state))


def update_workflow(state: State, request: ValidRequest) -> Answer:
    """Replace name and nodes."""
    workflow = _workflow(state, request)
    workflow.nodes = _existing_nodes(state, request.body["nodes"])
    workflow.name = request.body["name"]
    workflow.updated_at = request.now
    return Answer(200, serializers.workflow(workflow, state))


def delete_workflow(state: State, request: ValidRequest) -> Answer:
    """Remove a workflow; runs that it has started continue."""
    del state.workflows[_workflow(state, request).workflow_id]
    return Answer(200, True)


def execute_workflow(state: State, request: ValidRequest) -> Answer:
    """Fire the start trigger by hand and answer with a receipt that names no run.

    See contract/notes.md#ruling-74 and contract/notes.md#ruling-75.
    """
    workflow = _workflow(state, request)
    trigger = _start_trigger(state, workflow)
    if gone := state.deleted_jobs(workflow):
        raise bad_state(f"The jobs of these nodes are deleted: {', '.join(gone)}.")
    state.launch_workflow(workflow, trigger, request.now)
    return Answer(
        202, {"workflowId": workflow.workflow_id, "triggerId": trigger.trigger_id, "status": "ACCEPTED"}
    )


def _start_trigger(state: State, workflow: Workflow) -> Trigger:
    trigger = state.triggers.get(workflow.start_trigger_id or "")
    if trigger is None:
        raise bad_state(f"The workflow {workflow.workflow_id} has no start trigger.")
    if trigger.type not in {"NONE", "EVENT"}:
        raise bad_state(
            f"The start trigger must be of type NONE or EVENT; {trigger.trigger_id} is {trigger.type}."
        )
    return trigger


def get_workflow_executions(state: State, request: ValidRequest) -> Answer:
    """List the job runs of a workflow; the filter is compared with the name of that workflow (contract/notes.md#ruling-60)."""
    workflow = _workflow(state, request)
    named = request.query.get("filter", "") in workflow.name
    return executions_page(state, request, workflow.executions if named else [])
