"""The due queue of the service: steps of workflow runs and firings of triggers, in order of time."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import attrs


@attrs.frozen
class Origin:
    """The cause of a run: a call, a trigger or a workflow."""

    kind: str = "JOB"
    """``JOB`` or ``WORKFLOW``."""
    trigger_id: str | None = None
    trigger_name: str | None = None
    workflow_id: str | None = None
    """The workflow whose runs it is listed with."""


@attrs.define(eq=False)
class WorkflowRun:
    """One start of a workflow: the parents of each of its jobs, and the runs that have begun."""

    origin: Origin
    conditions: dict[str, dict[str, Any]]
    """Settings by job id."""
    parents: dict[str, list[str]]
    """Ids of the jobs before each job."""
    executions: dict[str, str] = attrs.field(factory=dict)
    """Ids of the runs that have begun, by job id."""

    def unblocked_by(self, job_id: str) -> list[str]:
        """Return the jobs whose parents have all begun, now that this one has."""
        return [
            child
            for child, parents in self.parents.items()
            if job_id in parents and all(parent in self.executions for parent in parents)
        ]


@attrs.frozen(eq=False)
class Step:
    """A job of a workflow run that begins once its parents are complete and the job may have one more run."""

    run: WorkflowRun
    job_id: str


@attrs.frozen(eq=False)
class Firing:
    """A trigger that is due."""

    trigger_id: str


DueItem = Step | Firing


@attrs.define(eq=False)
class DueQueue:
    """Items by the time they are due, and at equal times in the order of adding.

    Always true: the heap is ordered by due time, then by the number given on adding, so equal histories give equal orders. A changed
    due time without `bring_forward` would break the heap.
    """

    _heap: list[tuple[float, int, DueItem]] = attrs.field(factory=list, init=False)
    _order: Iterator[int] = attrs.field(factory=count, init=False)

    def __iter__(self) -> Iterator[tuple[float, DueItem]]:
        """Yield every item with its time, the earliest first."""
        return ((due, item) for due, _, item in sorted(self._heap))

    def add(self, due: float, item: DueItem) -> None:
        """Add an item."""
        heapq.heappush(self._heap, (due, next(self._order), item))

    def pop_due(self, now: float) -> tuple[float, DueItem] | None:
        """Remove and return the earliest item with its time, or return None if none is due by now."""
        if not self._heap or self._heap[0][0] > now:
            return None
        due, _, item = heapq.heappop(self._heap)
        return due, item

    def bring_forward(self, due: float, concerned: Callable[[Step], bool]) -> None:
        """Move steps that wait for a run to this earlier time, because the run ends earlier than planned."""
        for index, (planned, order, item) in enumerate(self._heap):
            if planned > due and isinstance(item, Step) and concerned(item):
                self._heap[index] = due, order, item
        heapq.heapify(self._heap)
