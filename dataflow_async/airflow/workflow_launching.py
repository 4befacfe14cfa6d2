"""Starts the workflow of a task once, whatever has become of its earlier tries.

The service names no run when it starts a workflow, so what is recorded is what was listed before: it distinguishes the runs
of this start from all others, on whatever worker they are awaited.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import attrs
from attrs import frozen

from dataflow_async import tasks
from dataflow_async.airflow.events import RunEvent, RunReport
from dataflow_async.airflow.launching import OtherSettings
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED, TaskState, TaskTry
from dataflow_async.client import DataFlow
from dataflow_async.errors import DataFlowError, JournalError
from dataflow_async.models.execution import ExecutionStatus
from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed, LaunchUncertain, WaitTimeout
from dataflow_async.workflows.start import WorkflowStart

KEY = "dataflow_async.workflow"
"""Key in a task's state under which its last start stands."""

StartPhase = Literal["intent", "accepted", "refused", "ended"]


@frozen
class RecordedStart:
    """The last start of a task's workflow.

    Attributes:
        start: The start.
        by: The try that has recorded it.
        at: When that was; Unix seconds.
        phase: How far it has come.
        runs: Its runs, once all have ended.
        superseded: Whether another start is due if its runs end CANCELED: this package has cancelled them, or the task
            was cleared.
    """

    start: WorkflowStart
    by: TaskTry
    at: float
    phase: StartPhase = "intent"
    runs: tuple[RunReport, ...] = ()
    superseded: bool = False

    def was_cleared(self, now: TaskTry) -> bool:
        """Return whether a person has cleared the task since, rather than Airflow retried it."""
        return now.max_tries != self.by.max_tries

    @property
    def has_completed(self) -> bool:
        """Whether all its runs have."""
        return bool(self.runs) and all(run.status == ExecutionStatus.COMPLETED for run in self.runs)

    def to_json(self, service: str) -> dict[str, Any]:
        """Return what stands in the task's state."""
        return {
            "service": service,
            "start": self.start.to_json(),
            "by": [self.by.number, self.by.max_tries],
            "at": self.at,
            "phase": self.phase,
            "runs": [attrs.asdict(run) for run in self.runs],
            "superseded": self.superseded,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any], service: str) -> RecordedStart:
        """Return what stands in the task's state.

        Raises:
            JournalError: It is of another service, or no start.
        """
        try:
            if found["service"] == service:
                event = RunEvent.from_event({"version": 1, "runs": found["runs"], "ended_by": "terminal"})
                return cls(
                    WorkflowStart.from_json(found["start"]),
                    TaskTry(*found["by"]),
                    float(found["at"]),
                    found["phase"],
                    event.runs,
                    bool(found.get("superseded", False)),
                )
        except (KeyError, TypeError, ValueError, DataFlowError) as problem:
            raise JournalError(f"task state: {KEY} does not hold a start: {problem}") from None
        raise JournalError(
            f"task state: an earlier try has started the workflow at {found['service']}, and the connection names {service}"
        )


class StartRecord:
    """The last start of a task's workflow, in the task's state; its methods do not block the event loop."""

    def __init__(self, state: TaskState, service: str, retention: timedelta | None = None) -> None:
        self._state = state
        self._service = service
        self._retention = retention

    async def read(self) -> RecordedStart | None:
        """Return the last start; None where there is none.

        Raises:
            JournalError: It can't be read.
        """
        found = await self._called(partial(self._state.get, KEY))
        return None if found is None else RecordedStart.from_json(found, self._service)

    async def write(self, recorded: RecordedStart) -> None:
        """Record a start in place of the last one.

        Raises:
            JournalError: Airflow has not confirmed it.
        """
        value = recorded.to_json(self._service)
        await self._called(partial(self._state.set, KEY, value, retention=self._retention))

    async def finding(self) -> str | None:
        """Return what a person has found out about a start that may have happened, and forget it."""
        found = await self._called(partial(self._state.get, FINDING))
        if not isinstance(found, str) or not found:
            return None
        await self._called(partial(self._state.delete, FINDING))
        return found

    async def _called(self, function: Any) -> Any:
        try:
            return await asyncio.shield(asyncio.to_thread(function))
        except Exception as problem:  # noqa: BLE001  # Airflow's own errors, the network's, a backend's
            raise JournalError(
                f"task state: Airflow can't read or write it: {type(problem).__name__}: {problem}"
            ) from None


@frozen
class StartedWorkflow:
    """The start of a task's workflow.

    Attributes:
        start: The start.
        event: Its runs, if all have ended.
        attached: Whether an earlier try has started it.
    """

    start: WorkflowStart
    event: RunEvent | None = None
    attached: bool = False


class WorkflowLauncher:
    """Starts a workflow for one try of a task.

    Always true: the workflow is started only after that is recorded, and not while an earlier start goes on, or may have
    happened.

    Args:
        flow: The client.
        record: The last start.
        by: This try.
        visibility_delay: Seconds after a lost answer until which its runs may be listed.
    """

    def __init__(self, flow: DataFlow, record: StartRecord, by: TaskTry, visibility_delay: float) -> None:
        self._flow = flow
        self._record = record
        self._by = by
        self._visibility_delay = visibility_delay

    async def start(self, workflow_id: str, payload: Mapping[str, Any] | None) -> StartedWorkflow:
        """Return the start of the task's workflow: a new one, or that of an earlier try.

        Raises:
            LaunchUncertain: It may have been started, and nothing proves whether it was.
            OtherSettings: The start of an earlier try goes on, and the task was cleared to start another workflow.
            DataFlowError: It was not started.
        """
        last = await self._record.read()
        if last is not None and last.phase == "intent":
            last = await self._resolved(last)
        if last is None or last.phase == "refused":
            return await self._begin(workflow_id, payload)
        cleared, ended = last.was_cleared(self._by), last
        if last.phase == "accepted":
            event = await known_runs(self._flow, last.start)
            if event.ended_by == "deadline":  # it goes on
                if cleared:
                    _check_same(ended, workflow_id)
                    await self._record.write(attrs.evolve(last, by=self._by, superseded=True))
                return StartedWorkflow(last.start, attached=True)
            ended = attrs.evolve(last, phase="ended", runs=event.runs)
            await self._record.write(ended)
        if ended.has_completed and not cleared:
            return StartedWorkflow(ended.start, RunEvent(ended.runs, "terminal"), attached=True)
        return await self._begin(workflow_id, payload)

    async def _begin(self, workflow_id: str, payload: Mapping[str, Any] | None) -> StartedWorkflow:
        recorded: list[RecordedStart] = []

        async def record(start: WorkflowStart) -> None:
            recorded.append(RecordedStart(start, self._by, time.time()))
            writing = tasks.start(self._record.write, recorded[0])
            try:
                await asyncio.shield(writing)
            except (JournalError, asyncio.CancelledError):  # nothing is sent
                await asyncio.wait([writing])
                with suppress(JournalError):
                    await self._record.write(attrs.evolve(recorded[0], phase="refused"))
                raise

        try:
            start = await self._flow.begin_workflow(workflow_id, payload=payload, before_start=record)
        except DataFlowError as error:
            if not recorded or isinstance(error, JournalError):
                raise
            if not error.may_have_run:
                await self._record.write(attrs.evolve(recorded[0], phase="refused"))
                raise
            resolved = await self._resolved(recorded[0])
            if resolved is None:
                raise
            return StartedWorkflow(resolved.start)
        await self._record.write(attrs.evolve(recorded[0], start=start, phase="accepted"))
        return StartedWorkflow(start)

    async def _resolved(self, lost: RecordedStart) -> RecordedStart | None:
        """Find out whether a start has happened, and return it as accepted; None if a person says that it has not.

        Raises:
            LaunchUncertain: None of its runs is listed, or several starts are mixed up.
        """
        finding = await self._record.finding()
        if finding == NOT_STARTED:
            return None
        if finding is None and not (await known_runs(self._flow, lost.start)).runs:
            await asyncio.sleep(max(lost.at + self._visibility_delay - time.time(), 0.0))
            if not (await known_runs(self._flow, lost.start)).runs:
                raise LaunchUncertain(
                    f"workflow {lost.start.workflow_id} may have been started: no answer is recorded, and no run of it is"
                    " listed, which proves nothing"
                )
        by = lost.by if finding is None else self._by  # the clear came with the finding: it is for this start
        found = attrs.evolve(lost, phase="accepted", by=by)
        await self._record.write(found)
        return found


def _check_same(last: RecordedStart, workflow_id: str) -> None:
    """Check that a start is of the workflow that the task names now.

    Raises:
        OtherSettings: It is of another one.
    """
    if last.start.workflow_id != workflow_id:
        raise OtherSettings(
            f"workflow {last.start.workflow_id}, started by try {last.by.number}, goes on, and the task names workflow"
            f" {workflow_id} now: wait for its end or cancel its runs, then clear the task again"
        )


async def known_runs(flow: DataFlow, start: WorkflowStart) -> RunEvent:
    """Return the runs of a start as they are now, with ``ended_by`` ``"deadline"`` while it goes on.

    Raises:
        LaunchUncertain: Runs of another start may be among them.
        DataFlowError: They can't be listed.
    """
    try:
        runs = tuple(await flow.follow_workflow(start, timeout=0.0))
    except (ExecutionFailed, ExecutionCanceled) as error:
        runs = tuple(error.executions)
    except WaitTimeout as error:
        return RunEvent(tuple(map(RunReport.of, error.executions)), "deadline")
    return RunEvent(tuple(map(RunReport.of, runs)), "terminal")
