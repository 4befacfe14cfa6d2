"""The trigger: waits for runs in a triggerer, and resumes the task with how they ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from types import ModuleType
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dataflow_async import defaults
from dataflow_async.airflow.in_flight import InFlight
from dataflow_async.airflow.task_log import LogWriter, TaskLog
from dataflow_async.tasks import Background

_WORK = "dataflow_async.airflow.trigger_work"
_KILL = "__airflow_user_action__"
"""The message with which Airflow cancels a trigger whose task does not wait for it any more; other cancellations have none."""
_loading: InFlight[str, ModuleType] = InFlight()
loaded: set[str] = set()
"""What is loaded for triggers in this process."""
log_writer = LogWriter()
"""Writes what the triggers of this process log."""
kills = Background()
"""Kills that are being handled in this process."""


async def _load() -> None:
    """Import the client in a thread: a triggerer imports triggers in its event loop, which that would block for a while."""
    if not loaded:
        await _loading.get(_WORK, lambda: asyncio.to_thread(import_module, _WORK))
        loaded.add(_WORK)


class _Trigger(BaseTrigger):
    """What all triggers have in common.

    Always true: construction checks nothing and accepts arguments of other versions, because an exception there ends the
    triggerer, again after each restart; what is wrong with them becomes an event with an error. One event is yielded, the
    last thing `run` does.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._arguments = arguments
        self._kill: asyncio.Task[None] | None = None
        self._has_yielded = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of the class and the arguments, those of other versions included."""
        return f"{type(self).__module__}.{type(self).__qualname__}", dict(self._arguments)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event."""
        try:
            await _load()
            event = await self._event()
            await self._task_log.written(defaults.LOG_DRAIN)  # later lines are no longer those of the task
        except asyncio.CancelledError as cancelled:
            if cancelled.args[:1] == (_KILL,) and (kill := self._killed()) is not None:
                await _ended(kill)
            raise
        self._has_yielded = True
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _killed(self) -> asyncio.Task[None] | None:
        """Begin what follows a kill; nothing unless a trigger says otherwise."""
        return None

    @property
    def _task_log(self) -> TaskLog:
        return TaskLog(self.log, log_writer)

    async def _event(self) -> dict[str, Any]:
        """Wait, and return the JSON object of the event."""
        raise NotImplementedError


async def _ended(kill: asyncio.Task[None]) -> asyncio.CancelledError | None:
    """Wait for the end of a kill, whoever cancels that meanwhile, and return the last cancellation."""
    cancelled: asyncio.CancelledError | None = None
    while not kill.done():
        try:
            await asyncio.wait([kill])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


class DataFlowRunTrigger(_Trigger):
    """Waits for runs; all triggers of a triggerer share a client for each connection, and its poll loop.

    Remote runs are cancelled by the deadline, and after a kill that Airflow confirms. The end of this object alone, as in a
    restart or a handover to another triggerer, cancels nothing.

    Args:
        conn_id: The connection; None for keys of the environment, a profile file or a server role.
        job_id: The job of the runs.
        workflow_id: The workflow of the runs, for people.
        execution_ids: Ids of runs of the job, or texts of references to runs of any job.
        workflow_start: A start of a workflow, whose runs are waited for instead: ``WorkflowStart.to_json()``.
        deadline: Unix seconds until which they are waited for; None for as long as it takes.
        refill_delay: Seconds from the end of the first run until the task is resumed though others go on; None waits for all.
        cancel_on_kill: Whether runs are cancelled when the task is marked as failed, succeeded or skipped meanwhile.
        cancel_on_deadline: Whether runs that have not ended by the deadline are cancelled.
        task: ``dag_id``, ``run_id``, ``task_id`` and ``map_index`` of the task.
        unknown: Arguments of other versions; they are kept.
    """

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        job_id: str | None = None,
        workflow_id: str | None = None,
        execution_ids: list[str] | None = None,
        workflow_start: dict[str, Any] | None = None,
        deadline: float | None = None,
        refill_delay: float | None = None,
        cancel_on_kill: bool = True,
        cancel_on_deadline: bool = True,
        task: dict[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            conn_id=conn_id,
            job_id=job_id,
            workflow_id=workflow_id,
            execution_ids=execution_ids,
            workflow_start=workflow_start,
            deadline=deadline,
            refill_delay=refill_delay,
            cancel_on_kill=cancel_on_kill,
            cancel_on_deadline=cancel_on_deadline,
            task=task,
            **unknown,
        )

    async def on_kill(self) -> None:
        """Cancel the runs if Airflow says that the task has ended.

        Airflow calls this not only when a user acts: also when the trigger is handed over to another triggerer, where the
        task is still deferred. It cancels this call again about every second while it lasts. So the work is done in a task
        that is not part of it, and a cancellation is passed on once that has ended: until then, what it logs lands in the
        log of the task. The end of the process cancels that work too.

        Raises:
            CancelledError: The call was cancelled meanwhile.
        """
        if (kill := self._killed()) is not None and (cancelled := await _ended(kill)) is not None:
            raise cancelled

    def _killed(self) -> asyncio.Task[None] | None:
        """Begin to cancel the runs, once; None where a kill leaves them alone.

        `run` does so as well: Airflow calls `on_kill` after a line of log, and cancels again meanwhile, so that it never calls
        that of most where hundreds are killed at once.
        """
        if self._kill is None and self._arguments["cancel_on_kill"] and not self._has_yielded:
            self._kill = kills.start(self._cancel_after_kill)
        return self._kill

    async def _event(self) -> dict[str, Any]:
        from dataflow_async.airflow import trigger_work

        return (await trigger_work.event(self._arguments, self._task_log)).to_event()

    async def _cancel_after_kill(self) -> None:
        until = time.monotonic() + defaults.KILL_TIMEOUT + defaults.LOG_DRAIN_AFTER_KILL
        await _load()
        from dataflow_async.airflow import trigger_work

        await trigger_work.cancel_after_kill(self._arguments, self.task_instance, self._task_log)
        await self._task_log.written(max(until - time.monotonic(), 0.0))


class DataFlowLatestRunTrigger(_Trigger):
    """Waits for the latest run of a job in a period, which may not have begun; it cancels nothing, because it started nothing.

    Args:
        conn_id: As for `DataFlowRunTrigger`.
        job_id: The job.
        job_name: The exact name of the job, where there is no ``job_id``.
        window_start: Unix seconds from which on the run must have been requested.
        window_end: Unix seconds before which it must have been requested.
        poll_interval: Seconds between two searches, until there is one.
        deadline: Unix seconds until which it is waited for; None for as long as it takes.
        unknown: Arguments of other versions; they are kept.
    """

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        job_id: str | None = None,
        job_name: str | None = None,
        window_start: float | None = None,
        window_end: float | None = None,
        poll_interval: float | None = None,
        deadline: float | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            conn_id=conn_id,
            job_id=job_id,
            job_name=job_name,
            window_start=window_start,
            window_end=window_end,
            poll_interval=poll_interval,
            deadline=deadline,
            **unknown,
        )

    async def _event(self) -> dict[str, Any]:
        from dataflow_async.airflow import trigger_work

        return (await trigger_work.latest_event(self._arguments, self._task_log)).to_event()
