"""Scripted runs: outcomes, durations and statuses that a test sets."""

import math

import pytest

from dataflow_async import ExecutionFailed
from dataflow_async.emulator import Emulator, ManualClock, ScriptedRun
from dataflow_async.emulator.service.lifecycle import LifecycleSettings
from dataflow_async.emulator.service.scripts import UNSCRIPTED, Script
from tests.emulator.conftest import session_of
from tests.support.clocks import LeapClock

SETTINGS_OF_LIFECYCLES = (1, 1.0, 0.0, (1, 2), (5, 50))


async def lifecycle_of(api, clock, job):
    """How the next run of a job ends, and the minutes it works."""
    run = (await api("executeJob", job)).body["jobExecutionId"]
    clock.advance(3600)
    body = (await api("getJobExecutionById", job, run)).body
    return body["status"], round(body["runningTime"] * 60, 3)


async def test_the_nth_launch_has_the_nth_scripted_lifecycle(api, clock, server):
    job, other = await api.job(), await api.job("other")
    server.script(job, ["FAILED", ("COMPLETED", 12.5), ScriptedRun("FAILED", run_seconds=5)])

    assert (await lifecycle_of(api, clock, job))[0] == "FAILED"
    assert (await lifecycle_of(api, clock, other))[0] == "COMPLETED"
    assert await lifecycle_of(api, clock, job) == ("COMPLETED", 12.5)
    assert await lifecycle_of(api, clock, job) == ("FAILED", 5)
    status, seconds = await lifecycle_of(api, clock, job)
    assert status == "COMPLETED" and 1 <= seconds <= 3


async def test_a_repeating_script_is_a_distribution_for_one_job(api, clock, server):
    job = await api.job()
    server.script(job, [("FAILED", 4), ScriptedRun(run_seconds=(10, 20))], repeat=True)

    lifecycles = [await lifecycle_of(api, clock, job) for _ in range(6)]

    assert lifecycles[::2] == [("FAILED", 4)] * 3
    assert all(status == "COMPLETED" and 10 <= seconds <= 20 for status, seconds in lifecycles[1::2])
    assert len({seconds for _, seconds in lifecycles[1::2]}) == 3


async def test_a_new_script_replaces_the_old_one_and_an_empty_one_ends_it(api, clock, server):
    job = await api.job()
    server.script(job, ["FAILED", "FAILED"])
    server.script(job, "CANCELED", repeat=True)
    assert [(await lifecycle_of(api, clock, job))[0] for _ in range(3)] == ["CANCELED"] * 3
    server.script(job, [], repeat=True)
    assert (await lifecycle_of(api, clock, job))[0] == "COMPLETED"


def test_a_script_changes_no_lifecycle_but_its_own():
    scripted = (UNSCRIPTED, ScriptedRun("FAILED", run_seconds=(7, 9), ready_seconds=3), UNSCRIPTED)
    (first, second, third), (again, _, last) = (
        [made_by.draw(0, scripted=it) for it in runs]
        for made_by, runs in (
            (LifecycleSettings(*SETTINGS_OF_LIFECYCLES), scripted),
            (LifecycleSettings(*SETTINGS_OF_LIFECYCLES), (UNSCRIPTED,) * 3),
        )
    )

    assert (first, third) == (again, last)
    assert (second.starts_at, second.outcome) == (3, "FAILED")
    assert 7 <= second.ends_at - second.starts_at <= 9


async def test_scripted_statuses_may_be_unknown_or_go_back(clock):
    server = Emulator(clock=clock, speed=10, ready_seconds=(10, 10))
    phases = [("RUNNING", 20), ("SUSPENDED", 10), ("READY", 10), ("RUNNING", 10)]
    async with server, session_of(server) as api:
        job = await api.job()
        server.script(job, [ScriptedRun("ABORTED", phases=phases)])
        run = (await api("executeJob", job)).body["jobExecutionId"]
        seen = []
        for _ in range(8):
            reply = await api("getJobExecutionById", job, run)
            seen.append((reply.status, reply.body["status"]))
            clock.advance(1)

    assert seen == [
        *((202, status) for status in ("READY", "RUNNING", "RUNNING", "SUSPENDED", "READY", "RUNNING")),
        *[(200, "ABORTED")] * 2,
    ]
    assert reply.body["runningTime"] == pytest.approx(50 / 60, abs=1e-6)


async def test_a_client_outlasts_scripted_statuses():
    clock = LeapClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        job = server.create_job("odd_statuses")
        odd = [("RUNNING", 100), ("SUSPENDED", 100), ("READY", 100)]
        server.script(job, [ScriptedRun("COMPLETED", phases=odd), ScriptedRun("ABORTED", phases=odd)])
        started = await flow.jobs.execute(job)
        seen = [it.status async for it in flow.watch(started)]
        assert seen == ["READY", "RUNNING", "SUSPENDED", "READY", "COMPLETED"]
        with pytest.raises(ExecutionFailed) as caught:
            await flow.run(job)
    assert caught.value.execution.status == "ABORTED"


@pytest.mark.parametrize("enforced", [True, False])
async def test_work_that_outlasts_its_timeout_fails_with_enforce_timeout(clock, enforced):
    server = Emulator(clock=clock, speed=60, enforce_timeout=enforced)
    async with server, session_of(server) as api:
        job = await api.job(jobCondition={"timeout": 2})
        server.script(job, [("COMPLETED", 120), ("COMPLETED", 120.1), ("COMPLETED", 120.1)])
        assert await lifecycle_of(api, clock, job) == ("COMPLETED", 120)
        assert await lifecycle_of(api, clock, job) == (("FAILED", 120) if enforced else ("COMPLETED", 120.1))
        longer = (await api("executeJob", job, body={"jobCondition": {"timeout": 3}})).body
        clock.advance(60)
        assert await api.status(job, longer["jobExecutionId"]) == "COMPLETED"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["RUNNING"], "an outcome must be COMPLETED, FAILED, CANCELED or a text of your own, got 'RUNNING'"),
        ([""], "got ''"),
        (["COMPLETED", None], "a run must be a ScriptedRun, an outcome, or an outcome and seconds, got None"),
        ([("FAILED", 1, 2)], "got ('FAILED', 1, 2)"),
        ([(1, 5)], "an outcome must be"),
        ([("FAILED", -1)], "a time must be a number of seconds, 0 or more, or two of them"),
        ([("FAILED", "5")], "got '5'"),
        (("FAILED", 5), "a run must be"),
    ],
)
async def test_an_invalid_script_is_refused(api, clock, server, wrong, named):
    job = await api.job()
    server.script(job, "CANCELED", repeat=True)

    with pytest.raises(ValueError) as caught:
        server.script(job, wrong)

    assert named in str(caught.value)
    assert (await lifecycle_of(api, clock, job))[0] == "CANCELED"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"run_seconds": math.inf}, "got inf"),
        ({"run_seconds": math.nan}, "got nan"),
        ({"run_seconds": True}, "got True"),
        ({"run_seconds": (3, 2)}, "the shorter first, got (3, 2)"),
        ({"ready_seconds": (1, 2, 3)}, "got (1, 2, 3)"),
        ({"phases": [("COMPLETED", 1)]}, "the status of a run that goes on, got 'COMPLETED'"),
        ({"phases": [("", 1)]}, "got ''"),
        ({"phases": [("RUNNING", -1)]}, "a phase must take a number of seconds, 0 or more, got -1"),
        ({"phases": ["RUNNING"]}, "a phase must be a status and a number of seconds, got 'RUNNING'"),
        ({"phases": [("RUNNING", 1)], "run_seconds": 1}, "run_seconds must be absent beside phases"),
        ({"outcome": 5}, "got 5"),
    ],
)
def test_an_invalid_scripted_run_is_refused(settings, named):
    with pytest.raises(ValueError) as caught:
        ScriptedRun(**settings)
    assert named in str(caught.value)


def test_a_script_of_an_unknown_job_is_refused():
    with pytest.raises(LookupError, match="no job has the id nobody"):
        Emulator(clock=ManualClock()).script("nobody", ["FAILED"])


def test_a_finished_script_sets_nothing():
    script = Script.of(["FAILED"])
    assert [script.next().outcome for _ in range(3)] == ["FAILED", None, None]
