"""Waiting for runs up to a deadline: what the event says, what is cancelled, and what is logged."""

import asyncio
import logging

import pytest

from dataflow_async import ExecutionRef, InvalidRequest, PollPolicy, defaults
from dataflow_async.airflow.run_wait import RunWait, cancel_runs, run_refs
from dataflow_async.emulator import Emulator
from tests.support.clocks import LeapClock

SOON = PollPolicy(min_interval=0.001, max_interval=0.01, not_found_grace=0.01)
CLOCK = LeapClock(now=1_800_000_000.0)
LOG = logging.getLogger("a task")


@pytest.fixture
async def server():
    async with Emulator(run_seconds=(1e6, 1e6), ready_seconds=(0, 0)) as server:
        yield server


@pytest.fixture
async def flow(server):
    async with server.client(poll=SOON) as flow:
        yield flow


@pytest.fixture
def run(server):
    job_id = server.create_job("stock_import")
    return ExecutionRef(job_id, server.launch(job_id))


def wait(*refs, **settings):
    return RunWait(refs, **{"deadline": None, **settings})


def sent(server, operation):
    return [event for event in server.history if getattr(event, "operation", "") == operation]


async def test_an_end_before_the_deadline_is_reported(server, flow, run, caplog):
    caplog.set_level("INFO")
    waiting = asyncio.create_task(wait(run, deadline=CLOCK.now + 1e6).event(flow, CLOCK, LOG))
    while not flow.poll_stats.polls:
        await asyncio.sleep(0)
    server.finish(run.execution_id)
    event = await waiting
    assert (event.ended_by, event.runs[0].status) == ("terminal", "COMPLETED")
    lines = [record.getMessage() for record in caplog.records if record.name == "a task"]
    assert lines[0].startswith(f"run {run.execution_id} of job {run.job_id} is RUNNING")
    assert lines[-1].startswith(f"run {run.execution_id} of job {run.job_id} is COMPLETED after ")


async def test_after_the_deadline_runs_are_cancelled_that_have_not_ended(server, flow, run):
    ended = ExecutionRef(run.job_id, server.launch(run.job_id))
    server.finish(ended.execution_id)
    event = await wait(ended, run, deadline=CLOCK.now - 1).event(flow, CLOCK, LOG)
    assert event.ended_by == "deadline"
    assert [report.status for report in event.runs] == ["COMPLETED", "CANCELED"]
    assert len(sent(server, "cancelJobExecution")) == 1


async def test_runs_that_have_all_ended_have_not_met_their_deadline(server, flow, run):
    server.finish(run.execution_id)
    event = await wait(run, deadline=CLOCK.now - 1).event(flow, CLOCK, LOG)
    assert (event.ended_by, event.runs[0].status) == ("terminal", "COMPLETED")


async def test_a_run_that_ends_by_itself_while_it_is_cancelled_has_ended(server, flow, run):
    server.state.lifecycle_settings.cancel_seconds = (1e6, 1e6)
    waiting = asyncio.create_task(wait(run, deadline=CLOCK.now - 1).event(flow, CLOCK, LOG))
    while not sent(server, "cancelJobExecution"):
        await asyncio.sleep(0)
    server.finish(run.execution_id)
    event = await waiting
    assert (event.ended_by, event.runs[0].status) == ("terminal", "COMPLETED")


async def test_a_run_that_ends_right_before_it_is_cancelled_has_ended(server, flow, run):
    class Ending(logging.LoggerAdapter):
        def warning(self, event, *args):
            assert event == "%s has not ended by its deadline and is cancelled"
            server.finish(run.execution_id)

    event = await wait(run, deadline=CLOCK.now - 1).event(flow, CLOCK, Ending(LOG))
    assert (event.ended_by, event.runs[0].status) == ("terminal", "COMPLETED")
    assert len(sent(server, "cancelJobExecution")) == 1


async def test_a_cancellation_that_is_not_confirmed_in_time_is_logged(server, flow, run, caplog, monkeypatch):
    monkeypatch.setattr(defaults, "DEADLINE_CANCEL_TIMEOUT", 0.1)
    server.state.lifecycle_settings.cancel_seconds = (1e6, 1e6)
    event = await wait(run, deadline=CLOCK.now - 1).event(flow, CLOCK, LOG)
    assert (event.ended_by, event.runs[0].status) == ("deadline", "RUNNING")
    assert "its end is not confirmed, it may go on: no answer in time" in caplog.text


async def test_a_cancellation_that_is_refused_is_logged(server, flow, run, caplog):
    server.faults.parse("cancelJobExecution 429 code=400")
    event = await wait(run, deadline=CLOCK.now - 1).event(flow, CLOCK, LOG)
    assert (event.ended_by, event.runs[0].status) == ("deadline", "RUNNING")
    assert "its end is not confirmed, it may go on: cancelJobExecution: HTTP 429" in caplog.text


async def test_an_error_of_one_run_is_reported_after_the_others(server, flow, run):
    gone = ExecutionRef(run.job_id, "gone")
    waiting = asyncio.create_task(wait(gone, run).event(flow, CLOCK, LOG))
    while flow.poll_stats.waiters != 1:
        await asyncio.sleep(0)
    assert not waiting.done()
    server.fail(run.execution_id)
    event = await waiting
    assert event.ended_by == "error"
    assert event.error.kind == "NotFound"
    assert [report.status for report in event.runs] == [None, "FAILED"]


async def test_a_wait_that_is_cancelled_leaves_nothing_and_cancels_no_run(server, flow, run):
    refs = [run, *(ExecutionRef(run.job_id, server.launch(run.job_id)) for _ in range(9))]
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(wait(*refs, deadline=CLOCK.now + 1e6).event(flow, CLOCK, LOG))
    while flow.poll_stats.waiters != len(refs) or not flow.poll_stats.polls:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    while flow.poll_stats.waiters:
        await asyncio.sleep(0)
    await flow.aclose()
    own = [task for task in asyncio.all_tasks() - before if "RequestHandler" not in repr(task)]
    assert own == []
    assert sent(server, "cancelJobExecution") == []


# --- arguments ---------------------------------------------------------------------------------------------


def test_runs_are_named_by_ids_of_one_job_or_by_references():
    ref = ExecutionRef("other job", "run:2")
    assert run_refs("job", ["run1", str(ref)]) == (ExecutionRef("job", "run1"), ref)
    assert run_refs(None, [str(ref)]) == (ref,)


@pytest.mark.parametrize(
    ("job_id", "execution_ids", "field"),
    [
        ("job", None, "execution_ids"),
        ("job", [], "execution_ids"),
        ("job", "run1", "execution_ids"),
        ("job", [None], "execution_ids"),
        ("job", [""], "execution_ids"),
        ("job", ["a:b"], "ref"),
        (None, ["run1"], "job_id"),
        ("", ["run1"], "job_id"),
    ],
)
def test_what_names_no_run_is_refused(job_id, execution_ids, field):
    with pytest.raises(InvalidRequest) as refused:
        run_refs(job_id, execution_ids)
    assert refused.value.field == field


@pytest.mark.parametrize("deadline", [True, "noon"])
def test_a_deadline_is_a_number(deadline):
    with pytest.raises(InvalidRequest, match="deadline must be a number of seconds or None, got "):
        RunWait.of({"job_id": "j", "execution_ids": ["r"], "deadline": deadline})


def test_arguments_of_a_trigger_are_a_wait():
    arguments = {"job_id": "j", "execution_ids": ["r"], "deadline": 5, "cancel_on_deadline": False}
    assert RunWait.of(arguments) == RunWait((ExecutionRef("j", "r"),), 5, cancel_on_deadline=False)


async def test_a_run_that_can_not_be_cancelled_does_not_keep_the_others_from_it(server, flow, run, caplog):
    ended, gone = ExecutionRef(run.job_id, server.launch(run.job_id)), ExecutionRef(run.job_id, "gone")
    server.finish(ended.execution_id)
    caplog.set_level("INFO")
    await cancel_runs(flow, [ended, gone, run], LOG)
    assert server.status(run.execution_id) == "CANCELED"
    text = " ".join(record.getMessage() for record in caplog.records)
    for words in (
        "has ended already",
        "could not be cancelled",
        f"run {run.execution_id} of job {run.job_id} is cancelled",
    ):
        assert words in text


async def test_a_wait_may_be_over_some_time_after_the_first_end(server, flow, run):
    other = ExecutionRef(run.job_id, server.launch(run.job_id))
    server.finish(other.execution_id)
    event = await wait(run, other, refill_delay=0.0).event(flow, CLOCK, LOG)
    assert event.ended_by == "some"
    assert [report.status for report in event.runs] == ["RUNNING", "COMPLETED"]
    assert not sent(server, "cancelJobExecution")


async def test_an_error_is_reported_once_the_others_have_ended_though_only_some_were_asked_for(
    server, flow, run
):
    gone = ExecutionRef(run.job_id, "gone")
    waiting = asyncio.create_task(wait(gone, run, refill_delay=0.0).event(flow, CLOCK, LOG))
    while flow.poll_stats.watched != 1 or not flow.poll_stats.polls:
        await asyncio.sleep(0)
    server.finish(run.execution_id)
    event = await waiting
    assert (event.ended_by, event.runs[1].status) == ("error", "COMPLETED")
