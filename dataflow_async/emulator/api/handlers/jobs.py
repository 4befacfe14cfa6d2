"""The calls about jobs and their runs."""

from dataflow_async.emulator.api import serializers, stored_members
from dataflow_async.emulator.api.handlers.request import (
    ValidRequest,
    executions_page,
    found,
    newest_named,
    page,
)
from dataflow_async.emulator.api.responses import Answer, bad_state, not_found
from dataflow_async.emulator.service.state import BY_HAND, Execution, Job, State
from dataflow_async.emulator.service.timeline import Origin


def _job(state: State, request: ValidRequest) -> Job:
    return found(state.jobs, request.ids["jobId"])


def _execution(state: State, request: ValidRequest) -> Execution:
    job, execution_id = _job(state, request), request.ids["executionId"]
    execution = found(state.executions, execution_id)
    if execution.job_id != job.job_id:
        raise not_found(execution_id)
    return execution


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
    found = newest_named(request, state.jobs, lambda job: job.name)
    return page(request, (serializers.job_row(job, request.now) for job in found))


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
    origin = BY_HAND
    if trigger_id is not None or workflow_id is not None:
        trigger = None if trigger_id is None else found(state.triggers, trigger_id)
        if workflow_id is not None:
            found(state.workflows, workflow_id)
        origin = Origin("JOB", trigger_id, trigger.name if trigger else None, workflow_id)
    if job.next_free_at(request.now) > request.now:
        raise bad_state(
            f"{job.job_id} has {job.max_concurrent_runs} runs in progress, as many as it may have."
        )
    execution = state.launch(
        job,
        request.now,
        overrides=stored_members.condition(request.body.get("jobCondition", {})),
        parameters=request.body.get("parameters"),
        origin=origin,
    )
    return Answer(202, serializers.execution(execution, request.now, state.lifecycle_settings.speed))


def get_job_executions(state: State, request: ValidRequest) -> Answer:
    """List the runs of a job."""
    return executions_page(state, request, _job(state, request).executions)


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
