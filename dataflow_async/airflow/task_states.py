"""What Airflow says about tasks: one request for all that are asked about in a dag run at the same time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates, GetTICount, TaskStatesResult, TICount
from attrs import define, frozen

from dataflow_async import defaults
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.tasks import start_detached

ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of tasks that nothing goes on with: after a clear a task has other ones, and its next try takes up its run."""
_MAPPED = re.compile(r"(.+)_\d+")


class TaskStateUnknown(Exception):
    """Airflow did not say what state a task is in: no answer in time, an error, or no such task in the answer."""


@frozen
class TaskKey:
    """One task instance.

    Attributes:
        dag_id: Its dag.
        run_id: Its dag run.
        task_id: Its task.
        map_index: Which of the mapped ones; -1 for one that is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, task: object) -> TaskKey | None:
        """Return the key that a mapping or an object holds; None if one of its ids is missing."""
        read: Callable[[str], Any] = task.get if isinstance(task, Mapping) else partial(_member, task)
        ids: list[Any] = [read(name) for name in ("dag_id", "run_id", "task_id")]
        index = read("map_index")
        if not all(isinstance(each, str) and each for each in ids):
            return None
        dag_id, run_id, task_id = ids
        return cls(dag_id, run_id, task_id, index if isinstance(index, int) else -1)

    @property
    def name(self) -> str:
        """Return the name that Airflow's answer has for it."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"


def _member(task: object, name: str) -> Any:
    return getattr(task, name, None)


States = Mapping[str, str | None]
Fetch = Callable[[str, str, list[str]], Awaitable[States | None]]


@define(eq=False)
class _Batch:
    task_ids: set[str]
    answer: asyncio.Task[dict[str, States]]


class TaskStates:
    """The states of tasks, as Airflow has them.

    Always true: a request is sent ``window`` after the first question, and answers only questions that
    were there before it was sent: an older answer may show a state from before the user acted. Requests of a triggerer are
    answered one after the other, so a thousand tasks of a dag run that end at once must not send one each.

    Args:
        fetch: Returns the states of some tasks of a dag run by their names; None if the dag run has no tasks any more.
        clock: Time.
        window: Seconds in which questions are collected for one request; 0 where there is one task only.
    """

    def __init__(
        self, fetch: Fetch, *, clock: Clock | None = None, window: float = defaults.TASK_STATE_WINDOW
    ) -> None:
        self._fetch = fetch
        self._window = window
        self._clock = clock or SystemClock()
        self._open: dict[tuple[asyncio.AbstractEventLoop, str, str], _Batch] = {}

    async def has_ended(self, key: TaskKey) -> bool:
        """Return whether nothing goes on with a task any more: it ended, or was deleted with its dag run.

        Raises:
            TaskStateUnknown: As `end_of`.
        """
        return await self.end_of(key) is not None

    async def end_of(self, key: TaskKey) -> str | None:
        """Return the state that a task has ended in, ``"removed"`` where it was deleted; None while something goes on with it.

        Raises:
            TaskStateUnknown: Airflow does not answer, or does not name the task.
        """
        here = asyncio.get_running_loop(), key.dag_id, key.run_id
        batch = self._open.get(here)
        if batch is None:
            task_ids: set[str] = set()
            batch = self._open[here] = _Batch(task_ids, start_detached(self._answer, here, task_ids))
        batch.task_ids.add(key.task_id)
        await asyncio.wait([batch.answer])
        if batch.answer.cancelled():  # with the supervisor's connection
            raise TaskStateUnknown(f"task {key.name} of dag run {key.run_id}: the triggerer stops")
        return _end_of(key, batch.answer.result())

    async def _answer(
        self, here: tuple[asyncio.AbstractEventLoop, str, str], task_ids: set[str]
    ) -> dict[str, States]:
        """Return the states of tasks by task id, each by name; nothing for a dag run without tasks."""
        try:
            await self._clock.sleep(self._window)
        finally:
            del self._open[here]
        _, dag_id, run_id = here
        found: dict[str, States] = {}
        try:
            async with asyncio.timeout(defaults.TASK_STATE_TIMEOUT):
                for group in unambiguous(task_ids):
                    states = await self._fetch(dag_id, run_id, group)
                    if states is None:
                        return {}
                    found |= dict.fromkeys(group, states)
        except Exception as error:  # noqa: BLE001  # whatever the supervisor's connection raises
            raise TaskStateUnknown(
                f"dag run {run_id} of {dag_id}: {str(error) or 'no answer in time'} ({type(error).__name__})"
            ) from None
        return found


def _end_of(key: TaskKey, found: dict[str, States]) -> str | None:
    if not found:
        return "removed"
    states = found[key.task_id]
    if key.name not in states:
        raise TaskStateUnknown(f"task {key.name} of dag run {key.run_id} is not in Airflow's answer")
    state = states[key.name]
    return state if state in ENDED else None


def unambiguous(task_ids: Iterable[str]) -> list[list[str]]:
    """Return task ids in groups within which names of task instances are unique.

    The third mapped instance of ``load`` is named ``load_3``, as a task of that id is.
    """
    names = set(task_ids)
    alone = {name for name in names if (found := _MAPPED.fullmatch(name)) and found[1] in names}
    return [group for group in (sorted(names - alone), *([name] for name in sorted(alone))) if group]


async def fetch(dag_id: str, run_id: str, task_ids: list[str]) -> States | None:
    """Return the states of some tasks of a dag run as Airflow has them; None if it has no tasks any more.

    Raises:
        AirflowRuntimeError: Airflow's API answered with an error.
        TypeError: It answered with something else.
    """
    supervisor: Any = task_runner.SUPERVISOR_COMMS
    answer = await supervisor.asend(GetTaskStates(dag_id=dag_id, run_ids=[run_id], task_ids=task_ids))
    if not isinstance(answer, TaskStatesResult):
        raise TypeError(f"expected the states of tasks, got {type(answer).__name__}")
    if run_id in answer.task_states:
        states: States = answer.task_states[run_id]
        return states
    count = await supervisor.asend(GetTICount(dag_id=dag_id, run_ids=[run_id]))
    return None if isinstance(count, TICount) and count.count == 0 else {}
