"""The latest run of a job in a period: one that goes on before those that have ended, and one that is yet to come."""

import asyncio
import logging
import time

import pytest

from dataflow_async import InvalidRequest, JobExecution, NotFound, defaults
from dataflow_async.airflow.run_search import NoRunInPeriod, RunSearch, latest_of
from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.models.moment import read_moment
from tests.support.clocks import LeapClock

LOG = logging.getLogger("a task")


@pytest.fixture
async def server():
    async with Emulator(
        run_seconds=(1e9, 1e9), ready_seconds=(0, 0), clock=ManualClock(time.time())
    ) as server:
        yield server


@pytest.fixture
async def flow(server):
    async with server.client(clock=server.clock) as flow:
        yield flow


def search(server, job_id=None, *, ago=10.0, length=20.0, **settings):
    start = server.clock.time() - ago
    return RunSearch(job_id=job_id, start=start, end=start + length, **settings)


def run(number, status, created="2026-11-01T00:00:00Z", ended=None):
    return JobExecution(
        f"run{number}",
        status=status,
        created_date=read_moment(created),
        end_date=ended and read_moment(ended),
    )


# --- which run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "latest"),
    [
        ([], None),
        ([run(1, "COMPLETED"), run(2, "FAILED", "2026-11-01T00:00:01Z")], "run2"),
        ([run(1, "FAILED", "2026-11-01T00:00:01Z"), run(2, "COMPLETED")], "run1"),
        ([run(1, "RUNNING"), run(2, "COMPLETED", "2026-11-01T00:00:01Z")], "run1"),
        ([run(1, "READY"), run(2, "RUNNING", "2026-11-01T00:00:01Z")], "run2"),
        ([run(1, "SUSPENDED"), run(2, "COMPLETED", "2026-11-01T00:00:01Z")], "run1"),
        ([run(1, "ABORTED", ended="2026-11-01T00:00:05Z"), run(2, "FAILED", "2026-11-01T00:00:01Z")], "run2"),
        ([run(1, None), run(2, "CANCELED", "2026-11-01T00:00:01Z")], "run1"),
    ],
)
def test_a_run_that_goes_on_comes_before_those_that_have_ended(runs, latest):
    found = latest_of(runs)
    assert (found and found.job_execution_id) == latest


async def test_runs_outside_of_the_period_are_not_taken(server, flow):
    job_id = server.create_job("stock_import")
    server.launch(job_id)
    await server.clock.push(100)
    inside = server.launch(job_id)
    await server.clock.push(15)
    server.launch(job_id)
    found = await search(server, job_id, ago=20, length=10).latest(flow, LeapClock())
    assert found.job_execution_id == inside
    assert await search(server, job_id, ago=50, length=10).latest(flow, LeapClock()) is None


async def test_an_ended_run_of_the_same_name_does_not_mask_one_that_goes_on(server, flow):
    first, second, other = (server.create_job(name) for name in ("load", "load", "loader"))
    going_on = server.launch(first)
    await server.clock.push(5)
    server.finish(server.launch(second))
    server.launch(other)
    found = await search(server, job_name="load").latest(flow, LeapClock())
    assert (found.job_id, found.job_execution_id) == (first, going_on)


async def test_a_long_list_is_read_no_further_than_the_period(server, flow):
    job_id = server.create_job("stock_import")
    for _ in range(3000):
        server.finish(server.launch(job_id))
    await server.clock.push(5000)
    latest = server.launch(job_id)
    found = await search(server, job_id).latest(flow, LeapClock())
    assert found.job_execution_id == latest
    assert server.history.requests == 1


@pytest.mark.parametrize("order", ["oldest", "random"])
async def test_a_list_in_another_order_is_read_to_its_end(server, flow, order):
    job_id = server.create_job("stock_import")
    for _ in range(300):
        server.finish(server.launch(job_id))
        await server.clock.push(10)
    await server.clock.push(5000)
    latest = server.launch(job_id)
    server.faults.parse(f"list-order {order}")
    found = await search(server, job_id).latest(flow, LeapClock())
    assert found.job_execution_id == latest


# --- waiting for it ----------------------------------------------------------------------------------------


class Pauses(LeapClock):
    """Does something during each pause."""

    def __init__(self, now, *steps):
        super().__init__(now)
        self.steps = [*steps]

    async def sleep(self, seconds, /):
        await super().sleep(seconds)
        if self.steps:
            self.steps.pop(0)()


async def test_a_run_that_begins_later_is_found(server, flow):
    job_id = server.create_job("stock_import")
    clock = Pauses(server.clock.time(), lambda: None, lambda: server.launch(job_id))
    found = await search(server, job_id, length=1000).find(flow, clock, LOG)
    assert found.job_id == job_id
    assert len(clock.naps) == 2
    assert all(48 <= nap <= 72 for nap in clock.naps)


class Together(LeapClock):
    """A minute passes whenever all of so many tasks sleep."""

    def __init__(self, now, count):
        super().__init__(now)
        self.count = self.awake = count
        self.minute = asyncio.Event()
        self.minutes = 0

    async def sleep(self, seconds, /):
        self.awake -= 1
        minute = self.minute
        if not self.awake:
            self.now += 60
            self.ticks += 60
            self.awake, self.minute = self.count, asyncio.Event()
            self.minutes += 1
            minute.set()
        await minute.wait()


async def test_searches_of_a_job_share_what_they_read_until_there_is_a_run(server, flow):
    job_id = server.create_job("load")
    clock = Together(server.clock.time(), 100)
    waits = [search(server, job_name="load", length=1e6)] * clock.count
    waiting = [asyncio.create_task(wait.find(flow, clock, LOG)) for wait in waits]
    while clock.minutes < 5:
        await asyncio.sleep(0)
    run = server.launch(job_id)
    found = await asyncio.gather(*waiting)
    assert {each.job_execution_id for each in found} == {run}
    assert server.history.requests <= 4 * (
        clock.minutes + 1
    )  # three a search: two pages of names, one of runs


async def test_what_was_read_before_a_run_began_is_not_taken_for_the_present(server, flow):
    job_id = server.create_job("stock_import")
    clock = LeapClock(server.clock.time())
    wait = search(server, job_id, length=1000)
    ended = server.launch(job_id)
    server.finish(ended)
    assert (await wait.latest(flow, clock)).job_execution_id == ended
    going_on = server.launch(job_id)
    clock.ticks += 5
    assert (await wait.find(flow, clock, LOG)).job_execution_id == going_on


async def test_a_period_that_is_over_without_a_run_is_an_error_once_lists_are_up_to_date(server, flow):
    job_id = server.create_job("stock_import")
    clock = Pauses(server.clock.time())
    with pytest.raises(NoRunInPeriod, match=f"job {job_id} has no run that was requested from 20"):
        await search(server, job_id).find(flow, clock, LOG)
    assert 10 + defaults.VISIBILITY_DELAY <= sum(clock.naps) < 10 + defaults.VISIBILITY_DELAY + 72


async def test_the_deadline_ends_the_search(server, flow):
    job_id = server.create_job("stock_import")
    clock = Pauses(server.clock.time())
    wait = search(server, job_id, length=1e6, deadline=clock.now + 100)
    assert await wait.find(flow, clock, LOG) is None
    assert sum(clock.naps) == pytest.approx(100)


async def test_errors_that_pass_do_not_end_the_search(server, flow, caplog):
    job_id = server.create_job("stock_import")
    server.faults.parse("503 x2")
    clock = Pauses(server.clock.time(), lambda: server.launch(job_id))
    flow_without_retries = server.client(clock=LeapClock(server.clock.time()))
    async with flow_without_retries as once:
        found = await search(server, job_id, length=1000).find(once, clock, LOG)
    assert found is not None


async def test_a_job_that_does_not_exist_ends_the_search(server, flow):
    with pytest.raises(NotFound):
        await search(server, "nowhere").find(flow, Pauses(server.clock.time()), LOG)


# --- arguments ---------------------------------------------------------------------------------------------

ARGUMENTS = {"job_id": "j", "window_start": 1, "window_end": 2.5, "poll_interval": 60.0, "deadline": None}


def test_arguments_of_a_trigger_are_a_search():
    assert RunSearch.of(ARGUMENTS) == RunSearch(job_id="j", start=1, end=2.5)
    named = {**ARGUMENTS, "job_id": None, "job_name": "load", "deadline": 9}
    assert RunSearch.of(named) == RunSearch(job_name="load", start=1, end=2.5, deadline=9)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"job_id": None}, "job_id"),
        ({"job_id": 5}, "job_id"),
        ({"window_start": None}, "window_start"),
        ({"window_end": "noon"}, "window_end"),
        ({"poll_interval": True}, "poll_interval"),
        ({"poll_interval": "1"}, "poll_interval"),
        ({"deadline": "noon"}, "deadline"),
    ],
)
def test_arguments_that_name_no_search_are_refused(members, field):
    with pytest.raises(InvalidRequest) as refused:
        RunSearch.of(ARGUMENTS | members)
    assert refused.value.field == field
