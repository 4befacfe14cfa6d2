"""Many launches of one task: waves, and what each try does with those of earlier ones."""

import json

import pytest

from dataflow_async import Launch, PollPolicy, RetryPolicy
from dataflow_async.airflow.bulk_launching import BulkLauncher, item_name
from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.launching import LaunchOptions
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED, TaskStateLaunchStore, TaskTry
from dataflow_async.emulator import Emulator, verify_history
from tests.support.task_states import MemoryTaskState

FIRST, RETRY, CLEARED = TaskTry(1, 3), TaskTry(2, 3), TaskTry(2, 4)
QUICK = PollPolicy(min_interval=0.01, max_interval=0.02)
AT_ONCE = RetryPolicy(backoff_base=0.001)


class Task:
    """One bulk task: each `wave` may be a try of its own, in a client of its own."""

    def __init__(self, server, *, correlated=True):
        self.server = server
        self.state = MemoryTaskState()
        self.by_place = ()
        self.job_id = server.create_job("stock_import")
        self.options = LaunchOptions("airflow_key" if correlated else None, visibility_delay=0.0)
        self.launches = {f"day {day}": Launch(self.job_id, parameters={"day": str(day)}) for day in range(5)}

    async def open_store(self, by):
        return await TaskStateLaunchStore.open(self.state, service=self.server.url, by=by)

    def launcher(self, by, most=2):
        return BulkLauncher(
            lambda: self.open_store(by), by, "dag/run/task/-1", self.options, most, self.by_place
        )

    async def wave(self, by=FIRST, most=2, refused=()):
        async with self.server.client(poll=QUICK, retry=AT_ONCE) as flow:
            return await self.launcher(by, most).next_wave(flow, self.launches, refused)

    async def end(self, by=FIRST, status="COMPLETED"):
        """End all runs that go on, and record that."""
        ended = []
        for run in list(self.server.state.executions):
            if self.server.status(run) in ("READY", "RUNNING"):
                (self.server.finish if status == "COMPLETED" else self.server.fail)(run)
                ended.append(RunReport(self.job_id, run, status))
        await self.launcher(by).record_ends(ended)

    async def statuses(self, by=FIRST):
        return [end.status for end in await self.launcher(by).ends(self.launches)]

    @property
    def days(self):
        assert verify_history(self.server.history) == []
        return [run.parameters["day"] for run in self.server.state.executions.values()]


@pytest.fixture
async def server():
    async with Emulator(run_seconds=(3600, 3600)) as server:
        yield server


async def test_waves_follow_each_other_until_all_have_ended(server):
    task = Task(server)
    for days in ("01", "0123", "01234"):
        wave = await task.wave()
        assert wave.refs
        assert wave.has_more is (days != "01234")
        assert "".join(task.days) == days
        await task.end()
    assert await task.wave() == await task.wave()
    assert (await task.wave()).refs == ()
    assert await task.statuses() == ["COMPLETED"] * 5


async def test_no_more_than_the_rest_is_launched_beside_runs_that_go_on(server):
    task = Task(server)
    first = await task.wave(most=2)
    second = await task.wave(RETRY, most=3)
    assert second.refs[:2] == first.refs
    assert "".join(task.days) == "012"


async def test_what_failed_is_launched_again_by_the_next_try_only(server):
    task = Task(server)
    await task.wave(most=5)
    await task.end(status="FAILED")
    assert (await task.wave(most=5)).refs == ()
    assert len((await task.wave(RETRY, most=5)).refs) == 5
    assert sorted(task.days) == sorted("01234" * 2)


async def test_a_clear_takes_up_what_goes_on_and_launches_what_has_ended(server):
    task = Task(server)
    await task.wave(most=1)
    await task.end()
    await task.wave(most=1)
    wave = await task.wave(CLEARED, most=5)
    assert sorted(task.days) == ["0", "0", "1", "2", "3", "4"]
    await task.end(CLEARED)
    assert (await task.wave(TaskTry(3, 4), most=5)).refs == ()  # the runs that the clear has taken up count
    assert len(wave.refs) == 5


async def test_a_run_that_a_clear_has_taken_up_and_that_fails_is_not_replaced_by_the_same_try(server):
    task = Task(server)
    await task.wave(most=5)
    await task.wave(CLEARED, most=5)
    await task.end(CLEARED, status="FAILED")
    assert (await task.wave(CLEARED, most=5)).refs == ()
    assert await task.statuses() == ["FAILED"] * 5


async def test_launches_without_keys_whose_list_has_changed_are_neither_doubled_nor_taken_for_others(server):
    task = Task(server)
    task.by_place = tuple(task.launches)
    await task.wave(most=3)
    server.finish(next(iter(server.state.executions)))
    await task.launcher(FIRST).record_ends(
        [RunReport(task.job_id, next(iter(server.state.executions)), "COMPLETED")]
    )
    days = [Launch(task.job_id, parameters={"day": day}) for day in ("new", "0", "1", "2", "3")]
    task.launches = dict(zip(task.launches, days, strict=True))
    wave = await task.wave(RETRY, most=5)
    assert not wave.has_more
    assert list(wave.problems) == ["day 0", "day 1", "day 2"]
    assert "give launches keys of their own" in wave.problems["day 0"]
    assert len(wave.refs) == 2
    assert not (await task.wave(RETRY, most=5, refused=wave.problems)).problems


async def test_a_cleared_task_does_not_take_up_a_run_with_other_settings(server):
    task = Task(server)
    await task.wave(most=1)
    task.launches["day 0"] = Launch(task.job_id, parameters={"day": "another"})
    assert (await task.wave(RETRY, most=1)).refs  # the same purpose, whatever a template says now
    wave = await task.wave(CLEARED, most=1)
    assert "wait for its end or cancel it" in wave.problems["day 0"]
    assert len(wave.refs) == 1
    assert task.days == ["0", "1"]


async def test_nor_does_a_second_clear_after_one_that_has_taken_the_run_up(server):
    task = Task(server)
    await task.wave(most=1)
    assert len((await task.wave(CLEARED, most=1)).refs) == 1
    task.launches["day 0"] = Launch(task.job_id, parameters={"day": "another"})
    wave = await task.wave(TaskTry(3, 5), most=1)
    assert "wait for its end or cancel it" in wave.problems["day 0"]
    assert task.days == ["0", "1"]


async def test_a_lost_launch_whose_settings_have_changed_does_not_hold_up_the_others(server):
    task = Task(server, correlated=False)
    server.launch(task.job_id, parameters={"day": "0"})
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    await task.wave(most=1)
    task.launches["day 0"] = Launch(task.job_id, parameters={"day": "another"})
    wave = await task.wave(RETRY, most=2)
    assert "it is not known whether it has started" in wave.problems["day 0"]
    assert len(wave.refs) == 2


async def test_a_launch_that_stays_uncertain_is_left_to_the_next_try(server):
    task = Task(server, correlated=False)
    server.launch(task.job_id, parameters={"day": "0"})
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    wave = await task.wave(most=1)
    assert wave.refs == ()
    assert list(wave.problems) == ["day 0"]
    lists = len(server.history)
    assert (await task.wave(most=1, refused=wave.problems)).refs
    assert not any(
        getattr(event, "operation", None) == "getJobExecutions" for event in list(server.history)[lists:]
    )
    assert (await task.statuses())[0] == "UNCERTAIN"
    assert list((await task.wave(RETRY, most=2)).problems) == ["day 0"]


@pytest.mark.parametrize("written", [dict, json.dumps])
async def test_findings_of_a_person_resolve_launches_by_name(server, written):
    task = Task(server, correlated=False)
    for day in "01":
        server.launch(task.job_id, parameters={"day": day})
    server.faults.add("reset", operation="executeJob", when="after", count=2)
    await task.wave(most=2)
    assert (await task.statuses())[:2] == ["UNCERTAIN"] * 2
    run = next(iter(server.state.executions))
    task.state.set(FINDING, written({"day 0": run, "day 1": NOT_STARTED, "another": 5}))
    wave = await task.wave(CLEARED, most=2)
    assert [ref.execution_id for ref in wave.refs] == [run, list(server.state.executions)[4]]
    assert not wave.problems
    assert FINDING not in task.state.values


async def test_a_refused_launch_has_no_run_and_does_not_hold_up_the_others(server):
    task = Task(server)
    task.launches["day 0"] = Launch("no-such-job")
    wave = await task.wave(most=5)
    assert len(wave.refs) == 4
    assert "no-such-job" in wave.problems["day 0"]
    await task.end()
    assert await task.statuses() == ["NOT_LAUNCHED", *["COMPLETED"] * 4]


def test_a_launch_is_named_by_its_key_or_its_place():
    assert item_name(None, 7) == "0007"
    assert item_name("day 1", 7) == "day 1"
    names = {item_name("x" * 300 + str(number), 0) for number in range(20)}
    assert len(names) == 20
    assert {len(name) for name in names} == {60}
