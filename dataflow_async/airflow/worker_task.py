"""What Airflow says about the task of this worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dataflow_async import defaults
from dataflow_async.airflow.task_states import Fetch, TaskKey, TaskStates, TaskStateUnknown
from dataflow_async.clock import Clock


async def fetch_states(dag_id: str, run_id: str, task_ids: list[str]) -> Mapping[str, str | None]:
    """Return the states of tasks; requests of a worker to its supervisor block, so they are sent in a thread."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = await asyncio.to_thread(
        RuntimeTaskInstance.get_task_states, dag_id, task_ids=task_ids, run_ids=[run_id]
    )
    found: Mapping[str, str | None] = states.get(run_id, {})
    return found


async def end_of(key: TaskKey, fetch: Fetch = fetch_states, clock: Clock | None = None) -> str | None:
    """Return the state that a task has ended in, None while something goes on with it; at once.

    After a signal Airflow kills its worker in five seconds, in which its run is to be cancelled as well.

    Raises:
        TaskStateUnknown: Airflow does not answer in half of ``defaults.TASK_KILL_TIMEOUT``, or does not name the task.
    """
    try:
        async with asyncio.timeout(defaults.TASK_KILL_TIMEOUT / 2):
            return await TaskStates(fetch, window=0.0, clock=clock).end_of(key)
    except TimeoutError:
        raise TaskStateUnknown(f"task {key.name} of dag run {key.run_id}: no answer in time") from None
