"""Waiting for the runs of a workflow up to a deadline: what the event says, and what is cancelled."""

import json
import logging

import pytest

from dataflow_async import InvalidRequest, TriggerRule, WorkflowJobNode, WorkflowTriggerNode, defaults
from dataflow_async.airflow.workflow_wait import WorkflowWait, cancel_unfinished
from dataflow_async.emulator import Emulator
from tests.support.clocks import LeapClock
from tests.support.workflow_scripts import ROLE

LOG = logging.getLogger("a task")
LONG = ("COMPLETED", 1e6)


@pytest.fixture
def clock():
    return LeapClock()


@pytest.fixture
async def server(clock):
    async with Emulator(clock=clock, ready_seconds=(0, 0), run_seconds=(10, 10)) as server:
        yield server


@pytest.fixture
async def flow(server, clock):
    async with server.client(clock=clock) as flow:
        yield flow


async def started(flow, server, **scripts):
    """Start a workflow in which ``b`` follows ``a`` and ``c`` stands for itself; returns the start, and the jobs."""
    trigger = await flow.triggers.create("by_hand", TriggerRule.manual())
    jobs = {name: (await flow.jobs.create(f"job_{name}")).job_id for name in "abc"}
    nodes = [WorkflowTriggerNode(trigger.trigger_id, "start")]
    for name, job_id in jobs.items():
        parents = [jobs["a"]] if name == "b" else [trigger.trigger_id]
        nodes.append(WorkflowJobNode(job_id, name, parents, ROLE))
        server.script(job_id, [scripts.get(name, "COMPLETED")])
    workflow = (await flow.workflows.create("dawn_rollup", nodes)).workflow_id
    return await flow.begin_workflow(workflow), jobs


def by_job(event, jobs):
    names = {job_id: name for name, job_id in jobs.items()}
    return {names[report.job_id]: report.status for report in event.runs}


def statuses(server):
    return sorted(str(server.status(each)) for each in server.state.executions)


async def test_the_ends_of_all_runs_are_reported(server, flow, clock, caplog):
    caplog.set_level("INFO")
    start, jobs = await started(flow, server)
    event = await WorkflowWait(start).event(flow, clock, LOG)
    assert (event.ended_by, event.error) == ("terminal", None)
    assert by_job(event, jobs) == dict.fromkeys("abc", "COMPLETED")
    assert f"of job {jobs['b']} is COMPLETED" in caplog.text


async def test_a_run_that_failed_is_an_end_and_what_follows_it_is_not_waited_for(server, flow, clock):
    start, jobs = await started(flow, server, a="FAILED")
    event = await WorkflowWait(start).event(flow, clock, LOG)
    assert (event.ended_by, event.error) == ("terminal", None)
    assert by_job(event, jobs) == {"a": "FAILED", "c": "COMPLETED"}


async def test_after_the_deadline_all_that_goes_on_is_cancelled(server, flow, clock):
    start, jobs = await started(flow, server, a=LONG)
    event = await WorkflowWait(start, clock.time() + 100).event(flow, clock, LOG)
    assert event.ended_by == "deadline"
    assert by_job(event, jobs) == {"a": "CANCELED", "c": "COMPLETED"}
    assert statuses(server) == ["CANCELED", "COMPLETED"]


async def test_a_deadline_can_leave_the_runs_alone(server, flow, clock):
    start, jobs = await started(flow, server, c=LONG)
    event = await WorkflowWait(start, clock.time() + 100, cancel_on_deadline=False).event(flow, clock, LOG)
    assert event.ended_by == "deadline"
    assert {"a": "COMPLETED", "c": "RUNNING"}.items() <= by_job(event, jobs).items()
    assert "CANCELED" not in statuses(server)


async def test_runs_that_begin_while_others_are_cancelled_are_cancelled_too(server, flow, clock):
    """The service begins ``b`` when ``a`` has completed by itself, after the first list of what goes on."""
    start, _ = await started(flow, server, a=("COMPLETED", 3), b=LONG, c=LONG)
    runs = await cancel_unfinished(flow, start, clock, LOG)
    assert {run.status for run in runs} <= {"CANCELED", "COMPLETED"}
    assert "RUNNING" not in statuses(server)


async def test_a_cancellation_that_is_not_confirmed_is_logged(server, flow, clock, caplog, monkeypatch):
    monkeypatch.setattr(defaults, "DEADLINE_CANCEL_TIMEOUT", 0.3)
    start, jobs = await started(flow, server, a=LONG)
    server.state.lifecycle_settings.cancel_seconds = (1e9, 1e9)
    event = await WorkflowWait(start, clock.time() + 100).event(flow, clock, LOG)
    assert event.ended_by == "deadline"
    assert by_job(event, jobs)["a"] == "RUNNING"
    assert "are not confirmed, they may go on: no answer in time" in caplog.text


async def test_another_start_that_is_mixed_up_with_it_is_an_error_and_cancels_nothing(server, flow, clock):
    start, _ = await started(flow, server, a=LONG, c=LONG)
    await flow.workflows.execute(start.workflow_id)
    event = await WorkflowWait(start, clock.time() + 1e4).event(flow, clock, LOG)
    assert event.ended_by == "error"
    assert event.error.kind == "LaunchUncertain"
    assert "CANCELED" not in statuses(server)


async def test_arguments_of_a_trigger_are_a_wait(server, flow):
    start, _ = await started(flow, server)
    arguments = json.loads(json.dumps({"workflow_start": start.to_json(), "deadline": 5}))
    assert WorkflowWait.of(arguments) == WorkflowWait(start, 5)
    assert not WorkflowWait.of({**arguments, "cancel_on_deadline": False}).cancel_on_deadline


@pytest.mark.parametrize("start", [None, "w", {}, {"version": 9}])
def test_what_is_no_start_is_refused(start):
    with pytest.raises(InvalidRequest, match="start must be "):
        WorkflowWait.of({"workflow_start": start})
