"""Faults in lists, as bytes on a plain socket."""

import pytest

from tests.emulator.faults.kinds.wire import exchange, parsed


@pytest.fixture
async def runs(api, job, clock):
    """Five runs, a second apart, oldest first."""
    ids = []
    for _ in range(5):
        ids.append((await api.ok("executeJob", job))["jobExecutionId"])
        await clock.push(1)
    return ids


async def listed(server, job, page=0, limit=2):
    target = f"/api/v1/jobs/{job}/executions?page={page}&limit={limit}"
    body = parsed(await exchange(server, "GET", target)).json
    assert (body["page"], body["limit"]) == (page, limit)
    return [row["jobExecutionId"] for row in body["list"]], body["count"]


async def test_late(server, clock, job, runs):
    server.faults.add("late", seconds=3)

    assert (await listed(server, job, limit=9))[0] == runs[:3][::-1]
    target = f"/api/v1/jobs/{job}/executions/{runs[-1]}"
    reply = parsed(await exchange(server, "GET", target))
    assert (reply.status, reply.json["errorType"]) == (404, "not-found")
    await clock.push(2)
    assert parsed(await exchange(server, "GET", target)).json["jobExecutionId"] == runs[-1]


async def test_list_order(server, job, runs):
    server.faults.add("list-order", order="oldest")
    assert (await listed(server, job, page=1))[0] == runs[2:4]

    server.faults.clear()
    server.faults.add("list-order", order="random")
    orders = [tuple((await listed(server, job, limit=9))[0]) for _ in range(4)]
    assert {frozenset(order) for order in orders} == {frozenset(runs)}
    assert len(set(orders)) > 1

    server.faults.clear()
    server.faults.add("list-order", order="swapped")
    newest = runs[::-1]
    assert (await listed(server, job, limit=9))[0][:3] == [newest[0], newest[2], newest[1]]
    assert (await listed(server, job, limit=9))[0] == (await listed(server, job, limit=9))[0]


async def test_shift(server, job, runs):
    server.faults.add("shift", rows=1)

    newest = runs[::-1]
    assert [(await listed(server, job, page=page))[0] for page in range(3)] == [
        newest[0:2],
        newest[1:3],
        newest[3:5],
    ]
    server.faults.clear()
    server.faults.add("shift", rows=-1)
    assert (await listed(server, job, page=1))[0] == newest[3:5]


async def test_page_cap(server, job, runs):
    server.faults.add("page-cap", rows=2)

    newest = runs[::-1]
    assert [(await listed(server, job, page=page, limit=4))[0] for page in range(3)] == [
        newest[0:2],
        newest[2:4],
        newest[4:5],
    ]


async def test_list_count(server, job, runs):
    assert (await listed(server, job))[1] == 2
    server.faults.add("list-count")
    assert (await listed(server, job))[1] == 5


async def test_list_window(server, job, runs):
    server.faults.add("list-window", rows=3)
    assert (await listed(server, job, limit=10))[0] == runs[:1:-1]


async def test_list_gap_leaves_the_same_rows_out_of_every_list(server, job, runs, api):
    server.faults.add("list-gap", every=3)
    rows, _ = await listed(server, job, limit=10)
    assert 0 < len(rows) < 5 and (await listed(server, job, limit=10))[0] == rows
    assert [(await api.ok("getJobExecutionById", job, run))["jobExecutionId"] for run in runs] == runs


async def test_list_stale_shows_one_status_whatever_the_run_itself_shows(server, job, runs, api, clock):
    await clock.push(3600)
    server.faults.add("list-stale")
    target = f"/api/v1/jobs/{job}/executions?page=0&limit=10"
    rows = parsed(await exchange(server, "GET", target)).json["list"]
    assert {row["status"] for row in rows} == {"RUNNING"} and not any("endDate" in row for row in rows)
    assert (await api.ok("getJobExecutionById", job, runs[0]))["status"] == "COMPLETED"


@pytest.mark.parametrize("operation", ["getJobs", "getTriggers", "getWorkflows", "getWorkflowExecutions"])
async def test_faults_reach_all_lists(server, api, clock, operation):
    trigger, one = await api.trigger(), await api.job()
    workflow = await api.workflow(trigger, {one: []})
    await api.ok("executeWorkflow", workflow)
    ids = [workflow] if operation == "getWorkflowExecutions" else []
    assert (await api.ok(operation, *ids))["count"] == 1

    server.faults.add("late", seconds=3)
    assert (await api.ok(operation, *ids))["list"] == []
    await clock.push(3)
    server.faults.parse("list-order oldest; list-count; page-cap 1")
    assert (await api.ok(operation, *ids))["count"] == 1


async def test_page_base(server, job, runs):
    server.faults.add("page-base", first=1)

    assert (await listed(server, job, page=0))[0] == runs[:2:-1]
    assert (await listed(server, job, page=1))[0] == runs[:2:-1]
    assert (await listed(server, job, page=2))[0] == runs[2:0:-1]
