"""Closing a bulk run ends in time whatever hangs, and no outcome vanishes on the way."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from dataflow_async import DataFlow, DataFlowError, Launch, Outcome
from dataflow_async.bulk import factory
from dataflow_async.bulk.options import RunOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.worker_pool import WorkerPool
from tests.bulk.test_launch_pipeline_proof import Listing
from tests.support.client import KEYS, client
from tests.support.internals import session_of
from tests.support.scripted import scripted
from tests.support.warp import LoopClock, WarpLoop, warped


async def hang():
    await asyncio.get_running_loop().create_future()


async def hang_whatever_comes():
    while True:
        with suppress(asyncio.CancelledError):
            await hang()


class Pipeline:
    """Launches that are over at once, unless a part of it hangs."""

    def __init__(self, **parts):
        self.parts = parts

    async def opened(self):
        await self._part("open")
        return self

    async def outcome(self, launch, number, context):
        if number:
            with context.shielded():
                await self._part("outcome")
        return Outcome(str(number), launch, status="COMPLETED")

    async def aclose(self):
        await self._part("aclose")

    async def _part(self, name):
        if name in self.parts:
            await self.parts[name]()


def endless():
    return (Launch("J", key=str(n)) for n in range(1000))


async def hanging_source(how):
    yield Launch("J", key="0")
    try:
        await how()
    except asyncio.CancelledError:  # not GeneratorExit: awaiting after that is reported at any later time
        await how()


SOURCES = {
    "endless": endless,
    "source hangs": lambda: hanging_source(hang),
    "source swallows": lambda: hanging_source(hang_whatever_comes),
}
PARTS = {
    "nothing": {},
    "open": {"open": hang},
    "open swallows": {"open": hang_whatever_comes},
    "outcome": {"outcome": hang},
    "outcome swallows": {"outcome": hang_whatever_comes},
    "aclose": {"aclose": hang},
    "all": {"outcome": hang_whatever_comes, "aclose": hang_whatever_comes},
}


def pool(source, **parts):
    clock = LoopClock()
    return WorkerPool(
        source, Pipeline(**parts).opened, Outage(clock), RunOptions(3, None, None, None, 60.0, None), clock
    )


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("part", PARTS)
def test_leaving_ends_in_time_whatever_hangs(part, source):
    async def leave():
        left = pool(SOURCES[source](), **PARTS[part])
        taking = asyncio.ensure_future(left.next_outcome())
        for _ in range(20):
            await asyncio.sleep(0)
        taking.cancel()
        began = asyncio.get_running_loop().time()
        await left.aclose()
        assert asyncio.get_running_loop().time() - began <= 35

    run_and_forget(leave)


def run_and_forget(program):
    """Run a program in a loop of leaping time; what swallows every cancellation is thrown away with the loop."""
    loop = WarpLoop()
    try:
        loop.run_until_complete(program())
    finally:
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        loop.close()


@pytest.mark.parametrize("hanging", ["keys", "server"])
def test_closing_a_client_ends_in_time_whatever_hangs(hanging):
    class HangingKeys:
        async def get(self):
            if hanging == "keys":
                await hang_whatever_comes()
            return KEYS

    async def close():
        flow = DataFlow(HangingKeys(), base_url="http://127.0.0.1:1", clock=LoopClock())

        async def send(*_):
            await hang_whatever_comes()

        session_of(flow).send = send
        run = flow.run_all(endless(), max_in_flight=3)
        reading = asyncio.ensure_future(flow.jobs.get("J"))
        taking = asyncio.ensure_future(anext(run))
        for _ in range(30):
            await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        await flow.aclose()
        assert asyncio.get_running_loop().time() - began <= 35
        reading.cancel()
        taking.cancel()

    run_and_forget(close)


# --- cancelled from elsewhere ---------------------------------------------------------------------------------


async def cancelled_from_elsewhere():
    raise asyncio.CancelledError


@warped
async def test_an_opening_that_something_else_cancels_does_not_hang():
    run = pool(endless(), open=cancelled_from_elsewhere)
    with pytest.raises(DataFlowError, match="cancelled its opening"):
        await run.next_outcome()


@warped
async def test_no_outcome_vanishes_when_something_else_cancels_a_launch():
    run = pool([Launch("J", key=str(n)) for n in range(5)], outcome=cancelled_from_elsewhere)
    statuses = [(await run.next_outcome()).status for _ in range(5)]
    assert sorted(statuses) == ["COMPLETED"] + ["UNCERTAIN"] * 4
    with pytest.raises(StopAsyncIteration):
        await run.next_outcome()


@warped
async def test_a_source_that_something_else_cancels_does_not_cancel_who_iterates():
    async def source():
        yield Launch("J", key="0")
        await cancelled_from_elsewhere()

    run = pool(source())
    assert (await run.next_outcome()).key == "0"
    with pytest.raises(DataFlowError, match="cancelled its source"):
        await run.next_outcome()


@warped
async def test_no_outcome_vanishes_when_a_pipeline_breaks():
    async def breaks():
        raise ZeroDivisionError

    run = pool([Launch("J", key=str(n)) for n in range(2)], outcome=breaks)
    statuses = [(await run.next_outcome()).status for _ in range(2)]
    assert sorted(statuses) == ["COMPLETED", "UNCERTAIN"]
    with pytest.raises(ZeroDivisionError):
        await run.next_outcome()


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("what", ["launch", "wait"])
async def test_a_call_that_something_else_cancels_is_an_outcome(what, with_journal, tmp_path, monkeypatch):
    path = tmp_path / "backfill.db" if with_journal else None
    service = Listing()
    async with scripted(service) as server, client(server.url) as flow:
        wait, left = flow.wait, 1

        async def once(work, *arguments, **more):
            nonlocal left
            result = await work(*arguments, **more)
            left -= 1
            if left == 0:
                raise asyncio.CancelledError
            return result

        if what == "launch":
            monkeypatch.setattr(factory, "start_run", partial(once, factory.start_run))
        else:
            flow.wait = lambda *them, **more: once(wait, *them, **more)
        more = {"journal": path, "correlation_parameter": "key"} if with_journal else {}
        run = flow.run_all([Launch("J", key=str(n)) for n in range(4)], max_in_flight=1, **more)
        outcomes = {outcome.key: outcome async for outcome in run}
    assert len(outcomes) == len(service.sent) == 4
    odd = outcomes["0"]
    if with_journal and what == "launch":  # it is looked for, and found
        assert (odd.status, odd.execution.job_execution_id) == ("COMPLETED", "run1")
        return
    assert odd.error.may_have_run
    assert (odd.status == "UNCERTAIN") == (what == "launch")
    if what == "wait":
        assert odd.error.execution_ref == odd.execution.ref
