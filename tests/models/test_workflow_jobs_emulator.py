"""Workflows written as jobs under a schedule, from creation to their runs, against the emulator."""

from datetime import UTC, datetime, time, timedelta

import pytest

from dataflow_async import InvalidRequest, JobCondition, NotFound, TriggerRule, WorkflowJob
from dataflow_async.emulator import Emulator, ManualClock

ROLE = JobCondition(nrn="nrn:PUB:IAM::1:Role/1", script_path="lake/scripts/", log_path="lake/logs/")
SETTINGS = {"nrn": ROLE.nrn, "scriptPath": ROLE.script_path, "logPath": ROLE.log_path}


@pytest.fixture
async def flow(clock):
    server = Emulator(clock=clock, fire_triggers=True, ready_seconds=(10, 10), run_seconds=(50, 50))
    async with server, server.client(clock=clock) as flow:
        yield flow


@pytest.fixture
def clock():
    return ManualClock()


async def jobs_of(flow, *names):
    return [await flow.jobs.create(name, type="SCRIPT", condition=ROLE) for name in names]


@pytest.mark.parametrize(
    "rule",
    [
        TriggerRule.hourly(30),
        TriggerRule.daily(time(18, 30, tzinfo=UTC)),
        TriggerRule.weekly("MON-FRI", time(18, 30, tzinfo=UTC)),
        TriggerRule.weekly("SAT-SUN", "22:05"),
        TriggerRule.monthly("LAST", time(20, tzinfo=UTC)),
        TriggerRule.from_cron("30 9 * * 1-5"),
        TriggerRule.once("2026-11-24T06:00:00"),
    ],
    ids=str,
)
async def test_a_workflow_starts_when_next_runs_says_and_its_jobs_follow_each_other(flow, clock, rule):
    load, report = await jobs_of(flow, "load", "report")
    trigger = await flow.triggers.create("nightly", rule)
    assert trigger.trigger_rule.to_rule() == rule
    workflow = await flow.workflows.create(
        "nightly", trigger=trigger, jobs=[load, WorkflowJob(report, after=load)]
    )
    now = datetime.fromtimestamp(clock.time(), UTC)
    expected = rule.next_runs(2, after=now)

    while clock.time() < expected[-1].timestamp() + 600:
        clock.advance(3600)

    rows = [row async for row in flow.workflows.executions(workflow.workflow_id)]
    starts = sorted((row.created_date, row.job_id) for row in rows)
    minute = timedelta(minutes=1)
    follow = [
        (due + shift, job.job_id) for due in expected for shift, job in ((0 * minute, load), (minute, report))
    ]
    assert starts[: len(follow)] == follow


async def test_jobs_and_a_trigger_given_by_their_ids_are_fetched(flow, clock):
    load, report = await jobs_of(flow, "load", "report")
    trigger = await flow.triggers.create("by_hand", TriggerRule.manual())
    row = await flow.jobs.find("report")
    made = await flow.workflows.create(
        "nightly",
        trigger=trigger.trigger_id,
        jobs=[load.job_id, WorkflowJob(row, after=load.job_id)],
    )
    first, second, third = (await flow.workflows.get(made.workflow_id)).raw["nodes"]
    assert (first["id"], first["triggerRule"]) == (trigger.trigger_id, "NONE")
    assert [second[it] for it in ("id", "name", "parentNodeIds")] == [
        load.job_id,
        "load",
        [trigger.trigger_id],
    ]
    assert [third[it] for it in ("id", "name", "parentNodeIds")] == [report.job_id, "report", [load.job_id]]
    assert second["jobCondition"] == third["jobCondition"] == SETTINGS

    await flow.workflows.update(made.workflow_id, "nightly", trigger=trigger, jobs=[report])
    await flow.workflows.execute(made.workflow_id)
    clock.advance(120)
    rows = [row async for row in flow.workflows.executions(made.workflow_id)]
    assert [(row.job_id, row.status) for row in rows] == [(report.job_id, "COMPLETED")]


async def test_nothing_is_created_where_a_job_is_gone_or_has_no_settings(flow):
    load, gone = await jobs_of(flow, "load", "gone")
    bare = await flow.jobs.create("bare")
    trigger = await flow.triggers.create("by_hand", TriggerRule.manual())
    await flow.jobs.delete(gone.job_id)
    with pytest.raises(NotFound):
        await flow.workflows.create("nightly", trigger=trigger, jobs=[load, gone.job_id])
    with pytest.raises(InvalidRequest, match="bare"):
        await flow.workflows.create("nightly", trigger=trigger, jobs=[load, bare.job_id])
    assert [row async for row in flow.workflows.list()] == []
