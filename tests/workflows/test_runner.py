"""A workflow started once and followed to its end: what is refused, forgiven, awaited and timed out."""

import asyncio
import base64
import logging

import pytest

from dataflow_async import (
    AuthenticationFailed,
    BadRequest,
    BadState,
    DataFlowError,
    DecodeError,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PollPolicy,
    QuotaExceeded,
    ResponseLost,
    RetryPolicy,
    WaitTimeout,
)
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.scripted import RESET, STALL, answer, gateway_error, scripted
from tests.support.workflow_scripts import (
    CHAIN,
    DEEP,
    LATER,
    ONE,
    TRIGGER,
    WORKFLOW,
    Service,
    follow,
    ids,
    node,
    run,
)

# --- what can't be awaited is not started ----------


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([], "no JOB node"),
        ([node(TRIGGER, kind="TRIGGER")], "no JOB node"),
        ([*ONE, node("a", TRIGGER)], r"nodes\[2\] is job a, which stands in an earlier node too"),
        ([*ONE, node("b", "a", isValid=False)], r"nodes\[2\] is job b, which is deleted"),
        ([*ONE, {"type": "JOB"}], r"nodes\[2\] names no job"),
        ([node("a", "b"), node("b", "a")], "cycle"),
    ],
)
async def test_a_workflow_that_could_not_be_awaited_is_not_started(nodes, problem):
    service = Service(nodes, [[]])
    with pytest.raises(InvalidRequest, match=problem) as refused:
        await follow(service)
    assert not service.starts
    assert not refused.value.may_have_run


async def test_a_node_is_only_deleted_if_it_says_so_and_a_trigger_is_left_to_the_service():
    nodes = [node("a", TRIGGER, isValid=None), node(TRIGGER, kind="TRIGGER", isValid=False)]
    assert ids(await follow(Service(nodes, [[run("x1")]]))) == ["x1"]


@pytest.mark.parametrize("arguments", [{"seconds": -1}, {"seconds": "1"}, {"payload": "night shift"}])
async def test_bad_arguments_are_refused_before_anything_starts(arguments):
    service = Service(ONE, [[]])
    with pytest.raises(InvalidRequest, match=r"^(timeout|payload) must "):
        await follow(service, **arguments)
    assert not service.starts


async def test_the_payload_goes_out_with_the_start():
    async with scripted(Service(ONE, [[run("x1")]])) as server, client(server.url) as flow:
        await flow.run_workflow(WORKFLOW, payload={"by": "night-shift"})
    (start,) = [request for request in server.received if request.method == "POST"]
    assert base64.b64decode(start.headers["x-ncp-dataflow-payload"]) == b'{"by":"night-shift"}'


# --- the start itself ----------


@pytest.mark.parametrize(
    ("accepted", "error", "may_have_run"),
    [
        (RESET, ResponseLost, True),
        (answer(202, "<html>"), DecodeError, True),
        (answer(400, {"detail": "scheduled", "errorType": "bad-state"}), BadState, False),
    ],
)
async def test_a_start_without_an_answer_is_not_repeated(accepted, error, may_have_run):
    service = Service(ONE, [[run("x1")]], accepted=accepted)
    with pytest.raises(error) as caught:
        await follow(service, retry=RetryPolicy(max_attempts=3))
    assert service.starts == 1
    assert caught.value.may_have_run is may_have_run


@pytest.mark.parametrize("before", [gateway_error(503, "500"), gateway_error(401, "210")])
async def test_nothing_starts_before_the_list_is_known(before):
    service = Service(ONE, [[run("x1")]])
    service.before = lambda _: before
    with pytest.raises(DataFlowError) as caught:
        await follow(service)
    assert not service.starts
    assert not caught.value.may_have_run


# --- ends ----------


FORK = [*ONE, node("b", "a"), node("c", TRIGGER), node("d", "b", "c")]


@pytest.mark.parametrize(("status", "error"), [("FAILED", ExecutionFailed), ("CANCELED", ExecutionCanceled)])
async def test_runs_that_can_still_end_are_awaited_before_a_failure_is_raised(status, error):
    running = [run("x3", "c", "RUNNING")] * 9 + [run("x3", "c")]
    service = Service(FORK, [[run("x3", "c", "RUNNING"), run("x1", "a", status)]], runs={"x3": running})
    with pytest.raises(error) as caught:
        await follow(service)
    assert caught.value.execution.job_execution_id == "x1"
    assert ids(caught.value.executions) == ["x1", "x3"]
    assert service.asked.count("x3") == 10


async def test_the_first_failure_in_node_order_is_raised():
    service = Service(FORK, [[run("x3", "c", "CANCELED"), run("x1", "a", "FAILED")]])
    with pytest.raises(ExecutionFailed):
        await follow(service)
    service = Service(FORK[::-1], [[run("x3", "c", "CANCELED"), run("x1", "a", "FAILED")]])
    with pytest.raises(ExecutionCanceled):
        await follow(service)


async def test_a_run_behind_a_failure_is_awaited_if_there_is_one_after_all():
    polls = [[run("x1", status="FAILED"), run("x2", "b", "RUNNING")]]
    service = Service(CHAIN, polls, runs={"x2": [run("x2", "b", "RUNNING"), run("x2", "b")]})
    with pytest.raises(ExecutionFailed) as caught:
        await follow(service)
    assert [one.status for one in caught.value.executions] == ["FAILED", "COMPLETED"]


async def test_an_unknown_status_with_an_end_date_ends_a_wait_and_an_added_one_too():
    odd = run("x1", status="ABORTED", endDate=LATER)
    for policy in (PollPolicy(), PollPolicy(terminal_statuses={"ABORTED"})):
        with pytest.raises(ExecutionFailed) as caught:
            await follow(Service(CHAIN, [[odd]], runs={"x1": [odd]}), poll=policy)
        assert caught.value.execution.status == "ABORTED"


# --- fault ----------


FAULTS = {
    "503": gateway_error(503, "500"),
    "504": gateway_error(504, "510"),
    "429": gateway_error(429, "420"),
    "a reset": RESET,
    "not JSON": answer(200, "<html>"),
    "an early 404": answer(404, {"detail": "not yet", "errorType": "not-found"}),
    "nothing": answer(200),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_wait_outlives_faults_between_the_polls(fault):
    failure, found = FAULTS[fault], [run("x1", status="RUNNING")]
    service = Service(ONE, [failure, failure, found, failure, failure, [run("x1")]])
    assert ids(await follow(service)) == ["x1"]
    assert service.walks == 6


async def test_an_early_404_is_still_early_hours_after_the_list_was_last_read():
    hours = [run("x1", status="RUNNING")] * 300 + [run("x1")]
    missing = FAULTS["an early 404"]
    service = Service(ONE, [[run("x1", status="RUNNING")], missing, missing, []], runs={"x1": hours})
    clock = LeapClock()
    assert ids(await follow(service, clock=clock)) == ["x1"]
    assert clock.ticks > 3600


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(400, {"detail": "no", "errorType": "bad-parameter"}), BadRequest),
        (lambda _: gateway_error(401, "200"), AuthenticationFailed),
        (gateway_error(401, "210"), PermissionDenied),
        (gateway_error(429, "400"), QuotaExceeded),
    ],
)
async def test_an_error_that_repeats_itself_ends_a_wait_and_says_that_it_may_have_run(given, error):
    service = Service(CHAIN, [[run("x1")], given])
    with pytest.raises(error) as caught:
        await follow(service)
    assert caught.value.may_have_run
    assert ids(caught.value.executions) == ["x1"]
    # keys that were accepted get one pause (ruling 24)
    assert service.walks == (3 if error is AuthenticationFailed else 2)


async def test_a_404_that_stays_ends_a_wait_after_the_grace():
    clock = LeapClock()
    service = Service(ONE, [FAULTS["an early 404"]])
    with pytest.raises(NotFound) as caught:
        await follow(service, clock=clock)
    assert caught.value.may_have_run
    assert 60 <= clock.ticks < 70


async def test_an_error_that_repeats_itself_at_a_known_run_carries_its_ref():
    service = Service(ONE, [[run("x1", status="RUNNING")]], runs={"x1": [gateway_error(401, "210")]})
    with pytest.raises(PermissionDenied) as caught:
        await follow(service)
    assert caught.value.execution_ref == ExecutionRef("a", "x1")
    assert ids(caught.value.executions) == ["x1"]


async def test_retry_after_lengthens_the_pause_and_age_does_too():
    clock = LeapClock()
    service = Service(ONE, [gateway_error(429, "420", Retry_After="20"), *[[]] * 30, [run("x1")]])
    await follow(service, clock=clock)
    assert clock.naps[0] == 20
    assert 2 <= clock.naps[1] <= 3
    assert 24 <= clock.naps[-1] <= 36


async def test_a_minute_without_the_run_in_the_list_is_logged_once(caplog):
    service = Service(CHAIN, [[run("x1")], *[[run("x1")]] * 30, [run("x1"), run("x2", "b")]])
    await follow(service)
    (told,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "a run of job b" in told.message


# --- time-outs ----------


async def test_the_first_poll_comes_before_any_sleep():
    assert ids(await follow(Service(ONE, [[run("x1")]]), seconds=0)) == ["x1"]
    service = Service(ONE, [[]])
    with pytest.raises(WaitTimeout, match="no run") as caught:
        await follow(service, seconds=0)
    assert service.walks == 1
    assert caught.value.execution is caught.value.execution_ref is None
    assert caught.value.executions == ()
    assert caught.value.may_have_run


async def test_a_time_out_is_counted_over_all_jobs():
    clock = LeapClock()
    half = {
        "x1": [*[run("x1", status="RUNNING")] * 8, run("x1")],
        "x2": [run("x2", "b", "RUNNING")],
    }
    polls = [[run("x1", status="RUNNING")], [run("x1"), run("x2", "b", "READY")]]
    service = Service(DEEP, polls, runs=half)
    with pytest.raises(WaitTimeout, match=r"timeout 20 s.*job a COMPLETED, job b RUNNING") as caught:
        await follow(service, seconds=20, clock=clock)
    assert clock.ticks == pytest.approx(20)
    assert caught.value.execution_ref == ExecutionRef("b", "x2")
    assert [one.status for one in caught.value.executions] == ["COMPLETED", "RUNNING"]


async def test_a_deadline_ends_the_search_for_a_row():
    clock = LeapClock()
    with pytest.raises(WaitTimeout, match="job a COMPLETED"):
        await follow(Service(CHAIN, [[run("x1")]]), seconds=7, clock=clock)
    assert clock.ticks == pytest.approx(7)


async def test_a_poll_that_stalls_does_not_outlive_the_time_out():
    class Hurried(LeapClock):
        async def sleep(self, seconds, /):
            await super().sleep(0.95 if self.ticks == 0 else seconds)

    service = Service(ONE, [[], STALL])
    with pytest.raises(WaitTimeout):
        await asyncio.wait_for(follow(service, seconds=1, clock=Hurried(), timeout=30), 5)


async def test_the_last_poll_comes_at_the_deadline():
    """A gateway in an outage asks for a pause that is longer than the caller's patience."""
    busy = gateway_error(503, "500", Retry_After="43200")
    assert ids(await follow(Service(ONE, [busy, [run("x1")]]), seconds=30)) == ["x1"]
