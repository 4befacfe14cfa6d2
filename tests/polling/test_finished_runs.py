"""Many runs at once: ``wait_all`` and ``as_finished``, in any order of ends, with bounded memory."""

import asyncio
import gc
import tracemalloc

import pytest

from dataflow_async import (
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    NotFound,
    PollPolicy,
    WaitTimeout,
)
from dataflow_async.polling.finished_runs import FinishedRuns
from dataflow_async.polling.waiter import Waiter
from tests.support.counting import calls_of
from tests.support.fake_service import JOB, FakeService, Waits
from tests.support.warp import WarpLoop, warped


def spawn(work):
    raise AssertionError("nothing is to be cancelled here")


class Many:
    """A fake service, and what a client offers for many of its runs."""

    def __init__(self):
        self.service = FakeService()
        self.waits = Waits(self.service)
        self.tracker = self.waits.tracker
        self._waiter = Waiter(self.tracker, self.service, PollPolicy(), spawn)

    def as_finished(self, refs, timeout=None):
        return self._waiter.as_finished(refs, timeout=timeout)

    async def wait_all(self, refs, timeout=None, *, check=True):
        return await self._waiter.wait_all(refs, timeout=timeout, check=check)


@warped
async def test_wait_all_returns_runs_in_the_order_given_repeats_included():
    many = Many()
    refs = [many.service.start(ends=float(ends)) for ends in (50, 10, 30)]
    refs.append(refs[1])
    assert [run.ref for run in await many.wait_all(refs)] == refs
    assert await many.wait_all([]) == []
    await many.waits.at_rest()


@warped
async def test_wait_all_raises_the_first_error_in_order_only_after_all_are_over():
    many = Many()
    refs = [
        many.service.start(ends=500.0),
        many.service.start(ends=300.0, status="FAILED"),
        many.service.start(ends=10.0, status="CANCELED"),
    ]
    with pytest.raises(ExecutionFailed) as caught:
        await many.wait_all(refs)
    assert caught.value.execution_ref == refs[1]
    assert asyncio.get_running_loop().time() >= 500
    unchecked = await many.wait_all(refs, check=False)
    assert [run.status for run in unchecked] == ["COMPLETED", "FAILED", "CANCELED"]
    with pytest.raises(NotFound) as missing:
        await many.wait_all([refs[0], ExecutionRef(JOB, "nowhere")], check=False)
    assert missing.value.execution_ref == ExecutionRef(JOB, "nowhere")


@warped
async def test_as_finished_returns_runs_as_they_end_however_they_end():
    many = Many()
    ends = {40.0: "COMPLETED", 5.0: "FAILED", 90.0: "COMPLETED", 20.0: "CANCELED"}
    refs = [many.service.start(ends=at, status=status) for at, status in ends.items()]
    given = [(run.ref, run.status) async for run in many.as_finished(refs)]
    assert given == [(refs[at], list(ends.values())[at]) for at in (1, 3, 0, 2)]
    await many.waits.at_rest()


@warped
async def test_as_finished_raises_errors_in_their_turn_and_goes_on():
    many = Many()
    refs = [many.service.start(ends=10.0), many.service.start(ends=1e9), many.service.start(ends=20.0)]
    finished, outcomes = many.as_finished(refs, timeout=30.0), []
    while True:
        try:
            outcomes.append((await anext(finished)).ref)
        except WaitTimeout as error:
            outcomes.append(error.execution_ref)
        except StopAsyncIteration:
            break
        if len(outcomes) == 3:
            assert finished.last == outcomes[2]
    assert outcomes == [refs[0], refs[2], refs[1]]
    await many.waits.at_rest()


@pytest.mark.parametrize("way", ["break", "block", "aclose", "cancel"])
@warped
async def test_as_finished_closed_early_forgets_the_other_runs(way):
    many = Many()
    refs = [many.service.start(ends=10.0 + 1000.0 * at) for at in range(5)]

    async def first():
        if way == "block":
            async with many.as_finished(refs) as finished:
                return await anext(finished)
        finished = many.as_finished(refs)
        async for run in finished:
            if way == "aclose":
                await finished.aclose()
                await finished.aclose()
                with pytest.raises(StopAsyncIteration):
                    await anext(finished)
            if way != "cancel":
                return run
        return None

    task = asyncio.ensure_future(first())
    await asyncio.sleep(15)
    if way == "cancel":
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        assert (await task).ref == refs[0]
    del task
    gc.collect()
    await many.waits.at_rest()


@pytest.mark.parametrize("count", [15_000, pytest.param(100_000, marks=pytest.mark.slow)])
@warped
async def test_thousands_of_waits_take_turns_with_others_and_end(count):
    many = Many()
    refs = [many.service.start(ends=1.0) for _ in range(count)]
    turns = 0

    async def another():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(another())
    finished = many.as_finished(refs)
    first = asyncio.ensure_future(anext(finished))
    await asyncio.sleep(0)
    while len(many.tracker.jobs[JOB].runs) < len(refs):
        await asyncio.sleep(0)
    assert turns > count / 530
    other.cancel()
    await first
    ended = 1
    async for _ in finished:
        ended += 1
    assert ended == len(refs)
    assert many.service.requests < len(refs) / 50
    await many.waits.at_rest()


@warped
async def test_a_wait_takes_less_than_a_kilobyte_and_gives_it_back():
    many = Many()
    count = 500
    refs = [many.service.start(ends=1e9) for _ in range(count)]
    # Made before anything is counted: the row that a run is decoded from later is not what its wait takes.
    page = [{"jobExecutionId": ref.execution_id, "status": "RUNNING"} for ref in refs]
    many.service.page = lambda job, number, rows: page[number * 1000 : (number + 1) * 1000]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        finished = many.as_finished(refs, timeout=1e6)
        first = asyncio.ensure_future(anext(finished))
        for _ in range(3):
            await asyncio.sleep(20)
            taken = (tracemalloc.get_traced_memory()[0] - before) / count
            assert 200 < taken < 1_000
        first.cancel()
        await finished.aclose()
        await many.waits.at_rest()
        del finished, first
        gc.collect()
        many.service.read.clear()
        assert (tracemalloc.get_traced_memory()[0] - before) / count < 50
    finally:
        tracemalloc.stop()


@warped
async def test_a_wait_that_is_cancelled_keeps_no_place_in_the_due_queues():
    many = Many()
    keeper = many.service.start(ends=100_000.0)
    many.waits.begin([keeper])
    for number in range(2_000):
        leaver = asyncio.ensure_future(many.waits.wait(many.service.start(ends=1e9)))
        await asyncio.sleep(0.1 if number % 100 else 5)
        leaver.cancel()
    job = many.tracker.jobs[JOB]
    await asyncio.sleep(40)
    assert len(job.due_queue) == 1 and len(many.tracker.schedule.due_jobs) <= 2
    assert not job.due_now and not job.planners
    many.service.runs[keeper].ends = 0.0
    await many.waits.all()
    await many.waits.at_rest()


async def test_as_finished_refuses_what_is_no_run_before_anything_is_sent():
    from tests.support.client import client

    async with client("http://127.0.0.1:9") as flow:
        with pytest.raises(InvalidRequest, match="execution"):
            await flow.wait_all(["r1"])
        with pytest.raises(InvalidRequest, match="execution"):
            flow.as_finished([None])
        with pytest.raises(InvalidRequest, match="timeout"):
            flow.as_finished([], timeout=-1)


def test_finished_runs_are_an_iterator_and_a_block():
    assert {"__aiter__", "__anext__", "__aenter__", "__aexit__", "aclose"} <= set(vars(FinishedRuns))


@pytest.mark.parametrize("consumers", [2, 5])
@warped
async def test_several_consumers_share_the_ends_and_none_hangs(consumers):
    many = Many()
    refs = [many.service.start(ends=float(ends)) for ends in range(1, 21)]
    finished = many.as_finished(refs)

    async def consume():
        return [run.ref async for run in finished]

    taken = await asyncio.gather(*[consume() for _ in range(consumers)])
    given = [ref for each in taken for ref in each]
    assert len(given) == len(refs) and set(given) == set(refs)
    await many.waits.at_rest()


@warped
async def test_consumers_of_many_runs_do_not_take_their_beginning_for_their_end():
    many = Many()
    refs = [many.service.start(ends=0.0) for _ in range(2_000)]
    finished, taken = many.as_finished(refs), []

    async def consume():
        async for run in finished:
            taken.append(run.ref)
            await asyncio.sleep(0)

    await asyncio.gather(consume(), consume(), consume())
    assert len(taken) == len(set(taken)) == len(refs)


@warped
async def test_a_consumer_cancelled_over_the_beginning_loses_no_run():
    many = Many()
    refs = [many.service.start(ends=50.0) for _ in range(2_000)]
    finished = many.as_finished(refs)
    first = asyncio.ensure_future(anext(finished))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not finished.last and len(many.tracker.jobs[JOB].runs) < len(refs)
    first.cancel()
    assert len([run async for run in finished]) == len(refs)


@warped
async def test_finished_runs_wake_all_consumers_when_they_are_closed():
    many = Many()
    finished = many.as_finished([many.service.start(ends=1e9) for _ in range(3)])
    waiting = [asyncio.ensure_future(anext(finished, None)) for _ in range(3)]
    await asyncio.sleep(5)
    await finished.aclose()
    assert await asyncio.gather(*waiting) == [None] * 3
    await many.waits.at_rest()


def test_wait_all_of_ended_runs_takes_linear_work():
    async def main(count):
        many = Many()
        await many.wait_all([many.service.start(ends=0.0) for _ in range(count)])

    def work(count):
        with asyncio.Runner(loop_factory=WarpLoop) as runner:
            return calls_of(lambda: runner.run(main(count)))

    assert work(1_600) < 6 * work(400)
