"""Which rows of a workflow's list belong to one start of it (ruling 74). Pure: rows in, verdicts out.

executeWorkflow names no run. A row may belong to a start if it was not listed before, is the run of one of the
workflow's jobs, and names the trigger that was fired, or none. Where two rows of a job may, or where an
earlier start may still bring another one, nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.graph import check_parents
from dataflow_async.models.moment import proven_time
from dataflow_async.models.workflow import Workflow

Parents = Mapping[str, tuple[str, ...]]
"""The jobs each job follows, by job id, in node order."""


def job_parents(workflow: Workflow) -> Parents:
    """Read from a workflow's nodes which job follows which; triggers hold nobody back.

    Raises:
        InvalidRequest: There is no JOB node, a job is deleted or stands in two nodes, or the nodes form a cycle:
            the rows of such a start could not be awaited or told apart.
    """
    jobs: dict[str, list[str]] = {}
    for index, node in enumerate(workflow.nodes or ()):
        if node.type != "JOB":
            continue
        where = f"workflow_id: workflow {workflow.workflow_id} can't be awaited: nodes[{index}]"
        if not node.id:
            raise InvalidRequest(f"{where} names no job", field="workflow_id")
        if node.is_valid is False:
            raise InvalidRequest(f"{where}: job {node.id} is deleted (isValid is false)", field="workflow_id")
        if node.id in jobs:
            raise InvalidRequest(f"{where}: job {node.id} stands in an earlier node too", field="workflow_id")
        jobs[node.id] = node.parent_node_ids or []
    if not jobs:
        raise InvalidRequest(
            f"workflow_id: workflow {workflow.workflow_id} has no JOB node, so there is no run to wait for",
            field="workflow_id",
        )
    parents = {job: tuple(one for one in following if one in jobs) for job, following in jobs.items()}
    check_parents([{"id": job, "parentNodeIds": following} for job, following in parents.items()])
    return parents


class _Earlier(NamedTuple):
    """What is kept of a row that was listed before the start."""

    job_id: str
    trigger_id: str | None
    has_ended: bool
    """As far as can be told: one that shows neither a status nor an end has not shown that it goes on."""
    may_have_completed: bool
    ended_at: float | None
    """Seconds since the epoch, if the row proves it."""


class StartRows:
    """The rows of one start, as far as the lists have shown them.

    Args:
        parents: The workflow's jobs.
        terminal_statuses: Statuses that end a run.
    """

    def __init__(self, parents: Parents, terminal_statuses: frozenset[str]) -> None:
        self._parents = parents
        self._terminal = terminal_statuses
        self._earlier: dict[str, _Earlier] = {}
        self._rows: dict[str, dict[str, JobExecution]] = {job: {} for job in parents}
        self._ended: set[str] = set()
        self._trigger_id: str | None = None
        self._settled = 0.0

    # --- what the lists show -------------------------------------------------------------------------------

    def note_before(self, row: JobExecution) -> None:
        """Take in a row that is listed before the start."""
        self._earlier[row.job_execution_id] = _Earlier(
            row.job_id,
            row.trigger_id,
            row.status in self._terminal or row.status is None or row.end_date is not None,
            row.status not in {ExecutionStatus.FAILED, ExecutionStatus.CANCELED},
            proven_time(row.end_date),
        )

    def fired(self, trigger_id: str | None, settled: float) -> None:
        """Take in the start.

        Args:
            trigger_id: The trigger that was fired, if the receipt names it.
            settled: Runs that ended before this time have brought all rows that they will bring.
        """
        self._trigger_id = trigger_id
        self._settled = settled

    def note(self, row: JobExecution) -> None:
        """Take in a row that is listed after the start."""
        if row.job_execution_id in self._earlier:
            self.note_before(row)
        elif row.job_id in self._rows and self._is_of_trigger(row):
            self.see(row, row)
            if row.status in self._terminal:
                self._ended.add(row.job_execution_id)

    def see(self, row: JobExecution, now: JobExecution) -> None:
        """Take in what a look has shown of a row; once it has ended nothing changes any more."""
        if row.job_execution_id not in self._ended:
            self._rows[row.job_id][row.job_execution_id] = now

    def end(self, row: JobExecution, now: JobExecution) -> None:
        """Take in how a row has ended, whatever its status."""
        self.see(row, now)
        self._ended.add(row.job_execution_id)

    # --- what follows from it ------------------------------------------------------------------------------

    @property
    def known(self) -> tuple[JobExecution, ...]:
        """All rows that may belong to the start, in node order."""
        return tuple(row for rows in self._rows.values() for row in rows.values())

    @property
    def running(self) -> list[JobExecution]:
        """Those that have not ended."""
        return [row for rows in self._rows.values() for key, row in rows.items() if key not in self._ended]

    @property
    def missing(self) -> list[str]:
        """Jobs that should have a row by now: they have none, and all that they follow have completed.

        What follows a job that ended otherwise never begins, nor does what follows that.
        """
        completed = {
            job
            for job, rows in self._rows.items()
            for key, row in rows.items()
            if key in self._ended and row.status == ExecutionStatus.COMPLETED
        }
        return [
            job
            for job, parents in self._parents.items()
            if not self._rows[job] and completed.issuperset(parents)
        ]

    @property
    def doubts(self) -> list[str]:
        """Why it can't be told which rows belong to the start, a phrase for each job; empty if it can."""
        open_jobs = self._open_jobs()
        found = []
        for job, rows in self._rows.items():
            ids = ", ".join(rows)
            if len(rows) > 1:
                found.append(f"job {job} has {len(rows)} new runs ({ids})")
            elif rows and job in open_jobs:
                found.append(
                    f"job {job} has one new run ({ids}), which may follow the earlier run {open_jobs[job]}"
                )
        return found

    def _is_of_trigger(self, row: JobExecution | _Earlier) -> bool:
        """Whether a row may be of the trigger that was fired; without an id on either side it may."""
        return self._trigger_id is None or row.trigger_id in {None, self._trigger_id}

    def _open_jobs(self) -> dict[str, str]:
        """Jobs that may still get a row of an earlier start, each with the earlier run that may bring it.

        An earlier run that has not ended may bring rows of all jobs behind it. One that has completed may do
        so until rows of the next job balance it, or until it is long over.
        """
        working: dict[str, str] = {}
        fresh: dict[str, str] = {}
        rows: Counter[str] = Counter()
        completed: Counter[str] = Counter()
        for execution_id, row in self._earlier.items():
            if not self._is_of_trigger(row):
                continue
            rows[row.job_id] += 1
            if not row.has_ended:
                working[row.job_id] = execution_id
            elif row.may_have_completed:
                completed[row.job_id] += 1
                if row.ended_at is None or row.ended_at >= self._settled:
                    fresh[row.job_id] = execution_id
        found: dict[str, str] = {}
        for job in TopologicalSorter(self._parents).static_order():
            parents = self._parents[job]
            sources = [found.get(one) or working.get(one) for one in parents]
            if parents and min(completed[one] for one in parents) > rows[job]:
                sources += [fresh.get(one) for one in parents]
            if source := next(filter(None, sources), None):
                found[job] = source
        return found
