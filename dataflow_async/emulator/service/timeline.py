"""The queue of what is due, in order of time, and at equal times in the order of item."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import attrs


@attrs.frozen
class Origin:
    """What started a run."""

    kind: str = "JOB"
    """``JOB`` or ``WORKFLOW``."""
    trigger_id: str | None = None
    trigger_name: str | None = None
    workflow_id: str | None = None
    """The workflow whose runs it is listed with."""


@attrs.define(eq=False)
class WorkflowRun:
    """One start of a workflow: who follows whom among its jobs, and which of them have a run already."""

    origin: Origin
    conditions: dict[str, dict[str, Any]]
    """Settings by job id."""
    parents: dict[str, list[str]]
    """Ids of the jobs before each job."""
    executions: dict[str, str] = attrs.field(factory=dict)
    """Ids of the runs that have begun, by job id."""

    def unblocked_by(self, job_id: str) -> list[str]:
        """The jobs that this one, which has just begun, was the last to block."""
        return [
            child
            for child, parents in self.parents.items()
            if job_id in parents and all(parent in self.executions for parent in parents)
        ]


@attrs.frozen(eq=False)
class Step:
    """A job of a workflow run that begins once its parents are done and there is room for it."""

    run: WorkflowRun
    job_id: str


@attrs.frozen(eq=False)
class Firing:
    """A trigger that is due."""

    trigger_id: str


DueItem = Step | Firing


@attrs.define(eq=False)
class DueQueue:
    """Entries by the time they are due."""

    _heap: list[tuple[float, int, DueItem]] = attrs.field(factory=list, init=False)
    _order: Iterator[int] = attrs.field(factory=count, init=False)

    def __iter__(self) -> Iterator[tuple[float, DueItem]]:
        """Every item with its time, the first first."""
        return ((due, item) for due, _, item in sorted(self._heap))

    def add(self, due: float, item: DueItem) -> None:
        """Enter something."""
        heapq.heappush(self._heap, (due, next(self._order), item))

    def pop_due(self, now: float) -> tuple[float, DueItem] | None:
        """Take out the first item whose time has come."""
        if not self._heap or self._heap[0][0] > now:
            return None
        due, _, item = heapq.heappop(self._heap)
        return due, item

    def bring_forward(self, due: float, concerned: Callable[[Step], bool]) -> None:
        """Make certain steps due at this time already, because what they wait for ends earlier than planned."""
        for index, (planned, order, item) in enumerate(self._heap):
            if planned > due and isinstance(item, Step) and concerned(item):
                self._heap[index] = due, order, item
        heapq.heapify(self._heap)
