"""A workflow started once and followed to its end, against the emulator."""

import asyncio
import random

import pytest

from dataflow_async import (
    BadState,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    LaunchUncertain,
    NotFound,
    TriggerRule,
    WaitTimeout,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.emulator.service.state import Workflow
from tests.support.clocks import LeapClock
from tests.support.examples import in_slow
from tests.support.internals import calls_of
from tests.support.workflow_scripts import (
    ROLE,
)


async def made(flow, shape, *, rule=None):
    """A workflow of new jobs; ``shape`` maps names to names of parents, and gives the order of the nodes."""
    trigger = await flow.triggers.create("by_hand", rule or TriggerRule.manual())
    jobs = {name: (await flow.jobs.create(f"job_{name}")).job_id for name in shape}
    nodes = [WorkflowTriggerNode(trigger.trigger_id, "start")]
    for name, parents in shape.items():
        following = [jobs[parent] for parent in parents] or [trigger.trigger_id]
        nodes.append(WorkflowJobNode(jobs[name], name, following, ROLE))
    return (await flow.workflows.create("dawn_rollup", nodes)).workflow_id, jobs


SHAPES = {
    "one job": {"a": ""},
    "job after job": {"a": "", "b": "a", "c": "b"},
    "two at once": {"a": "", "b": ""},
    "a diamond, children first": {"d": "bc", "b": "a", "c": "a", "a": ""},
    "a short cut": {"a": "", "b": "a", "c": "ab"},
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_job_is_awaited_and_given_in_node_order(shape):
    clock = LeapClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES[shape])
        runs = await flow.run_workflow(workflow, timeout=86_400)
        assert [run.job_id for run in runs] == list(jobs.values())
        assert {run.status for run in runs} == {"COMPLETED"}
        assert {run.job_execution_id for run in runs} == set(server.state.executions)


async def test_each_start_gets_its_own_runs_however_soon_after_the_last():
    clock = LeapClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["a diamond, children first"])
        seen = set()
        for _ in range(5):
            runs = {run.job_execution_id for run in await flow.run_workflow(workflow, timeout=86_400)}
            assert len(runs) == 4
            assert not runs & seen
            seen |= runs


async def test_hours_of_waiting_take_no_time_and_few_polls_of_the_list():
    clock = LeapClock()
    hours = (7200, 7200)
    async with Emulator(clock=clock, run_seconds=hours) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["job after job"])
        lists = 0
        page = flow.workflows.executions_page

        async def counted(*args, **settings):
            nonlocal lists
            lists += 1
            return await page(*args, **settings)

        flow.workflows.executions_page = counted
        assert len(await flow.run_workflow(workflow, timeout=86_400)) == 3
    assert clock.ticks >= 3 * 7200
    assert lists < 20


async def test_what_follows_a_job_that_failed_is_not_waited_for():
    clock = LeapClock()
    async with Emulator(clock=clock, fail_rate=1) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        with pytest.raises(ExecutionFailed) as caught:
            await flow.run_workflow(workflow, timeout=86_400)
    assert caught.value.execution.job_id == jobs["a"]
    assert caught.value.executions == (caught.value.execution,)
    assert caught.value.may_have_run


async def test_a_run_that_is_cancelled_elsewhere_ends_the_wait():
    clock = ManualClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        running = asyncio.create_task(flow.run_workflow(workflow, timeout=86_400))
        await started(server)
        (execution_id,) = server.state.executions
        await flow.jobs.cancel_execution(jobs["a"], execution_id)
        while not running.done():
            await clock.push(1)
        with pytest.raises(ExecutionCanceled) as caught:
            await running
    assert caught.value.execution_ref == ExecutionRef(jobs["a"], execution_id)


async def test_only_a_start_by_hand_is_accepted_and_a_refusal_is_passed_on():
    async with Emulator() as server, server.client() as flow:
        workflow, _ = await made(flow, {"a": ""}, rule=TriggerRule.daily("03:30"))
        with pytest.raises(BadState) as refused:
            await flow.run_workflow(workflow, timeout=86_400)
        with pytest.raises(NotFound):
            await flow.run_workflow("NoSuchThing1")
    assert not refused.value.may_have_run
    assert not server.state.executions


async def test_a_deleted_job_keeps_a_workflow_from_being_started():
    async with Emulator() as server, server.client() as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        await flow.jobs.delete(jobs["b"])
        with pytest.raises(InvalidRequest, match=rf"{jobs['b']}, which is deleted \(isValid is false\)"):
            await flow.run_workflow(workflow, timeout=86_400)
    assert not server.state.executions


async def test_a_cancelled_start_leaves_nothing_behind_and_carries_what_is_known():
    clock, before = ManualClock(), asyncio.all_tasks()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, {"a": ""})
        running = asyncio.create_task(flow.run_workflow(workflow, timeout=86_400))
        await started(server)
        await clock.push(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
        assert [run.job_execution_id for run in caught.value.executions] == list(server.state.executions)
        assert calls_of(flow).limiter.acquired == 0
    assert asyncio.all_tasks() <= before


async def started(server):
    while not server.state.executions:
        await asyncio.sleep(0)


@pytest.fixture
def starts(monkeypatch):
    """All starts of workflows that an emulator in this process has begun."""
    begun, begin = [], Workflow.begin

    def remembered(*args):
        begun.append(begin(*args))
        return begun[-1]

    monkeypatch.setattr(Workflow, "begin", remembered)
    return begun


async def overlapping(server, clock, starts, chance, *, apart=5.0, count=3):
    """Start one workflow several times at once; return how often it was uncertain whose runs are whose."""
    owned, uncertain = {}, 0
    async with server.client(clock=clock) as flow:
        workflow, _ = await made(flow, chance.choice(list(SHAPES.values())))
        execute, one_at_a_time = flow.workflows.execute, asyncio.Lock()

        async def owning(*args, **settings):
            async with one_at_a_time:
                receipt = await execute(*args, **settings)
                owned[asyncio.current_task()] = starts[-1]
            return receipt

        async def one():
            nonlocal uncertain
            await clock.sleep(chance.uniform(0, apart))
            try:
                runs = await flow.run_workflow(workflow, timeout=3_600)
            except (LaunchUncertain, WaitTimeout):
                uncertain += 1
            else:
                mine = owned[asyncio.current_task()].executions.values()
                assert {run.job_execution_id for run in runs} == set(mine)

        flow.workflows.execute = owning
        await asyncio.gather(*(one() for _ in range(count)))
    return uncertain


@pytest.mark.parametrize("seed", range(12))
async def test_starts_that_overlap_are_never_mixed_up(seed, starts):
    """Each gets exactly its own runs, or an error that says that it is uncertain."""
    clock = LeapClock()
    async with Emulator(clock=clock, seed=seed) as server:
        assert await overlapping(server, clock, starts, random.Random(seed))


LYING = [
    "late 8",
    "list-stale",
    "list-gap",
    "list-order",
    "page-cap",
    "dates",
    "dates shift=0 fraction=cut",
    "dates; late 8",
    "date-header 50%",
    "date-header seconds=7200 50%; late 8",
    "date-header seconds=-7200 50%; late 8",
]


@pytest.mark.parametrize("faults", LYING)
@pytest.mark.parametrize("seed", [0, 1, *map(in_slow, range(2, 6))])
async def test_starts_are_never_mixed_up_whatever_lists_and_dates_show(seed, faults, starts):
    clock = LeapClock()
    async with Emulator(clock=clock, seed=seed, faults=faults) as server:
        await overlapping(server, clock, starts, random.Random(seed), apart=120.0)


@pytest.mark.parametrize("shift", [-32_400, 32_400, -3600])
async def test_an_emulator_with_wrong_dates_starts_and_awaits_all_the_same(shift):
    clock = LeapClock()
    faults = f"dates shift={shift}"
    async with Emulator(clock=clock, faults=faults) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        for _ in range(3):
            runs = await flow.run_workflow(workflow, timeout=86_400)
            assert [run.job_id for run in runs] == list(jobs.values())


@pytest.mark.parametrize("cut", [True, False])
async def test_thirty_starts_in_a_row_are_all_distinguished_by_an_emulator(cut):
    clock = LeapClock()
    faults = "dates shift=0 fraction=cut" if cut else ""
    async with Emulator(clock=clock, faults=faults) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["one job"])
        for _ in range(30):
            clock.now += random.Random(7).random()
            (one,) = await flow.run_workflow(workflow, timeout=86_400)
            assert one.status == "COMPLETED"
