"""Tasks of the client under every task factory: kept before they run, and under nobody's context."""

import asyncio
import re
from contextvars import ContextVar
from pathlib import Path

import pytest

import dataflow_async
from dataflow_async import Launch, PollPolicy, tasks
from dataflow_async.bulk.options import RunOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.worker_pool import WorkerPool
from dataflow_async.emulator import Emulator
from dataflow_async.models.launch import Outcome
from tests.support.clocks import LeapClock
from tests.support.factories import FACTORIES
from tests.support.fake_service import FakeService, Waits
from tests.support.warp import warped

ROOT = Path(dataflow_async.__file__).parent
WHO = ContextVar("who", default="nobody")


@pytest.fixture(params=[None, *FACTORIES])
def factory(request):
    return FACTORIES.get(request.param)


# --- the helper ----------------------------------------------------------------------------------------------


async def test_a_task_takes_its_first_step_after_it_was_handed_over(factory):
    asyncio.get_running_loop().set_task_factory(factory)
    kept, seen = [], []

    async def work(name):
        seen.append(list(kept))
        return name

    kept.append(tasks.start(work, "one"))
    kept.append(tasks.start_detached(work, "two"))
    assert seen == []
    assert await asyncio.gather(*kept) == ["one", "two"]
    assert seen == [kept, kept]


async def test_a_detached_task_has_an_empty_context(factory):
    asyncio.get_running_loop().set_task_factory(factory)
    WHO.set("somebody")

    async def work():
        return WHO.get()

    assert await tasks.start(work) == "somebody"
    assert await tasks.start_detached(work) == "nobody"


async def test_work_cancelled_before_it_began_was_never_begun(factory):
    asyncio.get_running_loop().set_task_factory(factory)

    async def work():
        raise AssertionError

    for start in (tasks.start, tasks.start_detached):
        task = start(work)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_task_tells_what_it_does():
    task = tasks.start(asyncio.sleep, 0)
    assert "sleep" in repr(task)
    await task


def test_no_other_file_of_the_client_creates_tasks():
    creates = re.compile(r"create_task|ensure_future|TaskGroup|asyncio\.Task\(|wait_for\(")
    files = [path for path in ROOT.rglob("*.py") if "emulator" not in path.parts and "cli" not in path.parts]
    assert len(files) > 50
    assert [path.name for path in files if creates.search(path.read_text("utf-8"))] == ["tasks.py"]


# --- whoever uses it -----------------------------------------------------------------------------------------


@warped
async def test_every_wait_ends(factory):
    asyncio.get_running_loop().set_task_factory(factory)
    service = FakeService(latency=0.1)
    waits = Waits(service)
    refs = [service.start(ends=20.0, job=f"job{number % 20}") for number in range(100)]
    waits.begin(refs)
    assert [run.ref for run in await waits.all()] == refs
    await waits.at_rest()


@warped
async def test_polls_are_made_in_nobodys_context(factory):
    asyncio.get_running_loop().set_task_factory(factory)
    service = FakeService(latency=0.1)
    seen = set()

    def note(*answer):
        seen.add(WHO.get())
        return answer[-1]

    service.page = service.get = note
    WHO.set("the first who waited")
    waits = Waits(service)
    waits.begin([service.start(ends=20.0, job=f"job{number % 3}") for number in range(10)])
    await waits.all()
    assert seen == {"nobody"}


class InstantPipeline:
    """Launches that are over at once."""

    async def opened(self):
        return self

    async def outcome(self, launch, number, context):
        return Outcome(launch.key, launch, None, None, "COMPLETED", resumed=False)

    async def aclose(self):
        """Nothing is to be closed."""


async def test_a_bulk_run_does_not_start_its_workers_inside_each_other(factory):
    asyncio.get_running_loop().set_task_factory(factory)
    options = RunOptions(3000, None, None, None, 60.0, None)
    launches = [Launch("job", key=str(number)) for number in range(3000)]
    pool = WorkerPool(launches, InstantPipeline().opened, Outage(LeapClock()), options, LeapClock())
    for _ in launches:
        assert (await pool.next_outcome()).status == "COMPLETED"
    with pytest.raises(StopAsyncIteration):
        await pool.next_outcome()


@pytest.mark.skipif("eager" not in FACTORIES, reason="not run: eager factories came with Python 3.12")
async def test_everything_works_under_an_eager_task_factory(tmp_path):
    asyncio.get_running_loop().set_task_factory(FACTORIES["eager"])
    poll = PollPolicy(min_interval=0.01, max_interval=0.05)
    async with Emulator(speed=1000) as server, server.client(poll=poll) as flow:
        job = (await flow.jobs.create("orders_rollup", type="SCRIPT")).job_id
        assert (await flow.run(job)).status == "COMPLETED"
        runs = [await flow.jobs.execute(job) for _ in range(20)]
        assert len(await flow.wait_all(runs)) == 20
        assert len([run async for run in flow.as_finished(runs)]) == 20
        launches = [Launch(job, parameters={"n": str(number)}, key=str(number)) for number in range(50)]
        async with flow.run_all(launches, journal=tmp_path / "j.db", max_in_flight=50) as run:
            outcomes = [outcome async for outcome in run]
        assert {outcome.status for outcome in outcomes} == {"COMPLETED"}


@pytest.mark.parametrize("name", sorted(FACTORIES.keys() - {"plain"}))  # uvloop wants more of a factory
def test_uvloop_keeps_tasks_before_they_run_as_well(name):
    uvloop = pytest.importorskip("uvloop", reason="not run: uvloop is not installed")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(FACTORIES[name])
        WHO.set("somebody")
        kept, seen = [], []

        async def work():
            seen.append((len(kept), WHO.get()))

        probe = asyncio.sleep(0)
        try:
            await loop.create_task(probe)
            kept.append(tasks.start(work))
            kept.append(tasks.start_detached(work))
            await asyncio.gather(*kept)
        except TypeError as problem:
            probe.close()
            pytest.skip(f"not run: this uvloop can't use this factory for any task: {problem}")
        finally:
            loop.set_task_factory(None)
        return seen

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == [(2, "somebody"), (2, "nobody")]
