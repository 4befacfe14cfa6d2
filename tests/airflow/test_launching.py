"""The run of a task is started once: a try that dies at any step leaves what the next one needs."""

import pytest

from dataflow_async import JournalError, Launch, LaunchUncertain, PollPolicy, RetryPolicy, ServerError
from dataflow_async.airflow.launching import (
    LaunchOptions,
    OtherSettings,
    RunGone,
    TaskLauncher,
    task_name,
)
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED, TaskStateLaunchStore, TaskTry
from dataflow_async.emulator import Emulator, verify_history
from tests.support.task_states import MemoryTaskState

FIRST, RETRY, CLEARED = TaskTry(1, 3), TaskTry(2, 3), TaskTry(2, 4)
CORRELATED = LaunchOptions("airflow_key", visibility_delay=0.0)
PLAIN = LaunchOptions(visibility_delay=0.0)
QUICK = PollPolicy(min_interval=0.01, max_interval=0.02)
AT_ONCE = RetryPolicy(backoff_base=0.001)


class Task:
    """One task instance: each `start` is a try of its own, in a client of its own, as on another worker."""

    def __init__(self, server, options=CORRELATED):
        self.server = server
        self.options = options
        self.state = MemoryTaskState()
        self.job_id = server.create_job("stock_import")
        self.parameters = {"day": "1"}

    def launcher(self, flow, by):
        async def open_store():
            return await TaskStateLaunchStore.open(self.state, service=self.server.url, by=by)

        return TaskLauncher(flow, open_store, by, "dag/run/task/-1", self.options)

    async def start(self, by=FIRST, **more):
        async with self.server.client(poll=QUICK, retry=AT_ONCE) as flow:
            return await self.launcher(flow, by).start(
                Launch(self.job_id, parameters=self.parameters, **more)
            )

    @property
    def runs(self):
        return [it.execution_id for it in self.server.state.executions.values() if it.job_id == self.job_id]

    def assert_nothing_doubled(self, runs):
        assert len(self.runs) == runs
        assert verify_history(self.server.history) == []


@pytest.fixture
async def server():
    async with Emulator(run_seconds=(3600, 3600)) as server:
        yield server


async def test_the_intent_is_recorded_before_the_request_and_the_run_after_it(server):
    task = Task(server)
    started = await task.start()
    assert task.state.writes == ["intent", "accepted"]
    assert (started.execution.job_execution_id, started.attached) == (task.runs[0], False)
    task.assert_nothing_doubled(1)
    (run,) = server.state.executions.values()
    assert run.parameters == {"day": "1", "airflow_key": started.key}
    assert started.key.startswith("dag/run/task/-1/")


async def test_without_its_intent_in_the_store_nothing_is_sent(server):
    task = Task(server)
    task.state.fails_at = {"intent"}
    with pytest.raises(JournalError, match="Outage: no answer from the API server") as lost:
        await task.start()
    assert lost.value.may_have_run is False
    task.assert_nothing_doubled(0)
    task.state.fails_at = None
    await task.start(RETRY)
    task.assert_nothing_doubled(1)


@pytest.mark.parametrize("by", [RETRY, CLEARED])
async def test_a_try_that_died_after_the_request_has_its_run_found_by_its_key(server, by):
    task = Task(server)
    task.state.fails_at = {"accepted"}
    with pytest.raises(JournalError) as lost:
        await task.start()
    assert lost.value.may_have_run
    task.state.fails_at = None
    started = await task.start(by)
    assert (started.execution.job_execution_id, started.attached) == (task.runs[0], True)
    task.assert_nothing_doubled(1)


async def test_a_try_that_died_before_the_request_has_its_launch_sent_once_its_absence_is_proven(server):
    task = Task(server)
    server.faults.add("reset", operation="executeJob", when="before", count=1)
    task.state.fails_at = {"unknown"}
    with pytest.raises(JournalError):
        await task.start()
    task.assert_nothing_doubled(0)
    task.state.fails_at = None
    started = await task.start(RETRY)
    assert not started.attached
    task.assert_nothing_doubled(1)


async def test_a_lost_answer_is_found_out_within_the_same_try(server):
    task = Task(server)
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    await task.start()
    task.assert_nothing_doubled(1)


@pytest.mark.parametrize("by", [RETRY, CLEARED])
async def test_a_run_that_goes_on_is_awaited_by_the_next_try(server, by):
    task = Task(server)
    first = await task.start()
    second = await task.start(by)
    assert (second.execution.ref, second.attached) == (first.execution.ref, True)
    assert [it.superseded for it in await recorded(task)] == [by is CLEARED]
    task.assert_nothing_doubled(1)


async def test_a_lost_run_that_a_clear_has_found_is_what_its_retry_reports(server):
    task = Task(server)
    task.state.fails_at = {"accepted"}
    with pytest.raises(JournalError):
        await task.start()
    task.state.fails_at = None
    assert (await task.start(CLEARED)).attached
    server.finish(task.runs[0])
    reported = await task.start(TaskTry(3, 4))
    assert reported.execution.status == "COMPLETED"
    task.assert_nothing_doubled(1)


async def test_a_run_that_was_taken_up_after_a_clear_and_completes_is_what_a_retry_reports(server):
    task = Task(server)
    first = await task.start()
    await task.start(CLEARED)
    server.finish(first.execution.job_execution_id)
    reported = await task.start(TaskTry(3, 4))
    assert (reported.execution.ref, reported.execution.status) == (first.execution.ref, "COMPLETED")
    task.assert_nothing_doubled(1)


async def test_a_run_that_completed_is_reported_by_a_retry_and_launched_again_by_a_clear(server):
    task = Task(server)
    first = await task.start()
    server.finish(first.execution.job_execution_id)
    reported = await task.start(RETRY)
    assert (reported.execution.ref, reported.execution.status) == (first.execution.ref, "COMPLETED")
    reported = await task.start(TaskTry(3, 3))  # by what is recorded now
    assert (reported.execution.ref, reported.execution.status) == (first.execution.ref, "COMPLETED")
    task.assert_nothing_doubled(1)
    again = await task.start(CLEARED)
    assert again.execution.ref != first.execution.ref
    task.assert_nothing_doubled(2)


@pytest.mark.parametrize("end", ["fail", "cancel"])
async def test_a_run_that_did_not_complete_is_launched_again_by_a_retry(server, end):
    task = Task(server)
    first = await task.start()
    getattr(server, end)(first.execution.job_execution_id)
    second = await task.start(RETRY)
    assert second.execution.ref != first.execution.ref
    assert second.key != first.key
    task.assert_nothing_doubled(2)


async def test_a_lost_run_that_has_failed_meanwhile_is_found_before_another_one_is_launched(server):
    task = Task(server)
    task.state.fails_at = {"accepted"}
    with pytest.raises(JournalError):
        await task.start()
    server.fail(task.runs[0])
    task.state.fails_at = None
    await task.start(RETRY)
    task.assert_nothing_doubled(2)
    phases = [launch.entry.phase for launch in await recorded(task)]
    assert phases == ["ended", "accepted"]


async def recorded(task):
    store = await TaskStateLaunchStore.open(task.state, service=task.server.url, by=RETRY)
    try:
        return store.latest()
    finally:
        await store.aclose()


async def uncertain(task):
    """A launch that may have started, with another run that could be it."""
    task.state.fails_at = {"accepted"}
    with pytest.raises(JournalError):
        await task.start()
    task.state.fails_at = None
    task.server.launch(task.job_id, parameters=task.parameters)
    with pytest.raises(LaunchUncertain) as lost:
        await task.start(RETRY)
    return lost.value


async def test_several_runs_that_could_be_it_stop_the_task_and_nothing_is_launched(server):
    task = Task(server, PLAIN)
    error = await uncertain(task)
    assert {run.job_execution_id for run in error.candidates} == set(task.runs)
    with pytest.raises(LaunchUncertain):
        await task.start(TaskTry(3, 4))
    assert len(task.runs) == 2


async def test_a_finding_of_a_person_resolves_it(server):
    task = Task(server, PLAIN)
    await uncertain(task)
    task.state.set(FINDING, task.runs[0])
    started = await task.start(TaskTry(3, 4))
    assert (started.execution.job_execution_id, started.attached) == (task.runs[0], True)
    assert len(task.runs) == 2
    assert FINDING not in task.state.values


async def test_a_run_that_a_person_names_is_reported_if_it_has_completed_though_the_task_is_cleared(server):
    task = Task(server, PLAIN)
    await uncertain(task)
    server.finish(task.runs[0])
    task.state.set(FINDING, task.runs[0])
    started = await task.start(TaskTry(3, 4))
    assert (started.execution.job_execution_id, started.attached) == (task.runs[0], True)
    assert len(task.runs) == 2


async def test_a_finding_that_it_did_not_start_launches_it(server):
    task = Task(server, PLAIN)
    await uncertain(task)
    task.state.set(FINDING, NOT_STARTED)
    started = await task.start(TaskTry(3, 4))
    assert started.execution.job_execution_id == task.runs[2]


async def test_a_clear_with_other_settings_does_not_pass_the_run_that_goes_on_for_its_own(server):
    task = Task(server)
    first = await task.start()
    task.parameters = {"day": "2"}
    assert (await task.start(RETRY)).execution.ref == first.execution.ref
    with pytest.raises(OtherSettings, match="wait for its end or cancel it, then clear the task again"):
        await task.start(CLEARED)
    server.cancel(first.execution.job_execution_id)
    assert (await task.start(CLEARED)).execution.ref != first.execution.ref
    task.assert_nothing_doubled(2)


async def test_nor_does_a_second_clear_after_one_that_has_taken_the_run_up(server):
    task = Task(server)
    await task.start()
    assert (await task.start(CLEARED)).attached
    task.parameters = {"day": "2"}
    with pytest.raises(OtherSettings, match="wait for its end or cancel it, then clear the task again"):
        await task.start(TaskTry(3, 5))
    task.assert_nothing_doubled(1)


async def test_a_lost_launch_whose_settings_have_changed_is_left_to_a_finding(server):
    """As with a template of the number of the try, or of the time."""
    task = Task(server)
    server.faults.add("reset", operation="executeJob", when="before", count=1)
    task.state.fails_at = {"unknown"}
    with pytest.raises(JournalError):
        await task.start()
    task.state.fails_at = None
    task.parameters = {"day": "2"}
    with pytest.raises(
        OtherSettings, match="write the id of its run, or 'not started', into the task's state"
    ):
        await task.start(RETRY)
    task.assert_nothing_doubled(0)
    task.state.set(FINDING, NOT_STARTED)
    await task.start(CLEARED)
    task.assert_nothing_doubled(1)


async def test_a_refused_launch_may_be_corrected(server):
    task = Task(server)
    right, task.job_id = task.job_id, "no-such-job"
    with pytest.raises(Exception, match="no-such-job"):
        await task.start()
    task.job_id = right
    await task.start(RETRY)
    task.assert_nothing_doubled(1)


async def test_a_retry_in_an_outage_waits_for_the_run_and_a_clear_does_not_guess(server):
    task = Task(server)
    first = await task.start()
    server.faults.add("503", operation="getJobExecutionById")
    again = await task.start(RETRY)
    assert (again.execution.ref, again.attached) == (first.execution.ref, True)
    with pytest.raises(ServerError):
        await task.start(CLEARED)
    task.assert_nothing_doubled(1)


async def test_a_run_that_the_service_has_no_more_is_not_launched_again_on_a_guess(server, monkeypatch):
    task = Task(server)
    first = await task.start()
    del server.state.executions[first.execution.job_execution_id]
    young = await task.start(RETRY)  # it may not be listed yet
    assert young.attached
    monkeypatch.setattr("dataflow_async.defaults.NOT_FOUND_GRACE", -60.0)
    with pytest.raises(RunGone, match="clear the task to launch another one"):
        await task.start(RETRY)
    assert (await task.start(CLEARED)).attached is False


async def test_an_ended_run_of_the_same_task_does_not_mask_the_active_one(server):
    task = Task(server)
    ended = server.launch(
        task.job_id, parameters={**task.parameters, "airflow_key": "dag/run/task/-1/00000000"}
    )
    server.fail(ended)
    task.state.fails_at = {"accepted"}
    with pytest.raises(JournalError):
        await task.start()
    task.state.fails_at = None
    started = await task.start(RETRY)
    assert started.attached
    assert started.execution.job_execution_id != ended
    assert len(task.runs) == 2


async def test_an_intent_whose_record_took_too_long_is_not_sent(server, monkeypatch):
    task = Task(server)
    monkeypatch.setattr("dataflow_async.defaults.TASK_INTENT_AGE", -1.0)
    with pytest.raises(JournalError, match="the next try finds out"):
        await task.start()
    task.assert_nothing_doubled(0)
    monkeypatch.undo()
    await task.start(RETRY)
    task.assert_nothing_doubled(1)


def test_a_task_is_named_by_where_it_stands_and_a_long_name_stays_distinct():
    assert task_name("dag", "manual__2026-11-29T00:00:00+00:00", "task", -1) == (
        "dag/manual__2026-11-29T00:00:00+00:00/task/-1"
    )
    names = {task_name("d" * 250, f"run{number}" + "r" * 200, "t" * 250, number) for number in range(50)}
    assert len(names) == 50
    assert {len(name) for name in names} == {180}
