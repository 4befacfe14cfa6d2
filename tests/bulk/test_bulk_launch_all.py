"""Launching without waiting, and what every bulk run keeps to: bounds, counts, order of record and outcome."""

import asyncio
import tracemalloc
from itertools import count

import pytest

from dataflow_async import BadRequest, ExecutionFailed, Journal, Launch, RetryPolicy
from dataflow_async.bulk import factory
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived
from dataflow_async.emulator.audit.verify import read_journal, verify_history
from dataflow_async.models.execution import JobExecution
from tests.support.client import RUN, client
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, gateway_error, scripted

JOB = "Jq3kT9vLmN2x"
NUMBERS = count()


def launches(number, job_id=JOB):
    return [Launch(job_id, parameters={"day": str(n)}, key=f"day-{n}") for n in range(number)]


def respond(request):
    """Each POST starts a run of its own; every run that is looked at has ended."""
    if request.method == "POST":
        return answer(202, {**RUN, "jobExecutionId": f"run{next(NUMBERS)}"})
    if "?" in request.target:
        return answer(200, {"list": []})
    return answer(200, {**RUN, "jobExecutionId": request.target.rpartition("/")[2], "status": "COMPLETED"})


def posts(server):
    return sum(request.method == "POST" for request in server.received)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backfill.db"


def phases(path):
    with Journal.open(path) as journal:
        return journal.counts()


# --- launch_all ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_journal", [False, True])
async def test_outcomes_report_starts_and_no_run_is_polled(path, with_journal):
    journal = path if with_journal else None
    async with Emulator() as server, server.client() as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        outcomes = [it async for it in flow.launch_all(launches(30, job.job_id), journal=journal)]
        operations = {it.operation for it in server.history if isinstance(it, RequestReceived)}
    assert sorted(it.key for it in outcomes) == sorted(it.key for it in launches(30))
    assert {(it.status, it.error, it.resumed) for it in outcomes} == {("READY", None, False)}
    assert len({it.execution.job_execution_id for it in outcomes}) == len(server.state.executions) == 30
    assert operations <= {"createJob", "executeJob", "getJobs"}


async def test_a_launch_that_is_refused_is_an_outcome_here_too(path):
    async with (
        scripted(answer(400, {"detail": "no", "errorType": "bad-parameter"})) as server,
        client(server.url) as flow,
    ):
        (outcome,) = [it async for it in flow.launch_all(launches(1), journal=path)]
    assert (outcome.status, type(outcome.error), outcome.execution) == ("NOT_LAUNCHED", BadRequest, None)
    assert phases(path) == {"rejected": 1}


async def test_what_launch_all_has_started_run_all_awaits_with_the_same_journal(path):
    async with Emulator(speed=1000, fail_rate=0.3, seed=5) as server, server.client() as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        days = launches(40, job.job_id)
        started = {it.key: it.execution.ref async for it in flow.launch_all(days[:30], journal=path)}
        assert phases(path) == {"accepted": 30}
        ended = {it.key: it async for it in flow.run_all(days, journal=path)}
        again = {it.key: it async for it in flow.launch_all(days, journal=path)}
        assert verify_history(server.history, read_journal(path)) == []
        assert len(server.state.executions) == 40
    assert {key: it.execution.ref for key, it in ended.items() if it.resumed} == started
    assert {str(it.status) for it in ended.values()} == {"COMPLETED", "FAILED"}
    assert {key: (it.status, it.execution.ref) for key, it in again.items()} == {
        key: (it.status, it.execution.ref) for key, it in ended.items()
    }
    assert all(it.resumed for it in again.values())
    assert all((type(it.error) is ExecutionFailed) == (it.status == "FAILED") for it in again.values())


# --- failures ------------------------------------------------------------------------------------------------------


async def test_max_failures_counts_outcomes_of_this_run_only(path):
    refused = 0

    def refuse(request):
        nonlocal refused
        if request.method == "POST" and refused < 4:
            refused += 1
            return answer(400, {"detail": "no", "errorType": "bad-parameter"})
        if request.method == "POST":
            return answer(202, {**RUN, "jobExecutionId": f"run{next(NUMBERS)}"})
        if "?" in request.target:
            return answer(200, {"list": []})
        return answer(200, {**RUN, "jobExecutionId": request.target.rpartition("/")[2], "status": "FAILED"})

    async with scripted(refuse) as server, client(server.url) as flow:
        run = flow.run_all(launches(20), journal=path, max_failures=6, max_in_flight=2)
        first = [it async for it in run]
        assert 6 <= len(first) <= 7
        second = [
            it async for it in flow.run_all(launches(20), journal=path, max_failures=6, max_in_flight=2)
        ]
    assert sum(it.resumed for it in second) == len(first) - 4  # those that were refused are launched now
    assert 6 <= sum(not it.resumed for it in second) <= 7


@pytest.mark.parametrize("with_journal", [False, True])
async def test_a_launch_that_is_throttled_keeps_nobody_waiting_and_counts_no_attempt(path, with_journal):
    """The first one is refused nine times, far beyond all attempts of a call; the others pass it by."""
    left = 9

    def throttle(request):
        nonlocal left
        if request.method == "POST" and b'"day": "0"' in request.body.replace(b'":"', b'": "') and left:
            left -= 1
            return gateway_error(429, "410" if left % 2 else "420")
        return respond(request)

    retry = RetryPolicy(max_attempts=2)
    clock = LeapClock()
    async with (
        scripted(throttle) as server,
        client(server.url, max_concurrency=1, retry=retry, clock=clock) as flow,
    ):
        run = flow.run_all(launches(6), journal=path if with_journal else None)
        keys = [(it.key, it.status) async for it in run]
    assert left == 0
    assert {status for _, status in keys} == {"COMPLETED"}
    assert keys[-1][0] == "day-0"
    assert posts(server) == 6 + 9
    if with_journal:
        with Journal.open(path) as journal:
            assert {row.attempt for row in journal.rows()} == {1}


# --- bounds --------------------------------------------------------------------------------------------------------


async def test_with_a_journal_too_at_most_max_in_flight_are_unfinished(path):
    unfinished = peak = 0

    def watch(request):
        nonlocal unfinished, peak
        if request.method == "POST":
            unfinished += 1
            peak = max(peak, unfinished)
        elif "?" not in request.target:
            unfinished -= 1
        return respond(request)

    async with scripted(watch) as server, client(server.url) as flow:
        keys = [it.key async for it in flow.run_all(launches(150), max_in_flight=6, journal=path)]
    assert len(keys) == 150
    assert peak == 6


@pytest.mark.parametrize("with_journal", [False, True])
async def test_a_slow_consumer_slows_the_launching_down(path, with_journal):
    async with scripted(respond) as server, client(server.url) as flow:
        taken = 0
        async for _ in flow.launch_all(launches(40), max_in_flight=5, journal=path if with_journal else None):
            taken += 1
            for _ in range(200):  # far more turns than the five need
                await asyncio.sleep(0)
            assert posts(server) <= taken + 5
    assert taken == posts(server) == 40


@pytest.mark.slow
async def test_five_thousand_in_flight():
    async with Emulator(speed=1000, ready_seconds=(1, 1), run_seconds=(600, 600)) as server:
        async with server.client() as flow:
            job = await flow.jobs.create("stock_import", type="SCRIPT")
            peak = 0

            def note(progress):
                nonlocal peak
                peak = max(peak, progress.running)

            run = flow.run_all(
                (Launch(job.job_id, key=str(n)) for n in range(5_000)), max_in_flight=5_000, on_progress=note
            )
            assert len([None async for _ in run]) == 5_000
        assert len(server.state.executions) == 5_000
    assert peak > 1_000


class Instant:
    """A client's way to the service, cut short: every launch is accepted at once."""

    def __init__(self):
        self.numbers = count()

    async def start_run(self, _, job_id, **launch):
        await asyncio.sleep(0)
        return JobExecution(f"run{next(self.numbers)}", job_id, status="READY")


async def added_memory(number):
    """Bytes at the peak of so many launches."""
    async with client("http://127.0.0.1:1") as flow:
        source = (Launch(JOB, parameters={"day": str(n)}, key=f"day-{n:06}") for n in range(number))
        tracemalloc.start()
        try:
            async for outcome in flow.launch_all(source):
                assert outcome.error is None
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


async def test_memory_does_not_grow_with_the_number_of_launches(monkeypatch):
    monkeypatch.setattr(factory, "start_run", Instant().start_run)
    await added_memory(100)
    few = await added_memory(1_000)
    assert await added_memory(5_000) - few < 500_000


@pytest.mark.slow
async def test_memory_does_not_grow_with_a_hundred_thousand_launches(monkeypatch):
    monkeypatch.setattr(factory, "start_run", Instant().start_run)
    await added_memory(100)
    few = await added_memory(1_000)
    digests = 100_000 * 16  # of the last million keys, in tables that are a third full at least
    assert await added_memory(100_000) - few < 3 * digests


# --- order and counts ----------------------------------------------------------------------------------------------


async def test_the_record_precedes_the_request_and_the_outcome(path, monkeypatch):
    """Intent on disk, request, id on disk, end on disk, outcome: in this order for every launch."""
    told = []

    def noting(name):
        real = getattr(JournalWriter, name)

        async def write(writer, key, *rest, **more):
            result = await real(writer, key, *rest, **more)
            told.append((key, name))
            return result

        monkeypatch.setattr(JournalWriter, name, write)

    for name in ("intend", "accepted", "ended"):
        noting(name)

    def note(request):
        if request.method == "POST":
            told.append((f"day-{request.json['jobCondition']['parameters']['day']}", "request"))
        return respond(request)

    async with scripted(note) as server, client(server.url) as flow:
        async for outcome in flow.run_all(launches(20), journal=path, max_in_flight=8):
            told.append((outcome.key, "outcome"))
    for launch in launches(20):
        mine = [what for key, what in told if key == launch.key]
        assert mine == ["intend", "request", "accepted", "ended", "outcome"]


async def test_progress_counts_resumed_outcomes_and_does_not_take_them_for_speed(path):
    clock = LeapClock()
    async with scripted(respond) as server, client(server.url, clock=clock) as flow:
        async for _ in flow.run_all(launches(30), journal=path):
            pass
        reports = []
        run = flow.run_all(launches(40), journal=path, max_in_flight=2, on_progress=reports.append)
        async for _ in run:
            clock.ticks += 1.0
    last = reports[-1]
    assert (last.total, last.submitted, last.launched, last.running) == (40, 40, 10, 0)
    assert (last.completed, last.failed, last.uncertain) == (40, 0, 0)
    assert last.eta == 0
    half = next(report for report in reports if report.completed >= 20)
    assert half.rate == 0 and half.eta is None
    assert last.rate == pytest.approx(10 / clock.ticks, rel=0.5)
