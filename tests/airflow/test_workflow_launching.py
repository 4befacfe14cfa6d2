"""The workflow of a task is started once: what is recorded, and what a try does with the start of an earlier one."""

import asyncio
import json
from math import inf

import pytest

from dataflow_async import JournalError, LaunchUncertain, PollPolicy, RetryPolicy
from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.launching import OtherSettings
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED, TaskTry
from dataflow_async.airflow.workflow_launching import KEY, RecordedStart, StartRecord, WorkflowLauncher
from dataflow_async.emulator import Emulator, verify_history
from dataflow_async.wire.server_time import ServerTime
from dataflow_async.workflows.start import WorkflowStart
from tests.support.task_states import MemoryTaskState, Outage
from tests.workflows.test_runner_emulator import SHAPES, made

FIRST, RETRY, CLEARED = TaskTry(1, 3), TaskTry(2, 3), TaskTry(2, 4)
START = WorkflowStart("W", {"a": ()}, ServerTime(-inf, 5.0), frozenset({"r"}), "T")
SERVICE = "https://one"


class Task:
    """One task: each `start` is a try of its own, in a client of its own."""

    def __init__(self, server, workflow, jobs):
        self.server = server
        self.workflow = workflow
        self.jobs = jobs
        self.state = MemoryTaskState()

    async def start(self, by=FIRST):
        poll = PollPolicy(min_interval=0.01, max_interval=0.02)
        async with self.server.client(poll=poll, retry=RetryPolicy(backoff_base=0.001)) as flow:
            launcher = WorkflowLauncher(flow, StartRecord(self.state, SERVICE), by, 0.0)
            return await launcher.start(self.workflow, None)

    @property
    def starts(self):
        assert verify_history(self.server.history) == []
        return sum(getattr(event, "what", None) == "started" for event in self.server.history)

    def end(self, end="finish"):
        for run in list(self.server.state.executions):
            getattr(self.server, end)(run)


@pytest.fixture
async def task():
    async with Emulator(ready_seconds=(0, 0), run_seconds=(3600, 3600)) as server:
        async with server.client() as flow:
            workflow, jobs = await made(flow, SHAPES["one job"])
        yield Task(server, workflow, jobs)


def test_a_recorded_start_comes_back_from_json_as_it_was():
    recorded = RecordedStart(
        START, RETRY, 7.0, "ended", (RunReport("a", "run", "COMPLETED"),), superseded=True
    )
    found = json.loads(json.dumps(recorded.to_json(SERVICE), allow_nan=False))
    assert RecordedStart.from_json(found, SERVICE) == recorded


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, "does not hold a start"),
        ([], "does not hold a start"),
        (
            {**RecordedStart(START, FIRST, 1.0).to_json("https://two")},
            "has started the workflow at https://two",
        ),
    ],
)
def test_what_is_no_start_of_this_service_is_refused(found, why):
    with pytest.raises(JournalError, match=why):
        RecordedStart.from_json(found, SERVICE)


async def test_a_retry_takes_up_the_start_that_goes_on(task):
    first = await task.start()
    second = await task.start(RETRY)
    assert (second.start, second.attached, second.event) == (first.start, True, None)
    assert task.starts == 1


async def test_a_start_whose_runs_completed_is_reported_by_a_retry_and_repeated_by_a_clear(task):
    await task.start()
    task.end()
    reported = await task.start(RETRY)
    assert [run.status for run in reported.event.runs] == ["COMPLETED"]
    assert (await task.start(TaskTry(3, 3))).event == reported.event  # by what is recorded now
    assert task.starts == 1
    assert (await task.start(CLEARED)).event is None
    assert task.starts == 2


@pytest.mark.parametrize("end", ["fail", "cancel"])
async def test_a_start_that_did_not_complete_is_repeated_by_a_retry(task, end):
    await task.start()
    task.end(end)
    assert (await task.start(RETRY)).event is None
    assert task.starts == 2


async def test_a_start_that_a_clear_has_taken_up_is_what_its_retry_reports(task):
    await task.start()
    assert (await task.start(CLEARED)).attached
    task.end()
    assert (await task.start(TaskTry(3, 4))).event is not None
    assert task.starts == 1


async def test_a_clear_does_not_take_up_the_start_of_another_workflow(task):
    first = await task.start()
    task.workflow = "another"
    assert (await task.start(RETRY)).start == first.start  # the same purpose, whatever a template says now
    for cleared in (CLEARED, TaskTry(3, 5)):
        with pytest.raises(OtherSettings, match="wait for its end or cancel its runs, then clear the task"):
            await task.start(cleared)
    assert task.starts == 1


async def test_while_nothing_shows_whether_it_was_started_it_is_not_started_again(task):
    task.server.faults.add("reset", operation="executeWorkflow", when="before", count=1)
    for by in (FIRST, RETRY, CLEARED):
        with pytest.raises(LaunchUncertain, match="no run of it is listed"):
            await task.start(by)
    assert task.starts == 0
    task.state.set(FINDING, NOT_STARTED)
    assert not (await task.start(TaskTry(4, 4))).attached
    assert task.starts == 1


async def test_a_start_whose_record_is_not_confirmed_is_not_sent_and_needs_no_finding(task, monkeypatch):
    whole = task.state.set

    def unconfirmed(key, value, **more):
        whole(key, value, **more)
        monkeypatch.undo()
        raise Outage("no answer")

    monkeypatch.setattr(task.state, "set", unconfirmed)
    with pytest.raises(JournalError):
        await task.start()
    assert task.starts == 0
    assert not (await task.start(RETRY)).attached
    assert task.starts == 1


async def test_a_start_that_is_cancelled_while_it_is_recorded_is_not_sent_and_needs_no_finding(
    task, monkeypatch
):
    starting, whole = None, task.state.set

    def slow(key, value, **more):
        monkeypatch.undo()
        starting.get_loop().call_soon_threadsafe(starting.cancel)
        whole(key, value, **more)

    monkeypatch.setattr(task.state, "set", slow)
    starting = asyncio.create_task(task.start())
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert task.starts == 0
    assert not (await task.start(RETRY)).attached
    assert task.starts == 1


async def test_a_refused_start_may_be_corrected(task):
    right, task.workflow = task.workflow, "no-such-workflow"
    with pytest.raises(Exception, match="no-such-workflow"):
        await task.start()
    assert KEY not in task.state.values
    task.workflow = right
    await task.start(RETRY)
    assert task.starts == 1
