"""Starts the run of a task once, whatever has become of its earlier tries."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Literal

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.airflow.next_step import Step, next_step, was_cleared
from dataflow_async.airflow.task_state import (
    FINDING,
    LOST,
    NOT_STARTED,
    TaskLaunch,
    TaskStateLaunchStore,
    TaskTry,
)
from dataflow_async.bulk.digests import settings_digest
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase
from dataflow_async.bulk.options import BulkOptions
from dataflow_async.client import DataFlow
from dataflow_async.errors import DataFlowError, NotFound
from dataflow_async.models import checks
from dataflow_async.models.execution import TERMINAL, ExecutionRef, JobExecution
from dataflow_async.models.launch import Launch, Outcome

log = logging.getLogger("dataflow_async")

OpenStore = Callable[[], Awaitable[TaskStateLaunchStore]]


@frozen
class LaunchOptions:
    """How the launches of a task may be found again; as the options of ``run_all`` of these names."""

    correlation_parameter: str | None = None
    assume_exclusive: bool = False
    visibility_delay: float = defaults.VISIBILITY_DELAY
    on_uncertain: Literal["report", "relaunch"] = "report"

    def of_bulk_run(self, store: TaskStateLaunchStore) -> BulkOptions:
        """Return the options of ``launch_all`` for launches that a task's state records."""
        return {
            "journal": store,
            "correlation_parameter": self.correlation_parameter,
            "assume_exclusive": self.assume_exclusive,
            "visibility_delay": self.visibility_delay,
            "on_uncertain": self.on_uncertain,
            "max_outage": defaults.TASK_OUTAGE,
        }


@frozen
class Started:
    """The run of a task.

    Attributes:
        key: Names its launch in the task's state.
        execution: The run as read last.
        attached: Whether an earlier try has started it.
    """

    key: str
    execution: JobExecution
    attached: bool = False


class RunGone(DataFlowError):
    """The service has the run of an earlier try no more, and nothing shows how it ended."""


class OtherSettings(DataFlowError):
    """What an earlier try has started goes on, and the task was cleared to start something else."""


class TaskLauncher:
    """Launches for one try of a task.

    Always true: a launch is sent only after its intent is in the store, under a key that no other attempt has; and not at
    all while a run of an earlier attempt goes on, or may have started.

    Args:
        flow: The client.
        open_store: Opens the store of the task.
        by: This try.
        task: Names the task instance, in keys.
        options: How lost launches may be found again.
    """

    def __init__(
        self, flow: DataFlow, open_store: OpenStore, by: TaskTry, task: str, options: LaunchOptions
    ) -> None:
        self._flow = flow
        self._open_store = open_store
        self._by = by
        self._task = task
        self._options = options

    async def start(self, launch: Launch) -> Started:
        """Return the run of the task: a new one, or that of an earlier try.

        Raises:
            LaunchUncertain: A launch may have started, and nothing proves whether it did.
            RunGone: The run of an earlier try can't be read any more.
            OtherSettings: The run of an earlier try goes on, or may have started, and has other settings than those of now.
            DataFlowError: The launch did not start.
        """
        while True:
            store = await self._open_store()
            try:
                started = await self._start(store, launch)
            finally:
                await store.aclose()
            if started is not None:
                return started

    async def current(self) -> Started:
        """Return the run that was launched last, as it is now; nothing is launched.

        Raises:
            RunGone: It can't be read any more.
            DataFlowError: None is recorded, or the service does not answer.
        """
        store = await self._open_store()
        await store.aclose()
        last = store.last
        if last is None or last.entry.execution_id is None:
            raise DataFlowError("no run of this task is recorded")
        execution, gone = await self._read(last)
        if gone:
            raise RunGone(f"{_run_of(last)} is known to the service no more", execution_ref=_ref(last.entry))
        return Started(last.entry.key, execution or _known(last.entry), attached=True)

    async def _start(self, store: TaskStateLaunchStore, launch: Launch) -> Started | None:
        """Return the run; None where the record of the launch has changed, and decides anew what comes next."""
        last = store.last
        if last is None:
            return await self._launch(store, new_key(self._task), launch)
        if await store.resolve(last):
            return None
        execution, gone = await self._read(last)
        status = last.entry.status if execution is None else execution.status
        step = next_step(last, status, self._by, gone=gone)
        if step is Step.STOP:
            raise RunGone(
                f"{_run_of(last)} is known to the service no more, and nothing shows how it ended: clear the task to launch"
                " another one",
                execution_ref=_ref(last.entry),
            )
        if step is Step.ATTACH and execution is not None:
            return await self._attached(store, last, execution, launch)
        if execution is not None:
            await store.ended(last.entry.key, last.entry.attempt, str(status), time.time())
        if step is Step.REPORT:
            log.info("%s has completed, and is reported", _run_of(last))
            return Started(last.entry.key, execution or _known(last.entry), attached=True)
        if step is not Step.RESUME:
            return await self._launch(store, new_key(self._task), launch)
        if last.entry.phase in LOST and last.entry.settings != settings_digest(launch):
            raise OtherSettings(
                f"it is not known whether the launch of try {last.by.number} has started, and it had other settings than those of"
                f" now, by which its run is not recognized: write the id of its run, or {NOT_STARTED!r}, into the task's state"
                f" under {FINDING!r}, and clear the task"
            )
        if was_cleared(last, self._by):
            await store.taken_up(last.entry.key)
        return await self._launch(store, last.entry.key, launch)

    async def _attached(
        self, store: TaskStateLaunchStore, last: TaskLaunch, execution: JobExecution, launch: Launch
    ) -> Started:
        """Return the run of an earlier try that goes on.

        Raises:
            OtherSettings: The task was cleared to run with other settings.
        """
        cleared = was_cleared(last, self._by)
        if cleared and last.entry.settings != settings_digest(launch):
            raise OtherSettings(
                f"{_run_of(last)} goes on, with other settings than those of now: wait for its end or cancel it, then clear"
                " the task again",
                execution_ref=execution.ref,
            )
        if cleared:
            await store.taken_up(last.entry.key)
        log.info("%s goes on (%s), and is awaited", _run_of(last), execution.status)
        return Started(last.entry.key, execution, attached=True)

    async def _launch(self, store: TaskStateLaunchStore, key: str, launch: Launch) -> Started | None:
        async with self._flow.launch_all(
            [attrs.evolve(launch, key=key)],
            **self._options.of_bulk_run(store),
        ) as outcomes:
            outcome = await anext(outcomes)
        execution = accepted_run(outcome)
        if outcome.resumed and execution.is_terminal:
            return None
        return Started(key, execution, attached=outcome.resumed)

    async def _read(self, last: TaskLaunch) -> tuple[JobExecution | None, bool]:
        """Return the run of an attempt as it is now, if it is not known to have ended; and whether it is gone.

        For a retry that the service does not answer, it counts as going on: whoever waits for it finds out.
        """
        entry = last.entry
        if entry.phase is not JournalPhase.ACCEPTED:
            return None, False
        ref = _ref(entry)
        try:
            return await self._flow.jobs.execution(ref.job_id, ref.execution_id), False
        except NotFound as error:
            if error.source != "service":
                raise
            age = time.time() - (entry.accepted_at or 0.0)
            young = age < defaults.NOT_FOUND_GRACE
            return (_known(entry), False) if young else (None, True)
        except DataFlowError as error:
            if not error.is_transient or was_cleared(last, self._by):
                raise
            log.warning("%s can't be read now, and is awaited: %s", _run_of(last), error)
            return _known(entry), False


async def launched_once(flow: DataFlow, launch: Launch) -> Started:
    """Launch without a record, and return the run.

    Raises:
        DataFlowError: None is known; ``may_have_run`` says whether one may have started.
    """
    async with flow.launch_all([launch], max_outage=defaults.TASK_OUTAGE) as outcomes:
        outcome = await anext(outcomes)
    return Started(outcome.key, accepted_run(outcome))


async def end_of_run(
    open_store: OpenStore, execution_id: str, status: str | None, *, superseded: bool = False
) -> bool:
    """Record how a run ended, and return whether another one is due if it was cancelled.

    That is so if this try has taken it up after a clear, or if an earlier try has recorded it as superseded.

    Args:
        open_store: Opens the store of the task.
        execution_id: The run.
        status: Its last status.
        superseded: Whether this try has cancelled it, so that the next one needs another run.
    """
    store = await open_store()
    try:
        found = next((it for it in store.latest() if it.entry.execution_id == execution_id), None)
        if found is None:
            return False
        if superseded:
            await store.supersede(found.entry.key)
        if status in TERMINAL:
            await store.ended(found.entry.key, found.entry.attempt, str(status), time.time())
        return found.superseded
    finally:
        await store.aclose()


def accepted_run(outcome: Outcome) -> JobExecution:
    """Return the run of a launch that was accepted.

    Raises:
        DataFlowError: There is none, as far as known, or it could not be recorded.
    """
    if outcome.error is not None:
        raise outcome.error
    assert outcome.execution is not None  # noqa: S101  # it has a run where it has no error
    return outcome.execution


def task_name(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Return the name of a task instance, as keys of its launches begin; a long one ends in a digest."""
    return bounded_name(f"{dag_id}/{run_id}/{task_id}/{map_index}")


def bounded_name(name: str, longest: int = defaults.TASK_NAME) -> str:
    """Return a name as part of a key: without control characters; one that is too long ends in a digest."""
    name = re.sub(checks.CONTROL, "?", name)
    if len(name) <= longest:
        return name
    digest = sha256(name.encode()).hexdigest()[: longest // 4]
    return f"{name[: longest - len(digest) - 1]}~{digest}"


def new_key(name: str) -> str:
    """Return a key for a new attempt at a launch of this name."""
    return f"{name}/{secrets.token_hex(defaults.TASK_KEY_BYTES)}"


def _ref(entry: JournalEntry) -> ExecutionRef:
    return ExecutionRef(entry.job_id, entry.execution_id or "")


def _known(entry: JournalEntry) -> JobExecution:
    """Return a run as far as it is recorded."""
    return JobExecution(entry.execution_id or "", entry.job_id, status=entry.status)


def _run_of(launch: TaskLaunch) -> str:
    return (
        f"run {launch.entry.execution_id} of job {launch.entry.job_id}, launched by try {launch.by.number},"
    )
