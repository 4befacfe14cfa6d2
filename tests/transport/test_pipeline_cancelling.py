"""Cancelling a call anywhere leaves no task, connection or slot behind."""

import asyncio
import gc
import logging

import pytest

from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.wire.operation import OPERATIONS
from tests.support.client import client
from tests.support.internals import calls_of, connections_in_use
from tests.support.scripted import STALL, scripted

CONDITION = {"nrn": "n", "scriptPath": "s", "logPath": "l"}
PERIOD = ("2026-11-01T00:00:00", "2026-11-02T00:00:00")
NODES = [{"id": "t1", "name": "start", "type": "TRIGGER", "parentNodeIds": []}]

CALLS = {
    "getExecutionResult": lambda flow: flow.dashboard.execution_result(*PERIOD),
    "getExecutionInterval": lambda flow: flow.dashboard.execution_interval(*PERIOD),
    "getExecutionTimes": lambda flow: flow.dashboard.execution_times(*PERIOD),
    "createWorkflow": lambda flow: flow.workflows.create("dawn_rollup", NODES),
    "getWorkflows": lambda flow: flow.workflows.page(),
    "getWorkflowById": lambda flow: flow.workflows.get("w1"),
    "updateWorkflow": lambda flow: flow.workflows.update("w1", "dawn_rollup", NODES),
    "deleteWorkflow": lambda flow: flow.workflows.delete("w1"),
    "getWorkflowExecutions": lambda flow: flow.workflows.executions_page("w1"),
    "executeWorkflow": lambda flow: flow.workflows.execute("w1"),
    "createJob": lambda flow: flow.jobs.create("orders_rollup"),
    "getJobs": lambda flow: flow.jobs.page(),
    "getJobById": lambda flow: flow.jobs.get("j1"),
    "updateJob": lambda flow: flow.jobs.update("j1", type="VISUAL"),
    "deleteJob": lambda flow: flow.jobs.delete("j1"),
    "verifyJob": lambda flow: flow.jobs.verify("orders_rollup", []),
    "executeJob": lambda flow: flow.jobs.execute("j1"),
    "getJobExecutions": lambda flow: flow.jobs.executions_page("j1"),
    "updateJobExecuteConfig": lambda flow: flow.jobs.update_execution_config("j1", {"numWorker": 3}),
    "getJobExecutionById": lambda flow: flow.jobs.execution("j1", "e1"),
    "cancelJobExecution": lambda flow: flow.jobs.cancel_execution("j1", "e1"),
    "createTrigger": lambda flow: flow.triggers.create("by_hand", {"type": "NONE"}),
    "getTriggers": lambda flow: flow.triggers.page(),
    "getTriggerById": lambda flow: flow.triggers.get("t1"),
    "deleteTrigger": lambda flow: flow.triggers.delete("t1"),
}


def test_every_call_is_in_the_table():
    assert set(CALLS) == {operation.name for operation in OPERATIONS}


async def steps(make, at_most=10_000):
    """Cancel ``make()`` after 0, 1, 2 ... turns of the loop, until it ends by itself."""
    for turns in range(at_most):
        task = asyncio.ensure_future(make())
        for _ in range(turns):
            if task.done():
                break
            await asyncio.sleep(0)
        if task.done():
            await asyncio.gather(task, return_exceptions=True)
            return
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        yield turns
    raise AssertionError("it never ended by itself")


@pytest.mark.parametrize("name", CALLS)
async def test_cancelling_at_any_await_leaves_no_task_connection_or_slot(name):
    before = asyncio.all_tasks()
    async with Emulator() as server:
        serving = asyncio.all_tasks()
        points = 0
        async with server.client() as flow:
            async for _ in steps(lambda: CALLS[name](flow)):
                points += 1
                assert calls_of(flow).limiter.acquired == 0
                assert calls_of(flow).limiter.queued == 0
                assert connections_in_use(flow) == 0
            assert points > 3
        assert {task for task in asyncio.all_tasks() - serving if "dataflow" in repr(task)} == set()
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_cancelling_in_the_queue_leaves_nothing():
    async with Emulator() as server, server.client(max_concurrency=1) as flow:
        await calls_of(flow).limiter.acquire()
        waiting = asyncio.create_task(flow.jobs.page())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert calls_of(flow).limiter.queued == 0
        calls_of(flow).limiter.release()
        assert (await flow.jobs.page()).items == []


async def test_cancelling_in_the_pause_between_attempts_leaves_nothing():
    clock = ManualClock()
    from tests.support.scripted import gateway_error

    async with scripted(gateway_error(503, "500")) as server, client(server.url, clock=clock) as flow:
        task = asyncio.create_task(flow.jobs.get("a1"))
        while not server.received or calls_of(flow).limiter.acquired:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_launch_cancelled_in_flight_leaves_a_warning(caplog):
    async with scripted(STALL) as server, client(server.url) as flow:
        task = asyncio.create_task(flow.jobs.execute("a1"))
        while not server.received:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "executeJob /api/v1/jobs/a1/executions: was cancelled in flight: it may have taken effect"
    ]


async def test_read_cancelled_in_flight_leaves_no_warning(caplog):
    async with scripted(STALL) as server, client(server.url) as flow:
        task = asyncio.create_task(flow.jobs.get("a1"))
        while not server.received:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert caplog.records == []


async def test_cancelling_a_candidate_offset_lets_the_next_call_try():
    from email.utils import formatdate

    from tests.support.client import RUN_OF_A1
    from tests.support.clocks import LeapClock
    from tests.support.scripted import answer, gateway_error

    now = 1_800_000_000.0
    refusal = gateway_error(401, "200", Date=formatdate(now + 3600, usegmt=True))
    answers = [refusal, STALL, refusal, answer(202, RUN_OF_A1)]
    async with scripted(*answers) as server, client(server.url, clock=LeapClock(now=now)) as flow:
        first = asyncio.create_task(flow.jobs.execute("a1"))
        while len(server.received) < 2:
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await flow.jobs.execute("a1")).status == "READY"


async def test_closing_leaves_nothing_for_the_garbage_collector_to_complain_about(recwarn):
    async with Emulator() as server:
        flow = server.client()
        await flow.jobs.page()
        await flow.aclose()
        await flow.aclose()
    del flow
    gc.collect()
    assert list(recwarn) == []
