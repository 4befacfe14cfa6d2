"""Bulk runs in their first form: bounded, lazy, complete, and clean when left."""

import asyncio
import gc
import logging
from collections import Counter
from itertools import count

import pytest

from dataflow_async import (
    AuthenticationFailed,
    BadState,
    InvalidRequest,
    Launch,
    LaunchUncertain,
    Progress,
    defaults,
)
from dataflow_async.emulator import Emulator
from tests.support.client import RUN, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of, session_of
from tests.support.scripted import RESET, STALL, answer, gateway_error, scripted

NUMBERS = count()


def started_then_done(request):
    """Each launch starts a run of its own, which has completed at the first poll."""
    _, _, _, _, job_id, _, *execution_id = request.target.partition("?")[0].split("/")
    if request.method == "POST":
        return answer(202, {"jobExecutionId": f"run{next(NUMBERS)}", "jobId": job_id, "status": "READY"})
    if not execution_id:  # a page, which shows none of them
        return answer(200, {"list": []})
    return answer(200, {"jobExecutionId": execution_id[0], "jobId": job_id, "status": "COMPLETED"})


def launches(count, job_id="Jq3kT9vLmN2x"):
    return (Launch(job_id, key=f"key-{n}") for n in range(count))


async def test_every_launch_has_one_outcome_and_started_once():
    async with Emulator(speed=500, fail_rate=0.2, seed=3) as server, server.client() as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        days = [Launch(job.job_id, parameters={"day": str(n)}, key=f"day-{n}") for n in range(200)]
        outcomes = [outcome async for outcome in flow.run_all(days, max_in_flight=50)]
        runs = [run async for run in flow.jobs.executions(job.job_id)]
    assert sorted(outcome.key for outcome in outcomes) == sorted(launch.key for launch in days)
    assert Counter(run.parsed_parameters["day"] for run in runs) == Counter(str(n) for n in range(200))
    assert {str(outcome.status) for outcome in outcomes} == {"COMPLETED", "FAILED"}
    for outcome in outcomes:
        assert (outcome.error is None) == (outcome.status == "COMPLETED")
        assert outcome.execution.parsed_parameters == outcome.launch.parameters
        assert outcome.resumed is False


async def test_launches_are_submitted_as_capacity_allows_which_consumed_outcomes_return():
    drawn = 0

    def counting():
        nonlocal drawn
        for launch in launches(1000):
            drawn += 1
            yield launch

    async with scripted(started_then_done) as server, client(server.url) as flow:
        async with flow.run_all(counting(), max_in_flight=5) as outcomes:
            await anext(outcomes)
            for _ in range(200):
                await asyncio.sleep(0.001)
                if drawn >= 6:
                    break
            assert drawn <= 6
            for _ in range(10):
                await anext(outcomes)
            assert drawn <= 5 + 11
    assert drawn < 20


async def test_at_most_max_in_flight_runs_are_unfinished():
    running = peak = started = 0

    def respond(request):
        nonlocal running, peak, started
        if request.method == "POST":
            started += 1
            running += 1
            peak = max(peak, running)
            return answer(202, {**RUN, "jobExecutionId": f"run{started}"})
        if "?" in request.target:  # a page, which shows none of them
            return answer(200, {"list": []})
        running -= 1
        return answer(
            200, {**RUN, "jobExecutionId": request.target.rpartition("/")[2], "status": "COMPLETED"}
        )

    async with scripted(respond) as server, client(server.url) as flow:
        count = len([None async for _ in flow.run_all(launches(300), max_in_flight=7)])
    assert count == 300
    assert peak <= 7


async def test_async_iterables_are_taken_too():
    async def source():
        for launch in launches(5):
            await asyncio.sleep(0)
            yield launch

    async with scripted(started_then_done) as server, client(server.url) as flow:
        keys = {outcome.key async for outcome in flow.run_all(source())}
    assert keys == {f"key-{n}" for n in range(5)}


async def test_without_a_key_a_launch_is_named_by_what_it_is():
    async with scripted(started_then_done) as server, client(server.url) as flow:
        twice = [outcome.key async for outcome in flow.run_all([Launch("a1"), Launch("b1"), Launch("a1")])]
        once = [outcome.key async for outcome in flow.run_all([Launch("b1"), Launch("a1")])]
    assert len(set(twice)) == 3
    assert set(once) < set(twice)


async def test_a_launch_that_fails_is_an_outcome_not_the_end():
    refused = answer(400, {"detail": "too many", "errorType": "bad-state"})

    def respond(request):
        if request.method == "POST" and "bad" in request.target:
            return refused
        return started_then_done(request)

    mixed = [Launch(RUN["jobId"], key="0"), Launch("bad", key="1"), Launch(RUN["jobId"], key="2")]
    async with scripted(respond) as server, client(server.url) as flow:
        outcomes = {outcome.key: outcome async for outcome in flow.run_all(mixed)}
    assert outcomes["1"].status == "NOT_LAUNCHED"
    assert isinstance(outcomes["1"].error, BadState)
    assert outcomes["0"].status == outcomes["2"].status == "COMPLETED"


async def test_a_lost_answer_is_uncertain_and_never_repeated():
    async with scripted(RESET) as server, client(server.url) as flow:
        (outcome,) = [outcome async for outcome in flow.run_all(launches(1))]
    assert outcome.status == "UNCERTAIN"
    assert isinstance(outcome.error, LaunchUncertain)
    assert outcome.error.launch == outcome.launch
    assert outcome.error.may_have_run
    assert len(server.received) == 1


async def test_throttled_launches_go_back_into_the_line():
    left = 9

    def respond(request):
        nonlocal left
        if request.method == "POST" and left:
            left -= 1
            return gateway_error(429, "410")
        return started_then_done(request)

    async with scripted(respond) as server, client(server.url) as flow:
        outcomes = [outcome async for outcome in flow.run_all(launches(2))]
    assert [outcome.status for outcome in outcomes] == ["COMPLETED"] * 2


async def test_refused_keys_end_the_run_after_everything_in_flight_is_accounted_for():
    posts = 0

    def respond(request):
        nonlocal posts
        if request.method == "POST":
            posts += 1
            if posts > 3:
                return gateway_error(401, "200")
        return started_then_done(request)

    taken = []
    async with scripted(respond) as server, client(server.url) as flow:
        with pytest.raises(AuthenticationFailed):
            async for outcome in flow.run_all(launches(1000), max_in_flight=4):
                taken.append(outcome)
    assert posts < 30
    assert sum(outcome.status == "COMPLETED" for outcome in taken) == 3
    assert len(taken) <= 3 + 4


async def test_max_failures_stops_submitting():
    async with scripted(answer(400, {"detail": "no"})) as server, client(server.url) as flow:
        outcomes = [outcome async for outcome in flow.run_all(launches(100), max_in_flight=2, max_failures=3)]
    assert 3 <= len(outcomes) <= 5
    assert len(server.received) == len(outcomes)


async def test_a_source_that_raises_ends_the_run_with_its_error_and_loses_no_outcome():
    def source():
        yield from launches(3)
        raise ZeroDivisionError

    taken = []
    async with scripted(started_then_done) as server, client(server.url) as flow:
        with pytest.raises(ZeroDivisionError):
            async for outcome in flow.run_all(source(), max_in_flight=2):
                taken.append(outcome)
    assert len(taken) == 3


async def test_something_else_than_a_launch_is_refused_in_words():
    async with client("http://127.0.0.1:1") as flow:
        with pytest.raises(
            InvalidRequest, match=r"launches must be Launch objects \(item 0 is none\), got 'a1'"
        ):
            async for _ in flow.run_all(["a1"]):
                pass
        for bad in (
            {"max_in_flight": 0},
            {"max_failures": 0},
            {"journal": 5},
            {"correlation_parameter": "k"},
            {"rerun": "FAILED"},
        ):
            with pytest.raises(InvalidRequest, match=next(iter(bad))):
                flow.run_all([], **bad)
        with pytest.raises(InvalidRequest, match="launches"):
            flow.run_all(5)


async def test_nothing_to_launch_is_nothing():
    async with client("http://127.0.0.1:1") as flow:
        assert [outcome async for outcome in flow.run_all([])] == []


def left_over(before):
    return {task for task in asyncio.all_tasks() - before if not task.done()}


@pytest.mark.parametrize("how", ["break", "aclose", "cancel", "error"])
async def test_leaving_early_starts_nothing_more_and_leaves_no_task(how):
    async with scripted(started_then_done) as server, client(server.url) as flow:
        before = asyncio.all_tasks()

        async def leave():
            async with flow.run_all(launches(1000), max_in_flight=3) as outcomes:
                async for _ in outcomes:
                    if how == "break":
                        break
                    if how == "aclose":
                        await outcomes.aclose()
                        return
                    if how == "cancel":
                        asyncio.current_task().cancel()
                        await asyncio.sleep(0)
                    raise ZeroDivisionError

        await asyncio.gather(asyncio.create_task(leave()), return_exceptions=True)
        posts = sum(request.method == "POST" for request in server.received)
        await asyncio.sleep(0.02)
        assert sum(request.method == "POST" for request in server.received) == posts <= 8
        assert {task for task in left_over(before) if "launcher" in repr(task)} == set()


async def test_a_bare_break_stops_the_submitting():
    async with scripted(started_then_done) as server, client(server.url) as flow:
        async for _ in flow.run_all(launches(1000), max_in_flight=3):
            break
        gc.collect()
        await asyncio.sleep(0.02)
        assert sum(request.method == "POST" for request in server.received) <= 8


async def test_a_launch_in_flight_when_its_run_is_closed_is_completed_and_logged(caplog):
    release = asyncio.Event()

    async with scripted(answer(202, RUN)) as server, client(server.url) as flow:
        send = session_of(flow).send

        async def slow(*arguments):
            await release.wait()
            return await send(*arguments)

        session_of(flow).send = slow
        run = flow.run_all(launches(1))
        taking = asyncio.create_task(anext(run))
        while not calls_of(flow).limiter.acquired:
            await asyncio.sleep(0)
        taking.cancel()
        closing = asyncio.create_task(run.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        release.set()
        await closing
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert (
        "launch 'key-0'" in told[0]
        and "was started: dataflow-execution:1:Jq3kT9vLmN2x:Ex9dN4uVrB6t" in told[0]
    )


async def test_closing_the_client_ends_its_bulk_runs():
    before = asyncio.all_tasks()
    async with scripted(started_then_done) as server:
        async with client(server.url) as flow:
            run = flow.run_all(launches(1000), max_in_flight=3)
            await anext(run)
        assert {task for task in left_over(before) if "launcher" in repr(task)} == set()
        del run


async def test_progress_adds_up_and_is_reported_at_most_ten_times_a_second():
    clock = LeapClock()
    reports = []
    async with scripted(started_then_done) as server, client(server.url, clock=clock) as flow:
        run = flow.run_all(list(launches(40)), max_in_flight=4, on_progress=reports.append)
        async for _ in run:
            clock.ticks += 0.01
    last = reports[-1]
    assert isinstance(last, Progress)
    assert (last.total, last.submitted, last.launched, last.completed, last.failed) == (40, 40, 40, 40, 0)
    assert last.running == 0
    assert last.eta == 0
    assert len(reports) <= clock.ticks / 0.1 + 3


async def test_a_progress_callback_that_raises_ends_the_run_but_loses_no_outcome():
    def angry(_):
        raise ZeroDivisionError

    taken = []
    async with scripted(started_then_done) as server, client(server.url) as flow:
        with pytest.raises(ZeroDivisionError):
            async for outcome in flow.run_all(launches(5), max_in_flight=1, on_progress=angry):
                taken.append(outcome)
    posts = sum(request.method == "POST" for request in server.received)
    assert len(taken) == posts


async def test_a_stalled_launch_does_not_hold_up_closing_for_ever():
    async with scripted(STALL) as server, client(server.url, timeout=0.05) as flow:
        run = flow.run_all(launches(1))
        taking = asyncio.create_task(anext(run))
        while not server.received:
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait_for(run.aclose(), 60)


async def test_an_outcome_handed_to_a_consumer_that_is_cancelled_in_that_instant_is_kept(monkeypatch):
    monkeypatch.setattr(defaults, "PROGRESS_INTERVAL", 0.0)  # on_progress follows each outcome at once
    cancelled = []

    def cancel_after_the_first(progress):
        if progress.completed == 1 and not cancelled:
            cancelled.append(taking.cancel())

    async with scripted(started_then_done) as server, client(server.url) as flow:
        run = flow.run_all(launches(3), max_in_flight=1, on_progress=cancel_after_the_first)
        taking = asyncio.create_task(anext(run))
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert cancelled == [True]
        async with asyncio.timeout(60):
            assert [outcome.key async for outcome in run] == ["key-0", "key-1", "key-2"]
