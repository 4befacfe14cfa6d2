"""The tracker by the virtual clock: shared polls, time-outs, exact ends, and what they cost."""

import asyncio
import itertools
import logging
import math
import random

import pytest

from dataflow_async import (
    InvalidRequest,
    JobExecution,
    NotFound,
    PermissionDenied,
    PollPolicy,
    WaitTimeout,
    defaults,
)
from dataflow_async.emulator import ManualClock
from dataflow_async.wire import run_rows
from tests.support.clocks import LeapClock
from tests.support.counting import calls_of
from tests.support.examples import first_quick
from tests.support.fake_service import JOB, FakeService, Waits, missing, outage
from tests.support.warp import WarpLoop, warped


def now():
    return asyncio.get_running_loop().time()


def intervals(times):
    return [after - before for before, after in itertools.pairwise(times)]


# --- the schedule --------------------------------------------------------------------------------------------


@warped
async def test_a_run_is_polled_at_once_and_then_every_eighth_of_its_age():
    service = FakeService()
    ref = service.start(ends=600.0)
    waits = Waits(service)
    assert (await waits.wait(ref)).status == "COMPLETED"
    polls = service.gets_of(ref)
    assert polls[0] == 0.0
    for before, after in itertools.pairwise(polls):
        assert after - before == pytest.approx(min(max(before / 8, 1.0), 30.0), abs=0.002)
    assert now() - 600.0 <= 31.0
    await waits.at_rest()


@warped
async def test_intervals_are_spread_by_the_jitter_and_every_number_is_a_setting():
    service = FakeService()
    ref = service.start(ends=200.0)
    policy = PollPolicy(age_divisor=2, min_interval=3, max_interval=9, jitter=0.5)
    waits = Waits(service, policy, draw=random.Random(5).random)
    await waits.wait(ref)
    spread = intervals(service.gets_of(ref))
    assert min(spread) >= 1.5 and max(spread) <= 13.6
    assert max(spread) > 10 and min(spread[3:]) < 7


@warped
async def test_an_end_is_seen_at_most_an_eighth_of_the_run_and_one_interval_late():
    service = FakeService()
    draw = random.Random(11)
    refs = [service.start(ends=10.0 * 360 ** draw.random()) for _ in range(1500)]
    waits = Waits(service, draw=draw.random)
    late = {}

    async def one(ref):
        await waits.wait(ref)
        late[ref] = now() - service.runs[ref].ends

    await asyncio.gather(*map(one, refs))
    for ref, seconds in late.items():
        length = service.runs[ref].ends
        assert 0 <= seconds <= max(1.0, length / 8) + min(max(length / 8, 1.0), 30.0) * 1.2
    await waits.at_rest()


@warped
async def test_a_day_of_waiting_takes_no_time_and_few_polls():
    service = FakeService()
    ref = service.start(ends=86_400.0)
    assert (await Waits(service).wait(ref)).status == "COMPLETED"
    assert now() >= 86_400.0
    assert service.requests < 86_400 / 30 + 60


@warped
async def test_retry_after_lengthens_the_pause_and_never_shortens_it():
    service = FakeService()
    ref = service.start(ends=100.0, script=[outage(retry_after=20.0), "RUNNING", outage(retry_after=0.1)])
    await Waits(service).wait(ref)
    assert intervals(service.gets_of(ref))[:3] == pytest.approx([20.0, 2.5, 20 / 8 * 9 / 8], abs=0.01)


@warped
async def test_retry_after_puts_a_poll_off_by_a_minute_at_most():
    service = FakeService()
    ref = service.start(ends=10.0, script=["RUNNING", outage(retry_after=43_200.0)])
    assert (await Waits(service).wait(ref)).status == "COMPLETED"
    assert now() == pytest.approx(61.0, abs=0.01)


@pytest.mark.parametrize("asked", [3.0, 20.0, 86_399.0])
@warped
async def test_how_long_retry_after_may_put_a_poll_off_is_a_setting(asked):
    service = FakeService()
    ref = service.start(ends=10.0, script=["RUNNING", outage(retry_after=asked)])
    await Waits(service, PollPolicy(retry_after_max=15)).wait(ref)
    assert intervals(service.gets_of(ref))[1] == pytest.approx(min(asked, 15.0), abs=0.01)


# --- shared polls --------------------------------------------------------------------------------------------


@warped
async def test_ten_waiters_on_one_run_cost_as_much_as_one():
    service = FakeService()
    one, ten = service.start(ends=90.0), service.start(ends=90.0, job="another job")
    waits = Waits(service)
    waits.begin([one] + [ten] * 10)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert service.gets_of(one) == service.gets_of(ten)
    assert waits.tracker.stats.requests == service.requests
    await waits.at_rest()


@warped
async def test_a_second_wait_shares_the_poll_in_flight_and_a_poll_just_made():
    service = FakeService(latency=0.5)
    ref = service.start(ends=50.0)
    waits = Waits(service)
    waits.begin([ref])
    await asyncio.sleep(0.2)
    waits.begin([ref])
    await asyncio.sleep(0.6)
    waits.begin([ref])
    await asyncio.sleep(0.1)
    assert service.gets_of(ref) == [0.0]
    await asyncio.sleep(20)
    before = len(service.gets)
    await asyncio.sleep(1.2)
    waits.begin([ref])
    await asyncio.sleep(0.1)
    assert len(service.gets) <= before + 2
    await waits.all()


@warped
async def test_a_second_wait_does_not_hasten_the_polls_of_a_run_that_fails():
    service = FakeService()
    ref = service.start(ends=200.0, script=[outage(retry_after=30.0)] * 3)
    waits = Waits(service)
    for _ in range(58):
        waits.begin([ref])
        await asyncio.sleep(0.5)
    assert service.gets_of(ref) == [0.0]
    await asyncio.sleep(2)
    assert len(service.gets_of(ref)) == 2
    await waits.all()


@warped
async def test_a_second_wait_has_an_old_run_polled_at_once_if_the_last_poll_is_a_while_ago():
    service = FakeService()
    ref = service.start(ends=1000.0)
    waits = Waits(service)
    waits.begin([ref])
    await asyncio.sleep(500)
    last = service.gets_of(ref)[-1]
    while now() - last < 2:
        await asyncio.sleep(0.5)
        last = service.gets_of(ref)[-1]
    before = len(service.gets)
    waits.begin([ref])
    await asyncio.sleep(0.01)
    assert len(service.gets) == before + 1
    await waits.all()


@warped
async def test_the_loop_begins_with_the_first_waiter_and_is_gone_after_the_last():
    service = FakeService()
    waits = Waits(service)
    assert not waits.tracker.poll_loop.is_running
    for _ in range(3):
        ref = service.start(ends=now() + 5)
        waits.begin([ref])
        await asyncio.sleep(0)
        assert waits.tracker.poll_loop.is_running and not waits.tracker.poll_loop.tasks[0].done()
        await waits.all()
        await waits.at_rest()


@pytest.fixture
def unchecked(monkeypatch):
    """No list is checked by asking for runs by their ids, so whoever is asked for has another reason."""
    monkeypatch.setattr(defaults, "POLLS_PER_CHECK", 10**9)


# --- lists ---------------------------------------------------------------------------------------------------


async def _cost(service, refs, **settings):
    waits = Waits(service, draw=random.Random(3).random, **settings)
    waits.begin(refs)
    ended = await waits.all()
    assert [run.status for run in ended] == [service.runs[ref].status for ref in refs]
    assert waits.tracker.stats.requests == service.requests
    assert waits.tracker.stats.pages == len(service.read)
    await waits.at_rest()
    return waits.tracker.stats


@warped
async def test_a_thousand_runs_of_a_job_cost_a_fiftieth_of_a_get_each():
    service, draw = FakeService(latency=0.02), random.Random(7)
    refs = [service.start(ends=10.0 * 360 ** draw.random()) for _ in range(1000)]
    stats = await _cost(service, refs)
    assert stats.requests < 250
    assert stats.polls > 50 * stats.requests


@warped
async def test_a_lonely_run_is_polled_by_id_and_two_share_a_page():
    service = FakeService()
    refs = [service.start(ends=100.0)]
    assert (await _cost(service, refs)).pages == 0
    service = FakeService()
    refs = [service.start(ends=100.0), service.start(ends=100.0)]
    stats = await _cost(service, refs)
    assert stats.pages and stats.requests < stats.polls


ORDERS = {
    "oldest first": lambda rows: rows[::-1],
    "shuffled by id": lambda rows: sorted(rows, key=lambda row: hash(row["jobExecutionId"]) % 997),
}


@pytest.mark.parametrize("order", ORDERS)
@warped
async def test_lists_in_another_order_are_used_as_well(order):
    service, draw = FakeService(latency=0.02), random.Random(7)
    refs = [service.start(ends=10.0 * 60 ** draw.random()) for _ in range(600)]
    service.page = lambda job, number, rows: ORDERS[order](rows)
    stats = await _cost(service, refs)
    assert stats.polls > 20 * stats.requests


@warped
async def test_capped_pages_are_used_as_well():
    service, draw = FakeService(latency=0.02, cap=100), random.Random(7)
    refs = [service.start(ends=10.0 * 60 ** draw.random()) for _ in range(600)]
    stats = await _cost(service, refs)
    assert stats.polls > 8 * stats.requests


def _junk(job, number, rows):
    return [None, [], 5, {}, {"jobExecutionId": 4}, *rows, {"jobExecutionId": ["r1"]}, *rows[:3]]


def _dateless(job, number, rows):
    return [{"jobExecutionId": row["jobExecutionId"], "status": row["status"]} for row in rows]


@pytest.mark.parametrize("page", [_junk, _dateless])
@warped
async def test_rows_that_are_junk_repeat_or_lack_dates_do_no_harm(page):
    service, draw = FakeService(), random.Random(7)
    refs = [service.start(ends=10.0 * 60 ** draw.random()) for _ in range(100)]
    service.page = page
    stats = await _cost(service, refs)
    assert stats.polls > 5 * stats.requests


@pytest.mark.usefixtures("unchecked")
@warped
async def test_a_run_whose_row_cant_be_read_is_polled_by_id():
    service = FakeService()
    refs = [service.start(ends=30.0) for _ in range(10)]
    bad = refs[4].execution_id

    def page(job, number, rows):
        return [{**row, "status": 5} if row["jobExecutionId"] == bad else row for row in rows]

    service.page = page
    await _cost(service, refs)
    assert {ref for _, ref in service.gets} == {refs[4]}


@pytest.mark.usefixtures("unchecked")
@warped
async def test_runs_that_no_page_shows_are_polled_one_by_one_and_never_taken_for_gone():
    service = FakeService()
    refs = [service.start(ends=100.0) for _ in range(40)]
    hidden = {ref.execution_id for ref in refs[10:20]}
    service.page = lambda job, number, rows: [row for row in rows if row["jobExecutionId"] not in hidden]
    await _cost(service, refs)
    assert {ref.execution_id for _, ref in service.gets} == hidden


@pytest.mark.parametrize("hides", first_quick("foreign", "empty", "the same page"))
@warped
async def test_a_list_that_never_shows_them_soon_costs_next_to_nothing(hides):
    service = FakeService()
    refs = [service.start(ends=600.0) for _ in range(50)]
    foreign = [{"jobExecutionId": f"f{number}", "status": "RUNNING"} for number in range(1000)]
    service.page = lambda job, number, rows: (
        [] if hides == "empty" else foreign if hides == "the same page" else _renamed(foreign, number)
    )
    stats = await _cost(service, refs)
    assert len(service.gets) >= 40 * 20
    assert stats.pages < len(service.gets) / 4


def _renamed(rows, number):
    return [{**row, "jobExecutionId": f"{row['jobExecutionId']}/{number}"} for row in rows]


@pytest.mark.usefixtures("unchecked")
@warped
async def test_a_list_that_shows_new_runs_late_is_used_again_soon():
    service = FakeService()
    refs = [service.start(ends=300.0) for _ in range(200)]
    service.page = lambda job, number, rows: rows if now() > 5 else []
    stats = await _cost(service, refs)
    assert max(when for when, _ in service.gets) < 15
    assert stats.polls > 3 * stats.requests


UNLISTED = {
    "403": PermissionDenied("no", status=403, source="gateway"),
    "404": missing(),
    "503": outage(),
}


@pytest.mark.parametrize("kind", UNLISTED)
@pytest.mark.usefixtures("unchecked")
@warped
async def test_runs_are_polled_one_by_one_for_a_minute_while_a_list_cant_be_read(kind):
    service = FakeService()
    refs = [service.start(ends=150.0) for _ in range(20)]

    def refuse(job, number, rows):
        if now() < 30:
            raise UNLISTED[kind]
        return rows

    service.page = refuse
    await _cost(service, refs)
    *failed, again = [when for when, _, _ in service.read][: 3 if kind == "503" else 2]
    assert failed == ([0.0, 0.0] if kind == "503" else [0.0])  # one call may be lost: not both
    assert 60.0 <= again < 70.0
    assert all(when < again for when, _ in service.gets)
    for ref in refs:
        assert intervals(service.gets_of(ref))[0] == pytest.approx(1.0, abs=0.21)


@warped
async def test_a_list_that_stalls_is_abandoned_after_half_a_minute_and_for_a_minute():
    service = FakeService()
    refs = [service.start(ends=200.0) for _ in range(10)]
    service.latency = 0.01
    read = service.run_page

    async def stall(job_id, page, limit, /):
        await asyncio.sleep(120)
        return await read(job_id, page, limit)

    service.run_page = stall
    waits = Waits(service)
    waits.begin(refs)
    await asyncio.sleep(29)
    assert service.gets == []
    await asyncio.sleep(2)
    assert {ref for _, ref in service.gets} == set(refs)
    service.run_page = read
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert 90.0 <= service.read[0][0] < 100.0
    await waits.at_rest()


@warped
async def test_a_page_that_stalls_holds_up_no_run_that_falls_due_meanwhile():
    service = FakeService()
    waits = Waits(service, draw=random.Random(5).random)
    for _ in range(30):  # of different ages, or a page would make all of them due at once
        waits.begin([service.start(ends=400.0)])
        await asyncio.sleep(1)
    await asyncio.sleep(120)
    read, stalls = service.run_page, []

    async def stall(job_id, page, limit, /):
        stalls.append(now())
        await asyncio.sleep(29.0 if len(stalls) == 1 else 0.0)
        return await read(job_id, page, limit)

    service.run_page = stall
    runs = waits.tracker.jobs[JOB].runs.values()
    while not stalls:
        await asyncio.sleep(0.01)
    taken = [run for run in runs if run.due is None]
    co_due = [run for run in runs if run.due is not None and run.due < now() + 12]
    assert len(taken) == 1 and len(co_due) > 3
    began = now()
    await asyncio.sleep(15)
    assert all(run.observed_at > began for run in co_due)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    await waits.at_rest()


@warped
async def test_co_due_runs_keep_their_due_times_when_the_page_fails():
    service = FakeService()
    refs = [service.start(ends=1000.0) for _ in range(50)]
    waits = Waits(service, draw=random.Random(5).random)
    waits.begin(refs)
    await asyncio.sleep(400)

    def refuse(job, number, rows):
        raise outage()

    service.page = refuse
    began = now()
    await asyncio.sleep(37)
    assert {ref for when, ref in service.gets if when > began} == set(refs)
    waits.tasks.clear()


@warped
async def test_a_list_behind_the_single_run_is_a_status_that_goes_backwards():
    service = FakeService()
    first, second = service.start(ends=20.0), service.start(ends=21.0)
    service.page = lambda job, number, rows: (
        [{**row, "status": "READY"} for row in rows] if now() < 40 else rows
    )
    waits = Waits(service)
    waits.begin([first, second])
    ended = await waits.all()
    assert [run.status for run in ended] == ["COMPLETED"] * 2


@warped
async def test_only_ends_are_decoded_whole_unless_somebody_waits_for_every_change(monkeypatch):
    decoded = []
    decode = run_rows.decoding.decode
    monkeypatch.setattr(
        run_rows.decoding,
        "decode",
        lambda model, row, fill: decoded.append(row["status"]) or decode(model, row, fill),
    )
    service = FakeService()
    refs = [service.start(ends=200.0) for _ in range(100)]
    stats = await _cost(service, refs)
    assert stats.polls > 1500
    assert sorted(decoded) == ["COMPLETED"] * 100


@warped
async def test_what_a_page_showed_last_is_what_a_time_out_and_a_second_wait_get():
    service = FakeService()
    service.page = lambda job, number, rows: [{**row, "jobName": f"as of {now():.0f}"} for row in rows]
    refs = [service.start(ends=200.0) for _ in range(10)]
    waits = Waits(service)
    waits.begin(refs)
    await asyncio.sleep(5)
    changes = []
    watching = waits.tracker.subscribe(refs[7], lambda it: changes.extend(it.news), every_change=True)
    assert [(run.status, run.job_name) for run in changes] == [("RUNNING", "as of 1")]
    service.runs[refs[8]].script = [outage()] * 9  # its last poll fails
    with pytest.raises(WaitTimeout) as caught:
        await waits.wait(refs[8], timeout=20.0)
    seen = caught.value.execution
    assert (seen.ref, seen.status, seen.job_name) == (refs[8], "RUNNING", "as of 1")
    service.runs[refs[8]].script.clear()
    waits.tracker.unsubscribe(watching)
    await waits.all()


@warped
async def test_a_row_with_a_number_that_is_none_is_seen_but_its_end_is_read_by_its_id():
    service = FakeService()

    class Broken(FakeService):
        async def run_page(self, job_id, page, limit, /):
            whole = await service.run_page(job_id, page, limit)
            return run_rows.RunPage(whole.rows, [{}] * len(whole.rows), job_id)

    broken = Broken()
    broken.execution = service.execution
    refs = [service.start(ends=60.0) for _ in range(10)]
    waits = Waits(broken)
    waits.begin(refs)
    with pytest.raises(WaitTimeout) as caught:
        await waits.wait(refs[0], timeout=20.0)
    assert (caught.value.execution.ref, caught.value.execution.status) == (refs[0], "RUNNING")
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert {ref for _, ref in service.gets} >= set(refs)


# --- capacity ----------------------------------------------------------------------------------------------------


@warped
async def test_polls_take_no_more_than_their_capacity_and_use_all_of_it():
    service = FakeService(latency=0.1)
    refs = [service.start(ends=1.0, job=f"job{number}") for number in range(200)]
    waits = Waits(service, capacity=lambda: 7)
    waits.begin(refs)
    await waits.all()
    assert service.most_in_flight == 7
    assert now() < 2 * 200 / 7 * 0.1 + 3


@warped
async def test_capacity_that_shrinks_is_released_poll_by_poll():
    service = FakeService(latency=0.1)
    refs = [service.start(ends=1e9, job=f"job{number}") for number in range(400)]
    capacity = [16]
    waits = Waits(service, capacity=lambda: capacity[0])
    waits.begin(refs)
    await asyncio.sleep(0.25)
    assert service.in_flight == 16
    capacity[0] = 2
    await asyncio.sleep(0.25)
    assert service.in_flight == 2
    capacity[0] = 8
    await asyncio.sleep(2)
    assert service.in_flight == 8
    for task in waits.tasks:
        task.cancel()
    await waits.all()
    await waits.at_rest()


@pytest.mark.parametrize("capacity", [1, 2])
@warped
async def test_a_wait_begun_while_the_last_pollers_are_cancelled_is_polled(capacity):
    class Slow(FakeService):
        async def execution(self, job_id, execution_id, /):
            try:
                return await super().execution(job_id, execution_id)
            except asyncio.CancelledError:
                for _ in range(5):
                    await asyncio.sleep(0)  # closing a connection takes some turns of the loop
                raise

    service = Slow(latency=10.0)
    stuck = [service.start(ends=1e9, job=f"job{number}") for number in range(capacity)]
    waits = Waits(service, capacity=lambda: capacity)
    waits.begin(stuck)
    await asyncio.sleep(1)
    for task in waits.tasks:
        task.cancel()
    await asyncio.sleep(0)
    assert not waits.tracker.poll_loop.is_running and len(waits.tracker.poll_loop.tasks) == capacity
    service.latency = 0.1
    assert (await asyncio.wait_for(waits.wait(service.start(ends=0.0)), 5)).status == "COMPLETED"
    await waits.at_rest()


@warped
async def test_a_quiet_wait_makes_the_loop_run_only_when_something_is_due():
    service = FakeService()
    waits = Waits(service)
    waits.begin([service.start(ends=3600.0)])
    turns = 0
    make_ready = waits.tracker.schedule.make_ready

    def counting():
        nonlocal turns
        turns += 1
        make_ready()

    waits.tracker.schedule.make_ready = counting
    await waits.all()
    assert turns < 4 * service.requests + 10


# --- ends and faults -----------------------------------------------------------------------------------------


@warped
async def test_a_404_gets_its_grace_from_the_first_one_on_even_after_a_long_outage():
    service = FakeService()
    ref = service.start(ends=400.0, script=[*[outage(retry_after=100.0)] * 3, missing(), "RUNNING"])
    assert (await Waits(service).wait(ref)).status == "COMPLETED"


@warped
async def test_a_404_that_stays_ends_the_wait_for_all_with_an_error_each():
    service = FakeService()
    ref = service.start(ends=1e9)
    del service.runs[ref]
    waits = Waits(service)
    waits.begin([ref] * 3)
    errors = await waits.all()
    assert 60.0 <= now() <= 70.0
    assert {type(error) for error in errors} == {NotFound}
    assert len({id(error) for error in errors}) == 3
    assert {error.execution_ref for error in errors} == {ref}
    await waits.at_rest()


@warped
async def test_two_polls_are_two_polls_even_if_a_run_stands_twice_on_a_page():
    service = FakeService()
    refs = [service.start(ends=1e9), service.start(ends=1e9)]

    def page(job, number, rows):
        odd = [{**row, "status": "ODD", "endDate": "2026-11-01T00:00:00"} for row in rows]
        return odd + odd if now() < 1.5 else rows

    service.page = page
    waits = Waits(service)
    waits.begin(refs)
    await asyncio.sleep(0.5)
    assert waits.tracker.stats.waiters == 2
    await waits.all()
    assert 0.8 <= now() <= 1.5
    assert {run.status for run in await waits.all()} == {"ODD"}


@warped
async def test_an_answer_without_a_status_is_no_change_and_hides_nothing():
    service = FakeService()
    ref = service.start(ends=30.0, script=[None, "RUNNING", None, "RUNNING", None])
    waits = Waits(service)
    seen = []
    subscription = waits.tracker.subscribe(
        ref, lambda one: seen.extend(run.status for run in one.news[len(seen) :]), every_change=True
    )
    with pytest.raises(WaitTimeout) as caught:
        await waits.wait(ref, 4.5)
    assert caught.value.execution.status == "RUNNING"
    while not subscription.over:
        await asyncio.sleep(1)
    assert seen == [None, "RUNNING", "COMPLETED"]


@warped
async def test_one_log_line_counts_all_runs_whose_polls_fail_and_none_repeats(caplog):
    service = FakeService()
    silent = [service.start(ends=400.0, job=f"job{number}") for number in range(20)]
    heard = [service.start(ends=400.0, job="another job")]

    def get(run, execution):
        if run.ref in silent and now() < 300:
            raise outage()
        return execution

    service.get = get
    waits = Waits(service, draw=random.Random(2).random)
    waits.begin(silent + heard)
    with caplog.at_level(logging.WARNING):
        await waits.all()
    assert len(caplog.records) == 1
    assert "every poll has failed for a minute" in caplog.text
    assert "20 of the 21 runs" in caplog.text


@warped
async def test_failures_are_logged_again_after_an_answer_in_between(caplog):
    service = FakeService()
    ref = service.start(ends=700.0)

    def get(run, execution):
        if now() < 150 or 300 < now() < 500:
            raise outage()
        return execution

    service.get = get
    await Waits(service).wait(ref)
    assert len(caplog.records) == 2


# --- time-outs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0.0, 0.3, 5.0, 77.0])
@warped
async def test_the_last_poll_comes_at_the_deadline(timeout):
    service = FakeService()
    ref = service.start(ends=timeout)
    assert (await Waits(service).wait(ref, timeout)).status == "COMPLETED"
    assert now() == pytest.approx(timeout, abs=0.01)
    ref = service.start(ends=1e9)
    began = now()
    with pytest.raises(WaitTimeout, match=f"after {timeout:.1f} s") as caught:
        await Waits(service).wait(ref, timeout)
    assert now() - began == pytest.approx(timeout, abs=0.01)
    assert caught.value.execution.status in ("RUNNING", "READY")
    assert caught.value.execution_ref == ref


@warped
async def test_a_wait_with_a_short_time_out_beside_a_long_one_ends_in_its_own_time():
    service = FakeService()
    ref = service.start(ends=300.0)
    waits = Waits(service)
    waits.begin([ref])
    await asyncio.sleep(100)
    waits.begin([ref], 2.5)
    waits.begin([ref], 0)
    began = now()
    with pytest.raises(WaitTimeout):
        await waits.tasks[2]
    assert now() - began < 0.01
    with pytest.raises(WaitTimeout):
        await waits.tasks[1]
    assert now() - began == pytest.approx(2.5, abs=0.01)
    assert (await waits.tasks[0]).status == "COMPLETED"
    await waits.at_rest()


@warped
async def test_a_wait_that_joins_a_stalled_poll_ends_in_time_and_the_others_get_its_result():
    service = FakeService()
    ref = service.start(ends=10.0, script=["RUNNING", 30.0])
    waits = Waits(service)
    waits.begin([ref])
    await asyncio.sleep(2)
    waits.begin([ref], 3.0)
    with pytest.raises(WaitTimeout):
        await waits.tasks[1]
    assert now() == pytest.approx(5.0, abs=0.01)
    assert (await waits.tasks[0]).status == "COMPLETED"
    assert now() == pytest.approx(31.0, abs=0.1)
    await waits.at_rest()


@warped
async def test_a_later_poll_that_stalls_does_not_outlast_the_time_out():
    service = FakeService()
    ref = service.start(ends=1e9, script=["RUNNING", "RUNNING", 100.0])
    with pytest.raises(WaitTimeout, match="RUNNING"):
        await Waits(service).wait(ref, 4.0)
    assert now() == pytest.approx(4.0, abs=0.01)


@warped
async def test_the_first_poll_gets_a_moment_even_when_there_is_no_time():
    service = FakeService(latency=2.0)
    ref = service.start(ends=1.0)
    assert (await Waits(service).wait(ref, 0)).status == "COMPLETED"
    service.latency = 60.0
    began = now()
    with pytest.raises(WaitTimeout, match="its status was not read yet"):
        await Waits(service).wait(service.start(ends=1e9), 0)
    assert now() - began == pytest.approx(5.0, abs=0.01)


@warped
async def test_no_timer_stays_armed():
    service = FakeService()
    refs = [service.start(ends=20.0) for _ in range(5)]
    waits = Waits(service)
    waits.begin(refs, 500.0)
    await waits.all()
    await waits.at_rest()
    loop = asyncio.get_running_loop()
    assert loop.timers == []


@pytest.mark.parametrize("clock", [LeapClock, ManualClock])
async def test_clocks_that_leap_and_clocks_that_are_pushed_end_waits(clock):
    held = clock()

    class Service(FakeService):
        async def execution(self, job_id, execution_id, /):
            await asyncio.sleep(0)
            done = held.monotonic() >= end
            return JobExecution(execution_id, job_id, status="COMPLETED" if done else "RUNNING")

    end = held.monotonic() + 3600.0
    service = Service()
    waits = Waits(service, clock=held)
    waits.begin([service.start(job=f"job{number}") for number in range(3)])
    waits.begin([service.start(job="impatient")], 1800.0)
    while not all(task.done() for task in waits.tasks):
        await (held.push(60.0) if isinstance(held, ManualClock) else asyncio.sleep(0))
    *ended, error = await waits.all()
    assert [run.status for run in ended] == ["COMPLETED"] * 3
    assert isinstance(error, WaitTimeout)
    await waits.at_rest()


# --- coming and going ----------------------------------------------------------------------------------------


@warped
async def test_no_run_is_polled_without_a_wait():
    service = FakeService(latency=0.1, cap=10)
    refs = [service.start(ends=1e9) for _ in range(200)]
    keeper = service.start(ends=200.0, job="another job")
    waits = Waits(service)
    waits.begin([keeper, *refs])
    await asyncio.sleep(0.25)
    for task in waits.tasks[1:]:
        task.cancel()
    await asyncio.sleep(0.3)
    before = len(service.read), {ref for _, ref in service.gets if ref != keeper}
    await asyncio.sleep(100)
    assert (len(service.read), {ref for _, ref in service.gets if ref != keeper}) == before
    assert waits.tracker.stats.watched == 1
    await waits.all()
    await waits.at_rest()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4), 3)))
@warped
async def test_waits_that_leave_in_any_order_keep_the_end_for_the_one_that_stays(order):
    service = FakeService()
    ref = service.start(ends=10.0)
    tracker = Waits(service).tracker
    notified = []
    taken = [tracker.subscribe(ref, lambda _, at=at: notified.append(at)) for at in range(4)]
    for at in order:
        await asyncio.sleep(1)
        tracker.unsubscribe(taken[at])
        tracker.unsubscribe(taken[at])
    assert tracker.stats.waiters == 1
    await asyncio.sleep(20)
    assert notified == [next(at for at in range(4) if at not in order)]
    assert tracker.stats.watched == 0


@warped
async def test_a_new_run_of_a_job_that_is_being_polled_comes_next():
    service = FakeService(latency=0.5)
    waits = Waits(service)
    waits.begin([service.start(ends=600.0)])
    await asyncio.sleep(300)
    while not service.in_flight:
        await asyncio.sleep(0.01)
    fresh, began = service.start(ends=0.0), now()
    waits.begin([fresh])
    assert (await waits.tasks[1]).ref == fresh
    assert now() - began < 1.01
    await waits.all()
    await waits.at_rest()


@warped
async def test_a_wait_may_leave_and_come_back_while_a_poll_is_in_flight():
    service = FakeService(latency=3.0)
    ref = service.start(ends=10.0)
    keeper = service.start(ends=30.0)
    waits = Waits(service)
    waits.begin([keeper])
    for _ in range(5):
        leaver = asyncio.ensure_future(waits.wait(ref))
        await asyncio.sleep(0.4)
        leaver.cancel()
        await asyncio.sleep(0)
    waits.begin([ref])
    assert [run.status for run in await waits.all()] == ["COMPLETED"] * 2
    await waits.at_rest()


@warped
async def test_a_notification_may_wait_anew_or_make_others_leave():
    service = FakeService()
    ref = service.start(ends=5.0)
    tracker = Waits(service).tracker
    notified, second = [], []

    def again(subscription):
        notified.append("first")
        second.append(tracker.subscribe(ref, lambda _: notified.append("again")))

    def dismiss(subscription):
        notified.append("dismissing")
        tracker.unsubscribe(others[0])

    others = [tracker.subscribe(ref, lambda _: notified.append("other"))]
    tracker.subscribe(ref, again)
    tracker.subscribe(ref, dismiss)
    await asyncio.sleep(20)
    assert sorted(notified) == ["again", "dismissing", "first", "other"]
    assert second[0].over
    assert tracker.stats.watched == 0 and not tracker.poll_loop.is_running


@warped
async def test_closing_ends_every_wait_and_leaves_nothing():
    service = FakeService(latency=1.0)
    refs = [service.start(ends=1e9, job=f"job{number % 3}") for number in range(30)]
    waits = Waits(service)
    waits.begin(refs)
    waits.begin(refs[:1], 3.0)
    await asyncio.sleep(0.5)
    await waits.tracker.aclose()
    await waits.tracker.aclose()
    results = await waits.all()
    assert {type(error) for error in results} == {InvalidRequest}
    assert [error.execution_ref for error in results] == [*refs, refs[0]]
    await waits.at_rest()


@warped
async def test_a_mistake_of_ours_ends_every_wait_instead_of_hanging():
    service = FakeService()
    ref = service.start(ends=1e9, script=["RUNNING", ZeroDivisionError("ours")])
    waits = Waits(service)
    waits.begin([ref, service.start(ends=1e9, job="another job")])
    assert {type(error) for error in await waits.all()} == {ZeroDivisionError}
    await waits.at_rest()


@pytest.mark.parametrize("victim", ["the loop", "a looker"])
@warped
async def test_cancelling_the_trackers_own_tasks_ends_every_wait_instead_of_hanging(victim):
    service = FakeService(latency=1.0)
    waits = Waits(service)
    waits.begin([service.start(ends=1e9), service.start(ends=1e9, job="another job")])
    await asyncio.sleep(0.5)
    tracker = waits.tracker
    loop, *pollers = tracker.poll_loop.tasks
    (loop if victim == "the loop" else pollers[0]).cancel()
    assert {type(error) for error in await waits.all()} == {RuntimeError}
    await waits.at_rest()
    assert (await waits.wait(service.start(ends=0.0))).status == "COMPLETED"


@warped
async def test_a_clock_that_fails_ends_every_wait():
    class Broken(LeapClock):
        async def sleep(self, seconds, /):
            raise ZeroDivisionError

    service = FakeService()
    waits = Waits(service, clock=Broken())
    waits.begin([service.start(ends=1e9)])
    assert {type(error) for error in await waits.all()} == {ZeroDivisionError}
    await waits.at_rest()


@warped
async def test_stats_count_what_waiting_costs():
    service = FakeService()
    refs = [service.start(ends=100.0) for _ in range(2)]
    waits = Waits(service)
    assert waits.tracker.stats.oldest_poll_age == 0.0
    waits.begin([*refs, refs[0]])
    await asyncio.sleep(80.5)
    stats = waits.tracker.stats
    assert (stats.watched, stats.waiters) == (2, 3)
    assert stats.requests == service.requests and stats.pages == len(service.read)
    assert stats.polls >= 2 * stats.pages
    assert stats.oldest_poll_age == pytest.approx(now() - max(when for when, _, _ in service.read), abs=0.01)
    await waits.all()


# --- many ----------------------------------------------------------------------------------------------------


@warped
async def test_thousands_of_waits_begin_and_leave_in_linear_time():
    service = FakeService()
    tracker = Waits(service).tracker
    refs = [service.start(ends=1e9) for _ in range(1000)]

    def churn(count, timeout):
        taken = [
            tracker.subscribe(
                refs[number % 10 if timeout else number % 1000], lambda _: None, timeout=timeout
            )
            for number in range(count)
        ]
        for subscription in taken:
            tracker.unsubscribe(subscription)

    assert calls_of(lambda: churn(20_000, None)) < 20_000 * 40
    assert calls_of(lambda: churn(10_000, 100.0)) < 10_000 * 80
    await asyncio.sleep(1)
    assert not tracker.poll_loop.is_running


def test_thousands_of_time_outs_of_one_run_take_linear_time():
    async def main(count):
        service = FakeService()
        ref = service.start(ends=1e9)
        tracker = Waits(service).tracker
        over = []
        for _ in range(count):
            tracker.subscribe(ref, over.append, timeout=5.0)
        while len(over) < count:
            await asyncio.sleep(1)
        assert all(isinstance(each.error, WaitTimeout) for each in over)
        assert math.isclose(now(), 6, abs_tol=1)

    def work(count):
        with asyncio.Runner(loop_factory=WarpLoop) as runner:
            return calls_of(lambda: runner.run(main(count)))

    assert work(2_000) < 6 * work(500)


def test_a_service_page_of_the_fake_is_newest_first():
    async def pages():
        service = FakeService(cap=2)
        for _ in range(5):
            service.start()
        return [
            [row.job_execution_id for row in (await service.run_page(JOB, page, 1000)).rows]
            for page in range(4)
        ]

    assert asyncio.run(pages()) == [["r0000004", "r0000003"], ["r0000002", "r0000001"], ["r0000000"], []]
