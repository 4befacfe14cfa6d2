"""Lists that must not be believed: that never show the end, that ignore the limit, that are ordered unusually."""

import asyncio
import random

import pytest

from dataflow_async import PollPolicy
from dataflow_async.polling.list_trust import ListTrust
from dataflow_async.wire.run_rows import page_of
from tests.support.examples import first_quick
from tests.support.fake_service import JOB, FakeService, Waits
from tests.support.warp import warped

TERMINAL = frozenset({"COMPLETED", "FAILED"})


def now():
    return asyncio.get_running_loop().time()


def refutes(trust, rows, now, lag):
    return trust.is_refuted_by(page_of(rows, JOB).rows, TERMINAL, now, lag)


def going_on(rows):
    return [{**{k: v for k, v in row.items() if k != "endDate"}, "status": "RUNNING"} for row in rows]


@pytest.mark.parametrize("count", [2, 40, 1500])
@warped
async def test_a_list_that_never_shows_the_end_holds_nobody_up_for_ever(count):
    service = FakeService(latency=0.02)
    service.page = lambda job, number, rows: going_on(rows)
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin([service.start(ends=60.0) for _ in range(count)])
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert now() < 200
    await waits.at_rest()


@warped
async def test_a_list_that_has_stopped_is_found_out_even_if_most_runs_go_on():
    service = FakeService(latency=0.02)
    frozen = {}

    def page(job, number, rows):
        for row in rows:
            frozen.setdefault(row["jobExecutionId"], row)
        return [frozen[row["jobExecutionId"]] for row in rows]

    service.page = page
    waits = Waits(service, draw=random.Random(3).random)
    draw = random.Random(7)
    refs = [service.start(ends=30.0 + 570.0 * draw.random()) for _ in range(100)]
    late = {}

    async def one(ref):
        await waits.wait(ref)
        late[ref] = now() - service.runs[ref].ends

    await asyncio.gather(*map(one, refs))
    assert max(late.values()) < 400
    assert max(late[ref] for ref in refs if service.runs[ref].ends > 400) < 80


@warped
async def test_a_distrusted_list_is_read_again_later_and_trusted_if_it_is_right_by_then():
    service = FakeService(latency=0.02)
    service.page = lambda job, number, rows: going_on(rows) if now() < 300 else rows
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin([service.start(ends=5.0 if number < 50 else 4_000.0) for number in range(100)])
    await asyncio.gather(*waits.tasks[:50])
    assert now() < 120
    await asyncio.sleep(1200 - now())
    before = len(service.gets)
    await waits.all()
    assert len(service.gets) - before < 40


@warped
async def test_a_list_that_lags_a_little_goes_on_being_used():
    service = FakeService(latency=0.02)

    def page(job, number, rows):
        return [
            row if now() > service.runs_by_id[row["jobExecutionId"]].ends + 5 else going_on([row])[0]
            for row in rows
        ]

    draw = random.Random(7)
    refs = [service.start(ends=10.0 * 60 ** draw.random()) for _ in range(200)]
    service.runs_by_id = {ref.execution_id: service.runs[ref] for ref in refs}
    service.page = page
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(service.gets) < 150


@warped
async def test_distrust_scales_with_the_policy():
    service = FakeService(latency=0.001)
    service.page = lambda job, number, rows: going_on(rows)
    waits = Waits(service, PollPolicy(min_interval=0.01, max_interval=0.05))
    waits.begin([service.start(ends=1.0) for _ in range(20)])
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert now() < 1.6


# --- lists that cost more than they tell ---------------------------------------------------------------------


@pytest.mark.parametrize("watched", [2, 20])
@warped
async def test_a_list_that_ignores_the_limit_is_read_once(watched):
    service = FakeService(latency=0.02)
    refs = [service.start(ends=60.0) for _ in range(watched)]
    other = [{"jobExecutionId": f"other{number}", "status": "COMPLETED"} for number in range(20_000)]
    service.page = lambda job, number, rows: rows + other if number == 0 else rows
    waits = Waits(service)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(service.read) == 1


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("count", first_quick(3_000, 8_000))
@warped
async def test_a_list_that_begins_with_the_oldest_costs_its_pages(count, dated):
    service = FakeService(latency=0.02)
    refs = [service.start(ends=0.0) for _ in range(count)]
    everything = [service.runs[ref].row(1.0) for ref in refs]
    if not dated:
        everything = [
            {"jobExecutionId": row["jobExecutionId"], "status": row["status"]} for row in everything
        ]
    service.page = lambda job, number, rows: everything[number * 1000 : (number + 1) * 1000]
    waits = Waits(service)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert service.requests <= count / 1000 + 1


@pytest.mark.parametrize("dated", [True, False])
@warped
async def test_a_list_that_grows_at_its_end_is_read_there(dated):
    service = FakeService(latency=0.02)
    history = [service.start(ends=0.0) for _ in range(7_000)]
    refs = [service.start(ends=200.0) for _ in range(6)]

    def page(job, number, rows):
        listed = [
            service.runs[ref].row(now()) for ref in (history + refs)[number * 1000 : (number + 1) * 1000]
        ]
        return (
            listed
            if dated
            else [{"jobExecutionId": r["jobExecutionId"], "status": r["status"]} for r in listed]
        )

    service.page = page
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin(refs)
    await asyncio.sleep(60)
    before = len(service.gets)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(service.gets) - before < 6 * 5


# --- the judgement by itself ---------------------------------------------------------------------------------


def row(status, execution_id="r"):
    return {"jobExecutionId": execution_id, "status": status}


def test_every_fifth_poll_is_checked_and_one_more_after_a_hit():
    trust = ListTrust()
    assert [trust.must_check() for _ in range(10)] == [False] * 4 + [True] + [False] * 4 + [True]
    trust.ended("r", 0.0)
    assert trust.must_check()


@pytest.mark.parametrize(
    "rows", [[], [None, 5, {}, row("RUNNING", 7)], [row("COMPLETED")], [row("RUNNING", "other")]]
)
def test_a_list_is_not_refuted_by_rows_of_others_or_within_its_lag(rows):
    trust = ListTrust()
    assert not refutes(trust, [row("RUNNING")], 100.0, 10.0)
    trust.ended("r", 0.0)
    assert not refutes(trust, [row("RUNNING")], 9.9, 10.0)
    assert not refutes(trust, rows, 100.0, 10.0)


@pytest.mark.parametrize("status", ["RUNNING", None, "ODD"])
def test_a_run_that_had_ended_and_is_still_shown_going_on_refutes_it(status):
    trust = ListTrust()
    trust.ended("r", 0.0)
    assert refutes(trust, [None, row("RUNNING", "other"), row(status)], 10.0, 10.0)


def test_a_list_that_lags_is_tested_against_few_ended_runs():
    trust = ListTrust()
    for number in range(1000):
        trust.ended(f"r{number}", 0.0)
    rows = [[row("RUNNING", f"r{number}")] for number in range(1000)]
    assert 0 < sum(refutes(trust, page, 10.0, 10.0) for page in rows) <= 16


@warped
async def test_runs_that_fall_due_during_a_slow_check_are_not_polled_by_id():
    service = FakeService(latency=0.9)
    travel = service.execution

    async def execution(job_id, execution_id, /):
        await asyncio.sleep(2.5)
        return await travel(job_id, execution_id)

    service.execution = execution
    waits = Waits(service, draw=random.Random(3).random)
    waits.begin([service.start(ends=60.0) for _ in range(300)])
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(service.gets) < service.requests / 3
    await waits.at_rest()
