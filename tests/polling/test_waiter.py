"""Waits for one run: what they outlive, what ends them, and what they cancel."""

import asyncio
import logging
import subprocess
import sys

import pytest

from dataflow_async import (
    AuthenticationFailed,
    BadRequest,
    DataFlowError,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    JobExecution,
    NotFound,
    PermissionDenied,
    PollPolicy,
    QuotaExceeded,
    RetryPolicy,
    WaitTimeout,
)
from dataflow_async.emulator import Emulator, ManualClock
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of
from tests.support.scripted import RESET, STALL, answer, gateway_error, scripted

REF = ExecutionRef("Jq3kT9vLmN2x", "Ex9dN4uVrB6t")
ONCE = RetryPolicy(max_attempts=1)


def seen(status, code=202, **members):
    return answer(
        code, {"jobExecutionId": REF.execution_id, "jobId": REF.job_id, "status": status, **members}
    )


DONE = seen("COMPLETED", 200)
MISSING = answer(404, {"detail": "not yet", "errorType": "not-found"})

FAULTS = {
    "202 without a body": answer(202),
    "202 with a body": seen("RUNNING"),
    "200 that still runs": seen("RUNNING", 200),
    "204, where a body is needed": answer(204),
    "an unknown status": seen("WARMING_UP"),
    "no status": answer(200, {"jobExecutionId": REF.execution_id}),
    "an early 404": MISSING,
    "503": gateway_error(503, "500"),
    "504": gateway_error(504, "510"),
    "500": gateway_error(500, "900"),
    "429": gateway_error(429, "420"),
    "429 with an unknown code": gateway_error(429, "999"),
    "a reset": RESET,
    "not JSON": answer(200, "<html>"),
    "another shape": answer(200, {"jobExecutionId": 5}),
    "a redirect": answer(302, Location="http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_do_not_end_a_wait(fault):
    async with (
        scripted(FAULTS[fault], FAULTS[fault], DONE) as server,
        client(server.url, retry=ONCE) as flow,
    ):
        ended = await flow.wait(REF)
    assert ended.status == "COMPLETED"
    assert len(server.received) == 3


WILL_NOT_HEAL = {
    "400": (answer(400, {"detail": "no", "errorType": "bad-parameter"}), BadRequest),
    "401": (lambda _: gateway_error(401, "200"), AuthenticationFailed),
    "401/210": (gateway_error(401, "210"), PermissionDenied),
    "403": (gateway_error(403, "230"), PermissionDenied),
    "quota": (gateway_error(429, "400"), QuotaExceeded),
}


@pytest.mark.parametrize("case", WILL_NOT_HEAL)
async def test_an_error_that_repeats_itself_ends_a_wait_at_once_and_carries_the_ref(case):
    given, error = WILL_NOT_HEAL[case]
    async with scripted(seen("RUNNING"), given) as server, client(server.url) as flow:
        with pytest.raises(error) as caught:
            await flow.wait(REF)
    assert caught.value.execution_ref == REF and caught.value.may_have_run
    assert len(server.received) == (3 if case == "401" else 2)  # keys that were accepted get one pause


async def test_a_404_that_stays_ends_the_wait_after_the_grace():
    clock = LeapClock()
    async with scripted(MISSING) as server, client(server.url, clock=clock) as flow:
        with pytest.raises(NotFound):
            await flow.wait(REF)
    assert 60 <= clock.ticks < 60 + 10


async def test_the_grace_is_a_setting_and_starts_anew_whenever_the_run_is_observed():
    clock = LeapClock()
    missing = [MISSING] * 3
    async with scripted(*missing, seen("RUNNING"), *missing, DONE) as server:
        async with client(server.url, clock=clock, poll=PollPolicy(not_found_grace=7)) as flow:
            assert (await flow.wait(REF)).status == "COMPLETED"


@pytest.mark.parametrize(
    ("status", "error"), [("FAILED", ExecutionFailed), ("CANCELED", ExecutionCanceled), ("COMPLETED", None)]
)
async def test_terminal_statuses(status, error):
    async with scripted(seen("RUNNING"), seen(status, 200)) as server, client(server.url) as flow:
        unchecked = await flow.wait(REF, check=False)
        assert unchecked.status == status
        if error is None:
            assert (await flow.wait(REF)).status == status
            return
        with pytest.raises(error) as caught:
            await flow.wait(unchecked)
    assert caught.value.execution.status == status
    assert caught.value.execution_ref == REF


async def test_a_status_that_goes_backwards_does_not_end_a_wait():
    async with scripted(seen("RUNNING"), seen("READY"), seen("RUNNING"), DONE) as server:
        async with client(server.url) as flow:
            changes = [run.status async for run in flow.watch(REF)]
    assert changes == ["RUNNING", "READY", "RUNNING", "COMPLETED"]


async def test_an_unknown_status_with_an_end_date_on_two_polls_ends_a_wait():
    odd = seen("ABORTED", endDate="2026-11-07T09:21:47")
    async with scripted(odd, seen("RUNNING"), odd, odd) as server, client(server.url) as flow:
        with pytest.raises(ExecutionFailed) as caught:
            await flow.wait(REF)
        assert len(server.received) == 4
        assert caught.value.execution.status == "ABORTED"


async def test_terminal_statuses_can_be_added():
    async with scripted(seen("RUNNING"), seen("SKIPPED")) as server:
        async with client(server.url, poll=PollPolicy(terminal_statuses={"SKIPPED"})) as flow:
            assert (await flow.wait(REF, check=False)).status == "SKIPPED"


async def test_intervals_grow_with_age_within_bounds_and_retry_after_lengthens_them():
    clock = LeapClock()
    slow = gateway_error(429, "420", Retry_After="20")
    async with scripted(slow, *[seen("RUNNING")] * 40, DONE) as server:
        async with client(server.url, clock=clock, retry=ONCE, poll=PollPolicy(jitter=0)) as flow:
            await flow.wait(REF)
    assert clock.naps[0] == 20
    assert clock.naps[1] == pytest.approx(20 / 8)
    assert clock.naps[-1] == 30
    assert clock.naps[1:] == sorted(clock.naps[1:])


@pytest.mark.parametrize(
    "setting",
    [
        {"age_divisor": 0},
        {"min_interval": -1},
        {"jitter": 1},
        {"min_interval": 5, "max_interval": 4},
        {"terminal_statuses": "DONE"},
        {"retry_after_max": 0},
        {"foreign_answer_timeout": -1},
        {"foreign_answer_timeout": "1800"},
    ],
)
def test_a_bad_policy_is_refused(setting):
    with pytest.raises(InvalidRequest, match=next(iter(setting))):
        PollPolicy(**setting)


# --- time-outs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("timeout", "polls"), [(0, 1), (0.5, 2)])
async def test_the_first_poll_comes_before_any_sleep_and_the_last_one_at_the_deadline(timeout, polls):
    clock = LeapClock()
    async with scripted(seen("RUNNING")) as server, client(server.url, clock=clock) as flow:
        with pytest.raises(WaitTimeout, match="RUNNING") as caught:
            await flow.wait(REF, timeout=timeout)
    assert len(server.received) == polls
    assert caught.value.execution.status == "RUNNING"
    assert caught.value.execution_ref == REF
    assert caught.value.may_have_run


async def test_a_run_that_has_ended_is_returned_even_with_no_time_at_all():
    async with scripted(DONE) as server, client(server.url) as flow:
        assert (await flow.wait(REF, timeout=0)).status == "COMPLETED"


async def test_a_poll_that_stalls_does_not_outlive_the_time_out():
    class Hurried(LeapClock):
        async def sleep(self, seconds, /):
            await super().sleep(0.95 if self.ticks == 0 else seconds)

    async with scripted(seen("RUNNING"), STALL) as server:
        async with client(server.url, clock=Hurried(), timeout=30) as flow:
            with pytest.raises(WaitTimeout):
                await asyncio.wait_for(flow.wait(REF, timeout=1), 60)


async def test_cancel_on_timeout_cancels_the_remote_run_and_carries_its_last_state():
    async with scripted(seen("RUNNING"), answer(200, "true"), seen("CANCELED", 200)) as server:
        async with client(server.url) as flow:
            with pytest.raises(WaitTimeout) as caught:
                await flow.wait(REF, timeout=0, cancel_on_timeout=True)
    assert server.targets[1].endswith("/cancel")
    assert caught.value.execution.status == "CANCELED"


async def test_a_run_that_ended_by_itself_before_its_cancellation_is_how_it_ended():
    refused = answer(400, {"detail": "ended", "errorType": "bad-state"})
    async with scripted(seen("RUNNING"), refused, DONE) as server, client(server.url) as flow:
        assert (await flow.wait(REF, timeout=0, cancel_on_timeout=True)).status == "COMPLETED"


async def test_a_remote_run_is_not_cancelled_by_default():
    async with scripted(seen("RUNNING")) as server, client(server.url) as flow:
        with pytest.raises(WaitTimeout):
            await flow.wait(REF, timeout=0)
    assert [request.method for request in server.received] == ["GET"]


@pytest.mark.parametrize("asked", [True, False])
async def test_cancel_on_cancel(asked):
    clock = ManualClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("orders_rollup")
        run = await flow.jobs.execute(job.job_id)
        waiting = asyncio.create_task(flow.wait(run, cancel_on_cancel=asked))
        while not flow.poll_stats.polls:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await flow.aclose()
        async with server.client() as other:
            status = (await other.jobs.execution(job.job_id, run.job_execution_id)).status
    assert status == ("CANCELED" if asked else "READY")


# --- callbacks, watch, run ---------------------------------------------------------------------------------


async def test_on_change_is_called_for_every_change_and_may_be_async():
    calls = []

    async def note(run):
        calls.append(run.status)

    async with scripted(seen("READY"), seen("READY"), seen("RUNNING"), DONE) as server:
        async with client(server.url) as flow:
            await flow.wait(REF, on_change=note)
            await flow.wait(REF, on_change=lambda run: calls.append(f"again {run.status}"))
    assert calls == ["READY", "RUNNING", "COMPLETED", "again COMPLETED"]


async def test_a_callback_that_raises_hurts_its_own_wait_only():
    def angry(_):
        raise ZeroDivisionError

    async with scripted(seen("RUNNING"), seen("RUNNING"), DONE) as server, client(server.url) as flow:
        results = await asyncio.gather(
            flow.wait(REF, on_change=angry), flow.wait(REF), return_exceptions=True
        )
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1].status == "COMPLETED"


async def test_a_watch_closed_early_leaves_nothing():
    before = asyncio.all_tasks()
    async with scripted(seen("RUNNING")) as server, client(server.url) as flow:
        async for run in flow.watch(REF):
            assert run.status == "RUNNING"
            break
        assert calls_of(flow).limiter.acquired == 0
    assert asyncio.all_tasks() == before


async def test_run_is_execute_and_wait():
    async with scripted(seen("READY"), seen("RUNNING"), DONE) as server, client(server.url) as flow:
        ended = await flow.run(REF.job_id, parameters={"day": "2026-11-01"}, trigger_id="t1")
    assert ended.status == "COMPLETED"
    assert server.received[0].json == {"jobCondition": {"parameters": {"day": "2026-11-01"}}}
    assert server.targets[0] == f"/api/v1/jobs/{REF.job_id}/executions?triggerId=t1"


async def test_whatever_ends_a_run_after_acceptance_carries_the_ref():
    def angry(_):
        raise ZeroDivisionError

    async with scripted(seen("READY")) as server, client(server.url) as flow:
        with pytest.raises(ZeroDivisionError) as caught:
            await flow.run(REF.job_id, on_change=angry)
        assert caught.value.execution_ref == REF
        with pytest.raises(WaitTimeout) as timed_out:
            await flow.run(REF.job_id, timeout=0)
        assert timed_out.value.execution_ref == REF
    clock = ManualClock()
    async with scripted(seen("READY")) as server, client(server.url, clock=clock) as flow:
        task = asyncio.create_task(flow.run(REF.job_id))
        while not flow.poll_stats.polls:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert cancelled.value.execution_ref == REF


async def test_failing_polls_are_logged_after_a_minute_and_again_after_ten(caplog):
    clock = LeapClock()
    async with scripted(*[gateway_error(503, "500")] * 30, DONE) as server:
        async with client(server.url, clock=clock, retry=ONCE) as flow:
            await flow.wait(REF)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "every poll has failed for a minute" in warnings[0].message


def test_a_ref_has_a_text_form_that_comes_back():
    for ref in (REF, ExecutionRef("a/b c", "가:나%")):
        assert ExecutionRef.parse(str(ref)) == ref
    for bad in (
        "",
        "dataflow-execution:1:a",
        "dataflow-execution:2:a:b",
        "dataflow-execution:1:a:b:c",
        "a:b",
    ):
        with pytest.raises(InvalidRequest):
            ExecutionRef.parse(bad)


async def test_wait_takes_executions_and_refs_and_says_so():
    async with scripted(DONE) as server, client(server.url) as flow:
        assert await flow.wait(JobExecution("Ex9dN4uVrB6t", "Jq3kT9vLmN2x")) == await flow.wait(REF)
        with pytest.raises(InvalidRequest, match="execution"):
            await flow.wait("Ex9dN4uVrB6t")
        with pytest.raises(InvalidRequest, match="timeout"):
            await flow.wait(REF, timeout=-1)


async def test_a_week_of_waiting_takes_no_time():
    clock = LeapClock()
    async with Emulator(clock=clock, run_seconds=(7 * 86_400, 7 * 86_400)) as server:
        async with server.client(clock=clock, poll=PollPolicy(max_interval=3600)) as flow:
            job = await flow.jobs.create("orders_rollup")
            ended = await flow.run(job.job_id)
    assert ended.status == "COMPLETED"
    assert clock.ticks >= 7 * 86_400


async def test_only_errors_of_the_tree_leave_a_wait():
    async with scripted(answer(418, "teapot"), STALL, RESET, DONE) as server:
        async with client(server.url, timeout=0.05, retry=ONCE) as flow:
            try:
                assert (await flow.wait(REF)).status == "COMPLETED"
            except DataFlowError as error:  # pragma: no cover
                raise AssertionError("fault ended the wait") from error


LEFT = """
import asyncio
from dataflow_async import Credentials, DataFlow, ExecutionRef, Launch
made = []
async def bulk():
    async for _ in made[0].run_all([Launch("job"), Launch("job")]):
        pass
async def begin():
    server = await asyncio.start_server(lambda reader, writer: made.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made.append(DataFlow(Credentials("access-key", "secret-key"), base_url=f"http://127.0.0.1:{port}"))
    made.extend(asyncio.ensure_future(made[0].wait(ExecutionRef("job", f"run{n}"))) for n in range(20))
    made.append(asyncio.ensure_future(bulk()))
    await asyncio.sleep(0.05)
loop = asyncio.new_event_loop()
loop.run_until_complete(begin())
loop.close()
asyncio.run(made[0].aclose())
print("closed")
"""


def test_a_client_can_be_closed_after_its_loop_was_closed_under_its_waits():
    """In a process of its own: the tasks of a loop that was left like this are noisy when they are collected."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "closed\n" and "already running" not in done.stderr
