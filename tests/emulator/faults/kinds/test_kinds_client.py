"""Each kind of fault with this library's client: the errors of a launch, and the answers to reads."""

import logging

import attrs
import pytest

from dataflow_async import (
    APIError,
    AuthenticationFailed,
    DataFlowError,
    DecodeError,
    ExecutionStatus,
    NotFound,
    NotSent,
    QuotaExceeded,
    RateLimited,
    ResponseLost,
    ServerError,
    TransportError,
)
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived
from dataflow_async.emulator.audit.verify import verify_history
from dataflow_async.emulator.faults.kinds import KINDS
from tests.support.clocks import LeapClock

PATIENCE = 1.0
"""Seconds until the client gives a silent server up; on an idle machine an answer takes a hundredth of it."""


@pytest.fixture
async def server():
    async with Emulator() as server:
        yield server


@pytest.fixture
async def flow(server):
    async with server.client(clock=LeapClock(), timeout=PATIENCE) as flow:
        yield flow


@pytest.fixture
async def job(flow):
    return (await flow.jobs.create("orders_rollup", type="SCRIPT")).job_id


def launches_received(server):
    return sum(isinstance(it, RequestReceived) and it.operation == "executeJob" for it in server.history)


# --- launches ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Expected:
    """What becomes of a launch: its error if any, whether that says that it may have run, requests, runs."""

    error: type[DataFlowError] | None
    may_have_run: bool
    sent: int
    runs: int


LOST_BEFORE = Expected(ResponseLost, True, 1, 0)
LOST_AFTER = Expected(ResponseLost, True, 1, 1)
FINE = Expected(None, False, 1, 1)
LAUNCHES = {
    "refuse before 0.01": LOST_BEFORE,
    "refuse after 0.01": LOST_AFTER,
    "close before": LOST_BEFORE,
    "close after": LOST_AFTER,
    "reset before": LOST_BEFORE,
    "reset after": LOST_AFTER,
    "garbage before": LOST_BEFORE,
    "garbage after": LOST_AFTER,
    "stall-headers before": LOST_BEFORE,
    "stall-headers after": LOST_AFTER,
    "stall-body": LOST_AFTER,
    "half-body": LOST_AFTER,
    "trickle pause=0.001": FINE,
    "trickle pause=0.05 size=8": LOST_AFTER,
    "bandwidth 100000": FINE,
    "bandwidth 50": LOST_AFTER,
    "latency 0.01 before": FINE,
    "latency 0.01 after": FINE,
    "latency 10 before": LOST_AFTER,  # giving up is not undoing: the run begins all the same
    "latency 10 after": LOST_AFTER,
    "429 410 x1": Expected(None, False, 2, 1),
    "429 420 retry-after=3 x2": Expected(None, False, 3, 1),
    "429 410 retry-after=date+3 x1": Expected(None, False, 2, 1),
    "429 410 retry-after=nonsense x1": Expected(None, False, 2, 1),
    "429 410": Expected(RateLimited, False, 3, 0),
    "429 400": Expected(QuotaExceeded, False, 1, 0),
    "429 477": Expected(RateLimited, True, 1, 0),
    "429 410 x1; numeric-code": Expected(None, False, 2, 1),
    "500 before": Expected(ServerError, True, 1, 0),
    "500 after": Expected(ServerError, True, 1, 1),
    "503 before": Expected(ServerError, True, 1, 0),
    "503 after": Expected(ServerError, True, 1, 1),
    "504 before": Expected(ServerError, True, 1, 0),
    "504 after": Expected(ServerError, True, 1, 1),
    "html before": Expected(ServerError, True, 1, 0),
    "html status=504 after": Expected(ServerError, True, 1, 1),
    "html status=200 after": Expected(DecodeError, True, 1, 1),
    "302": Expected(APIError, True, 1, 0),
    "401 skew=10": Expected(AuthenticationFailed, False, 2, 0),
    "401 skew=400": Expected(AuthenticationFailed, False, 3, 0),
    "empty-body": Expected(DecodeError, True, 1, 1),
    "content-type": FINE,
    "missing-fields jobExecutionId": Expected(DecodeError, True, 1, 1),
    "null-fields jobExecutionId": Expected(DecodeError, True, 1, 1),
    "missing-fields jobId,jobName,status": FINE,
    "null-fields jobName,jobCondition": FINE,
    "extra-fields": FINE,
    "unknown-status": FINE,
    "old-shape": FINE,
    "old-shape runCondtion": FINE,
    "old-shape dates": FINE,
    "clock +4min": FINE,
    "clock -6min": Expected(None, False, 2, 1),
}


@pytest.mark.parametrize("spec", LAUNCHES)
async def test_a_launch(server, flow, job, spec):
    expected = LAUNCHES[spec]
    server.faults.parse("; ".join(f"executeJob {part.strip()}" for part in spec.split(";")))
    error = None
    try:
        run = await flow.jobs.execute(job)
    except DataFlowError as problem:
        error = problem
    else:
        assert run.job_id == job and run.job_execution_id in server.state.executions
    await flow.aclose()
    await server.stop()

    assert type(error) is (expected.error or type(None)), error
    assert error is None or error.may_have_run is expected.may_have_run
    assert (launches_received(server), len(server.state.executions)) == (expected.sent, expected.runs)
    assert verify_history(server.history) == []


async def test_a_connection_that_is_closed_on_accept_starts_nothing(server, job):
    server.faults.add("accept-close")
    async with server.client(clock=LeapClock()) as flow:
        with pytest.raises(TransportError) as caught:
            await flow.jobs.execute(job)
    # Whether the close is noticed before the request is written is a race; what was written may have run.
    assert caught.value.may_have_run is isinstance(caught.value, ResponseLost)
    assert not server.state.executions


async def test_a_launch_is_provably_not_sent_while_connections_are_refused(server, flow, job):
    server.faults.add("refuse", seconds=3600, count=1)
    with pytest.raises(ResponseLost):
        await flow.jobs.execute(job)

    with pytest.raises(NotSent) as caught:
        await flow.jobs.execute(job)
    assert not caught.value.may_have_run and caught.value.attempts == 3


# --- reads ------------------------------------------------------------------------------------------------------------

REPEATED = (
    "refuse 0 x1", "close x1", "reset x1", "garbage x2", "stall-headers x1", "stall-body x1", "half-body x2",
    "accept-close x1", "302 x2", "429 x2", "429 477 x1", "500 x2", "503 x2", "504 x2", "html x1", "latency 10 x1",
)  # fmt: skip
READABLE = (
    "trickle pause=0.001 size=50", "bandwidth 100000", "content-type", "numeric-code", "unknown-status",
    "extra-fields", "old-shape", "old-shape dates", "latency 0.01", "clock 240", "missing-fields name,createdDate",
    "null-fields status,type", "error-form", "status-code of=200 status=201", "date-form Z", "members drop=name null=status",
    "list-envelope", "job-status", "member-values", "run-times", "trace-headers", "keep-alive 5",
)  # fmt: skip


@pytest.mark.parametrize("spec", [*REPEATED, *READABLE])
async def test_a_read_gets_its_answer_in_the_end(server, job, spec):
    server.faults.parse(spec)
    async with server.client(clock=LeapClock(), timeout=PATIENCE) as flow:
        assert (await flow.jobs.get(job)).job_id == job


@pytest.mark.parametrize(("spec", "error"), [("empty-body", DecodeError), ("429 400", QuotaExceeded)])
async def test_a_permanent_failure_is_one_request_and_an_error(server, flow, job, spec, error):
    server.faults.parse(spec)
    before = server.history.last
    with pytest.raises(error):
        await flow.jobs.get(job)
    assert sum(isinstance(it, RequestReceived) for it in server.history.since(before)) == 1


async def test_the_measured_skew_is_reported_and_not_applied(server, flow, job):
    server.faults.add("401", skew=-1000)
    with pytest.raises(AuthenticationFailed) as caught:
        await flow.jobs.get(job)
    assert -1010 < caught.value.clock_skew < -995

    server.faults.clear()
    assert (await flow.jobs.get(job)).job_id == job


async def test_older_and_odd_shapes_are_read_alike(server, flow, job):
    server.faults.parse("old-shape; old-shape dates; unknown-status; extra-fields")

    run = await flow.jobs.execute(job)
    assert run.job_condition.num_worker == 2
    assert run.created_date.utcoffset().total_seconds() == 9 * 3600
    assert run.status == "DEFROSTING" and "extraMember" in run.raw


# --- lists and waits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        "list-order oldest",
        "list-order newest",
        "page-cap 3",
        "shift 1",
        "list-count total",
        "page-cap 4; shift 2",
        "list-stale",
        "dates",
        "no-echo ever",
        "date-header",
    ],
)
async def test_a_walk_over_pages_misses_nothing(server, flow, job, spec):
    runs = {(await flow.jobs.execute(job)).job_execution_id for _ in range(10)}
    server.faults.parse(spec)

    listed = [run.job_execution_id async for run in flow.jobs.executions(job)]
    assert len(listed) == 10 and set(listed) == runs


@pytest.mark.parametrize(
    ("spec", "shown"), [("list-window 4", 4), ("list-gap every=1", 0), ("page-base", 10)]
)
async def test_a_walk_over_pages_shows_what_is_listed(server, flow, job, spec, shown):
    for _ in range(10):
        await flow.jobs.execute(job)
    server.faults.parse(spec)
    assert len([run async for run in flow.jobs.executions(job)]) == shown


async def test_runs_that_are_listed_late_are_awaited():
    async with Emulator(speed=100, faults="late 0.3") as server, server.client() as flow:
        job = await flow.jobs.create("orders_rollup", type="SCRIPT")
        started = await flow.jobs.execute(job.job_id)
        with pytest.raises(NotFound):
            await flow.jobs.execution(job.job_id, started.job_execution_id)
        assert [it async for it in flow.jobs.executions(job.job_id)] == []

        assert (await flow.wait(started)).status is ExecutionStatus.COMPLETED


async def test_a_wait_outlasts_all_transient_faults(caplog):
    caplog.set_level(logging.ERROR)
    spec = "; ".join(
        f"getJobExecutionById {kind} #{number}"
        for number, kind in enumerate(
            [
                "reset",
                "429",
                "500",
                "504",
                "html",
                "garbage",
                "empty-body",
                "unknown-status",
                "html status=200",
            ],
            1,
        )
    )
    async with Emulator(speed=1000, faults=spec) as server, server.client(clock=LeapClock()) as flow:
        job = await flow.jobs.create("orders_rollup", type="SCRIPT")
        assert (await flow.run(job.job_id)).status is ExecutionStatus.COMPLETED
    assert [fault.injected for fault in server.faults][:3] == [1, 1, 1]
    assert verify_history(server.history) == []


def test_every_kind_is_tested_with_the_client():
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in KINDS if f'"{name}' not in text] == []
