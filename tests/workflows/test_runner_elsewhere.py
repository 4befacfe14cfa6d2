"""A workflow started by one process and awaited by another one."""

import json

import pytest

from dataflow_async import ExecutionFailed, ResponseLost, WaitTimeout
from dataflow_async.emulator import Emulator
from dataflow_async.workflows.start import WorkflowStart
from tests.support.clocks import LeapClock
from tests.workflows.test_runner_emulator import SHAPES, made


def sent(start):
    """The start, as another process reads it."""
    return WorkflowStart.from_json(json.loads(json.dumps(start.to_json())))


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_job_is_awaited_by_another_client(shape):
    clock = LeapClock()
    async with Emulator(clock=clock) as server:
        async with server.client(clock=clock) as flow:
            workflow, jobs = await made(flow, SHAPES[shape])
            await flow.run_workflow(workflow)  # earlier runs, which are not of this start
            start = sent(await flow.begin_workflow(workflow))
        before = set(start.before)
        assert len(before) == len(jobs)
        async with server.client(clock=clock) as flow:
            runs = await flow.follow_workflow(start)
            assert [run.job_id for run in runs] == list(jobs.values())
            assert not before & {run.job_execution_id for run in runs}
            again = await flow.follow_workflow(start, timeout=0)
            assert [run.ref for run in again] == [run.ref for run in runs]


async def test_a_start_is_recorded_before_it_is_sent():
    clock, recorded = LeapClock(), []
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["one job"])

        async def record(start):
            assert not any(event for event in server.history if getattr(event, "what", None) == "started")
            recorded.append(start)

        start = await flow.begin_workflow(workflow, before_start=record)
    (before,) = recorded
    assert before.trigger_id is None
    assert start.trigger_id is not None


async def test_a_start_whose_answer_was_lost_is_followed_by_its_record():
    clock, recorded = LeapClock(), []
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["job after job"])

        async def record(start):
            recorded.append(start)

        server.faults.add("reset", operation="executeWorkflow", when="after", count=1)
        with pytest.raises(ResponseLost):
            await flow.begin_workflow(workflow, before_start=record)
        runs = await flow.follow_workflow(sent(recorded[0]))
        assert [run.status for run in runs] == ["COMPLETED"] * 3


async def test_a_start_that_did_not_happen_shows_no_runs():
    clock, recorded = LeapClock(), []
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["one job"])

        async def record(start):
            recorded.append(start)

        server.faults.add("reset", operation="executeWorkflow", when="before", count=1)
        with pytest.raises(ResponseLost):
            await flow.begin_workflow(workflow, before_start=record)
        with pytest.raises(WaitTimeout) as late:
            await flow.follow_workflow(sent(recorded[0]), timeout=5)
        assert late.value.executions == ()


async def test_a_poll_shows_what_goes_on_and_how_it_failed():
    clock = LeapClock()
    async with Emulator(clock=clock, ready_seconds=(0, 0)) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        start = await flow.begin_workflow(workflow)
        with pytest.raises(WaitTimeout) as going:
            await flow.follow_workflow(start, timeout=0)
        (run,) = going.value.executions
        assert (run.job_id, run.status) == (jobs["a"], "RUNNING")
        server.fail(run.job_execution_id)
        with pytest.raises(ExecutionFailed) as failed:
            await flow.follow_workflow(start, timeout=0)
        assert [it.status for it in failed.value.executions] == ["FAILED"]


async def test_runs_of_days_ago_are_distinguished_by_their_date_alone():
    clock = LeapClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["job after job"])
        await flow.run_workflow(workflow)
        await clock.sleep(3 * 86_400)
        start = sent(await flow.begin_workflow(workflow))
        assert start.before == frozenset()
        assert len(await flow.follow_workflow(start)) == 3
