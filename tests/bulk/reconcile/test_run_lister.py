"""Lists are read to their end, in pages that the service can give, and for a bounded time; what goes on is logged."""

import logging

import pytest

from dataflow_async import PollPolicy, defaults
from dataflow_async.bulk.reconcile.dating import PrintedDates
from dataflow_async.bulk.reconcile.run_lister import RunLister, Unlistable
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.page import Page
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.failure import failure
from dataflow_async.wire.listed_rows import ModelPage
from dataflow_async.wire.server_time import ServerTime
from tests.support.clocks import LeapClock

JOB = "Jq3kT9vLmN2x"


def page(rows, count=None):
    return ModelPage(decode(Page[JobExecution], {"list": rows, "count": count}, {"jobId": JOB}))


def named(*names):
    return [{"jobExecutionId": name} for name in names]


class Service:
    """Rows, in pages; more than it can give at a time are answered with a 504."""

    def __init__(self, rows=(), *, most=10_000, fails=0, job=None):
        self.rows = list(rows)
        self.most = most
        self.fails = fails
        self.job = job or {}
        self.asked = []

    async def listed_page(self, _job_id, number, limit):
        self.asked.append((number, limit))
        if limit > self.most:
            raise failure("getJobExecutions", 504, {}, b"")
        if self.fails:
            self.fails -= 1
            raise failure("getJobExecutions", 503, {}, b"")
        return page(self.rows[number * limit : (number + 1) * limit], len(self.rows))

    async def get(self, _job_id):
        return decode(Job, {"jobId": JOB, **self.job}, {})


def lister(service, clock=None):
    clock = clock or LeapClock()
    return RunLister(service, PollPolicy(), clock, lambda: ServerTime(clock.now, clock.now))


async def listed(service, clock=None):
    taken = []
    found = await lister(service, clock).complete(
        JOB, lambda _page, _start, ids, _dates: taken.extend(ids), PrintedDates()
    )
    assert set(taken) == set(found.dates)
    return found


async def test_pages_that_time_out_are_halved_until_the_service_can_give_them():
    service = Service(named(*map(str, range(700))), most=300)
    assert len((await listed(service)).dates) == 700
    assert [limit for _, limit in service.asked] == [1000, 500, 250, 250, 250, 250]


async def test_a_list_ends_at_an_empty_page_or_after_two_that_bring_nothing_new():
    service = Service(named("a", "b"))
    await listed(service)
    assert [number for number, _ in service.asked] == [0, 1]

    class Stuck(Service):
        async def listed_page(self, job_id, number, limit):
            return await super().listed_page(job_id, 0, limit)

    stuck = Stuck(named("a", "b"))
    assert set((await listed(stuck)).dates) == {"a", "b"}
    assert len(stuck.asked) == 3


async def test_a_short_page_in_the_middle_is_not_the_end():
    pages = [named("a", "b"), named("c"), named("a", "d"), named("b"), named("e"), []]

    class Odd(Service):
        async def listed_page(self, _job_id, number, _limit):
            return page(pages[number])

    assert set((await listed(Odd())).dates) == set("abcde")


async def test_a_null_list_is_an_empty_one():
    class Null(Service):
        async def listed_page(self, _job_id, _number, _limit):
            return ModelPage(decode(Page[JobExecution], {"list": None}, {}))

    assert (await listed(Null())).dates == {}


async def test_rows_without_an_id_are_counted():
    class Nameless(Service):
        async def listed_page(self, job_id, number, limit):
            return page([*self.rows, {"status": "RUNNING"}] if not number else [])

    assert (await listed(Nameless(named("a")))).unreadable == 1


async def test_a_list_that_fails_is_waited_for_and_that_is_logged(caplog):
    with caplog.at_level(logging.INFO, "dataflow_async"):
        assert set((await listed(Service(named("a"), fails=8))).dates) == {"a"}
    assert [record.levelname for record in caplog.records][:1] == ["INFO"]


async def test_a_list_that_fails_for_too_long_is_given_up_with_a_warning(caplog):
    clock = LeapClock()
    with caplog.at_level(logging.INFO, "dataflow_async"), pytest.raises(Unlistable, match="failed for"):
        await listed(Service(fails=10**9), clock)
    assert defaults.LISTING_TIMEOUT < clock.ticks < defaults.LISTING_TIMEOUT + 60
    levels = [record.levelname for record in caplog.records]
    assert levels[0] == "INFO"
    assert levels[-1] == "WARNING"
    assert len(levels) < 6


async def test_a_list_without_an_end_is_given_up():
    clock = LeapClock()

    class Endless(Service):
        async def listed_page(self, _job_id, number, _limit):
            await clock.sleep(1.0)
            return page(named(f"run{number}"))

    with pytest.raises(Unlistable, match="did not end"):
        await listed(Endless(), clock)


@pytest.mark.parametrize(
    ("job", "ran", "dated"),
    [
        ({}, False, False),
        ({"lastExecutionDate": None, "lastExecutionStatus": None}, False, False),
        ({"lastExecutionStatus": "READY"}, False, False),
        ({"lastExecutionStatus": "COMPLETED"}, True, False),
        ({"lastExecutionDate": "2026-11-01T00:00:00+09:00"}, True, True),
        ({"lastExecutionStatus": "2026-11-01T00:00:00+09:00"}, True, True),
        ({"lastExecutionDate": "yesterday"}, True, False),
    ],
)
async def test_the_last_run_of_a_job_is_read_from_its_date_or_status(job, ran, dated):
    last = (await lister(Service(job=job)).read_job(JOB)).last
    assert (last.ran, last.date is not None) == (ran, dated)
