"""Starts the run of a task once without a record of earlier tries, by the keys that their runs echo.

This is for an Airflow that keeps no state of tasks. Attempts are numbered, and each carries its number in the correlation
parameter: so a try searches the runs of all that may have been launched before it launches one.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import attrs

from dataflow_async.airflow.launching import LaunchOptions, Started, accepted_run, bounded_name
from dataflow_async.airflow.task_state import TaskStateLaunchStore, TaskTry
from dataflow_async.bulk.digests import parameters_digest, sent_parameters, settings_digest
from dataflow_async.client import DataFlow
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.launch import Launch
from dataflow_async.wire.server_time import ServerTime

log = logging.getLogger("dataflow_async")


class ForgetfulState:
    """A task's state that lives as long as this process."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, default: None = None) -> Any:
        """Return the value of a key, or the default."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:  # noqa: ARG002
        """Store a value."""
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Delete a key, if it exists."""
        self._values.pop(key, None)


class UnrecordedLauncher:
    """Launches for one try of a task whose earlier tries are not recorded.

    Always true: an attempt that an earlier try may have launched is sent only if its absence is proven. So a try searches
    attempts one by one, from the first on, until one goes on, has completed, or is due.

    Args:
        flow: The client.
        by: This try.
        task: Names the task instance, in keys.
        since: When the Dag run began, Unix seconds: nothing of the task was launched before.
        options: How lost launches may be found again; ``correlation_parameter`` is given.
    """

    def __init__(self, flow: DataFlow, by: TaskTry, task: str, since: float, options: LaunchOptions) -> None:
        self._flow = flow
        self._by = by
        self._task = task
        self._since = since
        self._options = options

    async def start(self, launch: Launch) -> Started:
        """Return the run of the task: a new one, or that of an earlier try.

        Raises:
            LaunchUncertain: An attempt may have been launched, and nothing proves whether it was.
            DataFlowError: The launch did not start.
        """
        log.warning(
            "%s: this Airflow keeps no state of tasks, so the runs of earlier tries are recognized by parameter %r alone",
            self._task,
            self._options.correlation_parameter,
        )
        for number in range(1, self._by.number):
            execution, attached = await self._attempt(launch, number, searched=True)
            if not attached or not _has_failed(execution):
                return Started(self._key(number), execution, attached=attached)
        execution, _ = await self._attempt(launch, self._by.number, searched=False)
        return Started(self._key(self._by.number), execution)

    def _key(self, number: int) -> str:
        return f"{bounded_name(self._task)}/{number}"

    async def _attempt(self, launch: Launch, number: int, *, searched: bool) -> tuple[JobExecution, bool]:
        """Return the run of an attempt, and whether it was found; it is launched if it provably was not."""
        keyed = attrs.evolve(launch, key=self._key(number))
        store = await TaskStateLaunchStore.open(
            await self._state(keyed, searched=searched), service="", by=self._by
        )
        async with self._flow.launch_all(
            [keyed],
            **self._options.of_bulk_run(store),
        ) as outcomes:
            outcome = await anext(outcomes)
        return accepted_run(outcome), outcome.resumed

    async def _state(self, launch: Launch, *, searched: bool) -> ForgetfulState:
        """Return a state in which a launch may have been sent, if it is to be searched."""
        state, key = ForgetfulState(), launch.key
        if searched and key is not None:
            sent = {**sent_parameters(launch), str(self._options.correlation_parameter): key}
            store = await TaskStateLaunchStore.open(state, service="", by=self._by)
            began = ServerTime(self._since, self._since)
            await store.intend(key, launch.job_id, settings_digest(launch), parameters_digest(sent), began)
            await store.unknown(key, 1, None)
            await store.aclose()
        return state


def _has_failed(execution: JobExecution) -> bool:
    return execution.is_terminal and execution.status != ExecutionStatus.COMPLETED
