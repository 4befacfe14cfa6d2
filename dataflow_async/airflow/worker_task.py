"""What Airflow says about the task of this worker, after a signal."""

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


async def has_ended(key: TaskKey, fetch: Fetch = fetch_states, clock: Clock | None = None) -> bool:
    """Return whether nothing goes on with a task any more; at once, because Airflow kills its worker in five seconds.

    Raises:
        TaskStateUnknown: Airflow does not answer in half of ``defaults.TASK_KILL_TIMEOUT``, or does not name the task.
    """
    try:
        async with asyncio.timeout(defaults.TASK_KILL_TIMEOUT / 2):
            return await TaskStates(fetch, window=0.0, clock=clock).has_ended(key)
    except TimeoutError:
        raise TaskStateUnknown(f"task {key.name} of dag run {key.run_id}: no answer in time") from None
