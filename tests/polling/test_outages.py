"""Polls while the service is down, or hangs, or answers for some jobs only: few, and nobody waits for others."""

import asyncio
import random

import pytest

from dataflow_async import DecodeError, WaitTimeout
from tests.support.examples import first_quick
from tests.support.fake_service import FakeService, Waits, outage
from tests.support.warp import warped


def now():
    return asyncio.get_running_loop().time()


class Down(FakeService):
    """Fails whatever it is asked while ``down`` says so; hangs for the time-out of an attempt if it is to."""

    def __init__(self, down, *, hangs=0.0, latency=0.02):
        super().__init__(latency=latency)
        self.down, self.hangs = down, hangs
        self.page = lambda job, number, rows: rows if not self.down(job) else self._fail()
        self.get = lambda run, execution: execution if not self.down(run.ref.job_id) else self._fail()

    def _fail(self):
        raise outage()

    async def travel(self):
        await super().travel()
        if self.hangs and self.down(None):
            await asyncio.sleep(self.hangs)


SHAPES = {
    "one job": lambda number: "job",
    "fifty jobs": lambda number: f"job{number % 50}",
    "a job each": "job{}".format,
}


@pytest.mark.parametrize("shape", first_quick(*SHAPES))
@warped
async def test_an_outage_of_twenty_seconds_costs_few_requests_and_then_all_goes_on(shape):
    service = Down(lambda job: 100.0 <= now() < 120.0)
    waits = Waits(service, draw=random.Random(3).random)
    refs = [service.start(ends=115.0, job=SHAPES[shape](number)) for number in range(500)]
    waits.begin(refs)
    await asyncio.sleep(100)
    before = service.requests
    await asyncio.sleep(20)
    assert 2 < service.requests - before < 100
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert now() < 145
    if shape == "one job":
        assert service.requests - before < 60  # the list is used again: it was not to blame
    await waits.at_rest()


@pytest.mark.parametrize("shape", first_quick(*SHAPES))
@warped
async def test_a_service_that_is_down_from_the_start_gets_few_requests(shape):
    service = Down(lambda job: True)
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin([service.start(job=SHAPES[shape](number)) for number in range(500)])
    await asyncio.sleep(20)
    assert service.requests < 100
    service.down = lambda job: False
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    await waits.at_rest()


@warped
async def test_a_job_that_fails_does_not_slow_down_the_others():
    service = Down(lambda job: job == "bad")
    waits = Waits(service, draw=random.Random(3).random)
    bad = [service.start(job="bad") for _ in range(500)]
    good = [service.start(ends=200.0, job="good") for _ in range(2)]
    lonely = service.start(ends=200.0, job="lonely")
    waits.begin([*bad, *good, lonely])
    await asyncio.sleep(290)
    assert len([when for when, ref in service.gets if ref.job_id == "bad"]) < 60
    assert all(task.done() for task in waits.tasks[500:])
    assert max(b - a for a, b in zip(service.gets_of(lonely), service.gets_of(lonely)[1:], strict=False)) < 60
    service.down = lambda job: False
    await waits.all()
    await waits.at_rest()


@warped
async def test_a_job_whose_polls_hang_does_not_hold_up_another():
    service = FakeService(latency=0.02)
    travel, read = service.execution, service.run_page

    async def execution(job_id, execution_id, /):
        if job_id == "hangs":
            await asyncio.sleep(30)
            raise outage()
        return await travel(job_id, execution_id)

    async def page(job_id, number, limit, /):
        if job_id == "hangs":
            await asyncio.sleep(30)
            raise outage()
        return await read(job_id, number, limit)

    service.execution, service.run_page = execution, page
    waits = Waits(service, capacity=lambda: 4, draw=random.Random(3).random)
    waits.begin([service.start(job="hangs") for _ in range(300)])
    await asyncio.sleep(100)
    began = now()
    quick = [service.start(ends=began + 5.0, job="quick") for _ in range(3)]
    waits.begin(quick)
    await asyncio.gather(*waits.tasks[300:])
    assert now() - began < 8
    for task in waits.tasks:
        task.cancel()


@warped
async def test_single_polls_of_a_job_leave_capacity_for_another_job():
    service = FakeService(latency=0.02)
    service.page = lambda job, number, rows: []
    waits = Waits(service, capacity=lambda: 8)
    service.latency = 10.0
    waits.begin([service.start(ends=0.0, job="many") for _ in range(400)])
    await asyncio.sleep(25)  # its list has shown nothing, so its runs are asked for one by one
    assert service.in_flight == 6
    waits.begin([service.start(ends=0.0, job="few")])
    began = now()
    await waits.tasks[-1]
    assert now() - began < 10.1
    await waits.all()


@pytest.mark.parametrize("hanging", [1, 2, 5])
@warped
async def test_a_new_job_is_polled_at_once_while_all_polls_of_other_jobs_hang(hanging):
    service = FakeService(latency=0.02)
    service.page = lambda job, number, rows: []
    travel = service.execution

    async def execution(job_id, execution_id, /):
        if job_id != "new":
            await asyncio.sleep(30)
        return await travel(job_id, execution_id)

    service.execution = execution
    waits = Waits(service, capacity=lambda: 8)
    waits.begin([service.start(job=f"hangs{number % hanging}") for number in range(300)])
    await asyncio.sleep(1)
    waits.begin([service.start(ends=0.0, job="new")])
    await waits.tasks[-1]
    assert now() < 2
    for task in waits.tasks:
        task.cancel()


@warped
async def test_one_run_and_not_all_is_polled_after_a_failed_list():
    service = Down(lambda job: True)
    waits = Waits(service)
    waits.begin([service.start() for _ in range(100)])
    await asyncio.sleep(0.5)
    assert len(service.read) == len(service.gets) == 1
    service.down = lambda job: False
    await waits.all()


@warped
async def test_retry_after_of_a_list_holds_back_the_polls_of_its_job():
    service = FakeService()

    def page(job, number, rows):
        if now() < 20:
            raise outage(retry_after=12.0)
        return rows

    service.page = page
    waits = Waits(service)
    waits.begin([service.start(ends=30.0) for _ in range(10)])
    await asyncio.sleep(11.9)
    assert service.requests == 1
    assert {run.status for run in await waits.all()} == {"COMPLETED"}


@pytest.mark.parametrize("error", [DecodeError("odd"), outage()])
@warped
async def test_a_run_that_can_never_be_read_holds_up_no_other_of_its_job(error):
    service = FakeService()
    odd, *others = [service.start(ends=100.0) for _ in range(20)]

    def get(run, execution):
        if run.ref == odd:
            raise error
        return execution

    service.get = get
    service.page = lambda job, number, rows: []
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin([odd, *others])
    await asyncio.gather(*waits.tasks[1:])
    assert now() < 130
    waits.tasks[0].cancel()


@warped
async def test_a_wait_ends_at_its_time_out_whether_polls_are_held_back_or_not():
    for shape in SHAPES.values():
        service = Down(lambda job: True)
        waits = Waits(service, draw=random.Random(3).random)
        waits.begin([service.start(job=shape(number)) for number in range(200)])
        await asyncio.sleep(40)
        began = now()
        waits.begin([service.start(job=shape(number)) for number in range(5)], 10.0)
        for task in waits.tasks[200:]:
            with pytest.raises(WaitTimeout):
                await task
            assert 10.0 <= now() - began <= 11.1
        for task in waits.tasks:
            task.cancel()
        await waits.all()
