"""Kills the processes of a task, once each, between any two of its steps.

A DAG file calls `install`; it takes effect only where the environment gives a folder for the marks of the dead.
"""

import os
import random
import signal
from pathlib import Path
from typing import Any

BEFORE_INTENT = "before the intent"
AFTER_INTENT = "after the intent"
AFTER_SEND = "after the answer, or its loss"
AFTER_RECORD = "after the record"
BEFORE_DEFERRAL = "before the deferral"
AT_RESUME = "at the resume"
AFTER_RESUME = "after the resume"
POINTS = (BEFORE_INTENT, AFTER_INTENT, AFTER_SEND, AFTER_RECORD, BEFORE_DEFERRAL, AT_RESUME, AFTER_RESUME)
"""Every step of a task, in their order."""
SENSOR_POINTS = (BEFORE_INTENT, BEFORE_DEFERRAL, AT_RESUME, AFTER_RESUME)
"""Those of a task that launches nothing."""
MANY = "many"
"""The DAG whose tasks are deferred without workers, and its pool."""
LARGE, BULK, WORKFLOW, SENSOR = "nightly", "in_waves", "in_order", "watched"
"""The DAGs whose tasks die: with one task for each day, with bulk launches, with workflows, and with sensors."""
DYING = (LARGE, BULK, WORKFLOW, SENSOR)
TASK, WORKER = "task", "worker"
"""Who dies: the task's own process, or the worker that supervises it as well, as when a machine ends."""
FOLDER, SEED, TASKS, REPEATS, TRIGGERS = (
    "KILL_POINTS_FOLDER",
    "KILL_POINTS_SEED",
    "KILL_POINTS_TASKS",
    "KILL_POINTS_REPEATS",
    "KILL_POINTS_TRIGGERS",
)
"""Names in the environment."""


def deaths(dag_id: str, seed: int, tasks: int, repeats: int) -> dict[int, tuple[str, str]]:
    """Return where and how tasks of a DAG die, by their map index."""
    if dag_id == LARGE:
        return _plan(seed, tasks, repeats)
    points = {BULK: POINTS, WORKFLOW: POINTS, SENSOR: SENSOR_POINTS}.get(dag_id, ())
    return {index: (point, (TASK, WORKER)[index % 2]) for index, point in enumerate(points)}


def _plan(seed: int, tasks: int, repeats: int) -> dict[int, tuple[str, str]]:
    """Return where and how some map indexes die: each point and each way ``repeats`` times."""
    deaths = [(point, who) for point in POINTS for who in (TASK, WORKER)] * repeats
    return dict(zip(random.Random(seed).sample(range(tasks), len(deaths)), deaths, strict=True))


class KillPoints:
    """The death of one task."""

    def __init__(self, mark: Path, death: tuple[str, str] | None) -> None:
        self._mark = mark
        self._death = death

    def __call__(self, point: str) -> None:
        """Die here, if it is the place, and has not happened yet."""
        if self._death is None or self._death[0] != point:
            return
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return
        self._mark.write_text(f"{point}, {self._death[1]}")
        if self._death[1] == WORKER:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _points_of(context: Any) -> KillPoints:
    """Return how a task dies."""
    folder, ti = os.environ.get(FOLDER), context["ti"]
    if not folder or ti.map_index < 0:
        return KillPoints(Path(), None)
    planned = deaths(ti.dag_id, *(int(os.environ[name]) for name in (SEED, TASKS, REPEATS)))
    return KillPoints(Path(folder) / f"{ti.dag_id}.{ti.map_index}", planned.get(ti.map_index))


def mortal(operator: type) -> type:
    """Return a subclass of an operator whose tasks die at their points."""

    class Mortal(operator):
        def execute(self, context: Any) -> Any:
            points = _points_of(context)
            _patch_steps(points)
            points(BEFORE_INTENT)
            try:
                return super().execute(context)
            except BaseException:
                points(BEFORE_DEFERRAL)
                raise

        def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
            points = _points_of(context)
            points(AT_RESUME)
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            finally:
                points(AFTER_RESUME)

    Mortal.__name__ = Mortal.__qualname__ = operator.__name__
    return Mortal


def _patch_steps(points: KillPoints) -> None:
    """Let points come after each write to the task's state, and after the launch is sent."""
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

    from dataflow_async.transport.aiohttp_session import Session

    writes = iter([AFTER_INTENT, AFTER_RECORD])
    write, send = TaskStateStoreAccessor.set, Session.send

    def write_and_die(self: Any, *arguments: Any, **named: Any) -> None:
        write(self, *arguments, **named)
        points(next(writes, ""))

    async def send_and_die(self: Any, call: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return await send(self, call, *arguments, **named)
        finally:
            if call.operation.name in {"executeJob", "executeWorkflow"}:
                points(AFTER_SEND)

    TaskStateStoreAccessor.set = write_and_die
    Session.send = send_and_die
