"""A journal whose run was left without closing it can be taken up again at once."""

import asyncio

import pytest

from dataflow_async import InvalidRequest, Launch
from tests.bulk.test_launch_source_items import Service
from tests.support.client import client
from tests.support.scripted import scripted


def days():
    return [Launch("J", key=f"day-{n}") for n in range(8)]


async def goes_on(flow, path):
    outcomes = {outcome.key: outcome.status async for outcome in flow.run_all(days(), journal=path)}
    assert outcomes == {launch.key: "COMPLETED" for launch in days()}


@pytest.fixture
async def service():
    made = Service()
    async with scripted(made) as server:
        made.url = server.url
        yield made


@pytest.mark.parametrize("client_of_its_own", [False, True])
async def test_after_a_break_the_journal_is_taken_up_again(service, tmp_path, client_of_its_own):
    path = tmp_path / "backfill.db"
    async with client(service.url) as flow, client(service.url) as other:
        run = flow.run_all(days(), journal=path, max_in_flight=2)
        async for _ in run:
            break
        await goes_on(other if client_of_its_own else flow, path)
        with pytest.raises(InvalidRequest, match="taken it up"):  # never silently shorter
            _ = [outcome async for outcome in run]
    assert len(service.sent) == 8


async def test_a_run_that_is_over_stays_so(service, tmp_path):
    path = tmp_path / "backfill.db"
    async with client(service.url) as flow:
        run = flow.run_all(days(), journal=path)
        assert len([outcome async for outcome in run]) == 8
        await goes_on(flow, path)
        assert [outcome async for outcome in run] == []
    assert len(service.sent) == 8


async def test_a_run_that_is_over_is_not_in_the_way_of_those_after_it(service, tmp_path):
    path = tmp_path / "backfill.db"
    async with client(service.url) as flow:
        over = flow.run_all([Launch("J", key="first")], journal=path)
        assert len([outcome async for outcome in over]) == 1

        async def other_task():
            run = flow.run_all(days(), journal=path, max_in_flight=2)
            async for _ in run:
                break
            await goes_on(flow, path)

        await asyncio.create_task(other_task())
        assert [outcome async for outcome in over] == []
    assert len(service.sent) == 9


async def test_after_a_bare_break(service, tmp_path):
    path = tmp_path / "backfill.db"
    async with client(service.url) as flow:
        async for _ in flow.run_all(days(), journal=path, max_in_flight=2):
            break
        await goes_on(flow, path)
    assert len(service.sent) == 8


async def test_after_an_exception_whose_traceback_holds_the_run(service, tmp_path):
    path = tmp_path / "backfill.db"
    async with client(service.url) as flow:

        async def body():
            run = flow.run_all(days(), journal=path, max_in_flight=2)
            async for _ in run:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as kept:
            await body()
        await goes_on(flow, path)
    assert len(service.sent) == 8
    del kept


async def test_after_a_cell_was_interrupted(service, tmp_path):
    """Each cell of a notebook is a task; Ctrl-C cancels it, and its variables stay."""
    path = tmp_path / "backfill.db"
    variables = {}
    async with client(service.url) as flow:

        async def cell():
            variables["run"] = flow.run_all(days(), journal=path, max_in_flight=2)
            await anext(variables["run"])
            await anext(variables["run"])
            await asyncio.get_running_loop().create_future()

        interrupted = asyncio.create_task(cell())
        while len(service.sent) < 3:
            await asyncio.sleep(0)
        interrupted.cancel()
        await asyncio.wait([interrupted])
        await asyncio.create_task(goes_on(flow, path))
    assert len(service.sent) == 8


async def test_a_run_that_somebody_else_iterates_over_keeps_its_journal(service, tmp_path):
    path = tmp_path / "backfill.db"
    release = asyncio.Event()
    async with client(service.url) as flow:

        async def slowly():
            statuses = []
            async for outcome in flow.run_all(days(), journal=path, max_in_flight=2):
                await release.wait()
                statuses.append(outcome.status)
            return statuses

        holder = asyncio.create_task(slowly())
        while not service.sent:
            await asyncio.sleep(0)
        with pytest.raises(InvalidRequest, match=r"another bulk run of this process has it.*aclose"):
            await anext(flow.run_all(days(), journal=path))
        release.set()
        assert await holder == ["COMPLETED"] * 8
    assert len(service.sent) == 8
