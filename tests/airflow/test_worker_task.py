"""The state of a worker's own task, after a signal: there are five seconds for it and for cancelling the run."""

import asyncio

import pytest

from dataflow_async import defaults
from dataflow_async.airflow.task_states import TaskKey, TaskStateUnknown
from dataflow_async.airflow.worker_task import end_of
from tests.support.clocks import LeapClock

KEY = TaskKey("nightly", "run 1", "load")


@pytest.mark.parametrize(
    ("state", "ended"), [("failed", "failed"), ("success", "success"), ("running", None)]
)
async def test_one_request_is_sent_at_once(state, ended):
    clock, requests = LeapClock(), []

    async def fetch(dag_id, run_id, task_ids):
        requests.append((dag_id, run_id, task_ids))
        return {"load": state}

    began = clock.monotonic()
    assert await end_of(KEY, fetch, clock) == ended
    assert requests == [("nightly", "run 1", ["load"])]
    assert clock.monotonic() == began


async def test_a_supervisor_that_does_not_answer_leaves_time_to_cancel(monkeypatch):
    monkeypatch.setattr(defaults, "TASK_KILL_TIMEOUT", 0.0)

    async def nothing(dag_id, run_id, task_ids):
        await asyncio.Event().wait()

    with pytest.raises(TaskStateUnknown, match="task load of dag run run 1: no answer in time"):
        await end_of(KEY, nothing)
