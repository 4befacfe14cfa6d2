"""Views of the state as JSON values; a member without a value is left out (contract/notes.md#ruling-68)."""

from typing import Any

from dataflow_async.emulator.service.dates import with_zone, without_zone
from dataflow_async.emulator.service.state import Execution, Job, State, Trigger, Workflow

View = dict[str, Any]


def _present(view: View) -> View:
    return {name: value for name, value in view.items() if value is not None}


def job(it: Job, now: float) -> View:
    """Return a whole job; its status is always READY (contract/notes.md#ruling-63)."""
    return _present(
        {
            "jobId": it.job_id,
            "name": it.name,
            "type": it.type,
            "status": "READY",
            "maxConcurrentRuns": it.max_concurrent_runs,
            "nodes": it.nodes,
            "jobCondition": it.condition,
            "createdDate": with_zone(it.created_at),
            "updatedDate": with_zone(it.updated_at),
            **_last_execution(it, now),
        }
    )


def job_row(it: Job, now: float) -> View:
    """Return a job as a row of getJobs."""
    return {
        "jobId": it.job_id,
        "name": it.name,
        "type": it.type,
        "status": "READY",
        "createdDate": with_zone(it.created_at),
        "updatedDate": with_zone(it.updated_at),
        "resourceId": it.job_id,
        "disabled": False,
        **_last_execution(it, now),
    }


def _last_execution(it: Job, now: float) -> View:
    if not it.executions:
        return {}
    lifecycle = it.executions[-1].lifecycle
    return {
        "lastExecutionStatus": lifecycle.status(now),
        "lastExecutionDate": with_zone(lifecycle.created_at),
    }


def execution(it: Execution, now: float, speed: float) -> View:
    """Return a run. Waiting and running time are emulated minutes; dates are those of the clock."""
    lifecycle, origin = it.lifecycle, it.origin
    view: View = {
        "jobExecutionId": it.execution_id,
        "jobId": it.job_id,
        "jobName": it.job_name,
        "jobCondition": it.condition,
        "status": lifecycle.status(now),
        "createdDate": with_zone(lifecycle.created_at),
    }
    if (started := lifecycle.started(now)) is not None:
        view["startDate"] = with_zone(started)
    if (ended := lifecycle.ended(now)) is not None:
        view["endDate"] = with_zone(ended)
    if origin.trigger_id is not None:
        view["triggerId"], view["triggerName"] = origin.trigger_id, origin.trigger_name
    waited, worked = lifecycle.durations(now)
    view["waitingTime"], view["runningTime"] = _minutes(waited, speed), _minutes(worked, speed)
    view["executorNum"] = it.condition["numWorker"]
    view["parsedParameters"] = it.parameters
    view["type"] = origin.kind
    return view


def execution_in_full(it: Execution, now: float, speed: float) -> View:
    """Return a run as getJobExecutionById shows it: once it has started, with the path of its console log."""
    view = execution(it, now, speed)
    if "startDate" in view:
        path = it.condition.get("logPath", "") + it.execution_id
        view["jobCondition"] = {**it.condition, "consoleLogPath": path}
    return view


def _minutes(wall_seconds: float, speed: float) -> float:
    return round(wall_seconds * speed / 60, 6)


def trigger(it: Trigger) -> View:
    """Return a trigger; its dates have no zone (contract/notes.md#ruling-66)."""
    return {
        "triggerId": it.trigger_id,
        "name": it.name,
        "type": it.type,
        "triggerRule": it.rule,
        "createdDate": without_zone(it.created_at),
        "updatedDate": without_zone(it.created_at),
    }


def workflow(it: Workflow, state: State) -> View:
    """Return a whole workflow."""
    return {
        "workflowId": it.workflow_id,
        "name": it.name,
        "nodes": [_workflow_node(node, state) for node in it.nodes],
        "createdDate": with_zone(it.created_at),
        "updatedDate": with_zone(it.updated_at),
    }


def workflow_row(it: Workflow, state: State) -> View:
    """Return a workflow as a row of getWorkflows."""
    view = workflow(it, state)
    rules = [node.get("triggerRule") for node in view["nodes"] if node["type"] == "TRIGGER"]
    return _present(
        {
            **view,
            "triggerRuleType": rules[0] if rules else None,
            "lastExecutionDate": with_zone(it.executions[-1].lifecycle.created_at) if it.executions else None,
            "resourceId": it.workflow_id,
            "disabled": False,
        }
    )


def _workflow_node(node: View, state: State) -> View:
    """Return a node as it was stored, and whether its job or trigger still exists."""
    if node["type"] == "JOB":
        return {**node, "isValid": node["id"] in state.jobs}
    behind = state.triggers.get(node["id"])
    rule = {"triggerRule": behind.rule["type"]} if behind else {}
    return {**rule, **node, "isValid": behind is not None}
