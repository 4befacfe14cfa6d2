"""Workflows: which job follows which, when a run appears, and when it does not."""

import base64

import pytest

from dataflow_async.emulator import Emulator, ManualClock
from tests.emulator.conftest import session_of, workflow_body

READY, RUN = 10, 50


@pytest.fixture
async def server(clock):
    async with Emulator(clock=clock, ready_seconds=(READY, READY), run_seconds=(RUN, RUN)) as server:
        yield server


async def rows(api, workflow):
    return (await api("getWorkflowExecutions", workflow)).body["list"]


async def test_a_workflow_starts_its_job_under_the_trigger(api):
    job, trigger = await api.job(), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})

    receipt = (await api("executeWorkflow", workflow)).body

    assert receipt == {"workflowId": workflow, "triggerId": trigger, "status": "ACCEPTED"}
    (row,) = await rows(api, workflow)
    assert row["type"] == "WORKFLOW"
    assert (row["jobId"], row["triggerId"], row["triggerName"]) == (job, trigger, "by_hand")
    assert row["jobCondition"]["logPath"] == "lake/logs/"
    assert (await api("getJobExecutions", job)).body["list"] == [row]
    assert (await api("getWorkflows")).body["list"][0]["lastExecutionDate"] == row["createdDate"]


async def test_a_child_begins_when_all_its_parents_have_completed(api, clock, server):
    """a -> b, a -> c, (b, c) -> d."""
    a, b, c, d = [await api.job(f"job_{letter}") for letter in "abcd"]
    trigger = await api.trigger()
    workflow = await api.workflow(trigger, {d: [b, c], b: [a], c: [a, trigger], a: [trigger]})
    start = clock.time()
    await api("executeWorkflow", workflow)

    clock.advance(READY + RUN - 0.001)
    assert [row["jobId"] for row in await rows(api, workflow)] == [a]
    clock.advance(0.002)
    assert {row["jobId"] for row in await rows(api, workflow)} == {a, b, c}
    clock.advance(3600)
    found = await rows(api, workflow)
    assert found[0]["jobId"] == d
    assert {row["status"] for row in found} == {"COMPLETED"}
    assert [it.lifecycle.created_at - start for it in server.state.executions.values()] == [0, 60, 60, 120]


async def test_a_child_of_two_waits_for_the_later_one(clock):
    server = Emulator(clock=clock, run_seconds=(1, 1000))
    async with server, session_of(server) as api:
        a, b, c = [await api.job(f"job_{letter}") for letter in "abc"]
        trigger = await api.trigger()
        await api("executeWorkflow", await api.workflow(trigger, {c: [a, b], b: [trigger], a: []}))
        clock.advance(5000)
        server.state.settle()

        lifecycles = {it.job_id: it.lifecycle for it in server.state.executions.values()}
        assert lifecycles[a].ends_at != lifecycles[b].ends_at
        assert lifecycles[c].created_at == max(lifecycles[a].ends_at, lifecycles[b].ends_at)


async def test_children_begin_in_order_of_time_although_nothing_was_read(api, clock, server):
    """Two starts, one look: each job's list is still in the order of creation."""
    a, b = await api.job("job_a"), await api.job("job_b")
    trigger = await api.trigger()
    workflow = await api.workflow(trigger, {a: [trigger], b: [a]})
    for _ in range(5):
        await api("executeWorkflow", workflow)
        clock.advance(7)
    clock.advance(1000)

    await api("getJobs")

    for executions in [server.state.workflows[workflow].executions, server.state.jobs[b].executions]:
        created = [it.lifecycle.created_at for it in executions]
        assert created == sorted(created)
    assert len(server.state.jobs[b].executions) == 5


@pytest.mark.parametrize("why", ["failed", "canceled", "deleted"])
async def test_children_of_a_run_that_does_not_complete_never_begin(clock, why):
    server = Emulator(clock=clock, fail_rate=why == "failed")
    async with server, session_of(server) as api:
        a, b, c = [await api.job(f"job_{letter}") for letter in "abc"]
        trigger = await api.trigger()
        workflow = await api.workflow(trigger, {a: [trigger], b: [a], c: [b]})
        await api("executeWorkflow", workflow)
        if why == "canceled":
            await api.ok("cancelJobExecution", a, (await rows(api, workflow))[0]["jobExecutionId"])
        elif why == "deleted":
            await api.ok("deleteJob", b)

        clock.advance(3600)

        assert [row["jobId"] for row in await rows(api, workflow)] == [a]


async def test_a_deleted_workflow_lets_its_runs_go_on(api, clock, server):
    a, b = await api.job("job_a"), await api.job("job_b")
    trigger = await api.trigger()
    workflow = await api.workflow(trigger, {a: [trigger], b: [a]})
    await api("executeWorkflow", workflow)
    await api.ok("deleteWorkflow", workflow)

    clock.advance(3600)

    assert (await api("getWorkflowExecutions", workflow)).status == 404
    assert len((await api("getJobExecutions", b)).body["list"]) == 1


@pytest.mark.parametrize(("kind", "status"), [("NONE", 202), ("EVENT", 202), ("SCHEDULED", 400)])
async def test_only_a_manual_or_event_trigger_is_fired_by_hand(api, kind, status):
    job, trigger = await api.job(), await api.trigger(type=kind)
    workflow = await api.workflow(trigger, {job: [trigger]})

    reply = await api("executeWorkflow", workflow)

    assert reply.status == status
    if status == 400:
        assert reply.body["errorType"] == "bad-state"
        assert await rows(api, workflow) == []


async def test_a_workflow_without_a_trigger_cannot_start(api):
    job, trigger = await api.job(), await api.trigger()
    without = await api.workflow(None, {job: []})
    bereft = await api.workflow(trigger, {job: [trigger]})
    await api.ok("deleteTrigger", trigger)

    for workflow in (without, bereft):
        reply = await api("executeWorkflow", workflow)
        assert (reply.status, reply.body["errorType"]) == (400, "bad-state")


async def test_a_workflow_with_a_deleted_job_cannot_start(api):
    job, trigger = await api.job(), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})
    await api.ok("deleteJob", job)

    reply = await api("executeWorkflow", workflow)

    assert (reply.status, reply.body["errorType"]) == (400, "bad-state")
    assert job in reply.body["detail"]


async def test_nodes_must_exist_when_written_and_show_when_deleted(api):
    job, trigger = await api.job(), await api.trigger()
    good = workflow_body(trigger, {job: [trigger]})
    for ids in ((trigger, {trigger + "x": []}), (job, {job + "x": []})):
        reply = await api("createWorkflow", body=workflow_body(*ids))
        assert (reply.status, reply.body["errorType"]) == (400, "bad-parameter")
        assert "nodes[" in reply.body["detail"]
    created = (await api("createWorkflow", body=good)).body
    workflow = created["workflowId"]
    assert [node["isValid"] for node in created["nodes"]] == [True, True]
    assert created["nodes"][1]["triggerRule"] == "NONE"

    await api.ok("deleteJob", job)
    assert [node["isValid"] for node in (await api("getWorkflowById", workflow)).body["nodes"]] == [
        False,
        True,
    ]
    assert (await api("updateWorkflow", workflow, body=good)).status == 400
    await api.ok("deleteTrigger", trigger)
    row = (await api("getWorkflows")).body["list"][0]
    assert [node["isValid"] for node in row["nodes"]] == [False, False]
    assert "triggerRuleType" not in row


async def test_update_replaces(api, clock):
    first, second, trigger = await api.job("first"), await api.job("second"), await api.trigger()
    workflow = await api.workflow(trigger, {first: [trigger]})
    clock.advance(1)

    changed = (await api("updateWorkflow", workflow, body=workflow_body(None, {second: []}, "dusk"))).body

    assert (changed["name"], [node["id"] for node in changed["nodes"]]) == ("dusk", [second])
    assert changed["updatedDate"] > changed["createdDate"]
    assert (await api("getWorkflowById", workflow)).body == changed


async def test_the_filter_is_compared_with_the_name_of_the_workflow(api):
    job, trigger = await api.job(), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})
    await api("executeWorkflow", workflow)

    for text, count in (("dawn", 1), ("roll", 1), ("", 1), ("Dawn", 0)):
        assert (await api("getWorkflowExecutions", workflow, filter=text)).body["count"] == count


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (base64.b64encode('{"sentBy":"야간"}'.encode()).decode(), 202),
        (base64.b64encode(b"1").decode(), 202),
        ("", 400),
        ("%%%", 400),
        ("eyJh", 400),
        ("eyJhIjoxfQ", 400),
        (base64.b64encode(b"\xff").decode(), 400),
        (base64.b64encode(b"[" * 5000).decode(), 400),
    ],
)
async def test_the_payload_header_is_validated(api, payload, status):
    job, trigger = await api.job(), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})

    reply = await api("executeWorkflow", workflow, headers={"x-ncp-dataflow-payload": payload})

    assert reply.status == status
    assert len(await rows(api, workflow)) == (status == 202)


async def test_scheduled_triggers_never_fire(api, clock):
    rule = {"type": "RECURRING", "interval": "HOUR", "time": "00"}
    job, trigger = await api.job(), await api.trigger(type="SCHEDULED", rule=rule)
    workflow = await api.workflow(trigger, {job: [trigger]})

    clock.advance(7 * 86400)

    assert await rows(api, workflow) == []
    assert (await api("getTriggerById", trigger)).body["createdDate"] == "2026-11-01T00:00:00.000"
    assert (await api("getWorkflows")).body["list"][0]["triggerRuleType"] == "RECURRING"


def test_the_service_has_no_timers():
    assert Emulator(clock=ManualClock()).state.settle() == ManualClock().time()
