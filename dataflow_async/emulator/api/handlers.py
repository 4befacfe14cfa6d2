"""The effect of each of the 25 calls on the state, and its answer. Requests are validated before."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Any, TypeVar

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api import serializers, stored_members
from dataflow_async.emulator.api.responses import Answer, bad_parameter, bad_state, not_found
from dataflow_async.emulator.service import dates
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.state import Execution, Job, State, Trigger, Workflow
from dataflow_async.emulator.service.timeline import Origin

T = TypeVar("T")


@attrs.frozen
class ValidRequest:
    """One request after validation."""

    ids: Mapping[str, str]
    """Path parameters by name."""
    query: Mapping[str, Any]
    """Query parameters by name, read and with their defaults."""
    body: Any
    now: float
    """The one moment at which this call happens, seconds."""


CallHandler = Callable[[State, ValidRequest], Answer]


def _found(things: dict[str, T], resource_id: str) -> T:
    try:
        return things[resource_id]
    except KeyError:
        raise not_found(resource_id) from None


def _job(state: State, request: ValidRequest) -> Job:
    return _found(state.jobs, request.ids["jobId"])


def _execution(state: State, request: ValidRequest) -> Execution:
    job, execution_id = _job(state, request), request.ids["executionId"]
    execution = _found(state.executions, execution_id)
    if execution.job_id != job.job_id:
        raise not_found(execution_id)
    return execution


def _page(request: ValidRequest, rows: Iterable[dict[str, Any]]) -> Answer:
    """Return one page of a list; ``count`` is the number of rows on it (contract/notes.md#ruling-71)."""
    listed = list(rows)
    body = {
        "list": listed,
        "count": len(listed),
        "page": request.query["page"],
        "limit": request.query["limit"],
    }
    return Answer(200, body)


def _newest(request: ValidRequest, things: Sequence[T]) -> Sequence[T]:
    """Return one page of a list that grows at its end, newest first, without reading the rest of it."""
    end = max(0, len(things) - request.query["page"] * request.query["limit"])
    return things[max(0, end - request.query["limit"]) : end][::-1]


def _newest_named(request: ValidRequest, things: dict[str, T], name_of: Callable[[T], str]) -> Iterable[T]:
    """Return one page of the things whose name contains the text of the query."""
    text = request.query.get("name", "")
    matching = (thing for thing in reversed(things.values()) if text in name_of(thing))
    first = min(request.query["page"] * request.query["limit"], len(things))
    return islice(matching, first, first + min(request.query["limit"], len(things)))


# --- jobs -------------------------------------------------------------------------------------------------------------


def create_job(state: State, request: ValidRequest) -> Answer:
    """Add a new job."""
    body = request.body
    job = state.add_job(
        request.now,
        name=body["name"],
        type=body["type"],
        condition=stored_members.condition(body.get("jobCondition", {})),
        nodes=body.get("nodes", []),
        max_concurrent_runs=body.get("maxConcurrentRuns"),
    )
    return Answer(201, serializers.job(job, request.now))


def get_jobs(state: State, request: ValidRequest) -> Answer:
    """List jobs."""
    found = _newest_named(request, state.jobs, lambda job: job.name)
    return _page(request, (serializers.job_row(job, request.now) for job in found))


def get_job_by_id(state: State, request: ValidRequest) -> Answer:
    """Show a job."""
    return Answer(200, serializers.job(_job(state, request), request.now))


def update_job(state: State, request: ValidRequest) -> Answer:
    """Change the members that are given."""
    job, body = _job(state, request), request.body
    job.type = body["type"]
    job.name = body.get("name", job.name)
    job.nodes = body.get("nodes", job.nodes)
    job.max_concurrent_runs = body.get("maxConcurrentRuns", job.max_concurrent_runs)
    return update_job_execute_config(state, request)


def update_job_execute_config(state: State, request: ValidRequest) -> Answer:
    """Change the stored settings that are given."""
    job = _job(state, request)
    job.condition = job.condition | stored_members.condition(request.body.get("jobCondition", {}))
    job.updated_at = request.now
    return Answer(200, serializers.job(job, request.now))


def verify_job(_state: State, _request: ValidRequest) -> Answer:
    """Accept the draft: its body was validated before."""
    return Answer(200, True)


def delete_job(state: State, request: ValidRequest) -> Answer:
    """Remove a job; its runs still count on the dashboard."""
    del state.jobs[_job(state, request).job_id]
    return Answer(200, True)


def execute_job(state: State, request: ValidRequest) -> Answer:
    """Start a run, unless the job has as many in progress as it may.

    The contract does not say what the service does then (contract/notes.md#ruling-47).
    """
    job = _job(state, request)
    trigger_id, workflow_id = request.query.get("triggerId"), request.query.get("workflowId")
    trigger = None if trigger_id is None else _found(state.triggers, trigger_id)
    if workflow_id is not None:
        _found(state.workflows, workflow_id)
    if job.next_free_at(request.now) > request.now:
        raise bad_state(
            f"{job.job_id} has {job.max_concurrent_runs} runs in progress, as many as it may have."
        )
    execution = state.launch(
        job,
        request.now,
        overrides=stored_members.condition(request.body.get("jobCondition", {})),
        parameters=request.body.get("parameters"),
        origin=Origin("JOB", trigger_id, trigger.name if trigger else None, workflow_id),
    )
    return Answer(202, serializers.execution(execution, request.now, state.lifecycle_settings.speed))


def get_job_executions(state: State, request: ValidRequest) -> Answer:
    """List the runs of a job."""
    return _executions(state, request, _job(state, request).executions)


def _executions(state: State, request: ValidRequest, executions: list[Execution]) -> Answer:
    return _page(
        request,
        (
            serializers.execution(it, request.now, state.lifecycle_settings.speed)
            for it in _newest(request, executions)
        ),
    )


def get_job_execution_by_id(state: State, request: ValidRequest) -> Answer:
    """Show a run; status 202 says that it has not ended yet."""
    execution = _execution(state, request)
    return Answer(
        200 if execution.lifecycle.has_ended(request.now) else 202,
        serializers.execution_in_full(execution, request.now, state.lifecycle_settings.speed),
    )


def cancel_job_execution(state: State, request: ValidRequest) -> Answer:
    """Cancel a run, now or soon; a run that has ended, or ends before the cancel takes hold, keeps its end.

    See contract/notes.md#ruling-79.
    """
    execution = _execution(state, request)
    if not state.cancel(execution, request.now, state.lifecycle_settings.cancel_takes()):
        raise bad_state(
            f"{execution.execution_id} has ended before: {execution.lifecycle.status(request.now)}."
        )
    return Answer(200, True)


# --- workflows --------------------------------------------------------------------------------------------------------


def _workflow(state: State, request: ValidRequest) -> Workflow:
    return _found(state.workflows, request.ids["workflowId"])


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
    found = _newest_named(request, state.workflows, lambda workflow: workflow.name)
    return _page(request, (serializers.workflow_row(workflow, state) for workflow in found))


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
    return _executions(state, request, workflow.executions if named else [])


# --- triggers ---------------------------------------------------------------------------------------------------------


def _trigger(state: State, request: ValidRequest) -> Trigger:
    return _found(state.triggers, request.ids["triggerId"])


def create_trigger(state: State, request: ValidRequest) -> Answer:
    """Add a new trigger."""
    body = request.body
    trigger = Trigger(state.new_id(), body["name"], body["type"], body["triggerRule"], request.now)
    state.add_trigger(trigger)
    return Answer(201, serializers.trigger(trigger))


def get_triggers(state: State, request: ValidRequest) -> Answer:
    """List triggers."""
    found = _newest_named(request, state.triggers, lambda trigger: trigger.name)
    return _page(request, (serializers.trigger(trigger) for trigger in found))


def get_trigger_by_id(state: State, request: ValidRequest) -> Answer:
    """Show a trigger."""
    return Answer(200, serializers.trigger(_trigger(state, request)))


def delete_trigger(state: State, request: ValidRequest) -> Answer:
    """Remove a trigger; workflows that use it show that it is gone."""
    del state.triggers[_trigger(state, request).trigger_id]
    return Answer(200, True)


# --- dashboard --------------------------------------------------------------------------------------------------------


def _period(request: ValidRequest) -> tuple[float, float]:
    start, end = request.query["startDate"], request.query["endDate"]
    if end < start:
        raise bad_parameter("endDate must not be before startDate.")
    return start, end


def _created_within(state: State, request: ValidRequest) -> list[Execution]:
    start, end = _period(request)
    return [it for it in state.executions.values() if start <= it.lifecycle.created_at <= end]


def _by_hour(state: State, request: ValidRequest) -> Counter[int]:
    """Count the runs of a period by the hour of their creation, milliseconds."""
    hour = 3_600_000
    return Counter(
        int(it.lifecycle.created_at * 1000) // hour * hour for it in _created_within(state, request)
    )


def get_execution_result(state: State, request: ValidRequest) -> Answer:
    """Count the runs of a period by their status now."""
    counts = Counter(it.lifecycle.status(request.now) for it in _created_within(state, request))
    return Answer(
        200,
        {
            "totalCount": counts.total(),
            "completedCount": counts[Status.COMPLETED],
            "failedCount": counts[Status.FAILED],
        },
    )


def get_execution_interval(state: State, request: ValidRequest) -> Answer:
    """Count the runs of a period by day.

    A day is shown from its first second to the following midnight (contract/notes.md#ruling-70).
    """
    first, last = (dates.day(bound) for bound in _period(request))
    if (last - first).days >= defaults.MAX_DAYS:
        raise bad_parameter(f"endDate must be at most {defaults.MAX_DAYS} days after startDate.")
    counts: Counter[date] = Counter()
    for hour, runs in _by_hour(state, request).items():  # a day in UTC+9 is made of whole hours
        counts[dates.day(hour / 1000)] += runs
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rows = [
        {
            "totalCount": counts[day],
            "startDate": f"{day}T00:00:01",
            "endDate": f"{day + timedelta(days=1)}T00:00:00",
        }
        for day in days
    ]
    return Answer(200, {"result": rows})


def get_execution_times(state: State, request: ValidRequest) -> Answer:
    """Count the runs of a period by the hour they were created in; hours without a run are left out."""
    hours = sorted(_by_hour(state, request).items())
    return Answer(200, {"result": [{"time": time, "value": value} for time, value in hours]})
