"""Tries of a task that is not recorded find each other's runs by the keys that these echo."""

import time

import pytest

from dataflow_async import Launch, LaunchUncertain, PollPolicy
from dataflow_async.airflow.launching import LaunchOptions
from dataflow_async.airflow.task_state import TaskTry
from dataflow_async.airflow.unrecorded import UnrecordedLauncher
from dataflow_async.emulator import Emulator, verify_history

QUICK = PollPolicy(min_interval=0.01, max_interval=0.02)
OPTIONS = LaunchOptions("airflow_key", visibility_delay=0.0)


@pytest.fixture
async def server():
    async with Emulator(run_seconds=(3600, 3600)) as server:
        yield server


@pytest.fixture
def job_id(server):
    return server.create_job("stock_import")


async def start(server, job_id, number, **parameters):
    """A try of its own, in a client of its own."""
    async with server.client(poll=QUICK) as flow:
        launcher = UnrecordedLauncher(
            flow, TaskTry(number, 5), "dag/run/task/-1", time.time() - 60.0, OPTIONS
        )
        return await launcher.start(Launch(job_id, parameters=parameters or None))


def runs_of(server):
    assert verify_history(server.history) == []
    return list(server.state.executions)


async def test_a_retry_takes_up_the_run_that_goes_on(server, job_id):
    first = await start(server, job_id, 1, day="1")
    second = await start(server, job_id, 2, day="1")
    assert (second.execution.ref, second.attached) == (first.execution.ref, True)
    assert len(runs_of(server)) == 1


async def test_a_try_that_did_not_launch_leaves_its_attempt_to_the_next_one(server, job_id):
    started = await start(server, job_id, 3)
    assert not started.attached
    assert (await start(server, job_id, 4)).execution.ref == started.execution.ref
    assert len(runs_of(server)) == 1


async def test_a_run_that_completed_is_reported(server, job_id):
    first = await start(server, job_id, 1)
    server.finish(first.execution.job_execution_id)
    second = await start(server, job_id, 2)
    assert (second.execution.ref, second.execution.status) == (first.execution.ref, "COMPLETED")
    assert len(runs_of(server)) == 1


async def test_after_runs_that_failed_each_retry_launches_one(server, job_id):
    for number in (1, 2, 3):
        started = await start(server, job_id, number)
        assert not started.attached
        server.fail(started.execution.job_execution_id)
    assert len(runs_of(server)) == 3
    again = await start(server, job_id, 4)
    assert (await start(server, job_id, 5)).execution.ref == again.execution.ref
    assert len(runs_of(server)) == 4


async def test_while_nothing_proves_the_absence_of_an_attempt_none_is_launched(server, job_id):
    server.launch(job_id)  # it echoes no key, and may be anybody's
    with pytest.raises(LaunchUncertain):
        await start(server, job_id, 2)
    assert len(runs_of(server)) == 1
