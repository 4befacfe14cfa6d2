"""Due times of triggers, and their firing."""

from datetime import datetime

import pytest

from dataflow_async.emulator import Emulator, defaults
from dataflow_async.emulator.service import dates, schedule
from dataflow_async.emulator.service.schedule import next_after
from tests.emulator.conftest import session_of

DAY = 86_400


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=dates.KST).timestamp()


def recurring(interval, time, **members):
    return {"type": "RECURRING", "interval": interval, "time": time, **members}


@pytest.mark.parametrize(
    ("rule", "moment", "due"),
    [
        (recurring("HOUR", "15"), "2026-11-01T00:00", "2026-11-01T00:15"),
        (recurring("HOUR", "15"), "2026-11-01T00:15", "2026-11-01T01:15"),
        (recurring("HOUR", "00"), "2026-11-01T23:59:59.5", "2026-11-02T00:00"),
        (recurring("DAY", "03:30"), "2026-11-01T03:29:59", "2026-11-01T03:30"),
        (recurring("DAY", "03:30"), "2026-11-01T03:30", "2026-11-02T03:30"),
        (recurring("DAY", "00:00"), "2026-12-31T23:00", "2027-01-01T00:00"),
        # the first of November 2026 is a Sunday
        (recurring("WEEK", "22:05", dayOfWeek=["SATURDAY", "SUNDAY"]), "2026-11-01T00:00", "2026-11-01T22:05"),
        (recurring("WEEK", "22:05", dayOfWeek=["SATURDAY", "SUNDAY"]), "2026-11-01T22:05", "2026-11-07T22:05"),
        (recurring("WEEK", "00:00", dayOfWeek=["MONDAY"]), "2026-11-02T00:00", "2026-11-09T00:00"),
        (recurring("MONTH", "23:45", dateOfMonth="-1"), "2026-11-01T00:00", "2026-11-30T23:45"),
        (recurring("MONTH", "23:45", dateOfMonth="-1"), "2028-02-01T00:00", "2028-02-29T23:45"),
        (recurring("MONTH", "08:00", dateOfMonth="31"), "2026-10-31T08:00", "2026-12-31T08:00"),
        (recurring("MONTH", "08:00", dateOfMonth="30"), "2027-01-30T08:00", "2027-03-30T08:00"),
        ({"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"}, "2026-11-01T00:00", "2026-12-24T06:00"),
        ({"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00Z"}, "2026-11-01T00:00", "2026-12-24T15:00"),
        ({"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"}, "2026-12-24T06:00", None),
        ({"type": "ONE_TIME", "executionDate": "after lunch"}, "2026-11-01T00:00", None),
        ({"type": "NONE"}, "2026-11-01T00:00", None),
    ],
)  # fmt: skip
def test_next_due_time_of_a_rule(rule, moment, due):
    assert next_after(rule, at(moment)) == (None if due is None else at(due))


@pytest.fixture
async def server(clock):
    async with Emulator(
        clock=clock, fire_triggers=True, ready_seconds=(10, 10), run_seconds=(50, 50)
    ) as server:
        yield server


async def scheduled(api, rule, name="at_times"):
    """A job under a trigger with this rule, in a workflow."""
    job, trigger = await api.job(f"{name}_job"), await api.trigger(name, type="SCHEDULED", rule=rule)
    return job, trigger, await api.workflow(trigger, {job: [trigger]}, f"{name}_flow")


async def starts(api, workflow):
    """Creation dates of the runs of a workflow, the first first."""
    rows = (await api("getWorkflowExecutions", workflow)).body["list"]
    return [row["createdDate"][:16] for row in rows][::-1]


async def test_each_due_time_starts_the_workflow_once_and_in_order(api, clock, server):
    _, trigger, workflow = await scheduled(api, recurring("DAY", "03:30"))
    clock.advance(3.5 * 3600 - 1)
    assert await starts(api, workflow) == []
    clock.advance(1)
    assert await starts(api, workflow) == ["2026-11-01T03:30"]

    clock.advance(5 * DAY)
    hourly = (await scheduled(api, recurring("HOUR", "00"), "hourly"))[2]
    clock.advance(3 * 3600)

    assert await starts(api, workflow) == [f"2026-11-0{day}T03:30" for day in range(1, 7)]
    assert await starts(api, hourly) == [f"2026-11-06T0{hour}:00" for hour in (4, 5, 6)]
    (row,) = (await api("getWorkflowExecutions", workflow, limit=1)).body["list"]
    assert (row["triggerId"], row["triggerName"], row["type"]) == (trigger, "at_times", "WORKFLOW")
    created = [it.lifecycle.created_at for it in server.state.executions.values()]
    assert created == sorted(created)


async def test_one_trigger_starts_every_workflow_that_begins_with_it(api, clock):
    job, trigger, first = await scheduled(api, recurring("DAY", "03:30"))
    second = await api.workflow(trigger, {job: [trigger]}, "second_flow")
    other = (await scheduled(api, recurring("DAY", "04:00"), "other"))[2]
    clock.advance(3.75 * 3600)

    assert [len(await starts(api, it)) for it in (first, second, other)] == [1, 1, 0]


async def test_a_one_time_trigger_fires_once(api, clock):
    workflow = (await scheduled(api, {"type": "ONE_TIME", "executionDate": "2026-11-02T06:00:00"}))[2]
    for _ in range(5):
        clock.advance(DAY)
        await api("getJobs")
    assert await starts(api, workflow) == ["2026-11-02T06:00"]


async def test_children_of_a_fired_workflow_follow_in_their_time(api, clock):
    a, b = await api.job("job_a"), await api.job("job_b")
    trigger = await api.trigger(type="SCHEDULED", rule=recurring("HOUR", "00"))
    workflow = await api.workflow(trigger, {a: [trigger], b: [a]})
    clock.advance(2 * 3600 + 60)

    assert await starts(api, workflow) == [f"2026-11-01T0{it}" for it in ("1:00", "1:01", "2:00", "2:01")]


async def test_deleted_triggers_and_workflows_do_not_fire(api, clock, server):
    hourly = recurring("HOUR", "00")
    _, trigger, bereft = await scheduled(api, hourly)
    _, _, deleted = await scheduled(api, hourly, "deleted")
    job, only, _ = await scheduled(api, hourly, "only")
    without_job = await api.workflow(only, {job: [only], await api.job("left"): [only]}, "without_job")
    changed = (await scheduled(api, hourly, "changed"))[2]
    await api.ok("deleteTrigger", trigger)
    await api.ok("deleteWorkflow", deleted)
    await api.ok("deleteJob", job)
    await api.ok("updateWorkflow", changed, body={"name": "changed", "nodes": []})

    clock.advance(DAY)

    assert [await starts(api, it) for it in (bereft, without_job, changed)] == [[], [], []]
    assert not server.state.executions


async def test_only_scheduled_triggers_fire(api, clock, server):
    job = await api.job()
    for number, kind in enumerate(("NONE", "EVENT")):
        trigger = await api.trigger(f"trigger_{number}", type=kind, rule=recurring("HOUR", "00"))
        await api.workflow(trigger, {job: [trigger]})
    clock.advance(DAY)
    await api("getJobs")
    assert not server.state.executions


async def test_a_long_leap_of_the_clock_is_caught_up_with_for_a_month(api, clock, monkeypatch):
    looked = []
    monkeypatch.setattr(
        schedule, "next_after", lambda rule, moment: looked.append(moment) or next_after(rule, moment)
    )
    hourly = (await scheduled(api, recurring("HOUR", "30"), "hourly"))[2]
    once = (await scheduled(api, {"type": "ONE_TIME", "executionDate": "2026-11-02T06:00:00"}, "once"))[2]
    clock.advance(400 * DAY)

    found = await starts(api, hourly)

    assert len(found) == defaults.CATCH_UP / 3600
    assert len(looked) < len(found) + 10
    assert found[0] == "2027-11-05T00:30"
    assert await starts(api, once) == ["2026-11-02T06:00"]
    clock.advance(3600)
    assert len(await starts(api, hourly)) == len(found) + 1


async def test_a_fired_workflow_waits_until_its_job_is_free_too(api, clock, server):
    job = await api.job(maxConcurrentRuns=1)
    trigger = await api.trigger(type="SCHEDULED", rule=recurring("HOUR", "00"))
    workflow = await api.workflow(trigger, {job: [trigger]})
    server.script(job, [("COMPLETED", 5390)])
    clock.advance(3 * 3600)

    assert await starts(api, workflow) == [f"2026-11-01T0{it}" for it in ("1:00", "2:30", "3:00")]


async def test_triggers_do_not_fire_by_default(clock):
    async with Emulator(clock=clock) as server, session_of(server) as api:
        workflow = (await scheduled(api, recurring("HOUR", "00")))[2]
        clock.advance(DAY)
        assert await starts(api, workflow) == []
