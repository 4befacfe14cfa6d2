"""The status of a run as a function of time, by arithmetic and over HTTP."""

import pytest

from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.emulator.service.lifecycle import LifecycleSettings, RunLifecycle, Status
from tests.emulator.conftest import session_of


def lifecycle(**changes):
    return RunLifecycle(
        **({"created_at": 100, "starts_at": 110, "ends_at": 130, "outcome": Status.FAILED} | changes)
    )


@pytest.mark.parametrize(
    ("now", "status", "started", "ended", "waiting", "running"),
    [
        (99, "READY", None, None, 0, 0),
        (100, "READY", None, None, 0, 0),
        (109.9, "READY", None, None, 9.9, 0),
        (110, "RUNNING", 110, None, 10, 0),
        (129.9, "RUNNING", 110, None, 10, 19.9),
        (130, "FAILED", 110, 130, 10, 20),
        (999, "FAILED", 110, 130, 10, 20),
    ],
)
def test_a_lifecycle_without_intervention(now, status, started, ended, waiting, running):
    it = lifecycle()

    assert (it.status(now), it.started(now), it.ended(now)) == (status, started, ended)
    assert it.durations(now) == pytest.approx((waiting, running))


@pytest.mark.parametrize(
    ("at", "started", "waiting", "running"), [(105, None, 5, 0), (110, 110, 10, 0), (120, 110, 10, 10)]
)
def test_a_lifecycle_that_is_ended_early(at, started, waiting, running):
    it = lifecycle()

    assert it.cancel(at)
    for now in (at, 130, 999):
        assert (it.status(now), it.started(now), it.ended(now)) == ("CANCELED", started, at)
        assert it.durations(now) == (waiting, running)
    assert not it.cancel(999)


@pytest.mark.parametrize("at", [130, 131])
def test_an_ended_lifecycle_is_not_canceled(at):
    it = lifecycle()

    assert not it.cancel(at)
    assert it.status(at) is Status.FAILED


def test_lifecycles_are_equal_for_equal_seeds_and_keep_their_ranges():
    settings = [LifecycleSettings(seed, 10, 0.25, (1, 2), (5, 50)) for seed in (1, 1, 2)]
    first, again, others = ([it.draw(7) for _ in range(2000)] for it in settings)

    assert first == again != others
    assert all(0.1 <= it.starts_at - 7 <= 0.2 and 0.5 <= it.ends_at - it.starts_at <= 5 for it in first)
    assert 400 < sum(it.outcome is Status.FAILED for it in first) < 600


async def test_a_run_from_launch_to_end(api, clock, server):
    job = await api.job(jobCondition={"logPath": "lake/logs/", "numWorker": 4})
    started = (await api("executeJob", job)).body
    run = started["jobExecutionId"]

    assert started["status"] == "READY"
    assert started["createdDate"] == "2026-11-01T00:00:00.000+09:00"
    assert (started["jobId"], started["jobName"], started["type"]) == (job, "orders_rollup", "JOB")
    assert started["executorNum"] == 4
    assert not {"startDate", "endDate", "triggerId"} & started.keys()

    assert (await api("getJobExecutionById", job, run)).body == started

    clock.advance(0.6)
    reply = await api("getJobExecutionById", job, run)
    assert (reply.status, reply.body["status"]) == (202, "RUNNING")
    assert reply.body["jobCondition"]["consoleLogPath"] == f"lake/logs/{run}"
    assert "startDate" in reply.body
    assert "endDate" not in reply.body

    clock.advance(3)
    reply = await api("getJobExecutionById", job, run)
    assert (reply.status, reply.body["status"]) == (200, "COMPLETED")
    lifecycle = server.state.executions[run].lifecycle
    assert reply.body["waitingTime"] == pytest.approx(
        (lifecycle.starts_at - lifecycle.created_at) / 60, abs=1e-6
    )
    assert reply.body["runningTime"] == pytest.approx(
        (lifecycle.ends_at - lifecycle.starts_at) / 60, abs=1e-6
    )
    clock.advance(1e6)
    assert (await api("getJobExecutionById", job, run)).body == reply.body
    row = (await api("getJobs")).body["list"][0]
    assert (row["lastExecutionStatus"], row["lastExecutionDate"]) == ("COMPLETED", started["createdDate"])


async def test_speed_shortens_wall_time_but_not_reported_minutes():
    clock = ManualClock(0)
    server = Emulator(clock=clock, speed=60, ready_seconds=(60, 60), run_seconds=(600, 600))
    async with server, session_of(server) as api:
        job = await api.job()
        run = (await api("executeJob", job)).body["jobExecutionId"]
        for seconds, status in ((0.5, "READY"), (0.5, "RUNNING"), (9.5, "RUNNING"), (0.5, "COMPLETED")):
            clock.advance(seconds)
            body = (await api("getJobExecutionById", job, run)).body
            assert body["status"] == status
        assert (body["waitingTime"], body["runningTime"]) == (1, 10)
        assert (body["startDate"], body["endDate"]) == (
            "1970-01-01T09:00:01.000+09:00",
            "1970-01-01T09:00:11.000+09:00",
        )


async def test_every_run_fails_with_a_fail_rate_of_1():
    clock = ManualClock()
    server = Emulator(clock=clock, fail_rate=1)
    async with server, session_of(server) as api:
        job = await api.job()
        run = (await api("executeJob", job)).body["jobExecutionId"]
        clock.advance(4)
        assert await api.status(job, run) == "FAILED"


async def test_equal_seeds_give_equal_ids_and_lifecycles():
    async def story(seed):
        server = Emulator(clock=ManualClock(), seed=seed)
        async with server, session_of(server) as api:
            job = await api.job()
            runs = [(await api("executeJob", job)).body["jobExecutionId"] for _ in range(3)]
            return job, runs, [server.state.executions[run].lifecycle for run in runs]

    assert await story(1) == await story(1) != await story(2)


@pytest.mark.parametrize("wait", [0, 0.6])
async def test_cancel(api, clock, wait):
    job = await api.job()
    run = (await api("executeJob", job)).body["jobExecutionId"]
    clock.advance(wait)

    assert (await api("cancelJobExecution", job, run)).body is True
    reply = await api("getJobExecutionById", job, run)
    assert (reply.status, reply.body["status"]) == (200, "CANCELED")
    assert ("startDate" in reply.body) == (wait > 0)

    again = await api("cancelJobExecution", job, run)
    assert (again.status, again.body["errorType"]) == (400, "bad-state")


async def test_an_ended_run_is_not_canceled(api, clock):
    job = await api.job()
    run = (await api("executeJob", job)).body["jobExecutionId"]
    clock.advance(4)

    reply = await api("cancelJobExecution", job, run)

    assert (reply.status, reply.body["errorType"]) == (400, "bad-state")
    assert await api.status(job, run) == "COMPLETED"


async def test_a_run_belongs_to_its_job(api):
    job, other = await api.job(), await api.job("other_job")
    run = (await api("executeJob", job)).body["jobExecutionId"]

    assert (await api("getJobExecutionById", other, run)).status == 404
    assert (await api("cancelJobExecution", other, run)).status == 404
    await api.ok("deleteJob", job)
    assert (await api("getJobExecutionById", job, run)).status == 404


async def test_settings_of_one_run_replace_stored_ones_member_by_member(api):
    stored = {"numWorker": 4, "nrn": "nrn", "parameters": {"mode": "full", "day": "1"}}
    job = await api.job(jobCondition=stored)

    plain = (await api("executeJob", job)).body
    given = {"timeout": 9, "parameters": {"day": "2"}}
    changed = (await api("executeJob", job, body={"jobCondition": given, "parameters": {"day": "3"}})).body
    beside = (await api("executeJob", job, body={"parameters": {"day": 3, "deep": [1]}})).body

    assert plain["jobCondition"] == {"timeout": 360, **stored}
    assert plain["parsedParameters"] == stored["parameters"]
    assert changed["jobCondition"] == stored | given
    assert changed["parsedParameters"] == {"day": "2"}
    assert beside["parsedParameters"] == {"day": 3, "deep": [1]}
    assert (await api("getJobById", job)).body["jobCondition"] == {"timeout": 360, **stored}


async def test_a_visual_job_has_no_parameters(api):
    job = await api.job(type="VISUAL", jobCondition={"parameters": {"a": "1"}})

    body = (
        await api(
            "executeJob", job, body={"jobCondition": {"parameters": {"a": "2"}}, "parameters": {"a": "3"}}
        )
    ).body

    assert body["parsedParameters"] == {}
    assert body["jobCondition"] == {"numWorker": 2, "timeout": 360}


async def test_a_run_is_listed_under_its_trigger_and_workflow(api):
    job, trigger = await api.job(), await api.trigger()
    workflow = await api.workflow(trigger, {job: [trigger]})

    body = (await api("executeJob", job, triggerId=trigger, workflowId=workflow)).body

    assert (body["triggerId"], body["triggerName"], body["type"]) == (trigger, "by_hand", "JOB")
    assert [it["jobExecutionId"] for it in (await api("getWorkflowExecutions", workflow)).body["list"]] == [
        body["jobExecutionId"]
    ]
    for unknown in ({"triggerId": "nobody"}, {"workflowId": "nobody"}, {"triggerId": ""}):
        assert (await api("executeJob", job, **unknown)).status == 404
    assert len((await api("getJobExecutions", job)).body["list"]) == 1


async def test_updates_merge(api, clock):
    job = await api.job(jobCondition={"nrn": "a", "logPath": "l/"}, maxConcurrentRuns=7)
    clock.advance(5)

    changed = (await api("updateJob", job, body={"type": "VISUAL", "jobCondition": {"numWorker": 9}})).body
    assert changed["jobCondition"] == {"numWorker": 9, "timeout": 360, "nrn": "a", "logPath": "l/"}
    assert (changed["name"], changed["type"], changed["maxConcurrentRuns"]) == ("orders_rollup", "VISUAL", 7)
    assert changed["updatedDate"] == "2026-11-01T00:00:05.000+09:00" > changed["createdDate"]

    changed = (await api("updateJobExecuteConfig", job, body={"jobCondition": {"nrn": "b"}})).body
    assert changed["jobCondition"] == {"numWorker": 9, "timeout": 360, "nrn": "b", "logPath": "l/"}
    assert (await api("getJobById", job)).body == changed
