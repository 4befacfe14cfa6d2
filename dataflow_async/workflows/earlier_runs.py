"""Runs of a workflow's earlier starts: which jobs they may still bring a run of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple

from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.moment import proven_time

Parents = Mapping[str, tuple[str, ...]]
"""The jobs each job follows, by job id, in node order."""


class _Run(NamedTuple):
    """What is kept of a run."""

    job_id: str
    trigger_id: str | None
    has_ended: bool
    """As far as the row shows: one with neither a status nor an end has not shown that it goes on."""
    may_have_completed: bool
    ended_at: float | None
    """Seconds since the epoch, if the row proves it."""


class _Group:
    """Runs of one job under one trigger, counted."""

    __slots__ = ("completed", "fresh", "rows", "working")

    def __init__(self) -> None:
        self.rows = 0
        self.completed = 0
        self.working: dict[str, None] = {}
        """Those that have not ended."""
        self.fresh: dict[str, float] = {}
        """Those that may have completed not long ago, with their end; infinity where it is not known."""


class EarlierRuns:
    """The runs of earlier starts.

    They are counted as they are noted: a history may hold 100,000 of them, and what follows from it is needed at each
    poll. A group's counts are those of its runs in their last noted state: `note` takes a run out of the counts before it
    enters it in another state, or an earlier start would seem to owe runs that it has brought.

    Args:
        terminal_statuses: Statuses that end a run.
        horizon: Server time, Unix seconds: runs that ended before it can't bring further ones.
    """

    def __init__(self, terminal_statuses: frozenset[str], horizon: float) -> None:
        self._terminal = terminal_statuses
        self._horizon = horizon
        self._runs: dict[str, _Run] = {}
        self._groups: dict[tuple[str, str | None], _Group] = {}

    def __contains__(self, execution_id: object) -> bool:
        """Return whether the run was noted."""
        return execution_id in self._runs

    def note(self, row: JobExecution) -> None:
        """Record a row, which may be known in another state."""
        execution_id = row.job_execution_id
        run = _Run(
            row.job_id,
            row.trigger_id,
            row.status in self._terminal or row.status is None or row.end_date is not None,
            row.status not in {ExecutionStatus.FAILED, ExecutionStatus.CANCELED},
            proven_time(row.end_date),
        )
        known = self._runs.get(execution_id)
        if known == run:
            return
        if known is not None:
            self._count(execution_id, known, -1)
        self._runs[execution_id] = run
        self._count(execution_id, run, +1)

    def forget(self, execution_id: str) -> None:
        """Take back a run that turned out not to be of an earlier start."""
        self._count(execution_id, self._runs.pop(execution_id), -1)

    def _count(self, execution_id: str, run: _Run, by: int) -> None:
        group = self._groups.setdefault((run.job_id, run.trigger_id), _Group())
        group.rows += by
        group.working.pop(execution_id, None)
        group.fresh.pop(execution_id, None)
        if not run.has_ended:
            if by > 0:
                group.working[execution_id] = None
        elif run.may_have_completed:
            group.completed += by
            ended = float("inf") if run.ended_at is None else run.ended_at
            if by > 0 and ended >= self._horizon:
                group.fresh[execution_id] = ended

    def open_jobs(
        self, parents: Parents, is_of_trigger: Callable[[str | None], bool], settled: float
    ) -> dict[str, str]:
        """Return the jobs that may still get a run of an earlier start, each with the earlier run that may bring it.

        An earlier run that has not ended may bring runs of all jobs behind it. One that has completed may do so until
        runs of the next job balance it, or until it is long over.

        Args:
            parents: The workflow's jobs.
            is_of_trigger: Returns whether runs under a trigger matter.
            settled: Server time, Unix seconds: runs that ended before it have brought all that they will bring.
        """
        found: dict[str, str] = {}
        for job in TopologicalSorter(parents).static_order():
            before = parents[job]
            sources = [found.get(one) or self._working(one, is_of_trigger) for one in before]
            if before and min(self._completed(one, is_of_trigger) for one in before) > sum(
                group.rows for group in self._of(job, is_of_trigger)
            ):
                sources += [self._fresh(one, is_of_trigger, settled) for one in before]
            if source := next(filter(None, sources), None):
                found[job] = source
        return found

    def _of(self, job_id: str, is_of_trigger: Callable[[str | None], bool]) -> Iterator[_Group]:
        for (job, trigger), group in self._groups.items():
            if job == job_id and is_of_trigger(trigger):
                yield group

    def _working(self, job_id: str, is_of_trigger: Callable[[str | None], bool]) -> str | None:
        return next(
            (run for group in self._of(job_id, is_of_trigger) for run in reversed(group.working)), None
        )

    def _completed(self, job_id: str, is_of_trigger: Callable[[str | None], bool]) -> int:
        return sum(group.completed for group in self._of(job_id, is_of_trigger))

    def _fresh(self, job_id: str, is_of_trigger: Callable[[str | None], bool], settled: float) -> str | None:
        groups = self._of(job_id, is_of_trigger)
        return next(
            (run for group in groups for run in reversed(group.fresh) if group.fresh[run] >= settled), None
        )
