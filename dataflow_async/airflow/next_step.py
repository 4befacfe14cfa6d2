"""Decides what a try of a task does with the launch that an earlier try has recorded. Pure."""

from __future__ import annotations

from enum import Enum, auto

from dataflow_async.airflow.task_state import TaskLaunch, TaskTry
from dataflow_async.bulk.launch_records import JournalPhase
from dataflow_async.models.execution import TERMINAL, ExecutionStatus


class Step(Enum):
    """What comes next for a recorded launch."""

    RESUME = auto()
    """It is not recorded whether it started, or it did not: the pipeline finds out, and sends it if it did not."""
    ATTACH = auto()
    """Its run goes on: wait for that."""
    REPORT = auto()
    """Its run has completed, and no try has reported it: that is the outcome."""
    LAUNCH = auto()
    """Its run has ended, and another one is due."""
    STOP = auto()
    """The service has its run no more, and nothing shows how it ended."""


def was_cleared(launch: TaskLaunch, now: TaskTry) -> bool:
    """Return whether a person has cleared the task since a launch was recorded, rather than Airflow retried it."""
    return now.max_tries != launch.by.max_tries


def next_step(launch: TaskLaunch, status: str | None, now: TaskTry, *, gone: bool = False) -> Step:
    """Return what comes next.

    A retry has the same purpose as the try before: it reports a run that has completed, and launches another one only for
    a run that has not. A clear means "run again": whatever has ended is launched anew. In both cases a run that goes on
    is awaited, never doubled.

    Args:
        launch: The latest attempt.
        status: The status of its run, as read now or as recorded.
        now: This try.
        gone: Whether the service has the run no more.
    """
    if launch.entry.phase not in (JournalPhase.ACCEPTED, JournalPhase.ENDED):
        return Step.RESUME
    cleared = was_cleared(launch, now)
    if gone:
        return Step.LAUNCH if cleared or launch.superseded else Step.STOP
    if status not in TERMINAL and launch.entry.phase is not JournalPhase.ENDED:
        return Step.ATTACH
    if status == ExecutionStatus.COMPLETED and not cleared:
        return Step.REPORT
    return Step.LAUNCH
