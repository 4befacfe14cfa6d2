"""Test controls: changes of the service without a request."""

import pytest

from dataflow_async.emulator import Emulator, ManualClock
from tests.emulator.conftest import session_of
from tests.support.counting import calls_of


@pytest.fixture
async def server(clock):
    async with Emulator(clock=clock, ready_seconds=(10, 10), run_seconds=(50, 50)) as server:
        yield server


async def test_a_job_and_a_foreign_run_of_it(api, clock, server):
    job = server.create_job("orders_rollup", condition={"numWorker": 4}, max_concurrent_runs=3)
    run = server.launch(job, parameters={"day": "1"})

    assert (await api("getJobById", job)).body["jobCondition"] == {"numWorker": 4, "timeout": 360}
    (row,) = (await api("getJobExecutions", job)).body["list"]
    assert (row["jobExecutionId"], row["status"], row["type"]) == (run, "READY", "JOB")
    assert row["parsedParameters"] == {"day": "1"}
    clock.advance(10)
    assert server.status(run) == await api.status(job, run) == "RUNNING"


@pytest.mark.parametrize("wait", [0, 30])
@pytest.mark.parametrize(
    ("handle", "status"), [("finish", "COMPLETED"), ("fail", "FAILED"), ("cancel", "CANCELED")]
)
async def test_a_run_is_ended_by_hand(api, clock, server, handle, status, wait):
    job = await api.job()
    run = (await api("executeJob", job)).body["jobExecutionId"]
    clock.advance(wait)

    assert getattr(server, handle)(run) is True

    reply = await api("getJobExecutionById", job, run)
    assert (reply.status, reply.body["status"]) == (200, status)
    started = wait > 0 or status != "CANCELED"
    assert ("startDate" in reply.body) == started
    assert reply.body["runningTime"] == pytest.approx(max(0, wait - 10) / 60, abs=1e-6)
    clock.advance(3600)
    assert (await api("getJobExecutionById", job, run)).body == reply.body
    for again in (server.finish, server.fail, server.cancel):
        assert again(run) is False
    assert server.status(run) == status


async def test_a_child_follows_a_parent_that_was_finished_by_hand(api, clock, server):
    a, b, c = [await api.job(f"job_{letter}") for letter in "abc"]
    trigger = await api.trigger()
    workflow = await api.workflow(trigger, {a: [trigger], b: [trigger], c: [a, b]})
    await api("executeWorkflow", workflow)
    runs = {it.job_id: it.execution_id for it in server.state.executions.values()}
    clock.advance(5)
    server.finish(runs[a])
    clock.advance(5)
    assert len(server.state.jobs[c].executions) == 0
    server.finish(runs[b])

    (row,) = (await api("getJobExecutions", c)).body["list"]

    assert row["createdDate"] == "2026-11-01T00:00:10.000+09:00"
    clock.advance(3600)
    await api("getJobs")
    assert len(server.state.jobs[c].executions) == 1


async def test_a_run_that_a_workflow_has_begun_is_found(api, clock, server):
    a, b = await api.job("job_a"), await api.job("job_b")
    trigger = await api.trigger()
    await api("executeWorkflow", await api.workflow(trigger, {a: [trigger], b: [a]}))
    clock.advance(61)
    server.state.settle()
    child = server.state.jobs[b].executions[0].execution_id
    assert server.status(child) == "READY"
    clock.advance(10)
    assert server.fail(child)


def test_unknown_ids_raise_lookup_error():
    server = Emulator(clock=ManualClock())
    with pytest.raises(LookupError, match="no job has the id nobody"):
        server.launch("nobody")
    for handle in (server.finish, server.fail, server.cancel, server.status):
        with pytest.raises(LookupError, match="no execution has the id nobody"):
            handle("nobody")


# --- maxConcurrentRuns ------------------------------------------------------------------------------------------------


async def test_concurrent_runs_are_limited_by_the_job(api, clock, server):
    job = await api.job(maxConcurrentRuns=2)
    first = (await api("executeJob", job)).body["jobExecutionId"]
    clock.advance(20)
    second = server.launch(job)

    reply = await api("executeJob", job)
    assert (reply.status, reply.body["errorType"]) == (400, "bad-state")
    assert job in reply.body["detail"]
    with pytest.raises(RuntimeError, match="has 2 runs in progress"):
        server.launch(job)
    assert len((await api("getJobExecutions", job)).body["list"]) == 2

    clock.advance(40)  # the first has ended this moment
    assert (await api("executeJob", job)).status == 202
    assert (await api("executeJob", job)).status == 400
    await api.ok("cancelJobExecution", job, second)
    assert (await api("executeJob", job)).status == 202
    assert (await api("cancelJobExecution", job, first)).status == 400


async def test_a_concurrency_limit_of_2_0_is_an_integer(api):
    job = await api.job(maxConcurrentRuns=1.0)
    assert [(await api("executeJob", job)).status for _ in range(2)] == [202, 400]


async def test_a_refused_launch_changes_no_state(api, clock, server):
    job = await api.job(maxConcurrentRuns=1)
    server.script(job, [("COMPLETED", 1), ("FAILED", 1)])
    await api("executeJob", job)
    drawn = server.state.lifecycle_settings.run_random.getstate()
    assert (await api("executeJob", job)).status == 400
    assert server.state.lifecycle_settings.run_random.getstate() == drawn
    clock.advance(60)
    run = (await api("executeJob", job)).body["jobExecutionId"]
    clock.advance(60)
    assert await api.status(job, run) == "FAILED"


async def test_a_limit_may_be_changed_while_runs_go_on(api, clock, server):
    job = await api.job(maxConcurrentRuns=3)
    for _ in range(3):
        assert (await api("executeJob", job)).status == 202
        clock.advance(1)
    await api.ok("updateJob", job, body={"type": "SCRIPT", "maxConcurrentRuns": 1})
    clock.advance(58.5)  # two have ended, the third goes on
    assert (await api("executeJob", job)).status == 400
    await api.ok("updateJob", job, body={"type": "SCRIPT", "maxConcurrentRuns": 2})
    assert (await api("executeJob", job)).status == 202


def test_a_job_is_free_from_the_end_that_brings_its_runs_below_the_limit():
    server = Emulator(clock=ManualClock(0), ready_seconds=(0, 0))
    job_id = server.create_job("orders_rollup")
    server.script(job_id, [("COMPLETED", seconds) for seconds in (30, 10, 20)])
    for _ in range(3):
        server.launch(job_id)
    job = server.state.jobs[job_id]
    for limit, moment in ((4, 0), (3, 10), (2, 20), (1, 30)):
        job.max_concurrent_runs = limit
        assert job.next_free_at(0) == moment


@pytest.mark.parametrize("limit", [None, 0, -1])
async def test_a_job_without_a_limit(server, limit):
    job = server.create_job("unlimited", max_concurrent_runs=limit)
    assert len({server.launch(job) for _ in range(50)}) == 50


async def test_a_run_of_a_workflow_waits_until_its_job_is_free(api, clock, server):
    job, trigger = await api.job(maxConcurrentRuns=1), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})
    for _ in range(3):
        await api("executeWorkflow", workflow)
        clock.advance(1)
    assert len((await api("getWorkflowExecutions", workflow)).body["list"]) == 1

    clock.advance(1000)
    server.state.settle()

    starts = [it.lifecycle.created_at - 1_793_458_800 for it in server.state.jobs[job].executions]
    assert starts == [0, 60, 120]


@pytest.mark.parametrize("how", ["cancel", "finish"])
async def test_a_job_that_is_free_early_starts_its_next_run_early(api, clock, server, how):
    job, trigger = await api.job(maxConcurrentRuns=1), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})
    run = server.launch(job)
    await api("executeWorkflow", workflow)
    clock.advance(20)

    getattr(server, how)(run)

    (row,) = (await api("getWorkflowExecutions", workflow)).body["list"]
    assert row["createdDate"] == "2026-11-01T00:00:20.000+09:00"


# --- a cancel that takes time -----------------------------------------------------------------------------------------


async def test_a_cancel_takes_hold_later_or_not_at_all(clock):
    server = Emulator(
        clock=clock, speed=2, ready_seconds=(0, 0), run_seconds=(60, 60), cancel_seconds=(20, 20)
    )
    async with server, session_of(server) as api:
        job = await api.job()
        early, late = server.launch(job), server.launch(job)
        clock.advance(5)
        assert (await api("cancelJobExecution", job, early)).body is True
        assert await api.status(job, early) == "RUNNING"
        clock.advance(5)
        assert (await api("cancelJobExecution", job, early)).body is True  # changes nothing
        clock.advance(4.9)
        assert await api.status(job, early) == "RUNNING"
        clock.advance(0.1)
        assert await api.status(job, early) == "CANCELED"
        assert (await api("cancelJobExecution", job, early)).status == 400

        clock.advance(10)
        assert (await api("cancelJobExecution", job, late)).body is True
        clock.advance(3600)
        body = (await api("getJobExecutionById", job, late)).body
        assert (body["status"], body["runningTime"]) == ("COMPLETED", 1)


async def test_a_test_control_ends_a_run_before_a_pending_cancel(clock):
    server = Emulator(clock=clock, cancel_seconds=(20, 20), run_seconds=(60, 60))
    async with server, session_of(server) as api:
        job = await api.job()
        runs = [server.launch(job) for _ in range(2)]
        for run in runs:
            await api.ok("cancelJobExecution", job, run)
        assert server.cancel(runs[0])
        assert server.finish(runs[1])
        clock.advance(30)
        assert [server.status(run) for run in runs] == ["CANCELED", "COMPLETED"]


async def test_the_duration_of_a_cancel_is_random_apart_from_lifecycles():
    def lifecycles(cancel):
        server = Emulator(clock=ManualClock(), cancel_seconds=(1, 2))
        job = server.create_job("orders_rollup")
        first = server.state.executions[server.launch(job)]
        if cancel:
            server.state.cancel(first, server.clock.time(), server.state.lifecycle_settings.cancel_takes())
        return server.state.executions[server.launch(job)].lifecycle

    assert lifecycles(cancel=True) == lifecycles(cancel=False)


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_launch_costs_the_same_however_many_there_were():
    server = Emulator(clock=ManualClock())

    def fill(jobs):
        for n in range(jobs):
            job = server.create_job(f"job_{n}")
            for _ in range(10):
                server.launch(job)

    few = calls_of(lambda: fill(100))
    fill(2_000)
    assert calls_of(lambda: fill(100)) < few * 1.1
    assert len(server.state.executions) == 22_000


def test_a_job_with_a_limit_forgets_what_has_ended():
    clock = ManualClock()
    server = Emulator(clock=clock, ready_seconds=(0, 0), run_seconds=(1, 1))
    job = server.create_job("one_by_one", max_concurrent_runs=1)

    def launches(number):
        for _ in range(number):
            server.launch(job)
            clock.advance(1)

    few = calls_of(lambda: launches(100))
    launches(3000)
    assert calls_of(lambda: launches(100)) < few * 1.1
